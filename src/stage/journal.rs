//! The local journal of commits: who, when, why, what, and what takes it back. It is the audit log, too.
//!
//! One readable file (`NUMBER.json`) for each commit, and beside it the tables before and after (`NUMBER.pictures`,
//! CBOR, zstd-compressed unless it is short). The oldest go when there are too many or they take too much room.

use super::Step;
use super::guard::Restored;
use super::guard::state::{self, State, write_quickly};
use crate::kernel::name_service;
use crate::model::{Family, Name, Ruleset};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The file that notes the last number.
const LAST: &str = "last";
/// Entries that are kept.
const ENTRIES: usize = 500;
/// Pictures up to this size are kept as they are. bytes
const UNPACKED: usize = 4096;
/// What zstd's files begin with, and CBOR of ours does not.
const ZSTD: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Room for pictures of all entries. bytes
const ROOM: u64 = 64 << 20;

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It was about to be sent. What stays so was cut short: it may have happened.
    Begun,
    /// It stands; nobody was to be asked, or somebody confirmed it.
    Kept,
    /// It waits for a confirmation, or its time is limited.
    Waiting,
    RolledBack {
        reason: String,
        left: Vec<String>,
    },
    /// A later commit took it back: its number.
    Undone(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub number: u64,
    /// Seconds since 1970.
    pub time: u64,
    pub who: String,
    pub why: String,
    /// The change as a person reads it.
    pub text: String,
    /// Number of the network namespace, and the boot that it belongs to: handles mean nothing elsewhere.
    pub namespace: u64,
    pub boot: String,
    pub generation: Option<u32>,
    /// None: all tables.
    pub scope: Option<Vec<(Family, Name)>>,
    /// The chains, if it is only about the rules of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<(Family, Name, Name)>,
    pub fate: Fate,
    /// The commit that this one takes back.
    pub undoes: Option<u64>,
}

/// What a new entry says.
#[derive(Clone, Debug, Default)]
pub struct Note {
    pub why: String,
    pub text: String,
    pub generation: Option<u32>,
    pub scope: Option<Vec<(Family, Name)>>,
    pub chains: Vec<(Family, Name, Name)>,
    pub undoes: Option<u64>,
}

/// Where the journal is.
pub fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("HOOKSCOPE_JOURNAL_DIR") {
        return PathBuf::from(directory);
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/hookscope/journal");
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state
        .or(home)
        .unwrap_or_else(|| PathBuf::from("/var/tmp"))
        .join("hookscope/journal")
}

/// Who runs this program: the login behind sudo, and from where.
pub fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let number = nix::unistd::getuid().as_raw();
    let user = name_service::user_name(number).unwrap_or_else(|| number.to_string());
    let mut who = match variable("SUDO_USER").or_else(|| variable("DOAS_USER")) {
        Some(login) if login != user => format!("{login} as {user}"),
        _ => user,
    };
    if let Some(connection) = variable("SSH_CONNECTION")
        && let Some(from) = connection.split_whitespace().next()
    {
        who += &format!(" from {from}");
    }
    who
}

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

pub fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// All entries, oldest first. What cannot be read is left out.
pub fn list() -> Vec<Entry> {
    let entries = fs::read_dir(directory()).into_iter().flatten().flatten();
    let mut found: Vec<Entry> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok())
        .collect();
    found.sort_by_key(|entry| entry.number);
    found
}

/// Those of the network namespace and boot of this process, which can be taken back.
pub fn here() -> Vec<Entry> {
    let (namespace, boot) = (state::namespace(), boot());
    let mut entries = list();
    entries.retain(|entry| entry.namespace == namespace && entry.boot == boot);
    entries
}

/// Write down what is about to be done.
pub fn begin(note: Note) -> io::Result<Entry> {
    let directory = directory();
    state::make(&directory)?;
    let last = last();
    // Two programs at once must not take the same number: the one that can make the file has it.
    let mut number = last + 1;
    let mut file = loop {
        let new = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path(number, "json"));
        match new {
            Ok(file) => break file,
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || number > last + 1000 => {
                return Err(error);
            }
            Err(_) => number += 1,
        }
    };
    let entry = Entry {
        number,
        time: now(),
        who: who(),
        why: note.why,
        text: note.text,
        namespace: state::namespace(),
        boot: boot(),
        generation: note.generation,
        scope: note.scope,
        chains: note.chains,
        fate: Fate::Begun,
        undoes: note.undoes,
    };
    // Until it is whole, it cannot be read, and nothing has been done yet.
    file.write_all(&text(&entry)?)?;
    note_last(number);
    Ok(entry)
}

fn note_last(number: u64) {
    // Never shorter than before and not cut: some file systems write a file to the disk at once that was cut.
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory().join(LAST));
    let _ = file.and_then(|mut file| file.write_all(format!("{number:08}").as_bytes()));
}

/// Where the search for the next number begins: what was noted last, so that a long journal need not be listed. It is
/// no more than a hint, since a number is taken by making its file.
fn last() -> u64 {
    let noted = fs::read_to_string(directory().join(LAST));
    let noted: Option<u64> = noted.ok().and_then(|text| text.trim().parse().ok());
    noted
        .filter(|number| path(*number, "json").exists())
        .unwrap_or_else(|| numbers().last().copied().unwrap_or(0))
}

