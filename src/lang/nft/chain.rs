//! Names of hooks and priorities.

use crate::model::Family;

/// The word for a hook number; numbers mean different hooks in different families.
pub fn hook_name(family: Family, hook: u32) -> &'static str {
    let names: &[&str] = match family {
        Family::Ip | Family::Ip6 | Family::Inet | Family::Bridge => &[
            "prerouting",
            "input",
            "forward",
            "output",
            "postrouting",
            "ingress",
        ],
        Family::Arp => &["input", "output", "forward", "ingress"],
        Family::Netdev => &["ingress", "egress"],
        Family::Unknown(_) => &[],
    };
    names.get(hook as usize).copied().unwrap_or("unknown")
}

/// `NF_IP_PRI_*` in `linux/netfilter_ipv4.h`
static PRIORITIES: [(i32, &str); 6] = [
    (-300, "raw"),
    (-150, "mangle"),
    (-100, "dstnat"),
    (0, "filter"),
    (50, "security"),
    (100, "srcnat"),
];

/// `NF_BR_PRI_*` in `linux/netfilter_bridge.h`
static BRIDGE_PRIORITIES: [(i32, &str); 4] = [
    (-300, "dstnat"),
    (-200, "filter"),
    (100, "out"),
    (300, "srcnat"),
];

pub fn priorities(family: Family) -> &'static [(i32, &'static str)] {
    match family {
        Family::Bridge => &BRIDGE_PRIORITIES,
        _ => &PRIORITIES,
    }
}

/// The name may be used for a priority at this hook.
pub fn priority_fits(family: Family, hook: u32, priority: i32) -> bool {
    const PREROUTING: u32 = 0;
    const OUTPUT: u32 = 3;
    const POSTROUTING: u32 = 4;
    let ip = matches!(family, Family::Ip | Family::Ip6 | Family::Inet);
    if family == Family::Bridge {
        return match priority {
            -300 => hook == PREROUTING,
            -200 => true,
            100 => hook == OUTPUT,
            300 => hook == POSTROUTING,
            _ => false,
        };
    }
    match priority {
        0 => ip || matches!(family, Family::Arp | Family::Netdev),
        -300 | -150 | 50 => ip,
        -100 => ip && hook == PREROUTING,
        100 => ip && hook == POSTROUTING,
        _ => false,
    }
}

/// A priority by name and offset where a name is near, else the number.
pub fn priority_text(family: Family, hook: u32, priority: i32) -> String {
    const REACH: u32 = 10;
    for (standard, name) in priorities(family) {
        if priority.abs_diff(*standard) > REACH {
            continue;
        }
        if !priority_fits(family, hook, *standard) {
            break;
        }
        return match priority - standard {
            0 => (*name).to_owned(),
            offset if offset > 0 => format!("{name} + {offset}"),
            offset => format!("{name} - {}", -offset),
        };
    }
    priority.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_priorities() {
        assert_eq!(priority_text(Family::Ip, 0, -100), "dstnat");
        assert_eq!(priority_text(Family::Ip, 3, -100), "-100");
        assert_eq!(priority_text(Family::Inet, 1, 5), "filter + 5");
        assert_eq!(priority_text(Family::Inet, 1, -9), "filter - 9");
        assert_eq!(priority_text(Family::Inet, 1, 11), "11");
        assert_eq!(priority_text(Family::Bridge, 0, -199), "filter + 1");
        assert_eq!(priority_text(Family::Ip, 0, i32::MIN), "-2147483648");
    }
}
