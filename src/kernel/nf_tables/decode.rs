//! Tables, chains, rules, sets, elements, objects and flowtables from the attributes of their messages.

use super::{abi, expression};
use crate::kernel::netlink::{Attr, Attrs, DecodeError, Fields};
use crate::model::expression::Counter;
use crate::model::object::Tunnel;
use crate::model::text::name_from_bytes;
use crate::model::{
    BaseChain, Chain, Element, Elements, Expression, Family, Flowtable, Name, Object, ObjectData,
    Policy, Rule, RuleList, Set, Table,
};
use rustables::sys::*;

type Result<T> = std::result::Result<T, DecodeError>;

/// The family byte and the attributes of an nf_tables message.
pub fn split(payload: &[u8]) -> Result<(Family, &[u8])> {
    let (header, attributes) = crate::kernel::netlink::message::Nfgen::split(payload)?;
    Ok((Family::from_wire(header.family), attributes))
}

fn name(attr: Attr<'_>) -> Name {
    name_from_bytes(attr.payload)
}

/// `NFTA_TABLE_*`. Chains, sets and the rest are empty.
pub fn table(family: Family, bytes: &[u8]) -> Result<Table> {
    let f = Fields::<9>::parse(bytes)?;
    Ok(Table {
        family,
        name: name(f.need(NFTA_TABLE_NAME)?),
        handle: f.be64(NFTA_TABLE_HANDLE)?.unwrap_or(0),
        flags: f.be32(NFTA_TABLE_FLAGS)?.unwrap_or(0),
        owner: f.be32(NFTA_TABLE_OWNER)?,
        use_count: f.be32(NFTA_TABLE_USE)?.unwrap_or(0),
        userdata: f.bytes(NFTA_TABLE_USERDATA),
        chains: Vec::new(),
        sets: Vec::new(),
        objects: Vec::new(),
        flowtables: Vec::new(),
        raw: bytes.to_vec(),
    })
}

/// `NFTA_CHAIN_*`: the name of its table, and the chain without rules.
pub fn chain(bytes: &[u8]) -> Result<(Name, Chain)> {
    let f = Fields::<14>::parse(bytes)?;
    let base = match f.get(NFTA_CHAIN_HOOK) {
        Some(hook) => Some(base_chain(&f, hook)?),
        None => None,
    };
    let chain = Chain {
        name: name(f.need(NFTA_CHAIN_NAME)?),
        handle: f.be64(NFTA_CHAIN_HANDLE)?.unwrap_or(0),
        base,
        flags: f.be32(NFTA_CHAIN_FLAGS)?.unwrap_or(0),
        use_count: f.be32(NFTA_CHAIN_USE)?.unwrap_or(0),
        userdata: f.bytes(NFTA_CHAIN_USERDATA),
        rules: RuleList::default(),
        raw: bytes.to_vec(),
    };
    Ok((name(f.need(NFTA_CHAIN_TABLE)?), chain))
}

fn base_chain(chain: &Fields<'_, 14>, hook: Attr<'_>) -> Result<BaseChain> {
    let f = Fields::<6>::parse(hook.payload)?;
    let list = f.get(NFTA_HOOK_DEVS);
    let mut devices = Vec::new();
    if let Some(list) = list {
        devices = device_list(list)?;
    } else if let Some(device) = f.get(NFTA_HOOK_DEV) {
        devices.push(name(device));
    }
    Ok(BaseChain {
        kind: chain
            .get(NFTA_CHAIN_TYPE)
            .map(name)
            .unwrap_or_else(|| Name::from("filter")),
        hook: f.need_be32(NFTA_HOOK_HOOKNUM)?,
        priority: f.be32(NFTA_HOOK_PRIORITY)?.unwrap_or(0).cast_signed(),
        policy: chain.be32(NFTA_CHAIN_POLICY)?.map(|policy| match policy {
            0 => Policy::Drop,
            1 => Policy::Accept,
            other => Policy::Unknown(other),
        }),
        devices,
        device_list: list.is_some(),
        counters: chain
            .get(NFTA_CHAIN_COUNTERS)
            .map(|attr| chain_counters(attr.payload))
            .transpose()?,
    })
}

