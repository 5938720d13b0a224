//! The hook graph: which functions run at which hook of which family, in the kernel's order
//! (`net/netfilter/core.c`): ascending priority, and at equal priority the one registered last comes first.
//!
//! When something was registered is not in any dump. Tables and chains are numbered as they come, which tells the
//! order within a table and mostly that of tables; where the kernel lists its hooks, that list decides.

use super::eval::program::{ChainId, Program};
use super::hash::Map;
use crate::kernel::netlink::Attrs;
use crate::model::network::{HookFunction, Network};
use crate::model::ruleset::table_flags;
use crate::model::{Family, ObjectData, Table};

/// Hooks of the IP families and the bridge: `enum nf_inet_hooks`.
pub mod inet {
    pub const PREROUTING: u8 = 0;
    pub const INPUT: u8 = 1;
    pub const FORWARD: u8 = 2;
    pub const OUTPUT: u8 = 3;
    pub const POSTROUTING: u8 = 4;
    pub const INGRESS: u8 = 5;
}

/// `enum nf_dev_hooks`
pub mod netdev {
    pub const INGRESS: u8 = 0;
    pub const EGRESS: u8 = 1;
}

/// `NF_ARP_*`
pub mod arp {
    pub const IN: u8 = 0;
    pub const OUT: u8 = 1;
    pub const FORWARD: u8 = 2;
}

/// The word for a hook.
pub fn hook_name(family: Family, hook: u8) -> &'static str {
    match (family, hook) {
        (Family::Netdev, netdev::INGRESS) => "ingress",
        (Family::Netdev, netdev::EGRESS) => "egress",
        (Family::Arp, arp::IN) => "input",
        (Family::Arp, arp::OUT) => "output",
        (Family::Arp, arp::FORWARD) => "forward",
        (_, inet::PREROUTING) => "prerouting",
        (_, inet::INPUT) => "input",
        (_, inet::FORWARD) => "forward",
        (_, inet::OUTPUT) => "output",
        (_, inet::POSTROUTING) => "postrouting",
        (_, inet::INGRESS) => "ingress",
        _ => "unknown",
    }
}

/// What runs at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Nft(ChainId),
    /// A legacy table, by its place.
    Legacy(usize),
    Defrag,
    Conntrack,
    Confirm,
    Nat,
    /// br_netfilter's calls into the IP families.
    BridgePrerouting,
    BridgeForward,
    BridgePostrouting,
    /// br_netfilter keeps bridged packets from a second prerouting.
    Sabotage,
}

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub priority: i32,
    /// Later is larger.
    registered: (u64, u64),
    pub function: Function,
}

/// A legacy table as the graph needs it.
#[derive(Clone, Copy, Debug)]
pub struct LegacyHooks {
    /// `Family::Ip`, `Ip6` or `Arp`
    pub family: Family,
    /// Bit per hook.
    pub hooks: u32,
    pub priority: [i32; 5],
    pub is_nat: bool,
    pub uses_conntrack: bool,
}

type List = Vec<Entry>;

#[derive(Default)]
pub struct Hooks {
    ip: [List; 5],
    ip6: [List; 5],
    bridge: [List; 5],
    arp: [List; 3],
    ingress: Map<u32, List>,
    egress: Map<u32, List>,
    nat4: [List; 5],
    nat6: [List; 5],
    /// Somebody uses conntrack, per family.
    pub conntrack4: bool,
    pub conntrack6: bool,
}

const PRI_DEFRAG: i32 = -400;
const PRI_CONNTRACK: i32 = -200;
const PRI_NAT_DST: i32 = -100;
const PRI_NAT_SRC: i32 = 100;
/// Where br_netfilter sits in the bridge's hooks: `NF_BR_PRI_BRNF`.
const PRI_BRNF: i32 = 0;

fn put(lists: &mut [List], hook: usize, entry: Entry) {
    if let Some(list) = lists.get_mut(hook) {
        list.push(entry);
    }
}

/// Since when something is used, of IPv4 and IPv6: the first who asked for it counts.
fn first_use(since: &mut [Option<(u64, u64)>; 2], side: usize, when: (u64, u64)) {
    if let Some(since) = since.get_mut(side) {
        let known = since.get_or_insert(when);
        *known = (*known).min(when);
    }
}

