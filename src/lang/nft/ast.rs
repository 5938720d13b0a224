//! Rules as the nft language sees them: statements made of typed expressions.
//!
//! Both directions meet here: delinearization builds these from the kernel's expressions, printers write them.

use super::datatype::{self as types, DataType, Type};
use super::exthdr;
use super::keys;
use super::number::{self, Num, Order};
use super::protocol::{self, Layer, Protocol};
use super::syntax::Span;
use crate::model::expression::{
    Counter, DynsetOp, Limit, Quota, Synproxy, UnknownExpression, Xtables,
};
use crate::model::{Name, Verdict};
use std::rc::Rc;

/// A typed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: Kind,
    pub dtype: Type,
    pub order: Order,
    /// bits
    pub len: u32,
    /// A match on it tells the protocol of the next layer.
    pub protocol: bool,
    /// Where it is written, if it comes from a text.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Membership or "any of these flags": nothing is written between the operands.
    Implicit,
    Hton,
    Ntoh,
    And,
    Or,
    Xor,
    LeftShift,
    RightShift,
    Eq,
    Neq,
    Lt,
    Gt,
    Lte,
    Gte,
    /// "none of these flags"
    Neg,
}

impl Op {
    /// As written; nothing for [`Op::Implicit`].
    pub fn symbol(self) -> Option<&'static str> {
        Some(match self {
            Op::Implicit => return None,
            Op::Hton => "hton",
            Op::Ntoh => "ntoh",
            Op::And => "&",
            Op::Or => "|",
            Op::Xor => "^",
            Op::LeftShift => "<<",
            Op::RightShift => ">>",
            Op::Eq => "==",
            Op::Neq => "!=",
            Op::Lt => "<",
            Op::Gt => ">",
            Op::Lte => "<=",
            Op::Gte => ">=",
            Op::Neg => "!",
        })
    }

    /// Smaller binds tighter; 0: no operation of values.
    pub fn precedence(self) -> u8 {
        match self {
            Op::LeftShift | Op::RightShift => 1,
            Op::And => 2,
            Op::Xor => 3,
            Op::Or => 4,
            _ => 0,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Kind {
    Verdict(Verdict),
    Value(Num),
    /// A name, written in quotes.
    Text(String),
    /// A word, quoted string or number of a text; what it means hangs on the type it is compared with.
    Symbol(String),
    /// `@name` of a text.
    SetName(Name),
    /// `{ ... }` of a text.
    SetLiteral(Vec<Expr>),
    Prefix(Box<Expr>, u32),
    Range(Box<Expr>, Box<Expr>),
    Payload(Payload),
    Exthdr(Exthdr),
    Meta {
        key: u32,
    },
    Ct {
        key: u32,
        direction: Option<u8>,
        nfproto: u8,
    },
    Rt {
        key: u32,
    },
    Socket {
        key: u32,
        level: u32,
    },
    Osf {
        ttl: u8,
        flags: u32,
    },
    Fib {
        flags: u32,
        result: u32,
    },
    Hash(Box<Hash>),
    Numgen {
        kind: u32,
        modulus: u32,
        offset: u32,
    },
    Xfrm {
        key: u32,
        direction: u8,
        spnum: u32,
    },
    Tunnel {
        key: u32,
    },
    /// A field of a packet inside a tunnel: the tunnel's name, and what is read there.
    Inner {
        tunnel: &'static str,
        expr: Box<Expr>,
    },
    Concat(Vec<Expr>),
    List(Vec<Expr>),
    SetRef(SetRef),
    SetElem(Box<SetElem>),
    CatchAll,
    Mapping(Box<Expr>, Box<Expr>),
    Map {
        key: Box<Expr>,
        mappings: Box<Expr>,
    },
    Unary {
        op: Op,
        arg: Box<Expr>,
    },
    Binop {
        op: Op,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Relational {
        op: Op,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    FlagCmp {
        op: Op,
        expr: Box<Expr>,
        mask: Box<Expr>,
        value: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct Payload {
    pub protocol: &'static Protocol,
    /// Index in the protocol's fields, where the field is known.
    pub field: Option<usize>,
    pub layer: Layer,
    /// bits
    pub offset: u32,
    pub raw: bool,
}

impl Payload {
    pub fn is_known(&self) -> bool {
        self.field.is_some() && !self.protocol.is(&protocol::UNKNOWN)
    }

    pub fn template(&self) -> Option<&'static protocol::Field> {
        self.field.and_then(|index| self.protocol.fields.get(index))
    }
}

/// `enum nft_exthdr_op`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExthdrOp {
    Ipv6,
    TcpOption,
    Ipv4Option,
    SctpChunk,
    DccpOption,
    Unknown(u32),
}

impl ExthdrOp {
    pub fn from_wire(op: u32) -> ExthdrOp {
        match op {
            0 => ExthdrOp::Ipv6,
            1 => ExthdrOp::TcpOption,
            2 => ExthdrOp::Ipv4Option,
            3 => ExthdrOp::SctpChunk,
            4 => ExthdrOp::DccpOption,
            other => ExthdrOp::Unknown(other),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Exthdr {
    pub header: Option<&'static exthdr::Header>,
    pub field: Option<usize>,
    pub op: ExthdrOp,
    pub kind: u8,
    /// bits
    pub offset: u32,
    /// Only whether the header is there is asked.
    pub present: bool,
}

impl Exthdr {
    pub fn template(&self) -> Option<&'static exthdr::Field> {
        self.field.and_then(|index| self.header?.fields.get(index))
    }
}

#[derive(Clone, Debug)]
pub struct Hash {
    /// Absent for `symhash`.
    pub expr: Option<Expr>,
    pub modulus: u32,
    pub seed: Option<u32>,
    pub offset: u32,
    pub symmetric: bool,
}

/// A set as a rule refers to it.
#[derive(Clone, Debug)]
pub struct SetRef {
    pub set: Rc<SetInfo>,
    /// The elements of an anonymous set, which belong to the rule.
    pub elements: Option<Vec<Expr>>,
}

/// What printing needs to know of a set.
#[derive(Clone, Debug)]
pub struct SetInfo {
    pub name: Name,
    pub flags: u32,
    pub key: Expr,
    pub data: Option<Expr>,
    /// The values of a map are intervals.
    pub data_interval: bool,
    pub object_type: Option<u32>,
    /// The key was declared by `typeof`.
    pub typeof_key: bool,
    pub auto_merge: bool,
    pub comment: Option<String>,
    /// Fields of a concatenated interval set.
    pub field_count: usize,
    pub size: Option<u32>,
}

impl SetInfo {
    pub fn is_anonymous(&self) -> bool {
        self.flags & crate::model::set::flags::ANONYMOUS != 0
    }

    pub fn is_map(&self) -> bool {
        self.flags & (crate::model::set::flags::MAP | crate::model::set::flags::OBJECT) != 0
    }

    pub fn is_interval(&self) -> bool {
        self.flags & crate::model::set::flags::INTERVAL != 0
    }

    /// Made by a `meter` statement: anonymous in all but the name.
    pub fn is_meter(&self) -> bool {
        use crate::model::set::flags::{ANONYMOUS, EVAL};
        self.flags & (ANONYMOUS | EVAL) == ANONYMOUS | EVAL
    }
}

#[derive(Clone, Debug)]
pub struct SetElem {
    pub key: Expr,
    pub stmts: Vec<Stmt>,
    /// milliseconds
    pub timeout: u64,
    /// milliseconds left
    pub expiration: u64,
    pub comment: Option<String>,
    pub interval_end: bool,
}

impl SetElem {
    pub fn new(key: Expr) -> SetElem {
        SetElem {
            key,
            stmts: Vec::new(),
            timeout: 0,
            expiration: 0,
            comment: None,
            interval_end: false,
        }
    }
}

#[derive(Clone, Debug)]
pub enum NatKind {
    Snat,
    Dnat,
    Masquerade,
    Redirect,
}

#[derive(Clone, Debug)]
pub struct Nat {
    pub kind: NatKind,
    /// The family that is written; 0: none.
    pub family: u8,
    pub addr: Option<Expr>,
    pub proto: Option<Expr>,
    /// `NF_NAT_RANGE_*`
    pub flags: u32,
    pub prefix: bool,
    /// The address comes from a map of intervals, of concatenations.
    pub interval: bool,
    pub concat: bool,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub prefix: Option<String>,
    pub group: Option<u16>,
    pub snaplen: Option<u32>,
    pub qthreshold: Option<u16>,
    pub level: Option<u32>,
    pub flags: u32,
}

#[derive(Clone, Debug)]
pub struct Reject {
    pub kind: u32,
    pub code: u8,
    pub family: u8,
    pub expr: Expr,
    /// The ICMP name is written even where it is the default.
    pub verbose: bool,
}

/// What a statement that fills a set does.
#[derive(Clone, Debug)]
pub struct SetStmt {
    pub op: DynsetOp,
    pub set: SetRef,
    pub key: Expr,
    pub data: Option<Expr>,
    pub stmts: Vec<Stmt>,
}

/// Which part of an xtables rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XtKind {
    Match,
    Target,
    Watcher,
}

#[derive(Clone, Debug)]
pub enum Stmt {
    Match(Expr),
    Verdict(Expr),
    /// `jump { ... }`, `goto { ... }`
    Chain {
        goto: bool,
        chain: Name,
    },
    Meter {
        set: SetRef,
        key: Expr,
        stmt: Box<Stmt>,
        size: u32,
    },
    Set(SetStmt),
    Connlimit {
        count: u32,
        flags: u32,
    },
    Counter(Counter),
    Last {
        set: bool,
        msecs: u64,
    },
    Objref {
        kind: u32,
        expr: Expr,
    },
    Log(Log),
    Limit(Limit),
    Queue {
        expr: Expr,
        flags: u16,
    },
    Quota(Quota),
    Reject(Box<Reject>),
    Nat(Box<Nat>),
    Dup {
        to: Option<Expr>,
        dev: Option<Expr>,
    },
    Fwd {
        dev: Expr,
        addr: Option<Expr>,
        family: u8,
    },
    OptStrip(Expr),
    Tproxy {
        family: u8,
        table_family: u8,
        addr: Option<Expr>,
        port: Option<Expr>,
    },
    Synproxy(Synproxy),
    Payload {
        expr: Expr,
        value: Expr,
    },
    Exthdr {
        expr: Expr,
        value: Expr,
    },
    Meta {
        key: u32,
        expr: Expr,
    },
    Ct {
        key: u32,
        direction: Option<u8>,
        expr: Expr,
    },
    Notrack,
    FlowOffload(Name),
    Xt {
        kind: XtKind,
        extension: Xtables,
        /// The transport protocol that was compared before, by number; 0 for none.
        proto: u8,
    },
    /// An expression this build cannot read, or one that does not fit those before it.
    Unknown(UnknownExpression),
}

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
