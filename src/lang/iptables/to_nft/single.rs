//! Texts that change single rules of a table that is there: `-A`, `-I`, `-R`, `-D`, `-F CHAIN`. They become commands
//! about these rules alone, as in iptables-nft, however large the table is.

use super::rule;
use crate::lang::iptables::from_nft;
use crate::lang::iptables::parse::{Action, TableText, Wrong};
use crate::lang::iptables::rule::{Rule, Target};
use crate::model::command::{Command, NewRule, Place, RuleBody, RuleKey, Take, What};
use crate::model::{self, Family, Name};
use std::collections::{BTreeMap, HashMap};

/// The chains that must be known for a text, and whether with their rules; nothing when the text is about more than
/// rules of chains.
pub fn chains(text: &TableText) -> Option<BTreeMap<Name, bool>> {
    if text.flush {
        return None;
    }
    let mut chains: BTreeMap<Name, bool> = BTreeMap::new();
    let mut know = |chain: &str, rules: bool| {
        *chains.entry(chain.into()).or_default() |= rules;
    };
    for (action, ..) in &text.actions {
        match action {
            Action::Append { chain, .. } => know(chain, false),
            Action::Insert { chain, number, .. } => know(chain, *number != 1),
            Action::Replace { chain, .. }
            | Action::Delete { chain, .. }
            | Action::DeleteNumber { chain, .. } => know(chain, true),
            Action::Flush(Some(chain)) => know(chain, false),
            _ => return None,
        }
        if let Action::Append { rule, .. }
        | Action::Insert { rule, .. }
        | Action::Replace { rule, .. } = action
            && let Target::Jump(chain) | Target::Goto(chain) = &rule.target
        {
            know(chain, false);
        }
    }
    (!chains.is_empty()).then_some(chains)
}

/// A rule of a chain while the text is carried out.
#[derive(Clone, Copy)]
enum Slot {
    There(u64),
    /// Made by this text.
    New(u32),
}

/// Commands, and for each the bytes of the text that ask for it.
pub type Spanned = (Vec<Command>, Vec<(usize, usize)>);

