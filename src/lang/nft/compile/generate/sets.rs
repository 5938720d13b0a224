//! Sets and elements as the kernel has them.

use super::*;
use crate::lang::nft::compile::interval::{self, Entry};
use crate::lang::nft::compile::{eval, userdata};
use crate::lang::nft::datatype::{self as types, Type};
use crate::lang::nft::delinearize::userdata_types as ud;
use crate::lang::nft::syntax::At;
use crate::model::command::{Make, What};
use crate::model::set::{element_flags, flags};
use crate::model::{Element, Elements, Set};

/// Make a set that belongs to a rule, with its elements.
pub(super) fn make_anonymous(
    world: &mut World<'_>,
    family: Family,
    table: &Name,
    info: &SetInfo,
    elements: Vec<Expr>,
    span: Span,
) -> Result<()> {
    let entries = entries_of(info, elements, true);
    let mut set = model_set(info, None)?;
    if info.flags & flags::CONSTANT != 0 {
        set.size = u32::try_from(entries.len()).ok();
    }
    world.push(family, table, What::MakeSet(Make::Add, Box::new(set)), span);
    let elements = entries
        .into_iter()
        .map(|entry| element(info, entry))
        .collect::<Result<Vec<_>>>()?;
    if !elements.is_empty() {
        let set = info.name.clone();
        world.push(
            family,
            table,
            What::MakeElements {
                set,
                make: Make::Add,
                elements,
            },
            span,
        );
    }
    Ok(())
}

/// Elements, ranges of interval sets, as entries in the kernel. `first`: the set has none so far.
pub fn entries_of(info: &SetInfo, elements: Vec<Expr>, first: bool) -> Vec<Entry> {
    let tree = info.flags & flags::INTERVAL != 0 && info.flags & flags::CONCAT == 0;
    if tree {
        return interval::to_entries(info, elements, first);
    }
    elements
        .into_iter()
        .map(|expr| Entry {
            expr,
            end: false,
            open: false,
        })
        .collect()
}

/// Number of a type in the kernel's set (`NFT_DATA_VERDICT` for verdicts).
fn type_number(dtype: Type) -> u32 {
    const NFT_DATA_VERDICT: u32 = 0xffff_ff00;
    if dtype.is(&types::VERDICT) {
        NFT_DATA_VERDICT
    } else {
        dtype.id()
    }
}

/// The set's declaration.
pub fn model_set(info: &SetInfo, comment: Option<&At<String>>) -> Result<Set> {
    let is_map = info.flags & flags::MAP != 0;
    let data = info.data.as_ref().filter(|_| is_map);
    let mut field_lens = Vec::new();
    if info.flags & flags::CONCAT != 0 {
        field_lens = field_bytes(&info.key);
    }
    Ok(Set {
        name: info.name.clone(),
        handle: 0,
        flags: info.flags,
        key_type: type_number(info.key.dtype),
        key_len: info.key.len.div_ceil(8),
        data_type: data.map(|data| type_number(data.dtype)),
        data_len: data.map(|data| data.len.div_ceil(8)),
        object_type: info.object_type.filter(|_| info.flags & flags::OBJECT != 0),
        timeout: None,
        gc_interval: None,
        size: info.size,
        field_lens,
        policy: None,
        expressions: Vec::new(),
        userdata: userdata::set(info, comment)?,
        count: None,
        elements: Elements::NotRead,
        raw: Vec::new(),
    })
}

/// Bytes of each field of a concatenated key.
fn field_bytes(key: &Expr) -> Vec<u32> {
    match (&key.kind, key.dtype) {
        (Kind::Concat(parts), _) => parts
            .iter()
            .map(|part| {
                let size = part.dtype.size();
                let bits = if size == 0 { part.len } else { size };
                bits.div_ceil(8)
            })
            .collect(),
        (_, Type::Concat(id)) => types::subtypes(id)
            .map(|dtype| dtype.size.div_ceil(8))
            .collect(),
        _ => Vec::new(),
    }
}

