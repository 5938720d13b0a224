//! Tables, chains, sets, elements, objects and flowtables to the attributes of the messages that make them:
//! the inverse of `decode`, in the forms that the kernel takes (it does not take all that it sends).

use super::{abi, encode_pending};
use crate::kernel::netlink::attr::NLA_F_NESTED;
use crate::kernel::netlink::{AttrWriter, Attrs};
use crate::model::command::{NewTable, split_pending};
use crate::model::expression::{Counter, Limit, Quota, Synproxy};
use crate::model::object::Tunnel;
use crate::model::ruleset::chain_flags;
use crate::model::{BaseChain, Chain, Element, Flowtable, Name, Object, ObjectData, Policy, Set};
use rustables::sys::*;

/// `NFTA_TABLE_*`
pub fn table(out: &mut AttrWriter, table: &NewTable) {
    out.text(NFTA_TABLE_NAME, &table.name)
        .be32(NFTA_TABLE_FLAGS, table.flags);
    userdata(out, NFTA_TABLE_USERDATA, &table.userdata);
}

/// `NFTA_CHAIN_*`
pub fn chain(out: &mut AttrWriter, table: &str, chain: &Chain) {
    out.text(NFTA_CHAIN_TABLE, table);
    match split_pending(&chain.name) {
        Some((_, id)) => out.be32(abi::NFTA_CHAIN_ID, id),
        None => out.text(NFTA_CHAIN_NAME, &chain.name),
    };
    match &chain.base {
        // A policy for a base chain that is there already.
        Some(base) if base.kind.is_empty() => policy(out, base),
        Some(base) => base_chain(out, base),
        None => {}
    }
    // The kernel compares them with those of a chain that is there, where `BASE` is one of them.
    if chain.flags & !chain_flags::BASE != 0 {
        out.be32(NFTA_CHAIN_FLAGS, chain.flags);
    }
    userdata(out, NFTA_CHAIN_USERDATA, &chain.userdata);
}

fn policy(out: &mut AttrWriter, base: &BaseChain) {
    if let Some(policy) = base.policy {
        let number = match policy {
            Policy::Drop => 0,
            Policy::Accept => 1,
            Policy::Unknown(other) => other,
        };
        out.be32(NFTA_CHAIN_POLICY, number);
    }
}

fn base_chain(out: &mut AttrWriter, base: &BaseChain) {
    out.nest(NFTA_CHAIN_HOOK, |hook| {
        hook.be32(NFTA_HOOK_HOOKNUM, base.hook)
            .be32(NFTA_HOOK_PRIORITY, base.priority.cast_unsigned());
        match base.devices.as_slice() {
            [] => {}
            [one] if !base.device_list && !one.ends_with('*') => {
                hook.text(NFTA_HOOK_DEV, one);
            }
            many => {
                hook.nest(NFTA_HOOK_DEVS, |list| devices(list, many));
            }
        }
    });
    policy(out, base);
    out.text(NFTA_CHAIN_TYPE, &base.kind);
    if let Some(counter) = &base.counters {
        out.nest(NFTA_CHAIN_COUNTERS, |inner| self::counter(inner, counter));
    }
}

/// `NFTA_DEVICE_*`; a name that ends in `*` is a prefix (Linux 6.18).
pub fn devices(out: &mut AttrWriter, devices: &[Name]) {
    for device in devices {
        match device.strip_suffix('*') {
            Some(prefix) => out.text(abi::NFTA_DEVICE_PREFIX, prefix),
            None => out.text(abi::NFTA_DEVICE_NAME, device),
        };
    }
}

/// A set's name and its id in the transaction.
pub fn set_name(out: &mut AttrWriter, name_kind: u16, id_kind: u16, name: &str) {
    match split_pending(name) {
        Some((template, id)) => out.text(name_kind, template).be32(id_kind, id),
        None => out.text(name_kind, name),
    };
}

