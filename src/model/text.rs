//! Names and other text that the kernel hands out as bytes.
//!
//! The kernel does not promise UTF-8. A byte that is not part of valid UTF-8 becomes one character of
//! the last private-use plane (`U+10FF00` + byte), and [`to_bytes`] turns it back, so that text
//! survives a round trip byte for byte and can still be handled as `str` everywhere.

use std::sync::Arc;

/// A name of a table, chain, set, object, device: short, shared, cheap to clone.
pub type Name = Arc<str>;

const ESCAPE_BASE: u32 = 0x10_FF00;

/// Decode kernel bytes; never fails and loses nothing.
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if (c as u32) >= ESCAPE_BASE {
                // A genuine character of the escape range is escaped itself, to keep the mapping one to one.
                let mut buf = [0u8; 4];
                out.extend(c.encode_utf8(&mut buf).bytes().map(escape));
            } else {
                out.push(c);
            }
        }
        out.extend(chunk.invalid().iter().copied().map(escape));
    }
    out
}

fn escape(byte: u8) -> char {
    char::from_u32(ESCAPE_BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that `c` stands for, when it is an escaped one.
pub fn escaped_byte(c: char) -> Option<u8> {
    (c as u32)
        .checked_sub(ESCAPE_BASE)
        .and_then(|byte| u8::try_from(byte).ok())
}

/// The bytes that [`from_bytes`] was given.
pub fn to_bytes(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut buf = [0u8; 4];
    for c in text.chars() {
        match escaped_byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut buf).as_bytes()),
        }
    }
    out
}

/// Decode a name: the bytes up to the first NUL.
pub fn name_from_bytes(bytes: &[u8]) -> Name {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let bytes = bytes.get(..end).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => Name::from(text),
        _ => Name::from(from_bytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_string_survives() {
        for bytes in [
            &b"plain"[..],
            b"",
            b"\xff\xfe",
            "grün ☃".as_bytes(),
            b"a\xc3",
            "\u{10FF41}".as_bytes(),
            b"\xed\xa0\x80",
        ] {
            assert_eq!(to_bytes(&from_bytes(bytes)), bytes);
        }
    }

    #[test]
    fn names_end_at_nul() {
        assert_eq!(&*name_from_bytes(b"eth0\0\0\0"), "eth0");
        assert_eq!(&*name_from_bytes(b"eth0"), "eth0");
    }
}
