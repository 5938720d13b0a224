//! A rule of the iptables language, whichever backend holds it: extensions understood where this build knows them.

use crate::kernel::xtables;
use crate::model::expression::{Counter, Xtables};
use crate::model::xtables::rule::{Header, LegacyVerdict};
use crate::model::xtables::{Extension, ExtensionKind};
use crate::model::{Family, Name};

/// A match, watcher or target.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Known(Extension),
    /// ebtables' `among`, which lives in sets.
    Among(Among),
    /// `NFLOG` as the nft expression `log`: its prefix may be longer than the extension's.
    Log(NftLog),
    Unknown(Xtables),
}

impl Part {
    pub fn read(kind: ExtensionKind, family: Family, raw: &Xtables) -> Part {
        match xtables::decode(kind, family, &raw.name, raw.revision, &raw.info) {
            Ok(extension) => Part::Known(extension),
            Err(_) => Part::Unknown(raw.clone()),
        }
    }

    /// The name after `-m` or `-j`.
    pub fn name(&self) -> &str {
        match self {
            Part::Known(extension) => super::save::name(extension),
            Part::Among(_) => "among",
            Part::Log(_) => "NFLOG",
            Part::Unknown(raw) => &raw.name,
        }
    }
}

/// Hardware addresses, with or without an IPv4 address each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AmongSide {
    /// Sorted; 6 bytes of hardware address, 2 of nothing, 4 of IPv4 address.
    pub pairs: Vec<[u8; 12]>,
    pub inverted: bool,
    pub with_ip: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Among {
    pub source: AmongSide,
    pub destination: AmongSide,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NftLog {
    pub group: u16,
    pub threshold: u16,
    pub snaplen: Option<u32>,
    pub prefix: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Only counts.
    Nothing,
    Verdict(LegacyVerdict),
    Jump(Name),
    Goto(Name),
    Extension(Part),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub header: Header,
    /// Matches, and watchers of bridge tables, in order.
    pub parts: Vec<Part>,
    pub target: Target,
    pub counters: Counter,
}

impl Rule {
    /// Whether it sends packets to that chain.
    pub fn goes_to(&self, chain: &str) -> bool {
        matches!(&self.target, Target::Jump(to) | Target::Goto(to) if &**to == chain)
    }

    /// The chain that it may go to is called otherwise now.
    pub fn lead_to(&mut self, from: &str, to: &str) {
        if let Target::Jump(own) | Target::Goto(own) = &mut self.target
            && &**own == from
        {
            *own = to.into();
        }
    }
}

/// A chain of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub name: Name,
    /// `None` for a user chain.
    pub policy: Option<(LegacyVerdict, Counter)>,
    pub rules: Vec<Rule>,
}

/// A table as it is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub family: Family,
    pub name: Name,
    pub chains: Vec<Chain>,
}
