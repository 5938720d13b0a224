//! The person's own editor, for a text that is too long for ours: `$VISUAL`, `$EDITOR`, or what there is.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of our own for the time of the edit: nobody else reads or writes in it.
struct Place(PathBuf);

impl Place {
    fn new() -> std::io::Result<Place> {
        use std::os::unix::fs::DirBuilderExt;
        let pid = std::process::id();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_nanos());
        let path = std::env::temp_dir().join(format!("hookscope-{pid}-{now}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Place(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The command line of the editor.
fn editor() -> Option<String> {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    let named = named
        .map(|command| command.trim().to_owned())
        .find(|command| !command.is_empty());
    let there = || {
        let paths = std::env::var("PATH").unwrap_or_default();
        let has = |name: &&&str| {
            paths
                .split(':')
                .any(|path| Path::new(path).join(name).exists())
        };
        ["sensible-editor", "nano", "vim", "vi"]
            .iter()
            .find(has)
            .map(|name| (*name).to_owned())
    };
    named.or_else(there)
}

/// Have the text edited; what the person made of it. `about` is a part of the file's name.
pub fn run(text: &str, about: &str) -> Result<String, String> {
    let command = editor().ok_or("no editor: set EDITOR, such as EDITOR=nano")?;
    let cannot = |error: std::io::Error| format!("cannot hand the text to an editor: {error}");
    let place = Place::new().map_err(cannot)?;
    let safe: String = about
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let file = place.0.join(format!("{safe}.nft"));
    let mut new = OpenOptions::new();
    let mut out = new
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .map_err(cannot)?;
    out.write_all(text.as_bytes()).map_err(cannot)?;
    drop(out);
    // The variable may hold arguments, and paths with quotes: a shell reads it, as git's does.
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{command} \"$@\""))
        .arg(&command)
        .arg(&file)
        .status()
        .map_err(|error| format!("cannot run the editor '{command}': {error}"))?;
    if !status.success() {
        return Err(format!(
            "the editor '{command}' ended with {status}; nothing was staged"
        ));
    }
    fs::read_to_string(&file).map_err(|error| format!("cannot read the text again: {error}"))
}
