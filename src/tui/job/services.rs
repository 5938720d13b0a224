//! The table of services as it is shown: which of them, in which order, and what their rules count now.

use super::{STRIDE, holds};
use crate::insight::services::{Found, RuleAt, Service, Traffic};
use crate::kernel::nf_tables::decode::rule_counter;
use crate::model::expression::Counter;
use crate::model::{Chain, Family, Name};
use crate::session::{ChainKey, Picture, RuleKey};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// How services are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Name,
    Rate,
    Packets,
    Endpoints,
}

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Ask {
    pub found: Arc<Found>,
    pub picture: Arc<Picture>,
    pub order: Order,
    /// Only services that have this in their name or one of their addresses.
    pub query: String,
}

/// What rules count: nothing where nobody counts, or where it was not read twice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    pub traffic: Option<Traffic>,
    /// Packets per second.
    pub rate: Option<f64>,
}

#[derive(Clone, Debug)]
pub struct View {
    pub found: Arc<Found>,
    pub order: Order,
    pub query: String,
    /// Services by their place among those found, in the order they are shown.
    pub lines: Vec<u32>,
    /// Of each service that was found.
    pub counted: Vec<Numbers>,
}

/// What is counted of one service, in the order of its ways and of its endpoints.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    pub all: Counted,
    pub ways: Vec<Counted>,
    pub endpoints: Vec<Counted>,
}

impl View {
    pub fn service(&self, line: usize) -> Option<(&Service, &Numbers)> {
        let place = *self.lines.get(line)? as usize;
        Some((self.found.services.get(place)?, self.counted.get(place)?))
    }
}

/// Do it, as long as it is wanted.
pub fn view(ask: &Ask, wanted: &dyn Fn() -> bool) -> Option<View> {
    let mut reader = Reader::new(&ask.picture);
    let mut counted = Vec::with_capacity(ask.found.services.len());
    let mut lines = Vec::new();
    for (place, service) in (0u32..).zip(&ask.found.services) {
        if (place as usize).is_multiple_of(STRIDE) && !wanted() {
            return None;
        }
        counted.push(reader.numbers(service));
        if fits(service, &ask.query) {
            lines.push(place);
        }
    }
    let of = |place: &u32| counted.get(*place as usize);
    match ask.order {
        Order::Name => {}
        Order::Rate => {
            let rate = |place: &u32| of(place).and_then(|one| one.all.rate).unwrap_or(-1.0);
            lines.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        }
        Order::Packets => lines.sort_by_key(|place| {
            let traffic = of(place).and_then(|one| one.all.traffic);
            Reverse(traffic.map(|traffic| traffic.packets))
        }),
        Order::Endpoints => lines.sort_by_key(|place| {
            let service = ask.found.services.get(*place as usize);
            Reverse(service.map(|service| service.endpoints.len()))
        }),
    }
    Some(View {
        found: ask.found.clone(),
        order: ask.order,
        query: ask.query.clone(),
        lines,
        counted,
    })
}

/// Whether a service has the text anywhere that a person would look for it.
fn fits(service: &Service, query: &str) -> bool {
    let has = |text: &str| holds(text, query);
    query.is_empty()
        || has(&service.name)
        || has(&service.protocol)
        || has(service.balance.word())
        || service.ways.iter().any(|way| has(&way.to_string()))
        || service.endpoints.iter().any(|one| {
            let address = one.address.map(|address| address.to_string());
            has(&one.chain) || address.is_some_and(|address| has(&address))
        })
        || has(&service.chain)
}

type OfTable<'p> = HashMap<&'p str, &'p Chain>;

/// Finds what rules count. Each table and each chain is gone through once.
struct Reader<'p> {
    picture: &'p Picture,
    tables: HashMap<(Family, Name), OfTable<'p>>,
    chains: HashMap<ChainKey, HashMap<u64, Counter>>,
}

impl<'p> Reader<'p> {
    fn new(picture: &'p Picture) -> Reader<'p> {
        Reader {
            picture,
            tables: HashMap::new(),
            chains: HashMap::new(),
        }
    }

    fn numbers(&mut self, service: &Service) -> Numbers {
        let table = (service.family, &service.table);
        let ways = service.ways.iter();
        let ends = service.endpoints.iter();
        Numbers {
            all: self.counted(table, service.counted.iter()),
            ways: ways
                .map(|way| self.counted(table, way.rule.iter()))
                .collect(),
            endpoints: ends
                .map(|one| self.counted(table, one.counted.iter()))
                .collect(),
        }
    }

    fn counted<'r>(
        &mut self,
        table: (Family, &Name),
        rules: impl Iterator<Item = &'r RuleAt>,
    ) -> Counted {
        let mut sum = Counted::default();
        for rule in rules {
            let chain = ChainKey {
                family: table.0,
                table: table.1.clone(),
                chain: rule.chain.clone(),
            };
            let Some(counter) = self.counter(&chain, rule.handle) else {
                continue;
            };
            *sum.traffic.get_or_insert_default() += counter;
            let key = RuleKey {
                chain,
                handle: rule.handle,
            };
            if let Some(history) = self.picture.rates.rules.get(&key) {
                *sum.rate.get_or_insert_default() += history.now.packets;
            }
        }
        sum
    }

    fn counter(&mut self, key: &ChainKey, handle: u64) -> Option<Counter> {
        if let Some(known) = self.chains.get(key) {
            return known.get(&handle).copied();
        }
        let picture = self.picture;
        let table = (key.family, key.table.clone());
        let chains = self.tables.entry(table).or_insert_with(|| {
            let table = picture.ruleset.find(key.family, &key.table);
            let chains = table.into_iter().flat_map(|table| &table.chains);
            chains.map(|chain| (&*chain.name, &**chain)).collect()
        });
        let rules = chains.get(&*key.chain).map(|chain| &chain.rules);
        let counters = rules.into_iter().flat_map(|rules| rules.iter());
        let counters: HashMap<u64, Counter> = counters
            .filter_map(|rule| Some((rule.handle, rule_counter(rule)?)))
            .collect();
        let counter = counters.get(&handle).copied();
        self.chains.insert(key.clone(), counters);
        counter
    }
}
