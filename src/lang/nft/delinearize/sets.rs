//! Sets and elements: types from the declaration and its user data, elements as constants.

use super::super::ast::*;
use super::super::datatype::{self as types, Type};
use super::super::exthdr as headers;
use super::super::number::{self, Num, Order};
use super::super::protocol;
use super::context::TableView;
use super::registers::{self, splice, verdict_expr};
use super::{exthdr, intervals, userdata};
use crate::kernel::nf_tables::decode;
use crate::model::set::{element_flags, flags};
use crate::model::{Data, ElementList, Set};

/// Types, flags and comment of a set; none when its type numbers are not known.
pub fn set_info(set: &Set) -> Option<SetInfo> {
    use userdata::set as ud;
    let order = |kind| match userdata::get_u32(&set.userdata, kind) {
        Some(1) => Order::Host,
        Some(2) => Order::Big,
        _ => Order::Invalid,
    };
    let key_order = order(ud::KEY_BYTEORDER);
    let data_order = order(ud::DATA_BYTEORDER);
    let mut typeof_key = userdata::get(&set.userdata, ud::KEY_TYPEOF).and_then(typeof_expr);
    let key_bits = set.key_len.checked_mul(8)?;
    let mut data = None;
    if set.has(flags::MAP) {
        let dtype = with_order(types::from_kernel(set.data_type?)?, data_order);
        let bits = set.data_len.unwrap_or(0).checked_mul(8)?;
        let typeof_data = userdata::get(&set.userdata, ud::DATA_TYPEOF).and_then(typeof_expr);
        data = Some(match typeof_data.filter(|expr| fits(expr, bits)) {
            Some(expr) => expr,
            None => {
                // Without the data's expression `typeof` cannot be written for the key either.
                typeof_key = None;
                Expr::new(Kind::Value(Num::ZERO), dtype, data_order, bits)
            }
        });
    } else if set.has(flags::OBJECT) {
        typeof_key = typeof_key.filter(|_| set.userdata_has(ud::DATA_TYPEOF));
        data = Some(Expr::new(
            Kind::Value(Num::ZERO),
            Type::Basic(&types::STRING),
            data_order,
            set.data_len.unwrap_or(0).checked_mul(8)?,
        ));
    }
    let key_type = with_order(types::from_kernel(set.key_type)?, key_order);
    let typeof_key = typeof_key.filter(|expr| fits(expr, key_bits));
    let declared = typeof_key.is_some();
    Some(SetInfo {
        name: set.name.clone(),
        flags: set.flags,
        key: typeof_key
            .unwrap_or_else(|| Expr::new(Kind::Value(Num::ZERO), key_type, key_order, key_bits)),
        data,
        data_interval: userdata::get_u32(&set.userdata, ud::DATA_INTERVAL).unwrap_or(0) != 0,
        object_type: set.object_type,
        typeof_key: declared,
        auto_merge: userdata::get_u32(&set.userdata, ud::MERGE_ELEMENTS).unwrap_or(0) != 0,
        comment: userdata::get_text(&set.userdata, ud::COMMENT),
        field_count: set.field_lens.len(),
        size: set.size,
    })
}

trait SetUserdata {
    fn userdata_has(&self, kind: u8) -> bool;
}

impl SetUserdata for Set {
    fn userdata_has(&self, kind: u8) -> bool {
        userdata::get(&self.userdata, kind).is_some()
    }
}

fn with_order(dtype: Type, order: Order) -> Type {
    if dtype.is(&types::INTEGER) {
        Type::Integer(order)
    } else {
        dtype
    }
}

/// The length of an expression, in whole bytes, is that of the set's key or data.
fn fits(expr: &Expr, bits: u32) -> bool {
    expr.len.div_ceil(8) == bits / 8
}

/// Expression numbers in user data: `enum expr_types` of nft.
pub mod etype {
    pub const VERDICT: u32 = 1;
    pub const PAYLOAD: u32 = 7;
    pub const EXTHDR: u32 = 8;
    pub const META: u32 = 9;
    pub const SOCKET: u32 = 10;
    pub const OSF: u32 = 11;
    pub const CT: u32 = 12;
    pub const CONCAT: u32 = 13;
    pub const NUMGEN: u32 = 23;
    pub const HASH: u32 = 24;
    pub const RT: u32 = 25;
    pub const FIB: u32 = 26;
    pub const XFRM: u32 = 27;
}

