//! Tests of several expressions in one step. Nearly every match of a rule is a load, perhaps a mask, and a comparison
//! side by side; done at once they take a few instructions. The registers end as they would have, and what failed is
//! still the expression that would have failed.

use super::program::Op;
use super::{Registers, Walk, ct, load};
use crate::flow::runs::Run;
use crate::model::expression::{CmpOp, PayloadBase};

/// A rule's expressions in the order in which they run; those that decide nothing are left out.
#[derive(Clone, Debug)]
pub enum Step {
    Word(Word),
    Wide(Box<Wide>),
    /// The expression at this place, by itself.
    One(usize),
}

/// Where the value of a test comes from, up to four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Network { offset: u16, len: u8 },
    Transport { offset: u16, len: u8 },
    L4proto,
    Nfproto,
    Protocol,
    Pkttype,
    Mark,
    Iif,
    Oif,
    CtState,
}

/// A test of up to four bytes.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    source: Source,
    /// In the register file.
    dreg: u8,
    negated: bool,
    /// Place of the load, and of the comparison.
    load: u16,
    compare: u16,
    mask: u32,
    xor: u32,
    wanted: u32,
    /// The bits that are compared.
    compared: u32,
}

/// Where the value of a longer test comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WideSource {
    Network { offset: u16, len: u8 },
    Iifname,
    Oifname,
}

/// A test of up to sixteen bytes: names of devices, addresses of IPv6.
#[derive(Clone, Copy, Debug)]
pub struct Wide {
    source: WideSource,
    dreg: u8,
    negated: bool,
    load: u16,
    compare: u16,
    mask: u128,
    xor: u128,
    wanted: u128,
    compared: u128,
}

/// What a test looks at: where from, and which bits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    source: Either,
    mask: u128,
    xor: u128,
    compared: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Either {
    Word(Source),
    Wide(WideSource),
}

impl Step {
    /// The field, what it is compared with, and whether it must be something else.
    pub fn test(&self) -> Option<(Field, u128, bool)> {
        let (field, wanted, negated) = match self {
            Step::Word(test) => {
                let field = Field {
                    source: Either::Word(test.source),
                    mask: test.mask.into(),
                    xor: test.xor.into(),
                    compared: test.compared.into(),
                };
                (field, test.wanted.into(), test.negated)
            }
            Step::Wide(test) => {
                let field = Field {
                    source: Either::Wide(test.source),
                    mask: test.mask,
                    xor: test.xor,
                    compared: test.compared,
                };
                (field, test.wanted, test.negated)
            }
            Step::One(_) => return None,
        };
        Some((field, wanted & field.compared, negated))
    }
}

/// Bytes as they lie in registers, filled up with zeros.
fn word(bytes: &[u8]) -> Option<u32> {
    Some(match *bytes {
        [a] => u32::from_ne_bytes([a, 0, 0, 0]),
        [a, b] => u32::from_ne_bytes([a, b, 0, 0]),
        [a, b, c] => u32::from_ne_bytes([a, b, c, 0]),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
        _ => return None,
    })
}

fn wide(bytes: &[u8]) -> Option<u128> {
    let mut out = [0; 16];
    out.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u128::from_ne_bytes(out))
}

/// As many bytes with all bits set.
fn ones(len: usize) -> Option<u128> {
    wide([0xff; 16].get(..len)?)
}

/// Make steps of a rule's expressions.
pub fn steps(ops: &[Op]) -> Box<[Step]> {
    let mut steps = Vec::with_capacity(ops.len());
    let mut at = 0;
    while let Some(rest) = ops.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((step, taken)) = fuse(rest, at) {
            steps.push(step);
            at += taken;
            continue;
        }
        if !matches!(rest.first(), Some(Op::Nothing)) {
            steps.push(Step::One(at));
        }
        at += 1;
    }
    steps.into()
}

