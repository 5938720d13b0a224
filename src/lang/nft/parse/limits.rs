//! Numbers with units: times, amounts of data, rates.

use super::Parsed;
use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind;
use crate::lang::nft::syntax::{At, Span};
use crate::model::expression::{Counter, Limit, Quota, Synproxy};

/// `enum nft_limit_type`
const PACKETS: u32 = 0;
const BYTES: u32 = 1;
/// `NFT_LIMIT_F_INV`, `NFT_QUOTA_F_INV`
const OVER: u32 = 1;
/// Packets, where no burst is written.
const DEFAULT_BURST: u32 = 5;

/// `NF_SYNPROXY_OPT_*`
mod synproxy {
    pub const MSS: u32 = 1;
    pub const WSCALE: u32 = 2;
    pub const SACK_PERM: u32 = 4;
    pub const TIMESTAMP: u32 = 8;
}

/// Milliseconds of a time as `1d2h3m4s5ms`.
pub fn milliseconds(text: &str) -> Option<u64> {
    let mut sum = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        if number.is_empty() || number.len() > 8 {
            return None;
        }
        let (factor, length) = match unit.as_bytes() {
            [b'd', ..] => (86_400_000, 1),
            [b'h', ..] => (3_600_000, 1),
            [b'm', b's', ..] => (1, 2),
            [b'm', ..] => (60_000, 1),
            [b's', ..] => (1000, 1),
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = unit.get(length..)?;
    }
    (!text.is_empty()).then_some(sum)
}

fn seconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    })
}

/// Bytes of `bytes`, `kbytes`, `mbytes`; nft looks at the start of the word only.
fn data_unit(unit: &str) -> Option<u64> {
    [("bytes", 1), ("kbytes", 1024), ("mbytes", 1024 * 1024)]
        .into_iter()
        .find(|(name, _)| unit.starts_with(name))
        .map(|(_, factor)| factor)
}

