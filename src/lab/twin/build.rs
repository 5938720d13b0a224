//! Making the twin: links, addresses, settings, routes, ipsets, legacy tables and the ruleset of a picture, in a new
//! namespace that the calling thread moves into.

use super::super::namespace::Namespace;
use super::TwinError;
use crate::kernel::inject::Frames;
use crate::kernel::ipset;
use crate::kernel::legacy::blob::encode;
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::commit::commit;
use crate::kernel::nf_tables::load::{self, ReadElements};
use crate::kernel::nf_tables::trace::Traces;
use crate::kernel::route::{ForPackets, bridge_port, copy_links_for, filters_vlans, make_change};
use crate::model::network::{
    ChangeAction, Neighbour, PolicyRule, RouteChange, neighbour_state as state,
};
use crate::model::{Family, Name, Network, Ruleset, Snapshot};
use crate::stage::plan;
use nix::sched::{CloneFlags, unshare};
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::{fs, io};

/// More routes take longer than people wait for an answer.
const MOST_ROUTES: usize = 100_000;
/// `NFT_FLOWTABLE_HW_OFFLOAD`, `NFT_CHAIN_HW_OFFLOAD`: the twin's devices have no hardware.
const FLOWTABLE_OFFLOAD: u32 = 1;
const CHAIN_OFFLOAD: u32 = 2;

/// Places of rules in their chains, by handle.
pub type Places = HashMap<(Family, Name, Name), HashMap<u64, usize>>;

/// A twin from within.
pub struct Inside {
    pub frames: Frames,
    /// Index and name of the devices where packets arrive, and of the ends in the other namespace.
    pub entries: HashMap<Name, u32>,
    pub traces: Traces,
    pub netfilter: Socket,
    pub places: Places,
    pub not_copied: Vec<String>,
    /// Kept: the other ends are in it.
    pub _far: Namespace,
}

fn part<T>(what: &'static str, result: Result<T, KernelError>) -> Result<T, TwinError> {
    result.map_err(|error| TwinError::Kernel { what, error })
}

/// Move into a new namespace and make the picture's machine there.
pub fn build(picture: &Snapshot, entries: &[Name], far: Namespace) -> Result<Inside, TwinError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(TwinError::NotAllowed)?;
    let mut not_copied = Vec::new();
    let network = &picture.network;
    let cables: Vec<u32> = entries
        .iter()
        .filter_map(|name| network.link_by_name(name))
        .filter(|link| !link.is_loopback())
        .map(|link| link.index)
        .collect();
    // The other ends say nothing by themselves.
    let quiet = far.run(|| {
        for name in ["all", "default"] {
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        }
        Ok(())
    });
    quiet?;
    let mut route = part("sockets", Socket::open(Protocol::Route))?;
    let packets = ForPackets {
        cables: &cables,
        far: far.file().as_raw_fd(),
    };
    let failed = part(
        "links",
        copy_links_for(
            &mut route,
            &network.links,
            &network.addresses,
            Some(packets),
        ),
    )?;
    if failed > 0 {
        not_copied.push(format!("{failed} devices or addresses"));
    }
    not_copied.extend(plain(network));
    let by_port = |rule: &PolicyRule| rule.sport.is_some() || rule.dport.is_some();
    if network.rules.iter().any(by_port) {
        not_copied.push("ports in routing rules, for packets that this machine sends".into());
    }
    let frames = far.run(move || {
        let mut socket = Socket::open(Protocol::Route).map_err(links_error)?;
        for link in crate::kernel::route::read_links(&mut socket).map_err(links_error)? {
            if &*link.name != "lo" {
                crate::kernel::route::switch_on(&mut socket, link.index).map_err(links_error)?;
            }
        }
        Ok(Frames::open()?)
    })?;
    settings(network, &mut not_copied);
    routing(&mut route, network, &mut not_copied);
    neighbours(&mut route, network);
    let mut netfilter = part("sockets", Socket::open(Protocol::Netfilter))?;
    not_copied.extend(ipset::copy::make_all(&picture.ipsets));
    ruleset(&picture.ruleset, &mut not_copied)?;
    // At the same priority the order is that of coming, which no picture has: as in the prediction, they come last.
    legacy(picture, &mut not_copied);
    let made = load::load(&mut netfilter, ReadElements::None)
        .map_err(|error| TwinError::Ruleset(error.to_string()))?;
    let far_links = cables
        .iter()
        .filter_map(|index| {
            let link = network.link(*index)?;
            Some((link.name.clone(), crate::kernel::route::peer_index(*index)))
        })
        .collect();
    Ok(Inside {
        frames,
        entries: far_links,
        traces: part("trace", Traces::open())?,
        netfilter,
        places: places(&made),
        not_copied,
        _far: far,
    })
}

/// What devices do beyond what their copies do: one sentence each.
fn plain(network: &Network) -> impl Iterator<Item = String> {
    network.links.iter().filter_map(|link| {
        let name = &link.name;
        if link.carrier == Some(true) && !bridge_port(link).forwards() {
            return Some(format!(
                "the spanning tree's state of {name}, which forwards in the copy"
            ));
        }
        let kind = link.kind.as_deref()?;
        Some(match kind {
            "bridge" if filters_vlans(link) => {
                format!("the VLANs of the ports of {name}: each port has the bridge's own")
            }
            "bond" | "team" => format!("the {kind} {name} as such: its copy is one plain device"),
            "vxlan" | "gre" | "gretap" | "ip6gre" | "ip6gretap" | "ipip" | "sit" | "ip6tnl"
            | "geneve" | "wireguard" | "xfrm" | "vti" | "vti6" | "macsec" => {
                format!("the tunnel {name}: what goes into its copy does not come out again")
            }
            _ => return None,
        })
    })
}

