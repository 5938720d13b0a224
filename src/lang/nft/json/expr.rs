//! Expressions and constants.

use super::super::ast::*;
use super::super::datatype::{self as types, Form};
use super::super::keys::{self, Key};
use super::super::number::{self, Num};
use super::super::print::{Printer, symbol};
use super::{Writer, one};
use crate::model::Verdict;
use serde_json::{Map, Value, json};

impl Writer<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> Value {
        match &expr.kind {
            Kind::Verdict(verdict) => self.verdict(verdict),
            Kind::Value(value) => self.value(expr, *value),
            Kind::Text(text) | Kind::Symbol(text) => text.clone().into(),
            Kind::SetName(name) => format!("@{name}").into(),
            Kind::SetLiteral(elements) => one(
                "set",
                elements
                    .iter()
                    .map(|element| self.expr(element))
                    .collect::<Vec<_>>(),
            ),
            Kind::Prefix(inner, len) => json!({"prefix": {"addr": self.expr(inner), "len": len}}),
            Kind::Range(left, right) => {
                let outer = std::mem::replace(&mut self.numeric, true);
                let bounds = vec![self.expr(left), self.expr(right)];
                self.numeric = outer;
                one("range", bounds)
            }
            Kind::Payload(payload) => one(
                "payload",
                match payload.template().filter(|_| payload.is_known()) {
                    Some(field) => json!({"protocol": payload.protocol.name, "field": field.token}),
                    None => json!({
                        "base": payload.layer.token(), "offset": payload.offset, "len": expr.len,
                    }),
                },
            ),
            Kind::Exthdr(header) => exthdr(header, expr.len),
            Kind::Meta { key } => json!({"meta": {"key": token(&keys::META, *key)}}),
            Kind::Ct { key, direction, .. } => ct(*key, *direction),
            Kind::Rt { key } => {
                let mut map = Map::new();
                map.insert("key".into(), token(&keys::RT, *key).into());
                match *key {
                    keys::RT_NEXTHOP4 => _ = map.insert("family".into(), "ip".into()),
                    keys::RT_NEXTHOP6 => _ = map.insert("family".into(), "ip6".into()),
                    _ => {}
                }
                one("rt", map)
            }
            Kind::Socket { key, .. } => json!({"socket": {"key": token(&keys::SOCKET, *key)}}),
            Kind::Osf { ttl, flags } => {
                let mut map = Map::new();
                map.insert(
                    "key".into(),
                    if flags & 1 != 0 { "version" } else { "name" }.into(),
                );
                match ttl {
                    1 => _ = map.insert("ttl".into(), "loose".into()),
                    2 => _ = map.insert("ttl".into(), "skip".into()),
                    _ => {}
                }
                one("osf", map)
            }
            Kind::Fib { flags, result } => fib(*flags, *result),
            Kind::Hash(hash) => {
                let mut map = Map::new();
                map.insert("mod".into(), hash.modulus.into());
                if let Some(seed) = hash.seed {
                    map.insert("seed".into(), seed.into());
                }
                if hash.offset != 0 {
                    map.insert("offset".into(), hash.offset.into());
                }
                if let Some(inner) = &hash.expr {
                    map.insert("expr".into(), self.expr(inner));
                }
                one(if hash.symmetric { "symhash" } else { "jhash" }, map)
            }
            Kind::Numgen {
                kind,
                modulus,
                offset,
            } => {
                let mode = match kind {
                    0 => "inc",
                    1 => "random",
                    _ => "unknown",
                };
                json!({"numgen": {"mode": mode, "mod": modulus, "offset": offset}})
            }
            Kind::Xfrm {
                key,
                direction,
                spnum,
            } => {
                let mut map = Map::new();
                map.insert("key".into(), token(&keys::XFRM, *key).into());
                match key {
                    1 | 3 => _ = map.insert("family".into(), "ip".into()),
                    2 | 4 => _ = map.insert("family".into(), "ip6".into()),
                    _ => {}
                }
                map.insert(
                    "dir".into(),
                    if *direction == 0 { "in" } else { "out" }.into(),
                );
                map.insert("spnum".into(), (*spnum).into());
                one("ipsec", map)
            }
            Kind::Tunnel { key } => json!({"tunnel": {"key": token(&keys::TUNNEL, *key)}}),
            Kind::Inner { tunnel, expr } => {
                let mut inner = self.expr(expr);
                if let Some(payload) = inner.get_mut("payload").and_then(Value::as_object_mut) {
                    payload.insert("tunnel".into(), (*tunnel).into());
                }
                inner
            }
            Kind::Concat(parts) => {
                let parts = self.all(parts);
                one("concat", parts)
            }
            Kind::List(parts) => self.all(parts).into(),
            Kind::SetRef(reference) => match &reference.elements {
                Some(elements) => {
                    let elements = self.all(elements);
                    one("set", elements)
                }
                None => format!("@{}", reference.set.name).into(),
            },
            Kind::SetElem(element) => self.element(element),
            Kind::CatchAll => "*".into(),
            Kind::Mapping(left, right) => vec![self.expr(left), self.expr(right)].into(),
            Kind::Map { key, mappings } => {
                let verdicts = matches!(&mappings.kind, Kind::SetRef(reference)
                    if reference.set.data.as_ref().is_some_and(|data| data.dtype.is(&types::VERDICT)));
                let map = json!({"key": self.expr(key), "data": self.expr(mappings)});
                one(if verdicts { "vmap" } else { "map" }, map)
            }
            Kind::Unary { arg, .. } => self.expr(arg),
            Kind::Binop { op, left, right } => {
                let operands = vec![self.expr(left), self.expr(right)];
                one(op.symbol().unwrap_or("in"), operands)
            }
            Kind::Relational { op, left, right } => json!({"match": {
                "op": op.symbol().unwrap_or("in"),
                "left": self.expr(left),
                "right": self.expr(right),
            }}),
            Kind::FlagCmp {
                op,
                expr,
                mask,
                value,
            } => {
                let masked = vec![self.expr(expr), self.expr(mask)];
                json!({"match": {
                    "op": op.symbol().unwrap_or("in"),
                    "left": {"&": masked},
                    "right": self.expr(value),
                }})
            }
        }
    }

    fn all(&mut self, parts: &[Expr]) -> Vec<Value> {
        parts.iter().map(|part| self.expr(part)).collect()
    }

    fn element(&mut self, element: &SetElem) -> Value {
        let key = self.expr(&element.key);
        if element.timeout == 0
            && element.expiration == 0
            && element.comment.is_none()
            && element.stmts.is_empty()
        {
            return key;
        }
        let mut map = Map::new();
        map.insert("val".into(), key);
        if element.timeout != 0 {
            map.insert("timeout".into(), (element.timeout / 1000).into());
        }
        if element.expiration != 0 {
            map.insert("expires".into(), (element.expiration / 1000).into());
        }
        if let Some(comment) = &element.comment {
            map.insert("comment".into(), comment.clone().into());
        }
        // The schema has room for one statement.
        if let Some(stmt) = element.stmts.first()
            && let Value::Object(entries) = self.stmt(stmt)
        {
            for (key, value) in entries {
                map.entry(key).or_insert(value);
            }
        }
        one("elem", map)
    }

    fn verdict(&mut self, verdict: &Verdict) -> Value {
        let (name, chain) = match verdict {
            Verdict::Continue => ("continue", None),
            Verdict::Break => ("break", None),
            Verdict::Jump(chain) => ("jump", Some(chain)),
            Verdict::Goto(chain) => ("goto", Some(chain)),
            Verdict::Return => ("return", None),
            Verdict::Accept => ("accept", None),
            Verdict::Drop => ("drop", None),
            Verdict::Queue => ("queue", None),
            Verdict::Stolen => ("stolen", None),
            Verdict::Repeat => ("repeat", None),
            Verdict::Stop => ("stop", None),
            Verdict::Unknown(code) => return json!({"verdict": code}),
        };
        match chain {
            Some(chain) => one(name, one("target", &**chain)),
            None => one(name, Value::Null),
        }
    }

    fn value(&mut self, expr: &Expr, value: Num) -> Value {
        let mut kind = expr.dtype.basic();
        while let Some(this) = kind {
            match this.form {
                Form::Inherit => {}
                Form::Integer | Form::Hex => return integer(value),
                Form::Text => {
                    let mut printer = Printer::new(self.names, self.view, self.stateless);
                    printer.expr(expr);
                    let text = printer.out;
                    let text = text
                        .strip_prefix('"')
                        .and_then(|text| text.strip_suffix('"'))
                        .unwrap_or(&text);
                    return text.into();
                }
                Form::Protocol => {
                    let name = self.names.protocols.get(&number::low8(value));
                    return match name.filter(|_| !self.numeric) {
                        Some(name) => name.clone().into(),
                        None => integer(value),
                    };
                }
                Form::Symbol { .. } if this.is(&types::BOOLEAN) => {
                    return (!value.is_zero()).into();
                }
                Form::Symbol { .. } => {
                    return match symbol(expr, value, this.symbols) {
                        Some(name) => name.into(),
                        None => integer(value),
                    };
                }
                Form::Mark | Form::DeviceGroup => {
                    let table = if this.form == Form::Mark {
                        &self.names.marks
                    } else {
                        &self.names.device_groups
                    };
                    return match table.get(&number::low32(value)) {
                        Some(name) => name.clone().into(),
                        None => integer(value),
                    };
                }
                Form::Label => {
                    let bit = number::scan1(value, 0).unwrap_or(0);
                    return match self.names.conntrack_labels.get(&bit) {
                        Some(name) => name.clone().into(),
                        None => bit.into(),
                    };
                }
                Form::Time => return (number::low64(value) / 1000).into(),
                // What has no JSON form of its own is written as text, without quotes.
                _ => {
                    let mut printer = Printer::new(self.names, self.view, self.stateless);
                    printer.expr(expr);
                    let text = printer.out;
                    return match text.strip_prefix('"') {
                        Some(rest) => rest.split('"').next().unwrap_or_default().into(),
                        None => text.into(),
                    };
                }
            }
            kind = this.base;
        }
        integer(value)
    }
}

