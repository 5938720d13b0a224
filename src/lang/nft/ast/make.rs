//! Making typed expressions, with the types that the tables of the language give them.

use super::super::datatype::{self as types, DataType, Type};
use super::super::keys;
use super::super::number::{self, Num, Order};
use super::super::protocol::{self, Layer, Protocol};
use super::super::syntax::Span;
use super::*;

impl Expr {
    pub fn new(kind: Kind, dtype: Type, order: Order, len: u32) -> Expr {
        Expr {
            kind,
            dtype,
            order,
            len,
            protocol: false,
            span: Span::default(),
        }
    }

    /// An expression of a text, of no type yet.
    pub fn untyped(kind: Kind, span: Span) -> Expr {
        Expr::new(kind, Type::Basic(&types::INVALID), Order::Invalid, 0).at(span)
    }

    /// A word or number of a text.
    pub fn symbol(word: impl Into<String>, span: Span) -> Expr {
        Expr::untyped(Kind::Symbol(word.into()), span)
    }

    /// The same, written there.
    pub fn at(mut self, span: Span) -> Expr {
        self.span = span;
        self
    }

    pub fn value(value: Num, dtype: &'static DataType, order: Order, len: u32) -> Expr {
        Expr::new(Kind::Value(value), Type::Basic(dtype), order, len)
    }

    /// Bytes of the kernel: a value of unknown type, in network order until the type is known.
    pub fn from_bytes(bytes: &[u8]) -> Expr {
        let len = u32::try_from(bytes.len() * 8).unwrap_or(512).min(512);
        Expr::value(
            number::import(bytes, Order::Invalid),
            &types::INVALID,
            Order::Invalid,
            len,
        )
    }

    pub fn text(text: impl Into<String>) -> Expr {
        Expr::new(
            Kind::Text(text.into()),
            Type::Basic(&types::STRING),
            Order::Host,
            0,
        )
    }

