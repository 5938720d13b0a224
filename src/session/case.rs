//! A packet about which the prediction and the kernel do not agree, with everything that is needed to look into it.
//!
//! The file: a line of text that names the format, then zstd-compressed CBOR.

use crate::model::Snapshot;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

const FIRST_LINE: &str = "hookscope case 1\n";
/// A file that holds more is none of ours. bytes
const LIMIT: u64 = 16 << 30;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Version of the program that made it.
    pub program: String,
    /// The packet, as the options of `hookscope trace`.
    pub options: String,
    /// The packet, where it was given as a whole frame.
    pub frame: Option<ByteBuf>,
    pub payload: ByteBuf,
    /// What `trace --json` prints.
    pub predicted: String,
    /// Its member `in_kernel`.
    pub in_kernel: String,
    pub snapshot: Snapshot,
}

pub fn save(case: &Case, path: &Path) -> io::Result<()> {
    let mut out = io::BufWriter::new(File::create(path)?);
    out.write_all(FIRST_LINE.as_bytes())?;
    let mut encoder = zstd::Encoder::new(out, 3)?;
    ciborium::into_writer(case, &mut encoder).map_err(io::Error::other)?;
    encoder.finish()?.flush()
}

/// Read a case. Any bytes: what is no case is an error.
pub fn open(path: &Path) -> io::Result<Case> {
    let mut file = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    file.by_ref().take(64).read_until(b'\n', &mut line)?;
    if line != FIRST_LINE.as_bytes() {
        return Err(io::Error::other(
            "it is not a case of hookscope trace --save-case",
        ));
    }
    let decoder = zstd::Decoder::new(file)?;
    ciborium::from_reader(decoder.take(LIMIT)).map_err(io::Error::other)
}
