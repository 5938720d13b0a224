//! Any bytes as messages of nf_tables: decoded, made a ruleset, printed in every form, and encoded again.
#![no_main]

use hookscope::kernel::netlink::{AttrWriter, Messages};
use hookscope::kernel::nf_tables::{abi, decode, encode, events, expression};
use hookscope::lang::nft::{json, print};
use hookscope::model::{ElementList, Elements, Names, Ruleset, Table};
use libfuzzer_sys::fuzz_target;
use std::io::sink;
use std::sync::Arc;

fn add(tables: &mut Vec<Table>, kind: u16, payload: &[u8]) -> Option<()> {
    let (family, bytes) = decode::split(payload).ok()?;
    if kind == abi::NEWTABLE {
        tables.push(decode::table(family, bytes).ok()?);
        return None;
    }
    // Whatever the message says: in the last table, so that more of the rest is reached.
    let table = tables.last_mut()?;
    match kind {
        abi::NEWCHAIN => table.chains.push(Arc::new(decode::chain(bytes).ok()?.1)),
        abi::NEWSET => table.sets.push(Arc::new(decode::set(bytes).ok()?.1)),
        abi::NEWOBJ => table.objects.push(Arc::new(decode::object(bytes).ok()?.1)),
        abi::NEWFLOWTABLE => table.flowtables.push(Arc::new(decode::flowtable(bytes).ok()?.1)),
        abi::NEWRULE => {
            let place = decode::rule_place(bytes).ok()?;
            let rules = &mut Arc::make_mut(table.chains.last_mut()?).rules;
            rules.read = true;
            rules.push(place.handle, bytes);
        }
        abi::NEWSETELEM => {
            decode::set_elements_place(bytes).ok()?;
            let mut list = ElementList::default();
            for element in decode::set_elements(bytes).ok()? {
                list.push(element.ok()?);
            }
            Arc::make_mut(table.sets.last_mut()?).elements = Elements::Read(Arc::new(list));
        }
        _ => {
            let _ = decode::generation(bytes);
        }
    }
    Some(())
}

/// What was decoded without error means the same after it was encoded.
fn round(tables: &[Table]) {
    for chain in tables.iter().flat_map(|table| &table.chains) {
        for rule in chain.rules.iter() {
            let _ = decode::rule_counter(rule);
            if let Ok(body) = decode::rule(rule) {
                let mut out = AttrWriter::new();
                encode::list(&mut out, &body.expressions);
                let _ = expression::list(out.as_bytes());
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tables = Vec::new();
    for message in Messages::new(data).map_while(Result::ok) {
        let _ = events::decode(&message);
        let _ = add(&mut tables, message.kind & 0xff, message.payload);
    }
    round(&tables);
    let ruleset = Ruleset { generation: 1, tables: tables.into_iter().map(Arc::new).collect(), ..Ruleset::default() };
    let names = Names::default();
    for stateless in [false, true] {
        let options = print::Options { handles: true, stateless, terse: false };
        let _ = print::ruleset(&ruleset, &names, options, &mut sink());
        let _ = json::ruleset(&ruleset, &names, options, &mut sink());
    }
});
