//! What xtables matches and targets do with a packet (`net/netfilter/xt_*.c`, `net/ipv4/netfilter/ipt_*.c`).
//!
//! `legacy` walks the tables, `rows` passes over their rules that want something else. `header` reads headers, `state` conntrack and what stands beside a packet, `target` acts, `ipset` looks into
//! sets. Uses the layouts of `kernel::xtables` through [`Code`]. An extension that is not understood is a decision:
//! it may match or not.

mod conntrack;
mod header;
pub mod ipset;
pub mod legacy;
mod route;
mod rows;
mod state;
mod target;
mod time;

use super::eval::Next;
use super::path::Walk;
use super::report::RuleVerdict;
use crate::kernel::xtables::decode;
use crate::model::Family;
use crate::model::expression::Xtables;
use crate::model::xtables::{Extension, ExtensionKind};

/// A match or target made ready to run.
#[derive(Clone, Debug)]
pub struct Code {
    pub name: String,
    /// Or why it is not understood.
    pub extension: Result<Extension, String>,
}

impl Code {
    pub fn new(kind: ExtensionKind, family: Family, extension: &Xtables) -> Code {
        let decoded = decode(
            kind,
            family,
            &extension.name,
            extension.revision,
            &extension.info,
        );
        Code {
            name: extension.name.to_string(),
            extension: decoded.map_err(|error| error.to_string()),
        }
    }
}

/// What a match says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    Yes,
    No,
    /// The packet is dropped: it is too short for what the match wants to see (`hotdrop`).
    Drop,
}

impl From<bool> for Matched {
    fn from(hit: bool) -> Matched {
        if hit { Matched::Yes } else { Matched::No }
    }
}

impl<'s> Walk<'s, '_> {
    /// A match in a rule of nf_tables (`nft_match_eval`).
    pub(super) fn xt_match(&mut self, code: &Code) -> Next<'s> {
        match self.run_match(code) {
            Matched::Yes => Next::Continue,
            Matched::No => Next::Break,
            Matched::Drop => Next::End(RuleVerdict::Drop),
        }
    }

    pub(super) fn run_match(&mut self, code: &Code) -> Matched {
        let known = match &code.extension {
            Ok(extension) => self
                .match_header(extension)
                .or_else(|| self.match_state(extension)),
            Err(_) => None,
        };
        match known {
            Some(matched) => matched,
            None => {
                let name = &code.name;
                self.maybe(|| match &code.extension {
                    Ok(_) => format!("what the iptables match '{name}' sees"),
                    Err(why) => format!("the iptables match '{name}': {why}"),
                })
            }
        }
    }

    /// Nobody knows whether it matches.
    pub(super) fn maybe(&mut self, what: impl FnOnce() -> String) -> Matched {
        let taken = self.decide(what, &["it does not match", "it matches"], false);
        (taken == 1).into()
    }

    /// The same where one answer is much likelier.
    pub(super) fn likely(&mut self, what: impl FnOnce() -> String, matches: bool) -> Matched {
        let options = if matches {
            ["it matches", "it does not match"]
        } else {
            ["it does not match", "it matches"]
        };
        let taken = self.decide(what, &options, true);
        ((taken == 0) == matches).into()
    }

    /// A target in a rule of nf_tables (`nft_target_eval_xt`).
    pub(super) fn xt_target(&mut self, code: &Code) -> Next<'s> {
        match self.run_target(code) {
            None => Next::Continue,
            Some(verdict) => Next::End(verdict),
        }
    }
}
