//! Built packets read back; any bytes.

use super::checksum::checksum_place;
use super::*;
use crate::flow::Question;

fn question(proto: u8) -> Question {
    Question {
        proto: Some(proto),
        sport: has_ports(proto).then_some(1000),
        dport: has_ports(proto).then_some(53),
        payload: vec![1, 2, 3],
        ..Question::default()
    }
}

fn ethernet(skb: &Skb) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend(skb.protocol.to_be_bytes());
    frame.extend(&skb.data);
    frame
}

#[test]
fn what_is_built_parses_with_good_checksums() {
    for (src, dst) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
        for proto in [6, 17, 58, 1, 47] {
            let skb = build(&question(proto), src.parse().unwrap(), dst.parse().unwrap()).unwrap();
            let mut frame = ethernet(&skb);
            let parsed = parse(&frame).unwrap();
            assert_eq!(parsed.checksums, Checksums::default(), "{src} {proto}");
            assert_eq!(parsed.l4().proto, proto);
            if checksum_place(proto, skb.is_v6()).is_some() {
                *frame.last_mut().unwrap() ^= 0x55;
                assert!(parse(&frame).unwrap().checksums.bad_l4, "{src} {proto}");
            }
        }
    }
}

#[test]
fn later_ipv6_fragments_have_their_transport_at_the_ip_header() {
    let fragment = crate::flow::packet::Fragment {
        offset: 8,
        more: false,
    };
    let q = Question {
        fragment: Some(fragment),
        ..question(17)
    };
    let skb = build(&q, "fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()).unwrap();
    let l4 = skb.l4();
    assert_eq!(
        (l4.known, l4.proto, l4.offset, l4.fragment),
        (true, 17, 0, 8)
    );
    assert!(skb.is_fragment());
    assert_eq!(skb.ports(), None);
}

#[test]
fn any_bytes_are_fine() {
    for len in 0..80 {
        let _ = parse(&vec![0x60; len]).map(|skb| (skb.l4(), skb.l4_checked(), skb.ports()));
        let _ = parse(&[&[0; 12][..], &[0x86, 0xdd], &vec![0x60; len]].concat())
            .map(|skb| (skb.l4(), skb.l4_checked(), skb.ports(), skb.is_fragment()));
    }
}
