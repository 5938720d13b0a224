//! Any bytes as a legacy table, as an extension, and as a text of the iptables language.
#![no_main]

use hookscope::kernel::legacy::blob::{self, Info};
use hookscope::kernel::xtables;
use hookscope::lang::Names;
use hookscope::lang::iptables::parse::{self, Machine, Reading};
use hookscope::lang::iptables::save::{self, Context};
use hookscope::lang::iptables::{from_legacy, print, xlate};
use hookscope::model::Family;
use hookscope::model::xtables::REGISTRY;
use libfuzzer_sys::fuzz_target;

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
    match kind % 3 {
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
            let info = Info {
                valid_hooks: u32::from(place),
                num_entries: u32::from(which),
                size: rest.len() as u32,
                ..Info::default()
            };
            if let Ok(table) = blob::decode(family, "filter", &info, rest) {
                let table = from_legacy::table(&table);
                let options = print::Options { counters: true };
                let _ = print::table(&table, &cx, options, &mut Vec::new());
            }
        }
        _ => {
            let text = String::from_utf8_lossy(rest);
            let machine = Machine::default();
            let _ = parse::text(&text, family, &machine, Reading::default());
        }
    }
});
