//! Changes to the nf_tables ruleset, one per message of a transaction: what the language compiles to, what a
//! change set is made of, and what is sent to the kernel. Plain data.
//!
//! Objects are described by the same types as in a picture ([`Chain`], [`Set`], ...); what only the kernel knows of
//! them (handle, use count, raw bytes) is ignored.
//!
//! # Names that the kernel has yet to give
//! An anonymous set and the chain of `jump { ... }` get their names from the kernel when the transaction is
//! applied. Until then such a name is `__set%d@ID`, `__map%d@ID` or `__chain%d@ID` ([`pending_name`]): what stands
//! before `@` is sent as the name (for a chain: nothing is), the number as the transaction's id of it. No name in
//! the kernel has a `%`.

use super::expression::Expression;
use super::family::Family;
use super::object::Object;
use super::ruleset::{Chain, Flowtable};
use super::set::{Element, Set};
use super::text::Name;
use serde::{Deserialize, Serialize};

/// The name of a set or chain that the kernel will name; see the module's comment.
pub fn pending_name(template: &str, id: u32) -> Name {
    format!("{template}%d@{id}").into()
}

/// Template (`__set%d`) and id of a pending name; nothing for an ordinary name.
pub fn split_pending(name: &str) -> Option<(&str, u32)> {
    let (template, id) = name.split_once('@')?;
    template
        .ends_with("%d")
        .then(|| id.parse().ok())
        .flatten()
        .map(|id| (template, id))
}

/// How an object is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Make {
    /// It may be there already (`add`).
    Add,
    /// It is an error if it is there already (`create`, `NLM_F_EXCL`).
    Create,
}

/// How an object is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Take {
    /// It is an error if it is not there (`delete`).
    Delete,
    /// It may be gone already (`destroy`, Linux 6.3).
    Destroy,
}

/// An object by name, or by handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Key {
    Name(Name),
    Handle(u64),
}

/// Where a rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// At the end of the chain.
    Last,
    /// At the head of the chain.
    First,
    After(RuleKey),
    Before(RuleKey),
    /// In the place of the rule with this handle.
    Replace(u64),
}

/// A rule that is there (its handle), or one made earlier in the same transaction (its [`NewRule::id`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleKey {
    Handle(u64),
    Id(u32),
}

/// What a rule does: built here, or the bytes that the kernel sent, which go back unchanged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RuleBody {
    Built {
        expressions: Vec<Expression>,
        #[serde(with = "serde_bytes")]
        userdata: Vec<u8>,
        /// `NFTA_RULE_COMPAT`: protocol and flags (`NFT_RULE_COMPAT_F_INV`), which some xtables extensions ask for.
        compat: Option<(u32, u32)>,
    },
    /// All attributes of the rule (`NFTA_RULE_*`) as in a picture; `NFTA_RULE_EXPRESSIONS` and
    /// `NFTA_RULE_USERDATA` of them are sent. Names of anonymous sets and chains in them must be mapped to ids of
    /// those made anew in the same transaction: (name in the bytes, pending name). Chains to jump to may also be
    /// mapped to other names that the kernel knows.
    Raw {
        #[serde(with = "serde_bytes")]
        attributes: Vec<u8>,
        renamed: Vec<(Name, Name)>,
        compat: Option<(u32, u32)>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewRule {
    pub chain: Name,
    pub place: Place,
    /// Names the rule for later commands of the same transaction (`NFTA_RULE_ID`).
    pub id: Option<u32>,
    pub body: RuleBody,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewTable {
    pub name: Name,
    /// See [`super::ruleset::table_flags`].
    pub flags: u32,
    #[serde(with = "serde_bytes")]
    pub userdata: Vec<u8>,
}

/// One message of a transaction. All of them are about one family; most about one table of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub family: Family,
    /// The table; empty for a table by handle and for all tables.
    pub table: Name,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    MakeTable(Make, NewTable),
    /// With no key: all tables of the family (`Family::Unknown(0)`: of all families).
    TakeTable(Take, Option<Key>),
    /// Also changes policy, counters or devices of a chain that is there.
    MakeChain(Make, Box<Chain>),
    RenameChain {
        handle: Option<u64>,
        from: Name,
        to: Name,
    },
    TakeChain(Take, Key),
    /// Devices of a base chain are taken away (Linux 6.4).
    TakeChainDevices(Name, Vec<Name>),
    MakeRule(NewRule),
    /// One rule by its handle.
    TakeRule(Take, Name, u64),
    /// All rules of one chain, or of the table.
    FlushRules(Option<Name>),
    /// `id` names an anonymous set within the transaction; 0 is sent for none.
    MakeSet(Make, Box<Set>),
    TakeSet(Take, Key),
    MakeElements {
        set: Name,
        make: Make,
        elements: Vec<Element>,
    },
    TakeElements {
        set: Name,
        take: Take,
        elements: Vec<Element>,
    },
    /// All elements of a set.
    FlushSet(Name),
    MakeObject(Make, Box<Object>),
    /// `NFT_OBJECT_*` and the object.
    TakeObject(Take, u32, Key),
    MakeFlowtable(Make, Box<Flowtable>),
    TakeFlowtable(Take, Key),
    /// Devices of a flowtable are taken away.
    TakeFlowtableDevices(Name, Vec<Name>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_names_are_told_from_real_ones() {
        assert_eq!(
            split_pending(&pending_name("__set", 7)),
            Some(("__set%d", 7))
        );
        for name in ["__set0", "a@7", "__set%d", "__set%d@x", ""] {
            assert_eq!(split_pending(name), None, "{name}");
        }
    }
}
