//! Lines, or the elements of a JSON array, written in large pieces.

use std::io::{self, Write};

/// Collects lines or the elements of a JSON array, and writes them in large pieces.
pub(super) struct Sink<'a, W> {
    out: &'a mut W,
    buf: String,
    pub(super) json: bool,
    first: bool,
}

impl<'a, W: Write> Sink<'a, W> {
    const PIECE: usize = 64 * 1024;

    pub(super) fn new(out: &'a mut W, json: bool) -> Sink<'a, W> {
        Sink {
            out,
            buf: String::with_capacity(Self::PIECE + 4096),
            json,
            first: true,
        }
    }

    /// Add one item: `write` appends it.
    pub(super) fn item(&mut self, write: impl FnOnce(&mut String)) -> io::Result<()> {
        if self.json {
            self.buf.push(if self.first { '[' } else { ',' });
        }
        self.first = false;
        write(&mut self.buf);
        if self.buf.len() >= Self::PIECE {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let bytes = hookscope::model::text::to_bytes(&self.buf);
        self.buf.clear();
        self.out.write_all(&bytes)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.json {
            self.buf.push_str(if self.first { "[]\n" } else { "]\n" });
        }
        self.write()
    }
}
