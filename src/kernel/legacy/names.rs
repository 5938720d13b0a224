//! Which tables of the legacy iptables backends exist in the current network namespace.
//!
//! The kernel lists them in `/proc/net/ip_tables_names` and friends. Asking by getsockopt would create the
//! table, and then its hooks exist: looking must not change anything. May use `model`.

use crate::model::network::LegacyTables;
use crate::model::text::name_from_bytes;
use crate::model::{Family, Name};
use std::io;
use std::path::Path;

/// Like `/proc/net`, but of the calling thread's namespace; `/proc/net` is that of the first thread.
const DIRECTORY: &str = "/proc/thread-self/net";

/// Read all three lists.
pub fn read_legacy_tables() -> io::Result<LegacyTables> {
    read_from(Path::new(DIRECTORY))
}

/// The tables of a family, newest first.
pub fn legacy_tables(family: Family) -> io::Result<Vec<Name>> {
    let lists = read_legacy_tables()?;
    let names = match family {
        Family::Ip => lists.ip,
        Family::Ip6 => lists.ip6,
        Family::Arp => lists.arp,
        _ => None,
    };
    Ok(names.unwrap_or_default())
}

/// Whether a table is there already.
pub fn legacy_table_exists(family: Family, table: &str) -> io::Result<bool> {
    let names = legacy_tables(family)?;
    Ok(names.iter().any(|name| &**name == table))
}

fn read_from(directory: &Path) -> io::Result<LegacyTables> {
    Ok(LegacyTables {
        ip: names(&directory.join("ip_tables_names"))?,
        ip6: names(&directory.join("ip6_tables_names"))?,
        arp: names(&directory.join("arp_tables_names"))?,
    })
}

/// One name a line, newest table first. No file: the backend is not in this kernel, or not loaded.
fn names(path: &Path) -> io::Result<Option<Vec<Name>>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(
            text.split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(name_from_bytes)
                .collect(),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_list_is_not_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ip_tables_names"), "nat\nfilter\n").unwrap();
        std::fs::write(directory.path().join("ip6_tables_names"), "").unwrap();
        let tables = read_from(directory.path()).unwrap();
        assert_eq!(tables.ip, Some(vec!["nat".into(), "filter".into()]));
        assert_eq!(tables.ip6, Some(vec![]));
        assert_eq!(tables.arp, None);
        assert!(!tables.is_empty());
        assert!(LegacyTables::default().is_empty());
    }
}
