//! The table that has the kernel trace packets: its text in the nft language, made of a filter in the words of
//! `hookscope trace`, and the commands that install it. Pure. May use `lang` and `model`.
//!
//! Its base chains stand before all others and mark packets; others stand behind all others and say with what
//! headers a packet came to the end of a hook, which no other event of the trace tells.

use super::packet::{
    IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, TCP_FLAGS, has_ports, protocol_name,
};
use crate::lang::nft::compile::{self, Nothing};
use crate::lang::nft::parse::{self, Options};
use crate::lang::nft::syntax::{Diagnostic, Source};
use crate::model::command::Command;
use crate::model::network::Prefix;
use crate::model::{Family, Name, Ruleset};
use std::fmt::Write;
use std::net::IpAddr;
use thiserror::Error;

/// What names of tables begin with that are there while somebody watches.
pub const WATCH: &str = "hookscope-watch-";

/// Before every chain that a person would make, and behind; the kernel itself uses the ends of the range.
const FIRST: i32 = -2_147_000_000;
const LAST: i32 = 2_147_000_000;

/// Names of the chains.
pub mod chain {
    pub const ARRIVED: &str = "arrived";
    pub const SENT: &str = "sent";
    pub const MARK: &str = "switch-on";
    pub const END_INPUT: &str = "end-input";
    pub const END_POSTROUTING: &str = "end-postrouting";
}