impl Hooks {
    pub fn build(
        program: &Program<'_>,
        network: &Network,
        legacy: &[LegacyHooks],
        br_netfilter: bool,
    ) -> Hooks {
        let mut hooks = Hooks::default();
        let mut nat_since: [Option<(u64, u64)>; 2] = [None, None];
        for (id, code) in program.chains.iter().enumerate() {
            let (Some(base), Some(table)) = (&code.chain.base, program.table_of(id)) else {
                continue;
            };
            if table.flags & table_flags::DORMANT != 0 {
                continue;
            }
            let entry = Entry {
                priority: base.priority,
                registered: (table.handle, code.chain.handle),
                function: Function::Nft(id),
            };
            let Ok(hook) = u8::try_from(base.hook) else {
                continue;
            };
            let nat = &*base.kind == "nat";
            match (table.family, hook) {
                (Family::Netdev, netdev::INGRESS) | (Family::Inet, inet::INGRESS) => {
                    hooks.at_devices(network, &base.devices, entry, true);
                }
                (Family::Netdev, netdev::EGRESS) => {
                    hooks.at_devices(network, &base.devices, entry, false);
                }
                (family @ (Family::Ip | Family::Ip6 | Family::Inet), 0..=4) => {
                    let at = usize::from(hook);
                    if family != Family::Ip6 {
                        let list = if nat { &mut hooks.nat4 } else { &mut hooks.ip };
                        put(list, at, entry);
                    }
                    if family != Family::Ip {
                        let list = if nat { &mut hooks.nat6 } else { &mut hooks.ip6 };
                        put(list, at, entry);
                    }
                    if nat {
                        for (side, other) in [(0, Family::Ip6), (1, Family::Ip)] {
                            if family != other {
                                first_use(&mut nat_since, side, entry.registered);
                            }
                        }
                    }
                }
                (Family::Bridge, 0..=4) => put(&mut hooks.bridge, hook.into(), entry),
                (Family::Arp, 0..=2) => put(&mut hooks.arp, hook.into(), entry),
                _ => {}
            }
        }
        let mut conntrack = conntrack_users(program);
        // Legacy tables come when somebody asks for them: taken as younger than the rest.
        for (place, table) in legacy.iter().enumerate() {
            let since = (u64::MAX, (legacy.len() - place) as u64);
            for (hook, priority) in table.priority.into_iter().enumerate() {
                if table.hooks & (1 << hook) == 0 {
                    continue;
                }
                let entry = Entry {
                    priority,
                    registered: since,
                    function: Function::Legacy(place),
                };
                match (table.family, table.is_nat) {
                    (Family::Ip, false) => put(&mut hooks.ip, hook, entry),
                    (Family::Ip, true) => put(&mut hooks.nat4, hook, entry),
                    (Family::Ip6, false) => put(&mut hooks.ip6, hook, entry),
                    (Family::Ip6, true) => put(&mut hooks.nat6, hook, entry),
                    (Family::Arp, _) => put(&mut hooks.arp, hook, entry),
                    _ => {}
                }
            }
            let side = match table.family {
                Family::Ip => 0,
                Family::Ip6 => 1,
                _ => continue,
            };
            if table.is_nat {
                first_use(&mut nat_since, side, since);
            }
            if table.uses_conntrack {
                first_use(&mut conntrack, side, since);
            }
        }
        (hooks.conntrack4, hooks.conntrack6) = (conntrack[0].is_some(), conntrack[1].is_some());
        let sides = [&mut hooks.ip, &mut hooks.ip6];
        for ((lists, conntrack), nat_since) in sides.into_iter().zip(conntrack).zip(nat_since) {
            let mut add = |hook: u8, priority, registered, function| {
                let entry = Entry {
                    priority,
                    registered,
                    function,
                };
                put(lists, hook.into(), entry);
            };
            if let Some(since) = conntrack {
                for hook in [inet::PREROUTING, inet::OUTPUT] {
                    add(hook, PRI_DEFRAG, since, Function::Defrag);
                    add(hook, PRI_CONNTRACK, since, Function::Conntrack);
                }
                for hook in [inet::INPUT, inet::POSTROUTING] {
                    add(hook, i32::MAX, since, Function::Confirm);
                }
            }
            if let Some(since) = nat_since {
                for hook in [inet::PREROUTING, inet::OUTPUT] {
                    add(hook, PRI_NAT_DST, since, Function::Nat);
                }
                for hook in [inet::INPUT, inet::POSTROUTING] {
                    add(hook, PRI_NAT_SRC, since, Function::Nat);
                }
            }
            if br_netfilter {
                add(inet::PREROUTING, i32::MIN, (0, 0), Function::Sabotage);
            }
        }
        if br_netfilter {
            // Registered with the module, or with the namespace: before any chain.
            let mut add = |hook: u8, priority, function| {
                let entry = Entry {
                    priority,
                    registered: (0, 0),
                    function,
                };
                put(&mut hooks.bridge, hook.into(), entry);
            };
            add(inet::PREROUTING, PRI_BRNF, Function::BridgePrerouting);
            add(inet::FORWARD, PRI_BRNF, Function::BridgeForward);
            add(inet::POSTROUTING, i32::MAX, Function::BridgePostrouting);
        }
        hooks.sort(program, &network.hooks.functions);
        hooks
    }