/// The test that the first expressions make, and how many they are.
fn fuse(ops: &[Op], at: usize) -> Option<(Step, usize)> {
    let (first, rest) = ops.split_first()?;
    let (dreg, len) = target(first)?;
    let (mask, rest) = match rest {
        [
            Op::Mask {
                sreg,
                dreg: to,
                mask,
                xor,
            },
            rest @ ..,
        ] if *sreg == dreg && *to == dreg && mask.len() == len => {
            (Some((wide(mask)?, wide(xor)? & ones(len)?)), rest)
        }
        rest => (None, rest),
    };
    let Some(Op::Cmp { sreg, op, data }) = rest.first() else {
        return None;
    };
    let negated = match op {
        CmpOp::Eq => false,
        CmpOp::Neq => true,
        _ => return None,
    };
    // What stands behind the value is another's.
    if *sreg != dreg || data.len() > len.next_multiple_of(4) {
        return None;
    }
    let taken = if mask.is_some() { 3 } else { 2 };
    let load = u16::try_from(at).ok()?;
    let compare = u16::try_from(at + taken - 1).ok()?;
    let dreg = u8::try_from(dreg).ok()?;
    let (mask, xor) = mask.unwrap_or((ones(len)?, 0));
    let (wanted, compared) = (wide(data)?, ones(data.len())?);
    let step = match source(first) {
        // The lower bits of a wide value are not everywhere the first bytes: those are taken from the bytes.
        Some(source) => {
            let first = |value: u128| value.to_ne_bytes().first_chunk().copied();
            let first = |value: u128| first(value).map(u32::from_ne_bytes);
            Step::Word(Word {
                source,
                dreg,
                negated,
                load,
                compare,
                mask: first(mask)?,
                xor: first(xor)?,
                wanted: first(wanted)?,
                compared: first(compared)?,
            })
        }
        None => Step::Wide(Box::new(Wide {
            source: wide_source(first)?,
            dreg,
            negated,
            load,
            compare,
            mask,
            xor,
            wanted,
            compared,
        })),
    };
    Some((step, taken))
}

/// The register that a load fills, and how many bytes of it.
fn target(op: &Op) -> Option<(usize, usize)> {
    let (dreg, len) = match op {
        Op::Payload { dreg, len, .. } => (*dreg, *len as usize),
        Op::Ct {
            dreg,
            key: ct::key::STATE,
            ..
        } => (*dreg, 4),
        Op::Meta { dreg, key } => {
            let len = match *key {
                load::key::IIFNAME | load::key::OIFNAME => 16,
                load::key::PROTOCOL => 2,
                load::key::L4PROTO | load::key::NFPROTO | load::key::PKTTYPE => 1,
                _ => 4,
            };
            (*dreg, len)
        }
        _ => return None,
    };
    (1..=16).contains(&len).then_some((dreg, len))
}

fn source(op: &Op) -> Option<Source> {
    Some(match op {
        Op::Payload {
            base, offset, len, ..
        } => {
            let (offset, len) = (u16::try_from(*offset).ok()?, u8::try_from(*len).ok()?);
            match base {
                PayloadBase::Network if len <= 4 => Source::Network { offset, len },
                // Others look at the fragment offset as well.
                PayloadBase::Transport
                    if matches!(len, 1 | 2 | 4) && offset.is_multiple_of(len.into()) =>
                {
                    Source::Transport { offset, len }
                }
                _ => return None,
            }
        }
        Op::Ct { .. } => Source::CtState,
        Op::Meta { key, .. } => match *key {
            load::key::L4PROTO => Source::L4proto,
            load::key::NFPROTO => Source::Nfproto,
            load::key::PROTOCOL => Source::Protocol,
            load::key::PKTTYPE => Source::Pkttype,
            load::key::MARK => Source::Mark,
            load::key::IIF => Source::Iif,
            load::key::OIF => Source::Oif,
            _ => return None,
        },
        _ => return None,
    })
}

fn wide_source(op: &Op) -> Option<WideSource> {
    Some(match op {
        Op::Payload {
            base: PayloadBase::Network,
            offset,
            len,
            ..
        } if *len > 4 => WideSource::Network {
            offset: u16::try_from(*offset).ok()?,
            len: u8::try_from(*len).ok()?,
        },
        Op::Meta { key, .. } => match *key {
            load::key::IIFNAME => WideSource::Iifname,
            load::key::OIFNAME => WideSource::Oifname,
            _ => return None,
        },
        _ => return None,
    })
}

impl Registers {
    fn put_word(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
        if self.unknown != 0 {
            self.unknown &= !super::words(at, 4);
        }
    }
}

impl Walk<'_, '_> {
    /// The place that failed, or none.
    #[inline]
    pub(super) fn test(&mut self, test: &Word) -> Option<usize> {
        // The two that nearly all rules begin with. The mask leaves nothing of what is behind a shorter value.
        let value = match test.source {
            Source::Nfproto => Some(u32::from_ne_bytes([self.state.nfproto, 0, 0, 0])),
            Source::Network { offset, .. } => match self.skb.data.get(usize::from(offset)..) {
                Some([a, b, c, d, ..]) => Some(u32::from_ne_bytes([*a, *b, *c, *d])),
                _ => self.word(test.source),
            },
            other => self.word(other),
        };
        let Some(value) = value else {
            return Some(test.load.into());
        };
        let value = (value & test.mask) ^ test.xor;
        self.registers.put_word(test.dreg.into(), value);
        let hit = (value ^ test.wanted) & test.compared == 0;
        (hit == test.negated).then_some(test.compare.into())
    }