/// The expression of a `typeof` declaration.
fn typeof_expr(bytes: &[u8]) -> Option<Expr> {
    let kind = userdata::get_u32(bytes, userdata::set::TYPEOF_EXPR)?;
    typeof_by_kind(kind, userdata::get(bytes, userdata::set::TYPEOF_DATA)?)
}

fn typeof_by_kind(kind: u32, data: &[u8]) -> Option<Expr> {
    let number = |index| userdata::get_u32(data, index);
    match kind {
        etype::VERDICT => Some(Expr::new(
            Kind::Text("verdict".into()),
            Type::Basic(&types::VERDICT),
            Order::Invalid,
            128,
        )),
        etype::PAYLOAD => typeof_payload(data),
        etype::EXTHDR => typeof_exthdr(number(0)?, number(1)?, number(2).unwrap_or(0)),
        etype::META => Expr::meta(number(0)?),
        etype::SOCKET => Expr::socket(number(0)?, 0),
        etype::OSF => Some(Expr::osf(0, 0)),
        etype::CT => Expr::ct(
            number(0)?,
            number(1)
                .and_then(|dir| u8::try_from(dir).ok())
                .filter(|dir| *dir < 2),
        ),
        etype::NUMGEN => Some(Expr::numgen(number(0)?, number(1)?, number(2).unwrap_or(0))),
        etype::HASH => Some(Expr::hash(Hash {
            expr: None,
            modulus: number(2)?,
            seed: number(4).filter(|set| *set != 0).and_then(|_| number(3)),
            offset: number(1).unwrap_or(0),
            symmetric: number(0)? == 1,
        })),
        etype::RT => Expr::rt(number(0)?),
        etype::FIB => Expr::fib(number(1)?, number(0)?),
        etype::XFRM => Expr::xfrm(number(0)?, u8::try_from(number(2)?).ok()?, number(1)?),
        etype::CONCAT => typeof_concat(data),
        _ => None,
    }
}

fn typeof_payload(data: &[u8]) -> Option<Expr> {
    let number = |index| userdata::get_u32(data, index);
    let field = number(1)? as usize;
    let len = number(4).filter(|len| *len > 0);
    if let Some(protocol) = protocol::by_id(number(0)?) {
        let mut expr = Expr::field(protocol, field)?;
        expr.len = len.unwrap_or(expr.len);
        return Some(expr);
    }
    let layer = match number(2)? {
        1 => protocol::Layer::Link,
        2 => protocol::Layer::Network,
        3 => protocol::Layer::Transport,
        4 => protocol::Layer::Inner,
        _ => return None,
    };
    let payload = Payload {
        protocol: &protocol::UNKNOWN,
        field: None,
        layer,
        offset: number(3)?,
        raw: true,
    };
    Some(Expr::new(
        Kind::Payload(payload),
        Type::Basic(&types::HEX),
        Order::Big,
        len.unwrap_or(0),
    ))
}

fn typeof_exthdr(id: u32, field: u32, op: u32) -> Option<Expr> {
    let (header, kind) = match op {
        0 => {
            let header = headers::ipv6_by_id(id)?;
            (header, header.kind)
        }
        1 => (
            headers::by_kind(&headers::TCP_OPTIONS, u8::try_from(id).ok()?)?,
            u8::try_from(id).ok()?,
        ),
        2 => (
            headers::by_kind(&headers::IP_OPTIONS, u8::try_from(id).ok()?)?,
            u8::try_from(id).ok()?,
        ),
        3 => (
            headers::by_kind(&headers::SCTP_CHUNKS, u8::try_from(id).ok()?)?,
            u8::try_from(id).ok()?,
        ),
        _ => return None,
    };
    let template = header.fields.get(field as usize)?;
    let mut expr = exthdr::raw(kind, template.offset, template.len, op, 0);
    if let Kind::Exthdr(found) = &mut expr.kind {
        found.header = Some(header);
        found.field = Some(field as usize);
    }
    Some(expr)
}

fn typeof_concat(data: &[u8]) -> Option<Expr> {
    let mut parts = Vec::new();
    let (mut id, mut len) = (0, 0);
    for (_, nested) in userdata::tlvs(data) {
        let part = typeof_by_kind(userdata::get_u32(nested, 0)?, userdata::get(nested, 1)?)?;
        id = types::append_subtype(id, part.dtype.id());
        len += types::padded(part.len);
        parts.push(part);
    }
    (!parts.is_empty())
        .then(|| Expr::new(Kind::Concat(parts), Type::Concat(id), Order::Invalid, len))
}

