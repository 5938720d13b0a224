//! Policy rules: which of them a lookup meets, and which table they name (`fib_rules.c`, `fib4_rule_match`).

use super::{FibView, FlowKey, Found};
use crate::model::network::{FibFamily, PolicyRule, Prefix, RuleAction, rule_flags};
use std::net::IpAddr;

/// Only the rules that always exist, in their places.
pub(super) fn is_default(rules: &[&PolicyRule], wanted: &[(u32, u32)]) -> bool {
    let plain = |rule: &PolicyRule| {
        rule.action == RuleAction::Lookup
            && rule.src_len == 0
            && rule.dst_len == 0
            && rule.tos == 0
            && rule.mark.unwrap_or(0) == 0
            && rule.iif.is_none()
            && rule.oif.is_none()
            && rule.flags & rule_flags::INVERT == 0
    };
    rules.len() == wanted.len()
        && rules
            .iter()
            .zip(wanted)
            .all(|(rule, wanted)| plain(rule) && (rule.priority, rule.table) == *wanted)
}

impl FibView<'_> {
    pub(super) fn table_of(&self, rule: &PolicyRule, key: &FlowKey) -> u32 {
        if rule.l3mdev.unwrap_or(0) == 0 {
            return rule.table;
        }
        self.vrf_table(key.oif)
            .or_else(|| self.vrf_table(key.iif))
            .unwrap_or(rule.table)
    }

    /// The table of the VRF that a device is or belongs to.
    fn vrf_table(&self, index: u32) -> Option<u32> {
        let link = self.network.link(index)?;
        link.vrf_table
            .or_else(|| self.network.link(link.master?)?.vrf_table)
    }

    pub(super) fn is_suppressed(&self, rule: &PolicyRule, found: &Found) -> bool {
        if let Some(length) = rule.suppress_prefix_length
            && length >= 0
            && i32::from(found.prefix.length) <= length
        {
            return true;
        }
        if let Some(group) = rule.suppress_group
            && let Ok(group) = u32::try_from(group)
        {
            let device = found
                .hops
                .first()
                .and_then(|hop| self.network.link(hop.oif));
            return device.is_some_and(|link| link.group == group);
        }
        false
    }

    pub(super) fn matches(&self, rule: &PolicyRule, key: &FlowKey, family: FibFamily) -> bool {
        let hit = self.selectors_match(rule, key, family);
        hit != rule.has(rule_flags::INVERT)
    }

    fn selectors_match(&self, rule: &PolicyRule, key: &FlowKey, family: FibFamily) -> bool {
        let device = |name: &Option<crate::model::Name>, index: u32| match name {
            None => true,
            Some(name) => self.index_of.get(&**name) == Some(&index),
        };
        if !device(&rule.iif, key.iif) || !device(&rule.oif, key.oif) {
            return false;
        }
        if let Some(mark) = rule.mark
            && (mark ^ key.mark) & rule.mask.unwrap_or(u32::MAX) != 0
        {
            return false;
        }
        if rule.tunnel.unwrap_or(0) != 0 {
            return false;
        }
        if rule.l3mdev.unwrap_or(0) != 0
            && self
                .vrf_table(key.oif)
                .or(self.vrf_table(key.iif))
                .is_none()
        {
            return false;
        }
        if let Some(range) = rule.uid
            && !(range.start..=range.end).contains(&key.uid)
        {
            return false;
        }
        let prefix = |wanted: &Option<Prefix>, address: IpAddr| {
            wanted.is_none_or(|wanted| wanted.contains(address))
        };
        if !prefix(&rule.src, key.src) || !prefix(&rule.dst, key.dst) {
            return false;
        }
        if let Some(dscp) = rule.dscp {
            let mask = rule.dscp_mask.unwrap_or(0x3f);
            if (dscp ^ (key.tos >> 2)) & mask != 0 {
                return false;
            }
        } else if rule.tos != 0 {
            // IPv4 compares the old TOS bits only, IPv6 the whole DSCP.
            let mask = if family == FibFamily::Ip4 { 0x1c } else { 0xfc };
            if rule.tos != key.tos & mask {
                return false;
            }
        }
        if rule
            .ipproto
            .is_some_and(|proto| proto != 0 && proto != key.proto)
        {
            return false;
        }
        let port = |range: &Option<crate::model::network::PortRange>, port: u16| {
            range.is_none_or(|range| match range.mask {
                Some(mask) if mask != u16::MAX => (port ^ range.start) & mask == 0,
                _ => port != 0 && (range.start..=range.end).contains(&port),
            })
        };
        if !port(&rule.sport, key.sport) || !port(&rule.dport, key.dport) {
            return false;
        }
        rule.flow_label.unwrap_or(0) == 0
    }
}