fn integer(value: Num) -> Value {
    match u64::try_from(value) {
        // libnftables hands the number on as a signed one.
        Ok(number) => number.cast_signed().into(),
        Err(_) => format!("0x{value:x}").into(),
    }
}

pub(super) fn ct(key: u32, direction: Option<u8>) -> Value {
    let mut map = Map::new();
    map.insert("key".into(), token(&keys::CT, key).into());
    match direction {
        Some(0) => _ = map.insert("dir".into(), "original".into()),
        Some(1) => _ = map.insert("dir".into(), "reply".into()),
        _ => {}
    }
    one("ct", map)
}

fn fib(flags: u32, result: u32) -> Value {
    const PRESENT: u32 = 32;
    let result = match result {
        1 => "oif",
        2 => "oifname",
        3 => "type",
        _ => "unknown",
    };
    let mut map = Map::new();
    map.insert("result".into(), result.into());
    let mut left = flags & !PRESENT;
    let mut words: Vec<Value> = Vec::new();
    for (bit, name) in ["saddr", "daddr", "mark", "iif", "oif"]
        .into_iter()
        .enumerate()
    {
        if left & (1 << bit) != 0 {
            left &= !(1 << bit);
            words.push(name.into());
        }
    }
    if left != 0 {
        words.push(left.into());
    }
    if !words.is_empty() {
        map.insert("flags".into(), words.into());
    }
    one("fib", map)
}