    pub fn as_value(&self) -> Option<Num> {
        match &self.kind {
            Kind::Value(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_payload(&self) -> Option<&Payload> {
        match &self.kind {
            Kind::Payload(payload) => Some(payload),
            _ => None,
        }
    }

    pub fn is_value(&self) -> bool {
        matches!(self.kind, Kind::Value(_))
    }

    /// Set type and byte order; compound constants pass them on to their parts.
    pub fn set_type(&mut self, dtype: Type, order: Order) {
        match &mut self.kind {
            Kind::Prefix(inner, _) => inner.set_type(dtype, order),
            Kind::Range(left, right) => {
                left.set_type(dtype, order);
                right.set_type(dtype, order);
            }
            Kind::Mapping(left, _) => left.set_type(dtype, order),
            _ => {
                self.dtype = dtype;
                self.order = order;
            }
        }
    }

    pub fn binop(op: Op, left: Expr, right: Expr) -> Expr {
        let (dtype, order, len) = (left.dtype, left.order, left.len);
        Expr::new(
            Kind::Binop {
                op,
                left: Box::new(left),
                right: Box::new(right),
            },
            dtype,
            order,
            len,
        )
    }

    pub fn relational(op: Op, left: Expr, right: Expr) -> Expr {
        Expr::new(
            Kind::Relational {
                op,
                left: Box::new(left),
                right: Box::new(right),
            },
            Type::Basic(&types::VERDICT),
            Order::Invalid,
            0,
        )
    }

    pub fn range(left: Expr, right: Expr) -> Expr {
        Expr::new(
            Kind::Range(Box::new(left), Box::new(right)),
            Type::Basic(&types::INVALID),
            Order::Invalid,
            0,
        )
    }

    pub fn prefix(inner: Expr, len: u32) -> Expr {
        Expr::new(
            Kind::Prefix(Box::new(inner), len),
            Type::Basic(&types::INVALID),
            Order::Invalid,
            0,
        )
    }

    fn of_key(kind: Kind, key: &keys::Key) -> Expr {
        Expr::new(kind, Type::Basic(key.kind), key.order, key.len)
    }

    pub fn meta(key: u32) -> Option<Expr> {
        let template = keys::get(&keys::META, key)?;
        let mut expr = Expr::of_key(Kind::Meta { key }, template);
        expr.protocol = keys::meta_layer(key).is_some();
        Some(expr)
    }

    pub fn ct(key: u32, direction: Option<u8>) -> Option<Expr> {
        let template = keys::get(&keys::CT, key)?;
        let mut expr = Expr::of_key(
            Kind::Ct {
                key,
                direction,
                nfproto: 0,
            },
            template,
        );
        expr.protocol = matches!(key, keys::ct::PROTOCOL | keys::ct::L3PROTOCOL);
        Some(expr)
    }

    pub fn rt(key: u32) -> Option<Expr> {
        Some(Expr::of_key(Kind::Rt { key }, keys::get(&keys::RT, key)?))
    }

    pub fn socket(key: u32, level: u32) -> Option<Expr> {
        Some(Expr::of_key(
            Kind::Socket { key, level },
            keys::get(&keys::SOCKET, key)?,
        ))
    }

    pub fn xfrm(key: u32, direction: u8, spnum: u32) -> Option<Expr> {
        let template = keys::get(&keys::XFRM, key).filter(|key| key.len > 0)?;
        Some(Expr::of_key(
            Kind::Xfrm {
                key,
                direction,
                spnum,
            },
            template,
        ))
    }

    pub fn tunnel(key: u32) -> Option<Expr> {
        Some(Expr::of_key(
            Kind::Tunnel { key },
            keys::get(&keys::TUNNEL, key)?,
        ))
    }

    pub fn osf(ttl: u8, flags: u32) -> Expr {
        // NFT_OSF_MAXGENRELEN bytes
        Expr::new(
            Kind::Osf { ttl, flags },
            Type::Basic(&types::STRING),
            Order::Host,
            16 * 8,
        )
    }

    pub fn numgen(kind: u32, modulus: u32, offset: u32) -> Expr {
        Expr::new(
            Kind::Numgen {
                kind,
                modulus,
                offset,
            },
            Type::Basic(&types::INTEGER),
            Order::Host,
            32,
        )
    }

    pub fn hash(hash: Hash) -> Expr {
        Expr::new(
            Kind::Hash(Box::new(hash)),
            Type::Basic(&types::INTEGER),
            Order::Host,
            32,
        )
    }

    pub fn fib(flags: u32, result: u32) -> Option<Expr> {
        const PRESENT: u32 = 32;
        let (kind, len): (&'static DataType, u32) = match result {
            1 => (&types::IFINDEX, 32),
            2 => (&types::STRING, 128),
            3 => (&types::FIB_ADDRTYPE, 32),
            _ => return None,
        };
        let kind = if flags & PRESENT != 0 {
            &types::BOOLEAN
        } else {
            kind
        };
        Some(Expr::new(
            Kind::Fib { flags, result },
            Type::Basic(kind),
            Order::Host,
            len,
        ))
    }

    /// A load of raw payload; `th` ports are recognised at once.
    pub fn raw_payload(layer: Layer, offset: u32, len: u32) -> Expr {
        let mut payload = Payload {
            protocol: &protocol::UNKNOWN,
            field: None,
            layer,
            offset,
            raw: false,
        };
        let mut dtype = Type::Basic(&types::HEX);
        if layer == Layer::Transport && len == 16 && (offset == 0 || offset == 16) {
            payload.protocol = &protocol::TH;
            payload.field = Some(if offset == 0 { 1 } else { 2 });
            dtype = Type::Basic(&types::INET_SERVICE);
        }
        Expr::new(Kind::Payload(payload), dtype, Order::Invalid, len)
    }

    /// Field `index` of a protocol's header.
    pub fn field(protocol: &'static Protocol, index: usize) -> Option<Expr> {
        let template = protocol.fields.get(index)?;
        let payload = Payload {
            protocol,
            field: Some(index),
            layer: protocol.layer,
            offset: template.offset,
            raw: false,
        };
        let mut expr = Expr::new(
            Kind::Payload(payload),
            Type::Basic(template.kind),
            template.order,
            template.len,
        );
        expr.protocol = index == protocol.key
            || (protocol.is(&protocol::IP6) && index == protocol::IP6_NEXTHDR_FIELD)
            || (protocol.is(&protocol::IP) && index == protocol::IP_PROTOCOL_FIELD);
        Some(expr)
    }

    pub fn exthdr(exthdr: Exthdr, dtype: Type, len: u32) -> Expr {
        Expr::new(Kind::Exthdr(exthdr), dtype, Order::Big, len)
    }

    /// The layer below the one whose protocol a `meta` or `ct` key tells; 0 for all others.
    pub fn base_layer(&self) -> Layer {
        match self.kind {
            Kind::Meta { key } => keys::meta_layer(key).unwrap_or(Layer::None),
            Kind::Ct { key, .. } => match key {
                keys::ct::SRC | keys::ct::DST | keys::ct::PROTOCOL => Layer::Network,
                keys::ct::PROTO_SRC | keys::ct::PROTO_DST => Layer::Transport,
                keys::ct::L3PROTOCOL => Layer::Link,
                _ => Layer::None,
            },
            _ => Layer::None,
        }
    }

    /// Flags one by one instead of their sum, where the value has more than one.
    pub fn bitmask_to_flags(self) -> Expr {
        let Some(value) = self.as_value() else {
            return self;
        };
        if value.count_ones() < 2 {
            return self;
        }
        let mut flags: Option<Expr> = None;
        let mut bit = number::scan1(value, 0);
        while let Some(at) = bit {
            let flag = Expr::new(
                Kind::Value(number::shl(Num::ONE, at)),
                self.dtype,
                self.order,
                self.len,
            );
            flags = Some(match flags {
                Some(so_far) => {
                    let mut or = Expr::binop(Op::Or, so_far, flag);
                    or.len = 0;
                    or
                }
                None => flag,
            });
            bit = number::scan1(value, at + 1);
        }
        flags.unwrap_or(self)
    }

    /// A chain of `|` as a list; a single expression stays as it is.
    pub fn or_to_list(self) -> Expr {
        fn collect(expr: Expr, list: &mut Vec<Expr>) {
            match expr.kind {
                Kind::Binop {
                    op: Op::Or,
                    left,
                    right,
                } => {
                    collect(*left, list);
                    collect(*right, list);
                }
                _ => list.push(expr),
            }
        }
        if !matches!(self.kind, Kind::Binop { op: Op::Or, .. }) {
            return self;
        }
        let mut list = Vec::new();
        collect(self, &mut list);
        Expr::new(
            Kind::List(list),
            Type::Basic(&types::INVALID),
            Order::Invalid,
            0,
        )
    }
}
