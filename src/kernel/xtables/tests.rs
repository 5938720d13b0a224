//! Sizes against the kernel's headers, and bytes that survive a round trip.

use super::*;
use crate::model::xtables::{Families, REGISTRY};

fn family(families: Families) -> Family {
    match families {
        Families::Any | Families::Ip | Families::Inet => Family::Ip,
        Families::Ip6 => Family::Ip6,
        Families::Arp => Family::Arp,
        Families::Bridge => Family::Bridge,
    }
}

#[test]
fn every_layout_survives_a_round_trip() {
    for row in REGISTRY {
        let family = family(row.families);
        let len = encode_bare(&(row.zero)()).len();
        // Every byte its own value, so that two fields in one place or in the wrong order are seen.
        let bytes: Vec<u8> = (0..padded(len)).map(|n| (n % 251 + 1) as u8).collect();
        let read = decode(row.kind, family, row.name, row.revision, &bytes).expect(row.name);
        let written = encode(&read);
        let again = decode(row.kind, family, row.name, row.revision, &written).expect(row.name);
        assert_eq!(read, again, "{}", row.name);
        let padding = bytes.iter().zip(&written).filter(|(a, b)| a != b);
        assert!(
            padding.clone().all(|(_, &b)| b == 0),
            "{}: only padding may change",
            row.name
        );
        if len > 0 {
            let cut = &bytes[..padded(len) - ALIGNMENT];
            assert!(decode(row.kind, family, row.name, row.revision, cut).is_err());
        }
        let mut long = bytes.clone();
        long.push(0);
        assert!(decode(row.kind, family, row.name, row.revision, &long).is_err());
    }
}

#[test]
fn sizes_are_those_of_the_headers() {
    use ExtensionKind::{Match, Target};
    // sizeof of the structures on x86-64, by the C compiler.
    #[rustfmt::skip]
    let sizes = [
        (Match, "tcp", 0, 12), (Match, "udp", 0, 10), (Match, "sctp", 0, 292), (Match, "multiport", 1, 48),
        (Match, "conntrack", 3, 164), (Match, "conntrack", 2, 156), (Match, "conntrack", 1, 152), (Match, "limit", 0, 40),
        (Match, "hashlimit", 3, 312), (Match, "hashlimit", 2, 304), (Match, "hashlimit", 1, 56), (Match, "string", 1, 160),
        (Match, "recent", 1, 228), (Match, "policy", 0, 308), (Match, "u32", 0, 1984), (Match, "bpf", 1, 528),
        (Match, "cgroup", 1, 4112), (Match, "cgroup", 2, 528), (Match, "statistic", 0, 24), (Match, "set", 4, 48),
        (Match, "set", 3, 48), (Match, "set", 0, 32), (Match, "srh", 1, 108), (Match, "rt", 0, 280), (Match, "time", 0, 24),
        (Match, "physdev", 0, 66), (Match, "helper", 0, 36), (Match, "owner", 1, 20), (Match, "rateest", 0, 72),
        (Target, "CT", 1, 72), (Target, "NFLOG", 0, 76), (Target, "HMARK", 0, 60), (Target, "SECMARK", 0, 264),
        (Target, "DNAT", 2, 44), (Target, "SNAT", 0, 20), (Target, "SNAT", 1, 40), (Target, "TEE", 1, 40),
        (Target, "SET", 3, 20), (Target, "CONNMARK", 2, 16), (Target, "SNPT", 0, 36), (Target, "IDLETIMER", 1, 48),
        (Target, "TPROXY", 1, 28), (Target, "LED", 0, 40),
    ];
    for (kind, name, revision, size) in sizes {
        let row = registration(kind, Family::Ip, name, revision).expect(name);
        assert_eq!(encode_bare(&(row.zero)()).len(), size, "{name} {revision}");
    }
    for (name, size) in [("stp", 72), ("mark_m", 24), ("ip6", 76), ("vlan", 8)] {
        let row = registration(Match, Family::Bridge, name, 0).expect(name);
        assert_eq!(encode_bare(&(row.zero)()).len(), size, "{name}");
    }
}

#[test]
fn fields_are_where_c_puts_them() {
    let mut info = vec![0u8; 16];
    info[4..6].copy_from_slice(&80u16.to_ne_bytes());
    info[6..8].copy_from_slice(&443u16.to_ne_bytes());
    info[11] = 2;
    let Ok(Extension::Tcp(tcp)) = decode(ExtensionKind::Match, Family::Ip, "tcp", 0, &info) else {
        panic!("not read");
    };
    assert_eq!((tcp.dpts, tcp.invflags), ([80, 443], 2));
    assert_eq!(
        decode(ExtensionKind::Match, Family::Ip, "tcp", 7, &info),
        Err(NotDecoded::Unknown)
    );
}
