//! A path in words: texts of rules here, the JSON of `hookscope trace` in `json`, and lines for people in `lines`.
//! May use `lang`, which writes the texts of rules.

mod json;
mod lines;

use super::eval::program::ChainId;
use super::path::Simulator;
use super::report::Place;
use crate::kernel::netlink::Attrs;
use crate::lang::english;
use crate::lang::iptables::rule::Target;
use crate::lang::iptables::save::Context;
use crate::lang::iptables::{as_nft, from_legacy, print as iptables_print};
use crate::lang::nft::delinearize::TableView;
use crate::lang::nft::facts;
use crate::model::xtables::rule::{LegacyChain, LegacyTable};
use crate::model::{Family, Names, Rule, Ruleset};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Words of one picture.
pub struct Words<'a> {
    sim: &'a Simulator<'a>,
    ruleset: &'a Ruleset,
    names: &'a Names,
    views: RefCell<HashMap<usize, Rc<TableView>>>,
    texts: RefCell<HashMap<(ChainId, usize), Rc<str>>>,
}

const NFTA_RULE_EXPRESSIONS: u16 = 4;

/// The attributes of a rule with its first expressions only.
fn first_expressions(attributes: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(attributes.len());
    let mut put = |kind: u16, payload: &[u8]| {
        let len = (payload.len() + 4) as u16;
        out.extend(len.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(payload);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    for attr in Attrs::new(attributes).filter_map(Result::ok) {
        if attr.kind != NFTA_RULE_EXPRESSIONS {
            continue;
        }
        let mut list = Vec::new();
        for element in Attrs::new(attr.payload).filter_map(Result::ok).take(count) {
            let len = (element.payload.len() + 4) as u16;
            list.extend(len.to_ne_bytes());
            list.extend(element.kind.to_ne_bytes());
            list.extend(element.payload);
            list.resize(list.len().next_multiple_of(4), 0);
        }
        put(attr.kind, &list);
    }
    out
}

impl<'a> Words<'a> {
    pub fn new(sim: &'a Simulator<'a>, ruleset: &'a Ruleset, names: &'a Names) -> Words<'a> {
        Words {
            sim,
            ruleset,
            names,
            views: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    fn view(&self, chain: ChainId) -> Option<Rc<TableView>> {
        let number = self.sim.program.chains.get(chain)?.table;
        if let Some(view) = self.views.borrow().get(&number) {
            return Some(view.clone());
        }
        let view = Rc::new(TableView::new(self.ruleset.tables.get(number)?));
        self.views.borrow_mut().insert(number, view.clone());
        Some(view)
    }

    /// A rule as one line, without counters.
    pub fn rule(&self, place: Place, rule: usize) -> Rc<str> {
        let chain = match place {
            Place::Nft(chain) => chain,
            Place::Legacy { table, chain } => return self.legacy_rule(table, chain, rule).into(),
        };
        if let Some(text) = self.texts.borrow().get(&(chain, rule)) {
            return text.clone();
        }
        let found = self
            .sim
            .program
            .chain(chain)
            .and_then(|chain| chain.rules.get(rule));
        let text: Rc<str> = match (self.view(chain), found) {
            (Some(view), Some(rule)) => facts::rule_text_stateless(&view, self.names, rule).into(),
            _ => "".into(),
        };
        self.texts.borrow_mut().insert((chain, rule), text.clone());
        text
    }

    /// A rule in plain English.
    pub fn sentence(&self, place: Place, rule: usize) -> Option<String> {
        let chain = match place {
            Place::Nft(chain) => chain,
            Place::Legacy { table, chain } => return self.legacy_sentence(table, chain, rule),
        };
        let rule = self.sim.program.chain(chain)?.rules.get(rule)?;
        Some(english::rule(&*self.view(chain)?, self.names, rule))
    }

    /// A legacy rule is told as the same rule of a table of nf_tables, in which it stands alone.
    fn legacy_sentence(&self, table: usize, chain: usize, rule: usize) -> Option<String> {
        let of = self.sim.legacy.get(table)?.table;
        let chain = of.chains.get(chain)?;
        let alone = LegacyTable {
            family: of.family,
            name: of.name.clone(),
            chains: vec![LegacyChain {
                name: chain.name.clone(),
                policy: None,
                rules: vec![chain.rules.get(rule)?.clone()],
            }],
        };
        let view = TableView::new(&Arc::new(as_nft::table(&alone)));
        let rule = view.table.chains.first()?.rules.get(0)?;
        Some(english::rule(&view, self.names, rule))
    }

    /// The family of the table of a place.
    pub fn family(&self, place: Place) -> Option<Family> {
        match place {
            Place::Nft(chain) => Some(self.sim.program.family_of(chain)),
            Place::Legacy { table, .. } => Some(self.sim.legacy.get(table)?.table.family),
        }
    }

    fn context(&self, family: Family) -> Context<'_> {
        Context {
            family,
            names: self.names,
        }
    }

    fn legacy_rule(&self, table: usize, chain: usize, rule: usize) -> String {
        let mut text = String::new();
        let Some(table) = self.sim.legacy.get(table).map(|table| table.table) else {
            return text;
        };
        let found = table
            .chains
            .get(chain)
            .and_then(|chain| chain.rules.get(rule));
        if let Some(rule) = found {
            let rule = from_legacy::rule(table.family, rule);
            iptables_print::rule(&rule, &self.context(table.family), &mut text);
        }
        text.trim_start().to_owned()
    }

    /// The part of a legacy rule that did not match: its header, or one of its matches.
    fn legacy_failed(&self, table: usize, chain: usize, rule: usize, part: usize) -> String {
        let mut text = String::new();
        let Some(table) = self.sim.legacy.get(table).map(|table| table.table) else {
            return text;
        };
        let found = table
            .chains
            .get(chain)
            .and_then(|chain| chain.rules.get(rule));
        let Some(found) = found else {
            return text;
        };
        let mut rule = from_legacy::rule(table.family, found);
        match part.checked_sub(1) {
            None => {
                rule.parts.clear();
                rule.target = Target::Nothing;
                iptables_print::rule(&rule, &self.context(table.family), &mut text);
            }
            Some(part) => {
                if let Some(part) = rule.parts.get(part) {
                    text = format!("-m {}", part.name());
                    iptables_print::options(part, &self.context(table.family), &mut text);
                }
            }
        }
        text.trim_start().to_owned()
    }

    /// The statement that did not match.
    pub fn failed(&self, place: Place, rule: usize, op: usize) -> String {
        let chain = match place {
            Place::Nft(chain) => chain,
            Place::Legacy { table, chain } => return self.legacy_failed(table, chain, rule, op),
        };
        let found = self
            .sim
            .program
            .chain(chain)
            .and_then(|chain| chain.rules.get(rule));
        let (Some(view), Some(rule)) = (self.view(chain), found) else {
            return String::new();
        };
        let upto = |count: usize| {
            let attributes = first_expressions(rule.attributes, count);
            let rule = Rule {
                handle: rule.handle,
                attributes: &attributes,
            };
            facts::rule_text_stateless(&view, self.names, rule)
        };
        let whole = upto(op + 1);
        // What stood before the failing statement is not repeated.
        let before = (0..=op).rev().map(upto).find(|before| {
            !before.is_empty() && whole.len() > before.len() && whole.starts_with(&**before)
        });
        match before {
            Some(before) => whole
                .get(before.len()..)
                .unwrap_or_default()
                .trim()
                .to_owned(),
            None => whole,
        }
    }

    /// Family, table, chain, type, priority and backend of a place.
    pub fn chain_facts(&self, place: Place) -> Option<ChainFacts> {
        let id = match place {
            Place::Nft(id) => id,
            Place::Legacy { table, chain } => {
                let table = self.sim.legacy.get(table)?;
                let hooks = table.hooks();
                let chain = table.table.chains.get(chain)?;
                let kind = if hooks.is_nat { "nat" } else { "filter" };
                let hook = chain.policy.as_ref().map(|policy| policy.hook as usize);
                return Some(ChainFacts {
                    family: table.table.family.name().to_owned(),
                    table: table.table.name.to_string(),
                    chain: chain.name.to_string(),
                    kind: hook.map(|_| kind.to_owned()),
                    priority: hook.and_then(|hook| hooks.priority.get(hook).copied()),
                    backend: "legacy",
                });
            }
        };
        let (table, chain) = (self.sim.program.table_of(id)?, self.sim.program.chain(id)?);
        let base = chain.base.as_ref();
        Some(ChainFacts {
            family: table.family.name().to_owned(),
            table: table.name.to_string(),
            chain: chain.name.to_string(),
            kind: base.map(|base| base.kind.to_string()),
            priority: base.map(|base| base.priority),
            backend: "nft",
        })
    }

    /// Its handle, or its number in a legacy chain.
    pub fn handle(&self, place: Place, rule: usize) -> u64 {
        match place {
            Place::Nft(id) => {
                let chain = self.sim.program.chain(id);
                chain
                    .and_then(|chain| chain.rules.get(rule))
                    .map_or(0, |rule| rule.handle)
            }
            Place::Legacy { .. } => rule as u64 + 1,
        }
    }

    fn device(&self, index: u32) -> String {
        self.sim.network.link_name(index).to_string()
    }

    /// The name of a routing table.
    pub fn table(&self, id: u32) -> String {
        self.names.routing.table(id).into_owned()
    }
}

/// What a chain is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainFacts {
    pub family: String,
    pub table: String,
    pub chain: String,
    pub kind: Option<String>,
    pub priority: Option<i32>,
    /// `nft` or `legacy`
    pub backend: &'static str,
}