fn exthdr(header: &Exthdr, len: u32) -> Value {
    let field = header.template().map_or("unknown", |field| field.token);
    let mut map = Map::new();
    let Some(desc) = header.header else {
        map.insert("base".into(), header.kind.into());
        map.insert("offset".into(), header.offset.into());
        map.insert("len".into(), len.into());
        let word = match header.op {
            ExthdrOp::TcpOption => "tcp option",
            ExthdrOp::Ipv4Option => "ip option",
            ExthdrOp::SctpChunk => "sctp chunk",
            ExthdrOp::DccpOption => "dccp option",
            ExthdrOp::Ipv6 | ExthdrOp::Unknown(_) => "exthdr",
        };
        return one(word, map);
    };
    let block = match (header.op, header.offset / 64) {
        (ExthdrOp::TcpOption, block @ 1..=3) => block.to_string(),
        _ => String::new(),
    };
    map.insert("name".into(), format!("{}{block}", desc.name).into());
    if !header.present {
        map.insert("field".into(), field.into());
    }
    let word = match header.op {
        ExthdrOp::TcpOption => "tcp option",
        ExthdrOp::Ipv4Option => "ip option",
        ExthdrOp::SctpChunk => "sctp chunk",
        _ => "exthdr",
    };
    one(word, map)
}

pub(super) fn token(table: &'static [Key], key: u32) -> &'static str {
    keys::get(table, key).map_or("unknown", |key| key.token)
}
