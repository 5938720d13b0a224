//! Statements.

use super::super::ast::*;
use super::super::datatype as types;
use super::{Printer, data_unit, duration, put, time_unit};
use crate::kernel::xtables;
use crate::lang::iptables::xlate;
use crate::model::expression::{DynsetOp, Limit, Quota, Synproxy, Xtables};
use crate::model::xtables::ExtensionKind;

/// `NFT_LIMIT_F_INV`, `NFT_QUOTA_F_INV`
const INVERTED: u32 = 1;

impl Printer<'_> {
    pub fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Match(expr) | Stmt::Verdict(expr) => self.expr(expr),
            Stmt::Chain { goto, chain } => self.inline_chain(*goto, chain),
            Stmt::Meter {
                set,
                key,
                stmt,
                size,
            } => {
                put!(self, "meter {} size {size} {{ ", set.set.name);
                self.expr(key);
                self.put(" ");
                self.stateless_stmt(stmt);
                self.put(" }");
            }
            Stmt::Set(set) => self.set_stmt(set),
            Stmt::Connlimit { count, flags } => {
                put!(
                    self,
                    "ct count {}{count}",
                    if *flags != 0 { "over " } else { "" }
                );
            }
            Stmt::Counter(counter) => {
                self.put("counter");
                if !self.stateless {
                    put!(self, " packets {} bytes {}", counter.packets, counter.bytes);
                }
            }
            // nft 1.0.8
            Stmt::Last { set, msecs } => {
                self.put("last");
                if !self.stateless {
                    match set {
                        true => put!(self, " used {}", duration(*msecs)),
                        false => self.put(" used never"),
                    }
                }
            }
            Stmt::Objref { kind, expr } => {
                match *kind {
                    3 => self.put("ct helper set "),
                    7 => self.put("ct timeout set "),
                    9 => self.put("ct expectation set "),
                    8 => self.put("meta secmark set "),
                    kind => put!(self, "{} name ", object_kind(kind)),
                }
                self.expr(expr);
            }
            Stmt::Log(log) => self.log(log),
            Stmt::Limit(limit) => {
                self.put("limit ");
                self.limit(limit);
            }
            Stmt::Queue { expr, flags } => {
                self.put("queue");
                let mut delimiter = " flags ";
                for (flag, name) in [(1, "bypass"), (2, "fanout")] {
                    if flags & flag != 0 {
                        put!(self, "{delimiter}{name}");
                        delimiter = ",";
                    }
                }
                self.put(" to ");
                self.expr(expr);
            }
            Stmt::Quota(quota) => {
                self.put("quota ");
                self.quota(quota);
            }
            Stmt::Reject(reject) => self.reject(reject),
            Stmt::Nat(nat) => self.nat(nat),
            Stmt::Dup { to, dev } => {
                self.put("dup");
                if let Some(to) = to {
                    self.put(" to ");
                    self.expr(to);
                    if let Some(dev) = dev {
                        self.put(" device ");
                        self.expr(dev);
                    }
                }
            }
            Stmt::Fwd { dev, addr, family } => {
                match addr {
                    Some(addr) => {
                        put!(self, "fwd {} to ", ip_family(*family).unwrap_or("unknown"));
                        self.expr(addr);
                        self.put(" device ");
                    }
                    None => self.put("fwd to "),
                }
                self.expr(dev);
            }
            Stmt::OptStrip(expr) => {
                self.put("reset ");
                self.expr(expr);
            }
            Stmt::Tproxy {
                family,
                table_family,
                addr,
                port,
            } => {
                self.put("tproxy");
                const INET: u8 = 1;
                if *table_family == INET && *family != 0 {
                    put!(self, " {}", ip_family(*family).unwrap_or("unknown"));
                }
                self.put(" to");
                if let Some(addr) = addr {
                    self.put(" ");
                    self.bracketed(addr);
                }
                if let Some(port) = port.as_ref().filter(|port| port.is_value()) {
                    self.put(if addr.is_none() { " :" } else { ":" });
                    self.expr(port);
                }
            }
            Stmt::Synproxy(synproxy) => self.synproxy(synproxy),
            Stmt::Payload { expr, value } | Stmt::Exthdr { expr, value } => {
                self.expr(expr);
                self.put(" set ");
                self.expr(value);
            }
            Stmt::Meta { key, expr } => {
                self.meta_key(*key);
                self.put(" set ");
                self.expr(expr);
            }
            Stmt::Ct {
                key,
                direction,
                expr,
            } => {
                self.ct_key(*key, *direction, 0);
                self.put(" set ");
                self.expr(expr);
            }
            Stmt::Notrack => self.put("notrack"),
            Stmt::FlowOffload(name) => put!(self, "flow add @{name}"),
            Stmt::Xt {
                kind,
                extension,
                proto,
            } => self.xt(*kind, extension, *proto),
            Stmt::Unknown(unknown) => {
                put!(self, "# unknown {} ({})", unknown.name, unknown.why);
                if !unknown.data.is_empty() {
                    self.put(" 0x");
                    for byte in &unknown.data {
                        put!(self, "{byte:02x}");
                    }
                }
            }
        }
    }

    /// The translation of libxtables, or only the name of the extension.
    fn xt(&mut self, kind: XtKind, raw: &Xtables, proto: u8) {
        let (word, side) = match kind {
            XtKind::Match => ("match", ExtensionKind::Match),
            XtKind::Target => ("target", ExtensionKind::Target),
            XtKind::Watcher => ("watcher", ExtensionKind::Target),
        };
        let family = self.view.family();
        let cx = xlate::Context {
            family,
            proto,
            names: self.names,
        };
        let extension = xtables::decode(side, family, &raw.name, raw.revision, &raw.info);
        match extension.ok().and_then(|one| xlate::xlate(&one, &cx)) {
            Some(text) => self.put(&text),
            None => put!(self, "xt {word} {}", raw.name),
        }
    }

    pub(super) fn stateless_stmt(&mut self, stmt: &Stmt) {
        let outer = std::mem::replace(&mut self.stateless, true);
        self.stmt(stmt);
        self.stateless = outer;
    }

    fn inline_chain(&mut self, goto: bool, name: &str) {
        self.put(if goto { "goto {\n" } else { "jump {\n" });
        let view = self.view;
        if let Some(chain) = view.table.chain(name) {
            for rule in chain.rules.iter() {
                self.put("\t\t\t");
                self.rule(rule, false);
                self.put("\n");
            }
        }
        self.put("\t\t}");
    }

    fn set_stmt(&mut self, set: &SetStmt) {
        let op = match set.op {
            DynsetOp::Add => "add",
            DynsetOp::Update => "update",
            DynsetOp::Delete => "delete",
        };
        put!(self, "{op} @{} {{ ", set.set.set.name);
        self.expr(&set.key);
        for stmt in &set.stmts {
            self.put(" ");
            self.stateless_stmt(stmt);
        }
        if let Some(data) = &set.data {
            self.put(" : ");
            self.expr(data);
        }
        self.put(" }");
    }

    fn log(&mut self, log: &Log) {
        const WARNING: u32 = 4;
        self.put("log");
        if let Some(prefix) = &log.prefix {
            put!(self, " prefix \"{prefix}\"");
        }
        if let Some(group) = log.group {
            put!(self, " group {group}");
        }
        if let Some(snaplen) = log.snaplen {
            put!(self, " snaplen {snaplen}");
        }
        if let Some(threshold) = log.qthreshold {
            put!(self, " queue-threshold {threshold}");
        }
        if let Some(level) = log.level.filter(|level| *level != WARNING) {
            put!(self, " level {}", log_level(level));
        }
        // NF_LOG_*: tcp sequence, tcp options, ip options, uid, ..., mac decode
        const ALL: u32 = 0x2f;
        if log.flags & ALL == ALL {
            self.put(" flags all");
            return;
        }
        match log.flags & 3 {
            1 => self.put(" flags tcp sequence"),
            2 => self.put(" flags tcp options"),
            3 => self.put(" flags tcp sequence,options"),
            _ => {}
        }
        for (flag, text) in [
            (4, " flags ip options"),
            (8, " flags skuid"),
            (0x20, " flags ether"),
        ] {
            if log.flags & flag != 0 {
                self.put(text);
            }
        }
    }

    /// Without the leading word, as in objects.
    pub(super) fn limit(&mut self, limit: &Limit) {
        let over = if limit.flags & INVERTED != 0 {
            "over "
        } else {
            ""
        };
        if limit.kind == 0 {
            put!(self, "rate {over}{}/{}", limit.rate, time_unit(limit.unit));
            if limit.burst != 0 && limit.burst != 5 {
                put!(self, " burst {} packets", limit.burst);
            }
        } else {
            let (rate, unit) = data_unit(limit.rate);
            put!(self, "rate {over}{rate} {unit}/{}", time_unit(limit.unit));
            if limit.burst != 0 {
                let (burst, unit) = data_unit(u64::from(limit.burst));
                put!(self, " burst {burst} {unit}");
            }
        }
    }

    /// Without the leading word, as in objects.
    pub(super) fn quota(&mut self, quota: &Quota) {
        let (amount, unit) = data_unit(quota.bytes);
        let over = if quota.flags & INVERTED != 0 {
            "over "
        } else {
            ""
        };
        put!(self, "{over}{amount} {unit}");
        if !self.stateless && quota.consumed != 0 {
            let (used, unit) = data_unit(quota.consumed);
            put!(self, " used {used} {unit}");
        }
    }

    fn reject(&mut self, reject: &Reject) {
        self.put("reject");
        // enum nft_reject_types
        match (reject.kind, reject.family) {
            (1, _) => self.put(" with tcp reset"),
            (2, _) if reject.code != 1 => {
                self.put(" with icmpx ");
                self.expr(&reject.expr);
            }
            (0, 2) if reject.verbose || reject.code != 3 => {
                self.put(" with icmp ");
                self.expr(&reject.expr);
            }
            (0, 10) if reject.verbose || reject.code != 4 => {
                self.put(" with icmpv6 ");
                self.expr(&reject.expr);
            }
            _ => {}
        }
    }

    fn nat(&mut self, nat: &Nat) {
        self.put(match nat.kind {
            NatKind::Snat => "snat",
            NatKind::Dnat => "dnat",
            NatKind::Masquerade => "masquerade",
            NatKind::Redirect => "redirect",
        });
        if nat.addr.is_some() || nat.proto.is_some() {
            if let Some(family) = ip_family(nat.family) {
                put!(self, " {family}");
            }
            if nat.prefix {
                self.put(" prefix");
            }
            self.put(" to");
        }
        if let Some(addr) = &nat.addr {
            self.put(" ");
            if nat.proto.is_some() {
                self.bracketed(addr);
            } else {
                self.expr(addr);
            }
        }
        if let Some(proto) = &nat.proto {
            self.put(if nat.addr.is_none() { " :" } else { ":" });
            self.expr(proto);
        }
        let mut delimiter = " ";
        // NF_NAT_RANGE_PROTO_RANDOM, _RANDOM_FULLY, _PERSISTENT
        for (flag, name) in [(4, "random"), (16, "fully-random"), (8, "persistent")] {
            if nat.flags & flag != 0 {
                put!(self, "{delimiter}{name}");
                delimiter = ",";
            }
        }
    }

    /// IPv6 addresses before a port stand in brackets.
    fn bracketed(&mut self, addr: &Expr) {
        let is_ip6 = |expr: &Expr| expr.dtype.is(&types::IP6ADDR);
        match &addr.kind {
            Kind::Value(_) if is_ip6(addr) => {
                self.put("[");
                self.expr(addr);
                self.put("]");
            }
            Kind::Range(left, right) if is_ip6(left) => {
                self.put("[");
                self.expr(left);
                self.put("]-[");
                self.expr(right);
                self.put("]");
            }
            _ => self.expr(addr),
        }
    }

    fn synproxy(&mut self, synproxy: &Synproxy) {
        // NF_SYNPROXY_OPT_*
        let flags = synproxy.flags;
        self.put("synproxy");
        // As nft 1.0.6: either of the two writes both.
        if flags & 3 != 0 {
            put!(self, " mss {} wscale {}", synproxy.mss, synproxy.wscale);
        }
        if flags & 8 != 0 {
            self.put(" timestamp");
        }
        if flags & 4 != 0 {
            self.put(" sack-perm");
        }
    }
}

/// `enum nft_log_level`
pub fn log_level(level: u32) -> &'static str {
    match level {
        0 => "emerg",
        1 => "alert",
        2 => "crit",
        3 => "err",
        4 => "warn",
        5 => "notice",
        6 => "info",
        7 => "debug",
        8 => "audit",
        _ => "unknown",
    }
}

fn ip_family(family: u8) -> Option<&'static str> {
    match family {
        2 => Some("ip"),
        10 => Some("ip6"),
        _ => None,
    }
}

/// `NFT_OBJECT_*`
pub fn object_kind(kind: u32) -> &'static str {
    match kind {
        1 => "counter",
        2 => "quota",
        3 => "ct helper",
        4 => "limit",
        5 => "ct count",
        6 => "tunnel",
        7 => "ct timeout",
        8 => "secmark",
        9 => "ct expectation",
        10 => "synproxy",
        _ => "unknown",
    }
}
