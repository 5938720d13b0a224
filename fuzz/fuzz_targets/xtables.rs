//! Any bytes as a legacy table, as an extension, as a message of ipset, and as texts of both languages.
#![no_main]

use hookscope::kernel::legacy::blob::{self, Blob, Info};
use hookscope::kernel::legacy::splice::Index;
use hookscope::kernel::ipset;
use hookscope::kernel::xtables;
use hookscope::lang::Names;
use hookscope::lang::ipset as ipset_language;
use hookscope::lang::iptables::parse::{self, Machine, Reading};
use hookscope::lang::iptables::save::{self, Context};
use hookscope::lang::iptables::{from_legacy, print, xlate};
use hookscope::model::Family;
use hookscope::model::xtables::REGISTRY;
use hookscope::model::xtables::rule::{LegacyRule, LegacyTable};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const FAMILIES: [Family; 4] = [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge];

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, which, place], rest)) = data.split_first_chunk::<3>() else {
        return;
    };
    let family = FAMILIES[usize::from(which) % FAMILIES.len()];
    let names = Names::default();
    let cx = Context {
        family,
        names: &names,
    };
    match kind % 5 {
        0 => {
            let row = &REGISTRY[usize::from(place) % REGISTRY.len()];
            if let Ok(one) = xtables::decode(row.kind, family, row.name, row.revision, rest) {
                save::save(&one, &cx, &mut String::new());
                let cx = xlate::Context {
                    family,
                    proto: which,
                    names: &names,
                };
                xlate::xlate(&one, &cx);
                let again = xtables::encode(&one);
                assert_eq!(xtables::decode(row.kind, family, row.name, row.revision, &again), Ok(one));
            }
        }
        1 => {
            // Where chains begin and end comes from the kernel, too.
            let Some((places, rest)) = rest.split_first_chunk::<20>() else {
                return;
            };
            let mut info = Info {
                valid_hooks: u32::from(place),
                num_entries: u32::from(which),
                size: rest.len() as u32,
                ..Info::default()
            };
            let (firsts, lasts) = places.split_at(10);
            for (slots, bytes) in [(&mut info.hook_entry, firsts), (&mut info.underflow, lasts)] {
                for (slot, pair) in slots.iter_mut().zip(bytes.chunks_exact(2)) {
                    *slot = u32::from(u16::from_ne_bytes([pair[0], pair[1]]));
                }
            }
            if let Ok(legacy) = blob::decode(family, "filter", &info, rest) {
                splice(&legacy, &info, rest, usize::from(kind / 5));
                let table = from_legacy::table(&legacy);
                let options = print::Options { counters: true };
                let _ = print::table(&table, &cx, options, &mut Vec::new());
                // What can be written is read as what was written.
                if let Ok(encoded) = blob::encode(&legacy) {
                    let again = blob::decode(family, "filter", &encoded.info, &encoded.blob);
                    if let Ok(again) = again {
                        let twice = blob::encode(&again).expect("written once");
                        assert_eq!(twice.blob, encoded.blob);
                    }
                }
            }
        }
        2 => {
            let mut sets = Vec::new();
            let _ = ipset::add_message(&mut sets, rest);
            let _ = ipset_language::print::sets(&sets, &names, &mut Vec::new());
        }
        3 => {
            let text = String::from_utf8_lossy(rest);
            let machine = ipset_language::parse::Machine::default();
            let _ = ipset_language::parse::text(&text, machine, false);
        }
        _ => {
            let text = String::from_utf8_lossy(rest);
            let machine = Machine::default();
            let _ = parse::text(&text, family, &machine, Reading::default());
        }
    }
});

/// A rule taken out of the bytes, and put in again: the same as where it is done to the rules.
fn splice(legacy: &LegacyTable, info: &Info, bytes: &[u8], which: usize) {
    let mut table = Blob {
        info: info.clone(),
        bytes: Arc::new(bytes.to_vec().into()),
    };
    let Some(chain) = legacy.chains.get(which % legacy.chains.len().max(1)) else {
        return;
    };
    // Of chains of the same name nobody can say which is meant.
    let alike = legacy.chains.iter().filter(|one| one.name == chain.name);
    let number = which % chain.rules.len().max(1);
    let (1, Some(rule)) = (alike.count(), chain.rules.get(number)) else {
        return;
    };
    let find = |table: &Blob| {
        let index = Index::of(legacy.family, table).ok()?;
        let place = index.chain(table, &chain.name)?;
        Some((index, place))
    };
    let Some((index, place)) = find(&table) else {
        return;
    };
    let at = index.rules(&table, place).expect("it was decoded")[number];
    index.splice(&mut table, at, true, None).expect("it is there");
    let mut without = legacy.clone();
    for one in without.chains.iter_mut().filter(|one| one.name == chain.name) {
        one.rules.remove(number);
    }
    let read = blob::decode(legacy.family, "filter", &table.info, &table.bytes);
    assert_eq!(read.as_ref(), Ok(&without));
    let (index, _) = find(&table).expect("it still is a table");
    // What encoding refuses cannot be put in; counters are not part of it.
    if index.splice(&mut table, at, false, Some(rule)).is_ok() {
        let read = blob::decode(legacy.family, "filter", &table.info, &table.bytes);
        let read = read.expect("it still is a table");
        let again = read.chain(&chain.name).and_then(|one| one.rules.get(number));
        let again = again.map(|one| LegacyRule {
            counters: rule.counters,
            ..one.clone()
        });
        assert_eq!(again, Some(blob::as_told(rule)));
    }
}
