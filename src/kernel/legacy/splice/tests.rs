//! A change in the bytes comes to the same as one of the rules that are encoded again.

use super::*;
use crate::kernel::legacy::blob::tests::table;
use crate::kernel::legacy::blob::{HOOKS, Info, decode, encode};
use crate::model::expression::{Counter, Xtables};
use crate::model::xtables::rule::LegacyTable;

const ZERO: Counter = Counter {
    packets: 0,
    bytes: 0,
};

/// Rules of several sizes, to chains before and behind the place that they are put at.
fn new_rules(table: &LegacyTable) -> Vec<LegacyRule> {
    let header = table.chains[0].rules[0].header.clone();
    let log = Xtables {
        name: "LOG".into(),
        revision: 0,
        info: vec![1; 40],
    };
    [
        LegacyTarget::Nothing,
        LegacyTarget::Verdict(LegacyVerdict::Drop),
        LegacyTarget::Jump("a".into()),
        LegacyTarget::Jump("b".into()),
        LegacyTarget::Extension(log),
    ]
    .into_iter()
    .map(|target| LegacyRule {
        header: header.clone(),
        matches: Vec::new(),
        watchers: Vec::new(),
        target,
        counters: ZERO,
    })
    .collect()
}

fn edited(
    table: &LegacyTable,
    chain: &str,
    number: usize,
    instead: bool,
    new: Option<&LegacyRule>,
) -> LegacyTable {
    let mut table = table.clone();
    let mut chains = table.chains.iter_mut();
    let chain = chains.find(|one| &*one.name == chain).unwrap();
    chain
        .rules
        .splice(number..number + usize::from(instead), new.cloned());
    table
}

fn blob_of(table: &LegacyTable) -> Blob {
    encode(table).unwrap().into_blob()
}

#[test]
fn every_change_of_one_rule_comes_to_the_same_as_encoding_it_all() {
    let mut count = 0;
    for family in [Family::Ip, Family::Ip6, Family::Arp] {
        let table = table(family);
        let blob = blob_of(&table);
        let rules = new_rules(&table);
        for chain in &table.chains {
            for number in 0..=chain.rules.len() {
                for (instead, new) in rules
                    .iter()
                    .flat_map(|rule| [(false, Some(rule)), (true, Some(rule))])
                    .chain([(true, None)])
                    .filter(|(instead, _)| !instead || number < chain.rules.len())
                {
                    let what = format!("{family} {} {number} {instead} {new:?}", chain.name);
                    let index = Index::of(family, &blob).unwrap();
                    let place = index.chain(&blob, &chain.name).unwrap();
                    assert_eq!(
                        index
                            .copy(&blob, &chain.name, place)
                            .unwrap()
                            .decode()
                            .unwrap(),
                        *chain
                    );
                    let rules = index.rules(&blob, place).unwrap();
                    let at = rules.get(number).copied().unwrap_or(place.last);
                    let mut made = blob.clone();
                    index.splice(&mut made, at, instead, new).unwrap();
                    let wanted = edited(&table, &chain.name, number, instead, new);
                    let read = decode(family, "filter", &made.info, &made.bytes).expect(&what);
                    assert_eq!(read, wanted, "{what}");
                    assert_eq!(made, blob_of(&wanted), "{what}");
                    count += 1;
                }
            }
        }
        assert_eq!(
            blob,
            blob_of(&table),
            "clones are changed, not what they share"
        );
    }
    assert!(count > 150, "{count}");
}

#[test]
fn entries_are_counted_over_the_whole_table() {
    let table = table(Family::Ip);
    let blob = blob_of(&table);
    let index = Index::of(Family::Ip, &blob).unwrap();
    let number = |name: &str| index.chain(&blob, name).map(|place| place.number);
    // Three rules and a policy; a policy; the entry with the name, a rule, the return; and again a name.
    let names = hook_names(Family::Ip);
    assert_eq!(number(names[0]), Some(0));
    assert_eq!(number(names[1]), Some(4));
    assert_eq!(number("a"), Some(6));
    assert_eq!(number("b"), Some(9));
    assert_eq!(number("ERROR"), None);
    assert_eq!(number(names[2]), None, "a hook that the table has not");
}

