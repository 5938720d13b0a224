//! Any bytes as a snapshot: the file as it is, and what is inside its compression.
#![no_main]

use hookscope::lang::nft::{json, print};
use hookscope::session::snapshot;
use libfuzzer_sys::fuzz_target;
use std::io::sink;
use std::path::Path;

const HEAD: &[u8] = b"hookscope snapshot 1\n";

fuzz_target!(|data: &[u8]| {
    let path = Path::new("fuzzed");
    // Fuzzing alone never finds a compressed stream: what does not begin as a snapshot is made one.
    let read = if data.starts_with(b"hookscope") {
        snapshot::read(path, data)
    } else {
        let compressed = zstd::encode_all(data, 1).unwrap_or_default();
        snapshot::read(path, [HEAD, &compressed].concat().as_slice())
    };
    let Ok(snapshot) = read else { return };
    let options = print::Options { handles: true, stateless: false, terse: false };
    let _ = print::ruleset(&snapshot.ruleset, &snapshot.names, options, &mut sink());
    let _ = json::ruleset(&snapshot.ruleset, &snapshot.names, options, &mut sink());
    for table in &snapshot.network.routes.tables {
        for route in table.iter() {
            let _ = format!("{route:?}");
        }
        let _ = table.lookup(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    }
});