fn chain_counters(bytes: &[u8]) -> Result<Counter> {
    expression::counter(bytes)
}

/// `NFTA_DEVICE_NAME`s; a prefix (Linux 6.18) is shown as nft writes it, with a `*` behind.
fn device_list(list: Attr<'_>) -> Result<Vec<Name>> {
    let mut devices = Vec::new();
    for attr in list.nested() {
        let attr = attr?;
        match attr.kind {
            abi::NFTA_DEVICE_PREFIX => devices.push(Name::from(format!("{}*", name(attr)))),
            _ => devices.push(name(attr)),
        }
    }
    Ok(devices)
}

/// Where a rule belongs, read without decoding the rule: table, chain, handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulePlace<'a> {
    pub table: &'a [u8],
    pub chain: &'a [u8],
    pub handle: u64,
}

pub fn rule_place(bytes: &[u8]) -> Result<RulePlace<'_>> {
    let (mut table, mut chain, mut handle) = (None, None, None);
    for attr in Attrs::new(bytes) {
        let attr = attr?;
        match attr.kind {
            NFTA_RULE_TABLE => table = Some(attr.text()),
            NFTA_RULE_CHAIN => chain = Some(attr.text()),
            NFTA_RULE_HANDLE => handle = Some(attr.be64()?),
            _ => continue,
        }
        if let (Some(table), Some(chain), Some(handle)) = (table, chain, handle) {
            return Ok(RulePlace {
                table,
                chain,
                handle,
            });
        }
    }
    Err(DecodeError::Missing(NFTA_RULE_HANDLE))
}

/// A rule, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleBody {
    pub expressions: Vec<Expression>,
    pub userdata: Vec<u8>,
    /// Handle of the rule before it (`NFTA_RULE_POSITION`).
    pub position: Option<u64>,
    /// `NFTA_RULE_COMPAT_PROTO` and `_FLAGS`: what the rule's xtables extensions were told.
    pub compat: Option<(u32, u32)>,
    /// Attribute types this build does not know.
    pub unknown: Vec<u16>,
}

pub fn rule(rule: Rule<'_>) -> Result<RuleBody> {
    let f = Fields::<12>::parse(rule.attributes)?;
    let compat = match f.get(NFTA_RULE_COMPAT) {
        Some(attr) => {
            let c = Fields::<3>::parse(attr.payload)?;
            Some((
                c.be32(NFTA_RULE_COMPAT_PROTO)?.unwrap_or(0),
                c.be32(NFTA_RULE_COMPAT_FLAGS)?.unwrap_or(0),
            ))
        }
        None => None,
    };
    Ok(RuleBody {
        expressions: match f.get(NFTA_RULE_EXPRESSIONS) {
            Some(attr) => expression::list(attr.payload)?,
            None => Vec::new(),
        },
        userdata: f.bytes(NFTA_RULE_USERDATA),
        position: f.be64(NFTA_RULE_POSITION)?,
        compat,
        unknown: f.unknown,
    })
}

