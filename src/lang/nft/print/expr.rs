//! Expressions.

use super::super::ast::*;
use super::super::keys;
use super::value::must_write_equal;
use super::{Printer, duration, put};

impl Printer<'_> {
    pub fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            Kind::Verdict(verdict) => self.verdict(verdict),
            Kind::Value(value) => self.value(expr, *value),
            Kind::Text(text) if expr.dtype.is_text() => put!(self, "\"{text}\""),
            Kind::Text(text) | Kind::Symbol(text) => self.put(text),
            Kind::SetName(name) => put!(self, "@{name}"),
            Kind::SetLiteral(elements) => {
                self.put("{ ");
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.put(", ");
                    }
                    self.expr(element);
                }
                self.put(" }");
            }
            Kind::Prefix(inner, len) => {
                self.expr(inner);
                put!(self, "/{len}");
            }
            Kind::Range(left, right) => {
                let outer = std::mem::replace(&mut self.numeric, true);
                self.expr(left);
                self.put("-");
                self.expr(right);
                self.numeric = outer;
            }
            Kind::Payload(payload) => match payload.template().filter(|_| payload.is_known()) {
                Some(field) => put!(self, "{} {}", payload.protocol.name, field.token),
                None => put!(
                    self,
                    "@{},{},{}",
                    payload.layer.token(),
                    payload.offset,
                    expr.len
                ),
            },
            Kind::Exthdr(header) => self.exthdr(header, expr.len),
            Kind::Meta { key } => self.meta_key(*key),
            Kind::Ct {
                key,
                direction,
                nfproto,
            } => self.ct_key(*key, *direction, *nfproto),
            Kind::Rt { key } => {
                let family = match *key {
                    keys::RT_NEXTHOP4 => "ip ",
                    keys::RT_NEXTHOP6 => "ip6 ",
                    _ => "",
                };
                put!(self, "rt {family}{}", token(&keys::RT, *key));
            }
            Kind::Socket { key, level } => {
                put!(self, "socket {}", token(&keys::SOCKET, *key));
                if *key == keys::SOCKET_CGROUPV2 {
                    put!(self, " level {level}");
                }
            }
            Kind::Osf { ttl, flags } => {
                let ttl = match ttl {
                    1 => "ttl loose ",
                    2 => "ttl skip ",
                    _ => "",
                };
                // NFT_OSF_F_VERSION
                put!(
                    self,
                    "osf {ttl}{}",
                    if flags & 1 != 0 { "version" } else { "name" }
                );
            }
            Kind::Fib { flags, result } => self.fib(*flags, *result),
            Kind::Hash(hash) => {
                match &hash.expr {
                    _ if hash.symmetric => self.put("symhash"),
                    Some(inner) => {
                        self.put("jhash ");
                        self.expr(inner);
                    }
                    None => self.put("jhash"),
                }
                put!(self, " mod {}", hash.modulus);
                if let Some(seed) = hash.seed {
                    put!(self, " seed 0x{seed:x}");
                }
                if hash.offset != 0 {
                    put!(self, " offset {}", hash.offset);
                }
            }
            Kind::Numgen {
                kind,
                modulus,
                offset,
            } => {
                let kind = match kind {
                    0 => "inc",
                    1 => "random",
                    _ => "[unknown numgen]",
                };
                put!(self, "numgen {kind} mod {modulus}");
                if *offset != 0 {
                    put!(self, " offset {offset}");
                }
            }
            Kind::Xfrm {
                key,
                direction,
                spnum,
            } => {
                put!(self, "ipsec {}", if *direction == 0 { "in" } else { "out" });
                if *spnum != 0 {
                    put!(self, " spnum {spnum}");
                }
                match key {
                    1 | 3 => self.put(" ip"),
                    2 | 4 => self.put(" ip6"),
                    _ => {}
                }
                put!(self, " {}", token(&keys::XFRM, *key));
            }
            Kind::Tunnel { key } => put!(self, "tunnel {}", token(&keys::TUNNEL, *key)),
            Kind::Inner { tunnel, expr } => {
                put!(self, "{tunnel} ");
                self.expr(expr);
            }
            Kind::Concat(parts) => self.joined(parts, " . "),
            Kind::List(parts) => self.joined(parts, ","),
            Kind::SetRef(reference) => self.set_ref(reference),
            Kind::SetElem(element) => self.set_elem(element),
            Kind::CatchAll => self.put("*"),
            Kind::Mapping(left, right) => {
                self.expr(left);
                self.put(" : ");
                self.expr(right);
            }
            Kind::Map { key, mappings } => {
                self.expr(key);
                let verdicts = matches!(&mappings.kind, Kind::SetRef(reference)
                    if reference.set.data.as_ref().is_some_and(|data| data.dtype.is(&super::super::datatype::VERDICT)));
                self.put(if verdicts { " vmap " } else { " map " });
                self.expr(mappings);
            }
            Kind::Unary { arg, .. } => self.expr(arg),
            Kind::Binop { op, left, right } | Kind::Relational { op, left, right } => {
                self.operand(*op, left);
                match op.symbol() {
                    Some(symbol) if *op != Op::Eq || must_write_equal(left, right) => {
                        put!(self, " {symbol} ");
                    }
                    _ => self.put(" "),
                }
                self.operand(*op, right);
            }
            Kind::FlagCmp {
                op,
                expr,
                mask,
                value,
            } => {
                self.expr(expr);
                self.put(if *op == Op::Neq { " != " } else { " " });
                self.expr(value);
                self.put(" / ");
                self.expr(mask);
            }
        }
    }

    fn operand(&mut self, op: Op, operand: &Expr) {
        let parens = match &operand.kind {
            Kind::Binop { op: inner, .. } => {
                op.precedence() != 0 && op.precedence() < inner.precedence()
            }
            _ => false,
        };
        if parens {
            self.put("(");
        }
        self.expr(operand);
        if parens {
            self.put(")");
        }
    }

    fn joined(&mut self, parts: &[Expr], delimiter: &str) {
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                self.put(delimiter);
            }
            self.expr(part);
        }
    }

    pub(super) fn meta_key(&mut self, key: u32) {
        if !keys::meta::is_unqualified(key) {
            self.put("meta ");
        }
        self.put(token(&keys::META, key));
    }

    pub(super) fn ct_key(&mut self, key: u32, direction: Option<u8>, nfproto: u8) {
        self.put("ct ");
        match direction {
            Some(0) => self.put("original "),
            Some(1) => self.put("reply "),
            _ => {}
        }
        if direction.is_some() && matches!(key, keys::ct::SRC | keys::ct::DST) {
            match nfproto {
                2 => self.put("ip "),
                10 => self.put("ip6 "),
                _ => {}
            }
        }
        self.put(token(&keys::CT, key));
    }

    fn fib(&mut self, flags: u32, result: u32) {
        const PRESENT: u32 = 32;
        let mut left = flags & !PRESENT;
        self.put("fib ");
        for (flag, name) in [
            (1, "saddr"),
            (2, "daddr"),
            (4, "mark"),
            (8, "iif"),
            (16, "oif"),
        ] {
            if left & flag != 0 {
                left &= !flag;
                self.put(name);
                if left != 0 {
                    self.put(" . ");
                }
            }
        }
        if left != 0 {
            put!(self, "0x{left:x}");
        }
        let result = match result {
            1 => "oif",
            2 => "oifname",
            3 => "type",
            _ => "unknown",
        };
        put!(self, " {result}");
    }

    fn exthdr(&mut self, header: &Exthdr, len: u32) {
        let name = header.header.map_or("unknown-exthdr", |header| header.name);
        let field = header.template().map_or("unknown", |field| field.token);
        match header.op {
            ExthdrOp::TcpOption => {
                if header.header.is_none() {
                    if header.offset == 0 && header.present {
                        put!(self, "tcp option {}", header.kind);
                    } else {
                        put!(self, "tcp option @{},{},{len}", header.kind, header.offset);
                    }
                    return;
                }
                put!(self, "tcp option {name}");
                if header.present {
                    return;
                }
                let block = header.offset / 64;
                if block > 0 {
                    put!(self, "{block}");
                }
                put!(self, " {field}");
            }
            ExthdrOp::Ipv4Option => {
                put!(self, "ip option {name}");
                if !header.present {
                    put!(self, " {field}");
                }
            }
            ExthdrOp::SctpChunk => {
                put!(self, "sctp chunk {name}");
                if !header.present {
                    put!(self, " {field}");
                }
            }
            // nft 1.0.7
            ExthdrOp::DccpOption => put!(self, "dccp option {}", header.kind),
            ExthdrOp::Ipv6 | ExthdrOp::Unknown(_) => {
                if header.present {
                    put!(self, "exthdr {name}");
                } else {
                    put!(self, "{name} {field}");
                }
            }
        }
    }

    fn set_ref(&mut self, reference: &SetRef) {
        let set = &reference.set;
        if set.is_meter() {
            self.put(&set.name);
        } else if set.is_anonymous() {
            match &reference.elements {
                Some(elements) => self.elements(set, elements),
                None => self.put("{ ... }"),
            }
        } else {
            put!(self, "@{}", set.name);
        }
    }

    /// `{ a, b }`: the elements of a set; named sets break lines.
    pub fn elements(&mut self, set: &SetInfo, elements: &[Expr]) {
        let per_line = match set.key.dtype.id() {
            _ if set.is_anonymous() => usize::MAX,
            // nf_proto, integer, arp_op, inet_proto, inet_service, tcp_flag, dccp_pkttype, mark, iface_index,
            // classid, uid, gid, ct_dir
            2 | 4 | 11 | 12 | 13 | 15 | 16 | 19 | 20 | 23 | 24 | 25 | 27 => 5,
            // ipv4_addr, ct_state, ct_status, pkt_type
            7 | 26 | 28 | 31 => 2,
            _ => 1,
        };
        self.put("{ ");
        let mut on_line = 0;
        for (n, element) in elements.iter().enumerate() {
            if n > 0 {
                if on_line < per_line {
                    self.put(", ");
                } else {
                    self.put(",\n\t\t\t     ");
                    on_line = 0;
                }
            }
            self.expr(element);
            on_line += 1;
        }
        self.put(" }");
    }

    pub fn set_elem(&mut self, element: &SetElem) {
        self.expr(&element.key);
        for stmt in &element.stmts {
            self.put(" ");
            self.stmt(stmt);
        }
        if element.timeout != 0 {
            put!(self, " timeout {}", duration(element.timeout));
        }
        if !self.stateless && element.expiration != 0 {
            put!(self, " expires {}", duration(element.expiration));
        }
        if let Some(comment) = &element.comment {
            put!(self, " comment \"{comment}\"");
        }
    }
}

fn token(table: &'static [keys::Key], key: u32) -> &'static str {
    keys::get(table, key).map_or("unknown", |key| key.token)
}
