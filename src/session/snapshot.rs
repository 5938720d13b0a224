//! Taking, writing and reading snapshots.
//!
//! The file: a line of text that names the format, its version as a number on that line, then zstd-compressed CBOR.

use super::beside::Beside;
use super::picture::{Command, Evidence, Picture, Progress, SessionEvent, SessionHandle, Source};
use super::system;
use crate::kernel::conntrack;
use crate::kernel::ipset;
use crate::kernel::legacy;
use crate::kernel::machine;
use crate::kernel::netlink::{Protocol, Socket};
use crate::kernel::nf_tables::load::{self, LoadError, ReadElements};
use crate::kernel::route;
use crate::model::{Family, Network, Ruleset, Snapshot};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use thiserror::Error;
use tokio::sync::mpsc;

const MAGIC: &str = "hookscope snapshot ";
/// Raised when a file of the new form cannot be read by an older program.
const VERSION: u32 = 1;
/// Nothing a machine holds is larger; a file that claims so is broken. bytes
const LIMIT: u64 = 16 << 30;

#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("cannot {verb} the snapshot '{}': {error}", path.display())]
    Io {
        verb: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("'{}' is not a hookscope snapshot; make one with `hookscope snapshot -o FILE`", .0.display())]
    NotOne(PathBuf),
    #[error(
        "the snapshot '{}' has format {found}, this program reads up to {VERSION}; use a newer hookscope",
        path.display()
    )]
    Newer { path: PathBuf, found: u32 },
    #[error("the snapshot '{}' is damaged or cut off ({why}); copy it again or take a new one", path.display())]
    Damaged { path: PathBuf, why: String },
}

/// Read everything that a snapshot holds from the current network namespace. The ruleset must be readable; what
/// else is not is noted.
pub fn take(netns: Option<String>) -> Result<Snapshot, LoadError> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let ruleset = load::load(&mut socket, ReadElements::All)?;
    let mut missing = Vec::new();
    let mut network = route::read_network(|_| {}).unwrap_or_else(|error| {
        missing.push(format!("links and routes: {error}"));
        Network::default()
    });
    missing.extend(system::read(&mut network));
    let flows = conntrack::read_conntrack().unwrap_or_else(|error| {
        missing.push(format!("connections: {error}"));
        Vec::new()
    });
    let ipsets = ipset::read_ipsets().unwrap_or_else(|error| {
        missing.push(format!("ipsets: {error}"));
        Vec::new()
    });
    let mut tables = Vec::new();
    for family in [Family::Ip, Family::Ip6, Family::Arp] {
        match legacy::read_tables(family) {
            Ok(read) => tables.extend(read),
            Err(error) => missing.push(format!("legacy {family} tables: {error}")),
        }
    }
    Ok(Snapshot {
        program: env!("CARGO_PKG_VERSION").into(),
        host: host_name(),
        kernel: read_line("/proc/sys/kernel/osrelease"),
        taken: SystemTime::now(),
        netns,
        names: machine::names(&ruleset),
        ruleset,
        network,
        flows,
        ipsets,
        legacy: tables,
        missing,
    })
}