/// All elements of a set as expressions, in the order in which nft prints them.
pub fn element_expressions(view: &TableView, info: &SetInfo, list: &ElementList) -> Vec<Expr> {
    let mut elements = Vec::with_capacity(list.len());
    for raw in list.iter() {
        element(view, info, raw, &mut elements);
    }
    if info.is_interval() && info.field_count > 1 {
        intervals::aggregate(elements)
    } else if info.is_interval() {
        intervals::decompose(elements)
    } else {
        sort(elements)
    }
}

/// One element: its start and, where the kernel has both in one, its end.
fn element(view: &TableView, info: &SetInfo, raw: &[u8], out: &mut Vec<Expr>) {
    let Ok(element) = decode::element(raw) else {
        return;
    };
    let mut end = element.flags & element_flags::INTERVAL_END != 0;
    let mut key_bytes = element.key.as_deref();
    loop {
        let key = match key_bytes {
            Some(bytes) => key_expr(info, bytes),
            None => Expr::new(Kind::CatchAll, info.key.dtype, info.key.order, info.key.len),
        };
        let (dtype, order, len) = (key.dtype, key.order, key.len);
        let elem = SetElem {
            key,
            stmts: element
                .expressions
                .iter()
                .filter_map(|expression| registers::stateful(view, expression))
                .collect(),
            timeout: element.timeout.unwrap_or(0),
            expiration: element.expiration.unwrap_or(0),
            comment: userdata::comment(&element.userdata),
            interval_end: end,
        };
        let mut expr = Expr::new(Kind::SetElem(Box::new(elem)), dtype, order, len);
        if let Some(data) = element_data(info, &element) {
            let (dtype, order) = (expr.dtype, expr.order);
            let mapping = Kind::Mapping(Box::new(expr), Box::new(data));
            expr = Expr::new(mapping, dtype, order, 0);
        }
        out.push(expr);
        if end || element.key_end.is_none() {
            return;
        }
        end = true;
        key_bytes = element.key_end.as_deref();
    }
}

fn key_expr(info: &SetInfo, bytes: &[u8]) -> Expr {
    let mut key = Expr::from_bytes(bytes);
    key.dtype = info.key.dtype;
    key.order = info.key.order;
    if let Type::Concat(id) = info.key.dtype {
        return concat_key(info, id, key);
    }
    if !info.is_interval() && key.order == Order::Host {
        swap_value(&mut key);
    }
    if key.dtype.is_bitmask() {
        key.bitmask_to_flags()
    } else {
        key
    }
}

fn swap_value(expr: &mut Expr) {
    let len = (expr.len / 8) as usize;
    if let Kind::Value(value) = &mut expr.kind {
        *value = number::swap(*value, len);
    }
}

fn concat_key(info: &SetInfo, id: u32, mut data: Expr) -> Expr {
    let templates: Option<&[Expr]> = match &info.key.kind {
        Kind::Concat(parts) => Some(parts),
        _ => None,
    };
    let dtype = data.dtype;
    let count = types::subtypes(id).count();
    let mut parts = Vec::with_capacity(count);
    for n in 0..count {
        let template = templates.and_then(|templates| templates.get(n));
        match concat_field(
            info,
            template,
            types::subtype_at(id, (count - 1 - n) as u32),
            &mut data,
        ) {
            Some(part) => parts.push(part),
            None => break,
        }
    }
    Expr::new(Kind::Concat(parts), dtype, Order::Invalid, 0)
}

fn concat_field(
    info: &SetInfo,
    template: Option<&Expr>,
    subtype: &'static types::DataType,
    data: &mut Expr,
) -> Option<Expr> {
    let len = template.map_or(subtype.size, |template| template.len);
    let whole = len.next_multiple_of(8);
    let mut part = splice(data, whole)?;
    match template {
        Some(template) => {
            part.dtype = template.dtype;
            part.order = template.order;
            part.len = template.len;
        }
        None => {
            part.dtype = Type::Basic(subtype);
            part.order = subtype.order;
        }
    }
    if part.dtype.is_text() || (!info.is_interval() && part.order == Order::Host) {
        swap_value(&mut part);
    }
    if part.dtype.is_bitmask() {
        part = part.bitmask_to_flags();
    }
    data.len = data.len.saturating_sub(types::padded(whole) - whole);
    Some(part)
}

