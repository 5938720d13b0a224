//! Scenario `router`: a home network behind NAT, a server with a forwarded port, the internet with its noise.

use super::Lab;
use super::link::Links;
use super::namespace::{LabError, Namespace, part};
use super::rules::{ESTABLISHED_RELATED, INVALID, RuleBuilder, TCP, UDP, base, rule};
use super::traffic::Traffic;
use crate::kernel::netlink::message::NLM_F_CREATE;
use crate::kernel::netlink::{AttrWriter, KernelError};
use crate::kernel::nf_tables::{abi, batch::Batch};
use crate::model::{Family, Policy};
use rustables::sys::*;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const LAN_PC: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const LAN_SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 20);
const WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const BAD_HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
const LAN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);

pub fn build() -> Result<Lab, LabError> {
    let lan = Namespace::new()?;
    let internet = Namespace::new()?;
    part("links", network(&lan, &internet))?;
    host(&lan, &[LAN_PC, LAN_SERVER], LAN)?;
    host(&internet, &[INTERNET, BAD_HOST], WAN)?;
    for (path, value) in [
        ("/proc/sys/net/ipv4/ip_forward", "1"),
        ("/proc/sys/net/ipv6/conf/all/forwarding", "1"),
    ] {
        // A machine without IPv6 has no such file.
        if std::path::Path::new(path).exists() {
            fs::write(path, value)?;
        }
    }
    part("firewall", ruleset().commit())?;
    // Connections that begin from now on are counted and have a beginning; not every kernel lets everybody ask for it.
    for path in ["nf_conntrack_acct", "nf_conntrack_timestamp"] {
        let _ = fs::write(format!("/proc/sys/net/netfilter/{path}"), "1");
    }
    Ok(Lab {
        _traffic: traffic(&lan, &internet)?,
    })
}

fn network(lan: &Namespace, internet: &Namespace) -> Result<(), KernelError> {
    let mut links = Links::open()?;
    links.up("lo")?;
    links.veth("lan0", "eth0", lan)?;
    links.veth("wan0", "eth0", internet)?;
    links.address("lan0", LAN.into(), 24)?;
    links.address("wan0", WAN.into(), 24)?;
    // The rest of the demo works without IPv6.
    let _ = links.address("lan0", LAN6.into(), 64);
    links.up("lan0")?;
    links.up("wan0")?;
    links.default_route("wan0", INTERNET.into())
}

fn host(
    place: &Namespace,
    addresses: &'static [Ipv4Addr],
    gateway: Ipv4Addr,
) -> Result<(), LabError> {
    place.run(move || {
        let configure = || -> Result<(), KernelError> {
            let mut links = Links::open()?;
            links.up("lo")?;
            for address in addresses {
                links.address("eth0", IpAddr::V4(*address), 24)?;
            }
            links.up("eth0")?;
            links.default_route("eth0", gateway.into())
        };
        part("hosts", configure())
    })
}

const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

fn ruleset() -> Batch {
    let mut batch = Batch::new();
    filter(&mut batch);
    nat(&mut batch);
    batch
}

fn filter(batch: &mut Batch) {
    const TABLE: &str = "filter";
    let family = Family::Inet;
    batch.table(family, TABLE);
    blocklist(batch, family, TABLE);
    batch.chain(
        family,
        TABLE,
        "input",
        Some(&base("filter", INPUT, 0, Policy::Drop)),
    );
    batch.chain(
        family,
        TABLE,
        "forward",
        Some(&base("filter", FORWARD, 0, Policy::Drop)),
    );
    batch.chain(
        family,
        TABLE,
        "output",
        Some(&base("filter", OUTPUT, 0, Policy::Accept)),
    );
    batch.chain(family, TABLE, "from_internet", None);
    let mut add = |chain: &str, rule: RuleBuilder| rule.add(batch, family, TABLE, chain);
    add(
        "input",
        rule().ct_state(ESTABLISHED_RELATED).counter().accept(),
    );
    add("input", rule().ct_state(INVALID).counter().drop());
    add(
        "input",
        rule().iifname("lo").accept().comment("local services"),
    );
    add(
        "input",
        rule()
            .ipv4()
            .saddr_in("blocklist")
            .counter()
            .drop()
            .comment("known bad hosts"),
    );
    add(
        "input",
        rule()
            .ipv4()
            .icmp_type(8)
            .limit(60)
            .counter()
            .accept()
            .comment("ping, within reason"),
    );
    add(
        "input",
        rule()
            .iifname("lan0")
            .dport(TCP, 22)
            .counter()
            .accept()
            .comment("ssh from the home network only"),
    );
    add(
        "input",
        rule()
            .iifname("lan0")
            .dport(UDP, 53)
            .counter()
            .accept()
            .comment("dns"),
    );
    add("input", rule().limit(10).counter().log("input drop: "));
    add(
        "forward",
        rule().ct_state(ESTABLISHED_RELATED).counter().accept(),
    );
    add(
        "forward",
        rule()
            .iifname("lan0")
            .oifname("wan0")
            .counter()
            .accept()
            .comment("home network may go out"),
    );
    add(
        "forward",
        rule()
            .iifname("wan0")
            .oifname("lan0")
            .counter()
            .jump("from_internet"),
    );
    add(
        "from_internet",
        rule().ipv4().saddr_in("blocklist").counter().drop(),
    );
    add(
        "from_internet",
        rule()
            .dport(TCP, 80)
            .counter()
            .accept()
            .comment("forwarded port of the web server"),
    );
    add("from_internet", rule().counter().drop());
}

