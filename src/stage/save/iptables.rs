//! Tables of iptables for the next boot: where this distribution loads them from, and the text that brings them back.
//!
//! May use `lang` for the text. Reading the tables and checking the text is the caller's.

use super::{SaveError, Saved, distribution, put};
use crate::lang::iptables::builtin;
use crate::lang::iptables::print::{self, Options};
use crate::lang::iptables::rule::Table;
use crate::lang::iptables::save::Context;
use crate::model::expression::Counter;
use crate::model::{Family, Names, Ruleset, text};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that the system loads the tables of a family from at boot.
pub fn place(family: Family) -> Result<PathBuf, SaveError> {
    place_below(Path::new("/"), family)
}

fn place_below(root: &Path, family: Family) -> Result<PathBuf, SaveError> {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let program = program(family);
    // Alpine and Gentoo: the service's own settings.
    let settings = fs::read_to_string(at(&format!("/etc/conf.d/{program}"))).unwrap_or_default();
    let key = format!("{}_SAVE=", program.to_uppercase());
    let named = settings
        .lines()
        .find_map(|line| line.trim().strip_prefix(key.as_str()));
    if let Some(path) = named {
        return Ok(at(path.trim_matches(['"', '\''])));
    }
    let routed = matches!(family, Family::Ip | Family::Ip6);
    for word in distribution(root) {
        let path = match (word.as_str(), family) {
            ("debian" | "ubuntu", Family::Ip) => "/etc/iptables/rules.v4".to_owned(),
            ("debian" | "ubuntu", Family::Ip6) => "/etc/iptables/rules.v6".to_owned(),
            ("rhel" | "fedora" | "centos", _) => format!("/etc/sysconfig/{program}"),
            ("arch" | "void", _) if routed => format!("/etc/iptables/{program}.rules"),
            ("alpine", Family::Ip) => "/etc/iptables/rules-save".to_owned(),
            ("alpine", Family::Ip6) => "/etc/iptables/rules6-save".to_owned(),
            ("gentoo", _) => format!("/var/lib/{program}/rules-save"),
            ("nixos", _) => {
                return Err(SaveError::NoPlace(
                    "NixOS takes it from its configuration".into(),
                ));
            }
            _ => continue,
        };
        return Ok(at(&path));
    }
    Err(SaveError::NoPlace(format!(
        "no {program} service of this distribution is known"
    )))
}

/// The program whose tables those of a family are.
pub fn program(family: Family) -> &'static str {
    match family {
        Family::Ip6 => "ip6tables",
        Family::Arp => "arptables",
        Family::Bridge => "ebtables",
        _ => "iptables",
    }
}

/// What to say when nothing on this machine loads the file.
pub fn loader(root: &Path, family: Family) -> Option<String> {
    let program = program(family);
    let known = [
        "usr/sbin/netfilter-persistent".to_owned(),
        format!("usr/lib/systemd/system/{program}.service"),
        format!("lib/systemd/system/{program}.service"),
        format!("etc/systemd/system/{program}.service"),
        format!("etc/init.d/{program}"),
    ];
    if known.iter().any(|path| root.join(path).exists()) {
        return None;
    }
    let package = match distribution(root).first().map(String::as_str) {
        Some("debian" | "ubuntu") => "install `iptables-persistent`",
        Some("rhel" | "fedora" | "centos" | "rocky" | "almalinux") => "install `iptables-services`",
        _ => "enable its service",
    };
    Some(format!(
        "no {program} service was found that loads the file at boot; {package}"
    ))
}

/// The text, as `iptables-save` writes it. Counters only if asked for: without them the same rules are the same text.
pub fn text(
    tables: &[Table],
    ruleset: &Ruleset,
    names: &Names,
    counters: bool,
) -> Result<(String, Vec<String>), SaveError> {
    let mut out = Vec::new();
    for table in tables {
        let mut table = table.clone();
        if !counters {
            for chain in &mut table.chains {
                if let Some((_, counted)) = &mut chain.policy {
                    *counted = Counter::default();
                }
            }
        }
        let cx = Context {
            family: table.family,
            names,
        };
        print::table(&table, &cx, Options { counters }, &mut out).map_err(SaveError::Print)?;
    }
    let text = text::from_bytes(&out);
    let mut notes = Vec::new();
    let sets: Vec<&str> = ipsets_of(&text).into_iter().collect();
    if !sets.is_empty() {
        notes.push(format!(
            "rules use ipsets, which must be there before the file is loaded: {}",
            sets.join(", ")
        ));
    }
    // Those of the other families of iptables have files of their own.
    let own = ruleset
        .tables
        .iter()
        .filter(|table| builtin::table(table.family, &table.name).is_none());
    let own: Vec<String> = own
        .map(|table| format!("{} {}", table.family, table.name))
        .collect();
    if !own.is_empty() {
        notes.push(format!(
            "not in the file, because iptables does not know them: {}; `hookscope save` keeps them",
            own.join(", ")
        ));
    }
    Ok((text, notes))
}

/// The ipsets that the rules of a text ask or fill.
fn ipsets_of(text: &str) -> BTreeSet<&str> {
    let mut words = text.split_ascii_whitespace();
    let mut found = BTreeSet::new();
    while let Some(word) = words.next() {
        if ["--match-set", "--add-set", "--del-set", "--map-set"].contains(&word) {
            found.extend(words.next());
        }
    }
    found
}

/// Write a checked text to `path`, or where the system loads the tables of a family from.
pub fn save(
    family: Family,
    text: &str,
    mut notes: Vec<String>,
    path: Option<&Path>,
) -> Result<Saved, SaveError> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => {
            notes.extend(loader(Path::new("/"), family));
            let path = place(family)?;
            // The package may not have made it yet.
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory).map_err(|error| SaveError::Write {
                    path: path.clone(),
                    error,
                })?;
            }
            path
        }
    };
    put(&path, &text::to_bytes(text), notes, 0o640)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_say_where() {
        for (files, family, expected) in [
            (
                &[("etc/os-release", "ID=debian\n")][..],
                Family::Ip,
                "etc/iptables/rules.v4",
            ),
            (
                &[("etc/os-release", "ID=ubuntu\nID_LIKE=debian\n")],
                Family::Ip6,
                "etc/iptables/rules.v6",
            ),
            (
                &[(
                    "etc/os-release",
                    "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                )],
                Family::Ip6,
                "etc/sysconfig/ip6tables",
            ),
            (
                &[("etc/os-release", "ID=fedora\n")],
                Family::Arp,
                "etc/sysconfig/arptables",
            ),
            (
                &[
                    ("etc/os-release", "ID=alpine\n"),
                    ("etc/conf.d/iptables", "IPTABLES_SAVE=\"/var/own\"\n"),
                ],
                Family::Ip,
                "var/own",
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let place = place_below(root.path(), family).unwrap();
            assert_eq!(place, root.path().join(expected), "{files:?}");
            assert!(loader(root.path(), family).is_some());
        }
        let root = tempfile::tempdir().unwrap();
        assert!(place_below(root.path(), Family::Ip).is_err());
        // Debian loads no bridge tables at boot.
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/os-release"), "ID=debian\n").unwrap();
        assert!(place_below(root.path(), Family::Bridge).is_err());
    }
}
