//! `hookscope trace --pcap` on captures made here.

mod common;

use common::{BINARY, in_namespace, nft, output, run};
use serde_json::Value;

/// A UDP packet with a right header checksum.
fn udp(src: [u8; 4], dst: [u8; 4], port: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0];
    packet.extend(src);
    packet.extend(dst);
    let sum: u32 = packet
        .chunks(2)
        .map(|two| u32::from(two[0]) << 8 | u32::from(two[1]))
        .sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(4000u16.to_be_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend([0, 8, 0, 0]);
    packet
}

/// A capture of raw IP packets.
fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 101] {
        out.extend(word.to_le_bytes());
    }
    for packet in packets {
        let length = packet.len() as u32;
        for word in [1, 2, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend(packet);
    }
    out
}

#[test]
fn a_capture_is_summed_up() {
    in_namespace("a_capture_is_summed_up", || {
        for line in [
            "link set lo up",
            "link add lan type veth peer name lanpeer",
            "link set lan up",
            "address add 10.0.1.1/24 dev lan",
        ] {
            output("ip", &line.split(' ').collect::<Vec<_>>());
        }
        nft("table inet fw {
  chain input { type filter hook input priority 0; policy drop;
    udp dport 53 accept
    udp dport 99 drop
  }
}
");
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("capture");
        let path = file.to_str().expect("a path");
        let (other, here) = ([10, 0, 1, 9], [10, 0, 1, 1]);
        let mut bytes = capture(&[
            udp(other, here, 53),
            udp(other, here, 99),
            udp(other, here, 99),
            udp(other, here, 7),
            udp(here, other, 1),
        ]);
        std::fs::write(&file, &bytes).expect("written");
        let text = output(BINARY, &["trace", "--json", "--pcap", path, "--iif", "lan"]);
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let fates: Vec<&str> = lines
            .iter()
            .filter_map(|line| line["fate"].as_str())
            .collect();
        assert_eq!(
            fates,
            ["delivered", "dropped", "dropped", "dropped", "sent"]
        );
        assert_eq!(lines[1]["packet"]["dport"], 99);
        let summary = &lines[5]["summary"];
        assert_eq!(
            (&summary["packets"], &summary["fates"]["dropped"]),
            (&5.into(), &3.into())
        );
        assert_eq!(summary["drops"][0]["packets"], 2);
        let by = summary["drops"][0]["by"].as_str().expect("words");
        assert!(by.ends_with("udp dport 99 drop"), "{by}");
        assert_eq!(summary["drops"][1]["by"], "inet fw input policy");

        let refused = run(BINARY, &["trace", "--pcap", path], "");
        assert!(!refused.status.success());
        let text = String::from_utf8_lossy(&refused.stdout);
        assert!(
            text.contains("10.0.1.9 is no address of this machine"),
            "{text}"
        );

        bytes.truncate(bytes.len() - 3);
        std::fs::write(&file, &bytes).expect("written");
        let broken = run(BINARY, &["trace", "--pcap", path, "--iif", "lan"], "");
        assert_eq!(broken.status.code(), Some(1));
        let text = String::from_utf8_lossy(&broken.stderr);
        assert!(
            text.contains("at byte 216: the file ends inside a packet"),
            "{text}"
        );
        assert!(text.contains("4 packets before it"), "{text}");
    });
}
