//! Rulesets and routes of any size. The same size is the same text every time.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// Give text to a program's standard input; it must like it.
pub fn feed(program: &str, arguments: &[&str], text: &str) {
    let child = Command::new(program)
        .args(arguments)
        // Nothing for the journal of this machine.
        .env(
            "HOOKSCOPE_JOURNAL_DIR",
            std::env::temp_dir().join("hookscope-bench"),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let mut stdin = child.stdin.take().expect("standard input");
    stdin.write_all(text.as_bytes()).expect("the input is read");
    drop(stdin);
    let status = child.wait().expect("the program ends");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// Scatter numbers: the finalizer of splitmix64.
fn scatter(number: u64) -> u64 {
    let mut n = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Sixteen letters and digits, as kube-proxy ends its chains' names.
struct Suffix(u64);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bits = u128::from(scatter(self.0)) << 64 | u128::from(scatter(!self.0));
        for _ in 0..16 {
            let letter = LETTERS.get((bits & 31) as usize).copied();
            f.write_char(char::from(letter.unwrap_or(b'A')))?;
            bits >>= 5;
        }
        Ok(())
    }
}

const ENDPOINTS: u32 = 2;
/// One service in so many has a node port.
const NODE_PORTS: u32 = 6;

/// What kube-proxy's iptables mode leaves for so many services, in the words of iptables-save.
pub fn kubernetes(services: u32) -> String {
    let mut chains = String::from(
        ":KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n",
    );
    let mut rules = String::new();
    for service in 0..services {
        service_rules(service, &mut chains, &mut rules).expect("text");
    }
    // iptables-save lists them by name, and so they are made. It decides how long iptables-save takes: in the order of
    // the services it is five times faster, and we are not.
    let mut sorted: Vec<&str> = chains.split_inclusive('\n').collect();
    sorted.sort_unstable();
    let chains = sorted.concat();
    format!(
        "*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
{chains}-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
{rules}-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"
    )
}

fn service_rules(service: u32, chains: &mut String, rules: &mut String) -> fmt::Result {
    let name = format!("team-{}/service-{service}:http", service % 40);
    let cluster = Ipv4Addr::from(0x0a60_0000 + service + 1);
    let svc = format!("KUBE-SVC-{}", Suffix(u64::from(service)));
    writeln!(chains, ":{svc} - [0:0]")?;
    writeln!(
        rules,
        "-A KUBE-SERVICES -d {cluster}/32 -p tcp -m comment --comment \"{name} cluster IP\" -m tcp --dport 80 -j {svc}\n\
         -A {svc} ! -s 10.244.0.0/16 -d {cluster}/32 -p tcp -m comment --comment \"{name} cluster IP\" -m tcp --dport 80 -j KUBE-MARK-MASQ"
    )?;
    for endpoint in 0..ENDPOINTS {
        let number = service * ENDPOINTS + endpoint;
        let pod = Ipv4Addr::from(0x0af4_0000 + number + 2);
        let sep = format!("KUBE-SEP-{}", Suffix(1 << 40 | u64::from(number)));
        let left = ENDPOINTS - endpoint;
        let chance = if left > 1 {
            let share = 1.0 / f64::from(left);
            format!(" -m statistic --mode random --probability {share:.11}")
        } else {
            String::new()
        };
        writeln!(chains, ":{sep} - [0:0]")?;
        writeln!(
            rules,
            "-A {svc} -m comment --comment \"{name} -> {pod}:8080\"{chance} -j {sep}\n\
             -A {sep} -s {pod}/32 -m comment --comment \"{name}\" -j KUBE-MARK-MASQ\n\
             -A {sep} -p tcp -m comment --comment \"{name}\" -m tcp -j DNAT --to-destination {pod}:8080"
        )?;
    }
    if service.is_multiple_of(NODE_PORTS) {
        let port = 30_000 + service / NODE_PORTS;
        let ext = format!("KUBE-EXT-{}", Suffix(1 << 41 | u64::from(service)));
        writeln!(chains, ":{ext} - [0:0]")?;
        writeln!(
            rules,
            "-A KUBE-NODEPORTS -p tcp -m comment --comment \"{name}\" -m tcp --dport {port} -j {ext}\n\
             -A {ext} -m comment --comment \"masquerade traffic for {name} external destinations\" -j KUBE-MARK-MASQ\n\
             -A {ext} -j {svc}"
        )?;
    }
    Ok(())
}

/// The chain of [`flat`].
pub const FLAT_CHAIN: &str = "everything";

/// One chain with rules of many kinds and no sets.
pub fn flat(rules: u32) -> String {
    let mut text = format!(
        "table inet flat {{ chain {FLAT_CHAIN} {{ type filter hook forward priority filter; policy accept; "
    );
    for number in 0..rules {
        let source = Ipv4Addr::from(0x0b00_0000 + number);
        let port = number % 50_000 + 1_000;
        let rule = match number % 8 {
            0 => format!("ip saddr {source} tcp dport {port} counter accept"),
            1 => format!("ip daddr {source} udp sport {port} counter drop"),
            2 => format!(
                "iifname \"eth{}\" ip saddr {source} counter accept",
                number % 16
            ),
            3 => format!(
                "ip saddr {source} tcp dport {port}-{} counter return",
                port + 100
            ),
            4 => format!("ip saddr {source} ct state established,related counter accept"),
            5 => format!("meta mark {number} counter comment \"rule number {number}\""),
            6 => format!(
                "ip6 saddr 2001:db8::{:x}:{:x} counter drop",
                number >> 16,
                number & 0xffff
            ),
            _ => format!(
                "ip saddr {source} limit rate {}/second counter accept",
                port % 100 + 1
            ),
        };
        writeln!(text, "{rule}").expect("text");
    }
    text.push_str("}\n}\n");
    text
}

pub const SET_TABLE: &str = "big";
pub const SET_NAME: &str = "addresses";

/// A set of addresses, in commands of a size that nft can hold: give them to it one by one.
pub fn set(elements: u32) -> impl Iterator<Item = String> {
    const STEP: u32 = 100_000;
    let head = format!(
        "table ip {SET_TABLE} {{ set {SET_NAME} {{ type ipv4_addr; size {elements}; }}; chain uses {{ ip saddr @{SET_NAME} drop; }}; }}\n"
    );
    let parts = (0..elements).step_by(STEP as usize).map(move |start| {
        let mut text = format!("add element ip {SET_TABLE} {SET_NAME} {{ ");
        for number in start..elements.min(start + STEP) {
            // An odd factor meets every address once.
            let address = Ipv4Addr::from(number.wrapping_mul(0x9e37_79b1));
            write!(text, "{address}, ").expect("text");
        }
        text.push_str("}\n");
        text
    });
    std::iter::once(head).chain(parts)
}

/// A link and routes over it for `ip -batch`, with the lengths of prefixes as on the internet.
pub fn routes(count: u32) -> String {
    let mut text = String::from(
        "link add up0 type veth peer name up1\nlink set up0 up\nlink set up1 up\naddress add 10.255.0.1/16 dev up0\n",
    );
    let mut known = HashSet::new();
    let mut number = 0;
    while known.len() < count as usize {
        number += 1;
        let bits = scatter(number);
        let length = match bits % 100 {
            0..60 => 24,
            60..72 => 22,
            72..82 => 23,
            82..89 => 21,
            89..95 => 20,
            95..98 => 19,
            _ => 16,
        };
        let mask = u32::MAX << (32 - length);
        let address = (bits >> 32) as u32 & mask;
        // Unicast, and not the network of the next hops.
        let first = address >> 24;
        if !(11..224).contains(&first) || first == 127 || !known.insert((address, length)) {
            continue;
        }
        let hop = Ipv4Addr::from(0x0aff_0002 + (bits >> 8) as u32 % 64);
        let address = Ipv4Addr::from(address);
        writeln!(text, "route add {address}/{length} via {hop} dev up0").expect("text");
    }
    text
}