/// A named set of addresses, as `set blocklist { type ipv4_addr; elements = { ... } }`.
fn blocklist(batch: &mut Batch, family: Family, table: &str) {
    const IPV4_ADDR: u32 = 7;
    let mut set = AttrWriter::new();
    set.text(NFTA_SET_TABLE, table)
        .text(NFTA_SET_NAME, "blocklist")
        .be32(NFTA_SET_FLAGS, 0)
        .be32(NFTA_SET_KEY_TYPE, IPV4_ADDR)
        .be32(NFTA_SET_KEY_LEN, 4)
        .be32(NFTA_SET_ID, 1);
    batch.push(abi::NEWSET, NLM_F_CREATE, family, &set);
    let mut elements = AttrWriter::new();
    elements
        .text(NFTA_SET_ELEM_LIST_TABLE, table)
        .text(NFTA_SET_ELEM_LIST_SET, "blocklist")
        .nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
            for address in [
                BAD_HOST,
                Ipv4Addr::new(198, 51, 100, 23),
                Ipv4Addr::new(192, 0, 2, 99),
            ] {
                list.nest(NFTA_LIST_ELEM, |element| {
                    element.nest(NFTA_SET_ELEM_KEY, |key| {
                        key.put(NFTA_DATA_VALUE, &address.octets());
                    });
                });
            }
        });
    batch.push(abi::NEWSETELEM, NLM_F_CREATE, family, &elements);
}

fn nat(batch: &mut Batch) {
    const TABLE: &str = "nat";
    let family = Family::Ip;
    batch.table(family, TABLE);
    batch.chain(
        family,
        TABLE,
        "prerouting",
        Some(&base("nat", PREROUTING, -100, Policy::Accept)),
    );
    batch.chain(
        family,
        TABLE,
        "postrouting",
        Some(&base("nat", POSTROUTING, 100, Policy::Accept)),
    );
    rule()
        .iifname("wan0")
        .dport(TCP, 8080)
        .counter()
        .dnat(LAN_SERVER, 80)
        .comment("web server in the home network")
        .add(batch, family, TABLE, "prerouting");
    rule()
        .oifname("wan0")
        .counter()
        .masquerade()
        .add(batch, family, TABLE, "postrouting");
}

fn traffic(lan: &Namespace, internet: &Namespace) -> Result<Traffic, LabError> {
    let traffic = Traffic::new();
    let at = |address: Ipv4Addr, port: u16| SocketAddr::from((address, port));
    traffic.tcp_server(internet, at(INTERNET, 80), 20_000)?;
    traffic.udp_server(internet, at(INTERNET, 53))?;
    traffic.tcp_server(lan, at(LAN_SERVER, 80), 5_000)?;
    let ms = Duration::from_millis;
    traffic.tcp_client(lan, at(INTERNET, 80), ms(150))?;
    traffic.udp_client(lan, at(INTERNET, 53), ms(60))?;
    traffic.udp_client(lan, at(LAN, 53), ms(700))?;
    traffic.tcp_client(internet, at(WAN, 8080), ms(400))?;
    traffic.tcp_client(internet, at(WAN, 22), ms(900))?;
    traffic.scanner(internet, WAN.into(), ms(250))?;
    Ok(traffic)
}
