//! Completion for editors of rules in the iptables language: what could be written at the cursor. The options come
//! from the same tables that the parser reads. Pure.

use super::icmp::{ICMP, ICMP6};
use super::parse::ext::{self, Spec};
use super::parse::{header, options};
use super::save::{
    ADDRESS_TYPES, CT_EVENTS, REJECT_WITH, REJECT_WITH6, STATES, STATUSES, WEEKDAYS,
};
use crate::lang::nft::complete::{Candidate, What};
use crate::model::Family;
use crate::model::xtables::ExtensionKind;

/// Names that exist on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// Chains of the table that a rule can go to.
    pub chains: &'a [String],
    pub interfaces: &'a [String],
    pub services: &'a [String],
    pub protocols: &'a [String],
    /// Of ipset.
    pub sets: &'a [String],
}

const VERDICTS: &[&str] = &["ACCEPT", "DROP", "RETURN"];
const TCP_FLAGS: &[&str] = &["SYN", "ACK", "FIN", "RST", "URG", "PSH", "ALL", "NONE"];
const LEVELS: &[&str] = &[
    "debug", "info", "notice", "warning", "err", "crit", "alert", "emerg",
];

/// The words that fit at the cursor (a byte offset), those first that the text before it begins.
pub fn complete(text: &str, cursor: usize, family: Family, names: &Names) -> Vec<Candidate> {
    let Some(before) = text.get(..cursor) else {
        return Vec::new();
    };
    if before.matches('"').count() % 2 == 1 {
        return Vec::new();
    }
    let blank = |c: char| c.is_ascii_whitespace();
    let mut start = before.rfind(blank).map_or(0, |at| at + 1);
    let words: Vec<&str> = before
        .get(..start)
        .unwrap_or_default()
        .split_ascii_whitespace()
        .collect();
    let line = Line::read(&words, family, names);
    let mut found = Vec::new();
    match line.values(&words, names) {
        Some((values, several)) => {
            found = values;
            // The names before the last comma stand.
            let typed = before.get(start..).unwrap_or_default();
            if several && let Some(at) = typed.rfind(',') {
                start += at + 1;
            }
        }
        None => line.options(&mut found),
    }
    let typed = before.get(start..).unwrap_or_default();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (text, what) in found {
        let fits = text.starts_with(typed) && text != typed;
        if fits && !candidates.iter().any(|known| known.text == text) {
            candidates.push(Candidate { text, what, start });
        }
    }
    candidates
}

/// What the words before the cursor have named.
struct Line<'w> {
    family: Family,
    /// Matches and the target, the last one first.
    loaded: Vec<&'static Spec>,
    jumps: bool,
    given: Vec<&'w str>,
}

type Found = Vec<(String, What)>;

fn dashed(name: &str) -> String {
    match name.len() {
        1 => format!("-{name}"),
        _ => format!("--{name}"),
    }
}

