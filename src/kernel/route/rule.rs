//! `RTM_NEWRULE`: `struct fib_rule_hdr` and `FRA_*` in `linux/fib_rules.h`.

use super::{ip, split};
use crate::kernel::netlink::{DecodeError, Fields};
use crate::model::network::{
    PolicyRule, PortRange, Prefix, RawAttribute, RouteKind, RuleAction, UidRange,
};

pub(super) const FRA_DST: u16 = 1;
pub(super) const FRA_SRC: u16 = 2;
pub(super) const FRA_IIFNAME: u16 = 3;
pub(super) const FRA_GOTO: u16 = 4;
pub(super) const FRA_PRIORITY: u16 = 6;
pub(super) const FRA_FWMARK: u16 = 10;
pub(super) const FRA_FLOW: u16 = 11;
pub(super) const FRA_TUN_ID: u16 = 12;
pub(super) const FRA_SUPPRESS_IFGROUP: u16 = 13;
pub(super) const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
pub(super) const FRA_TABLE: u16 = 15;
pub(super) const FRA_FWMASK: u16 = 16;
pub(super) const FRA_OIFNAME: u16 = 17;
pub(super) const FRA_PAD: u16 = 18;
pub(super) const FRA_L3MDEV: u16 = 19;
pub(super) const FRA_UID_RANGE: u16 = 20;
pub(super) const FRA_PROTOCOL: u16 = 21;
pub(super) const FRA_IP_PROTO: u16 = 22;
pub(super) const FRA_SPORT_RANGE: u16 = 23;
pub(super) const FRA_DPORT_RANGE: u16 = 24;
pub(super) const FRA_DSCP: u16 = 25;
pub(super) const FRA_FLOWLABEL: u16 = 26;
pub(super) const FRA_FLOWLABEL_MASK: u16 = 27;
pub(super) const FRA_SPORT_MASK: u16 = 28;
pub(super) const FRA_DPORT_MASK: u16 = 29;
pub(super) const FRA_DSCP_MASK: u16 = 30;
const KNOWN: usize = 31;

/// Decode the payload of `RTM_NEWRULE` or `RTM_DELRULE`.
pub fn decode_rule(payload: &[u8]) -> Result<PolicyRule, DecodeError> {
    let (header, attributes) = split::<12>(payload)?;
    let [
        family,
        dst_len,
        src_len,
        tos,
        table,
        _,
        _,
        action,
        f0,
        f1,
        f2,
        f3,
    ] = *header;
    let fields = Fields::<KNOWN>::parse(attributes)?;
    let prefix = |kind: u16, length: u8| match fields.get(kind) {
        Some(attr) => ip(kind, attr.payload).map(|address| Some(Prefix::new(address, length))),
        None => Ok(None),
    };
    let action = match action {
        1 => RuleAction::Lookup,
        2 => RuleAction::Goto(fields.ne32(FRA_GOTO)?),
        3 => RuleAction::Nop,
        other => match RouteKind::from_wire(other) {
            RouteKind::Blackhole => RuleAction::Blackhole,
            RouteKind::Unreachable => RuleAction::Unreachable,
            RouteKind::Prohibit => RuleAction::Prohibit,
            _ => RuleAction::Unknown(other),
        },
    };
    Ok(PolicyRule {
        family,
        priority: fields.ne32(FRA_PRIORITY)?.unwrap_or(0),
        flags: u32::from_ne_bytes([f0, f1, f2, f3]),
        action,
        table: fields.ne32(FRA_TABLE)?.unwrap_or(u32::from(table)),
        src: prefix(FRA_SRC, src_len)?,
        src_len,
        dst: prefix(FRA_DST, dst_len)?,
        dst_len,
        tos,
        mark: fields.ne32(FRA_FWMARK)?,
        mask: fields.ne32(FRA_FWMASK)?,
        iif: fields.name(FRA_IIFNAME),
        oif: fields.name(FRA_OIFNAME),
        l3mdev: fields.u8(FRA_L3MDEV)?,
        uid: uid_range(&fields)?,
        ipproto: fields.u8(FRA_IP_PROTO)?,
        sport: port_range(&fields, FRA_SPORT_RANGE, FRA_SPORT_MASK)?,
        dport: port_range(&fields, FRA_DPORT_RANGE, FRA_DPORT_MASK)?,
        tunnel: fields.be64(FRA_TUN_ID)?,
        dscp: fields.u8(FRA_DSCP)?,
        dscp_mask: fields.u8(FRA_DSCP_MASK)?,
        flow_label: fields.be32(FRA_FLOWLABEL)?,
        flow_label_mask: fields.be32(FRA_FLOWLABEL_MASK)?,
        suppress_prefix_length: fields.ne32(FRA_SUPPRESS_PREFIXLEN)?.map(u32::cast_signed),
        suppress_group: fields.ne32(FRA_SUPPRESS_IFGROUP)?.map(u32::cast_signed),
        realms: fields.ne32(FRA_FLOW)?,
        protocol: fields.u8(FRA_PROTOCOL)?,
        unknown: unknown(attributes)?,
        raw: attributes.to_vec(),
    })
}

/// Attributes without a meaning here. 5, 7, 8 and 9 are unused by the kernel.
fn unknown(attributes: &[u8]) -> Result<Vec<RawAttribute>, DecodeError> {
    let mut unknown = Vec::new();
    for attr in crate::kernel::netlink::Attrs::new(attributes) {
        let attr = attr?;
        if usize::from(attr.kind) >= KNOWN || matches!(attr.kind, 0 | 5 | 7..=9) {
            unknown.push(RawAttribute {
                kind: attr.kind,
                payload: attr.payload.to_vec(),
            });
        }
    }
    unknown.retain(|attr| attr.kind != FRA_PAD);
    Ok(unknown)
}

fn uid_range(fields: &Fields<'_, KNOWN>) -> Result<Option<UidRange>, DecodeError> {
    let Some(attr) = fields.get(FRA_UID_RANGE) else {
        return Ok(None);
    };
    let range = attr.ne64()?.to_ne_bytes();
    let [a, b, c, d, e, f, g, h] = range;
    Ok(Some(UidRange {
        start: u32::from_ne_bytes([a, b, c, d]),
        end: u32::from_ne_bytes([e, f, g, h]),
    }))
}

fn port_range(
    fields: &Fields<'_, KNOWN>,
    range: u16,
    mask: u16,
) -> Result<Option<PortRange>, DecodeError> {
    let Some(value) = fields.ne32(range)? else {
        return Ok(None);
    };
    let [a, b, c, d] = value.to_ne_bytes();
    Ok(Some(PortRange {
        start: u16::from_ne_bytes([a, b]),
        end: u16::from_ne_bytes([c, d]),
        mask: fields.ne16(mask)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netlink::AttrWriter;

    #[test]
    fn reads_selectors_and_keeps_the_unknown() {
        let mut attributes = AttrWriter::new();
        attributes
            .ne32(FRA_PRIORITY, 100)
            .put(FRA_SRC, &[10, 0, 0, 0])
            .put(FRA_SPORT_RANGE, &[1, 0, 2, 0])
            .put(99, b"new");
        let mut payload = vec![2, 0, 8, 0, 254, 0, 0, 1, 2, 0, 0, 0];
        payload.extend_from_slice(attributes.as_bytes());
        let rule = decode_rule(&payload).unwrap();
        assert_eq!((rule.priority, rule.table), (100, 254));
        assert_eq!(rule.src.unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(rule.unknown[0].payload, b"new");
        for end in 0..payload.len() {
            let _ = decode_rule(&payload[..end]);
        }
    }
}
