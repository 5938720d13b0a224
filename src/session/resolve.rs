//! Names of this machine to numbers, for texts that are compiled here: its files, interfaces and name service.

use crate::kernel::{machine, name_service};
use crate::lang::nft::compile::Resolve;
use crate::model::names::{Zone, parse_number_table};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt;

/// Reads each file when its first name is asked for.
#[derive(Default)]
pub struct Machine {
    services: OnceCell<BTreeMap<String, u16>>,
    protocols: OnceCell<BTreeMap<String, u8>>,
    tables: [OnceCell<BTreeMap<u32, String>>; 4],
}

impl Machine {
    pub fn new() -> Machine {
        Machine::default()
    }

    /// The names of services in their order, for somebody who writes one.
    pub fn service_names(&self) -> Vec<String> {
        self.services().keys().cloned().collect()
    }

    fn services(&self) -> &BTreeMap<String, u16> {
        self.services.get_or_init(machine::services)
    }

    /// The number of a name in a file of iproute2's form.
    fn number(&self, slot: usize, paths: &[&str], name: &str) -> Option<u32> {
        let table = self.tables.get(slot)?.get_or_init(|| {
            let text = paths.iter().find_map(|path| fs::read_to_string(path).ok());
            parse_number_table(&text.unwrap_or_default())
        });
        table
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(number, _)| *number)
    }
}

impl Resolve for Machine {
    fn interface(&self, name: &str) -> Option<u32> {
        nix::net::if_::if_nametoindex(name).ok()
    }

    fn interfaces(&self) -> Vec<String> {
        let list = nix::net::if_::if_nameindex().into_iter();
        list.flat_map(|list| {
            list.iter()
                .map(|entry| entry.name().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        })
        .collect()
    }

    fn ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>, String> {
        Ok(name_service::addresses(name)?
            .into_iter()
            .filter_map(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect())
    }

    fn ipv6(&self, name: &str) -> Result<Vec<Ipv6Addr>, String> {
        Ok(name_service::addresses(name)?
            .into_iter()
            .filter_map(|address| match address {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            })
            .collect())
    }

    fn service(&self, name: &str) -> Option<u16> {
        self.services().get(name).copied()
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        let table = self.protocols.get_or_init(machine::protocol_numbers);
        // The words of the language itself need no file.
        table
            .get(name)
            .copied()
            .or_else(|| crate::lang::nft::compile::Nothing.protocol(name))
    }

    fn user(&self, name: &str) -> Option<u32> {
        name_service::user(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        name_service::group(name)
    }

    fn mark(&self, name: &str) -> Option<u32> {
        self.number(0, &["/etc/iproute2/rt_marks"], name)
    }

    fn realm(&self, name: &str) -> Option<u32> {
        self.number(1, &["/etc/iproute2/rt_realms"], name)
    }

    fn device_group(&self, name: &str) -> Option<u32> {
        self.number(2, &["/etc/iproute2/group"], name)
    }

    fn conntrack_label(&self, name: &str) -> Option<u32> {
        const FILES: [&str; 2] = ["/etc/nftables/connlabel.conf", "/etc/connlabel.conf"];
        self.number(3, &FILES, name)
    }

    fn cgroup(&self, path: &str) -> Result<u64, String> {
        fs::metadata(format!("/sys/fs/cgroup/{path}"))
            .map(|meta| meta.ino())
            .map_err(|error| error.to_string())
    }

    fn zone(&self) -> Zone {
        machine::zone()
    }
}