/// Which packets; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The device it arrives on. With it, packets that this machine sends are left out.
    pub iif: Option<String>,
    pub src: Option<Prefix>,
    pub dst: Option<Prefix>,
    pub proto: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
    pub tcp_flags: Option<u8>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub mark: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// The answers, too: source and destination exchanged.
    pub both_ways: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    #[error("--src {src} and --dst {dst} are of different families; give two of one")]
    Families { src: Prefix, dst: Prefix },
    #[error("--{option} makes no sense with protocol {proto}, which has no ports")]
    NoPorts { option: &'static str, proto: String },
    #[error("--{option} makes no sense with protocol {proto}")]
    Other { option: &'static str, proto: String },
    #[error("--{0} needs --proto; name the protocol")]
    NoProtocol(&'static str),
    #[error("--iif '{0}' is no name of a device")]
    Device(String),
    #[error("--uid and --gid are of sockets of this machine; leave --iif out")]
    OwnerOfArriving,
}

impl Filter {
    /// Hold the fields against each other.
    pub fn check(&self) -> Result<(), FilterError> {
        if let (Some(src), Some(dst)) = (self.src, self.dst)
            && src.address.is_ipv4() != dst.address.is_ipv4()
        {
            return Err(FilterError::Families { src, dst });
        }
        if let Some(name) = &self.iif {
            let odd = |c: char| c == '"' || c == '/' || c.is_whitespace() || c.is_control();
            if name.is_empty() || name.len() > 15 || name.contains(odd) {
                return Err(FilterError::Device(name.clone()));
            }
            if self.uid.is_some() || self.gid.is_some() {
                return Err(FilterError::OwnerOfArriving);
            }
        }
        let ports = [("sport", self.sport), ("dport", self.dport)];
        let port = ports.into_iter().find(|(_, port)| port.is_some());
        let icmp = [("icmp-type", self.icmp_type), ("icmp-code", self.icmp_code)];
        let icmp = icmp.into_iter().find(|(_, value)| value.is_some());
        let Some(proto) = self.proto else {
            return match (self.tcp_flags, icmp) {
                (Some(_), _) => Err(FilterError::NoProtocol("tcp-flags")),
                (_, Some((option, _))) => Err(FilterError::NoProtocol(option)),
                _ => Ok(()),
            };
        };
        let name = || protocol_name(proto);
        if let Some((option, _)) = port.filter(|_| !has_ports(proto)) {
            return Err(FilterError::NoPorts {
                option,
                proto: name(),
            });
        }
        let wrong = |option| FilterError::Other {
            option,
            proto: name(),
        };
        if self.tcp_flags.is_some() && proto != IPPROTO_TCP {
            return Err(wrong("tcp-flags"));
        }
        match icmp {
            Some((option, _)) if !matches!(proto, IPPROTO_ICMP | IPPROTO_ICMPV6) => {
                Err(wrong(option))
            }
            _ => Ok(()),
        }
    }

    fn turned(&self) -> Filter {
        Filter {
            src: self.dst,
            dst: self.src,
            sport: self.dport,
            dport: self.sport,
            ..self.clone()
        }
    }

    /// The filter as the conditions of rules; one rule for each direction.
    fn conditions(&self) -> Vec<String> {
        let one = self.condition();
        let other = self.turned().condition();
        if self.both_ways && one != other {
            vec![one, other]
        } else {
            vec![one]
        }
    }

    fn condition(&self) -> String {
        let mut out = String::new();
        if let Some(name) = &self.iif {
            let _ = write!(out, "iifname \"{name}\" ");
        }
        for (field, prefix) in [("saddr", self.src), ("daddr", self.dst)] {
            if let Some(prefix) = prefix {
                let family = match prefix.address {
                    IpAddr::V4(_) => "ip",
                    IpAddr::V6(_) => "ip6",
                };
                let _ = write!(out, "{family} {field} {} ", prefix.masked());
            }
        }
        let ports = self.sport.is_some() || self.dport.is_some();
        match self.proto {
            Some(proto) => {
                let _ = write!(out, "meta l4proto {proto} ");
            }
            None if ports => out.push_str("meta l4proto { 6, 17, 33, 132, 136 } "),
            None => {}
        }
        for (field, port) in [("sport", self.sport), ("dport", self.dport)] {
            if let Some(port) = port {
                let _ = write!(out, "th {field} {port} ");
            }
        }
        for (at, byte) in [
            (104, self.tcp_flags),
            (0, self.icmp_type),
            (8, self.icmp_code),
        ] {
            if let Some(byte) = byte {
                let _ = write!(out, "@th,{at},8 {byte} ");
            }
        }
        if let Some(mark) = self.mark {
            let _ = write!(out, "meta mark {mark} ");
        }
        out
    }

    fn owner(&self) -> String {
        let mut out = String::new();
        for (key, value) in [("skuid", self.uid), ("skgid", self.gid)] {
            if let Some(value) = value {
                let _ = write!(out, "meta {key} {value} ");
            }
        }
        out
    }

    /// The options that say the same; empty for every packet.
    pub fn options(&self) -> String {
        let mut out = Vec::new();
        let mut put = |name: &str, value: Option<String>| {
            out.extend(value.map(|value| format!("--{name} {value}")));
        };
        let prefix = |prefix: Prefix| {
            if prefix.is_host() {
                prefix.address.to_string()
            } else {
                prefix.to_string()
            }
        };
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        put("iif", self.iif.clone());
        put("src", self.src.map(prefix));
        put("dst", self.dst.map(prefix));
        put("proto", self.proto.map(protocol_name));
        put("sport", number(self.sport.map(Into::into)));
        put("dport", number(self.dport.map(Into::into)));
        put("tcp-flags", self.tcp_flags.map(super::observed::flags));
        put("icmp-type", number(self.icmp_type.map(Into::into)));
        put("icmp-code", number(self.icmp_code.map(Into::into)));
        put("mark", number(self.mark));
        put("uid", number(self.uid));
        put("gid", number(self.gid));
        if self.both_ways {
            out.push("--both".to_owned());
        }
        out.join(" ")
    }
}

/// What is installed where.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Of the tables, one in each family.
    pub name: String,
    pub filter: Filter,
    /// One packet of so many is looked at, drawn at random; 0 and 1: every one.
    pub sample: u32,
    /// Packets a second that are marked at most; 0: no limit.
    pub rate: u32,
    /// There are bridges: look at what goes through them, too.
    pub bridge: bool,
    /// Devices with chains at ingress, which come before everything.
    pub ingress: Vec<Name>,
    /// The kernel takes the tables away with the socket that made them.
    pub owner: bool,
    /// Only packets of sockets that a process has: what the kernel answers by itself is left out.
    pub owned_only: bool,
    /// A mark that packets get as they arrive.
    pub set_mark: Option<u32>,
}

impl Plan {
    /// What the tables are, in the nft language.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.table(&mut out, Family::Inet, "");
        if self.bridge {
            self.table(&mut out, Family::Bridge, "");
        }
        if !self.ingress.is_empty() && self.filter.uid.is_none() && self.filter.gid.is_none() {
            let devices: Vec<String> = self
                .ingress
                .iter()
                .map(|name| format!("\"{name}\""))
                .collect();
            self.table(&mut out, Family::Netdev, &devices.join(", "));
        }
        out
    }

    fn table(&self, out: &mut String, family: Family, devices: &str) {
        let _ = writeln!(out, "table {family} {} {{", self.name);
        if self.owner {
            out.push_str("  flags owner;\n");
        }
        let mut mark = String::new();
        if self.sample > 1 {
            let _ = write!(mark, "numgen random mod {} 0 ", self.sample);
        }
        if self.rate > 0 {
            let _ = write!(mark, "limit rate {0}/second burst {0} packets ", self.rate);
        }
        let _ = writeln!(
            out,
            "  chain {} {{ {mark}meta nftrace set 1; }}",
            chain::MARK
        );
        let mut base = |name: &str, hook: &str, priority: i32, rules: &[String]| {
            let _ = writeln!(
                out,
                "  chain {name} {{ type filter hook {hook} priority {priority}; policy accept;"
            );
            for rule in rules {
                let _ = writeln!(out, "    {rule}goto {}", chain::MARK);
            }
            out.push_str("  }\n");
        };
        let mut arriving = self.filter.conditions();
        if let Some(mark) = self.set_mark {
            for condition in &mut arriving {
                let _ = write!(condition, "meta mark set {mark} ");
            }
        }
        if family == Family::Netdev {
            let hook = format!("ingress devices = {{ {devices} }}");
            base(chain::ARRIVED, &hook, FIRST, &arriving);
        } else {
            let owned = self.filter.uid.is_some() || self.filter.gid.is_some() || self.owned_only;
            if self.filter.iif.is_some() || !owned {
                base(chain::ARRIVED, "prerouting", FIRST, &arriving);
            }
            // What a bridge sends was seen before: it arrived, or the machine sent it.
            if family == Family::Inet && self.filter.iif.is_none() {
                let sent: Vec<String> = self
                    .filter
                    .conditions()
                    .into_iter()
                    .map(|condition| {
                        let any = if self.owned_only {
                            "meta skuid >= 0 "
                        } else {
                            ""
                        };
                        self.filter.owner() + any + &condition
                    })
                    .collect();
                base(chain::SENT, "output", FIRST, &sent);
            }
            base(chain::END_INPUT, "input", LAST, &[]);
            base(chain::END_POSTROUTING, "postrouting", LAST, &[]);
        }
        out.push_str("}\n");
    }

    /// The commands that install it. It stands on nothing that is there, so that no picture is needed.
    pub fn commands(&self) -> Result<Vec<Command>, Vec<Diagnostic>> {
        let source = Source {
            name: "trace".into(),
            text: self.text(),
            included: None,
        };
        let (_, commands) = parse::parse(source, &Options::bare());
        let elements = |_: Family, _: &str, _: &str| Err("no sets are read here".to_owned());
        compile::compile(commands?, &Ruleset::default(), &Nothing, &elements)
            .map(|compiled| compiled.commands)
    }

    /// Whether a table is one of these.
    pub fn is_own(&self, table: &str) -> bool {
        table == self.name
    }
}

