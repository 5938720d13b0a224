//! What a text in the nft language says, before anything in it is looked up: the parser's result and the
//! compiler's input. Plain data.
//!
//! Expressions are those of [`super::ast`], with the kinds that only a text has: [`Kind::Symbol`] (a word or number
//! whose meaning hangs on the type it is compared with), [`Kind::SetName`] (`@name`) and [`Kind::SetLiteral`]
//! (`{ ... }`). Types, byte orders and lengths are only set where the word itself says them (`tcp dport`).
//! Variables are replaced by what they were defined as, also in log prefixes; the place of a variable's value is where
//! it is used, the places of its parts are in the definition.
//! Numbers are symbols in decimal, whatever they were written in; sets within sets are taken apart into one.
//!
//! [`Kind::Symbol`]: super::ast::Kind::Symbol
//! [`Kind::SetName`]: super::ast::Kind::SetName
//! [`Kind::SetLiteral`]: super::ast::Kind::SetLiteral

use super::ast::{Expr, NatKind, XtKind};
use super::protocol::Layer;
use crate::model::expression::{Counter, DynsetOp, Limit, Quota, Synproxy};
use crate::model::{Family, Name};

/// A place in the sources: byte offsets `start..end` in the file with that index (see [`Sources`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub file: u16,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// From the start of this place to the end of another one in the same file.
    pub fn to(self, other: Span) -> Span {
        if other.file != self.file || other.end < self.end {
            return self;
        }
        Span {
            end: other.end,
            ..self
        }
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub span: Span,
}

impl<T> At<T> {
    pub fn new(value: T, span: Span) -> At<T> {
        At { value, span }
    }
}

/// One file, or what was given on the command line or standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// As shown in messages: a path, `<stdin>`, `<command line>`.
    pub name: String,
    pub text: String,
    /// Where it was included.
    pub included: Option<Span>,
}

/// All texts that were read, by index.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub files: Vec<Source>,
}

/// What is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub span: Span,
    /// Begins in lower case, no full stop.
    pub message: String,
    /// "did you mean `dport`?", "expected one of ..."
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            span,
            message: message.into(),
            help: None,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

/// The first word of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Add,
    Create,
    Insert,
    Replace,
    Delete,
    Destroy,
    Flush,
    Rename,
    Reset,
}

/// One command. A block (`table ip t { ... }`) is the command `add` with a body.
#[derive(Clone, Debug)]
pub struct Command {
    pub verb: Verb,
    /// Where the verb and the object's name are written.
    pub span: Span,
    pub what: What,
}

/// A name or `handle N`.
#[derive(Clone, Debug, PartialEq)]
pub enum Id {
    Name(At<Name>),
    Handle(At<u64>),
}

/// Family and table of an object.
#[derive(Clone, Debug)]
pub struct TableId {
    pub family: Family,
    pub name: At<Name>,
}

/// A rule's place as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    Handle(At<u64>),
    /// The old word; a handle.
    Position(At<u64>),
    /// Counted from 0.
    Index(At<u64>),
}

