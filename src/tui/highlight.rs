//! Colours for one printed line of nft syntax. Works on text alone, so it serves rules of the kernel and
//! rules being typed alike; what it does not know it leaves plain.

use super::theme::Meaning;
use std::ops::Range;

/// What a piece of the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What the rule looks at: `ip saddr`.
    Keyword,
    Operator,
    /// Numbers, addresses, names of states and interfaces.
    Value,
    String,
    /// `@name` and names of chains after jump.
    Reference,
    Statement,
    Comment,
    Accept,
    Drop,
    Jump,
}

impl Class {
    pub fn meaning(self) -> Meaning {
        match self {
            Class::Keyword => Meaning::Keyword,
            Class::Operator => Meaning::Operator,
            Class::Value => Meaning::Value,
            Class::String => Meaning::String,
            Class::Reference => Meaning::Set,
            Class::Statement => Meaning::Statement,
            Class::Comment => Meaning::Comment,
            Class::Accept => Meaning::Accept,
            Class::Drop => Meaning::Drop,
            Class::Jump => Meaning::Jump,
        }
    }
}

#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "ah", "arp", "ct", "dccp", "dst", "esp", "ether", "exthdr", "fib", "frag", "gre", "geneve", "gretap", "hbh", "icmp", "icmpv6",
    "igmp", "ip", "ip6", "ipsec", "jhash", "mac", "meta", "mh", "numgen", "option", "osf", "payload", "rt", "sctp", "socket",
    "symhash", "tcp", "th", "tunnel", "udp", "udplite", "vlan", "vxlan", "xt", "comp", "cgroupv2",
    "saddr", "daddr", "sport", "dport", "protocol", "state", "status", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype",
    "iifgroup", "oifgroup", "l4proto", "nfproto", "length", "priority", "skuid", "skgid", "rtclassid", "pkttype", "cpu", "cgroup",
    "ibrname", "obrname", "ibrpvid", "ibrvproto", "day", "hour", "time", "random", "flags", "type", "code", "nexthdr", "hoplimit",
    "ttl", "dscp", "ecn", "version", "hdrlength", "checksum", "id", "frag-off", "flowlabel", "sequence", "ackseq", "doff", "window",
    "urgptr", "expiration", "direction", "original", "reply", "helper", "label", "zone", "operation", "htype", "ptype", "hlen", "plen",
    "transparent", "wildcard", "mtu", "maxseg", "sack-perm", "timestamp", "spi", "reqid", "vmap", "map", "inc", "mod", "offset",
    "vtag", "pcp", "dei", "sdif", "sdifname", "secpath", "nftrace", "mark", "bytes", "packets", "avgpkt", "count", "l3proto", "proto-src",
    "proto-dst", "csumcov", "chunk", "seq-adj", "router-alert", "ra", "rr", "lsrr", "ssrr", "name",
];

#[rustfmt::skip]
const STATEMENTS: &[&str] = &[
    "counter", "log", "limit", "quota", "masquerade", "snat", "dnat", "redirect", "tproxy", "synproxy", "notrack", "dup", "fwd",
    "set", "add", "update", "delete", "flow", "offload", "last", "connlimit", "prefix", "group", "snaplen", "queue-threshold",
    "level", "rate", "over", "until", "burst", "used", "to", "random", "fully-random", "persistent", "reset", "expectation",
    "timeout", "secmark", "bypass", "fanout", "num", "with", "expires", "stateful", "synproxy", "elements", "flags",
];

const DROPS: &[&str] = &["drop", "reject", "stolen"];
const JUMPS: &[&str] = &["jump", "goto", "return", "continue", "queue", "break"];
const WORDS: &[&str] = &[
    "or", "and", "xor", "not", "eq", "ne", "lt", "gt", "le", "ge",
];

/// The classified pieces of a line, in order and without overlap; the rest is plain.
pub fn highlight(line: &str) -> Vec<(Range<usize>, Class)> {
    let mut pieces = Vec::new();
    let mut previous = "";
    let mut statement = false;
    let mut start = 0;
    while let Some(rest) = line.get(start..).filter(|rest| !rest.is_empty()) {
        let length = token_length(rest);
        let token = rest.get(..length).unwrap_or(rest);
        let range = start..start + token.len();
        start = range.end;
        let first = token.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            continue;
        }
        let class = match first {
            '"' if previous == "comment" => Some(Class::Comment),
            '"' => Some(Class::String),
            '#' => Some(Class::Comment),
            '@' => Some(Class::Reference),
            '{' | '}' | '(' | ')' | ',' | ':' | ';' | '=' | '!' | '<' | '>' | '&' | '|' | '^' => {
                Some(Class::Operator)
            }
            _ if ["jump", "goto"].contains(&previous) => Some(Class::Reference),
            _ => word_class(token, statement),
        };
        match class {
            Some(Class::Statement) => statement = true,
            Some(Class::Keyword) if !["packets", "bytes"].contains(&token) => statement = false,
            _ => {}
        }
        if let Some(class) = class {
            pieces.push((range, class));
        }
        previous = token;
    }
    pieces
}