    fn at_devices(
        &mut self,
        network: &Network,
        devices: &[crate::model::Name],
        entry: Entry,
        ingress: bool,
    ) {
        let lists = if ingress {
            &mut self.ingress
        } else {
            &mut self.egress
        };
        for link in network.links.iter() {
            let named = devices.iter().any(|name| match name.strip_suffix('*') {
                Some(prefix) => link.name.starts_with(prefix),
                None => *name == link.name,
            });
            if named {
                lists.entry(link.index).or_default().push(entry);
            }
        }
    }

    fn sort(&mut self, program: &Program<'_>, known: &[HookFunction]) {
        let fixed = [
            (Family::Ip, &mut self.ip),
            (Family::Ip6, &mut self.ip6),
            (Family::Bridge, &mut self.bridge),
        ];
        for (family, lists) in fixed {
            for (hook, list) in lists.iter_mut().enumerate() {
                order(list, program, known, family, hook as u32);
            }
        }
        for lists in [&mut self.nat4, &mut self.nat6] {
            lists
                .iter_mut()
                .for_each(|list| order(list, program, &[], Family::Ip, 0));
        }
        for (hook, list) in self.arp.iter_mut().enumerate() {
            order(list, program, known, Family::Arp, hook as u32);
        }
        for lists in [&mut self.ingress, &mut self.egress] {
            lists
                .values_mut()
                .for_each(|list| order(list, program, &[], Family::Netdev, 0));
        }
    }

    /// What runs at a hook of the IP families, the bridge or ARP.
    pub fn at(&self, family: Family, hook: u8) -> &[Entry] {
        let lists: &[List] = match family {
            Family::Ip => &self.ip,
            Family::Ip6 => &self.ip6,
            Family::Bridge => &self.bridge,
            Family::Arp => &self.arp,
            _ => &[],
        };
        lists.get(usize::from(hook)).map_or(&[], Vec::as_slice)
    }

    /// The NAT chains of a hook, which the NAT function runs for first packets.
    pub fn nat_at(&self, family: Family, hook: u8) -> &[Entry] {
        let lists = if family == Family::Ip6 {
            &self.nat6
        } else {
            &self.nat4
        };
        lists.get(usize::from(hook)).map_or(&[], Vec::as_slice)
    }

    pub fn ingress(&self, device: u32) -> &[Entry] {
        self.ingress.get(&device).map_or(&[], Vec::as_slice)
    }

    pub fn egress(&self, device: u32) -> &[Entry] {
        self.egress.get(&device).map_or(&[], Vec::as_slice)
    }
}

fn order(
    list: &mut List,
    program: &Program<'_>,
    known: &[HookFunction],
    family: Family,
    hook: u32,
) {
    // Where the kernel has told its order, that counts between equal priorities.
    let listed = |entry: &Entry| -> usize {
        let Function::Nft(chain) = entry.function else {
            return usize::MAX;
        };
        let (Some(table), Some(chain)) = (program.table_of(chain), program.chain(chain)) else {
            return usize::MAX;
        };
        known
            .iter()
            .filter(|one| one.family == family && one.hook == hook)
            .position(|one| {
                one.table.as_deref() == Some(&*table.name)
                    && one.chain.as_deref() == Some(&*chain.name)
            })
            .unwrap_or(usize::MAX)
    };
    list.sort_by_key(|entry| {
        (
            entry.priority,
            listed(entry),
            std::cmp::Reverse(entry.registered),
        )
    });
}

/// Since when IPv4 and IPv6 packets are tracked: when the first rule came that needs it (`nf_ct_netns_get`).
fn conntrack_users(program: &Program<'_>) -> [Option<(u64, u64)>; 2] {
    let mut since: [Option<(u64, u64)>; 2] = [None, None];
    let mut note = |family: Family, when: (u64, u64)| {
        let sides: &[usize] = match family {
            Family::Ip => &[0],
            Family::Ip6 => &[1],
            Family::Inet => &[0, 1],
            _ => &[],
        };
        for side in sides {
            first_use(&mut since, *side, when);
        }
    };
    for code in &program.tables {
        let table: &Table = code.table;
        for object in &table.objects {
            if matches!(
                object.data,
                ObjectData::CtHelper { .. }
                    | ObjectData::CtTimeout { .. }
                    | ObjectData::CtExpectation { .. }
                    | ObjectData::Connlimit { .. }
                    | ObjectData::Synproxy(_)
            ) {
                note(table.family, (table.handle, object.handle));
            }
        }
        let sets = table.sets.iter().filter(|set| {
            set.expressions
                .iter()
                .any(|expression| expression.kernel_name() == "connlimit")
        });
        for set in sets {
            note(table.family, (table.handle, set.handle));
        }
        for chain in &table.chains {
            for rule in chain.rules.iter() {
                if let Some(family) = rule_tracks(rule.attributes, table.family) {
                    note(family, (table.handle, rule.handle));
                }
            }
        }
    }
    since
}