#[test]
fn rules_lead_to_user_chains_only() {
    let table = table(Family::Ip);
    for target in ["FORWARD", "INPUT", "PREROUTING", "nowhere"] {
        let mut blob = blob_of(&table);
        let index = Index::of(Family::Ip, &blob).unwrap();
        let mut rule = new_rules(&table).swap_remove(2);
        rule.target = LegacyTarget::Jump(target.into());
        let refused = index.splice(&mut blob, 0, false, Some(&rule));
        assert_eq!(refused, Err(BlobError::NoChain(target.into())));
        assert_eq!(blob, blob_of(&table));
    }
}

#[test]
fn damaged_tables_are_refused() {
    let whole = blob_of(&table(Family::Ip));
    let damaged = |change: &dyn Fn(&mut Info, &mut Vec<u8>)| {
        let (mut info, mut bytes) = (whole.info.clone(), whole.bytes.to_vec());
        change(&mut info, &mut bytes);
        let blob = Blob {
            info,
            bytes: Arc::new(bytes.into()),
        };
        Index::of(Family::Ip, &blob).map(drop)
    };
    assert_eq!(damaged(&|_, _| ()), Ok(()));
    for len in 0..whole.bytes.len() {
        assert!(damaged(&|_, bytes| bytes.truncate(len)).is_err(), "{len}");
    }
    type Damage = fn(&mut Info);
    let places: [Damage; 6] = [
        |info| info.hook_entry[0] = 4,
        |info| info.hook_entry[1] = info.hook_entry[0],
        |info| info.underflow[0] += 8,
        |info| info.underflow[1] = 0,
        |info| info.num_entries += 1,
        |info| info.valid_hooks = 2,
    ];
    for (number, change) in places.into_iter().enumerate() {
        assert!(damaged(&|info, _| change(info)).is_err(), "{number}");
    }
}

/// Overflows are errors in tests: nothing may be computed from bytes that it does not fit.
#[test]
fn any_bytes_give_a_table_or_an_error() {
    let mut number = 1u64;
    let mut below = |bound: usize| {
        number = number
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (number >> 33) as usize % bound
    };
    let mut read = 0;
    for round in 0..30_000 {
        let family = [Family::Ip, Family::Ip6, Family::Arp][round % 3];
        let table = table(family);
        let whole = blob_of(&table);
        let (mut info, mut bytes) = (whole.info.clone(), whole.bytes.to_vec());
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 8][below(6)];
        }
        if below(8) == 0 {
            let hook = below(HOOKS);
            info.hook_entry[hook] = below(bytes.len() + 9) as u32;
            info.underflow[hook] = u32::MAX >> below(32);
        }
        let mut blob = Blob {
            info,
            bytes: Arc::new(bytes.into()),
        };
        let Ok(index) = Index::of(family, &blob) else {
            continue;
        };
        read += 1;
        let chains = index.chains(&blob);
        for (name, place) in &chains {
            let _ = index.policy(&blob, *place);
            let copied = index.copy(&blob, name, *place);
            let _ = copied.and_then(|chain| chain.decode());
        }
        let (_, place) = &chains[below(chains.len())];
        let at = [place.first, place.last, below(blob.bytes.len() + 9)][below(3)];
        let rules = new_rules(&table);
        let new = Some(&rules[below(rules.len())]).filter(|_| below(4) > 0);
        let before = blob.clone();
        let made = index.splice(&mut blob, at, below(2) == 0, new);
        assert!(made.is_ok() || blob == before, "refused is unchanged");
        assert_eq!(
            blob.bytes.len() as u64,
            if made.is_ok() {
                blob.info.size.into()
            } else {
                before.bytes.len() as u64
            }
        );
    }
    assert!(read > 3_000, "{read} were tables all the same");
}
