//! What the machine calls its numbers: interfaces, protocols, marks, labels, owners of tables, the time zone.

use crate::model::names::{Names, Zone, parse_ethertypes, parse_number_table, parse_protocols};
use crate::model::network::RouteNames;
use crate::model::{Family, Ruleset, Table, ruleset::table_flags};
use chrono::{Local, Offset, TimeZone};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

/// Everything that printing this ruleset may look up.
pub fn names(ruleset: &Ruleset) -> Names {
    Names {
        interfaces: interfaces(),
        protocols: parse_protocols(&read("/etc/protocols")),
        marks: parse_number_table(&read("/etc/iproute2/rt_marks")),
        realms: parse_number_table(&read("/etc/iproute2/rt_realms")),
        device_groups: parse_number_table(&read("/etc/iproute2/group")),
        conntrack_labels: conntrack_labels(),
        xtables_labels: parse_number_table(&read(XTABLES_LABELS)),
        routing: route_names(),
        cgroups: if mentions_cgroups(ruleset) {
            cgroups()
        } else {
            BTreeMap::new()
        },
        ipsets: super::ipset::names(),
        ethertypes: parse_ethertypes(&read("/etc/ethertypes")),
        processes: owners(ruleset),
        zone: zone(),
    }
}

/// What reading a text in the iptables language for tables of a family may look up: nothing is read that none of its
/// words can need.
pub fn names_for_iptables(text: &str, family: Family) -> Names {
    let wanted = |word: &str| text.contains(word);
    let mut names = Names::default();
    // There, any word may be one of these names: `-p ARP`.
    if matches!(family, Family::Bridge | Family::Arp) {
        names.ethertypes = parse_ethertypes(&read("/etc/ethertypes"));
    }
    if wanted("label") {
        names.xtables_labels = parse_number_table(&read(XTABLES_LABELS));
    }
    if wanted("realm") {
        names.realms = parse_number_table(&read("/etc/iproute2/rt_realms"));
    }
    if wanted("group") {
        names.device_groups = parse_number_table(&read("/etc/iproute2/group"));
    }
    if wanted("set") || wanted("SET") {
        names.ipsets = super::ipset::names();
    }
    names
}

/// Ports by service, from `/etc/services`; of a name with several the first.
pub fn services() -> BTreeMap<String, u16> {
    numbers_by_name("/etc/services")
}

/// The port of one service. The file is read once, when the first is asked for.
pub fn service(name: &str) -> Option<u16> {
    static SERVICES: OnceLock<BTreeMap<String, u16>> = OnceLock::new();
    SERVICES.get_or_init(services).get(name).copied()
}

/// Numbers of protocols by name and alias, from `/etc/protocols`.
pub fn protocol_numbers() -> BTreeMap<String, u8> {
    numbers_by_name("/etc/protocols")
}

/// The number of one protocol. The file is read once, when the first is asked for.
pub fn protocol(name: &str) -> Option<u8> {
    static PROTOCOLS: OnceLock<BTreeMap<String, u8>> = OnceLock::new();
    PROTOCOLS.get_or_init(protocol_numbers).get(name).copied()
}

/// Lines of a name, a number (`80/tcp`) and other names.
fn numbers_by_name<T: FromStr + Copy>(path: &str) -> BTreeMap<String, T> {
    let mut table = BTreeMap::new();
    for line in read(path).lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(name), Some(number)) = (words.next(), words.next()) else {
            continue;
        };
        let Some(Ok(number)) = number.split('/').next().map(str::parse::<T>) else {
            continue;
        };
        for name in std::iter::once(name).chain(words) {
            table.entry(name.to_owned()).or_insert(number);
        }
    }
    table
}

fn read(path: &str) -> String {
    // A file that is not there means that numbers have no names.
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The names that iproute2 has and those of its configuration files. What is missing or unreadable leaves the
/// built-in names.
pub fn route_names() -> RouteNames {
    let mut names = RouteNames::built_in();
    let byte = u32::from(u8::MAX);
    for (table, file, most) in [
        (&mut names.tables, "rt_tables", u32::MAX),
        (&mut names.protocols, "rt_protos", byte),
        (&mut names.scopes, "rt_scopes", byte),
        (&mut names.realms, "rt_realms", byte),
        (&mut names.dsfield, "rt_dsfield", byte),
        (&mut names.groups, "group", u32::MAX),
    ] {
        for text in iproute2(file) {
            table.add_file(&text, most);
        }
    }
    names.ip_protocols.add_protocols(&read("/etc/protocols"));
    names
}

/// The texts of a table of iproute2: the administrator's, or else the distribution's; then what was dropped in
/// beside it.
fn iproute2(file: &str) -> Vec<String> {
    const DIRECTORIES: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];
    let mut texts: Vec<String> = DIRECTORIES
        .iter()
        .find_map(|directory| fs::read_to_string(format!("{directory}/{file}")).ok())
        .into_iter()
        .collect();
    for directory in DIRECTORIES.iter().rev() {
        let entries = fs::read_dir(format!("{directory}/{file}.d"));
        let mut paths: Vec<_> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "conf"));
        paths.sort();
        texts.extend(
            paths
                .into_iter()
                .filter_map(|path| fs::read_to_string(path).ok()),
        );
    }
    texts
}

