//! Rules as the nft language sees them: statements made of typed expressions.
//!
//! Both directions meet here: delinearization builds these from the kernel's expressions, printers write them.

mod make;

use super::datatype::Type;
use super::exthdr;
use super::number::{Num, Order};
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