/// The class of a word; words such as `random` mean something else after a statement has begun.
fn word_class(word: &str, statement: bool) -> Option<Class> {
    if word == "accept" {
        return Some(Class::Accept);
    }
    if DROPS.contains(&word) {
        return Some(Class::Drop);
    }
    if JUMPS.contains(&word) {
        return Some(Class::Jump);
    }
    if word == "comment" {
        return Some(Class::Comment);
    }
    if WORDS.contains(&word) {
        return Some(Class::Operator);
    }
    let is_statement = STATEMENTS.contains(&word);
    let is_keyword = KEYWORDS.contains(&word);
    match (is_statement, is_keyword) {
        (true, true) if statement => Some(Class::Statement),
        (_, true) => Some(Class::Keyword),
        (true, false) => Some(Class::Statement),
        (false, false) => Some(Class::Value),
    }
}

fn token_length(rest: &str) -> usize {
    let mut chars = rest.char_indices();
    let Some((_, first)) = chars.next() else {
        return 0;
    };
    let until = |stop: &dyn Fn(char) -> bool| {
        rest.char_indices()
            .skip(1)
            .find(|(_, c)| stop(*c))
            .map_or(rest.len(), |(place, _)| place)
    };
    match first {
        '"' => {
            let mut escaped = false;
            for (place, c) in chars {
                match c {
                    '\\' if !escaped => escaped = true,
                    '"' if !escaped => return place + 1,
                    _ => escaped = false,
                }
            }
            rest.len()
        }
        '#' => rest.len(),
        c if c.is_whitespace() => until(&|c| !c.is_whitespace()),
        '=' | '!' | '<' | '>' | '&' | '|' | '^' => {
            until(&|c| !matches!(c, '=' | '!' | '<' | '>' | '&' | '|' | '^'))
        }
        '{' | '}' | '(' | ')' | ',' | ';' => 1,
        ':' if !rest.starts_with("::") => 1,
        _ => {
            let stop = |c: char| {
                c.is_whitespace()
                    || matches!(
                        c,
                        '{' | '}' | '(' | ')' | ',' | ';' | '"' | '=' | '!' | '<' | '>' | '&' | '|'
                    )
            };
            until(&stop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(&str, Class)]) {
        let pieces: Vec<(&str, Class)> = highlight(line)
            .into_iter()
            .map(|(range, class)| (&line[range], class))
            .collect();
        assert_eq!(pieces, expected);
    }

    #[test]
    fn parts_of_rules_are_told_apart() {
        use Class::*;
        check(
            "ip saddr != @bad tcp dport { 22, 80 } counter packets 1 bytes 2 jump web",
            &[
                ("ip", Keyword),
                ("saddr", Keyword),
                ("!=", Operator),
                ("@bad", Reference),
                ("tcp", Keyword),
                ("dport", Keyword),
                ("{", Operator),
                ("22", Value),
                (",", Operator),
                ("80", Value),
                ("}", Operator),
                ("counter", Statement),
                ("packets", Keyword),
                ("1", Value),
                ("bytes", Keyword),
                ("2", Value),
                ("jump", Jump),
                ("web", Reference),
            ],
        );
        check(
            "log prefix \"a \\\" drop\" drop comment \"accept all\"",
            &[
                ("log", Statement),
                ("prefix", Statement),
                ("\"a \\\" drop\"", String),
                ("drop", Drop),
                ("comment", Comment),
                ("\"accept all\"", Comment),
            ],
        );
        check("accept", &[("accept", Accept)]);
    }

    #[test]
    fn any_text_is_survived() {
        for line in ["", "\"", "\"\\", "日本 @", "::1 ::", "{{{", "a\"b"] {
            let pieces = highlight(line);
            assert!(
                pieces
                    .iter()
                    .all(|(range, _)| line.get(range.clone()).is_some())
            );
            assert!(
                pieces
                    .windows(2)
                    .all(|pair| pair[0].0.end <= pair[1].0.start)
            );
        }
    }
}
