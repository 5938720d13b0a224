//! Random networks as lines for `ip -batch`. Everything follows from a seed.

use std::fmt::Write;
use std::net::IpAddr;

pub struct Random {
    state: u64,
    /// Make IPv6 routes for packets from one prefix only.
    pub sources: bool,
    /// Let IPv6 routes of one destination and metric be of kinds that cannot share traffic. The kernel's dump
    /// then leaves some out: behind a multipath route it goes on after the last of its hops, wherever that is.
    pub mixed: bool,
}

/// Two devices joined to each other, with addresses, and the next hops that routes name.
pub fn devices() -> String {
    let mut lines = String::from(
        "link set lo up\n\
         link add v0 type veth peer name v1\n\
         link add w0 type veth peer name w1\n\
         link set v0 addrgenmode none\nlink set v1 addrgenmode none\n\
         link set w0 addrgenmode none\n\
         link set v0 up\nlink set v1 up\nlink set w0 up\n\
         addr add 192.0.2.1/24 dev v0\n\
         addr add 198.51.100.1/25 dev v1\n\
         addr add 203.0.113.1/28 peer 203.0.113.9 dev w0\n\
         addr add 2001:db8::1/64 dev v0 nodad\n\
         addr add 2001:db8:1::1/64 dev v1 nodad\n\
         neigh add 192.0.2.77 lladdr 02:00:00:00:00:01 dev v0\n\
         neigh add proxy 192.0.2.78 dev v0\n",
    );
    for id in 1..=4 {
        let _ = writeln!(lines, "nexthop add id {id} via 192.0.2.{id}0 dev v0");
        let _ = writeln!(lines, "nexthop add id 2{id} via 2001:db8::{id}0 dev v0");
    }
    lines.push_str(
        "nexthop add id 5 blackhole\n\
         nexthop add id 6 dev v1\n\
         nexthop add id 10 group 1,3/2,7/3\n\
         nexthop add id 30 group 21/22,9\n\
         nexthop add id 11 group 3/4 type resilient buckets 8\n",
    );
    lines
}

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = Random {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            sources: true,
            mixed: true,
        };
        for _ in 0..4 {
            random.below(2);
        }
        random
    }

    /// Less than `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.state = self
            .state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let high = self.state >> 33;
        u32::try_from(high % u64::from(limit)).unwrap_or(0)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn one<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let place = self.below(u32::try_from(choices.len()).unwrap_or(1));
        choices.get(place as usize).copied().unwrap_or_default()
    }

    /// An address near the routes that [`Random::routes`] makes.
    pub fn address(&mut self) -> IpAddr {
        let text = match self.below(10) {
            0 => format!("192.0.2.{}", self.below(256)),
            1 => format!("127.0.{}.1", self.below(4)),
            2 => format!("172.16.0.{}", self.below(256)),
            3..=5 => format!("10.{}.{}.{}", self.below(4), self.below(4), self.below(4)),
            6 => format!("2001:db8::{:x}", self.below(16)),
            _ => format!(
                "2001:db8:{:x}:{:x}::{:x}",
                self.below(4),
                self.below(4),
                self.below(4)
            ),
        };
        text.parse().expect("an address")
    }

    fn prefix4(&mut self) -> String {
        if self.chance(4) {
            return "0.0.0.0/0".to_owned();
        }
        let length = *[8u32, 14, 16, 22, 24, 30, 32, 32]
            .get(self.below(8) as usize)
            .unwrap_or(&24);
        let address = 10 << 24 | self.below(4) << 16 | self.below(4) << 8 | self.below(4);
        let mask = u32::MAX << (32 - length);
        format!("{}/{length}", std::net::Ipv4Addr::from(address & mask))
    }

    fn prefix6(&mut self) -> String {
        if self.chance(4) {
            return "::/0".to_owned();
        }
        let (a, b) = (self.below(4), self.below(4));
        match self.below(4) {
            0 => format!("2001:db8:{a:x}::/48"),
            1 => format!("2001:db8:{a:x}:{b:x}::/64"),
            2 => format!("2001:db8:{a:x}:{b:x}::/63")
                .replace("1::/63", "0::/63")
                .replace("3::/63", "2::/63"),
            _ => format!("2001:db8:{a:x}:{b:x}::{:x}/128", self.below(4)),
        }
    }

    fn metrics(&mut self, line: &mut String) {
        for (word, most) in [
            ("mtu", 9000),
            ("mtu lock", 9000),
            ("advmss", 1400),
            ("window", 9999),
            ("rtt", 9000),
            ("rttvar", 900),
            ("rto_min", 5000),
            ("hoplimit", 255),
            ("initcwnd", 90),
            ("initrwnd", 90),
            ("cwnd", 20),
            ("ssthresh", 99),
            ("reordering", 9),
        ] {
            if self.chance(6) {
                let unit = if word.starts_with("rt") { "ms" } else { "" };
                let _ = write!(line, " {word} {}{unit}", self.below(most) + 1);
            }
        }
        for word in [
            "quickack 1",
            "features ecn",
            "congctl reno",
            "congctl cubic",
            "fastopen_no_cookie 1",
        ] {
            if self.chance(4) {
                let _ = write!(line, " {word}");
            }
        }
    }

    fn table(&mut self) -> &'static str {
        match self.below(6) {
            0 => " table 100",
            1 => " table 5000",
            2 => " table default",
            _ => "",
        }
    }

    fn hop4(&mut self) -> String {
        let near = self.below(60) + 2;
        match self.below(8) {
            0 => "dev v1".to_owned(),
            1 => "via inet6 2001:db8::9 dev v0".to_owned(),
            2 => format!("via 172.31.0.{near} dev v1 onlink"),
            3 => format!("via 198.51.100.{near}"),
            4 => "via 203.0.113.9".to_owned(),
            _ => format!("via 192.0.2.{near}"),
        }
    }

    fn hop6(&mut self) -> String {
        match self.below(5) {
            0 if self.mixed => "dev v1".to_owned(),
            1 => format!("via fe80::{:x} dev v0", self.below(40) + 2),
            2 => format!("via 2001:db8:1::{:x}", self.below(40) + 2),
            _ => format!("via 2001:db8::{:x}", self.below(40) + 2),
        }
    }

    /// Selectors, target and options of one route, as `ip route add` takes them.
    pub fn route(&mut self) -> String {
        let six = self.chance(40);
        let mut line = String::from(if six { "-6 " } else { "" });
        let prefix = if six { self.prefix6() } else { self.prefix4() };
        let kind = self.below(10);
        if kind == 0 {
            let word = self.one(&["blackhole", "unreachable", "prohibit", "throw"]);
            let _ = write!(line, "{word} {prefix}");
        } else if kind == 1 {
            let ids = if six {
                ["21", "22", "23", "30", "24"]
            } else {
                ["1", "2", "10", "11", "5"]
            };
            let _ = write!(line, "{prefix} nhid {}", self.one(&ids));
        } else if kind <= 3 {
            let _ = write!(line, "{prefix}");
        } else if kind == 4 {
            let encap = self.one(&[
                "encap ip id 7 dst 1.2.3.4 src 5.6.7.8 ttl 9 tos 3 dev v0",
                "encap ip id 7 dst 1.2.3.4 key csum seq dev v0",
                "encap ip6 id 9 dst 2001:db8::99 hoplimit 3 dev v0",
                "encap mpls 100/200 ttl 5 via 192.0.2.2",
                "encap seg6 mode encap segs fc00::1,fc00::2 dev v0",
                "encap seg6 mode inline segs fc00::1 via 2001:db8::2",
                "encap seg6local action End.X nh6 fc00::7 dev v0",
                "encap seg6local action End.DT6 table 254 dev v0",
                "encap ioam6 trace prealloc type 0x800000 ns 1 size 12 dev v0",
                "encap rpl segs fc00::1,fc00::2 dev v0",
                "encap xfrm if_id 7 dev v0",
            ]);
            // Gateways of one family only.
            let encap = match six {
                true => encap.replace("via 192.0.2.2", "via 2001:db8::2"),
                false => encap.replace("via 2001:db8::2", "via 192.0.2.2"),
            };
            let _ = write!(line, "{prefix} {encap}");
        } else {
            let hop = if six { self.hop6() } else { self.hop4() };
            let _ = write!(line, "{prefix} {hop}");
        }
        line.push_str(self.table());
        if six && !self.mixed && matches!(kind, 0 | 1 | 4) {
            let _ = write!(line, " metric {}", kind + 7);
        } else if self.chance(30) {
            let _ = write!(line, " metric {}", self.below(5) * 100);
        }
        if self.chance(30) {
            let protocol = self.one(&[
                "static", "bgp", "77", "boot", "kernel", "ra", "zebra", "openr",
            ]);
            let _ = write!(line, " proto {protocol}");
        }
        if !six {
            if self.chance(10) {
                let _ = write!(line, " tos {}", self.one(&["0x10", "0x08", "CS1", "AF11"]));
            }
            if self.chance(10) {
                let _ = write!(line, " src {}", self.one(&["192.0.2.1", "198.51.100.1"]));
            }
            if self.chance(10) {
                let _ = write!(line, " realms {}", self.one(&["7", "3/4", "0/9"]));
            }
            if self.chance(6) {
                let _ = write!(
                    line,
                    " scope {}",
                    self.one(&["link", "site", "global", "77"])
                );
            }
        } else {
            if self.chance(10) {
                let _ = write!(line, " pref {}", self.one(&["low", "medium", "high"]));
            }
            if self.chance(5) {
                line.push_str(" expires 86390");
            }
            if self.sources && self.chance(5) {
                line.push_str(" from 2001:db8:b::/48");
            }
        }
        if self.chance(20) {
            self.metrics(&mut line);
        }
        if (2..=3).contains(&kind) {
            for _ in 0..self.below(3) + 2 {
                let hop = if six { self.hop6() } else { self.hop4() };
                let _ = write!(line, " nexthop {hop} weight {}", self.below(9) + 1);
            }
        }
        line
    }

    /// Within a batch the family is that of the addresses.
    fn command(verb: &str, route: &str) -> String {
        let route = route.strip_prefix("-6 ").unwrap_or(route);
        format!("route {verb} {route}\n")
    }

    pub fn routes(&mut self, count: usize) -> String {
        let mut lines = String::new();
        for _ in 0..count {
            let verb = self.one(&["add", "add", "append", "prepend"]);
            let route = self.route();
            lines.push_str(&Self::command(verb, &route));
        }
        lines
    }

    pub fn rule(&mut self) -> String {
        let mut line = String::new();
        if self.chance(10) {
            line.push_str("not ");
        }
        let six = self.chance(30);
        let net = if six { "2001:db8::/32" } else { "10.0.0.0/8" };
        let host = if six { "2001:db8::7" } else { "192.0.2.7" };
        let any = if six { "::/0" } else { "0/0" };
        let _ = write!(line, "from {}", self.one(&[net, host, any]));
        if self.chance(30) {
            let _ = write!(line, " to {}", self.one(&[net, host]));
        }
        for (percent, selector) in [
            (20, "iif v0"),
            (10, "iif lo"),
            (10, "iif gone0"),
            (15, "oif v1"),
            (10, "oif gone1"),
            (20, "fwmark 0x10"),
            (15, "fwmark 5/0xff"),
            (10, "tos 0x10"),
            (10, "uidrange 10-2000"),
            (10, "sport 80"),
            (10, "dport 100-200"),
            (5, "tun_id 77"),
        ] {
            let word = selector.split(' ').next().unwrap_or_default();
            if self.chance(percent) && !line.contains(&format!(" {word} ")) {
                let _ = write!(line, " {selector}");
            }
        }
        if self.chance(15) {
            let _ = write!(line, " ipproto {}", self.one(&["tcp", "17", "icmp", "99"]));
        }
        let _ = write!(line, " pref {}", self.below(30) * 1000 + 1);
        let action = self.one(&[
            "lookup 100",
            "lookup main",
            "lookup 5000 suppress_prefixlength 0",
            "lookup 100 suppress_ifgroup default",
            "lookup 100 suppress_ifgroup 7 suppress_prefixlength 24",
            "lookup 100 realms 3/4",
            "lookup 100 protocol bgp",
            "goto 32766",
            "goto 40000",
            "nop",
            "blackhole",
            "unreachable",
            "prohibit",
            "l3mdev",
        ]);
        let _ = write!(line, " {action}");
        line
    }

    pub fn rules(&mut self, count: usize) -> String {
        let mut lines = String::new();
        for _ in 0..count {
            let _ = writeln!(lines, "rule add {}", self.rule());
        }
        lines
    }

    /// Changes of all kinds, one after another.
    pub fn changes(&mut self, count: usize) -> String {
        let mut lines = String::new();
        for _ in 0..count {
            let route = self.route();
            match self.below(20) {
                0..=5 => lines.push_str(&Self::command("append", &route)),
                6..=9 => lines.push_str(&Self::command("replace", &route)),
                10..=11 => lines.push_str(&Self::command("prepend", &route)),
                12..=15 => {
                    let prefix = if self.chance(40) {
                        self.prefix6()
                    } else {
                        self.prefix4()
                    };
                    let _ = writeln!(lines, "route del {prefix}{}", self.table());
                }
                16 => {
                    let _ = writeln!(lines, "rule add {}", self.rule());
                }
                17 => {
                    let _ = writeln!(lines, "rule del pref {}", self.below(30) * 1000 + 1);
                }
                18 => {
                    let id = self.below(9) + 40;
                    let verb = self.one(&["replace", "del"]);
                    let target = if verb == "del" {
                        ""
                    } else {
                        "via 192.0.2.99 dev v0"
                    };
                    let _ = writeln!(lines, "nexthop {verb} id {id} {target}");
                }
                _ => {
                    let verb = self.one(&["add", "del"]);
                    let host = self.below(9) + 200;
                    let _ = writeln!(lines, "addr {verb} 198.51.100.{host}/32 dev v1");
                }
            }
        }
        lines
    }

    /// The words of a random `ip route get`.
    pub fn query(&mut self) -> String {
        let address = self.address();
        let mut line = address.to_string();
        if address.is_ipv4() && self.chance(20) {
            line.push_str(" from 198.51.100.9 iif v1");
        }
        for (percent, selector) in [
            (15, "mark 0x10"),
            (10, "mark 5"),
            (10, "oif v0"),
            (10, "uid 1000"),
            (10, "fibmatch"),
            (10, "tos 0x10"),
        ] {
            let word = selector.split(' ').next().unwrap_or_default();
            if self.chance(percent) && !line.contains(word) {
                let _ = write!(line, " {selector}");
            }
        }
        if self.chance(30) {
            let _ = write!(
                line,
                " ipproto {} sport {} dport {}",
                self.one(&["tcp", "udp"]),
                self.below(999),
                self.below(999)
            );
        }
        line
    }
}
