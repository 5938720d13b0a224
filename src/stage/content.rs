//! What a rule says, whatever its handle is, whatever its counters have counted, and whatever the kernel called the
//! sets and chains that belong to it alone. Pure.

use crate::kernel::netlink::{Attr, AttrWriter, Attrs};
use crate::kernel::nf_tables::{decode, expression};
use crate::model::ruleset::chain_flags;
use crate::model::text::name_from_bytes;
use crate::model::{Chain, Data, Element, Elements, Expression, Name, Rule, Set, Table, Verdict};
use rustables::sys::*;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Equal for rules that do the same: their expressions without state, and their user data.
pub type Content = Vec<u8>;

/// Looks up what a rule refers to in its table; what it found once is remembered.
pub struct Contents<'t> {
    chains: HashMap<&'t str, &'t Chain>,
    sets: HashMap<&'t str, &'t Set>,
    known: HashMap<Name, u64>,
    /// Chains whose name is to be read as another: (name in the bytes, name that counts).
    renamed: HashMap<Name, Name>,
}

/// Anonymous chains nest as deep as jumps do in the kernel; deeper is not followed.
const DEPTH: u8 = 20;

impl<'t> Contents<'t> {
    /// Of one table.
    pub fn new(table: &'t Table) -> Contents<'t> {
        let chains = table.chains.iter().filter(|chain| chain.is_binding());
        let sets = table.sets.iter().filter(|set| set.is_anonymous());
        Contents {
            chains: chains.map(|chain| (&*chain.name, &**chain)).collect(),
            sets: sets.map(|set| (&*set.name, &**set)).collect(),
            known: HashMap::new(),
            renamed: HashMap::new(),
        }
    }

    /// Of one table some of whose chains are called otherwise in the table to compare with.
    pub fn with_renames(table: &'t Table, renamed: &HashMap<Name, Name>) -> Contents<'t> {
        Contents {
            renamed: renamed.clone(),
            ..Contents::new(table)
        }
    }

    pub fn of(&mut self, rule: Rule<'_>) -> Content {
        self.rule(rule.attributes, 0)
    }

    fn rule(&mut self, attributes: &[u8], depth: u8) -> Content {
        let mut out = AttrWriter::new();
        for attr in Attrs::new(attributes).filter_map(Result::ok) {
            match attr.kind {
                NFTA_RULE_EXPRESSIONS => {
                    for element in attr.nested().filter_map(Result::ok) {
                        let start = out.begin(NFTA_LIST_ELEM);
                        self.expression(&mut out, element, depth);
                        out.end(start);
                    }
                }
                NFTA_RULE_USERDATA => {
                    out.put(NFTA_RULE_USERDATA, attr.payload);
                }
                _ => {}
            }
        }
        out.into_bytes()
    }

    fn expression(&mut self, out: &mut AttrWriter, element: Attr<'_>, depth: u8) {
        let mut name: &[u8] = &[];
        for attr in element.nested().filter_map(Result::ok) {
            match attr.kind {
                NFTA_EXPR_NAME => {
                    name = attr.text();
                    out.put(NFTA_EXPR_NAME, name);
                }
                NFTA_EXPR_DATA => {
                    let start = out.begin(NFTA_EXPR_DATA);
                    for part in attr.nested().filter_map(Result::ok) {
                        self.part(out, name, part, depth);
                    }
                    out.end(start);
                }
                kind => {
                    out.put(kind, attr.payload);
                }
            }
        }
    }

    /// One attribute of an expression: left out when it is state, replaced when it names what belongs to the rule.
    fn part(&mut self, out: &mut AttrWriter, expression: &[u8], part: Attr<'_>, depth: u8) {
        match (expression, part.kind) {
            (b"counter" | b"last", _) | (b"quota", NFTA_QUOTA_CONSUMED) => {}
            (b"quota", NFTA_QUOTA_FLAGS) => {
                let flags = part.be32().unwrap_or(0) & !NFT_QUOTA_F_DEPLETED;
                out.be32(NFTA_QUOTA_FLAGS, flags);
            }
            (b"lookup", NFTA_LOOKUP_SET)
            | (b"dynset", NFTA_DYNSET_SET_NAME)
            | (b"objref", NFTA_OBJREF_SET_NAME) => {
                let name = name_from_bytes(part.payload);
                self.reference(out, part, name, Contents::set_hash, depth);
            }
            (b"immediate", NFTA_IMMEDIATE_DATA) => {
                let target = expression::verdict_chain(part);
                match target {
                    Some(chain) if self.chains.contains_key(&*chain) => {
                        verdict_code(out, part);
                        self.reference(out, part, chain, Contents::chain_hash, depth);
                    }
                    Some(chain) => {
                        verdict_code(out, part);
                        out.text(part.kind, self.renamed.get(&*chain).unwrap_or(&chain));
                    }
                    None => {
                        out.put(part.kind, part.payload);
                    }
                }
            }
            (_, kind) => {
                out.put(kind, part.payload);
            }
        }
    }

    fn reference(
        &mut self,
        out: &mut AttrWriter,
        part: Attr<'_>,
        name: Name,
        hash: fn(&mut Self, &str, u8) -> Option<u64>,
        depth: u8,
    ) {
        let known = self.known.get(&name).copied();
        let found = known.or_else(|| {
            (depth < DEPTH)
                .then(|| hash(self, &name, depth + 1))
                .flatten()
        });
        match found {
            Some(hash) => {
                self.known.insert(name, hash);
                out.be64(part.kind, hash);
            }
            None => {
                out.put(part.kind, part.payload);
            }
        }
    }

    /// What an anonymous set holds; nothing for a set with a name of its own.
    fn set_hash(&mut self, name: &str, depth: u8) -> Option<u64> {
        let set = *self.sets.get(name)?;
        let mut hasher = DefaultHasher::new();
        definition(set, &mut hasher);
        if let Elements::Read(list) = &set.elements {
            let mut elements: Vec<Vec<u8>> = list
                .iter()
                .map(|bytes| self.element(bytes, depth))
                .collect();
            // The kernel dumps hash tables in no order.
            elements.sort_unstable();
            elements.hash(&mut hasher);
        }
        Some(hasher.finish())
    }

    fn element(&mut self, bytes: &[u8], depth: u8) -> Vec<u8> {
        let Ok(element) = decode::element(bytes) else {
            return bytes.to_vec();
        };
        let mut hasher = DefaultHasher::new();
        element_identity(&element).hash(&mut hasher);
        let target = match &element.data {
            Some(Data::Verdict(Verdict::Jump(chain))) => Some((0, chain)),
            Some(Data::Verdict(Verdict::Goto(chain))) => Some((1, chain)),
            _ => None,
        };
        let chain = target.and_then(|(kind, chain)| {
            let hash = (depth < DEPTH).then(|| self.chain_hash(chain, depth + 1));
            Some((kind, hash.flatten()?))
        });
        match chain {
            Some(chain) => chain.hash(&mut hasher),
            None => element.data.hash(&mut hasher),
        }
        attached(&element).hash(&mut hasher);
        hasher.finish().to_be_bytes().to_vec()
    }

    /// What the chain of an inline `jump { ... }` holds.
    fn chain_hash(&mut self, name: &str, depth: u8) -> Option<u64> {
        let chain = *self.chains.get(name)?;
        let mut hasher = DefaultHasher::new();
        for rule in chain.rules.iter() {
            self.rule(rule.attributes, depth).hash(&mut hasher);
        }
        Some(hasher.finish())
    }
}

fn verdict_code(out: &mut AttrWriter, data: Attr<'_>) {
    let verdict = data.nested().filter_map(Result::ok).next();
    let code = verdict.and_then(|verdict| {
        let mut parts = verdict.nested().filter_map(Result::ok);
        parts.find(|attr| attr.kind == NFTA_VERDICT_CODE)
    });
    out.put(NFTA_VERDICT_CODE, code.map_or(&[], |code| code.payload));
}

/// What makes an element the one it is: its key.
pub type Identity = (Option<Vec<u8>>, Option<Vec<u8>>, u32);

pub fn element_identity(element: &Element) -> Identity {
    (element.key.clone(), element.key_end.clone(), element.flags)
}

/// What hangs on an element beside its data, without state.
fn attached(element: &Element) -> (&Option<Name>, &[u8], Option<u64>, Vec<Expression>) {
    let expressions = element.expressions.iter().map(stateless).collect();
    (
        &element.object,
        &element.userdata,
        element.timeout,
        expressions,
    )
}

/// Whether two elements of the same key say the same, whatever they have counted and however long they have left.
pub fn same_element(a: &Element, b: &Element) -> bool {
    a.data == b.data && attached(a) == attached(b)
}

/// The expression as it was before it counted anything.
pub fn stateless(expression: &Expression) -> Expression {
    match expression {
        Expression::Counter(_) => Expression::Counter(Default::default()),
        Expression::Quota(quota) => {
            let mut quota = *quota;
            quota.consumed = 0;
            quota.flags &= !NFT_QUOTA_F_DEPLETED;
            Expression::Quota(quota)
        }
        Expression::Last { .. } => Expression::Last {
            set: false,
            msecs: 0,
        },
        other => other.clone(),
    }
}

fn definition(set: &Set, hasher: &mut impl Hasher) {
    (
        set.flags,
        set.key_type,
        set.key_len,
        set.data_type,
        set.data_len,
        set.object_type,
        set.timeout,
        set.gc_interval,
        set.size,
    )
        .hash(hasher);
    (&set.field_lens, set.policy, &set.userdata).hash(hasher);
    let expressions: Vec<Expression> = set.expressions.iter().map(stateless).collect();
    expressions.hash(hasher);
}

/// Whether two sets are declared alike, elements aside.
pub fn same_definition(a: &Set, b: &Set) -> bool {
    let hash = |set: &Set| {
        let mut hasher = DefaultHasher::new();
        definition(set, &mut hasher);
        hasher.finish()
    };
    hash(a) == hash(b)
}

/// Flags of a chain that were asked for.
pub fn asked_flags(chain: &Chain) -> u32 {
    chain.flags & !chain_flags::BASE
}
