//! Commands that make what a picture shows: whole tables, or single parts of them. Pure.
//!
//! Rules go back as the bytes that came. Sets and chains that belong to one rule alone are made anew with it, under
//! names that the kernel will give (see `model::command`).

use crate::kernel::netlink::Attrs;
use crate::kernel::nf_tables::{decode, expression};
use crate::model::command::*;
use crate::model::ruleset::{chain_flags, table_flags};
use crate::model::text::name_from_bytes;
use crate::model::{
    Chain, Data, Element, Elements, Expression, Family, Flowtable, Name, Object, Rule, Set, Table,
    Verdict,
};
use rustables::sys::*;
use std::collections::HashMap;

/// Chains without a name nest as deep as the kernel lets jumps nest (16).
const DEPTH: u8 = 20;

/// Collects the commands of one transaction.
#[derive(Debug, Default)]
pub struct Maker {
    pub commands: Vec<Command>,
    ids: u32,
    /// Chains that this transaction renames: (name in the end, name until then). The kernel knows a chain by its old
    /// name for the whole transaction. For a table that is made anew, whose chains have their names of the end at
    /// once, the other way round.
    pub old_names: HashMap<Name, Name>,
}

impl Maker {
    pub fn new() -> Maker {
        Maker::default()
    }

    /// For a transaction that has other commands already: numbers behind theirs.
    pub fn beside(commands: &[Command]) -> Maker {
        let used = commands.iter().filter_map(|command| match &command.what {
            What::MakeSet(_, set) => split_pending(&set.name).map(|(_, id)| id),
            What::MakeChain(_, chain) => split_pending(&chain.name).map(|(_, id)| id),
            What::MakeRule(rule) => rule.id,
            _ => None,
        });
        Maker {
            ids: used.max().unwrap_or(0),
            ..Maker::default()
        }
    }

    pub fn push(&mut self, table: &Table, what: What) {
        self.push_to(table.family, table.name.clone(), what);
    }

    fn push_to(&mut self, family: Family, table: Name, what: What) {
        self.commands.push(Command {
            family,
            table,
            what,
        });
    }

    /// A number for something new in this transaction.
    pub fn id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// The table itself and all that is in it.
    pub fn whole_table(&mut self, table: &Table) {
        self.table(table, Make::Create);
        self.contents(table);
    }

    pub fn table(&mut self, table: &Table, make: Make) {
        let new = NewTable {
            name: table.name.clone(),
            // Who owns it cannot be brought back: an owned table lives and dies with its owner's socket.
            flags: table.flags & !(table_flags::OWNER | table_flags::PERSIST),
            userdata: table.userdata.clone(),
        };
        self.push(table, What::MakeTable(make, new));
    }

    /// All that is in a table, into a table that is there and empty.
    pub fn contents(&mut self, table: &Table) {
        let named = || table.chains.iter().filter(|chain| !chain.is_binding());
        for chain in named() {
            self.chain(table, chain, Make::Create);
        }
        for object in &table.objects {
            self.object(table, object, Make::Create);
        }
        for flowtable in &table.flowtables {
            self.flowtable(table, flowtable, Make::Create);
        }
        for set in table.sets.iter().filter(|set| !set.is_anonymous()) {
            self.set(table, set, Make::Create);
            self.elements(table, set.name.clone(), elements(set));
        }
        for chain in named() {
            for rule in chain.rules.iter() {
                self.rule(table, chain.name.clone(), Place::Last, rule, None);
            }
        }
    }

    pub fn chain(&mut self, table: &Table, chain: &Chain, make: Make) {
        let new = chain.clone_without_rules();
        self.push(table, What::MakeChain(make, Box::new(new)));
    }

    pub fn object(&mut self, table: &Table, object: &Object, make: Make) {
        self.push(table, What::MakeObject(make, Box::new(object.clone())));
    }

    pub fn flowtable(&mut self, table: &Table, flowtable: &Flowtable, make: Make) {
        let new = Flowtable {
            raw: Vec::new(),
            ..flowtable.clone()
        };
        self.push(table, What::MakeFlowtable(make, Box::new(new)));
    }

