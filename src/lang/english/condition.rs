//! Matches in words.

use super::Reader;
use super::selector::{bare, fib_inputs, field, is_port};
use super::sentence::Condition;
use super::value::{either, network_name, protocol_name};
use crate::lang::nft::ast::{Expr, ExthdrOp, Kind, Op, Payload, SetRef};
use crate::lang::nft::datatype as types;
use crate::lang::nft::keys;
use crate::model::Family;

/// How a selector is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Is,
    IsNot,
    /// The word of a comparison: "below".
    Order(&'static str),
}

pub(super) fn sense(op: Op) -> Sense {
    match op {
        Op::Neq | Op::Neg => Sense::IsNot,
        Op::Lt => Sense::Order("below"),
        Op::Gt => Sense::Order("above"),
        Op::Lte => Sense::Order("at most"),
        Op::Gte => Sense::Order("at least"),
        _ => Sense::Is,
    }
}

/// `ct state` and `meta` keys by their numbers.
const CT_STATE: u32 = 0;

impl Reader<'_> {
    /// What a match says, with the protocols that it presupposes.
    pub(super) fn condition(&self, expr: &Expr) -> Vec<Condition> {
        let mut conditions = Vec::new();
        match &expr.kind {
            Kind::Relational { op, left, right } => {
                let left = bare(left);
                self.presupposed(left, is_address(right), &mut conditions);
                conditions.push(self.relational(*op, left, right));
            }
            Kind::FlagCmp {
                op,
                expr,
                mask,
                value,
            } => {
                let left = bare(expr);
                self.presupposed(left, false, &mut conditions);
                conditions.push(self.flag_comparison(*op, left, mask, value));
            }
            _ => conditions.push(Condition::That(format!("fit '{}'", self.plain(expr)))),
        }
        conditions
    }

    /// The protocols without which a selector could not be read: nft does not write the matches on them.
    pub(super) fn presupposed(&self, expr: &Expr, telling: bool, out: &mut Vec<Condition>) {
        match &expr.kind {
            Kind::Payload(payload) => self.protocol_of(payload, telling, out),
            Kind::Exthdr(header) => match header.op {
                ExthdrOp::TcpOption => out.push(Condition::Transport("TCP".to_owned())),
                ExthdrOp::SctpChunk => out.push(Condition::Transport("SCTP".to_owned())),
                ExthdrOp::DccpOption => out.push(Condition::Transport("DCCP".to_owned())),
                ExthdrOp::Ipv4Option => self.network("IPv4", out),
                ExthdrOp::Ipv6 => self.network("IPv6", out),
                ExthdrOp::Unknown(_) => {}
            },
            Kind::Concat(parts) => {
                for part in parts {
                    self.presupposed(bare(part), telling, out);
                }
            }
            Kind::Binop { left, right, .. } => {
                self.presupposed(bare(left), false, out);
                self.presupposed(bare(right), false, out);
            }
            Kind::Unary { arg, .. } => self.presupposed(arg, false, out),
            Kind::Map { key, .. } => self.presupposed(bare(key), false, out),
            Kind::SetElem(element) => self.presupposed(bare(&element.key), false, out),
            Kind::Hash(hash) => {
                if let Some(expr) = &hash.expr {
                    self.presupposed(bare(expr), false, out);
                }
            }
            _ => {}
        }
    }

    fn protocol_of(&self, payload: &Payload, telling: bool, out: &mut Vec<Condition>) {
        if field(payload).is_none() {
            return;
        }
        match payload.protocol.name {
            "ip" if !telling => self.network("IPv4", out),
            "ip6" if !telling => self.network("IPv6", out),
            "arp" => self.network("ARP", out),
            "vlan" => out.push(Condition::Network("VLAN-tagged".to_owned())),
            "ip" | "ip6" | "ether" | "th" => {}
            other => out.push(Condition::Transport(protocol_name(other))),
        }
    }

    /// A network protocol, where the table's family does not say it already.
    pub(super) fn network(&self, name: &str, out: &mut Vec<Condition>) {
        let own = match self.view.family() {
            Family::Ip => "IPv4",
            Family::Ip6 => "IPv6",
            Family::Arp => "ARP",
            _ => "",
        };
        if own != name {
            out.push(Condition::Network(name.to_owned()));
        }
    }

    fn relational(&self, op: Op, left: &Expr, right: &Expr) -> Condition {
        if right.dtype.is(&types::BOOLEAN)
            && let Some(condition) = self.existence(op, left, right)
        {
            return condition;
        }
        match &left.kind {
            Kind::Ct {
                key: CT_STATE,
                direction: None,
                ..
            } => return self.ct_state(op, right),
            Kind::Meta { key } => {
                if let Some(condition) = self.meta(*key, op, right) {
                    return condition;
                }
            }
            Kind::Payload(payload) => {
                if let Some(condition) = self.payload(payload, op, right) {
                    return condition;
                }
            }
            Kind::Concat(_) => return self.concatenation(op, left, right),
            _ => {}
        }
        if is_bitmask(left) {
            return self.bits(op, left, right);
        }
        let noun = self.noun(left);
        Condition::Whose(format!("{noun} {}", self.comparison(op, right)))
    }

    /// `is 5`, `is not in the set web (3 entries)`, `is below 1000`
    pub(super) fn comparison(&self, op: Op, right: &Expr) -> String {
        let right = bare(right);
        let sense = sense(op);
        if let Sense::Order(word) = sense {
            return format!("is {word} {}", self.operand(right));
        }
        let is = sense == Sense::Is;
        match &right.kind {
            Kind::SetRef(reference) => match self.literal(reference) {
                Some([one]) => self.comparison(op, key_of(one)),
                Some(elements) if is => format!("is {}", self.elements(elements, "or")),
                Some(elements) => format!("is none of {}", self.elements(elements, "and")),
                None => {
                    let not = if is { "" } else { "not " };
                    format!("is {not}in {}", self.set_name(reference))
                }
            },
            Kind::Range(..) if is => format!("is from {}", self.value(right)),
            Kind::Range(..) => format!("is outside {}", self.value(right)),
            Kind::Prefix(..) if is => format!("is in {}", self.value(right)),
            Kind::Prefix(..) => format!("is not in {}", self.value(right)),
            _ if is => format!("is {}", self.operand(right)),
            _ => format!("is not {}", self.operand(right)),
        }
    }

    /// The other side of a comparison.
    fn operand(&self, right: &Expr) -> String {
        match &right.kind {
            Kind::Value(_) | Kind::Text(_) | Kind::List(_) | Kind::Concat(_) => self.value(right),
            _ => self.the_noun(right),
        }
    }

    /// The elements of an anonymous set.
    pub(super) fn literal<'e>(&self, reference: &'e SetRef) -> Option<&'e [Expr]> {
        reference.elements.as_deref()
    }

    /// Fields that have a preposition of their own.
    fn payload(&self, payload: &Payload, op: Op, right: &Expr) -> Option<Condition> {
        let token = field(payload)?;
        Some(match (payload.protocol.name, token) {
            ("ip" | "ip6", "saddr") => self.place("from", "address", false, op, right),
            ("ip" | "ip6", "daddr") => self.place("to", "address", false, op, right),
            ("ether", "saddr") => self.place("from", "hardware address", true, op, right),
            ("ether", "daddr") => self.place("to", "hardware address", true, op, right),
            _ if is_port(payload, "sport") => self.place("from", "port", true, op, right),
            _ if is_port(payload, "dport") => self.place("to", "port", true, op, right),
            ("ip", "protocol") => return self.protocol(op, right, Condition::Transport),
            ("ether" | "vlan", "type") => return self.protocol(op, right, Condition::Network),
            ("tcp", "flags") => self.tcp_flags(op, right),
            _ => return None,
        })
    }

    /// `from 10.0.0.0/8`, `to port 22 (ssh) or 80 (http)`, `arriving on a device other than lo`. With `named`
    /// the word stands before values.
    fn place(&self, preposition: &str, word: &str, named: bool, op: Op, right: &Expr) -> Condition {
        let right = bare(right);
        let article = if word.starts_with(['a', 'e', 'i', 'o']) {
            "an"
        } else {
            "a"
        };
        let before = match named {
            true => format!("{preposition} {word} "),
            false => format!("{preposition} "),
        };
        let some = format!("{preposition} {article} {word}");
        Condition::After(match sense(op) {
            Sense::Order(order) => format!("{some} {order} {}", self.operand(right)),
            Sense::Is => match &right.kind {
                Kind::SetRef(reference) => match self.literal(reference) {
                    Some([one]) => return self.place(preposition, word, named, op, key_of(one)),
                    Some(elements) => format!("{before}{}", self.elements(elements, "or")),
                    None => format!("{some} in {}", self.set_name(reference)),
                },
                Kind::Range(..) => format!("{some} from {}", self.value(right)),
                Kind::Value(_) | Kind::Prefix(..) | Kind::Text(_) => {
                    format!("{before}{}", self.value(right))
                }
                _ => format!("{some} that is {}", self.operand(right)),
            },
            Sense::IsNot => match &right.kind {
                Kind::SetRef(reference) => match self.literal(reference) {
                    Some([one]) => return self.place(preposition, word, named, op, key_of(one)),
                    Some(elements) => {
                        format!("{some} other than {}", self.elements(elements, "and"))
                    }
                    None => format!("{some} that is not in {}", self.set_name(reference)),
                },
                Kind::Range(..) => format!("{some} outside {}", self.value(right)),
                Kind::Prefix(..) => format!("{some} outside {}", self.value(right)),
                _ => format!("{some} other than {}", self.operand(right)),
            },
        })
    }

    fn meta(&self, key: u32, op: Op, right: &Expr) -> Option<Condition> {
        let token = keys::get(&keys::META, key)?.token;
        Some(match token {
            "iif" | "iifname" => self.place("arriving on", "device", false, op, right),
            "oif" | "oifname" => self.place("leaving by", "device", false, op, right),
            "iifgroup" => self.place("arriving on", "device of group", true, op, right),
            "oifgroup" => self.place("leaving by", "device of group", true, op, right),
            "l4proto" => return self.protocol(op, right, Condition::Transport),
            "protocol" | "nfproto" => return self.protocol(op, right, Condition::Network),
            "pkttype" => {
                let value = bare(right).as_value()?;
                let not = if sense(op) == Sense::IsNot {
                    " not"
                } else {
                    ""
                };
                let words = match crate::lang::nft::number::low64(value) {
                    0 => "addressed to this machine",
                    1 => "broadcast",
                    2 => "multicast",
                    3 => "addressed to another machine",
                    _ => return None,
                };
                Condition::That(format!("are{not} {words}"))
            }
            _ => return None,
        })
    }

    /// A protocol as an adjective: `TCP or UDP packets`.
    fn protocol(
        &self,
        op: Op,
        right: &Expr,
        adjective: fn(String) -> Condition,
    ) -> Option<Condition> {
        let right = bare(right);
        let text = match &right.kind {
            Kind::Value(_) => self.value(right),
            Kind::SetRef(reference) => {
                let elements = self.literal(reference)?;
                let plain = |one: &Expr| key_of(one).is_value();
                const MOST: usize = 6;
                if elements.len() > MOST || !elements.iter().all(plain) {
                    return None;
                }
                self.elements(elements, "or")
            }
            _ => return None,
        };
        match sense(op) {
            Sense::Is => Some(adjective(text)),
            Sense::IsNot => Some(Condition::That(format!(
                "are of a protocol other than {text}"
            ))),
            Sense::Order(_) => None,
        }
    }

    fn ct_state(&self, op: Op, right: &Expr) -> Condition {
        let flags = match &right.kind {
            Kind::SetRef(reference) => match self.literal(reference) {
                Some(elements) => {
                    let keys = elements.iter().map(key_of);
                    keys.map(|key| self.flags(key).join(" and ")).collect()
                }
                None => {
                    let text = format!("connection state {}", self.comparison(op, right));
                    return Condition::Whose(text);
                }
            },
            _ => self.flags(right),
        };
        let texts: Vec<&str> = flags.iter().map(String::as_str).collect();
        if sense(op) == Sense::IsNot {
            return Condition::Whose(match texts.as_slice() {
                [one] => format!("connection state is not {one}"),
                _ => format!("connection state is none of {}", either(&flags, "and")),
            });
        }
        Condition::That(
            match texts.as_slice() {
                ["new"] => "start a new connection",
                ["established"] => "belong to an established connection",
                ["related"] => "start a connection related to an established one",
                ["invalid"] => "fit no known connection (invalid)",
                ["untracked"] => "are exempt from connection tracking",
                ["established", "related"] | ["related", "established"] => {
                    "belong to an established connection or start a related one"
                }
                _ => {
                    let list = either(&flags, "or");
                    return Condition::Whose(format!("connection state is {list}"));
                }
            }
            .to_owned(),
        )
    }

    /// Presence and absence.
    fn existence(&self, op: Op, left: &Expr, right: &Expr) -> Option<Condition> {
        let value = bare(right).as_value()?;
        let mut there = !value.is_zero();
        match sense(op) {
            Sense::Is => {}
            Sense::IsNot => there = !there,
            Sense::Order(_) => return None,
        }
        Some(match &left.kind {
            Kind::Exthdr(header) if header.present => {
                let with = if there { "with" } else { "without" };
                Condition::After(format!("{with} the {}", self.noun(left)))
            }
            Kind::Fib { flags, .. } => {
                let a = if there { "a" } else { "no" };
                let inputs = fib_inputs(*flags);
                Condition::After(format!(
                    "for whose {inputs} the routing tables have {a} route"
                ))
            }
            Kind::Meta { key } if keys::get(&keys::META, *key)?.token == "ipsec" => {
                let not = if there { "came" } else { "did not come" };
                Condition::That(format!("{not} protected by IPsec"))
            }
            Kind::Rt { key } if keys::get(&keys::RT, *key)?.token == "ipsec" => {
                let not = if there { "will" } else { "will not" };
                Condition::That(format!("{not} be protected by IPsec"))
            }
            Kind::Tunnel { .. } => {
                let not = if there { "came" } else { "did not come" };
                Condition::That(format!("{not} through a tunnel"))
            }
            _ => return None,
        })
    }

    fn concatenation(&self, op: Op, left: &Expr, right: &Expr) -> Condition {
        let noun = self.noun(left);
        let right = bare(right);
        let is = sense(op) == Sense::Is;
        Condition::Whose(match &right.kind {
            Kind::SetRef(reference) => match (self.literal(reference), is) {
                (Some(elements), true) => {
                    format!("{noun} are {}", self.elements(elements, "or"))
                }
                (Some(elements), false) => {
                    format!("{noun} are none of {}", self.elements(elements, "and"))
                }
                (None, _) => {
                    let not = if is { "" } else { "not " };
                    format!("{noun} together are {not}in {}", self.set_name(reference))
                }
            },
            _ => {
                let not = if is { "" } else { "not " };
                format!("{noun} are {not}{}", self.operand(right))
            }
        })
    }
}

fn is_bitmask(expr: &Expr) -> bool {
    expr.dtype.is_bitmask()
}

/// The key of a set's element.
pub(super) fn key_of(element: &Expr) -> &Expr {
    match &element.kind {
        Kind::SetElem(one) if one.stmts.is_empty() => &one.key,
        _ => element,
    }
}

/// The constant tells the network protocol by itself.
fn is_address(expr: &Expr) -> bool {
    let expr = bare(expr);
    let of_address = |expr: &Expr| expr.dtype.is(&types::IPADDR) || expr.dtype.is(&types::IP6ADDR);
    match &expr.kind {
        Kind::Value(_) => of_address(expr),
        Kind::Prefix(inner, _) => is_address(inner),
        Kind::Range(left, _) => is_address(left),
        Kind::SetElem(element) => is_address(&element.key),
        Kind::SetRef(reference) => reference
            .elements
            .as_ref()
            .is_some_and(|elements| elements.iter().all(is_address)),
        _ => false,
    }
}

/// A network protocol's name for a family number (`NFPROTO_*`).
pub(super) fn family_word(family: u8) -> Option<String> {
    match family {
        2 => Some(network_name("ip")),
        10 => Some(network_name("ip6")),
        _ => None,
    }
}
