//! Metrics of a route: `mtu [lock] 1400` and the like.

use super::value::{self, Result};
use super::words::Words;
use crate::lang::route::number;
use crate::model::network::{RouteMetric, metric};

/// Metrics in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    list: Vec<RouteMetric>,
    /// One bit for each metric that may not be changed by what is learned from packets.
    locks: u32,
}

impl Metrics {
    fn push(&mut self, kind: u16, value: u32) {
        let value = value.to_ne_bytes().to_vec();
        self.list.push(RouteMetric { kind, value });
    }

    pub(super) fn finish(mut self) -> Vec<RouteMetric> {
        if self.locks != 0 && !self.list.is_empty() {
            self.push(metric::LOCK, self.locks);
        }
        self.list
    }
}

/// Read what follows the name of a metric.
pub(super) fn read(
    words: &mut Words<'_>,
    word: &str,
    kind: u16,
    metrics: &mut Metrics,
) -> Result<()> {
    let lockable = !matches!(
        kind,
        metric::RTO_MIN | metric::FEATURES | metric::QUICKACK | metric::FASTOPEN_NO_COOKIE
    );
    // A smaller timeout than this must never be learned: iproute2 locks it always.
    if (lockable && words.take("lock")) || kind == metric::RTO_MIN {
        metrics.locks |= 1 << kind;
    }
    let number = match kind {
        metric::RTT => in_parts(words, word, 8)?,
        metric::RTTVAR => in_parts(words, word, 4)?,
        metric::RTO_MIN => value::round_trip(words, word)?.0,
        metric::HOPLIMIT => u32::from(value::number8(words, word)?),
        metric::QUICKACK | metric::FASTOPEN_NO_COOKIE => {
            let read = |text: &str| number(text).filter(|&value| value <= 1);
            value::value(words, word, "0 or 1", read)?
        }
        metric::FEATURES => {
            let read = |text: &str| (text == "ecn").then_some(1);
            value::value(words, word, "'ecn'", read)?
        }
        metric::CC_ALGO => {
            let name = words.value(word, "the name of a congestion control algorithm")?;
            let value = crate::model::text::to_bytes(&name.text);
            metrics.list.push(RouteMetric { kind, value });
            return Ok(());
        }
        _ => value::number32(words, word)?,
    };
    metrics.push(kind, number);
    Ok(())
}

/// A time that the kernel keeps in parts of a millisecond; a bare number is such parts already.
fn in_parts(words: &mut Words<'_>, word: &str, parts: u32) -> Result<u32> {
    let (value, bare) = value::round_trip(words, word)?;
    Ok(if bare {
        value
    } else {
        value.wrapping_mul(parts)
    })
}