    /// The set without its elements.
    pub fn set(&mut self, table: &Table, set: &Set, make: Make) {
        let new = Set {
            elements: Elements::NotRead,
            raw: Vec::new(),
            ..set.clone()
        };
        self.push(table, What::MakeSet(make, Box::new(new)));
    }

    pub fn elements(&mut self, table: &Table, set: Name, mut elements: Vec<Element>) {
        for element in &mut elements {
            if let Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) =
                &mut element.data
                && let Some(old) = self.old_names.get(chain)
            {
                *chain = old.clone();
            }
        }
        if !elements.is_empty() {
            let make = Make::Add;
            self.push(
                table,
                What::MakeElements {
                    set,
                    make,
                    elements,
                },
            );
        }
    }

    /// A rule, and before it the sets and chains that belong to it alone; `table` is where it stood.
    pub fn rule(
        &mut self,
        table: &Table,
        chain: Name,
        place: Place,
        rule: Rule<'_>,
        id: Option<u32>,
    ) {
        self.rule_at(table, chain, place, rule, id, 0);
    }

    fn rule_at(
        &mut self,
        table: &Table,
        chain: Name,
        place: Place,
        rule: Rule<'_>,
        id: Option<u32>,
        depth: u8,
    ) {
        let mut renamed = Vec::new();
        for reference in references(rule.attributes) {
            let (Reference::Set(name) | Reference::Chain(name)) = reference else {
                continue;
            };
            if !renamed.iter().any(|(old, _)| *old == name)
                && let Some(new) = self.belonging(table, &name, depth)
            {
                renamed.push((name, new));
            }
        }
        let new = NewRule {
            chain: self.old_names.get(&chain).cloned().unwrap_or(chain),
            place,
            id,
            body: RuleBody::Raw {
                attributes: rule.attributes.to_vec(),
                renamed,
                compat: compat(table.family, rule),
            },
        };
        self.push(table, What::MakeRule(new));
    }

    /// Make anew the anonymous set or chain of this name; returns what it is called in the transaction, where that
    /// is another name.
    fn belonging(&mut self, table: &Table, name: &str, depth: u8) -> Option<Name> {
        if depth > DEPTH {
            return None;
        }
        if let Some(set) = table.set(name).filter(|set| set.is_anonymous()) {
            let mut elements = elements(set);
            for element in &mut elements {
                if let Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) =
                    &mut element.data
                    && let Some(new) = self.belonging(table, &chain.clone(), depth + 1)
                {
                    *chain = new;
                }
            }
            // A meter has a name of its own, and goes with its rule like a set without one.
            let new = match kernel_named(name) {
                Some(template) => pending_name(template, self.id()),
                None => set.name.clone(),
            };
            let made = Set {
                name: new.clone(),
                elements: Elements::NotRead,
                raw: Vec::new(),
                ..(**set).clone()
            };
            self.push(table, What::MakeSet(Make::Add, Box::new(made)));
            self.elements(table, new.clone(), elements);
            return Some(new);
        }
        let Some(chain) = table.chain(name).filter(|chain| chain.is_binding()) else {
            return self.old_names.get(name).cloned();
        };
        let new = pending_name("__chain", self.id());
        let made = Chain {
            name: new.clone(),
            flags: chain.flags & chain_flags::BINDING,
            ..chain.clone_without_rules()
        };
        self.push(table, What::MakeChain(Make::Add, Box::new(made)));
        // A chain takes no more rules once something jumps to it.
        for rule in chain.rules.iter() {
            self.rule_at(table, new.clone(), Place::Last, rule, None, depth + 1);
        }
        Some(new)
    }
}

/// The template of a name that the kernel made (`__set7`); nothing for other names.
fn kernel_named(name: &str) -> Option<&str> {
    let template = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (template.len() < name.len() && template.starts_with("__")).then_some(template)
}

/// The elements of a set, decoded, in an order in which the kernel takes them: its dump of intervals goes from the
/// highest to the lowest, an end before its start.
pub fn elements(set: &Set) -> Vec<Element> {
    let Elements::Read(list) = &set.elements else {
        return Vec::new();
    };
    let mut elements: Vec<Element> = list
        .iter()
        .filter_map(|bytes| decode::element(bytes).ok())
        .collect();
    if set.has(crate::model::set::flags::INTERVAL) && set.field_lens.is_empty() {
        elements.reverse();
    }
    elements
}

