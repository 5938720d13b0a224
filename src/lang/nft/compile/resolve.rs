//! What only a machine knows: the numbers behind names. Whoever compiles supplies them.

use crate::model::names::Zone;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Names to numbers. What is not known is `None`; an error text says why a look-up failed.
pub trait Resolve {
    fn interface(&self, name: &str) -> Option<u32>;
    /// Host names.
    fn ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>, String>;
    fn ipv6(&self, name: &str) -> Result<Vec<Ipv6Addr>, String>;
    /// `/etc/services`
    fn service(&self, name: &str) -> Option<u16>;
    /// `/etc/protocols`, aliases too
    fn protocol(&self, name: &str) -> Option<u8>;
    fn user(&self, name: &str) -> Option<u32>;
    fn group(&self, name: &str) -> Option<u32>;
    /// `/etc/iproute2/rt_marks`
    fn mark(&self, name: &str) -> Option<u32>;
    /// `/etc/iproute2/rt_realms`
    fn realm(&self, name: &str) -> Option<u32>;
    /// `/etc/iproute2/group`
    fn device_group(&self, name: &str) -> Option<u32>;
    /// `/etc/connlabel.conf`: the bit
    fn conntrack_label(&self, name: &str) -> Option<u32>;
    /// Inode of a cgroup v2 path below its mount point.
    fn cgroup(&self, path: &str) -> Result<u64, String>;
    fn zone(&self) -> Zone;
    /// Names near to a wrong one, for messages.
    fn interfaces(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Knows no names: for tests, and for texts that must not depend on a machine.
pub struct Nothing;

impl Resolve for Nothing {
    fn interface(&self, _: &str) -> Option<u32> {
        None
    }
    fn ipv4(&self, _: &str) -> Result<Vec<Ipv4Addr>, String> {
        Err("host names are not looked up here".into())
    }
    fn ipv6(&self, _: &str) -> Result<Vec<Ipv6Addr>, String> {
        Err("host names are not looked up here".into())
    }
    fn service(&self, _: &str) -> Option<u16> {
        None
    }
    fn protocol(&self, name: &str) -> Option<u8> {
        Some(match name {
            "icmp" => 1,
            "igmp" => 2,
            "tcp" => 6,
            "udp" => 17,
            "dccp" => 33,
            "esp" => 50,
            "ah" => 51,
            "icmpv6" | "ipv6-icmp" => 58,
            "comp" | "ipcomp" => 108,
            "sctp" => 132,
            "udplite" => 136,
            _ => return None,
        })
    }
    fn user(&self, _: &str) -> Option<u32> {
        None
    }
    fn group(&self, _: &str) -> Option<u32> {
        None
    }
    fn mark(&self, _: &str) -> Option<u32> {
        None
    }
    fn realm(&self, _: &str) -> Option<u32> {
        None
    }
    fn device_group(&self, _: &str) -> Option<u32> {
        None
    }
    fn conntrack_label(&self, _: &str) -> Option<u32> {
        None
    }
    fn cgroup(&self, _: &str) -> Result<u64, String> {
        Err("cgroups are not looked up here".into())
    }
    fn zone(&self) -> Zone {
        Zone::default()
    }
}