pub fn host_name() -> String {
    read_line("/proc/sys/kernel/hostname")
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Write a snapshot to `out`.
pub fn write(snapshot: &Snapshot, mut out: impl Write) -> io::Result<()> {
    writeln!(out, "{MAGIC}{VERSION}")?;
    let mut encoder = zstd::Encoder::new(out, 3)?;
    ciborium::into_writer(snapshot, &mut encoder).map_err(io::Error::other)?;
    encoder.finish()?.flush()
}

/// Write a snapshot to a file: beside it first, then in its place, so that no half of one is ever there.
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<(), SnapshotError> {
    let fail = |error| SnapshotError::Io {
        verb: "write",
        path: path.into(),
        error,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let result = fs::File::create(&beside).and_then(|file| {
        write(snapshot, io::BufWriter::new(&file))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    result.map_err(|error| {
        // The part that was written is of no use to anybody.
        let _ = fs::remove_file(&beside);
        fail(error)
    })
}

/// Read a snapshot from bytes. Any bytes: what is no snapshot is an error.
pub fn read(path: &Path, bytes: impl Read) -> Result<Snapshot, SnapshotError> {
    let io_error = |error| SnapshotError::Io {
        verb: "read",
        path: path.into(),
        error,
    };
    let mut bytes = BufReader::new(bytes);
    let mut line = Vec::new();
    bytes
        .by_ref()
        .take(64)
        .read_until(b'\n', &mut line)
        .map_err(io_error)?;
    let version = std::str::from_utf8(&line)
        .ok()
        .and_then(|line| line.strip_prefix(MAGIC)?.trim_end().parse::<u32>().ok())
        .ok_or_else(|| SnapshotError::NotOne(path.into()))?;
    if version > VERSION {
        return Err(SnapshotError::Newer {
            path: path.into(),
            found: version,
        });
    }
    let damaged = |why: String| SnapshotError::Damaged {
        path: path.into(),
        why,
    };
    let decoder = zstd::Decoder::with_buffer(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut snapshot: Snapshot =
        ciborium::from_reader(decoder.take(LIMIT)).map_err(|error| damaged(error.to_string()))?;
    snapshot.names.zone = machine::zone();
    Ok(snapshot)
}

pub fn open(path: &Path) -> Result<Snapshot, SnapshotError> {
    let file = fs::File::open(path).map_err(|error| SnapshotError::Io {
        verb: "read",
        path: path.into(),
        error,
    })?;
    read(path, file)
}

/// A session that shows a snapshot: one picture, and answers that say what a snapshot cannot do.
pub fn start(path: &Path, snapshot: Snapshot) -> SessionHandle {
    let (event_tx, event_rx) = mpsc::channel(16);
    let (command_tx, mut command_rx) = mpsc::channel(64);
    let picture = Picture {
        source: Source::Snapshot {
            path: path.display().to_string(),
            host: snapshot.host,
            taken: snapshot.taken,
        },
        ruleset: Arc::new(Ruleset {
            legacy: system::shown(&snapshot.legacy),
            ..snapshot.ruleset.clone()
        }),
        network: snapshot.network,
        names: Arc::new(snapshot.names),
        rates: Arc::default(),
        progress: Progress {
            complete: true,
            ..Progress::default()
        },
        changes: Arc::default(),
        evidence: Evidence {
            read_at: snapshot.taken,
            resyncs: 0,
            problem: None,
        },
        beside: Some(Arc::new(Beside {
            ruleset: snapshot.ruleset,
            flows: snapshot.flows,
            ipsets: snapshot.ipsets,
            legacy: snapshot.legacy,
            missing: snapshot.missing,
            read_at: snapshot.taken,
        })),
    };
    tokio::spawn(async move {
        if event_tx
            .send(SessionEvent::Picture(Arc::new(picture)))
            .await
            .is_err()
        {
            return;
        }
        while let Some(command) = command_rx.recv().await {
            let answer = match command {
                Command::RouteGet { ticket, .. } => SessionEvent::RouteAnswer {
                    ticket,
                    answer: Err(
                        "a snapshot has no kernel to ask; look the address up among the routes"
                            .into(),
                    ),
                },
                Command::Reload => SessionEvent::Notice("a snapshot does not change".into()),
                _ => continue,
            };
            if event_tx.send(answer).await.is_err() {
                return;
            }
        }
    });
    SessionHandle {
        events: event_rx,
        commands: command_tx,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Snapshot {
        Snapshot {
            program: "0".into(),
            host: "h".into(),
            kernel: "6".into(),
            taken: SystemTime::UNIX_EPOCH,
            netns: None,
            ruleset: Default::default(),
            network: Default::default(),
            names: Default::default(),
            flows: Vec::new(),
            ipsets: Vec::new(),
            legacy: Vec::new(),
            missing: vec!["x".into()],
        }
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&empty(), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let read = read(Path::new("f"), &written()[..]).unwrap();
        assert_eq!((read.host.as_str(), read.missing.len()), ("h", 1));
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let refuse = |bytes: &[u8]| read(Path::new("f"), bytes).unwrap_err().to_string();
        assert!(refuse(b"#!/bin/sh").contains("is not a hookscope snapshot"));
        assert!(refuse(b"hookscope snapshot 99\n").contains("newer"));
        assert!(refuse(b"").contains("is not"));
        let whole = written();
        for cut in [22, 30, whole.len() - 1] {
            assert!(refuse(&whole[..cut]).contains("damaged"), "{cut}");
        }
    }
}