const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;

fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    Attrs::new(bytes)
        .filter_map(Result::ok)
        .find(|attr| attr.kind == kind)
        .map(|attr| attr.payload)
}

/// The family that a rule needs conntrack for; read without decoding the rule.
fn rule_tracks(attributes: &[u8], family: Family) -> Option<Family> {
    let expressions = attribute(attributes, NFTA_RULE_EXPRESSIONS)?;
    for element in Attrs::new(expressions).filter_map(Result::ok) {
        let Some(name) = attribute(element.payload, NFTA_EXPR_NAME) else {
            continue;
        };
        match name.strip_suffix(b"\0").unwrap_or(name) {
            b"ct" | b"masq" | b"redir" | b"connlimit" | b"synproxy" | b"flow_offload" => {
                return Some(family);
            }
            b"nat" => {
                const NFTA_NAT_FAMILY: u16 = 2;
                let data = attribute(element.payload, NFTA_EXPR_DATA)?;
                let own = attribute(data, NFTA_NAT_FAMILY).and_then(|bytes| bytes.last().copied());
                return Some(own.map_or(family, Family::from_wire));
            }
            b"match" | b"target" => {
                let data = attribute(element.payload, NFTA_EXPR_DATA)?;
                let name = attribute(data, 1).unwrap_or_default();
                let info = attribute(data, 3).unwrap_or_default();
                if xtables_tracks(name.strip_suffix(b"\0").unwrap_or(name), info) {
                    return Some(family);
                }
            }
            _ => {}
        }
    }
    None
}

/// True for xtables extensions that switch conntrack on.
pub fn xtables_tracks(name: &[u8], info: &[u8]) -> bool {
    match name {
        b"conntrack" | b"state" | b"connmark" | b"connbytes" | b"connlabel" | b"connlimit"
        | b"helper" | b"cluster" | b"CONNMARK" | b"CONNSECMARK" | b"DNAT" | b"SNAT"
        | b"MASQUERADE" | b"REDIRECT" | b"NETMAP" | b"SYNPROXY" => true,
        // `CT --notrack` does without.
        b"CT" => info.first().is_none_or(|flags| flags & 1 == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BaseChain, Chain, RuleList, Ruleset};
    use std::sync::Arc;

    fn chain(name: &str, handle: u64, hook: u32, priority: i32) -> Arc<Chain> {
        Arc::new(Chain {
            name: name.into(),
            handle,
            base: Some(BaseChain {
                kind: "filter".into(),
                hook,
                priority,
                policy: None,
                devices: Vec::new(),
                device_list: false,
                counters: None,
            }),
            flags: 1,
            use_count: 0,
            userdata: Vec::new(),
            rules: RuleList::default(),
            raw: Vec::new(),
        })
    }

    fn table(
        name: &str,
        family: Family,
        handle: u64,
        flags: u32,
        chains: Vec<Arc<Chain>>,
    ) -> Arc<Table> {
        Arc::new(Table {
            family,
            name: name.into(),
            handle,
            flags,
            owner: None,
            use_count: 0,
            userdata: Vec::new(),
            chains,
            sets: Vec::new(),
            objects: Vec::new(),
            flowtables: Vec::new(),
            raw: Vec::new(),
        })
    }

    #[test]
    fn ascending_priority_and_the_last_registered_first() {
        let ruleset = Ruleset {
            generation: 1,
            tables: vec![
                table(
                    "a",
                    Family::Inet,
                    1,
                    0,
                    vec![chain("one", 1, 1, 0), chain("two", 2, 1, 0)],
                ),
                table(
                    "b",
                    Family::Ip,
                    2,
                    0,
                    vec![chain("three", 1, 1, -10), chain("four", 2, 1, 0)],
                ),
                table("c", Family::Ip, 3, 1, vec![chain("asleep", 1, 1, 0)]),
            ],
            ..Ruleset::default()
        };
        let program = Program::new(&ruleset);
        let hooks = Hooks::build(&program, &Network::default(), &[], false);
        let names = |family| -> Vec<&str> {
            hooks
                .at(family, inet::INPUT)
                .iter()
                .map(|entry| match entry.function {
                    Function::Nft(id) => &*program.chain(id).unwrap().name,
                    _ => "other",
                })
                .collect()
        };
        assert_eq!(names(Family::Ip), ["three", "four", "two", "one"]);
        assert_eq!(names(Family::Ip6), ["two", "one"]);
        assert!(!hooks.conntrack4);
    }
}