/// `NFTA_SET_*`
pub fn set(out: &mut AttrWriter, table: &str, set: &Set) {
    out.text(NFTA_SET_TABLE, table);
    match split_pending(&set.name) {
        Some((template, id)) => out.text(NFTA_SET_NAME, template).be32(NFTA_SET_ID, id),
        // The kernel insists on an id; 0 names no set of the transaction.
        None => out.text(NFTA_SET_NAME, &set.name).be32(NFTA_SET_ID, 0),
    };
    if set.flags != 0 {
        out.be32(NFTA_SET_FLAGS, set.flags);
    }
    out.be32(NFTA_SET_KEY_TYPE, set.key_type)
        .be32(NFTA_SET_KEY_LEN, set.key_len);
    some32(out, NFTA_SET_DATA_TYPE, set.data_type);
    some32(out, NFTA_SET_DATA_LEN, set.data_len);
    some32(out, NFTA_SET_OBJ_TYPE, set.object_type);
    if let Some(timeout) = set.timeout {
        out.be64(NFTA_SET_TIMEOUT, timeout);
    }
    some32(out, NFTA_SET_GC_INTERVAL, set.gc_interval);
    some32(out, NFTA_SET_POLICY, set.policy);
    if set.size.is_some() || !set.field_lens.is_empty() {
        out.nest(NFTA_SET_DESC, |desc| {
            some32(desc, NFTA_SET_DESC_SIZE, set.size);
            if !set.field_lens.is_empty() {
                desc.nest(NFTA_SET_DESC_CONCAT, |concat| {
                    for length in &set.field_lens {
                        concat.nest(NFTA_LIST_ELEM, |field| {
                            field.be32(NFTA_SET_FIELD_LEN, *length);
                        });
                    }
                });
            }
        });
    }
    expressions(
        out,
        NFTA_SET_EXPR,
        NFTA_SET_EXPRESSIONS,
        set.expressions.as_slice(),
    );
    userdata(out, NFTA_SET_USERDATA, &set.userdata);
}

/// One is sent by itself, several as a list.
fn expressions(out: &mut AttrWriter, one: u16, many: u16, list: &[crate::model::Expression]) {
    match list {
        [] => {}
        [single] => {
            out.nest(one, |inner| encode_pending::expression(inner, single));
        }
        several => {
            out.nest(many, |inner| encode_pending::list(inner, several));
        }
    }
}

/// `NFTA_SET_ELEM_*` of an element that comes.
pub fn element(out: &mut AttrWriter, element: &Element) {
    element_key(out, element);
    if let Some(data) = &element.data {
        encode_pending::data(out, NFTA_SET_ELEM_DATA, data);
    }
    if let Some(timeout) = element.timeout {
        out.be64(NFTA_SET_ELEM_TIMEOUT, timeout);
    }
    if let Some(left) = element.expiration {
        out.be64(NFTA_SET_ELEM_EXPIRATION, left);
    }
    userdata(out, NFTA_SET_ELEM_USERDATA, &element.userdata);
    expressions(
        out,
        NFTA_SET_ELEM_EXPR,
        NFTA_SET_ELEM_EXPRESSIONS,
        &element.expressions,
    );
    if let Some(object) = &element.object {
        out.text(NFTA_SET_ELEM_OBJREF, object);
    }
}

/// `NFTA_SET_ELEM_*` by which the kernel finds an element: of one that goes.
pub fn element_key(out: &mut AttrWriter, element: &Element) {
    if element.flags != 0 {
        out.be32(NFTA_SET_ELEM_FLAGS, element.flags);
    }
    for (kind, key) in [
        (NFTA_SET_ELEM_KEY, &element.key),
        (NFTA_SET_ELEM_KEY_END, &element.key_end),
    ] {
        if let Some(key) = key {
            out.nest(kind, |inner| {
                inner.put(NFTA_DATA_VALUE, key);
            });
        }
    }
}

/// `NFTA_FLOWTABLE_*`
pub fn flowtable(out: &mut AttrWriter, table: &str, flowtable: &Flowtable) {
    out.text(NFTA_FLOWTABLE_TABLE, table)
        .text(NFTA_FLOWTABLE_NAME, &flowtable.name);
    out.nest(NFTA_FLOWTABLE_HOOK, |hook| {
        hook.be32(NFTA_FLOWTABLE_HOOK_NUM, flowtable.hook).be32(
            NFTA_FLOWTABLE_HOOK_PRIORITY,
            flowtable.priority.cast_unsigned(),
        );
        if !flowtable.devices.is_empty() {
            hook.nest(NFTA_FLOWTABLE_HOOK_DEVS, |list| {
                devices(list, &flowtable.devices);
            });
        }
    });
    if flowtable.flags != 0 {
        out.be32(NFTA_FLOWTABLE_FLAGS, flowtable.flags);
    }
}

/// `NFTA_OBJ_*`
pub fn object(out: &mut AttrWriter, table: &str, object: &Object) {
    out.text(NFTA_OBJ_TABLE, table)
        .text(NFTA_OBJ_NAME, &object.name)
        .be32(NFTA_OBJ_TYPE, object.kind);
    match &object.data {
        // What is not understood goes back as it came.
        ObjectData::Unknown { .. } => {
            let data = Attrs::new(&object.raw)
                .filter_map(Result::ok)
                .find(|attr| attr.kind == NFTA_OBJ_DATA);
            if let Some(data) = data {
                out.put(NFTA_OBJ_DATA | NLA_F_NESTED, data.payload);
            }
        }
        known => {
            out.nest(NFTA_OBJ_DATA, |data| object_data(data, known));
        }
    }
    userdata(out, NFTA_OBJ_USERDATA, &object.userdata);
}