/// Words of TCP flags for messages.
pub fn tcp_flag_words() -> String {
    let words: Vec<&str> = TCP_FLAGS.iter().map(|(name, _)| *name).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(filter: Filter) -> Plan {
        Plan {
            name: "watch".into(),
            filter,
            sample: 10,
            rate: 100,
            bridge: true,
            ingress: vec!["eth0".into()],
            owner: true,
            ..Plan::default()
        }
    }

    #[test]
    fn every_filter_compiles() {
        let v4 = |text: &str, length| Some(Prefix::new(text.parse().unwrap(), length));
        for filter in [
            Filter::default(),
            Filter {
                iif: Some("eth0.100".into()),
                src: v4("10.0.0.9", 8),
                dst: v4("192.0.2.1", 32),
                proto: Some(6),
                sport: Some(1),
                dport: Some(2),
                tcp_flags: Some(18),
                mark: Some(7),
                both_ways: true,
                ..Filter::default()
            },
            Filter {
                src: v4("fd00::", 64),
                proto: Some(58),
                icmp_type: Some(128),
                icmp_code: Some(0),
                ..Filter::default()
            },
            Filter {
                dport: Some(53),
                uid: Some(0),
                gid: Some(0),
                ..Filter::default()
            },
        ] {
            assert_eq!(filter.check(), Ok(()));
            let plan = plan(filter);
            let commands = plan.commands();
            assert!(commands.is_ok(), "{}\n{commands:?}", plan.text());
        }
    }

    #[test]
    fn filters_that_make_no_sense_say_why() {
        let wrong = |filter: Filter| filter.check().unwrap_err().to_string();
        let mixed = Filter {
            src: Some(Prefix::any4()),
            dst: Some(Prefix::any6()),
            ..Filter::default()
        };
        assert!(wrong(mixed).contains("different families"));
        let ports = Filter {
            proto: Some(1),
            dport: Some(1),
            ..Filter::default()
        };
        assert!(wrong(ports).contains("no ports"));
        let quoted = Filter {
            iif: Some("e\" drop".into()),
            ..Filter::default()
        };
        assert!(wrong(quoted).contains("no name of a device"));
    }
}
