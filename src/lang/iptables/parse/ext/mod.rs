//! Matches and targets: which options they take, and what these make of their structures.
//!
//! One function per extension builds the newest revision that iptables 1.8.9 writes.

mod bridge;
mod conntrack;
mod nat;
mod packet;
mod rate;
mod state;
mod target;
mod transport;

use super::Wrong;
use super::options::Options;
use crate::lang::iptables::rule::Part;
use crate::model::Family;
use crate::model::xtables::{ExtensionKind, Families};

pub type Built = Result<Part, Wrong>;

/// One extension of the language.
#[derive(Debug)]
pub struct Spec {
    pub name: &'static str,
    pub kind: ExtensionKind,
    pub families: Families,
    /// See `options::known`.
    pub options: &'static str,
    /// A target of ebtables that is written like a match.
    pub watcher: bool,
    pub build: fn(&Options<'_>) -> Built,
}

const fn spec(
    kind: ExtensionKind,
    name: &'static str,
    families: Families,
    options: &'static str,
    build: fn(&Options<'_>) -> Built,
) -> Spec {
    Spec {
        name,
        kind,
        families,
        options,
        watcher: false,
        build,
    }
}

const fn m(
    name: &'static str,
    families: Families,
    options: &'static str,
    build: fn(&Options<'_>) -> Built,
) -> Spec {
    spec(ExtensionKind::Match, name, families, options, build)
}

const fn t(
    name: &'static str,
    families: Families,
    options: &'static str,
    build: fn(&Options<'_>) -> Built,
) -> Spec {
    spec(ExtensionKind::Target, name, families, options, build)
}

const LISTS: &[&[Spec]] = &[
    transport::SPECS,
    packet::SPECS,
    conntrack::SPECS,
    state::SPECS,
    rate::SPECS,
    target::SPECS,
    nat::SPECS,
    bridge::SPECS,
];

pub fn all() -> impl Iterator<Item = &'static Spec> {
    LISTS.iter().flat_map(|list| list.iter())
}

/// Extensions that need no `-m`. Bridge and arp tables have none of the others.
pub fn of_family(kind: ExtensionKind, family: Family) -> impl Iterator<Item = &'static Spec> {
    all().filter(move |spec| {
        let own = match family {
            Family::Bridge => matches!(spec.families, Families::Bridge),
            _ => true,
        };
        own && spec.kind == kind && spec.families.holds(family)
    })
}

pub fn watchers() -> impl Iterator<Item = &'static Spec> {
    all().filter(|spec| spec.watcher)
}

pub fn find(kind: ExtensionKind, family: Family, name: &str) -> Option<&'static Spec> {
    let name = match name {
        "icmpv6" | "ipv6-icmp" if family == Family::Ip6 => "icmp6",
        "mobility-header" | "ipv6-mh" => "mh",
        name => name,
    };
    all().find(|spec| spec.kind == kind && spec.name == name && spec.families.holds(family))
}

/// The match that `-p` makes known.
pub fn of_protocol(family: Family, proto: u16) -> Option<&'static Spec> {
    let name = match (family, proto) {
        (Family::Ip | Family::Ip6, 6) => "tcp",
        (Family::Ip | Family::Ip6, 17) => "udp",
        (Family::Ip, 1) => "icmp",
        (Family::Ip6, 58) => "icmp6",
        (Family::Ip | Family::Ip6, 132) => "sctp",
        (Family::Ip | Family::Ip6, 33) => "dccp",
        (Family::Ip | Family::Ip6, 50) => "esp",
        (Family::Ip | Family::Ip6, 51) => "ah",
        (Family::Ip6, 135) => "mh",
        _ => return None,
    };
    find(ExtensionKind::Match, family, name)
}
