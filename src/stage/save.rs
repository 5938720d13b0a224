//! The ruleset of the next boot: where this distribution loads it from, and writing it there.
//!
//! May use `lang` for the text. Compiling the language is the caller's: it hands in what checks a text.

pub mod iptables;

use super::guard::state::write_whole;
use crate::kernel::nf_tables::decode;
use crate::lang::nft::print::{self, Options};
use crate::model::ruleset::table_flags;
use crate::model::{ElementList, Elements, Names, Ruleset};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SaveError {
    #[error(
        "cannot tell where this system loads its ruleset from ({0}); name a file with --output"
    )]
    NoPlace(String),
    #[error("the text of the running ruleset cannot be loaded again ({0}); nothing was written")]
    Refused(String),
    #[error("cannot write '{}': {error}; the file is what it was", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("cannot print the ruleset: {0}")]
    Print(io::Error),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub path: PathBuf,
    /// A copy of what was there, when that was something else.
    pub backup: Option<PathBuf>,
    /// False when the file said exactly this already.
    pub written: bool,
    /// What of the old file or the running ruleset is not in the new file, a sentence each.
    pub notes: Vec<String>,
}

/// The file that the system loads at boot.
pub fn place() -> Result<PathBuf, SaveError> {
    place_below(Path::new("/"))
}

fn place_below(root: &Path) -> Result<PathBuf, SaveError> {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    // The unit says it itself, where there is one: the administrator's before the package's.
    for directory in ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"] {
        let unit = at(&format!("{directory}/systemd/system/nftables.service"));
        if let Ok(text) = fs::read_to_string(unit)
            && let Some(path) = loaded_by(&text)
        {
            return Ok(at(&path));
        }
    }
    let settings = fs::read_to_string(at("/etc/conf.d/nftables")).unwrap_or_default();
    let variable = settings.lines().find_map(|line| {
        let line = line.trim();
        let value = line
            .strip_prefix("rules_file=")
            .or_else(|| line.strip_prefix("NFTABLES_SAVE="))?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    });
    if let Some(path) = variable {
        return Ok(at(&path));
    }
    for word in distribution(root) {
        let path = match word.as_str() {
            "debian" | "ubuntu" | "arch" | "void" => "/etc/nftables.conf",
            "rhel" | "fedora" | "centos" => "/etc/sysconfig/nftables.conf",
            "alpine" => "/etc/nftables.nft",
            "gentoo" => "/var/lib/nftables/rules-save",
            "nixos" => {
                return Err(SaveError::NoPlace(
                    "NixOS takes it from its configuration".into(),
                ));
            }
            _ => continue,
        };
        return Ok(at(path));
    }
    let known = [
        "/etc/nftables.conf",
        "/etc/sysconfig/nftables.conf",
        "/etc/nftables.nft",
    ];
    known
        .into_iter()
        .map(at)
        .find(|path| path.exists())
        .ok_or_else(|| SaveError::NoPlace("no nftables service was found".into()))
}

/// The names of this distribution and of those it is like, the closest first.
fn distribution(root: &Path) -> Vec<String> {
    let release = fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
    let words = |key: &str| -> Vec<String> {
        let line = release.lines().find_map(|line| line.strip_prefix(key));
        let line = line.unwrap_or_default().trim_matches(['"', '\'']);
        line.split_whitespace().map(str::to_owned).collect()
    };
    words("ID=").into_iter().chain(words("ID_LIKE=")).collect()
}

/// The file of `ExecStart=/usr/sbin/nft -f FILE`.
fn loaded_by(unit: &str) -> Option<String> {
    unit.lines().find_map(|line| {
        let command = line.trim().strip_prefix("ExecStart=")?;
        let mut words = command.split_whitespace();
        let program = words.next()?.trim_start_matches(['-', '@', '+', '!', ':']);
        if !program.ends_with("nft") {
            return None;
        }
        let mut words = words.skip_while(|word| *word != "-f" && *word != "--file");
        words.next()?;
        words.next().map(|path| path.trim_matches('"').to_owned())
    })
}

/// What to say when nothing on this machine loads the file.
pub fn loader(root: &Path) -> Option<String> {
    let units = [
        "etc/systemd/system",
        "usr/lib/systemd/system",
        "lib/systemd/system",
    ];
    let unit = |directory: &&str| root.join(directory).join("nftables.service").exists();
    if !units.iter().any(unit) {
        return None;
    }
    let wants = fs::read_dir(root.join("etc/systemd/system")).ok()?;
    let enabled = wants
        .flatten()
        .any(|entry| fs::symlink_metadata(entry.path().join("nftables.service")).is_ok());
    (!enabled)
        .then(|| "nothing loads it at boot; `systemctl enable nftables` makes it so".to_owned())
}

/// What of a ruleset is to be there after a boot: not the elements that packets or programs put in for a while, and
/// not the tables that live with a process.
pub fn lasting(ruleset: &Ruleset, notes: &mut Vec<String>) -> Ruleset {
    let mut kept = ruleset.clone();
    kept.tables.retain(|table| {
        let owned = table.flags & table_flags::OWNER != 0;
        if owned {
            notes.push(format!(
                "table {} {} belongs to a process, which makes it itself",
                table.family, table.name
            ));
        }
        !owned
    });
    for table in &mut kept.tables {
        for set in &mut Arc::make_mut(table).sets {
            let Elements::Read(list) = &set.elements else {
                continue;
            };
            let passing = |bytes: &[u8]| {
                decode::element(bytes).is_ok_and(|element| element.expiration.is_some())
            };
            if !list.iter().any(passing) {
                continue;
            }
            let mut lasting = ElementList::default();
            for bytes in list.iter().filter(|bytes| !passing(bytes)) {
                lasting.push(bytes);
            }
            Arc::make_mut(set).elements = Elements::Read(Arc::new(lasting));
        }
    }
    kept
}

