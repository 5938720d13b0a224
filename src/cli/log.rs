//! `-v`: what the program does, written to a file. The terminal belongs to the screens.

use anyhow::Context;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// Log to `$XDG_STATE_HOME/hookscope/log` (`~/.local/state/hookscope/log`). `verbose`: how often `-v` stood there.
pub fn start(verbose: u8) -> anyhow::Result<()> {
    let level = match verbose {
        0 => return Ok(()),
        1 => "hookscope=debug",
        _ => "hookscope=trace",
    };
    let directory =
        state_directory().context("-v: neither XDG_STATE_HOME nor HOME is set; set one of them")?;
    let path = directory.join("log");
    let file = fs::create_dir_all(&directory)
        .and_then(|()| fs::File::options().create(true).append(true).open(&path))
        .with_context(|| format!("-v: cannot write the log '{}'", path.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .init();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        "started"
    );
    Ok(())
}

fn state_directory() -> Option<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(base.join("hookscope"))
}
