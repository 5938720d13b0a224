//! The binary layouts of xtables extensions: bytes of matches and targets to typed structures and back.
//!
//! Pure and total: any bytes give a structure or an error. May use `model`.
//! The structures themselves are in `model::xtables`; where a field lies follows from their order.

use crate::model::Family;
use crate::model::xtables::layout::Walker;
use crate::model::xtables::{Extension, ExtensionKind, registration};

/// Why an extension stays bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecoded {
    #[error("no such extension in this build")]
    Unknown,
    #[error("{have} bytes where {want} are expected")]
    Size { have: usize, want: usize },
}

/// `XT_ALIGN`, `EBT_ALIGN`: extensions are padded to multiples of so many bytes.
pub const ALIGNMENT: usize = 8;

/// The length of `len` bytes with the padding that follows them.
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGNMENT)
}

/// The structure in the bytes of a match or target in a table of `family`.
///
/// # Errors
/// When this build knows no such extension, or its size is another one. Padding is not looked at.
pub fn decode(
    kind: ExtensionKind,
    family: Family,
    name: &str,
    revision: u32,
    info: &[u8],
) -> Result<Extension, NotDecoded> {
    let row = registration(kind, family, name, revision).ok_or(NotDecoded::Unknown)?;
    let mut extension = (row.zero)();
    let mut reader = Reader {
        bytes: info,
        at: 0,
        short: false,
    };
    extension.walk(&mut reader);
    // iptables-nft 1.8 leaves out the padding of some extensions.
    if reader.short || padded(reader.at) != padded(info.len()) {
        return Err(NotDecoded::Size {
            have: info.len(),
            want: reader.at,
        });
    }
    Ok(extension)
}

/// The bytes of an extension, padded as the kernel wants them.
pub fn encode(extension: &Extension) -> Vec<u8> {
    let mut bytes = encode_bare(extension);
    bytes.resize(padded(bytes.len()), 0);
    bytes
}

/// The bytes without the padding to the next multiple of [`ALIGNMENT`].
pub fn encode_bare(extension: &Extension) -> Vec<u8> {
    let mut writer = Writer(Vec::new());
    extension.clone().walk(&mut writer);
    writer.0
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    short: bool,
}

impl Walker for Reader<'_> {
    fn scalar(&mut self, bytes: &mut [u8], align: usize) {
        self.align(align);
        let end = self.at + bytes.len();
        match self.bytes.get(self.at..end) {
            Some(from) => bytes.copy_from_slice(from),
            None => self.short = true,
        }
        self.at = end;
    }

    fn align(&mut self, align: usize) {
        self.at = self.at.next_multiple_of(align);
    }
}

struct Writer(Vec<u8>);

impl Walker for Writer {
    fn scalar(&mut self, bytes: &mut [u8], align: usize) {
        self.align(align);
        self.0.extend_from_slice(bytes);
    }

    fn align(&mut self, align: usize) {
        self.0.resize(self.0.len().next_multiple_of(align), 0);
    }
}

#[cfg(test)]
mod tests;