/// One element.
pub fn element(info: &SetInfo, entry: Entry) -> Result<Element> {
    let span = entry.expr.span;
    let (key, value) = match entry.expr.kind {
        Kind::Mapping(key, value) => (*key, Some(value)),
        _ => (entry.expr, None),
    };
    let Kind::SetElem(inner) = key.kind else {
        return Err(Diagnostic::new(span, "this cannot be an element of a set"));
    };
    let mut made = Element::default();
    match &inner.key.kind {
        Kind::CatchAll => made.flags |= element_flags::CATCHALL,
        Kind::Concat(_) if info.flags & flags::INTERVAL != 0 => {
            made.key = Some(concat_bytes(&inner.key, Some(false), true));
            made.key_end = Some(concat_bytes(&inner.key, Some(true), true));
        }
        _ => made.key = Some(key_bytes(&inner.key)),
    }
    if entry.end {
        made.flags |= element_flags::INTERVAL_END;
    }
    made.timeout = (inner.timeout > 0).then_some(inner.timeout);
    made.expiration = (inner.expiration > 0).then_some(inner.expiration);
    made.expressions = inner.stmts.iter().filter_map(stateful).collect();
    if let Some(comment) = &inner.comment {
        userdata::comment(&mut made.userdata, &At::new(comment.clone(), span))?;
    }
    if entry.open {
        // NFTNL_UDATA_SET_ELEM_FLAGS, NFTNL_SET_ELEM_F_INTERVAL_OPEN
        userdata::put_u32(&mut made.userdata, ud::ELEMENT_FLAGS, 1);
    }
    let Some(value) = value.filter(|_| !entry.end) else {
        return Ok(made);
    };
    if info.flags & flags::OBJECT != 0 {
        if let Kind::Text(name) = &value.kind {
            made.object = Some(name.as_str().into());
        }
        return Ok(made);
    }
    made.data = Some(match &value.kind {
        Kind::Verdict(verdict) => Data::Verdict(verdict.clone()),
        _ => {
            let singleton = eval::is_singleton(&value);
            Data::Value(data_bytes(&value, !singleton))
        }
    });
    Ok(made)
}

/// A key, or any constant that is not a verdict.
pub fn key_bytes(expr: &Expr) -> Vec<u8> {
    match &expr.kind {
        Kind::Concat(_) => concat_bytes(expr, Some(false), false),
        _ => data_bytes(expr, false),
    }
}

/// The value of a map. `expand`: intervals as their first and last value.
pub fn data_bytes(expr: &Expr, expand: bool) -> Vec<u8> {
    match &expr.kind {
        Kind::Concat(_) if expand => {
            let mut bytes = concat_bytes(expr, Some(false), false);
            bytes.extend(concat_bytes(expr, Some(true), false));
            bytes
        }
        Kind::Concat(_) => concat_bytes(expr, Some(false), false),
        Kind::Range(from, to) => {
            let mut bytes = padded(constant(from));
            bytes.extend(padded(constant(to)));
            bytes
        }
        Kind::Prefix(base, bits) => {
            let last = last_of_prefix(base, *bits);
            let mut bytes = padded(constant(base));
            bytes.extend(padded(constant(&last)));
            bytes
        }
        _ => constant(expr),
    }
}

fn last_of_prefix(base: &Expr, bits: u32) -> Expr {
    let rest = number::bitmask(base.len.saturating_sub(bits));
    let mut last = base.clone();
    last.kind = Kind::Value(base.as_value().unwrap_or_default() | rest);
    last
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The fields one behind the other, each padded to whole registers. `end`: last values of intervals.
/// `network`: numbers in network order, as keys of concatenated intervals are.
fn concat_bytes(expr: &Expr, end: Option<bool>, network: bool) -> Vec<u8> {
    let Kind::Concat(parts) = &expr.kind else {
        return constant(expr);
    };
    let end = end == Some(true);
    let mut bytes = Vec::new();
    for part in parts {
        let mut bound = match &part.kind {
            Kind::Range(from, to) => (**(if end { to } else { from })).clone(),
            Kind::Prefix(base, bits) if end => {
                if base.dtype.is_text() {
                    // A name that begins so: the rest is all ones.
                    let ones = number::bitmask(base.len) ^ number::bitmask(*bits);
                    let mut last = (**base).clone();
                    last.kind = Kind::Value(base.as_value().unwrap_or_default() | ones);
                    last
                } else {
                    last_of_prefix(base, *bits)
                }
            }
            Kind::Prefix(base, _) => (**base).clone(),
            _ => part.clone(),
        };
        if network && bound.order == Order::Host && !bound.dtype.is_text() {
            bound.order = Order::Big;
        }
        bytes.extend(padded(constant(&bound)));
    }
    bytes
}
