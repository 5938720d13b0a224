//! A table survives being written and read; a damaged one is an error.

use super::*;
use crate::model::xtables::rule::*;

fn header(family: Family, goto: bool) -> Header {
    match family {
        Family::Ip => Header::Ip(IpHeader {
            src: [10, 0, 0, 1],
            smsk: [255; 4],
            proto: 6,
            flags: u8::from(goto) * 2,
            ..IpHeader::default()
        }),
        Family::Ip6 => Header::Ip6(Ip6Header {
            dst: [7; 16],
            dmsk: [255; 16],
            flags: u8::from(goto) * 4,
            ..Ip6Header::default()
        }),
        _ => Header::Arp(Box::new(ArpHeader {
            arpop: 1,
            arpop_mask: 0xffff,
            invflags: 0x140,
            ..ArpHeader::default()
        })),
    }
}

/// Jumps forth and back, an empty chain, a rule that goes on, and one that does something.
pub(in crate::kernel::legacy) fn table(family: Family) -> LegacyTable {
    let rule = |target, goto| LegacyRule {
        header: header(family, goto),
        matches: vec![Xtables {
            name: "tcp".into(),
            revision: 0,
            info: (0..16).collect(),
        }],
        watchers: vec![],
        target,
        counters: Counter {
            packets: 0,
            bytes: 0,
        },
    };
    let can_go = family != Family::Arp;
    let chain = |name: &str, hook: Option<u32>, rules| LegacyChain {
        name: name.into(),
        policy: hook.map(|hook| LegacyPolicy {
            hook,
            verdict: LegacyVerdict::Drop,
            counters: Counter {
                packets: 0,
                bytes: 0,
            },
        }),
        rules,
    };
    let last = if can_go {
        LegacyTarget::Goto("b".into())
    } else {
        LegacyTarget::Jump("b".into())
    };
    let names = hook_names(family);
    LegacyTable {
        family,
        name: "filter".into(),
        chains: vec![
            chain(
                names[0],
                Some(0),
                vec![
                    rule(LegacyTarget::Jump("a".into()), false),
                    rule(LegacyTarget::Nothing, false),
                    rule(LegacyTarget::Verdict(LegacyVerdict::Return), false),
                ],
            ),
            chain(names[1], Some(1), vec![]),
            chain("a", None, vec![rule(last, can_go)]),
            chain(
                "b",
                None,
                vec![rule(
                    LegacyTarget::Extension(Xtables {
                        name: "LOG".into(),
                        revision: 0,
                        info: vec![9; 32],
                    }),
                    false,
                )],
            ),
        ],
    }
}

#[test]
fn a_table_survives() {
    for family in [Family::Ip, Family::Ip6, Family::Arp] {
        let table = table(family);
        let encoded = encode(&table).unwrap();
        assert_eq!(encoded.counters.len(), encoded.info.num_entries as usize);
        assert_eq!(encoded.info.size as usize, encoded.blob.len());
        let read = decode(family, "filter", &encoded.info, &encoded.blob).unwrap();
        assert_eq!(read, table);
    }
}

#[test]
fn every_cut_is_an_error() {
    let encoded = encode(&table(Family::Ip)).unwrap();
    for len in 1..encoded.blob.len() {
        // A cut between two entries loses an underflow, a jump's target, or a chain's policy.
        let cut = &encoded.blob[..len];
        let read = decode(Family::Ip, "filter", &encoded.info, cut);
        assert!(
            read != decode(Family::Ip, "filter", &encoded.info, &encoded.blob),
            "{len}"
        );
    }
}

#[test]
fn wrong_offsets_are_errors() {
    let encoded = encode(&table(Family::Ip)).unwrap();
    for (at, value) in [
        (88, 0u16),
        (88, 20),
        (90, 0),
        (90, 0xffff),
        (112, 3),
        (112, 0xfff0),
    ] {
        let mut blob = encoded.blob.clone();
        blob[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        assert!(
            decode(Family::Ip, "filter", &encoded.info, &blob).is_err(),
            "{at} {value}"
        );
    }
    let mut info = encoded.info.clone();
    info.hook_entry[0] = 4;
    assert!(decode(Family::Ip, "filter", &info, &encoded.blob).is_err());
    let mut blob = encoded.blob.clone();
    // The verdict of the first rule's jump.
    blob[112 + 48 + 32..112 + 48 + 36].copy_from_slice(&12i32.to_ne_bytes());
    assert!(matches!(
        decode(Family::Ip, "filter", &encoded.info, &blob),
        Err(BlobError::Jump { to: 12, .. })
    ));
}