fn links_error(error: KernelError) -> super::LabError {
    super::LabError::Kernel {
        what: "links",
        error,
    }
}

/// Sysctls of the namespace that differ from a new one's.
fn settings(network: &Network, not_copied: &mut Vec<String>) {
    let rank = |path: &str| match path {
        "net/ipv4/ip_forward" => 0,
        // These set those of every device, too.
        path if path.contains("/conf/all/") => 1,
        path if path.contains("/conf/") => 3,
        _ => 2,
    };
    let mut list: Vec<(&str, &str)> = network
        .sysctls
        .iter()
        .filter(|(path, _)| is_of_namespace(path))
        .collect();
    list.sort_by_key(|(path, _)| (rank(path), *path));
    let mut failed = Vec::new();
    for (path, value) in list {
        let file = format!("/proc/sys/{path}");
        let Ok(now) = fs::read_to_string(&file) else {
            // Of a module that is not loaded, or a device that was not copied.
            continue;
        };
        if now.trim() != value.trim() && fs::write(&file, value).is_err() {
            failed.push(path);
        }
    }
    if let Some(first) = failed.first() {
        not_copied.push(format!("{} settings, such as {first}", failed.len()));
    }
}

/// Settings that every namespace has for itself, and that decide about packets.
fn is_of_namespace(path: &str) -> bool {
    const NOT: [&str; 4] = ["_max", "_buckets", "_count", "_ratelimit"];
    [
        "net/ipv4/",
        "net/ipv6/",
        "net/bridge/",
        "net/netfilter/nf_conntrack_",
    ]
    .iter()
    .any(|start| path.starts_with(start))
        && !NOT.iter().any(|end| path.ends_with(end))
}

fn routing(socket: &mut Socket, network: &Network, not_copied: &mut Vec<String>) {
    let count = network.routes.route_count();
    if count > MOST_ROUTES {
        not_copied.push(format!(
            "{count} routes, more than {MOST_ROUTES}: the ways out are those of a machine without them"
        ));
        return;
    }
    // The kernel makes routes of its own while links and addresses come up.
    const TRIES: usize = 10;
    let mut failed = crate::stage::route::copy_routing(socket, network);
    for _ in 1..TRIES {
        if failed.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        failed = crate::stage::route::copy_routing(socket, network);
    }
    if let Some(first) = failed.first() {
        not_copied.push(format!("{} routes or rules ({first})", failed.len()));
    }
}

/// Known neighbours stay known: nobody would answer for them. Those of bridges, where frames go.
fn neighbours(socket: &mut Socket, network: &Network) {
    const MOST: usize = 10_000;
    let usable = |one: &&Neighbour| {
        !one.link_address.is_empty() && one.state & (state::FAILED | state::INCOMPLETE) == 0
    };
    for one in network.neighbours.iter().filter(usable).take(MOST) {
        const AF_BRIDGE: u8 = 7;
        let lasting = Neighbour {
            // A permanent entry of a bridge is an address of its own.
            state: match one.family {
                AF_BRIDGE if one.state & state::PERMANENT == 0 => state::NOARP,
                _ => state::PERMANENT,
            },
            raw: Vec::new(),
            ..one.clone()
        };
        let change = RouteChange::neighbour(ChangeAction::Replace, lasting);
        // A bridge has entries of its own already; those of devices that were not copied are of no use.
        let _ = make_change(socket, &change);
    }
}

fn legacy(picture: &Snapshot, not_copied: &mut Vec<String>) {
    // They are listed with the newest first.
    for table in picture.legacy.iter().rev() {
        let made = LegacySocket::open(table.family).and_then(|socket| {
            let encoded = encode(table).map_err(|error| io::Error::other(error.to_string()))?;
            socket
                .replace(&table.name, &mut encoded.into_blob())
                .map(drop)
        });
        if let Err(error) = made {
            not_copied.push(format!(
                "legacy {} table {} ({error})",
                table.family, table.name
            ));
        }
    }
}

fn ruleset(wanted: &Ruleset, not_copied: &mut Vec<String>) -> Result<(), TwinError> {
    let mut wanted = wanted.clone();
    for table in &mut wanted.tables {
        let offloads = table
            .flowtables
            .iter()
            .any(|one| one.flags & FLOWTABLE_OFFLOAD != 0)
            || table
                .chains
                .iter()
                .any(|one| one.flags & CHAIN_OFFLOAD != 0);
        if !offloads {
            continue;
        }
        let table = std::sync::Arc::make_mut(table);
        for one in &mut table.flowtables {
            std::sync::Arc::make_mut(one).flags &= !FLOWTABLE_OFFLOAD;
        }
        for one in &mut table.chains {
            std::sync::Arc::make_mut(one).flags &= !CHAIN_OFFLOAD;
        }
    }
    let plan = plan::diff(&Ruleset::default(), &wanted);
    not_copied.extend(plan.left);
    commit(&plan.commands, Default::default())
        .map(|_| ())
        .map_err(|refused| TwinError::Ruleset(refused.to_string()))
}

fn places(ruleset: &Ruleset) -> Places {
    let mut places = Places::new();
    for table in &ruleset.tables {
        for chain in &table.chains {
            let key = (table.family, table.name.clone(), chain.name.clone());
            let rules = chain.rules.iter().enumerate();
            places.insert(
                key,
                rules.map(|(place, rule)| (rule.handle, place)).collect(),
            );
        }
    }
    places
}