fn object_data(out: &mut AttrWriter, data: &ObjectData) {
    match data {
        ObjectData::Counter(counter) => self::counter(out, counter),
        ObjectData::Quota(quota) => self::quota(out, quota),
        ObjectData::Limit(limit) => self::limit(out, limit),
        ObjectData::Connlimit { count, flags } => {
            out.be32(NFTA_CONNLIMIT_COUNT, *count)
                .be32(NFTA_CONNLIMIT_FLAGS, *flags);
        }
        ObjectData::CtHelper {
            name,
            l3proto,
            l4proto,
        } => {
            out.text(NFTA_CT_HELPER_NAME, name)
                .u8(NFTA_CT_HELPER_L4PROTO, *l4proto);
            known_family(out, NFTA_CT_HELPER_L3PROTO, *l3proto);
        }
        ObjectData::CtTimeout {
            l3proto,
            l4proto,
            policy,
        } => {
            known_family(out, NFTA_CT_TIMEOUT_L3PROTO, *l3proto);
            out.u8(NFTA_CT_TIMEOUT_L4PROTO, *l4proto);
            out.nest(NFTA_CT_TIMEOUT_DATA, |list| {
                for (state, seconds) in policy {
                    list.be32(*state, *seconds);
                }
            });
        }
        ObjectData::CtExpectation {
            l3proto,
            l4proto,
            dport,
            timeout,
            size,
        } => {
            known_family(out, NFTA_CT_EXPECT_L3PROTO, *l3proto);
            out.u8(NFTA_CT_EXPECT_L4PROTO, *l4proto)
                .be16(NFTA_CT_EXPECT_DPORT, *dport)
                // Host byte order, as the kernel sends it.
                .ne32(NFTA_CT_EXPECT_TIMEOUT, *timeout)
                .u8(NFTA_CT_EXPECT_SIZE, *size);
        }
        ObjectData::Synproxy(synproxy) => self::synproxy(out, synproxy),
        ObjectData::Secmark { context } => {
            out.text(NFTA_SECMARK_CTX, context);
        }
        ObjectData::Tunnel(tunnel) => self::tunnel(out, tunnel),
        ObjectData::Unknown { .. } => {}
    }
}

fn counter(out: &mut AttrWriter, counter: &Counter) {
    out.be64(NFTA_COUNTER_BYTES, counter.bytes)
        .be64(NFTA_COUNTER_PACKETS, counter.packets);
}

fn quota(out: &mut AttrWriter, quota: &Quota) {
    out.be64(NFTA_QUOTA_BYTES, quota.bytes)
        .be64(NFTA_QUOTA_CONSUMED, quota.consumed)
        .be32(NFTA_QUOTA_FLAGS, encode_pending::quota_flags(quota.flags));
}

fn limit(out: &mut AttrWriter, limit: &Limit) {
    out.be64(NFTA_LIMIT_RATE, limit.rate)
        .be64(NFTA_LIMIT_UNIT, limit.unit)
        .be32(NFTA_LIMIT_BURST, limit.burst)
        .be32(NFTA_LIMIT_TYPE, limit.kind)
        .be32(NFTA_LIMIT_FLAGS, limit.flags);
}

fn synproxy(out: &mut AttrWriter, synproxy: &Synproxy) {
    out.be16(NFTA_SYNPROXY_MSS, synproxy.mss)
        .u8(NFTA_SYNPROXY_WSCALE, synproxy.wscale)
        .be32(NFTA_SYNPROXY_FLAGS, synproxy.flags);
}

fn tunnel(out: &mut AttrWriter, tunnel: &Tunnel) {
    out.be32(NFTA_TUNNEL_KEY_ID, tunnel.id);
    if let Some((source, destination)) = &tunnel.ip {
        out.nest(NFTA_TUNNEL_KEY_IP, |ip| {
            address(ip, NFTA_TUNNEL_KEY_IP_SRC, source);
            address(ip, NFTA_TUNNEL_KEY_IP_DST, destination);
        });
    }
    if let Some((source, destination)) = &tunnel.ip6 {
        out.nest(NFTA_TUNNEL_KEY_IP6, |ip| {
            // NFTA_TUNNEL_KEY_IP6_SRC, _DST, _FLOWLABEL: macros to bindgen, not enumerators
            address(ip, 1, source);
            address(ip, 2, destination);
            ip.be32(3, tunnel.ip6_flowlabel);
        });
    }
    out.be32(NFTA_TUNNEL_KEY_FLAGS, tunnel.flags);
    if let Some(tos) = tunnel.tos {
        out.u8(NFTA_TUNNEL_KEY_TOS, tos);
    }
    if let Some(ttl) = tunnel.ttl {
        out.u8(NFTA_TUNNEL_KEY_TTL, ttl);
    }
    if let Some(port) = tunnel.sport {
        out.be16(NFTA_TUNNEL_KEY_SPORT, port);
    }
    if let Some(port) = tunnel.dport {
        out.be16(NFTA_TUNNEL_KEY_DPORT, port);
    }
    if !tunnel.options.is_empty() {
        out.put(NFTA_TUNNEL_KEY_OPTS | NLA_F_NESTED, &tunnel.options);
    }
}