/// `NFTA_SET_*`: the name of its table, and the set without elements.
pub fn set(bytes: &[u8]) -> Result<(Name, Set)> {
    let f = Fields::<21>::parse(bytes)?;
    let (mut size, mut field_lens) = (None, Vec::new());
    if let Some(desc) = f.get(NFTA_SET_DESC) {
        let d = Fields::<3>::parse(desc.payload)?;
        size = d.be32(NFTA_SET_DESC_SIZE)?;
        if let Some(concat) = d.get(NFTA_SET_DESC_CONCAT) {
            for field in concat.nested() {
                let field = Fields::<2>::parse(field?.payload)?;
                field_lens.push(field.need_be32(NFTA_SET_FIELD_LEN)?);
            }
        }
    }
    let expressions = match (f.get(NFTA_SET_EXPRESSIONS), f.get(NFTA_SET_EXPR)) {
        (Some(many), _) => expression::list(many.payload)?,
        (None, Some(one)) => vec![expression::expression(one.payload)?],
        (None, None) => Vec::new(),
    };
    let set = Set {
        name: name(f.need(NFTA_SET_NAME)?),
        handle: f.be64(NFTA_SET_HANDLE)?.unwrap_or(0),
        flags: f.be32(NFTA_SET_FLAGS)?.unwrap_or(0),
        key_type: f.be32(NFTA_SET_KEY_TYPE)?.unwrap_or(0),
        key_len: f.be32(NFTA_SET_KEY_LEN)?.unwrap_or(0),
        data_type: f.be32(NFTA_SET_DATA_TYPE)?,
        data_len: f.be32(NFTA_SET_DATA_LEN)?,
        object_type: f.be32(NFTA_SET_OBJ_TYPE)?,
        timeout: f.be64(NFTA_SET_TIMEOUT)?,
        gc_interval: f.be32(NFTA_SET_GC_INTERVAL)?,
        size,
        field_lens,
        policy: f.be32(NFTA_SET_POLICY)?,
        expressions,
        userdata: f.bytes(NFTA_SET_USERDATA),
        count: f.be32(abi::NFTA_SET_COUNT)?,
        elements: Elements::NotRead,
        raw: bytes.to_vec(),
    };
    Ok((name(f.need(NFTA_SET_TABLE)?), set))
}

/// The elements in a `NFT_MSG_NEWSETELEM` message: each the attributes `NFTA_SET_ELEM_*`.
pub fn set_elements(bytes: &[u8]) -> Result<impl Iterator<Item = Result<&[u8]>>> {
    let f = Fields::<5>::parse(bytes)?;
    let list = f
        .get(NFTA_SET_ELEM_LIST_ELEMENTS)
        .map(|attr| attr.payload)
        .unwrap_or_default();
    Ok(Attrs::new(list).map(|attr| attr.map(|attr| attr.payload)))
}

/// Table and set of a `NFT_MSG_NEWSETELEM` message.
pub fn set_elements_place(bytes: &[u8]) -> Result<(Name, Name)> {
    let f = Fields::<5>::parse(bytes)?;
    Ok((
        name(f.need(NFTA_SET_ELEM_LIST_TABLE)?),
        name(f.need(NFTA_SET_ELEM_LIST_SET)?),
    ))
}

/// `NFTA_SET_ELEM_*`
pub fn element(bytes: &[u8]) -> Result<Element> {
    let f = Fields::<12>::parse(bytes)?;
    let key = |kind: u16| -> Result<Option<Vec<u8>>> {
        let Some(attr) = f.get(kind) else {
            return Ok(None);
        };
        let data = Fields::<3>::parse(attr.payload)?;
        Ok(Some(data.need(NFTA_DATA_VALUE)?.payload.to_vec()))
    };
    Ok(Element {
        key: key(NFTA_SET_ELEM_KEY)?,
        key_end: key(NFTA_SET_ELEM_KEY_END)?,
        data: f
            .get(NFTA_SET_ELEM_DATA)
            .map(expression::data)
            .transpose()?,
        flags: f.be32(NFTA_SET_ELEM_FLAGS)?.unwrap_or(0),
        timeout: f.be64(NFTA_SET_ELEM_TIMEOUT)?,
        expiration: f.be64(NFTA_SET_ELEM_EXPIRATION)?,
        expressions: match (f.get(NFTA_SET_ELEM_EXPRESSIONS), f.get(NFTA_SET_ELEM_EXPR)) {
            (Some(many), _) => expression::list(many.payload)?,
            (None, Some(one)) => vec![expression::expression(one.payload)?],
            (None, None) => Vec::new(),
        },
        object: f.get(NFTA_SET_ELEM_OBJREF).map(name),
        userdata: f.bytes(NFTA_SET_ELEM_USERDATA),
        unknown: f.unknown,
    })
}