#[derive(Clone, Debug)]
pub enum What {
    /// `flush ruleset [FAMILY]`
    Ruleset(Option<Family>),
    Table {
        family: Family,
        id: Id,
        body: TableBody,
    },
    Chain {
        table: TableId,
        id: Id,
        body: ChainBody,
        /// The new name of `rename`.
        new_name: Option<At<Name>>,
    },
    Rule {
        table: TableId,
        chain: At<Name>,
        position: Option<Position>,
        rule: Option<Rule>,
    },
    /// A set or map; the two words are told apart where the kernel has one of the kind.
    Set {
        table: TableId,
        id: Id,
        map: bool,
        /// `meter NAME`, in `flush` and `delete`.
        meter: bool,
        body: SetBody,
    },
    Elements {
        table: TableId,
        set: At<Name>,
        /// A [`super::ast::Kind::SetLiteral`].
        elements: Expr,
    },
    Flowtable {
        table: TableId,
        id: Id,
        body: FlowtableBody,
    },
    Object {
        table: TableId,
        id: Id,
        /// `NFT_OBJECT_*`
        kind: u32,
        body: Option<ObjectBody>,
    },
    /// `reset counters`, `reset quotas`, `reset rules`, ...: in a family, a table, a chain.
    Reset {
        kind: ResetKind,
        family: Option<Family>,
        table: Option<At<Name>>,
        name: Option<At<Name>>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    Rules,
    /// `NFT_OBJECT_*`
    Objects(u32),
}

#[derive(Clone, Debug, Default)]
pub struct TableBody {
    /// See [`crate::model::ruleset::table_flags`].
    pub flags: u32,
    pub comment: Option<At<String>>,
    /// In the order written.
    pub items: Vec<TableItem>,
}

/// What stands inside a table block.
#[derive(Clone, Debug)]
pub enum TableItem {
    Chain(At<Name>, ChainBody),
    Set {
        name: At<Name>,
        map: bool,
        body: SetBody,
    },
    Flowtable(At<Name>, FlowtableBody),
    Object {
        name: At<Name>,
        /// `NFT_OBJECT_*`
        kind: u32,
        body: ObjectBody,
    },
}

#[derive(Clone, Debug, Default)]
pub struct ChainBody {
    pub hook: Option<Hook>,
    pub policy: Option<At<PolicyWord>>,
    /// See [`crate::model::ruleset::chain_flags`] (`flags offload`).
    pub flags: u32,
    pub comment: Option<At<String>>,
    /// `devices = { ... }` in a block of its own (`add chain netdev t c { devices = ... }` of newer nft).
    pub devices: Option<Expr>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyWord {
    Accept,
    Drop,
}

/// `type filter hook input device "eth0" priority filter + 5`
#[derive(Clone, Debug)]
pub struct Hook {
    pub kind: At<Name>,
    pub hook: At<Name>,
    pub priority: Priority,
    /// One device, or a [`super::ast::Kind::SetLiteral`] of them; [`super::ast::Kind::Symbol`]s.
    pub devices: Option<Expr>,
    pub span: Span,
}

/// A number, or a name with an offset.
#[derive(Clone, Debug, PartialEq)]
pub struct Priority {
    pub name: Option<Name>,
    pub offset: i32,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub statements: Vec<At<Statement>>,
    pub comment: Option<At<String>>,
    /// `# handle N` is a comment of the language and is not here.
    pub span: Span,
}

/// How the key or the data of a set is declared.
#[derive(Clone, Debug)]
pub enum Declared {
    /// `type ipv4_addr . inet_service`: names of data types.
    Type(Vec<At<Name>>),
    /// `typeof ip saddr . tcp dport`: an expression ([`super::ast::Kind::Concat`] of several).
    Typeof(Expr),
    /// Of a map: `verdict`.
    Verdict,
    /// Of a map: `counter`, `quota`, ...: `NFT_OBJECT_*`
    Object(u32),
}

#[derive(Clone, Debug, Default)]
pub struct SetBody {
    pub key: Option<At<Declared>>,
    pub data: Option<At<Declared>>,
    /// `interval` stands before the data type of a map.
    pub data_interval: bool,
    /// See [`crate::model::set::flags`].
    pub flags: Option<At<u32>>,
    /// milliseconds
    pub timeout: Option<At<u64>>,
    /// milliseconds
    pub gc_interval: Option<At<u64>>,
    pub size: Option<At<u32>>,
    /// `enum nft_set_policies`
    pub policy: Option<u32>,
    pub auto_merge: bool,
    pub comment: Option<At<String>>,
    /// Statements that every element carries (`counter`, `limit rate ...`).
    pub statements: Vec<At<Statement>>,
    /// A [`super::ast::Kind::SetLiteral`].
    pub elements: Option<Expr>,
}

#[derive(Clone, Debug, Default)]
pub struct FlowtableBody {
    pub hook: Option<(At<Name>, Priority)>,
    /// A [`super::ast::Kind::SetLiteral`].
    pub devices: Option<Expr>,
    /// `NFT_FLOWTABLE_HW_OFFLOAD` 1, `NFT_FLOWTABLE_COUNTER` 2
    pub flags: u32,
}

#[derive(Clone, Debug)]
pub struct ObjectBody {
    pub comment: Option<At<String>>,
    pub data: ObjectWords,
}

#[derive(Clone, Debug)]
pub enum ObjectWords {
    Counter(Counter),
    Quota(Quota),
    Limit(Limit),
    CtHelper {
        helper: At<Name>,
        protocol: At<Name>,
        l3: Option<At<Family>>,
    },
    CtTimeout {
        protocol: At<Name>,
        l3: Option<At<Family>>,
        /// State by name, seconds.
        policy: Vec<(At<Name>, u32)>,
    },
    CtExpectation {
        protocol: At<Name>,
        dport: Option<Expr>,
        /// milliseconds
        timeout: Option<u64>,
        size: Option<u64>,
        l3: Option<At<Family>>,
    },
    Synproxy(Synproxy),
    Secmark(At<String>),
}

/// A reference to a stateful object: by name (a symbol) or by a map.
#[derive(Clone, Debug)]
pub struct ObjectRef {
    /// `NFT_OBJECT_*`
    pub kind: u32,
    pub expr: Expr,
}

/// How `reject` answers.
#[derive(Clone, Debug)]
pub enum RejectWith {
    /// Nothing said: depends on the family.
    Default,
    TcpReset,
    /// `with icmp [type] X`: the word as a symbol
    Icmp(Expr),
    Icmpv6(Expr),
    Icmpx(Expr),
}

#[derive(Clone, Debug)]
pub enum Statement {
    /// `tcp dport 22`, `tcp dport != { 1, 2 }`, `ct state new,established`, `exthdr frag exists`:
    /// a [`super::ast::Kind::Relational`]; or an expression by itself.
    Match(Expr),
    /// `accept`, `jump c`, and `KEY vmap { ... }` ([`super::ast::Kind::Map`]).
    Verdict(Expr),
    /// `jump { ... }`, `goto { ... }`
    Chain {
        goto: bool,
        rules: Vec<Rule>,
    },
    /// `meter NAME [size N] { KEY [timeout T] STATEMENT }`
    Meter {
        name: At<Name>,
        size: Option<u32>,
        /// Maybe a [`super::ast::Kind::SetElem`] with a timeout.
        key: Expr,
        stmt: Box<At<Statement>>,
    },
    /// `add @set { KEY [timeout T] [stmts] [: DATA] }`, `update`, `delete`
    Set {
        op: DynsetOp,
        set: At<Name>,
        /// Maybe a [`super::ast::Kind::SetElem`] with a timeout and a comment.
        key: Expr,
        data: Option<Expr>,
        stmts: Vec<At<Statement>>,
    },
    /// `ct count [over] N`
    Connlimit {
        count: u32,
        over: bool,
    },
    Counter(Counter),
    /// `last [used never|TIME]`
    Last {
        set: bool,
        msecs: u64,
    },
    /// `counter name "x"`, `quota name`, `limit name`, `ct helper set`, `ct timeout set`, `ct expectation set`,
    /// `synproxy name`, `meta secmark set`
    Object(ObjectRef),
    Log(LogWords),
    Limit(Limit),
    Queue {
        /// A number, a range, or an expression that yields the number (`queue to numgen inc mod 4`).
        expr: Option<Expr>,
        /// `NFT_QUEUE_FLAG_*`
        flags: u16,
    },
    Quota(Quota),
    Reject(RejectWith),
    Nat {
        kind: NatKind,
        /// `dnat ip to`, `dnat ip6 to`
        family: Option<Family>,
        /// `dnat ip addr . port to`: the address comes with a port from a map
        addr_port: bool,
        /// `snat ip prefix to`
        prefix: bool,
        /// `dnat ip interval to`
        interval: bool,
        addr: Option<Expr>,
        port: Option<Expr>,
        /// `NF_NAT_RANGE_*` of `random`, `fully-random`, `persistent`
        flags: u32,
    },
    Dup {
        to: Option<Expr>,
        dev: Option<Expr>,
    },
    /// `fwd to DEV`, `fwd ip to ADDR device DEV`
    Fwd {
        family: Option<Family>,
        addr: Option<Expr>,
        dev: Expr,
    },
    /// `reset tcp option X`
    OptStrip(Expr),
    Tproxy {
        family: Option<Family>,
        addr: Option<Expr>,
        port: Option<Expr>,
    },
    Synproxy(Synproxy),
    /// `ip ttl set 5`, `@th,0,16 set 3`
    Payload {
        expr: Expr,
        value: Expr,
    },
    /// `tcp option maxseg size set 1400`
    Exthdr {
        expr: Expr,
        value: Expr,
    },
    /// `meta mark set ...`, also `mark set`, `meta nftrace set 1`; `NFT_META_*`
    Meta {
        key: u32,
        expr: Expr,
    },
    /// `ct mark set ...`; `NFT_CT_*`
    Ct {
        key: u32,
        direction: Option<u8>,
        expr: Expr,
    },
    Notrack,
    /// `flow add @name`, `flow offload @name`
    FlowOffload(At<Name>),
    /// `xt match "name"`: cannot be loaded, as its bytes are not in the text.
    Xt {
        kind: XtKind,
        name: At<Name>,
    },
}

#[derive(Clone, Debug, Default)]
pub struct LogWords {
    pub prefix: Option<At<String>>,
    pub group: Option<u16>,
    pub snaplen: Option<u32>,
    pub qthreshold: Option<u16>,
    /// `LOG_EMERG` 0 to `LOG_DEBUG` 7, `audit` 8
    pub level: Option<u32>,
    /// `NF_LOG_*`
    pub flags: u32,
}

/// `@ll,0,8` and its like: the layer that raw payload offsets count from.
pub type RawBase = Layer;