fn address(out: &mut AttrWriter, kind: u16, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.put(kind, bytes);
    }
}

fn userdata(out: &mut AttrWriter, kind: u16, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.put(kind, bytes);
    }
}

fn some32(out: &mut AttrWriter, kind: u16, value: Option<u32>) {
    if let Some(value) = value {
        out.be32(kind, value);
    }
}

/// The data of a rule's `NFTA_RULE_COMPAT`.
pub fn compat(out: &mut AttrWriter, protocol: u32, flags: u32) {
    out.nest(NFTA_RULE_COMPAT, |compat| {
        compat
            .be32(NFTA_RULE_COMPAT_PROTO, protocol)
            .be32(NFTA_RULE_COMPAT_FLAGS, flags);
    });
}

/// The kernel takes the family of the table where none is named.
fn known_family(out: &mut AttrWriter, kind: u16, family: u16) {
    if family != 0 {
        out.be16(kind, family);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::nf_tables::decode;

    fn written(fill: impl FnOnce(&mut AttrWriter)) -> Vec<u8> {
        let mut out = AttrWriter::new();
        fill(&mut out);
        out.into_bytes()
    }

    #[test]
    fn objects_come_back_as_they_went() {
        let data = [
            (
                NFT_OBJECT_COUNTER,
                ObjectData::Counter(Counter {
                    packets: 3,
                    bytes: 7,
                }),
            ),
            (
                NFT_OBJECT_CT_EXPECT,
                ObjectData::CtExpectation {
                    l3proto: 2,
                    l4proto: 17,
                    dport: 4000,
                    timeout: 90_000,
                    size: 3,
                },
            ),
            (
                NFT_OBJECT_CT_TIMEOUT,
                ObjectData::CtTimeout {
                    l3proto: 2,
                    l4proto: 6,
                    policy: vec![(1, 30), (2, 60)],
                },
            ),
            (
                NFT_OBJECT_TUNNEL,
                ObjectData::Tunnel(Box::new(Tunnel {
                    id: 10,
                    ip: Some((vec![192, 0, 2, 1], vec![192, 0, 2, 2])),
                    flags: 1,
                    ttl: Some(9),
                    dport: Some(4789),
                    ..Tunnel::default()
                })),
            ),
        ];
        for (kind, data) in data {
            let meant = Object {
                name: "o".into(),
                handle: 0,
                kind,
                use_count: 0,
                data,
                userdata: vec![1, 2, 3],
                raw: Vec::new(),
            };
            let bytes = written(|out| object(out, "t", &meant));
            let (table, mut read) = decode::object(&bytes).unwrap();
            read.raw.clear();
            assert_eq!((&*table, read), ("t", meant));
        }
    }

    #[test]
    fn chains_and_elements_come_back_as_they_went() {
        let meant = Chain {
            name: "c".into(),
            handle: 0,
            base: Some(BaseChain {
                kind: "filter".into(),
                hook: 0,
                priority: -7,
                policy: Some(Policy::Drop),
                devices: vec!["eth0".into(), "wlan*".into()],
                device_list: true,
                counters: Some(Counter {
                    packets: 1,
                    bytes: 2,
                }),
            }),
            flags: chain_flags::BASE | chain_flags::HW_OFFLOAD,
            use_count: 0,
            userdata: b"u".to_vec(),
            rules: crate::model::RuleList::default(),
            raw: Vec::new(),
        };
        let bytes = written(|out| chain(out, "t", &meant));
        let (_, mut read) = decode::chain(&bytes).unwrap();
        read.raw.clear();
        assert_eq!(read, meant);

        let meant = Element {
            key: Some(vec![1, 2, 3, 4]),
            key_end: Some(vec![1, 2, 3, 9]),
            flags: 0,
            timeout: Some(5000),
            expiration: Some(1234),
            userdata: vec![9],
            object: Some("o".into()),
            ..Element::default()
        };
        let bytes = written(|out| element(out, &meant));
        assert_eq!(decode::element(&bytes).unwrap(), meant);
    }
}
