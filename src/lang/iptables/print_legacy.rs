//! Legacy tables as `iptables-legacy-save` prints them, straight from their bytes: rule by rule, so that a table of a
//! cluster takes no more memory than its bytes and its text, and by as many threads as there are processors.

use super::print::{self, Options};
use super::save::Context;
use super::{from_legacy, rule};
use crate::kernel::legacy::blob::{self, Blob, BlobError};
use crate::kernel::legacy::splice::{Index, Place};
use crate::model::text::to_bytes;
use crate::model::{Family, Name};
use std::io::{self, Write};
use std::thread;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum PrintError {
    #[error("table '{table}': {error}")]
    Table { table: Name, error: BlobError },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Smaller tables are not worth a thread. bytes
const SHARE: usize = 256 << 10;
const MOST_THREADS: usize = 8;

/// One table.
pub fn table<W: Write>(
    name: &Name,
    table: &Blob,
    cx: &Context<'_>,
    options: Options,
    out: &mut W,
) -> Result<(), PrintError> {
    let wrong = |error| PrintError::Table {
        table: name.clone(),
        error,
    };
    let Ok(index) = Index::of(cx.family, table) else {
        let whole = whole(cx.family, name, table).map_err(wrong)?;
        return Ok(print::table(&whole, cx, options, out)?);
    };
    let chains = index.chains(table);
    let policies: Result<Vec<_>, _> = chains
        .iter()
        .map(|(_, place)| index.policy(table, *place))
        .collect();
    let policies = policies.map_err(wrong)?;
    let declared = chains.iter().zip(&policies).map(|((name, _), policy)| {
        let policy = policy.as_ref();
        (name, policy.map(|policy| (policy.verdict, policy.counters)))
    });
    print::head(name, declared, cx, out)?;
    let read = |chains: &[(Name, Place)]| rules(&index, table, chains, cx, options);
    let shares = shares(&chains);
    let texts: Result<Vec<_>, _> = thread::scope(|scope| {
        let begun: Vec<_> = shares
            .iter()
            .skip(1)
            .map(|share| thread::Builder::new().spawn_scoped(scope, || read(share)))
            .collect();
        // This thread has a share, too, and that of every thread that did not come to an end.
        let own = shares.first().map(|share| read(share));
        let others = shares.iter().skip(1).zip(begun).map(|(share, begun)| {
            let ended = begun.ok().and_then(|thread| thread.join().ok());
            ended.unwrap_or_else(|| read(share))
        });
        own.into_iter().chain(others).collect()
    });
    for text in texts.map_err(wrong)? {
        out.write_all(&text)?;
    }
    Ok(print::tail(cx, out)?)
}

fn whole(family: Family, name: &str, table: &Blob) -> Result<rule::Table, BlobError> {
    let read = blob::decode(family, name, &table.info, &table.bytes)?;
    Ok(from_legacy::table(&read))
}

/// The chains, in their order, for each thread about as much.
fn shares(chains: &[(Name, Place)]) -> Vec<&[(Name, Place)]> {
    let size = |chains: &[(Name, Place)]| -> usize {
        chains
            .iter()
            .map(|(_, place)| place.last - place.first)
            .sum()
    };
    let all = size(chains);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(MOST_THREADS).min(all / SHARE).max(1);
    let mut shares = Vec::new();
    let (mut from, mut sum) = (0, 0);
    for at in 0..chains.len() {
        sum += chains.get(at..=at).map_or(0, size);
        if sum >= all.div_ceil(threads) || at + 1 == chains.len() {
            shares.extend(chains.get(from..=at));
            (from, sum) = (at + 1, 0);
        }
    }
    shares
}

/// The lines of the rules of chains.
fn rules(
    index: &Index,
    table: &Blob,
    chains: &[(Name, Place)],
    cx: &Context<'_>,
    options: Options,
) -> Result<Vec<u8>, BlobError> {
    let mut out = Vec::new();
    let mut line = String::new();
    for (name, place) in chains {
        for at in index.rules(table, *place)? {
            let rule = from_legacy::rule(cx.family, &index.rule(table, at)?);
            line.clear();
            print::appended(name, &rule, cx, options, &mut line);
            out.extend_from_slice(&to_bytes(&line));
        }
    }
    Ok(out)
}
