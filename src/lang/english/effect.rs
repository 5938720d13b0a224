//! Statements in words: what a rule does, and the limits it keeps.

use super::Reader;
use super::condition::family_word;
use super::extension::Said;
use super::limit::{connection_words, duration, limit_words, quota_words};
use super::selector::bare;
use super::sentence::{Condition, Effect, Step};
use super::value::either;
use crate::lang::nft::ast::{Expr, Kind, Log, Reject, SetStmt, Stmt, XtKind};
use crate::lang::nft::keys;
use crate::lang::nft::print::{Printer, log_level, object_kind};
use crate::model::Family;
use crate::model::expression::DynsetOp;
use crate::model::xtables::ExtensionKind;

impl Reader<'_> {
    /// What one statement says.
    pub(super) fn steps(&self, stmt: &Stmt, out: &mut Vec<Step>) {
        let mut presupposed = Vec::new();
        let effect = match stmt {
            Stmt::Match(Expr {
                kind: Kind::Map { key, mappings },
                ..
            }) => {
                self.presupposed(bare(key), false, &mut presupposed);
                self.verdict_map(key, mappings)
            }
            Stmt::Match(expr) => {
                out.extend(self.condition(expr).into_iter().map(Step::Condition));
                return;
            }
            Stmt::Verdict(expr) => {
                self.presupposed(expr, false, &mut presupposed);
                self.verdict(expr)
            }
            Stmt::Chain { goto, chain } => self.own_chain(*goto, chain),
            Stmt::Counter(_) => Effect::new("count", ""),
            Stmt::Last { .. } => Effect::new("note when", "were last seen"),
            Stmt::Log(log) => self.log(log),
            Stmt::Limit(limit) => return out.push(as_long(limit_words(limit))),
            Stmt::Quota(quota) => return out.push(as_long(quota_words(quota))),
            Stmt::Connlimit { count, flags } => {
                return out.push(as_long(connection_words(*count, *flags)));
            }
            Stmt::Objref { kind, expr } => {
                self.presupposed(bare(expr), false, &mut presupposed);
                match self.object(*kind, expr) {
                    Step::Effect(effect) => effect,
                    limit => {
                        out.extend(presupposed.into_iter().map(Step::Condition));
                        return out.push(limit);
                    }
                }
            }
            Stmt::Set(set) => {
                self.presupposed(bare(&set.key), false, &mut presupposed);
                out.extend(presupposed.into_iter().map(Step::Condition));
                return self.set_statement(set, out);
            }
            Stmt::Meter {
                set,
                key,
                stmt,
                size: _,
            } => {
                self.presupposed(bare(key), false, &mut presupposed);
                out.extend(presupposed.into_iter().map(Step::Condition));
                let key = self.the_noun(key);
                return self.each(
                    &key,
                    &set.set.name,
                    std::slice::from_ref(stmt.as_ref()),
                    out,
                );
            }
            Stmt::Queue { expr, flags } => self.queue(expr, *flags),
            Stmt::Reject(reject) => {
                if let (0, Some(family)) = (reject.kind, family_word(reject.family)) {
                    self.network(&family, &mut presupposed);
                }
                if reject.kind == 1 {
                    presupposed.push(Condition::Transport("TCP".to_owned()));
                }
                self.reject(reject)
            }
            Stmt::Nat(nat) => {
                if let Some(family) = family_word(nat.family) {
                    self.network(&family, &mut presupposed);
                }
                for part in [&nat.addr, &nat.proto].into_iter().flatten() {
                    self.presupposed(bare(part), false, &mut presupposed);
                }
                self.nat(nat)
            }
            Stmt::Dup {
                to: Some(to),
                dev: None,
            } if self.view.family() == Family::Netdev => {
                let device = self.the_noun(to);
                Effect::new("send a copy of", format!("out by device {device}"))
            }
            Stmt::Dup { to, dev } => match (to, dev) {
                (Some(to), Some(dev)) => Effect::new(
                    "send a copy of",
                    format!("to {} by device {}", self.the_noun(to), self.the_noun(dev)),
                ),
                (Some(to), None) => {
                    Effect::new("send a copy of", format!("to {}", self.the_noun(to)))
                }
                (None, _) => Effect::new("send a copy of", "to an unknown place"),
            },
            Stmt::Fwd { dev, addr, family } => {
                if let Some(family) = family_word(*family) {
                    self.network(&family, &mut presupposed);
                }
                let to = match addr {
                    Some(addr) => format!(" to the neighbour {}", self.the_noun(addr)),
                    None => String::new(),
                };
                let device = self.the_noun(dev);
                Effect::new("send", format!("straight out by device {device}{to}"))
            }
            Stmt::OptStrip(expr) => {
                self.presupposed(expr, false, &mut presupposed);
                Effect::new(format!("strip {} from", self.the_noun(expr)), String::new())
            }
            Stmt::Tproxy {
                family, addr, port, ..
            } => {
                if let Some(family) = family_word(*family) {
                    self.network(&family, &mut presupposed);
                }
                let addr = addr
                    .as_ref()
                    .map(|addr| format!(" at {}", self.the_noun(addr)));
                let port = port.as_ref().filter(|port| !is_zero(port));
                let port = port.map(|port| format!(" on port {}", self.the_noun(port)));
                Effect::new(
                    "hand",
                    format!(
                        "to the local socket{}{} (transparent proxy)",
                        addr.unwrap_or_default(),
                        port.unwrap_or_default()
                    ),
                )
            }
            Stmt::Synproxy(_) => {
                let mut printer = Printer::new(self.names, self.view, true);
                printer.stmt(stmt);
                let options = printer.out.trim_start_matches("synproxy").trim().to_owned();
                let options = match options.is_empty() {
                    true => String::new(),
                    false => format!(" ({options})"),
                };
                Effect::new(
                    "answer for",
                    format!("as a SYN proxy{options}, until the handshake is complete"),
                )
            }
            Stmt::Payload { expr, value } | Stmt::Exthdr { expr, value } => {
                self.presupposed(expr, false, &mut presupposed);
                self.presupposed(bare(value), false, &mut presupposed);
                self.setting(&self.noun(expr), value)
            }
            Stmt::Meta { key, expr } => {
                self.presupposed(bare(expr), false, &mut presupposed);
                self.meta_setting(*key, expr)
            }
            Stmt::Ct {
                key,
                direction,
                expr,
            } => {
                self.presupposed(bare(expr), false, &mut presupposed);
                self.ct_setting(*key, *direction, expr)
            }
            Stmt::Notrack => Effect::new("exempt", "from connection tracking"),
            Stmt::FlowOffload(name) => Effect::new(
                "let",
                format!("take the short way of the flowtable {name} from now on"),
            ),
            Stmt::Xt {
                kind, extension, ..
            } => {
                let of = match kind {
                    XtKind::Match => ExtensionKind::Match,
                    XtKind::Target | XtKind::Watcher => ExtensionKind::Target,
                };
                let said = Said::read(of, self.view.family(), self.names, extension);
                match (kind, said) {
                    (XtKind::Match, Some(said)) => {
                        return out.extend(said.condition().map(Step::Condition));
                    }
                    (_, Some(said)) => {
                        out.extend(presupposed.into_iter().map(Step::Condition));
                        return out.push(Step::Effect(said.effect()));
                    }
                    (_, None) => {}
                }
                let what = format!(
                    "'{}' (revision {}), whose {} bytes of settings are not read here",
                    extension.name,
                    extension.revision,
                    extension.info.len()
                );
                match kind {
                    XtKind::Match => {
                        let words = format!("fit the iptables match {what}");
                        return out.push(Step::Condition(Condition::That(words)));
                    }
                    XtKind::Target => Effect::new("hand", format!("to the iptables target {what}")),
                    XtKind::Watcher => {
                        Effect::new("show", format!("to the ebtables watcher {what}"))
                    }
                }
            }
            Stmt::Unknown(unknown) => {
                return out.push(as_long(format!(
                    "subject to something that hookscope does not understand ('{}': {})",
                    unknown.name, unknown.why
                )));
            }
        };
        out.extend(presupposed.into_iter().map(Step::Condition));
        out.push(Step::Effect(effect));
    }

    fn log(&self, log: &Log) -> Effect {
        const WARNING: u32 = 4;
        let mut words = Vec::new();
        if let Some(prefix) = &log.prefix {
            words.push(format!("with the prefix \"{prefix}\""));
        }
        if let Some(group) = log.group {
            words.push(format!("to the listeners of group {group}"));
        }
        if let Some(length) = log.snaplen.filter(|&length| length != 0) {
            words.push(format!("(the first {length} bytes of each)"));
        }
        if let Some(count) = log.qthreshold.filter(|&count| count != 0) {
            words.push(format!("in batches of {count}"));
        }
        if let Some(level) = log.level.filter(|level| *level != WARNING) {
            words.push(format!("at level {}", log_level(level)));
        }
        let details: Vec<String> = [
            (1, "TCP sequence numbers"),
            (2, "TCP options"),
            (4, "IP options"),
            (8, "the owner of the socket"),
            (0x20, "the link layer header"),
        ]
        .iter()
        .filter(|(flag, _)| log.flags & flag != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
        if !details.is_empty() {
            words.push(format!("with {}", either(&details, "and")));
        }
        Effect::new("log", words.join(" "))
    }

    fn object(&self, kind: u32, expr: &Expr) -> Step {
        const COUNTER: u32 = 1;
        const QUOTA: u32 = 2;
        const LIMIT: u32 = 4;
        const CONNLIMIT: u32 = 5;
        let name = match &bare(expr).kind {
            Kind::Map { key, mappings } => match &mappings.kind {
                Kind::SetRef(reference) if reference.elements.is_none() => format!(
                    "that {} names for {}",
                    self.set_name(reference),
                    self.the_noun(key)
                ),
                _ => self.noun(expr),
            },
            _ => self.plain(expr),
        };
        Step::Effect(match kind {
            COUNTER => Effect::new("count", format!("in the counter {name}")),
            QUOTA => return as_long(format!("as far as the quota {name} lets them pass")),
            LIMIT => return as_long(format!("as far as the limit {name} lets them pass")),
            CONNLIMIT => {
                return as_long(format!(
                    "as far as the connection limit {name} lets them pass"
                ));
            }
            3 => Effect::new(
                "let",
                format!("have their connections followed by the helper {name}"),
            ),
            7 => Effect::new("give", format!("the connection timeouts {name}")),
            8 => Effect::new("give", format!("the security mark {name}")),
            9 => Effect::new(
                "expect a further connection after",
                format!("as {name} says"),
            ),
            6 => Effect::new("give", format!("the tunnel settings {name}")),
            10 => Effect::new("answer for", format!("by the SYN proxy {name}")),
            other => Effect::new(
                "apply to",
                format!("the {} object {name} of kind {other}", object_kind(other)),
            ),
        })
    }

    fn set_statement(&self, set: &SetStmt, out: &mut Vec<Step>) {
        let name = self.set_name(&set.set);
        let (timeout, key) = match &set.key.kind {
            Kind::SetElem(element) => (element.timeout, &element.key),
            _ => (0, &set.key),
        };
        let mut what = self.the_noun(key);
        if let Some(data) = &set.data {
            what.push_str(&format!(" with {} as its value", self.the_noun(data)));
        }
        let time = match timeout {
            0 => String::new(),
            timeout => format!(" for {}", duration(timeout)),
        };
        let effect = match set.op {
            DynsetOp::Add => Effect::new(
                format!("add {what} of"),
                format!("to {name}{time}, unless it is there"),
            ),
            DynsetOp::Update => Effect::new(
                format!("put {what} of"),
                format!("into {name}{time}, anew if it is there"),
            ),
            DynsetOp::Delete => Effect::new(format!("delete {what} of"), format!("from {name}")),
        };
        out.push(Step::Effect(effect));
        self.each(&self.the_noun(key), &set.set.set.name, &set.stmts, out);
    }

    /// Statements that each entry of a set has for itself.
    fn each(&self, key: &str, set: &str, stmts: &[Stmt], out: &mut Vec<Step>) {
        for stmt in stmts {
            let words = match stmt {
                Stmt::Counter(_) => {
                    out.push(Step::Effect(Effect::new(
                        "count",
                        format!("for {key} by itself in {set}"),
                    )));
                    continue;
                }
                Stmt::Limit(limit) => limit_words(limit),
                Stmt::Quota(quota) => quota_words(quota),
                Stmt::Connlimit { count, flags } => connection_words(*count, *flags),
                other => {
                    let mut inner = Vec::new();
                    self.steps(other, &mut inner);
                    out.extend(inner);
                    continue;
                }
            };
            out.push(as_long(format!(
                "{words}, counted for {key} by itself in {set}"
            )));
        }
    }

    fn queue(&self, expr: &Expr, flags: u16) -> Effect {
        let expr = bare(expr);
        let mut words = match &expr.kind {
            Kind::Range(..) => format!(
                "to a program in user space on the queues {}",
                self.value(expr)
            ),
            Kind::Value(_) => format!("to a program in user space on queue {}", self.value(expr)),
            _ => format!(
                "to a program in user space on the queue that is {}",
                self.the_noun(expr)
            ),
        };
        if flags & 2 != 0 {
            words.push_str(", spread over them by CPU");
        }
        if flags & 1 != 0 {
            words.push_str(", and accept them when none listens");
        }
        Effect::new("hand", words)
    }

    fn reject(&self, reject: &Reject) -> Effect {
        let answer = match reject.kind {
            1 => "a TCP reset".to_owned(),
            2 => format!(
                "the ICMP error {}",
                self.plain(&reject.expr).replace('-', " ")
            ),
            0 => {
                let version = if reject.family == 10 {
                    "ICMPv6"
                } else {
                    "ICMP"
                };
                let code = self.plain(&reject.expr).replace('-', " ");
                format!("the {version} error {code}")
            }
            other => format!("an answer of the unknown kind {other}"),
        };
        Effect::new("refuse", format!("with {answer}"))
    }

    fn setting(&self, noun: &str, value: &Expr) -> Effect {
        let value = bare(value);
        let text = match &value.kind {
            Kind::List(_) => either(&self.flags(value), "and"),
            _ => self.the_noun(value),
        };
        Effect::new(format!("set the {noun} of"), format!("to {text}"))
    }

    fn ct_setting(&self, key: u32, direction: Option<u8>, expr: &Expr) -> Effect {
        const LABEL: u32 = 13;
        let value = bare(expr);
        let constant = matches!(value.kind, Kind::Value(_) | Kind::List(_));
        match key {
            LABEL if constant => Effect::new(
                format!("add the label {} to the connections of", self.value(value)),
                "",
            ),
            keys::ct::EVENTMASK if constant => {
                let events = either(&self.flags(value), "and");
                Effect::new(
                    format!("report only the events {events} of the connections of"),
                    "",
                )
            }
            _ => match Expr::ct(key, direction) {
                Some(ct) => self.setting(&self.noun(&ct), expr),
                None => self.setting("unknown connection property", expr),
            },
        }
    }

    fn meta_setting(&self, key: u32, expr: &Expr) -> Effect {
        const NFTRACE: u32 = 12;
        const BROUTE: [u32; 2] = [35, 36];
        let one = bare(expr).as_value().is_some_and(|value| !value.is_zero());
        if key == NFTRACE && one {
            return Effect::new("trace", "on their way through the rules");
        }
        if BROUTE.contains(&key) && one {
            return Effect::new("route", "instead of bridging them");
        }
        match Expr::meta(key) {
            Some(meta) => self.setting(&self.noun(&meta), expr),
            None => self.setting("unknown property", expr),
        }
    }
}

/// A map of verdicts, which may end the rule.
pub(super) fn decides(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Match(expr) | Stmt::Verdict(expr) if matches!(expr.kind, Kind::Map { .. }))
}

fn as_long(words: String) -> Step {
    Step::Condition(Condition::AsLong(words))
}

fn is_zero(expr: &Expr) -> bool {
    expr.as_value().is_some_and(|value| value.is_zero())
}