impl Parser<'_> {
    /// `1h30m`, in milliseconds. A number without a unit is quoted or not at all nft's.
    pub(super) fn time(&mut self) -> Parsed<At<u64>> {
        let token = self.peek();
        if token.kind == Kind::Number {
            return self.unexpected(&["a time with a unit (`30s`, `1h30m`)"], &[]);
        }
        let word = self.name("a time")?;
        match milliseconds(&word.value) {
            Some(value) => Ok(At::new(value, word.span)),
            None => self.error(
                word.span,
                format!("`{}` is no time; `1d2h3m4s` is one", word.value),
            ),
        }
    }

    /// A number of bytes with its unit.
    fn data(&mut self, number: At<u64>) -> Parsed<u64> {
        let token = self.peek();
        let unit = data_unit(self.text(token.span));
        match unit {
            Some(unit) if token.kind == Kind::Word => {
                self.bump();
                match number.value.checked_mul(unit) {
                    Some(bytes) => Ok(bytes),
                    None => self.error(number.span, "the amount is too large"),
                }
            }
            _ => self.unexpected(&[], &["bytes", "kbytes", "mbytes"]),
        }
    }

    fn over(&mut self) -> u32 {
        self.offer(&["over", "until"]);
        if self.eat_kw(Kw::Over) {
            return OVER;
        }
        self.eat_kw(Kw::Until);
        0
    }

    fn time_unit(&mut self) -> Parsed<u64> {
        let units = [Kw::Second, Kw::Minute, Kw::Hour, Kw::Day, Kw::Week];
        let (kw, _) = self.expect_one(&units)?;
        Ok(seconds(kw.text()).unwrap_or(1))
    }

    /// What stands behind `limit rate`: `[over] N/second [burst N packets]`, `[over] N mbytes/second [burst N kbytes]`.
    pub(super) fn rate(&mut self) -> Parsed<Limit> {
        let flags = self.over();
        let number = self.number("a rate")?;
        if self.eat(Kind::Slash) {
            let unit = self.time_unit()?;
            let mut burst = DEFAULT_BURST;
            self.offer(&["burst"]);
            if self.eat_kw(Kw::Burst) {
                let written = self.number_as::<u32>("a number of packets")?;
                self.expect_kw(Kw::Packets)?;
                if written.value == 0 {
                    return self.error(written.span, "a burst of 0 packets lets nothing through");
                }
                burst = written.value;
            }
            return Ok(Limit {
                rate: number.value,
                unit,
                burst,
                kind: PACKETS,
                flags,
            });
        }
        let token = self.peek();
        let word = self.text(token.span).to_owned();
        // `mbytes/second` is one word; `mbytes / second` are three tokens.
        let (rate, unit) = match word.split_once('/').filter(|_| token.kind == Kind::Word) {
            Some((data, time)) => match (data_unit(data), seconds(time)) {
                (Some(factor), Some(seconds)) => {
                    self.bump();
                    (number.value.checked_mul(factor), seconds)
                }
                _ => {
                    return self.error(
                        token.span,
                        format!("`{word}` is no rate; `kbytes/second` is one"),
                    );
                }
            },
            None => {
                let bytes = self.data(number.clone())?;
                self.expect(Kind::Slash)?;
                (Some(bytes), self.time_unit()?)
            }
        };
        let Some(rate) = rate else {
            return self.error(number.span, "the rate is too large");
        };
        let mut burst = 0;
        if self.eat_kw(Kw::Burst) {
            let number = self.number("an amount of data")?;
            let span = number.span;
            let bytes = self.data(number)?;
            let Ok(bytes) = u32::try_from(bytes) else {
                return self.error(span, "the burst is too large");
            };
            burst = bytes;
        }
        Ok(Limit {
            rate,
            unit,
            burst,
            kind: BYTES,
            flags,
        })
    }

    /// What stands behind `quota`: `[over|until] N mbytes [used N bytes]`.
    pub(super) fn quota(&mut self) -> Parsed<Quota> {
        let flags = self.over();
        let number = self.number("an amount of data")?;
        let bytes = self.data(number)?;
        let mut consumed = 0;
        if self.eat_kw(Kw::Used) {
            let number = self.number("an amount of data")?;
            consumed = self.data(number)?;
        }
        Ok(Quota {
            bytes,
            flags,
            consumed,
        })
    }

    /// `packets N bytes N`
    pub(super) fn counter_values(&mut self) -> Parsed<Counter> {
        self.expect_kw(Kw::Packets)?;
        let packets = self.number("a number of packets")?.value;
        self.expect_kw(Kw::Bytes)?;
        let bytes = self.number("a number of bytes")?.value;
        Ok(Counter { packets, bytes })
    }

    /// The words of a `synproxy` statement, in any order; nothing where there is none.
    pub(super) fn synproxy(&mut self) -> Parsed<Synproxy> {
        let mut read = Synproxy {
            mss: 0,
            wscale: 0,
            flags: 0,
        };
        loop {
            match self.kw() {
                Kw::Mss | Kw::Maxseg => {
                    self.bump();
                    read.mss = self.number_as("a segment size")?.value;
                    read.flags |= synproxy::MSS;
                }
                Kw::Wscale => {
                    self.bump();
                    read.wscale = self.number_as("a window scale")?.value;
                    read.flags |= synproxy::WSCALE;
                }
                Kw::Timestamp => {
                    self.bump();
                    read.flags |= synproxy::TIMESTAMP;
                }
                Kw::SackPermitted | Kw::SackPerm => {
                    self.bump();
                    read.flags |= synproxy::SACK_PERM;
                }
                _ => return Ok(read),
            }
        }
    }

    /// The words of a synproxy object: `mss N wscale N [timestamp] [sack-perm]`; in a block each on a line of its own.
    pub(super) fn synproxy_object(&mut self) -> Parsed<Synproxy> {
        self.expect_one(&[Kw::Mss, Kw::Maxseg])?;
        let mss = self.number_as("a segment size")?.value;
        let lines = self.eat_separator();
        self.expect_kw(Kw::Wscale)?;
        let wscale = self.number_as("a window scale")?.value;
        if lines {
            self.separator()?;
        }
        let mut flags = synproxy::MSS | synproxy::WSCALE;
        if self.eat_kw(Kw::Timestamp) {
            flags |= synproxy::TIMESTAMP;
        }
        if self.eat_kw(Kw::SackPerm) || self.eat_kw(Kw::SackPermitted) {
            flags |= synproxy::SACK_PERM;
        }
        Ok(Synproxy { mss, wscale, flags })
    }

    /// `comment "..."`; the word has been seen.
    pub(super) fn comment(&mut self, seen: &Option<At<String>>) -> Parsed<At<String>> {
        /// `NFTNL_UDATA_COMMENT_MAXLEN`, bytes
        const LONGEST: usize = 128;
        let start = self.expect_kw(Kw::Comment)?.span;
        let comment = self.string("a comment in quotes")?;
        if crate::model::text::to_bytes(&comment.value).len() > LONGEST {
            return self.error(
                comment.span,
                format!("a comment has at most {LONGEST} bytes"),
            );
        }
        if seen.is_some() {
            return self.error(self.since(start), "there is a comment already");
        }
        Ok(comment)
    }

    /// Operators make an expression deep: only so many of them, as deep expressions are expensive everywhere.
    pub(super) fn count_operations(&mut self, count: u32, span: Span) -> Parsed<()> {
        const MOST: u32 = 1000;
        self.operations = self.operations.saturating_add(count);
        if self.operations > MOST {
            return self.error(span, "too many operations in one statement");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(milliseconds("30s"), Some(30_000));
        assert_eq!(milliseconds("1d2h3m4s5ms"), Some(93_784_005));
        assert_eq!(milliseconds("10"), None);
        assert_eq!(milliseconds("abc"), None);
        assert_eq!(milliseconds(""), None);
        assert_eq!(milliseconds("999999999s"), None);
    }

    #[test]
    fn units() {
        assert_eq!(data_unit("kbytes"), Some(1024));
        assert_eq!(data_unit("gbytes"), None);
        assert_eq!(seconds("week"), Some(604_800));
    }
}