/// `NFTA_OBJ_*`: the name of its table, and the object.
pub fn object(bytes: &[u8]) -> Result<(Name, Object)> {
    let f = Fields::<9>::parse(bytes)?;
    let kind = f.need_be32(NFTA_OBJ_TYPE)?;
    let data = f
        .get(NFTA_OBJ_DATA)
        .map(|attr| attr.payload)
        .unwrap_or_default();
    let object = Object {
        name: name(f.need(NFTA_OBJ_NAME)?),
        handle: f.be64(NFTA_OBJ_HANDLE)?.unwrap_or(0),
        kind,
        use_count: f.be32(NFTA_OBJ_USE)?.unwrap_or(0),
        data: object_data(kind, data).unwrap_or_else(|error| ObjectData::Unknown {
            why: error.to_string(),
        }),
        userdata: f.bytes(NFTA_OBJ_USERDATA),
        raw: bytes.to_vec(),
    };
    Ok((name(f.need(NFTA_OBJ_TABLE)?), object))
}

fn object_data(kind: u32, bytes: &[u8]) -> Result<ObjectData> {
    Ok(match kind {
        NFT_OBJECT_COUNTER => ObjectData::Counter(expression::counter(bytes)?),
        NFT_OBJECT_QUOTA => ObjectData::Quota(expression::quota(bytes)?),
        NFT_OBJECT_LIMIT => ObjectData::Limit(expression::limit(bytes)?),
        NFT_OBJECT_CONNLIMIT => {
            let (count, flags) = expression::connlimit(bytes)?;
            ObjectData::Connlimit { count, flags }
        }
        NFT_OBJECT_SYNPROXY => ObjectData::Synproxy(expression::synproxy(bytes)?),
        NFT_OBJECT_SECMARK => {
            let f = Fields::<2>::parse_strict(bytes)?;
            ObjectData::Secmark {
                context: crate::model::text::from_bytes(f.need(NFTA_SECMARK_CTX)?.text()),
            }
        }
        NFT_OBJECT_CT_HELPER => {
            let f = Fields::<4>::parse_strict(bytes)?;
            ObjectData::CtHelper {
                name: name(f.need(NFTA_CT_HELPER_NAME)?),
                l3proto: f.be16(NFTA_CT_HELPER_L3PROTO)?.unwrap_or(0),
                l4proto: f.u8(NFTA_CT_HELPER_L4PROTO)?.unwrap_or(0),
            }
        }
        NFT_OBJECT_CT_TIMEOUT => {
            let f = Fields::<4>::parse_strict(bytes)?;
            let mut policy = Vec::new();
            if let Some(list) = f.get(NFTA_CT_TIMEOUT_DATA) {
                for attr in list.nested() {
                    let attr = attr?;
                    policy.push((attr.kind, attr.be32()?));
                }
            }
            ObjectData::CtTimeout {
                l3proto: f.be16(NFTA_CT_TIMEOUT_L3PROTO)?.unwrap_or(0),
                l4proto: f.u8(NFTA_CT_TIMEOUT_L4PROTO)?.unwrap_or(0),
                policy,
            }
        }
        NFT_OBJECT_CT_EXPECT => {
            let f = Fields::<6>::parse_strict(bytes)?;
            ObjectData::CtExpectation {
                l3proto: f.be16(NFTA_CT_EXPECT_L3PROTO)?.unwrap_or(0),
                l4proto: f.u8(NFTA_CT_EXPECT_L4PROTO)?.unwrap_or(0),
                dport: f.be16(NFTA_CT_EXPECT_DPORT)?.unwrap_or(0),
                // Alone among the attributes of objects, the kernel sends it in host byte order.
                timeout: f
                    .get(NFTA_CT_EXPECT_TIMEOUT)
                    .map(|attr| attr.ne32())
                    .transpose()?
                    .unwrap_or(0),
                size: f.u8(NFTA_CT_EXPECT_SIZE)?.unwrap_or(0),
            }
        }
        NFT_OBJECT_TUNNEL => ObjectData::Tunnel(Box::new(tunnel(bytes)?)),
        other => {
            return Err(DecodeError::UnknownValue {
                kind: NFTA_OBJ_TYPE,
                value: other.into(),
            });
        }
    })
}

