//! A path in words, as values: rows, what each says, and which stations it passes.

use super::Station;
use crate::flow::report::Fate;
use crate::model::Family;
use crate::session::ChainKey;

/// The sign in front of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The packet as it begins.
    Packet,
    Chain,
    Match,
    Miss,
    /// Conntrack, NAT, routing.
    Kernel,
    CheckPassed,
    CheckFailed,
    End(Fate),
    Unsure,
    Basis,
}

/// What a line of the explanation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Plain,
    /// nft syntax
    Rule,
    Heading,
    Good,
    Bad,
    Dim,
}

/// One paragraph of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub sort: Sort,
    pub text: String,
}

pub(super) fn line(sort: Sort, text: impl Into<String>) -> Line {
    Line {
        sort,
        text: text.into(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub family: Family,
    pub station: Station,
    pub mark: Mark,
    /// How deep in jumps.
    pub depth: usize,
    pub text: String,
    /// At the end of the line: a verdict.
    pub verdict: String,
    /// True where the verdict ends the packet.
    pub fatal: bool,
    /// The base chain that the packet is in: as the diagram names it.
    pub chain: Option<String>,
    /// The rule of nf_tables that it is about.
    pub rule: Option<(ChainKey, u64)>,
    pub about: Vec<Line>,
    /// The row begins a step.
    pub head: bool,
}

/// A path in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `tcp 10.0.0.5:40000 → 192.0.2.1:80`
    pub packet: String,
    pub rows: Vec<Row>,
    pub fate: Fate,
    /// In one line what becomes of it, and by what.
    pub end: String,
    /// The row of the end.
    pub ends_at: usize,
}

impl Told {
    /// The stations of a family's diagram that the packet passes until the row `at`, in order.
    pub fn trail(&self, family: Family, at: usize) -> Vec<Station> {
        let mut trail: Vec<Station> = Vec::new();
        for row in self.rows.iter().take(at.min(self.ends_at) + 1) {
            let here = row.family == family
                || (family == Family::Netdev
                    && matches!(row.station, Station::Ingress | Station::Egress));
            if !here {
                continue;
            }
            match trail.last() {
                None => trail.push(row.station),
                Some(last) if *last == row.station => {}
                Some(last) => {
                    let between = way(*last, row.station);
                    trail.extend(between);
                }
            }
        }
        trail
    }
}

/// The shortest way from one station to another, without the first and with the last.
fn way(from: Station, to: Station) -> Vec<Station> {
    let mut ways: Vec<Vec<Station>> = vec![vec![from]];
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(path) = ways.get(at).cloned() {
        at += 1;
        let Some(last) = path.last() else { continue };
        if *last == to {
            return path.into_iter().skip(1).collect();
        }
        for next in last.next() {
            if !seen.contains(next) {
                seen.push(*next);
                let mut longer = path.clone();
                longer.push(*next);
                ways.push(longer);
            }
        }
    }
    vec![to]
}
