//! The seam to `lang`: how rules and elements become text. Nothing else in the interface prints them.

use crate::model::{Chain, Name, Rule, Ruleset, Set, Table};

/// What a rule refers to by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Chains, of jump and goto.
    pub jumps: Vec<Name>,
    pub sets: Vec<Name>,
    pub objects: Vec<Name>,
}

/// The rule in nft syntax, on one line, without its handle.
pub fn rule_text(_ruleset: &Ruleset, _table: &Table, _chain: &Chain, rule: Rule<'_>) -> String {
    match printable(rule.attributes) {
        Some(text) => text.into(),
        None => format!("handle {}, {} bytes", rule.handle, rule.attributes.len()),
    }
}

/// One element of a set or map in nft syntax.
pub fn element_text(_table: &Table, _set: &Set, raw: &[u8]) -> String {
    match printable(raw) {
        Some(text) => text.into(),
        None => format!("{} bytes", raw.len()),
    }
}

/// The expressions of a rule as the kernel has them, one line each.
pub fn rule_expressions(rule: Rule<'_>) -> Vec<String> {
    let mut lines = vec![format!("[ {} bytes ]", rule.attributes.len())];
    lines.extend(rule.attributes.chunks(16).take(16).map(|chunk| {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[ {} ]", hex.join(" "))
    }));
    lines
}

/// Packets and bytes that a rule's own counter has seen.
pub fn rule_counters(rule: Rule<'_>) -> Option<(u64, u64)> {
    let text = printable(rule.attributes)?;
    let mut words = text
        .split(' ')
        .skip_while(|word| *word != "counter")
        .skip(2);
    let packets = words.next()?.parse().ok()?;
    let bytes = words.nth(1)?.parse().ok()?;
    Some((packets, bytes))
}

/// What a rule refers to.
pub fn rule_references(rule: Rule<'_>) -> References {
    let mut references = References::default();
    let text = printable(rule.attributes).unwrap_or_default();
    let mut words = text.split(' ');
    while let Some(word) = words.next() {
        if word == "jump" || word == "goto" {
            references.jumps.extend(words.next().map(Name::from));
        } else if let Some(name) = word.strip_prefix('@') {
            references.sets.push(name.into());
        }
    }
    references
}

fn printable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.contains('\0')).then_some(text)
}
