//! Rates per second from readings of counters. Pure.

use super::picture::{ChainKey, Rate, RateHistory, Rates, RuleKey};
use crate::kernel::nf_tables::decode::rule_counter;
use crate::model::RuleList;
use crate::model::expression::Counter;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Readings kept for a sparkline.
const HISTORY: usize = 60;

/// What was read last, and when.
#[derive(Debug, Default)]
pub struct Readings {
    chains: HashMap<ChainKey, Instant>,
}

/// Packets and bytes per second between two readings; none when the counter went back (it was reset).
fn rate(old: Counter, new: Counter, elapsed: Duration) -> Option<Rate> {
    let seconds = elapsed.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    Some(Rate {
        packets: new.packets.checked_sub(old.packets)? as f64 / seconds,
        bytes: new.bytes.checked_sub(old.bytes)? as f64 / seconds,
    })
}

fn push(history: &mut RateHistory, rate: Rate) {
    history.now = rate;
    if history.packets.len() >= HISTORY {
        history.packets.remove(0);
    }
    history.packets.push(rate.packets as f32);
}

impl Readings {
    /// The chain was read anew: derive the rates of its rules. Rules without traffic take no room.
    pub fn chain(
        &mut self,
        rates: &mut Rates,
        key: &ChainKey,
        old: &RuleList,
        new: &RuleList,
        now: Instant,
    ) {
        let Some(before) = self.chains.insert(key.clone(), now) else {
            return;
        };
        let elapsed = now.saturating_duration_since(before);
        let mut counters: HashMap<u64, Counter> = HashMap::new();
        // In order the two lists agree almost always; the map is for when they do not.
        let in_step = old.len() == new.len();
        if !in_step {
            counters.extend(
                old.iter()
                    .filter_map(|rule| Some((rule.handle, rule_counter(rule)?))),
            );
        }
        for (index, rule) in new.iter().enumerate() {
            let Some(counter) = rule_counter(rule) else {
                continue;
            };
            let old = match old
                .get(index)
                .filter(|old| in_step && old.handle == rule.handle)
            {
                Some(old) => rule_counter(old),
                None => counters.get(&rule.handle).copied(),
            };
            let Some(rate) = old.and_then(|old| rate(old, counter, elapsed)) else {
                continue;
            };
            let key = RuleKey {
                chain: key.clone(),
                handle: rule.handle,
            };
            if rate.packets > 0.0 {
                push(rates.rules.entry(key).or_default(), rate);
            } else if let Some(history) = rates.rules.get_mut(&key) {
                push(history, rate);
                if history.packets.iter().all(|packets| *packets == 0.0) {
                    rates.rules.remove(&key);
                }
            }
        }
    }

    /// So lately that the next rate would be made of a packet or two.
    pub fn just_read(&self, key: &ChainKey, now: Instant) -> bool {
        const SHORT: Duration = Duration::from_millis(200);
        let last = self.chains.get(key);
        last.is_some_and(|last| now.saturating_duration_since(*last) < SHORT)
    }

    /// The chain holds other rules than when it was read last: what they count begins now.
    pub fn anew(&mut self, rates: &mut Rates, key: &ChainKey, now: Instant) {
        if self.chains.insert(key.clone(), now).is_some() {
            rates.rules.retain(|rule, _| rule.chain != *key);
        }
    }

    /// A base chain's policy counter was read anew.
    pub fn policy(
        &self,
        rates: &mut Rates,
        key: &ChainKey,
        old: Counter,
        new: Counter,
        elapsed: Duration,
    ) {
        if let Some(rate) = rate(old, new, elapsed)
            && (rate.packets > 0.0 || rates.chains.contains_key(key))
        {
            push(rates.chains.entry(key.clone()).or_default(), rate);
        }
    }

    /// Forget chains that are not there any more.
    pub fn retain(&mut self, rates: &mut Rates, exists: impl Fn(&ChainKey) -> bool) {
        self.chains.retain(|key, _| exists(key));
        rates.rules.retain(|key, _| exists(&key.chain));
        rates.chains.retain(|key, _| exists(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_need_two_readings_that_grow() {
        let counter = |packets, bytes| Counter { packets, bytes };
        let second = Duration::from_secs(2);
        assert_eq!(
            rate(counter(10, 100), counter(30, 500), second),
            Some(Rate {
                packets: 10.0,
                bytes: 200.0
            })
        );
        assert_eq!(rate(counter(10, 0), counter(3, 0), second), None);
        assert_eq!(rate(counter(1, 0), counter(3, 0), Duration::ZERO), None);
    }
}
