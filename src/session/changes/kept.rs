//! Change sets on disk, so that a lost terminal loses nothing and `trace --staged` sees what another terminal stages.
//! One file per program, below the place of guards of this network namespace.

use crate::stage::change::Edit;
use crate::stage::guard::state::{directory, write_whole};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

const BEGINNING: &str = "staged-";

fn place(process: u32) -> PathBuf {
    directory().join(format!("{BEGINNING}{process}"))
}

/// Keep the changes of this program in place of those before.
pub fn keep(edits: &[Edit]) -> io::Result<()> {
    if edits.is_empty() {
        forget();
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory())?;
    let text = serde_json::to_vec_pretty(edits).map_err(io::Error::other)?;
    write_whole(&place(std::process::id()), &text, 0o600)
}

/// This program is done with its changes.
pub fn forget() {
    let _ = fs::remove_file(place(std::process::id()));
}

/// The files of all programs, the newest first, each with the process that wrote it.
fn files() -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory()) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let process = name.to_str()?.strip_prefix(BEGINNING)?.parse().ok()?;
            let written = entry.metadata().ok()?.modified().ok()?;
            Some((written, process, entry.path()))
        })
        .collect();
    files.sort_by_key(|(written, ..)| std::cmp::Reverse(*written));
    files
        .into_iter()
        .map(|(_, process, path)| (process, path))
        .collect()
}

fn read(path: &PathBuf) -> Option<Vec<Edit>> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// What a program has staged that is open on this network namespace, or that was killed; the newest.
pub fn newest() -> Option<Vec<Edit>> {
    files().iter().find_map(|(_, path)| read(path))
}

/// What a program staged that was killed; nobody else gets it afterwards.
pub fn orphaned() -> Option<Vec<Edit>> {
    let alive = |process: u32| PathBuf::from(format!("/proc/{process}")).exists();
    files()
        .iter()
        .filter(|(process, _)| !alive(*process))
        .find_map(|(_, path)| {
            let edits = read(path);
            let _ = fs::remove_file(path);
            edits
        })
}
