//! Statements.

use super::super::ast::*;
use super::super::keys;
use super::super::print::{data_unit, log_level, object_kind, time_unit};
use super::expr::{ct, token};
use super::{Writer, one, put_words};
use crate::model::Family;
use crate::model::expression::DynsetOp;
use serde_json::{Map, Value, json};

impl Writer<'_> {
    pub(super) fn stmt(&mut self, stmt: &Stmt) -> Value {
        match stmt {
            Stmt::Match(expr) | Stmt::Verdict(expr) => self.expr(expr),
            Stmt::Chain { .. } => self.text_of(stmt),
            Stmt::Meter {
                set,
                key,
                stmt,
                size,
            } => {
                let inner = self.stateless(stmt);
                json!({"meter": {
                    "key": self.expr(key), "stmt": inner, "size": size, "name": &*set.set.name,
                }})
            }
            Stmt::Set(set) if set.data.is_some() => self.text_of(stmt),
            Stmt::Set(set) => {
                let op = match set.op {
                    DynsetOp::Add => "add",
                    DynsetOp::Update => "update",
                    DynsetOp::Delete => "delete",
                };
                let mut map = Map::new();
                map.insert("op".into(), op.into());
                map.insert("elem".into(), self.expr(&set.key));
                map.insert("set".into(), format!("@{}", set.set.set.name).into());
                if !set.stmts.is_empty() {
                    map.insert("stmt".into(), self.stateless_stmts(&set.stmts));
                }
                one("set", map)
            }
            Stmt::Connlimit { count, flags } => {
                let mut map = Map::new();
                map.insert("val".into(), (*count).into());
                if flags & 1 != 0 {
                    map.insert("inv".into(), true.into());
                }
                one("ct count", map)
            }
            Stmt::Counter(_) if self.stateless => one("counter", Value::Null),
            Stmt::Counter(counter) => {
                json!({"counter": {"packets": counter.packets, "bytes": counter.bytes}})
            }
            Stmt::Last { .. } if self.stateless => one("last", Value::Null),
            Stmt::Last { set: false, .. } => one("last", Value::Null),
            Stmt::Last { msecs, .. } => json!({"last": {"used": msecs}}),
            Stmt::Objref { kind, expr } => {
                let value = self.expr(expr);
                one(object_kind(*kind), value)
            }
            Stmt::Log(log) => log_json(log),
            Stmt::Limit(limit) => {
                let (mut rate, mut burst) = (limit.rate, u64::from(limit.burst));
                let mut units = None;
                if limit.kind == 1 {
                    let (amount, rate_unit) = data_unit(rate);
                    let (burst_amount, burst_unit) = data_unit(burst);
                    (rate, burst) = (amount, burst_amount);
                    units = Some((rate_unit, burst_unit));
                }
                let mut map = Map::new();
                map.insert("rate".into(), rate.into());
                map.insert("burst".into(), burst.into());
                map.insert("per".into(), time_unit(limit.unit).into());
                if limit.flags & 1 != 0 {
                    map.insert("inv".into(), true.into());
                }
                if let Some((rate_unit, burst_unit)) = units {
                    map.insert("rate_unit".into(), rate_unit.into());
                    map.insert("burst_unit".into(), burst_unit.into());
                }
                one("limit", map)
            }
            Stmt::Queue { expr, flags } => {
                let mut map = Map::new();
                map.insert("num".into(), self.expr(expr));
                let words = words(u32::from(*flags), &[(1, "bypass"), (2, "fanout")]);
                put_words(&mut map, "flags", words);
                one("queue", map)
            }
            Stmt::Quota(quota) => {
                let (amount, unit) = data_unit(quota.bytes);
                let mut map = Map::new();
                map.insert("val".into(), amount.into());
                map.insert("val_unit".into(), unit.into());
                if quota.flags & 1 != 0 {
                    map.insert("inv".into(), true.into());
                }
                if !self.stateless && quota.consumed != 0 {
                    let (amount, unit) = data_unit(quota.consumed);
                    map.insert("used".into(), amount.into());
                    map.insert("used_unit".into(), unit.into());
                }
                one("quota", map)
            }
            Stmt::Reject(reject) => self.reject(reject),
            Stmt::Nat(nat) => self.nat(nat),
            Stmt::Dup { to, dev } => match to {
                Some(to) => {
                    let mut map = Map::new();
                    map.insert("addr".into(), self.expr(to));
                    if let Some(dev) = dev {
                        map.insert("dev".into(), self.expr(dev));
                    }
                    one("dup", map)
                }
                None => one("dup", Value::Null),
            },
            Stmt::Fwd { dev, addr, family } => {
                let mut map = Map::new();
                map.insert("dev".into(), self.expr(dev));
                if let Some(addr) = addr {
                    map.insert("family".into(), Family::from_wire(*family).name().into());
                    map.insert("addr".into(), self.expr(addr));
                }
                one("fwd", map)
            }
            Stmt::OptStrip(expr) => {
                let value = self.expr(expr);
                one("reset", value)
            }
            Stmt::Tproxy {
                family,
                table_family,
                addr,
                port,
            } => {
                let mut map = Map::new();
                if Family::from_wire(*table_family) == Family::Inet && *family != 0 {
                    map.insert("family".into(), Family::from_wire(*family).name().into());
                }
                if let Some(addr) = addr {
                    map.insert("addr".into(), self.expr(addr));
                }
                if let Some(port) = port {
                    map.insert("port".into(), self.expr(port));
                }
                one("tproxy", map)
            }
            Stmt::Synproxy(synproxy) => {
                let mut map = Map::new();
                if synproxy.flags & 1 != 0 {
                    map.insert("mss".into(), synproxy.mss.into());
                }
                if synproxy.flags & 2 != 0 {
                    map.insert("wscale".into(), synproxy.wscale.into());
                }
                let flags = synproxy_flags(synproxy.flags);
                if !flags.is_empty() {
                    map.insert("flags".into(), flags.into());
                }
                one("synproxy", or_null(map))
            }
            Stmt::Payload { expr, value } | Stmt::Exthdr { expr, value } => {
                json!({"mangle": {"key": self.expr(expr), "value": self.expr(value)}})
            }
            Stmt::Meta { key, expr } => json!({"mangle": {
                "key": {"meta": {"key": token(&keys::META, *key)}}, "value": self.expr(expr),
            }}),
            Stmt::Ct {
                key,
                direction,
                expr,
            } => {
                json!({"mangle": {"key": ct(*key, *direction), "value": self.expr(expr)}})
            }
            Stmt::Notrack => one("notrack", Value::Null),
            Stmt::FlowOffload(name) => {
                json!({"flow": {"op": "add", "flowtable": format!("@{name}")}})
            }
            Stmt::Xt {
                kind, extension, ..
            } => {
                let kind = match kind {
                    XtKind::Match => "match",
                    XtKind::Target => "target",
                    XtKind::Watcher => "watcher",
                };
                json!({"xt": {"type": kind, "name": &*extension.name}})
            }
            Stmt::Unknown(unknown) => {
                let hex: String = unknown
                    .data
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                json!({"unknown": {"name": &*unknown.name, "why": unknown.why, "data": hex}})
            }
        }
    }

    fn stateless(&mut self, stmt: &Stmt) -> Value {
        let outer = std::mem::replace(&mut self.stateless, true);
        let value = self.stmt(stmt);
        self.stateless = outer;
        value
    }

    pub(super) fn stateless_stmts(&mut self, stmts: &[Stmt]) -> Value {
        stmts
            .iter()
            .map(|stmt| self.stateless(stmt))
            .collect::<Vec<_>>()
            .into()
    }

    fn reject(&mut self, reject: &Reject) -> Value {
        let kind = match (reject.kind, reject.family) {
            (1, _) => return json!({"reject": {"type": "tcp reset"}}),
            (2, _) => "icmpx",
            (0, 2) => "icmp",
            (0, 10) => "icmpv6",
            _ => return one("reject", Value::Null),
        };
        json!({"reject": {"type": kind, "expr": self.expr(&reject.expr)}})
    }

    fn nat(&mut self, nat: &Nat) -> Value {
        let mut map = Map::new();
        if matches!(nat.family, 2 | 10) {
            map.insert("family".into(), Family::from_wire(nat.family).name().into());
        }
        if let Some(addr) = &nat.addr {
            map.insert("addr".into(), self.expr(addr));
        }
        if let Some(proto) = &nat.proto {
            map.insert("port".into(), self.expr(proto));
        }
        let flags = words(
            nat.flags,
            &[
                (4, "random"),
                (16, "fully-random"),
                (8, "persistent"),
                (64, "netmap"),
            ],
        );
        put_words(&mut map, "flags", flags);
        if nat.prefix {
            map.insert("type_flags".into(), "prefix".into());
        }
        let kind = match nat.kind {
            NatKind::Snat => "snat",
            NatKind::Dnat => "dnat",
            NatKind::Masquerade => "masquerade",
            NatKind::Redirect => "redirect",
        };
        one(kind, or_null(map))
    }
}

