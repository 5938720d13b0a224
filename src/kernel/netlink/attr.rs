//! Netlink attributes (`struct nlattr`): length and type in host byte order, payload padded to 4 bytes.

use thiserror::Error;

/// Set on attributes that hold attributes; ignored when reading (older kernels leave it out).
pub const NLA_F_NESTED: u16 = 1 << 15;
/// Set on attributes in network byte order; ignored when reading.
pub const NLA_F_NET_BYTEORDER: u16 = 1 << 14;
const TYPE_MASK: u16 = !(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
const HEADER: usize = 4;

/// Why bytes of the kernel could not be read, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("attribute header at byte {offset} says {length} bytes, {left} are left")]
    Truncated {
        offset: usize,
        length: usize,
        left: usize,
    },
    #[error("attribute {kind} has {length} bytes, expected {expected}")]
    Length {
        kind: u16,
        length: usize,
        expected: usize,
    },
    #[error("attribute {0} is missing")]
    Missing(u16),
    #[error("attribute {0} is not known")]
    UnknownAttribute(u16),
    #[error("attribute {kind} has the unknown value {value}")]
    UnknownValue { kind: u16, value: u64 },
    #[error("message of {0} bytes is too short")]
    ShortMessage(usize),
    #[error("nested too deeply")]
    Depth,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Type without the flag bits.
    pub kind: u16,
    pub payload: &'a [u8],
}

impl<'a> Attr<'a> {
    fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.payload.try_into().map_err(|_| DecodeError::Length {
            kind: self.kind,
            length: self.payload.len(),
            expected: N,
        })
    }

    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|b| b[0])
    }
    pub fn be16(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }
    pub fn be32(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }
    pub fn be64(&self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }
    /// Host byte order, as rtnetlink writes numbers.
    pub fn ne16(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_ne_bytes)
    }
    pub fn ne32(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }
    pub fn ne64(&self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }
    /// The bytes up to the first NUL.
    pub fn text(&self) -> &'a [u8] {
        self.payload.split(|&b| b == 0).next().unwrap_or_default()
    }
    pub fn nested(&self) -> Attrs<'a> {
        Attrs::new(self.payload)
    }
}

/// The attributes in a byte slice, in order. Stops after the first malformed one.
#[derive(Clone, Debug)]
pub struct Attrs<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Attrs<'a> {
    pub fn new(bytes: &'a [u8]) -> Attrs<'a> {
        Attrs { bytes, offset: 0 }
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if rest.is_empty() {
            return None;
        }
        let header: Option<(&[u8; 2], &[u8; 2])> = rest
            .first_chunk::<2>()
            .zip(rest.get(2..).and_then(|r| r.first_chunk::<2>()));
        let length = header.map_or(0, |(length, _)| usize::from(u16::from_ne_bytes(*length)));
        let (Some((_, kind)), Some(payload)) = (header, rest.get(HEADER..length)) else {
            let error = DecodeError::Truncated {
                offset: self.offset,
                length,
                left: rest.len(),
            };
            self.offset = self.bytes.len();
            return Some(Err(error));
        };
        self.offset += length.next_multiple_of(4);
        Some(Ok(Attr {
            kind: u16::from_ne_bytes(*kind) & TYPE_MASK,
            payload,
        }))
    }
}

/// Attributes by type, for types below `N`; the last of a type wins, as in the kernel.
#[derive(Clone, Debug)]
pub struct Fields<'a, const N: usize> {
    slots: [Option<&'a [u8]>; N],
    /// Types that are `N` or above.
    pub unknown: Vec<u16>,
}

impl<'a, const N: usize> Fields<'a, N> {
    pub fn parse(bytes: &'a [u8]) -> Result<Fields<'a, N>, DecodeError> {
        let mut fields = Fields {
            slots: [None; N],
            unknown: Vec::new(),
        };
        for attr in Attrs::new(bytes) {
            let attr = attr?;
            match fields.slots.get_mut(usize::from(attr.kind)) {
                Some(slot) => *slot = Some(attr.payload),
                None => fields.unknown.push(attr.kind),
            }
        }
        Ok(fields)
    }

    /// Like [`Fields::parse`], but refuses types it has no slot for: for expressions, where an attribute
    /// that is not understood may change the meaning.
    pub fn parse_strict(bytes: &'a [u8]) -> Result<Fields<'a, N>, DecodeError> {
        let fields = Self::parse(bytes)?;
        match fields.unknown.first() {
            Some(&kind) => Err(DecodeError::UnknownAttribute(kind)),
            None => Ok(fields),
        }
    }

    pub fn get(&self, kind: u16) -> Option<Attr<'a>> {
        let payload = (*self.slots.get(usize::from(kind))?)?;
        Some(Attr { kind, payload })
    }

    pub fn need(&self, kind: u16) -> Result<Attr<'a>, DecodeError> {
        self.get(kind).ok_or(DecodeError::Missing(kind))
    }