/// What a rule refers to by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    Set(Name),
    Chain(Name),
    Object(Name),
    Flowtable(Name),
}

/// What the bytes of a rule refer to.
pub fn references(attributes: &[u8]) -> Vec<Reference> {
    let mut found = Vec::new();
    let lists = Attrs::new(attributes)
        .filter_map(Result::ok)
        .filter(|attr| attr.kind == NFTA_RULE_EXPRESSIONS);
    for element in lists.flat_map(|list| list.nested()).filter_map(Result::ok) {
        let (mut name, mut data) = (None, None);
        for attr in element.nested().filter_map(Result::ok) {
            match attr.kind {
                NFTA_EXPR_NAME => name = Some(attr.text()),
                NFTA_EXPR_DATA => data = Some(attr),
                _ => {}
            }
        }
        let (Some(name), Some(data)) = (name, data) else {
            continue;
        };
        for attr in data.nested().filter_map(Result::ok) {
            let text = || name_from_bytes(attr.payload);
            match (name, attr.kind) {
                (b"lookup", NFTA_LOOKUP_SET)
                | (b"dynset", NFTA_DYNSET_SET_NAME)
                | (b"objref", NFTA_OBJREF_SET_NAME) => found.push(Reference::Set(text())),
                (b"objref", NFTA_OBJREF_IMM_NAME) => found.push(Reference::Object(text())),
                (b"flow_offload", NFTA_FLOW_TABLE_NAME) => {
                    found.push(Reference::Flowtable(text()));
                }
                (b"immediate", NFTA_IMMEDIATE_DATA) => {
                    found.extend(expression::verdict_chain(attr).map(Reference::Chain));
                }
                _ => {}
            }
        }
    }
    found
}

/// `NFTA_RULE_COMPAT` of a rule with xtables extensions, which the kernel checks and does not give back: the
/// protocol that the rule is limited to, as its own matches say.
fn compat(family: Family, rule: Rule<'_>) -> Option<(u32, u32)> {
    let has = |wanted: &[u8]| {
        rule.attributes
            .windows(wanted.len())
            .any(|window| window == wanted)
    };
    if !has(b"match\0") && !has(b"target\0") {
        return None;
    }
    let body = decode::rule(rule).ok()?;
    let extension = |expression: &Expression| {
        matches!(expression, Expression::Match(_) | Expression::Target(_))
    };
    if !body.expressions.iter().any(extension) {
        return None;
    }
    Some(compat_of(family, &body.expressions))
}

/// Protocol and flags of `NFTA_RULE_COMPAT` for these expressions.
pub fn compat_of(family: Family, expressions: &[Expression]) -> (u32, u32) {
    use crate::model::expression::{CmpOp, PayloadBase};
    let bridge = family == Family::Bridge;
    let mut loaded = None;
    for expression in expressions {
        match expression {
            Expression::Meta { dreg, key } => {
                let wanted = if bridge {
                    NFT_META_PROTOCOL
                } else {
                    NFT_META_L4PROTO
                };
                loaded = (*key == wanted).then_some(*dreg);
            }
            Expression::Payload {
                dreg,
                base,
                offset,
                len,
            } => {
                let wanted = match family {
                    Family::Ip => (PayloadBase::Network, 9, 1),
                    Family::Ip6 => (PayloadBase::Network, 6, 1),
                    _ => (PayloadBase::Link, 12, 2),
                };
                loaded = ((*base, *offset, *len) == wanted).then_some(*dreg);
            }
            Expression::Cmp { sreg, op, data } if loaded == Some(*sreg) => {
                let protocol = match data.as_slice() {
                    [protocol] => u32::from(*protocol),
                    // The kernel compares an Ethernet type as it stands in the frame.
                    [first, second] => u32::from(u16::from_ne_bytes([*first, *second])),
                    _ => 0,
                };
                match op {
                    CmpOp::Eq => return (protocol, 0),
                    CmpOp::Neq => return (protocol, NFT_RULE_COMPAT_F_INV),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    (0, 0)
}