fn or_null(map: Map<String, Value>) -> Value {
    if map.is_empty() {
        Value::Null
    } else {
        Value::Object(map)
    }
}

fn words(flags: u32, names: &[(u32, &str)]) -> Vec<Value> {
    names
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| (*name).into())
        .collect()
}

pub(super) fn synproxy_flags(flags: u32) -> Vec<Value> {
    words(flags, &[(8, "timestamp"), (4, "sack-perm")])
}

fn log_json(log: &Log) -> Value {
    const WARNING: u32 = 4;
    const ALL: u32 = 0x2f;
    let mut map = Map::new();
    if let Some(prefix) = &log.prefix {
        map.insert("prefix".into(), prefix.clone().into());
    }
    if let Some(group) = log.group {
        map.insert("group".into(), group.into());
    }
    if let Some(snaplen) = log.snaplen {
        map.insert("snaplen".into(), snaplen.into());
    }
    if let Some(threshold) = log.qthreshold {
        map.insert("queue-threshold".into(), threshold.into());
    }
    if let Some(level) = log.level.filter(|level| *level != WARNING) {
        map.insert("level".into(), log_level(level).into());
    }
    let flags = if log.flags & ALL == ALL {
        vec!["all".into()]
    } else {
        words(
            log.flags,
            &[
                (1, "tcp sequence"),
                (2, "tcp options"),
                (4, "ip options"),
                (8, "skuid"),
                (32, "ether"),
            ],
        )
    };
    put_words(&mut map, "flags", flags);
    one("log", or_null(map))
}
