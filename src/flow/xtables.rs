//! What xtables matches and targets do with a packet (`net/netfilter/xt_*.c`, `net/ipv4/netfilter/ipt_*.c`).
//! An extension that is not understood is a decision: it may match or not.

use super::eval::Next;
use super::path::Walk;
use crate::model::expression::Xtables;

impl<'s> Walk<'s, '_> {
    /// A match in a rule of nf_tables (`nft_match_eval`).
    pub(super) fn xt_match(&mut self, extension: &Xtables, _compat: Option<(u32, u32)>) -> Next<'s> {
        let what = format!("the iptables match '{}', which is not understood", extension.name);
        self.break_or_not(move || what)
    }

    /// A target in a rule of nf_tables (`nft_target_eval`).
    pub(super) fn xt_target(&mut self, extension: &Xtables, _compat: Option<(u32, u32)>) -> Next<'s> {
        let what = format!("the iptables target '{}', which is not understood", extension.name);
        self.break_or_not(move || what)
    }
}
