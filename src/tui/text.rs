//! The seam to `lang`: how rules and elements become text. Nothing else in the interface prints them.

use crate::kernel::nf_tables::decode;
use crate::lang::english;
use crate::lang::iptables::{self, from_nft};
use crate::lang::nft::delinearize::{self, TableView};
use crate::lang::nft::facts;
use crate::model::{Chain, ElementList, Family, Name, Names, Rule, Set, Table};
use crate::stage::change::is_iptables;
use std::fmt;
use std::sync::Arc;

/// What a rule refers to by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Chains, of jump and goto.
    pub jumps: Vec<Name>,
    pub sets: Vec<Name>,
    pub objects: Vec<Name>,
    pub flowtables: Vec<Name>,
}

/// Prints what belongs to one table. Making one looks at every set of the table, so it is kept.
pub struct Printer {
    view: TableView,
    names: Arc<Names>,
    /// Its rules are in the iptables language.
    iptables: bool,
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Printer({} {})",
            self.view.family(),
            self.view.table.name
        )
    }
}

impl Printer {
    pub fn new(table: &Arc<Table>, names: &Arc<Names>) -> Printer {
        Printer {
            view: TableView::new(table),
            names: names.clone(),
            iptables: from_nft::is_of_iptables(table),
        }
    }

    /// True when it was made for this very table.
    pub fn fits(&self, table: &Arc<Table>) -> bool {
        Arc::ptr_eq(&self.view.table, table)
    }

    /// The rule in nft syntax, on one line, without its handle.
    pub fn rule(&self, rule: Rule<'_>) -> String {
        facts::rule_text(&self.view, &self.names, rule)
    }

    /// Whether the table is one of iptables.
    pub fn is_iptables(&self) -> bool {
        self.iptables
    }

    /// The rule as `iptables -S` prints it, without `-A CHAIN`; nothing where iptables has no words for it.
    pub fn iptables(&self, rule: Rule<'_>) -> Option<String> {
        if !self.iptables {
            return None;
        }
        iptables::print::text(&self.view.table, &self.names, rule)
    }

    /// The rule in the language that it was written in, unless `nft` is asked for.
    pub fn shown(&self, rule: Rule<'_>, nft: bool) -> String {
        let own = if nft { None } else { self.iptables(rule) };
        own.unwrap_or_else(|| self.rule(rule))
    }

    /// All that a search for words of the rule looks at.
    pub fn searched(&self, rule: Rule<'_>) -> String {
        let mut text = self.rule(rule);
        if let Some(own) = self.iptables(rule) {
            text.push(' ');
            text.push_str(&own);
        }
        text
    }

    /// The rule in its language without counters and other state: what a change of it starts from.
    pub fn rule_stateless(&self, rule: Rule<'_>) -> String {
        // A rule of iptables without any condition and target has no words at all.
        if let Some(own) = self.iptables(rule).filter(|own| is_iptables(own)) {
            return own;
        }
        facts::rule_text_stateless(&self.view, &self.names, rule)
    }

    /// The rule in plain English.
    pub fn sentence(&self, rule: Rule<'_>) -> String {
        english::rule(&self.view, &self.names, rule)
    }

    /// The elements of a set in nft's order, intervals put together. None when nobody wants them any more.
    pub fn elements(
        &self,
        set: &Set,
        list: &ElementList,
        wanted: &dyn Fn() -> bool,
    ) -> Option<Texts> {
        let mut texts = Texts::default();
        for (place, element) in facts::elements(&self.view, set, list).iter().enumerate() {
            if place % 4096 == 0 && !wanted() {
                return None;
            }
            texts.push(&facts::element_text(&self.view, &self.names, element));
        }
        Some(texts)
    }

    /// `type ipv4_addr : verdict`
    pub fn set_type(&self, set: &Set) -> String {
        facts::set_type_text(&self.view, &self.names, set)
    }
}

/// Many short texts in one piece of memory: a million elements are one allocation, not a million.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, place: usize) -> Option<&str> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(previous) => *self.ends.get(previous)?,
            None => 0,
        };
        self.text.get(start..end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

/// In plain English which packets come to a chain, and what becomes of those that no rule decides.
pub fn chain_sentence(family: Family, chain: &Chain) -> String {
    english::chain(family, chain)
}

/// What a person wrote beside a table, chain or object.
pub fn comment(userdata: &[u8]) -> Option<String> {
    delinearize::userdata_comment(userdata)
}

/// What a person wrote beside a set.
pub fn set_comment(set: &Set) -> Option<String> {
    delinearize::set_comment(&set.userdata)
}

/// The expressions of a rule as the kernel has them, one line each.
pub fn rule_expressions(rule: Rule<'_>) -> Vec<String> {
    facts::expression_lines(rule)
}

/// Packets and bytes that a rule's own counter has seen.
pub fn rule_counters(rule: Rule<'_>) -> Option<(u64, u64)> {
    decode::rule_counter(rule).map(|counter| (counter.packets, counter.bytes))
}

/// What a rule refers to.
pub fn rule_references(rule: Rule<'_>) -> References {
    let found = facts::references(rule);
    References {
        jumps: found.chains,
        sets: found.sets,
        objects: found.objects,
        flowtables: found.flowtables,
    }
}