/// The commands for a text, where `now` has its [`chains`]. Nothing when that takes more than commands about rules.
pub fn commands(
    family: Family,
    text: &TableText,
    now: &model::Table,
    next: &mut u32,
) -> Result<Option<Spanned>, Wrong> {
    let mut out: Spanned = (Vec::new(), Vec::new());
    let mut slots: HashMap<&str, Vec<Slot>> = HashMap::new();
    for chain in now.chains.iter().filter(|chain| chain.rules.read) {
        let rules = chain.rules.iter().map(|rule| Slot::There(rule.handle));
        slots.insert(&*chain.name, rules.collect());
    }
    for (action, start, end) in &text.actions {
        let wrong = |message: String| Wrong::new(*start, *end, message);
        let no_chain = |chain: &str| wrong(format!("there is no chain `{chain}`"));
        let beyond = |number: &usize| wrong(format!("there is no rule {number}"));
        let name = match action {
            Action::Append { chain, .. }
            | Action::Insert { chain, .. }
            | Action::Replace { chain, .. }
            | Action::Delete { chain, .. }
            | Action::DeleteNumber { chain, .. }
            | Action::Flush(Some(chain)) => chain,
            _ => return Ok(None),
        };
        let Some(there) = now.chain(name) else {
            // A built-in chain comes with its first rule.
            return match super::builtin::table(family, &text.name) {
                Some(known) if known.chains.iter().any(|chain| chain.name == name) => Ok(None),
                _ => Err(no_chain(name)),
            };
        };
        if let Action::Append { rule, .. }
        | Action::Insert { rule, .. }
        | Action::Replace { rule, .. } = action
            && let Target::Jump(to) | Target::Goto(to) = &rule.target
            && now.chain(to).is_none_or(|chain| chain.base.is_some())
        {
            return Err(wrong(format!("there is no chain or target `{to}`")));
        }
        let list = slots.get_mut(name.as_str());
        let (place, made) = match action {
            Action::Append { rule, .. } => (Place::Last, Some(rule)),
            Action::Insert { rule, number, .. } if *number == 1 => (Place::First, Some(rule)),
            Action::Insert { rule, number, .. } => {
                let list = list.as_deref().map_or(&[][..], Vec::as_slice);
                let place = match list.get(number.wrapping_sub(1)) {
                    Some(Slot::There(handle)) => Place::Before(RuleKey::Handle(*handle)),
                    Some(Slot::New(id)) => Place::Before(RuleKey::Id(*id)),
                    None if *number == list.len() + 1 => Place::Last,
                    None => return Err(beyond(number)),
                };
                (place, Some(rule))
            }
            Action::Replace { rule, number, .. } => {
                let list = list.as_deref().map_or(&[][..], Vec::as_slice);
                match list.get(number.wrapping_sub(1)) {
                    Some(Slot::There(handle)) => (Place::Replace(*handle), Some(rule)),
                    Some(Slot::New(_)) => return Ok(None),
                    None => return Err(beyond(number)),
                }
            }
            _ => (Place::Last, None),
        };
        if let Some(made) = made {
            *next += 1;
            let id = *next;
            let encoded = rule(made, next);
            if !encoded.sets.is_empty() {
                return Ok(None);
            }
            out.0.push(Command {
                family,
                table: now.name.clone(),
                what: What::MakeRule(NewRule {
                    chain: name.as_str().into(),
                    place,
                    id: Some(id),
                    body: RuleBody::Built {
                        expressions: encoded.expressions,
                        userdata: Vec::new(),
                        compat: encoded.compat,
                    },
                }),
            });
            out.1.push((*start, *end));
            if let Some(list) = slots.get_mut(name.as_str()) {
                let new = Slot::New(id);
                match action {
                    Action::Insert { number, .. } => {
                        list.insert(number.saturating_sub(1).min(list.len()), new);
                    }
                    Action::Replace { number, .. } => {
                        if let Some(slot) = list.get_mut(number.wrapping_sub(1)) {
                            *slot = new;
                        }
                    }
                    _ => list.push(new),
                }
            }
            continue;
        }
        let gone = match action {
            Action::Flush(_) => {
                if let Some(list) = slots.get_mut(name.as_str()) {
                    list.clear();
                }
                out.0.push(Command {
                    family,
                    table: now.name.clone(),
                    what: What::FlushRules(Some(name.as_str().into())),
                });
                out.1.push((*start, *end));
                continue;
            }
            Action::DeleteNumber { number, .. } => {
                let index = number.wrapping_sub(1);
                match list.as_deref().and_then(|list| list.get(index)) {
                    Some(Slot::There(_)) => index,
                    Some(Slot::New(_)) => return Ok(None),
                    None => return Err(beyond(number)),
                }
            }
            Action::Delete { rule, .. } => {
                let list = list.as_deref().map_or(&[][..], Vec::as_slice);
                if list.iter().any(|slot| matches!(slot, Slot::New(_))) {
                    return Ok(None);
                }
                match place_of(now, there, list, rule) {
                    Some(index) => index,
                    None => return Err(wrong("there is no such rule".to_owned())),
                }
            }
            _ => return Ok(None),
        };
        let Some(list) = slots
            .get_mut(name.as_str())
            .filter(|list| gone < list.len())
        else {
            return Ok(None);
        };
        if let Slot::There(handle) = list.remove(gone) {
            out.0.push(Command {
                family,
                table: now.name.clone(),
                what: What::TakeRule(Take::Delete, name.as_str().into(), handle),
            });
            out.1.push((*start, *end));
        }
    }
    Ok(Some(out))
}

/// Where the first rule is that says the same.
fn place_of(
    table: &model::Table,
    chain: &model::Chain,
    list: &[Slot],
    wanted: &Rule,
) -> Option<usize> {
    list.iter().position(|slot| {
        let Slot::There(handle) = slot else {
            return false;
        };
        let index = chain.rules.index_of(*handle);
        let bytes = index.and_then(|index| chain.rules.get(index));
        let read = bytes.and_then(|bytes| from_nft::rule(table, bytes).ok());
        read.is_some_and(|read| {
            Rule {
                counters: wanted.counters,
                ..read
            } == *wanted
        })
    })
}