fn tunnel(bytes: &[u8]) -> Result<Tunnel> {
    let f = Fields::<10>::parse_strict(bytes)?;
    let pair = |attr: Option<Attr<'_>>| -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some(attr) = attr else { return Ok(None) };
        let a = Fields::<4>::parse(attr.payload)?;
        Ok(Some((a.bytes(1), a.bytes(2))))
    };
    Ok(Tunnel {
        id: f.be32(NFTA_TUNNEL_KEY_ID)?.unwrap_or(0),
        ip: pair(f.get(NFTA_TUNNEL_KEY_IP))?,
        ip6: pair(f.get(NFTA_TUNNEL_KEY_IP6))?,
        ip6_flowlabel: match f.get(NFTA_TUNNEL_KEY_IP6) {
            // NFTA_TUNNEL_KEY_IP6_FLOWLABEL
            Some(attr) => Fields::<4>::parse(attr.payload)?.be32(3)?.unwrap_or(0),
            None => 0,
        },
        flags: f.be32(NFTA_TUNNEL_KEY_FLAGS)?.unwrap_or(0),
        tos: f.u8(NFTA_TUNNEL_KEY_TOS)?,
        ttl: f.u8(NFTA_TUNNEL_KEY_TTL)?,
        sport: f.be16(NFTA_TUNNEL_KEY_SPORT)?,
        dport: f.be16(NFTA_TUNNEL_KEY_DPORT)?,
        options: f.bytes(NFTA_TUNNEL_KEY_OPTS),
    })
}

/// `NFTA_FLOWTABLE_*`: the name of its table, and the flowtable.
pub fn flowtable(bytes: &[u8]) -> Result<(Name, Flowtable)> {
    let f = Fields::<8>::parse(bytes)?;
    let hook = Fields::<4>::parse(f.need(NFTA_FLOWTABLE_HOOK)?.payload)?;
    let flowtable = Flowtable {
        name: name(f.need(NFTA_FLOWTABLE_NAME)?),
        handle: f.be64(NFTA_FLOWTABLE_HANDLE)?.unwrap_or(0),
        hook: hook.be32(NFTA_FLOWTABLE_HOOK_NUM)?.unwrap_or(0),
        priority: hook
            .be32(NFTA_FLOWTABLE_HOOK_PRIORITY)?
            .unwrap_or(0)
            .cast_signed(),
        devices: match hook.get(NFTA_FLOWTABLE_HOOK_DEVS) {
            Some(list) => device_list(list)?,
            None => Vec::new(),
        },
        flags: f.be32(NFTA_FLOWTABLE_FLAGS)?.unwrap_or(0),
        use_count: f.be32(NFTA_FLOWTABLE_USE)?.unwrap_or(0),
        raw: bytes.to_vec(),
    };
    Ok((name(f.need(NFTA_FLOWTABLE_TABLE)?), flowtable))
}

/// Generation id, and the process that made it where the kernel says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    pub id: u32,
    pub pid: Option<u32>,
    pub process: Option<String>,
}

/// `NFTA_GEN_*`
pub fn generation(bytes: &[u8]) -> Result<Generation> {
    let f = Fields::<4>::parse(bytes)?;
    Ok(Generation {
        id: f.need_be32(NFTA_GEN_ID)?,
        pid: f.be32(NFTA_GEN_PROC_PID)?,
        process: f
            .get(NFTA_GEN_PROC_NAME)
            .map(|attr| crate::model::text::from_bytes(attr.text())),
    })
}

/// The counter of a rule, found without decoding anything else. The first, where there are several.
pub fn rule_counter(rule: Rule<'_>) -> Option<Counter> {
    let expressions = attribute(rule.attributes, NFTA_RULE_EXPRESSIONS)?;
    Attrs::new(expressions)
        .filter_map(Result::ok)
        .find_map(|element| {
            let name = attribute(element.payload, NFTA_EXPR_NAME)?;
            if name != b"counter\0" {
                return None;
            }
            expression::counter(attribute(element.payload, NFTA_EXPR_DATA)?).ok()
        })
}

fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    Attrs::new(bytes)
        .filter_map(Result::ok)
        .find(|attr| attr.kind == kind)
        .map(|attr| attr.payload)
}