fn interfaces() -> BTreeMap<u32, String> {
    let Ok(list) = nix::net::if_::if_nameindex() else {
        return BTreeMap::new();
    };
    list.iter()
        .map(|entry| (entry.index(), entry.name().to_string_lossy().into_owned()))
        .collect()
}

/// Where iptables looks, by way of libnetfilter_conntrack.
const XTABLES_LABELS: &str = "/etc/xtables/connlabel.conf";

/// Where nft looks: newer ones first, then older ones.
fn conntrack_labels() -> BTreeMap<u32, String> {
    let own = parse_number_table(&read("/etc/nftables/connlabel.conf"));
    if own.is_empty() {
        parse_number_table(&read("/etc/connlabel.conf"))
    } else {
        own
    }
}

/// The local time zone.
pub fn zone() -> Zone {
    fn offset_at(seconds: i64) -> i32 {
        Local
            .timestamp_opt(seconds, 0)
            .earliest()
            .map_or(0, |time| time.offset().fix().local_minus_utc())
    }
    Zone {
        offset_at,
        offset_now: Local::now().offset().fix().local_minus_utc(),
    }
}

/// The word `cgroupv2` cannot be seen without decoding; the expression's name in the raw bytes is enough.
fn mentions_cgroups(ruleset: &Ruleset) -> bool {
    ruleset
        .tables
        .iter()
        .flat_map(|table| &table.chains)
        .any(|chain| {
            chain
                .rules
                .iter()
                .any(|rule| contains(rule.attributes, b"socket\0"))
        })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Inodes of cgroup v2 directories to their paths.
fn cgroups() -> BTreeMap<u64, String> {
    fn walk(dir: &Path, below: &str, depth: usize, found: &mut BTreeMap<u64, String>) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() {
                name
            } else {
                format!("{below}/{name}")
            };
            if meta.is_dir() && depth < 32 {
                walk(&entry.path(), &path, depth + 1, found);
            }
            found.entry(meta.ino()).or_insert(path);
        }
    }
    let mut found = BTreeMap::new();
    walk(Path::new("/sys/fs/cgroup"), "", 0, &mut found);
    found
}

/// Names of the processes that own tables.
fn owners(ruleset: &Ruleset) -> BTreeMap<u32, String> {
    let owned = |table: &Table| {
        (table.flags & table_flags::OWNER != 0)
            .then_some(table.owner)
            .flatten()
    };
    ruleset
        .tables
        .iter()
        .filter_map(|table| owned(table))
        .filter_map(|port| Some((port, process_of_port(port)?)))
        .collect()
}

/// The process that holds the netfilter netlink socket with this port: `/proc/net/netlink` tells the socket's inode.
pub fn process_of_port(port: u32) -> Option<String> {
    const NETLINK_NETFILTER: &str = "12";
    let table = read("/proc/net/netlink");
    let inode = table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (protocol, id, inode) = (fields.get(1)?, fields.get(2)?, fields.get(9)?);
        (*protocol == NETLINK_NETFILTER && id.parse() == Ok(port)).then(|| (*inode).to_owned())
    })?;
    let wanted = format!("socket:[{inode}]");
    // Most programs get their process id as their first port.
    let mut pids = vec![port];
    pids.extend(
        fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| *pid > 1 && *pid != port),
    );
    pids.into_iter().find_map(|pid| {
        let holds = fs::read_dir(format!("/proc/{pid}/fd"))
            .ok()?
            .flatten()
            .any(|entry| {
                fs::read_link(entry.path()).is_ok_and(|link| link.to_str() == Some(&wanted))
            });
        holds.then(|| process_name(pid)).flatten()
    })
}

fn process_name(pid: u32) -> Option<String> {
    let stat = read(&format!("/proc/{pid}/stat"));
    Some(stat.split_once('(')?.1.rsplit_once(')')?.0.to_owned())
}
