//! Constants in words: ports with their services, protocols by the names people use, flags one by one.

use super::Reader;
use super::services::service;
use crate::lang::nft::ast::{Expr, Kind, SetRef, Stmt};
use crate::lang::nft::datatype::{self as types};
use crate::lang::nft::number;
use crate::lang::nft::print::Printer;
use crate::model::{Elements, set::flags};

/// So many elements of a set are named, before "or one of N more".
const NAMED: usize = 8;

/// Intervals of larger sets are not put together to be counted.
const COUNTED: usize = 1024;

impl Reader<'_> {
    /// As nft writes it, without quotes.
    pub(super) fn plain(&self, expr: &Expr) -> String {
        let mut printer = Printer::new(self.names, self.view, true);
        printer.expr(expr);
        printer.out.replace('"', "")
    }

    /// A constant, or a part of a set.
    pub(super) fn value(&self, expr: &Expr) -> String {
        match &expr.kind {
            Kind::Value(value) => {
                let number = number::low64(*value);
                if expr.dtype.is(&types::INET_SERVICE) {
                    let port = u16::try_from(number).unwrap_or_default();
                    return match service(port) {
                        Some(name) => format!("{number} ({name})"),
                        None => number.to_string(),
                    };
                }
                if expr.dtype.is(&types::INET_PROTOCOL) {
                    return protocol_name(&self.plain(expr));
                }
                if expr.dtype.is(&types::ETHERTYPE) || expr.dtype.is(&types::NFPROTO) {
                    return network_name(&self.plain(expr));
                }
                if [
                    &types::ICMP_TYPE,
                    &types::ICMP6_TYPE,
                    &types::ICMP_CODE,
                    &types::ICMPV6_CODE,
                    &types::ICMPX_CODE,
                ]
                .into_iter()
                .any(|kind| expr.dtype.is(kind))
                {
                    return self.plain(expr).replace('-', " ");
                }
                if expr.dtype.is(&types::MARK) {
                    let text = self.plain(expr);
                    // nft pads marks to eight digits.
                    return match text.strip_prefix("0x") {
                        Some(_) => format!("{number:#x}"),
                        None => text,
                    };
                }
                self.plain(expr)
            }
            Kind::Range(left, right) => {
                // Between two names there is no order that people know, but for days.
                let part = |part: &Expr| {
                    let named = part.dtype.basic().is_some_and(|kind| {
                        kind.is(&types::INET_SERVICE)
                            || kind.is(&types::INET_PROTOCOL)
                            || (!kind.symbols.is_empty() && !kind.is(&types::DAY))
                    });
                    match part.as_value().filter(|_| named) {
                        Some(value) => value.to_string(),
                        None => self.value(part),
                    }
                };
                format!("{} to {}", part(left), part(right))
            }
            Kind::Concat(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.value(part)).collect();
                format!("({})", parts.join(", "))
            }
            Kind::SetElem(element) => {
                let text = self.value(&element.key);
                let own: Vec<&str> = element.stmts.iter().filter_map(own_state).collect();
                match own.is_empty() {
                    true => text,
                    false => format!("{text} (with its own {})", own.join(" and ")),
                }
            }
            Kind::CatchAll => "anything else".to_owned(),
            Kind::Binop { .. } if expr.dtype.is_bitmask() => self.flags(expr).join(" and "),
            Kind::Verdict(_) | Kind::Text(_) | Kind::Prefix(..) => self.plain(expr),
            Kind::List(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.value(part)).collect();
                either(&parts, "and")
            }
            Kind::Payload(_)
            | Kind::Exthdr(_)
            | Kind::Meta { .. }
            | Kind::Ct { .. }
            | Kind::Rt { .. }
            | Kind::Socket { .. }
            | Kind::Osf { .. }
            | Kind::Fib { .. }
            | Kind::Hash(_)
            | Kind::Numgen { .. }
            | Kind::Xfrm { .. }
            | Kind::Tunnel { .. }
            | Kind::Inner { .. }
            | Kind::Unary { .. }
            | Kind::Binop { .. }
            | Kind::Map { .. } => self.noun(expr),
            _ => self.plain(expr),
        }
    }

    /// The flags of a bit mask, one by one.
    pub(super) fn flags(&self, expr: &Expr) -> Vec<String> {
        let list = expr.clone().bitmask_to_flags().or_to_list();
        match &list.kind {
            Kind::List(parts) => parts.iter().flat_map(|part| self.flags(part)).collect(),
            _ if list.as_value().is_some_and(|value| value.is_zero()) => Vec::new(),
            _ => vec![self.plain(&list)],
        }
    }

    /// `A, B or C`; long lists are cut.
    pub(super) fn elements(&self, elements: &[Expr], word: &str) -> String {
        let named = match elements.len() {
            // One more takes no more room than saying so.
            len if len <= NAMED + 1 => len,
            _ => NAMED,
        };
        let mut texts: Vec<String> = elements
            .iter()
            .take(named)
            .map(|element| self.value(element))
            .collect();
        if elements.len() > named {
            texts.push(format!("one of {} more", elements.len() - named));
        }
        either(&texts, word)
    }

    /// `the set web (12 entries)`
    pub(super) fn set_name(&self, reference: &SetRef) -> String {
        let set = &reference.set;
        let word = if set.is_map() { "map" } else { "set" };
        match self.set_size(reference) {
            Some((1, true)) => format!("the {word} {} (1 entry)", set.name),
            Some((size, true)) => format!("the {word} {} ({size} entries)", set.name),
            Some((size, false)) => format!("the {word} {} (about {size} entries)", set.name),
            None => format!("the {word} {}", set.name),
        }
    }

    /// How many entries a set has, and whether that is exact.
    fn set_size(&self, reference: &SetRef) -> Option<(usize, bool)> {
        let set = self.view.set(&reference.set.name)?;
        // The kernel keeps plain intervals as two elements, the beginning and the end.
        let halves = set.has(flags::INTERVAL) && !set.has(flags::CONCAT);
        match &set.elements {
            Elements::Read(list) if !halves => Some((list.len(), true)),
            Elements::Read(list) if list.len() <= COUNTED => {
                let elements = crate::lang::nft::facts::elements(self.view, set, list);
                Some((elements.len(), true))
            }
            Elements::Read(list) => Some((list.len() / 2, false)),
            Elements::NotRead => {
                let count = usize::try_from(set.count?).ok()?;
                Some(if halves {
                    (count / 2, false)
                } else {
                    (count, true)
                })
            }
        }
    }
}