fn element_data(info: &SetInfo, element: &crate::model::Element) -> Option<Expr> {
    if info.flags & flags::OBJECT != 0 {
        return element.object.as_ref().map(|name| Expr::text(&**name));
    }
    if info.flags & flags::MAP == 0 {
        return None;
    }
    let template = info.data.as_ref()?;
    match element.data.as_ref()? {
        Data::Verdict(verdict) => Some(verdict_expr(verdict.clone())),
        Data::Value(bytes) => {
            let mut data = Expr::from_bytes(bytes);
            data.dtype = template.dtype;
            data.order = template.order;
            if let Type::Concat(id) = template.dtype {
                data = concat_data(info, id, data);
            } else if info.data_interval {
                data = intervals::data_interval(&data, template);
            }
            if data.order == Order::Host {
                swap_value(&mut data);
            }
            Some(data)
        }
    }
}

fn concat_data(info: &SetInfo, id: u32, mut data: Expr) -> Expr {
    let dtype = data.dtype;
    let count = types::subtypes(id).count();
    let take = |data: &mut Expr| -> Vec<Expr> {
        (0..count)
            .map_while(|n| {
                concat_field(
                    info,
                    None,
                    types::subtype_at(id, (count - 1 - n) as u32),
                    data,
                )
            })
            .collect()
    };
    let lows = take(&mut data);
    let parts = if info.data_interval {
        let highs = take(&mut data);
        lows.into_iter()
            .zip(highs)
            .map(|(low, high)| intervals::reduce(Expr::range(low, high)))
            .collect()
    } else {
        lows
    };
    Expr::new(Kind::Concat(parts), dtype, Order::Invalid, 0)
}

/// The number by which nft sorts the elements of a set.
fn sort_key(expr: &Expr) -> Num {
    match &expr.kind {
        Kind::SetElem(element) => sort_key(&element.key),
        Kind::Binop { left, .. } | Kind::Mapping(left, _) | Kind::Range(left, _) => sort_key(left),
        Kind::Value(value) => *value,
        Kind::Concat(parts) => {
            let mut bytes = Vec::new();
            for part in parts {
                let value = sort_key(part);
                bytes.extend(number::export(
                    value,
                    part.order,
                    number::bytes_of(part.len),
                ));
            }
            number::import(&bytes, Order::Host)
        }
        // Shown last.
        Kind::CatchAll => number::bitmask(expr.len.max(1)),
        _ => Num::ZERO,
    }
}

/// nft's merge sort. It is not stable in the usual sense: of equal keys those of the later half come first,
/// and which half an element is in depends on the length of the list.
fn sort(elements: Vec<Expr>) -> Vec<Expr> {
    let mut keyed: Vec<(Num, Expr)> = elements
        .into_iter()
        .map(|expr| (sort_key(&expr), expr))
        .collect();
    if keyed
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.0 < b.0))
    {
        return keyed.into_iter().map(|(_, expr)| expr).collect();
    }
    let mut indices: Vec<usize> = (0..keyed.len()).collect();
    merge_sort(&mut indices, &|index: usize| {
        keyed.get(index).map_or(Num::ZERO, |entry| entry.0)
    });
    let mut slots: Vec<Option<Expr>> = keyed.drain(..).map(|(_, expr)| Some(expr)).collect();
    indices
        .into_iter()
        .filter_map(|index| slots.get_mut(index).and_then(Option::take))
        .collect()
}

fn merge_sort(items: &mut [usize], key: &dyn Fn(usize) -> Num) {
    if items.len() < 2 {
        return;
    }
    // The first part is the one that nft cuts off: it keeps the middle element when the count is odd.
    let middle = items.len().div_ceil(2);
    let mut first = items.get(..middle).unwrap_or_default().to_vec();
    let mut second = items.get(middle..).unwrap_or_default().to_vec();
    merge_sort(&mut first, key);
    merge_sort(&mut second, key);
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    for slot in items.iter_mut() {
        let from_first = match (first.peek(), second.peek()) {
            (Some(&a), Some(&b)) => key(a) < key(b),
            (Some(_), None) => true,
            _ => false,
        };
        if let Some(item) = if from_first {
            first.next()
        } else {
            second.next()
        } {
            *slot = item;
        }
    }
}
