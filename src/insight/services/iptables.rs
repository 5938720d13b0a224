//! Services in tables of iptables: kube-proxy's chains `KUBE-SVC-*` and `KUBE-SEP-*`, Docker's chain `DOCKER`.

use super::{
    Balance, Endpoint, Numbered, RuleAt, Service, Source, Traffic, Way, WayKind, protocol, socket,
};
use crate::lang::iptables::rule::{Chain, Part, Rule, Target};
use crate::model;
use crate::model::expression::Counter;
use crate::model::xtables::Extension;
use crate::model::xtables::rule::Header;
use crate::model::xtables::state::Statistic;
use crate::model::xtables::target::NatRange2;
use crate::model::{Family, Name};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

/// What rules say about the packets that they are for.
struct Read<'r> {
    destination: Option<IpAddr>,
    protocol: u16,
    port: Option<u16>,
    comment: Option<String>,
    /// The part of packets that a rule takes by chance, of 1.
    chance: Option<f64>,
    /// Clients that were there lately come here again.
    sticky: bool,
    to: Option<&'r Name>,
    counters: Counter,
}

fn whole4(address: [u8; 4], mask: [u8; 4]) -> Option<IpAddr> {
    (mask == [0xff; 4]).then(|| address.into())
}

fn whole6(address: [u8; 16], mask: [u8; 16]) -> Option<IpAddr> {
    (mask == [0xff; 16]).then(|| address.into())
}

/// `XT_RECENT_CHECK`
const CHECK: u8 = 1;

/// Of 1, where the match is by chance.
fn probability(statistic: &Statistic) -> Option<f64> {
    let random = statistic.mode == 0 && statistic.flags == 0;
    random.then(|| f64::from(statistic.every) / f64::from(1u32 << 31))
}

fn read(rule: &Rule) -> Read<'_> {
    let (destination, protocol) = match &rule.header {
        Header::Ip(header) => (whole4(header.dst, header.dmsk), header.proto),
        Header::Ip6(header) => (whole6(header.dst, header.dmsk), header.proto),
        _ => (None, 0),
    };
    let mut port = None;
    let mut comment = None;
    let mut chance = None;
    let mut sticky = false;
    for part in &rule.parts {
        let Part::Known(extension) = part else {
            continue;
        };
        let ports = match extension {
            Extension::Tcp(tcp) => Some(tcp.dpts),
            Extension::Udp(udp) => Some(udp.dpts),
            Extension::Comment(text) => {
                comment = Some(text.comment.text());
                None
            }
            Extension::Statistic(statistic) => {
                chance = probability(statistic);
                None
            }
            Extension::Recent0(recent) => {
                sticky |= recent.check_set & CHECK != 0;
                None
            }
            Extension::Recent1(recent) => {
                sticky |= recent.check_set & CHECK != 0;
                None
            }
            _ => None,
        };
        if let Some([from, to]) = ports
            && from == to
        {
            port = Some(from);
        }
    }
    Read {
        destination,
        protocol,
        port,
        comment,
        chance,
        sticky,
        to: match &rule.target {
            Target::Jump(chain) | Target::Goto(chain) => Some(chain),
            _ => None,
        },
        counters: rule.counters,
    }
}

/// Where a rule sends packets by DNAT.
fn translated(family: Family, rule: &Rule) -> Option<SocketAddr> {
    /// `NF_NAT_RANGE_PROTO_SPECIFIED`
    const PORTED: u32 = 2;
    let Target::Extension(Part::Known(extension)) = &rule.target else {
        return None;
    };
    let range = match extension {
        Extension::Dnat0(range) => NatRange2::from(range),
        Extension::Dnat1(range) => NatRange2::from(range),
        Extension::Dnat2(range) => range.clone(),
        _ => return None,
    };
    let address = match family {
        Family::Ip => range.min_addr.v4().0.into(),
        _ => IpAddr::from(range.min_addr.0),
    };
    let port = (range.flags & PORTED != 0).then_some(range.min_proto.0);
    let named = || read(rule).port;
    socket(Some(address), port.or_else(named))
}

/// `KUBE-SVC-X`, `KUBE-EXT-X`, `KUBE-FW-X` and the rest belong to the service X.
fn key(chain: &str) -> Option<&str> {
    let rest = chain.strip_prefix("KUBE-")?;
    let (kind, key) = rest.split_once('-')?;
    ["SVC", "SVL", "EXT", "FW", "XLB"]
        .contains(&kind)
        .then_some(key)
}