    pub(super) fn test_wide(&mut self, test: &Wide) -> Option<usize> {
        let Some(value) = self.wide(test.source) else {
            return Some(test.load.into());
        };
        let value = (value & test.mask) ^ test.xor;
        let len = match test.source {
            WideSource::Network { len, .. } => len.into(),
            _ => 16,
        };
        let bytes = value.to_ne_bytes();
        self.registers
            .put(test.dreg.into(), bytes.get(..len).unwrap_or_default());
        let hit = (value ^ test.wanted) & test.compared == 0;
        (hit == test.negated).then_some(test.compare.into())
    }

    /// The first rule from `at` on, which is in this run, that is worth looking at.
    pub(super) fn pass_over(&self, run: &Run<Field>, at: usize) -> usize {
        match self.field(run.field) {
            Some(value) => run.next(value, at),
            // What is not there is not what anybody wants.
            None => run.end,
        }
    }

    /// What a field of the packet holds, as far as it is compared.
    fn field(&self, field: Field) -> Option<u128> {
        let value = match field.source {
            Either::Word(source) => self.word(source)?.into(),
            Either::Wide(source) => self.wide(source)?,
        };
        Some(((value & field.mask) ^ field.xor) & field.compared)
    }

    fn wide(&self, source: WideSource) -> Option<u128> {
        match source {
            WideSource::Iifname => Some(u128::from_ne_bytes(self.device_name(self.state.iif))),
            WideSource::Oifname => Some(u128::from_ne_bytes(self.device_name(self.state.oif))),
            WideSource::Network { offset, len } => {
                let (start, len) = (usize::from(offset), usize::from(len));
                self.skb.data.get(start..start + len).and_then(wide)
            }
        }
    }

    fn word(&self, source: Source) -> Option<u32> {
        let at = |start: usize, len: u8| {
            let data = self.skb.data.get(start..)?;
            Some(match len {
                1 => u32::from_ne_bytes([*data.first()?, 0, 0, 0]),
                2 => {
                    let [a, b] = *data.first_chunk()?;
                    u32::from_ne_bytes([a, b, 0, 0])
                }
                4 => u32::from_ne_bytes(*data.first_chunk()?),
                _ => word(data.get(..len.into())?)?,
            })
        };
        let byte = |value: u8| u32::from_ne_bytes([value, 0, 0, 0]);
        Some(match source {
            Source::Network { offset, len } => at(offset.into(), len)?,
            Source::Transport { offset, len } if self.l4.known => {
                at(self.l4.offset + usize::from(offset), len)?
            }
            Source::L4proto if self.l4.known => byte(self.l4.proto),
            Source::Transport { .. } | Source::L4proto => return None,
            Source::Nfproto => byte(self.state.nfproto),
            Source::Protocol => {
                let [a, b] = self.skb.protocol.to_be_bytes();
                u32::from_ne_bytes([a, b, 0, 0])
            }
            Source::Pkttype => byte(self.skb.pkt_type),
            Source::Mark => self.skb.mark,
            Source::Iif => self.state.iif,
            Source::Oif => self.state.oif,
            Source::CtState => self.ct_state_bit(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(base: PayloadBase, offset: u32, len: u32) -> Op {
        Op::Payload {
            dreg: 16,
            base,
            offset,
            len,
        }
    }

    fn cmp(op: CmpOp, data: &[u8]) -> Op {
        Op::Cmp {
            sreg: 16,
            op,
            data: data.into(),
        }
    }

    fn shape(ops: &[Op]) -> String {
        let steps = steps(ops);
        let letter = |step: &Step| match step {
            Step::Word(word) => format!("w{}-{}", word.load, word.compare),
            Step::Wide(wide) => format!("W{}-{}", wide.load, wide.compare),
            Step::One(at) => format!("{at}"),
        };
        steps.iter().map(letter).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_belongs_together_is_one_step() {
        let mask = |len: usize| Op::Mask {
            sreg: 16,
            dreg: 16,
            mask: vec![0xff; len].into(),
            xor: vec![0; len].into(),
        };
        let network = |len| payload(PayloadBase::Network, 12, len);
        let eq = |len: usize| cmp(CmpOp::Eq, &vec![1; len]);
        let rule = [
            Op::Meta {
                dreg: 16,
                key: load::key::L4PROTO,
            },
            eq(1),
            network(4),
            mask(4),
            eq(4),
            Op::Nothing,
            network(16),
            eq(16),
        ];
        assert_eq!(shape(&rule), "w0-1 w2-4 W6-7");
        // Ranges, masks of another length and values that reach into the next register stay as they are.
        assert_eq!(shape(&[network(2), cmp(CmpOp::Gte, &[1, 2])]), "0 1");
        assert_eq!(shape(&[network(4), mask(2), eq(2)]), "0 1 2");
        assert_eq!(shape(&[network(2), eq(8)]), "0 1");
        // Not aligned: the fragment offset counts.
        let odd = payload(PayloadBase::Transport, 1, 2);
        assert_eq!(shape(&[odd, eq(2)]), "0 1");
    }
}