/// It was not done.
pub fn cancel(number: u64) {
    let _ = fs::remove_file(path(number, "json"));
}

/// It was done: keep the tables before and after, which taking it back needs.
pub fn finish(
    mut entry: Entry,
    generation: Option<u32>,
    fate: Fate,
    (before, after): (&Ruleset, &Ruleset),
    steps: &[Step],
) -> io::Result<()> {
    let number = entry.number;
    let begun = text(&entry)?.len();
    let waits = fate == Fate::Waiting;
    entry.generation = generation;
    entry.fate = match fate {
        // Unless its guard has already written what became of it.
        Fate::Waiting => match read(number)?.fate {
            Fate::Begun => Fate::Waiting,
            settled => settled,
        },
        fate => fate,
    };
    let mut pictures = Vec::new();
    ciborium::into_writer(&(before, after, steps), &mut pictures).map_err(io::Error::other)?;
    let packed = match pictures.len() <= UNPACKED {
        true => pictures,
        // At once, so that its tables are as large as what they are for.
        false => zstd::bulk::compress(&pictures, 1)?,
    };
    if packed.len() as u64 <= ROOM / 2 {
        // Whole or not, they mean nothing before the entry says that it was done.
        let mut file = fs::OpenOptions::new();
        file.write(true).create(true).truncate(true).mode(0o600);
        file.open(path(number, "pictures"))?.write_all(&packed)?;
    }
    match waits {
        true => write(&entry)?,
        false => write_over(&entry, begun)?,
    }
    if let Some(undone) = entry.undoes {
        set_fate(undone, Fate::Undone(number));
    }
    // Some more entries than there is room for do no harm.
    if number.is_multiple_of(16) {
        prune();
    }
    Ok(())
}

/// The numbers of all entries, the oldest first.
fn numbers() -> Vec<u64> {
    let files = fs::read_dir(directory()).into_iter().flatten().flatten();
    let mut numbers: Vec<u64> = files
        .filter_map(|file| {
            let name = file.file_name();
            name.to_str()?.strip_suffix(".json")?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

fn path(number: u64, end: &str) -> PathBuf {
    directory().join(format!("{number:08}.{end}"))
}

fn read(number: u64) -> io::Result<Entry> {
    serde_json::from_slice(&fs::read(path(number, "json"))?).map_err(io::Error::other)
}

fn write(entry: &Entry) -> io::Result<()> {
    write_quickly(&path(entry.number, "json"), &text(entry)?, 0o600)
}

/// Write an entry over the one that is there, which has so many bytes and nobody counts on yet. Another file in its
/// place would take longer than all the rest of the journal.
fn write_over(entry: &Entry, there: usize) -> io::Result<()> {
    /// Up to here one call writes all or nothing.
    const PAGE: usize = 4096;
    let mut bytes = text(entry)?;
    bytes.resize(bytes.len().max(there), b'\n');
    if bytes.len() > PAGE {
        return write(entry);
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(path(entry.number, "json"))?;
    file.write_all(&bytes)
}

fn text(entry: &Entry) -> io::Result<Vec<u8>> {
    serde_json::to_vec_pretty(entry).map_err(io::Error::other)
}

/// What takes a commit back.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The tables that it is about, as they were and as it made them.
    pub before: Ruleset,
    pub after: Ruleset,
    /// What was done beside them.
    pub steps: Vec<Step>,
}

/// What takes a commit back, while it is kept.
pub fn kept(number: u64) -> io::Result<Kept> {
    let path = path(number, "pictures");
    let mut bytes = fs::read(&path)?;
    let damaged = || io::Error::other(format!("'{}' is damaged", path.display()));
    if bytes.starts_with(&ZSTD) {
        bytes = zstd::decode_all(bytes.as_slice()).map_err(|_| damaged())?;
    }
    let (before, after, steps) = ciborium::from_reader(bytes.as_slice()).map_err(|_| damaged())?;
    Ok(Kept {
        before,
        after,
        steps,
    })
}

/// Note what became of a commit. A journal that cannot be written does not stop anything.
pub fn set_fate(number: u64, fate: Fate) {
    if let Ok(mut entry) = read(number) {
        entry.fate = fate;
        let _ = write(&entry);
    }
}

/// A guard took a commit back.
pub fn rolled_back(state: &State, reason: &str, restored: &Restored) {
    if let Some(number) = state.entry {
        let fate = Fate::RolledBack {
            reason: reason.to_owned(),
            left: restored.left.clone(),
        };
        set_fate(number, fate);
    }
}

/// Confirmed: it stays.
pub fn confirmed(state: &State) {
    if let Some(number) = state.entry {
        set_fate(number, Fate::Kept);
    }
}

fn prune() {
    let mut total = 0;
    for (age, number) in numbers().into_iter().rev().enumerate() {
        let pictures = path(number, "pictures");
        total += fs::metadata(&pictures).map_or(0, |meta| meta.len());
        if age >= ENTRIES {
            let _ = fs::remove_file(path(number, "json"));
        }
        if age >= ENTRIES || total > ROOM {
            let _ = fs::remove_file(pictures);
        }
    }
}