/// `namespace/name:port`, without what the comment says about it.
fn name_in(comment: &str) -> Option<&str> {
    let name = comment.split(' ').next()?;
    name.contains('/').then_some(name)
}

/// What the comment of a portal says about the place.
fn kind(portal: &str, comment: &str) -> WayKind {
    match portal {
        "KUBE-NODEPORTS" => WayKind::NodePort,
        _ if comment.contains("loadbalancer IP") => WayKind::LoadBalancer,
        _ if comment.contains("external IP") => WayKind::External,
        _ => WayKind::Cluster,
    }
}

struct Reader<'t> {
    family: Family,
    /// The name of the table that is being read.
    table: Name,
    chains: HashMap<&'t str, &'t Chain>,
    /// The same chains as they are shown, for the handles.
    shown: HashMap<&'t str, &'t model::Chain>,
    services: BTreeMap<String, Service>,
}

/// The services of the tables of one family and backend.
pub fn services(tables: &[Numbered<'_>]) -> Vec<Service> {
    let Some(family) = tables.first().map(|one| one.table.family) else {
        return Vec::new();
    };
    let mut services = BTreeMap::new();
    for one in tables.iter().filter(|one| &*one.table.name == "filter") {
        let mut reader = Reader::new(family, one);
        let kube = |chain: &&Chain| chain.name.starts_with("KUBE-");
        for chain in one.table.chains.iter().filter(kube) {
            reader.without_endpoints(chain);
        }
        services.append(&mut reader.services);
    }
    let mut published = Vec::new();
    for one in tables.iter().filter(|one| &*one.table.name == "nat") {
        let mut reader = Reader::new(family, one);
        for chain in ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES"] {
            reader.portal(chain);
        }
        reader.endpoints();
        services.append(&mut reader.services);
        published = reader.published();
    }
    services.into_values().chain(published).collect()
}