impl<'w> Line<'w> {
    fn read(words: &[&'w str], family: Family, names: &Names) -> Line<'w> {
        let mut line = Line {
            family,
            loaded: Vec::new(),
            jumps: false,
            given: Vec::new(),
        };
        for (place, word) in words.iter().enumerate() {
            if word.starts_with('-') {
                line.given.push(word);
            }
            let Some(value) = words
                .get(place + 1)
                .filter(|next| **next != "!")
                .or(words.get(place + 2))
            else {
                continue;
            };
            let spec = match *word {
                "-m" | "--match" => ext::find(ExtensionKind::Match, family, value),
                "-j" | "--jump" => {
                    line.jumps = true;
                    ext::find(ExtensionKind::Target, family, value)
                }
                "-g" | "--goto" => {
                    line.jumps = true;
                    None
                }
                "-p" | "--protocol" | "--proto" => {
                    let known = names.protocols.iter().any(|name| name == value);
                    known
                        .then(|| ext::find(ExtensionKind::Match, family, value))
                        .flatten()
                }
                _ => None,
            };
            line.loaded.extend(spec);
        }
        if family == Family::Bridge {
            line.loaded
                .extend(ext::of_family(ExtensionKind::Match, family));
            line.loaded.extend(ext::watchers());
        }
        line.loaded.reverse();
        line
    }

    /// The option of this name, among what has been named and the rule's own.
    fn known(&self, word: &str) -> Option<options::Known> {
        let own = |(names, _): &(Vec<&str>, options::Known)| {
            names.iter().any(|name| dashed(name) == word)
        };
        let mut lists = self.loaded.iter().map(|spec| spec.options);
        let of_loaded = lists.find_map(|list| options::known(list).find(own));
        let found = of_loaded.or_else(|| options::known(header::known(self.family)).find(own));
        found.map(|(_, known)| known)
    }

    /// The values of the option before the cursor, and whether several can stand with commas between them; nothing
    /// when no value is due.
    fn values(&self, words: &[&str], names: &Names) -> Option<(Found, bool)> {
        let mut last = words.iter().rev().filter(|word| **word != "!");
        let (option, before) = (*last.next()?, last.next());
        let all = |list: &[String], what: What| -> Found {
            list.iter().map(|name| (name.clone(), what)).collect()
        };
        let fixed = |list: &[&str]| -> Found {
            list.iter()
                .map(|name| ((*name).to_owned(), What::Symbol))
                .collect()
        };
        match option {
            "-j" | "--jump" => {
                let mut found = fixed(VERDICTS);
                let targets = ext::of_family(ExtensionKind::Target, self.family);
                found.extend(targets.map(|spec| (spec.name.to_owned(), What::Keyword)));
                found.extend(all(names.chains, What::Chain));
                return Some((found, false));
            }
            "-g" | "--goto" => return Some((all(names.chains, What::Chain), false)),
            "-m" | "--match" => {
                let matches = ext::of_family(ExtensionKind::Match, self.family);
                let matches = matches.map(|spec| (spec.name.to_owned(), What::Keyword));
                return Some((matches.collect(), false));
            }
            _ => {}
        }
        // The second of two values: `--match-set NAME src`, `--tcp-flags SYN,ACK SYN`.
        let second = before.and_then(|before| {
            let known = self.known(before)?;
            (known.values == 2 && !option.starts_with('-')).then_some(known)
        });
        if let Some(known) = second {
            return Some(match known.name {
                "tcp-flags" => (fixed(TCP_FLAGS), true),
                "match-set" | "add-set" | "del-set" | "map-set" => (fixed(&["src", "dst"]), true),
                _ => (Vec::new(), false),
            });
        }
        let known = self.known(option).filter(|known| known.values > 0)?;
        let first = |list: &[(&'static str, u16)]| -> Found {
            list.iter()
                .map(|row| (row.0.to_owned(), What::Symbol))
                .collect()
        };
        Some(match known.name {
            "p" | "ctproto" | "ip-protocol" | "ip6-protocol" => {
                (all(names.protocols, What::Symbol), false)
            }
            "i" | "o" | "physdev-in" | "physdev-out" | "oif" | "logical-in" | "logical-out" => {
                (all(names.interfaces, What::Interface), false)
            }
            "source-port" | "destination-port" => (all(names.services, What::Service), false),
            "source-ports" | "destination-ports" | "ports" => {
                (all(names.services, What::Service), true)
            }
            "ctstate" => (first(&STATES), true),
            "state" => {
                let states = STATES.iter().filter(|(name, _)| !name.ends_with("NAT"));
                (
                    states.map(|row| (row.0.to_owned(), What::Symbol)).collect(),
                    true,
                )
            }
            "ctstatus" => (first(&STATUSES), true),
            "ctdir" => (fixed(&["ORIGINAL", "REPLY"]), false),
            "ctevents" => {
                let events = CT_EVENTS.iter().map(|row| (row.0.to_owned(), What::Symbol));
                (events.collect(), true)
            }
            "src-type" | "dst-type" => (fixed(&ADDRESS_TYPES), true),
            "weekdays" => (fixed(&WEEKDAYS), true),
            "tcp-flags" => (fixed(TCP_FLAGS), true),
            "icmp-type" => (
                ICMP.iter()
                    .map(|row| (row.0.to_owned(), What::Symbol))
                    .collect(),
                false,
            ),
            "icmpv6-type" => (
                ICMP6
                    .iter()
                    .map(|row| (row.0.to_owned(), What::Symbol))
                    .collect(),
                false,
            ),
            "reject-with" => {
                let list = if self.family == Family::Ip6 {
                    REJECT_WITH6
                } else {
                    REJECT_WITH
                };
                let named = list.iter().filter(|row| !row.0.is_empty());
                (
                    named.map(|row| (row.0.to_owned(), What::Symbol)).collect(),
                    false,
                )
            }
            "log-level" => (fixed(LEVELS), false),
            "pkt-type" => (fixed(&["unicast", "broadcast", "multicast"]), false),
            "match-set" | "add-set" | "del-set" | "map-set" => (all(names.sets, What::Set), false),
            _ => (Vec::new(), false),
        })
    }

    /// The options that can come now.
    fn options(&self, found: &mut Found) {
        let mut put = |names: &[&str], again: bool| {
            let given = |name: &&str| self.given.contains(&dashed(name).as_str());
            if again || !names.iter().any(given) {
                found.extend(names.iter().map(|name| (dashed(name), What::Keyword)));
            }
        };
        for spec in &self.loaded {
            for (names, known) in options::known(spec.options) {
                put(&names, known.repeatable);
            }
        }
        if !self.jumps {
            put(&["j", "jump"], false);
        }
        for (names, _) in options::known(header::known(self.family)) {
            put(&names, false);
        }
        put(&["m", "match"], true);
        if !self.jumps && matches!(self.family, Family::Ip | Family::Ip6) {
            put(&["g", "goto"], false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let list = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let (chains, services) = (list(&["logdrop"]), list(&["ssh", "http"]));
        let protocols = list(&["tcp", "udp"]);
        let names = Names {
            chains: &chains,
            services: &services,
            protocols: &protocols,
            ..Names::default()
        };
        let found = complete(text, text.len(), Family::Ip, &names);
        found.into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn options_values_and_chains_are_offered() {
        assert_eq!(words("-p t"), ["tcp"]);
        assert!(words("-p tcp --dp").contains(&"--dport".to_owned()));
        assert!(!words("-p udp --tcp").contains(&"--tcp-flags".to_owned()));
        assert_eq!(words("-p tcp --dport s"), ["ssh"]);
        assert_eq!(words("-p tcp -m multiport --dports ssh,h"), ["http"]);
        assert_eq!(words("-m connt"), ["conntrack"]);
        assert_eq!(words("-m conntrack --ctstate NEW,EST"), ["ESTABLISHED"]);
        assert_eq!(words("-j log"), ["logdrop"]);
        assert!(words("-j ").contains(&"REJECT".to_owned()));
        assert_eq!(words("-j REJECT --reject-with tcp"), ["tcp-reset"]);
        assert!(words("-j LOG ").contains(&"--log-prefix".to_owned()));
        assert_eq!(words("-p tcp --tcp-flags SYN,ACK SY"), ["SYN"]);
        assert!(words("").contains(&"-j".to_owned()));
        assert!(!words("-j ACCEPT ").contains(&"-j".to_owned()));
        assert_eq!(words("-m comment --comment \"a "), Vec::<String>::new());
    }

    #[test]
    fn any_text_is_survived() {
        for text in [
            "-",
            "!",
            "-m",
            "-m \u{e9}",
            "--",
            "\u{65e5}",
            "-p ! tcp --dport \u{e9}",
        ] {
            for cursor in 0..=text.len() + 1 {
                complete(text, cursor, Family::Bridge, &Names::default());
            }
        }
    }
}
