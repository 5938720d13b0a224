//! Random rulesets and random changes to them, as text for nft. Everything follows from a seed.

use std::fmt::Write;

pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len() as u64) as usize]
    }
}

const CHAINS: u64 = 5;

fn rule(rng: &mut Rng, chain: u64) -> String {
    let port = 1 + rng.below(2000);
    let address = rng.below(250);
    // Jumps go to later chains only: never in a circle.
    let target = (chain + 1 < CHAINS).then(|| chain + 1 + rng.below(CHAINS - chain - 1));
    let verdict = match rng.below(4) {
        0 => "accept".to_owned(),
        1 => "drop".to_owned(),
        2 => "counter".to_owned(),
        _ => target.map_or("return".to_owned(), |target| format!("jump c{target}")),
    };
    match rng.below(12) {
        0 => format!("tcp dport {port} {verdict}"),
        1 => format!("ip saddr 10.0.0.{address} counter packets {port} bytes {address} {verdict}"),
        2 => format!("tcp dport {{ {port}, {}, 22 }} {verdict}", port + 7),
        3 => format!("ip saddr {{ 10.1.{address}.0/24, 10.2.0.0-10.2.0.{address} }} {verdict}"),
        4 => match target {
            Some(target) => format!("tcp dport vmap {{ {port} : jump c{target}, 7 : drop }}"),
            None => format!("udp dport {port} {verdict}"),
        },
        5 => format!("ip saddr @s{} {verdict}", rng.below(2)),
        // The map jumps to the last two chains.
        6 if chain < 3 => "ip daddr vmap @m0".to_owned(),
        7 => format!("meta mark {port} jump {{ udp dport {{ {port}, 5 }} accept; counter drop; }}"),
        8 => format!("counter name \"k{}\" {verdict}", rng.below(2)),
        9 => format!("meta mark {port} {verdict} comment \"number {port}\""),
        10 => format!("add @d0 {{ ip saddr timeout {}s }}", 1000 + port),
        _ => format!("limit rate {port}/minute {verdict}"),
    }
}

fn elements(rng: &mut Rng, set: &str) -> String {
    let mut list = Vec::new();
    for _ in 0..=rng.below(4) {
        let n = rng.below(120);
        list.push(match set {
            "s0" => format!("10.9.0.{n}"),
            "s1" => format!("10.{n}.0.0/16"),
            "d0" => format!("10.7.0.{n} timeout {}s", 2000 + n),
            _ => format!("10.8.0.{n} : jump c{}", 3 + n % 2),
        });
    }
    list.sort();
    list.dedup_by(|a, b| a.split(' ').next() == b.split(' ').next());
    list.join(", ")
}

/// A whole table; always the same chains, sets, maps and counters, with random contents.
pub fn table(rng: &mut Rng, name: &str) -> String {
    let mut out = format!("table ip {name} {{\n");
    for number in 0..2 {
        let _ = writeln!(
            out,
            "counter k{number} {{ packets {} bytes 9 }}",
            rng.below(99)
        );
    }
    let policy = rng.pick(&["accept", "drop"]);
    for set in ["s0", "s1", "d0", "m0"] {
        let kind = match set {
            "s0" => "type ipv4_addr; comment \"plain\"",
            "s1" => "type ipv4_addr; flags interval",
            "d0" => "type ipv4_addr; size 4096; flags dynamic,timeout; timeout 1h",
            _ => "type ipv4_addr : verdict",
        };
        let word = if set == "m0" { "map" } else { "set" };
        let elements = elements(rng, set);
        let _ = writeln!(
            out,
            "{word} {set} {{ {kind}\n elements = {{ {elements} }}\n}}"
        );
    }
    for chain in 0..CHAINS {
        let _ = writeln!(out, "chain c{chain} {{");
        if chain == 0 {
            let _ = writeln!(out, "type filter hook input priority 5; policy {policy};");
        }
        for _ in 0..rng.below(7) {
            let _ = writeln!(out, "{}", rule(rng, chain));
        }
        out.push_str("}\n");
    }
    out.push_str("}\n");
    out
}

/// One command that changes a table made by [`table`]; `handles` are of rules: (chain number, handle).
pub fn change(rng: &mut Rng, name: &str, handles: &[(u64, u64)]) -> String {
    let chain = rng.below(CHAINS);
    let any = (!handles.is_empty()).then(|| handles[rng.below(handles.len() as u64) as usize]);
    let set = rng.pick(&["s0", "s1", "d0", "m0"]);
    match (rng.below(16), any) {
        (0..=2, _) => format!("add rule ip {name} c{chain} {}", rule(rng, chain)),
        (3, _) => format!("insert rule ip {name} c{chain} {}", rule(rng, chain)),
        (4 | 5, Some((chain, handle))) => format!("delete rule ip {name} c{chain} handle {handle}"),
        (6, Some((chain, handle))) => format!(
            "replace rule ip {name} c{chain} handle {handle} {}",
            rule(rng, chain)
        ),
        (7, Some((chain, handle))) => format!(
            "insert rule ip {name} c{chain} position {handle} {}",
            rule(rng, chain)
        ),
        (8, _) => format!("flush chain ip {name} c{chain}"),
        (9, _) => format!("add element ip {name} {set} {{ {} }}", elements(rng, set)),
        (10, _) => format!("flush set ip {name} {set}"),
        (11, _) => {
            let policy = rng.pick(&["accept", "drop"]);
            format!("add chain ip {name} c0 {{ policy {policy}; }}")
        }
        (12, _) => format!("add chain ip {name} new{}", rng.below(9)),
        (13, _) => format!("delete table ip {name}"),
        (14, _) => format!("flush table ip {name}"),
        (15, _) => format!("rename chain ip {name} c{chain} renamed{chain}"),
        _ => format!("add rule ip {name} c{chain} {}", rule(rng, chain)),
    }
}
