//! One policy rule in iproute2's words: what `ip rule` prints.

use super::Context;
use super::address::ip_text;
use super::out::Out;
use super::print::kind_name;
use crate::model::network::{PolicyRule, PortRange, Prefix, RouteKind, RuleAction, rule_flags};

/// One rule, in the form of `out`.
pub fn rule(out: &mut Out, rule: &PolicyRule, context: &Context<'_>) {
    out.open_object(None);
    out.number("priority", "", rule.priority, ":\t");
    if rule.has(rule_flags::INVERT) {
        out.word("not", "not ");
    }
    match (rule.src, rule.src_len) {
        (Some(prefix), _) => address(out, ["src", "srclen"], "from ", prefix),
        (None, 0) => out.string("src", "from ", "all", ""),
        (None, length) => {
            out.string("src", "from ", "0", "");
            out.number("srclen", "/", length, "");
        }
    }
    match (rule.dst, rule.dst_len) {
        (Some(prefix), _) => address(out, ["dst", "dstlen"], " to ", prefix),
        (None, 0) => {}
        (None, length) => {
            out.string("dst", " to ", "0", "");
            out.number("dstlen", "/", length, "");
        }
    }
    selectors(out, rule, context);
    target(out, rule, context);
    if let Some(protocol) = rule.protocol {
        const KERNEL: u8 = 2;
        if protocol != 0 && protocol != KERNEL {
            let name = context.names.protocol(protocol);
            out.string("protocol", " proto ", &name, "");
        }
    }
    for attribute in &rule.unknown {
        let bytes = attribute.payload.iter();
        let bytes: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        if out.is_json() {
            out.string(&format!("attribute_{}", attribute.kind), "", &bytes, "");
        } else {
            out.text(format_args!(" attribute {} 0x{bytes}", attribute.kind));
        }
    }
    out.text('\n');
    out.close_object();
}

/// One rule as a line of text, without the line feed.
pub fn rule_line(one: &PolicyRule, context: &Context<'_>) -> String {
    let mut out = Out::new(false);
    rule(&mut out, one, context);
    let mut line = out.take();
    line.truncate(line.trim_end_matches('\n').len());
    line
}

fn address(out: &mut Out, keys: [&str; 2], before: &str, prefix: Prefix) {
    let [address, length] = keys;
    out.string(address, before, &ip_text(prefix.address), "");
    if !prefix.is_host() {
        out.number(length, "/", prefix.length, "");
    }
}

fn selectors(out: &mut Out, rule: &PolicyRule, context: &Context<'_>) {
    let names = context.names;
    if rule.tos != 0 {
        out.string("tos", " tos ", &names.tos(rule.tos), "");
    }
    if rule.mark.is_some() || rule.mask.is_some() {
        out.hex("fwmark", " fwmark ", rule.mark.unwrap_or(0).into(), "");
        if let Some(mask) = rule.mask.filter(|&mask| mask != u32::MAX) {
            out.hex("fwmask", "/", mask.into(), "");
        }
    }
    if let Some(name) = &rule.iif {
        out.string("iif", " iif ", name, "");
        if rule.has(rule_flags::IIF_DETACHED) {
            out.word("iif_detached", " [detached]");
        }
    }
    if let Some(name) = &rule.oif {
        out.string("oif", " oif ", name, "");
        if rule.has(rule_flags::OIF_DETACHED) {
            out.word("oif_detached", " [detached]");
        }
    }
    if rule.l3mdev.is_some_and(|value| value != 0) {
        out.word("l3mdev", " lookup [l3mdev-table]");
    }
    if let Some(uid) = rule.uid {
        out.number("uid_start", " uidrange ", uid.start, "");
        out.number("uid_end", "-", uid.end, "");
    }
    if let Some(protocol) = rule.ipproto {
        out.string("ipproto", " ipproto ", &names.ip_protocol(protocol), "");
    }
    if let Some(range) = rule.sport {
        ports(
            out,
            ["sport", "sport_start", "sport_end", "sport_mask"],
            " sport ",
            range,
        );
    }
    if let Some(range) = rule.dport {
        ports(
            out,
            ["dport", "dport_start", "dport_end", "dport_mask"],
            " dport ",
            range,
        );
    }
    if let Some(id) = rule.tunnel {
        out.number("tun_id", " tun_id ", id, "");
    }
    if let Some(dscp) = rule.dscp {
        const ALL: u8 = 0x3f;
        // Names are those of the whole byte, in which the DSCP is the upper six bits.
        let name = dscp.checked_mul(4).map(|tos| names.tos(tos));
        match (rule.dscp_mask.filter(|&mask| mask != ALL), name) {
            (None, Some(name)) if !name.starts_with("0x") => {
                out.string("dscp", " dscp ", &name, "")
            }
            (None, _) => out.number("dscp", " dscp ", dscp, ""),
            (Some(mask), _) => {
                out.hex("dscp", " dscp ", dscp.into(), "");
                out.hex("dscp_mask", "/", mask.into(), "");
            }
        }
    }
    if let Some(label) = rule.flow_label {
        const ALL: u32 = 0xf_ffff;
        out.hex("flowlabel", " flowlabel ", label.into(), "");
        if let Some(mask) = rule.flow_label_mask.filter(|&mask| mask != ALL) {
            out.hex("flowlabel_mask", "/", mask.into(), "");
        }
    }
}

fn ports(out: &mut Out, keys: [&str; 4], before: &str, range: PortRange) {
    let [one, start, end, mask] = keys;
    if range.start == range.end {
        out.number(one, before, range.start, "");
        if let Some(value) = range.mask.filter(|&value| value != u16::MAX) {
            out.hex(mask, "/", value.into(), "");
        }
    } else {
        out.number(start, before, range.start, "");
        out.number(end, "-", range.end, "");
    }
}

fn target(out: &mut Out, rule: &PolicyRule, context: &Context<'_>) {
    let names = context.names;
    if rule.table != 0 {
        out.string("table", " lookup ", &names.table(rule.table), "");
        if let Some(length) = rule.suppress_prefix_length.filter(|&length| length != -1) {
            out.number("suppress_prefixlen", " suppress_prefixlength ", length, "");
        }
        if let Some(group) = rule.suppress_group.filter(|&group| group != -1) {
            let name = names.group(group.cast_unsigned());
            out.string("suppress_ifgroup", " suppress_ifgroup ", &name, "");
        }
    }
    if let Some(realms) = rule.realms {
        let (from, to) = (realms >> 16, realms & 0xffff);
        match from {
            0 => out.text(" realms "),
            from => out.string("flow_from", " realms ", &names.realm(from), "/"),
        }
        out.string("flow_to", "", &names.realm(to), "");
    }
    match rule.action {
        RuleAction::Lookup => {}
        RuleAction::Goto(to) => {
            match to {
                Some(priority) => out.number("goto", " goto ", priority, ""),
                None => out.string("goto", " goto ", "none", ""),
            }
            if rule.has(rule_flags::UNRESOLVED) {
                out.word("unresolved", " [unresolved]");
            }
        }
        RuleAction::Nop => out.word("nop", " nop"),
        action => {
            const NAT: u8 = 10;
            if action.to_wire() == NAT {
                out.word("masquerade", " masquerade");
            } else {
                let kind = RouteKind::from_wire(action.to_wire());
                out.string("action", " ", &kind_name(kind), "");
            }
        }
    }
}
