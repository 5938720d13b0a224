//! Any bytes as a text of iptables-restore, of `ip -batch` or of conntrack tools: no panic; what was read is written,
//! and the writing is read as the same.

#![no_main]

use hookscope::kernel::legacy::blob;
use hookscope::model::Names;
use hookscope::lang::iptables::parse::{self, Machine, Reading};
use hookscope::lang::iptables::print::{self, Options};
use hookscope::lang::iptables::save::Context;
use hookscope::lang::iptables::to_legacy;
use hookscope::lang::route::{self, ParseContext};
use hookscope::model::{Family, text};
use hookscope::session::iptables::empty;
use libfuzzer_sys::fuzz_target;

const FAMILIES: [Family; 4] = [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge];

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let text = text::from_bytes(rest);
    let names = Names::default();
    if kind % 8 == 7 {
        let _ = route::parse_batch(
            &text,
            &ParseContext {
                names: &names.routing,
                links: &[],
                family: None,
            },
        );
        return;
    }
    let family = FAMILIES[usize::from(kind) % FAMILIES.len()];
    let machine = Machine::default();
    let reading = Reading {
        counters: kind & 16 != 0,
        ..Reading::default()
    };
    let Ok(texts) = parse::text(&text, family, &machine, reading) else {
        return;
    };
    let cx = Context {
        family,
        names: &names,
    };
    for one in &texts {
        let Ok(table) = parse::apply(one, empty(family, &one.name)) else {
            continue;
        };
        if let Ok(legacy) = to_legacy::table(&table)
            && let Ok(encoded) = blob::encode(&legacy)
        {
            blob::decode(family, &one.name, &encoded.info, &encoded.blob).expect("written by us");
        }
        let mut written = Vec::new();
        let options = Options { counters: true };
        if print::table(&table, &cx, options, &mut written).is_ok() {
            let again = text::from_bytes(&written);
            let reading = Reading {
                counters: true,
                ..Reading::default()
            };
            let again = parse::text(&again, family, &machine, reading);
            assert!(again.is_ok(), "{again:?}\n{}", text::from_bytes(&written));
        }
    }
});
