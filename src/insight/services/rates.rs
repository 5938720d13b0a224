//! How fast services count, from two readings of the same rules.

use super::{Service, Traffic};
use serde::Serialize;
use std::collections::HashMap;

/// Each second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    pub packets: f64,
    pub bytes: f64,
}

impl Rate {
    /// From one reading to the next. A counter that went back was set to zero in between: what it says is new.
    fn between(before: Option<Traffic>, after: Option<Traffic>, seconds: f64) -> Option<Rate> {
        let (before, after) = (before?, after?);
        let new = |before: u64, after: u64| after.checked_sub(before).unwrap_or(after) as f64;
        (seconds > 0.0).then(|| Rate {
            packets: new(before.packets, after.packets) / seconds,
            bytes: new(before.bytes, after.bytes) / seconds,
        })
    }
}

/// Say of services and their endpoints how fast they count, by what they had counted `seconds` before; the fastest
/// come first. What was not there before has no rate.
pub fn measure(before: &[Service], after: &mut [Service], seconds: f64) {
    // One published port can be there twice, for two addresses: then its rule tells which it is.
    let key = |service: &Service| {
        let place = (service.family, service.table.clone(), service.chain.clone());
        (place, service.rule, service.name.clone())
    };
    let known: HashMap<_, &Service> = before.iter().map(|one| (key(one), one)).collect();
    for service in after.iter_mut() {
        let Some(was) = known.get(&key(service)) else {
            continue;
        };
        service.rate = Rate::between(was.counters, service.counters, seconds);
        for endpoint in &mut service.endpoints {
            let mut there = was.endpoints.iter();
            let own =
                there.find(|one| one.chain == endpoint.chain && one.address == endpoint.address);
            endpoint.rate =
                own.and_then(|own| Rate::between(own.counters, endpoint.counters, seconds));
        }
    }
    let packets = |service: &Service| service.rate.map_or(-1.0, |rate| rate.packets);
    after.sort_by(|a, b| packets(b).total_cmp(&packets(a)));
}
