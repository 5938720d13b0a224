//! The names of tables, protocols and so on that this machine's iproute2 is configured with.

use crate::lang::route::{NameTable, Names};
use std::path::{Path, PathBuf};

/// The administrator's files first; newer iproute2 keeps its own elsewhere.
const DIRECTORIES: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];

/// Read the configuration files. What is missing or unreadable leaves the built-in names.
pub fn read_names() -> Names {
    let mut names = Names::built_in();
    let byte = u32::from(u8::MAX);
    for (table, file, most) in [
        (&mut names.tables, "rt_tables", u32::MAX),
        (&mut names.protocols, "rt_protos", byte),
        (&mut names.scopes, "rt_scopes", byte),
        (&mut names.realms, "rt_realms", byte),
        (&mut names.dsfield, "rt_dsfield", byte),
        (&mut names.groups, "group", u32::MAX),
    ] {
        read_file(table, file, most);
    }
    if let Ok(text) = std::fs::read_to_string("/etc/protocols") {
        names.ip_protocols.add_protocols(&text);
    }
    names
}

fn read_file(table: &mut NameTable, file: &str, most: u32) {
    let mut paths = DIRECTORIES.iter().map(|dir| Path::new(dir).join(file));
    if let Some(text) = paths.find_map(|path| std::fs::read_to_string(path).ok()) {
        table.add_file(&text, most);
    }
    for dir in DIRECTORIES.iter().rev() {
        for path in drop_ins(&Path::new(dir).join(format!("{file}.d"))) {
            if let Ok(text) = std::fs::read_to_string(path) {
                table.add_file(&text, most);
            }
        }
    }
}

/// The `*.conf` files of a directory, by name.
fn drop_ins(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    paths.sort();
    paths
}