/// The file's text: the header that makes it a script, and the whole ruleset.
pub fn text(ruleset: &Ruleset, names: &Names) -> Result<(String, Vec<String>), SaveError> {
    let mut notes = Vec::new();
    let kept = lasting(ruleset, &mut notes);
    let options = Options {
        handles: false,
        stateless: true,
        terse: false,
    };
    let mut out = b"#!/usr/sbin/nft -f\n\nflush ruleset\n\n".to_vec();
    print::ruleset(&kept, names, options, &mut out).map_err(SaveError::Print)?;
    Ok((String::from_utf8_lossy(&out).into_owned(), notes))
}

/// Write the running ruleset to `path` (or where the system loads it from), after `check` took the very text.
pub fn save(
    ruleset: &Ruleset,
    names: &Names,
    path: Option<&Path>,
    check: impl FnOnce(&str) -> Result<(), String>,
) -> Result<Saved, SaveError> {
    let path = path.map_or_else(place, |path| Ok(path.to_owned()))?;
    let (text, notes) = text(ruleset, names)?;
    check(&text).map_err(SaveError::Refused)?;
    put(&path, text.as_bytes(), notes, 0o755)
}

/// Put a text in the place of a file: whole or not at all, with a copy of what was there. `mode` is for a new file.
fn put(path: &Path, text: &[u8], mut notes: Vec<String>, mode: u32) -> Result<Saved, SaveError> {
    // A link stays a link: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let wrong = |error: io::Error| SaveError::Write {
        path: path.clone(),
        error,
    };
    let (old, meta) = match (fs::read(&path), fs::metadata(&path)) {
        (Ok(old), Ok(meta)) => (Some(old), Some(meta)),
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => (None, None),
        (Err(error), _) | (_, Err(error)) => return Err(wrong(error)),
    };
    if old.as_deref() == Some(text) {
        return Ok(Saved {
            path,
            backup: None,
            written: false,
            notes,
        });
    }
    let mode = meta
        .as_ref()
        .map_or(mode, |meta| meta.permissions().mode() & 0o7777);
    let mut backup = None;
    if let Some(old) = &old {
        let copy = backup_name(&path);
        write_whole(&copy, old, mode).map_err(wrong)?;
        if String::from_utf8_lossy(old)
            .lines()
            .any(|line| line.trim().starts_with("include"))
        {
            notes.push("the old file included others; what they say is now in this one".into());
        }
        backup = Some(copy);
    }
    let written = write_whole(&path, text, mode).and_then(|()| match &meta {
        Some(meta) => std::os::unix::fs::chown(&path, Some(meta.uid()), Some(meta.gid())),
        None => Ok(()),
    });
    if let Err(error) = written {
        if let Some(copy) = &backup {
            let _ = fs::remove_file(copy);
        }
        return Err(wrong(error));
    }
    Ok(Saved {
        path,
        backup,
        written: true,
        notes,
    })
}

/// `nftables.conf.backup-1`, with the first number that is free.
fn backup_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let named = |number: u32| path.with_file_name(format!("{name}.backup-{number}"));
    (1..)
        .map(named)
        .find(|path| !path.exists())
        .unwrap_or_else(|| named(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn distributions_say_where() {
        let unit = "[Service]\nExecStart=/sbin/nft -f /etc/sysconfig/nftables.conf\n";
        for (files, expected) in [
            (
                &[("etc/os-release", "ID=debian\n")][..],
                "etc/nftables.conf",
            ),
            (
                &[(
                    "etc/os-release",
                    "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                )],
                "etc/sysconfig/nftables.conf",
            ),
            (
                &[
                    ("etc/os-release", "ID=debian\n"),
                    ("usr/lib/systemd/system/nftables.service", unit),
                ],
                "etc/sysconfig/nftables.conf",
            ),
            (&[("etc/os-release", "ID=alpine\n")], "etc/nftables.nft"),
            (
                &[("etc/conf.d/nftables", "rules_file=\"/var/own.nft\"\n")],
                "var/own.nft",
            ),
        ] {
            let root = root(files);
            assert_eq!(
                place_below(root.path()).unwrap(),
                root.path().join(expected),
                "{files:?}"
            );
        }
        assert!(place_below(root(&[]).path()).is_err());
    }

    #[test]
    fn what_was_there_is_kept_beside() {
        let root = root(&[("etc/nftables.conf", "include \"other\"\n")]);
        let path = root.path().join("etc/nftables.conf");
        let (ruleset, names) = (Ruleset::default(), Names::default());
        let refused = save(&ruleset, &names, Some(&path), |_| Err("no".into()));
        assert!(matches!(refused, Err(SaveError::Refused(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "include \"other\"\n");

        let saved = save(&ruleset, &names, Some(&path), |text| {
            assert!(text.starts_with("#!/usr/sbin/nft -f\n\nflush ruleset\n"));
            Ok(())
        })
        .unwrap();
        assert_eq!((saved.written, saved.notes.len()), (true, 1));
        let backup = fs::read_to_string(saved.backup.unwrap()).unwrap();
        assert_eq!(backup, "include \"other\"\n");
        let again = save(&ruleset, &names, Some(&path), |_| Ok(())).unwrap();
        assert_eq!((again.written, again.backup), (false, None));
    }

    #[test]
    fn a_disk_that_takes_nothing_changes_nothing() {
        // `/dev/full` cannot be replaced: a directory that takes no new file stands for it.
        let refused = save(
            &Ruleset::default(),
            &Names::default(),
            Some(Path::new("/proc/nftables.conf")),
            |_| Ok(()),
        );
        assert!(matches!(refused, Err(SaveError::Write { .. })));
    }
}