impl<'t> Reader<'t> {
    fn new(family: Family, one: &Numbered<'t>) -> Reader<'t> {
        let (chains, shown) = (&one.table.chains, one.shown.iter());
        let shown = shown.flat_map(|table| &table.chains);
        Reader {
            family,
            table: one.name.clone(),
            chains: chains.iter().map(|chain| (&*chain.name, chain)).collect(),
            shown: shown.map(|chain| (&*chain.name, &**chain)).collect(),
            services: BTreeMap::new(),
        }
    }

    /// A rule by its index in its chain.
    fn at(&self, chain: &Chain, index: usize) -> RuleAt {
        let shown = self.shown.get(&*chain.name);
        let rule = shown.and_then(|shown| shown.rules.get(index));
        RuleAt {
            chain: chain.name.clone(),
            handle: rule.map_or(index as u64 + 1, |rule| rule.handle),
        }
    }

    /// A chain that sends packets to the chains of services.
    fn portal(&mut self, name: &str) {
        let Some(chain) = self.chains.get(name).copied() else {
            return;
        };
        for (index, rule) in chain.rules.iter().enumerate() {
            let read = read(rule);
            let Some((to, key)) = read.to.and_then(|to| Some((to, key(to)?))) else {
                continue;
            };
            let comment = read.comment.as_deref().unwrap_or_default();
            let named = name_in(comment).unwrap_or(key);
            let at = self.at(chain, index);
            let place = (self.family, &self.table, to);
            let service = self.services.entry(key.to_owned()).or_insert_with(|| {
                let protocol = protocol(read.protocol);
                Service::new(Source::Kubernetes, named.to_owned(), protocol, place)
            });
            service.lead(kind(name, comment), &read, at);
        }
    }

    /// Rules of the table filter that refuse what has nowhere to go.
    fn without_endpoints(&mut self, chain: &Chain) {
        for (index, rule) in chain.rules.iter().enumerate() {
            let read = read(rule);
            let comment = read.comment.as_deref().unwrap_or_default();
            if !comment.ends_with("has no endpoints") {
                continue;
            }
            let Some(name) = name_in(comment) else {
                continue;
            };
            let at = self.at(chain, index);
            let key = format!("{name} {}", read.protocol);
            let place = (self.family, &self.table, &chain.name);
            let service = self.services.entry(key).or_insert_with(|| {
                let protocol = protocol(read.protocol);
                let mut service =
                    Service::new(Source::Kubernetes, name.to_owned(), protocol, place);
                service.rule = Some(at.handle);
                service
            });
            let kind = match (read.destination, &*chain.name) {
                (None, _) => WayKind::NodePort,
                (Some(_), "KUBE-SERVICES") => WayKind::Cluster,
                (Some(_), _) => WayKind::External,
            };
            service.lead(kind, &read, at);
        }
    }

    /// From each service's chain to those of its endpoints.
    fn endpoints(&mut self) {
        let mut services = std::mem::take(&mut self.services);
        for (key, service) in &mut services {
            for kind in ["SVC", "SVL", "EXT", "XLB"] {
                let name = format!("KUBE-{kind}-{key}");
                if let Some(chain) = self.chains.get(name.as_str()).copied() {
                    if kind == "SVC" {
                        service.chain = chain.name.clone();
                    }
                    self.chosen(service, chain);
                }
            }
        }
        self.services = services;
    }

    /// The endpoints that one chain chooses from.
    fn chosen(&self, service: &mut Service, chain: &Chain) {
        // What the rules so far have left over.
        let mut left = 1.0;
        for (index, rule) in chain.rules.iter().enumerate() {
            let read = read(rule);
            let Some(to) = read.to.filter(|to| to.starts_with("KUBE-SEP-")) else {
                continue;
            };
            let share = match (read.sticky, read.chance) {
                (true, _) => {
                    service.balance = Balance::Sticky;
                    None
                }
                (false, chance) => Some(left * chance.unwrap_or(1.0)),
            };
            left -= share.unwrap_or(0.0);
            let place = service.endpoints.iter().position(|one| one.chain == *to);
            let endpoint = match place.and_then(|place| service.endpoints.get_mut(place)) {
                Some(known) => known,
                None => {
                    let rules = self.chains.get(&**to).map_or(&[][..], |chain| &chain.rules);
                    let address = rules.iter().find_map(|rule| translated(self.family, rule));
                    service.endpoints.push(Endpoint {
                        address,
                        share: None,
                        counters: None,
                        rate: None,
                        chain: to.clone(),
                        rule: None,
                        counted: Vec::new(),
                    });
                    let Some(new) = service.endpoints.last_mut() else {
                        continue;
                    };
                    new
                }
            };
            endpoint.share = endpoint.share.or(share);
            *endpoint.counters.get_or_insert_default() += read.counters;
            endpoint.counted.push(self.at(chain, index));
        }
    }

    /// Ports that Docker publishes: the DNAT rules of its chain.
    fn published(&self) -> Vec<Service> {
        let Some(chain) = self.chains.get("DOCKER").copied() else {
            return Vec::new();
        };
        let mut services: Vec<Service> = Vec::new();
        for (index, rule) in chain.rules.iter().enumerate() {
            let read = read(rule);
            let (Some(address), Some(port)) = (translated(self.family, rule), read.port) else {
                continue;
            };
            services.push(Service::published(
                (self.family, &self.table),
                &protocol(read.protocol),
                (read.destination, port),
                address,
                (self.at(chain, index), Some(read.counters)),
            ));
        }
        services
    }
}

impl Service {
    /// A rule leads to it.
    fn lead(&mut self, kind: WayKind, read: &Read<'_>, at: RuleAt) {
        if let Some(port) = read.port {
            self.add_way(Way {
                kind,
                address: read.destination,
                port,
                rule: Some(at.clone()),
            });
        }
        *self.counters.get_or_insert_default() += read.counters;
        self.counted.push(at);
    }

    /// A port that Docker publishes, by one rule.
    pub(super) fn published(
        (family, table): (Family, &Name),
        protocol: &str,
        (host, port): (Option<IpAddr>, u16),
        to: SocketAddr,
        (at, counters): (RuleAt, Option<Counter>),
    ) -> Service {
        let mut service = Service::new(
            Source::Docker,
            format!("published {port}/{protocol}"),
            protocol.to_owned(),
            (family, table, &at.chain),
        );
        let counters = counters.map(Traffic::from);
        service.counters = counters;
        service.rule = Some(at.handle);
        service.add_way(Way {
            kind: match host {
                Some(_) => WayKind::External,
                None => WayKind::NodePort,
            },
            address: host,
            port,
            rule: Some(at.clone()),
        });
        service.endpoints.push(Endpoint {
            address: Some(to),
            share: None,
            counters,
            rate: None,
            chain: at.chain.clone(),
            rule: Some(at.handle),
            counted: vec![at.clone()],
        });
        service.counted.push(at);
        service
    }
}
