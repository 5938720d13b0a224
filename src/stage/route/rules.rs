//! How the kernel finds the rule to delete, and the priority it gives to a rule without one
//! (`net/core/fib_rules.c`).

use crate::model::network::{PolicyRule, RuleAction};

/// Whether a pattern of `RTM_DELRULE` fits a rule; the priority is left to the caller. What the pattern does not
/// say fits anything.
pub(super) fn pattern_matches(pattern: &PolicyRule, rule: &PolicyRule) -> bool {
    fn fits<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
        wanted.is_none() || wanted == found
    }
    /// Zero says nothing either.
    fn fits_number(wanted: Option<u32>, found: Option<u32>) -> bool {
        wanted.is_none_or(|wanted| wanted == 0 || found == Some(wanted))
    }
    fn said(value: Option<i32>) -> Option<i32> {
        value.filter(|&value| value != -1)
    }
    let ports = |port: Option<crate::model::network::PortRange>| port.map(|p| (p.start, p.end));
    let action = matches!(pattern.action, RuleAction::Unknown(0))
        || pattern.action.to_wire() == rule.action.to_wire();
    pattern.family == rule.family
        && action
        && (pattern.table == 0 || pattern.table == rule.table)
        && (pattern.tos == 0 || pattern.tos == rule.tos)
        && (pattern.src_len == 0 || prefix(pattern.src) == prefix(rule.src))
        && (pattern.dst_len == 0 || prefix(pattern.dst) == prefix(rule.dst))
        && fits_number(pattern.mark, rule.mark)
        && fits_number(pattern.mask, rule.mask)
        && fits_number(pattern.realms, rule.realms)
        && fits(&pattern.iif, &rule.iif)
        && fits(&pattern.oif, &rule.oif)
        && fits(&pattern.uid, &rule.uid)
        && fits(&pattern.ipproto.filter(|&p| p != 0), &rule.ipproto)
        && fits(&pattern.protocol.filter(|&p| p != 0), &rule.protocol)
        && fits(&pattern.l3mdev.filter(|&p| p != 0), &rule.l3mdev)
        && fits(&pattern.tunnel.filter(|&id| id != 0), &rule.tunnel)
        && fits(&ports(pattern.sport), &ports(rule.sport))
        && fits(&ports(pattern.dport), &ports(rule.dport))
        && fits(&pattern.dscp, &rule.dscp)
        && fits(&pattern.flow_label, &rule.flow_label)
        && fits(
            &said(pattern.suppress_prefix_length),
            &said(rule.suppress_prefix_length),
        )
        && fits(&said(pattern.suppress_group), &said(rule.suppress_group))
}

fn prefix(prefix: Option<crate::model::network::Prefix>) -> Option<crate::model::network::Prefix> {
    prefix.map(|prefix| prefix.masked())
}

/// One less than that of the family's second rule; 0 without one.
pub(super) fn picked_priority(rules: &[PolicyRule], family: u8) -> u32 {
    let mut own = rules.iter().filter(|rule| rule.family == family);
    own.nth(1).map_or(0, |rule| rule.priority.saturating_sub(1))
}
