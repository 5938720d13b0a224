//! Netlink messages (`struct nlmsghdr`) in a received buffer, and building them.

use super::attr::DecodeError;

pub const HEADER: usize = 16;

pub const NLMSG_NOOP: u16 = 1;
pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
pub const NLMSG_OVERRUN: u16 = 4;

pub const NLM_F_REQUEST: u16 = 1;
pub const NLM_F_MULTI: u16 = 2;
pub const NLM_F_ACK: u16 = 4;
pub const NLM_F_ECHO: u16 = 8;
pub const NLM_F_DUMP_INTR: u16 = 0x10;
pub const NLM_F_DUMP: u16 = 0x300;
pub const NLM_F_CREATE: u16 = 0x400;
pub const NLM_F_EXCL: u16 = 0x200;
pub const NLM_F_REPLACE: u16 = 0x100;
pub const NLM_F_APPEND: u16 = 0x800;
/// On an error reply: the request is not repeated in it.
pub const NLM_F_CAPPED: u16 = 0x100;
/// On an error reply: extended-ack attributes follow.
pub const NLM_F_ACK_TLVS: u16 = 0x200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub port: u32,
    pub payload: &'a [u8],
}

/// The messages in a buffer, in order. Stops after the first malformed one.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
}

impl<'a> Messages<'a> {
    pub fn new(bytes: &'a [u8]) -> Messages<'a> {
        Messages { bytes }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let total = self.bytes.len();
        let Some(header) = self.bytes.first_chunk::<HEADER>() else {
            self.bytes = &[];
            return Some(Err(DecodeError::ShortMessage(total)));
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let Some(payload) = self.bytes.get(HEADER..length) else {
            self.bytes = &[];
            return Some(Err(DecodeError::Truncated {
                offset: 0,
                length,
                left: total,
            }));
        };
        self.bytes = self
            .bytes
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(Ok(Message {
            kind: u16::from_ne_bytes([e, f]),
            flags: u16::from_ne_bytes([g, h]),
            sequence: u32::from_ne_bytes([i, j, k, l]),
            port: u32::from_ne_bytes([m, n, o, p]),
            payload,
        }))
    }
}

/// Append one message to `out`.
pub fn write(out: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, payload: &[&[u8]]) {
    let length = HEADER + payload.iter().map(|part| part.len()).sum::<usize>();
    out.reserve(length.next_multiple_of(4));
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&0u32.to_ne_bytes());
    for part in payload {
        out.extend_from_slice(part);
    }
    out.resize(out.len().next_multiple_of(4), 0);
}

/// `struct nfgenmsg`, the fixed header of nfnetlink messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nfgen {
    pub family: u8,
    pub version: u8,
    /// Network byte order on the wire; in dumps of nf_tables the low 16 bits of the generation.
    pub res_id: u16,
}

impl Nfgen {
    pub const LEN: usize = 4;

    pub fn split(payload: &[u8]) -> Result<(Nfgen, &[u8]), DecodeError> {
        let Some((&[family, version, high, low], rest)) = payload.split_first_chunk::<4>() else {
            return Err(DecodeError::ShortMessage(payload.len()));
        };
        Ok((
            Nfgen {
                family,
                version,
                res_id: u16::from_be_bytes([high, low]),
            },
            rest,
        ))
    }

    pub fn bytes(family: u8, res_id: u16) -> [u8; 4] {
        let [high, low] = res_id.to_be_bytes();
        [family, 0, high, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip() {
        let mut out = Vec::new();
        write(&mut out, 16, NLM_F_REQUEST, 7, &[b"abc"]);
        write(&mut out, 17, 0, 8, &[]);
        let read: Vec<_> = Messages::new(&out).collect::<Result<_, _>>().unwrap();
        assert_eq!((read[0].kind, read[0].payload), (16, &b"abc"[..]));
        assert_eq!((read[1].sequence, read[1].payload.len()), (8, 0));
        assert!(Messages::new(&out[..18]).next().unwrap().is_err());
    }
}
