//! Chains of legacy tables that come, go and get other names, as `iptables -N`, `-X` and `-E` would have it.

use super::{Slot, Work};
use crate::lang::iptables::parse;
use crate::lang::iptables::rule::{Chain, Rule};
use crate::session::changes::Wrong;
use crate::stage::change::{Edit, Place};

impl Work<'_> {
    fn mistake(change: usize, edit: &Edit, message: String) -> Box<Wrong> {
        let (lead, text) = (edit.lead(), edit.text());
        // What a person wrote, or the command where nothing was.
        let span = match text.is_empty() {
            true => 0..lead.trim_end().len(),
            false => lead.len()..lead.len() + text.len(),
        };
        Box::new(Wrong {
            change,
            span,
            message,
            help: None,
            moved: None,
        })
    }

    /// Whether a chain can be called so.
    fn free(&self, change: usize, edit: &Edit, name: &str) -> Result<(), Box<Wrong>> {
        let wrong = |message: String| Err(Self::mistake(change, edit, message));
        if let Err(why) = parse::chain_name(name) {
            return wrong(why.to_owned());
        }
        if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return wrong("a chain's name is one word".to_owned());
        }
        if parse::policy(name).is_some() {
            return wrong(format!("`{name}` is a target; rules could not jump there"));
        }
        match self.table.chains.iter().any(|one| &*one.name == name) {
            true => wrong(format!("there is a chain {name} already")),
            false => Ok(()),
        }
    }

    /// Put a user chain where libiptc keeps it: behind the built-in ones, by name.
    fn keep(&mut self, chain: Chain, slots: Vec<Slot>) {
        let after = |one: &Chain| one.policy.is_none() && one.name > chain.name;
        let place = self.table.chains.iter().position(after);
        let place = place.unwrap_or(self.table.chains.len());
        self.table.chains.insert(place, chain);
        self.slots.insert(place.min(self.slots.len()), slots);
    }

    fn take(&mut self, index: usize) -> (Chain, Vec<Slot>) {
        (self.table.chains.remove(index), self.slots.remove(index))
    }

    pub(super) fn make_chain(
        &mut self,
        change: usize,
        edit: &Edit,
        name: &str,
    ) -> Result<(), Box<Wrong>> {
        let name = name.trim();
        self.free(change, edit, name)?;
        let chain = Chain {
            name: name.into(),
            policy: None,
            rules: Vec::new(),
        };
        self.keep(chain, Vec::new());
        Ok(())
    }

    /// A user chain, and where it is.
    fn user_chain(
        &mut self,
        change: usize,
        edit: &Edit,
        place: &Place,
    ) -> Result<usize, Box<Wrong>> {
        let index = self.chain(change, edit, place)?;
        let chain = self.table.chains.get(index);
        match chain.is_some_and(|chain| chain.policy.is_none()) {
            true => Ok(index),
            false => Err(Self::mistake(
                change,
                edit,
                format!("{} is a built-in chain: it stays", place.name),
            )),
        }
    }

    pub(super) fn rename_chain(
        &mut self,
        change: usize,
        edit: &Edit,
        place: &Place,
        to: &str,
    ) -> Result<(), Box<Wrong>> {
        let to = to.trim();
        let index = self.user_chain(change, edit, place)?;
        self.free(change, edit, to)?;
        let (mut chain, slots) = self.take(index);
        chain.name = to.into();
        self.keep(chain, slots);
        for (_, rule) in self.slots.iter_mut().flatten() {
            rule.lead_to(&place.name, to);
        }
        Ok(())
    }

    pub(super) fn delete_chain(
        &mut self,
        change: usize,
        edit: &Edit,
        place: &Place,
    ) -> Result<(), Box<Wrong>> {
        let index = self.user_chain(change, edit, place)?;
        let rules = self.slots.get(index).map_or(0, Vec::len);
        if rules > 0 {
            let message = format!(
                "chain {} holds {rules} rule{}; delete what it holds first",
                place.name,
                if rules == 1 { "" } else { "s" }
            );
            return Err(Self::mistake(change, edit, message));
        }
        let leads = |slots: &Vec<Slot>| {
            let leads = |(_, rule): &Slot| Rule::goes_to(rule, &place.name);
            slots.iter().position(leads)
        };
        let mut chains = self.table.chains.iter().zip(&self.slots);
        let from = chains.find_map(|(chain, slots)| Some((chain, leads(slots)? + 1)));
        if let Some((chain, number)) = from {
            let message = format!(
                "rule {number} of {} goes to {}; delete that rule first",
                chain.name, place.name
            );
            return Err(Self::mistake(change, edit, message));
        }
        self.take(index);
        Ok(())
    }
}