    pub fn be16(&self, kind: u16) -> Result<Option<u16>, DecodeError> {
        self.get(kind).map(|attr| attr.be16()).transpose()
    }
    pub fn be32(&self, kind: u16) -> Result<Option<u32>, DecodeError> {
        self.get(kind).map(|attr| attr.be32()).transpose()
    }
    pub fn be64(&self, kind: u16) -> Result<Option<u64>, DecodeError> {
        self.get(kind).map(|attr| attr.be64()).transpose()
    }
    pub fn u8(&self, kind: u16) -> Result<Option<u8>, DecodeError> {
        self.get(kind).map(|attr| attr.u8()).transpose()
    }
    pub fn ne16(&self, kind: u16) -> Result<Option<u16>, DecodeError> {
        self.get(kind).map(|attr| attr.ne16()).transpose()
    }
    pub fn ne32(&self, kind: u16) -> Result<Option<u32>, DecodeError> {
        self.get(kind).map(|attr| attr.ne32()).transpose()
    }
    pub fn ne64(&self, kind: u16) -> Result<Option<u64>, DecodeError> {
        self.get(kind).map(|attr| attr.ne64()).transpose()
    }
    /// A text attribute as a name.
    pub fn name(&self, kind: u16) -> Option<crate::model::Name> {
        let attr = self.get(kind)?;
        Some(crate::model::text::name_from_bytes(attr.text()))
    }
    pub fn need_be32(&self, kind: u16) -> Result<u32, DecodeError> {
        self.need(kind)?.be32()
    }
    pub fn bytes(&self, kind: u16) -> Vec<u8> {
        self.get(kind)
            .map(|attr| attr.payload.to_vec())
            .unwrap_or_default()
    }
}

/// Builds attributes, one after the other in one buffer.
#[derive(Clone, Debug, Default)]
pub struct AttrWriter {
    bytes: Vec<u8>,
    cut: bool,
}

impl AttrWriter {
    pub fn new() -> AttrWriter {
        AttrWriter::default()
    }

    /// Go on behind what stands in `bytes` already, whose length is a multiple of 4.
    pub fn behind(bytes: Vec<u8>) -> AttrWriter {
        AttrWriter { bytes, cut: false }
    }

    /// Whether a payload was longer than `struct nlattr` can say and was cut: what was built must not be sent.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Append one attribute. Payloads above 65,531 bytes do not fit `struct nlattr` and are cut.
    pub fn put(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let start = self.begin(kind);
        self.bytes.extend_from_slice(payload);
        self.end(start)
    }

    /// Begin an attribute whose payload is what is appended until [`AttrWriter::end`].
    pub fn begin(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// End the attribute that began at `start`.
    pub fn end(&mut self, start: usize) -> &mut Self {
        let length = self.bytes.len().saturating_sub(start);
        let length = u16::try_from(length).unwrap_or_else(|_| {
            self.cut = true;
            self.bytes.truncate(start + usize::from(u16::MAX));
            u16::MAX
        });
        if let Some(header) = self.bytes.get_mut(start..start + 2) {
            header.copy_from_slice(&length.to_ne_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.put(kind, &[value])
    }
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }
    pub fn ne32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }
    /// A NUL-terminated string; escaped bytes of `model::text` are turned back.
    pub fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut bytes = crate::model::text::to_bytes(text);
        bytes.push(0);
        self.put(kind, &bytes)
    }
    /// An attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut AttrWriter)) -> &mut Self {
        let start = self.begin(kind | NLA_F_NESTED);
        fill(self);
        self.end(start)
    }

    /// Take back what was appended behind the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Attributes that are encoded already.
    pub fn raw(&mut self, attributes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(attributes);
        self
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_back() {
        let mut writer = AttrWriter::new();
        writer.be32(1, 7).text(2, "lo").nest(3, |w| {
            w.u8(1, 9);
        });
        let bytes = writer.into_bytes();
        let fields = Fields::<4>::parse_strict(&bytes).unwrap();
        assert_eq!(fields.need_be32(1), Ok(7));
        assert_eq!(fields.need(2).unwrap().text(), b"lo");
        let inner: Vec<_> = fields
            .need(3)
            .unwrap()
            .nested()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(inner[0].u8(), Ok(9));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_said_so() {
        let mut writer = AttrWriter::new();
        writer.put(1, &[7; 65_531]);
        assert!(!writer.is_cut());
        writer.nest(2, |inner| {
            inner.put(3, &[7; 40_000]).put(4, &[7; 40_000]);
        });
        assert!(writer.is_cut());
        let lengths: Vec<_> = Attrs::new(writer.as_bytes())
            .map(|attr| attr.map(|attr| (attr.kind, attr.payload.len())))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(lengths, [(1, 65_531), (2, 65_531)]);
    }

    #[test]
    fn malformed_lengths_are_errors() {
        for bytes in [
            &[3u8, 0, 1, 0][..],
            &[8, 0, 1, 0],
            &[1],
            &[0, 0, 0, 0, 9, 9],
        ] {
            assert!(Attrs::new(bytes).any(|attr| attr.is_err()), "{bytes:?}");
        }
        assert!(Fields::<1>::parse_strict(&[4, 0, 1, 0]).is_err());
    }
}
