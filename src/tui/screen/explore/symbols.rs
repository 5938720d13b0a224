//! Hooks, priorities and kinds by their names.

use crate::model::Policy;

pub use crate::lang::nft::chain::{hook_name as hook, priority_text as priority};

pub fn policy(policy: Policy) -> String {
    match policy {
        Policy::Accept => "accept".into(),
        Policy::Drop => "drop".into(),
        Policy::Unknown(value) => format!("policy {value}"),
    }
}

/// `NFT_OBJECT_*`
pub fn object_kind(kind: u32) -> String {
    let names = [
        "object",
        "counter",
        "quota",
        "ct helper",
        "limit",
        "connlimit",
        "tunnel",
        "ct timeout",
        "secmark",
        "ct expectation",
        "synproxy",
    ];
    match names.get(kind as usize) {
        Some(name) => (*name).into(),
        None => format!("object of kind {kind}"),
    }
}

/// Flags of a set in words.
pub fn set_flags(flags: u32) -> Vec<&'static str> {
    use crate::model::set::flags as f;
    let names = [
        (f::CONSTANT, "constant"),
        (f::INTERVAL, "interval"),
        (f::TIMEOUT, "timeout"),
        (f::EVAL, "dynamic"),
        (f::CONCAT, "concatenated"),
    ];
    names
        .into_iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| name)
        .collect()
}