/// What an element of a set carries.
fn own_state(stmt: &Stmt) -> Option<&'static str> {
    Some(match stmt {
        Stmt::Counter(_) => "counter",
        Stmt::Limit(_) => "rate limit",
        Stmt::Quota(_) => "quota",
        Stmt::Connlimit { .. } => "limit of connections",
        Stmt::Last { .. } => "time of last use",
        _ => "state",
    })
}

/// `A`, `A or B`, `A, B or C`
pub(super) fn either(texts: &[String], word: &str) -> String {
    match texts {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// A protocol of the transport layer as people write it.
pub(super) fn protocol_name(name: &str) -> String {
    match name {
        "tcp" | "udp" | "sctp" | "dccp" | "icmp" | "igmp" | "gre" | "esp" | "ah" | "ospf"
        | "vrrp" => name.to_uppercase(),
        "ipv6-icmp" | "icmpv6" => "ICMPv6".to_owned(),
        "udplite" => "UDP-Lite".to_owned(),
        "ipv6" => "IPv6-in-IP".to_owned(),
        "ipencap" => "IP-in-IP".to_owned(),
        "comp" | "ipcomp" => "IPComp".to_owned(),
        other if other.starts_with(|c: char| c.is_ascii_digit()) => format!("protocol {other}"),
        other => other.to_owned(),
    }
}

/// A protocol of the network layer as people write it.
pub(super) fn network_name(name: &str) -> String {
    match name {
        "ip" | "ipv4" => "IPv4".to_owned(),
        "ip6" | "ipv6" => "IPv6".to_owned(),
        "arp" => "ARP".to_owned(),
        "vlan" | "8021q" => "VLAN".to_owned(),
        "8021ad" => "802.1ad VLAN".to_owned(),
        "ether" => "Ethernet".to_owned(),
        other => other.to_owned(),
    }
}
