//! Matches and targets of iptables in words: phrases for those that people meet, and for all others the name with
//! the options that iptables prints.

use super::sentence::{Condition, Effect};
use crate::kernel::xtables;
use crate::lang::iptables::save::{self, Context};
use crate::model::expression::Xtables;
use crate::model::xtables::ExtensionKind;
use crate::model::{Family, Names};

/// What an extension says: its name and options as iptables prints them; nothing when it is not understood.
pub(super) struct Said {
    name: String,
    options: Vec<String>,
}

impl Said {
    pub fn read(kind: ExtensionKind, family: Family, names: &Names, raw: &Xtables) -> Option<Said> {
        let one = xtables::decode(kind, family, &raw.name, raw.revision, &raw.info).ok()?;
        let mut text = String::new();
        save::save(&one, &Context { family, names }, &mut text);
        Some(Said {
            name: save::name(&one).to_owned(),
            options: text.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// The words behind an option up to the next one.
    fn after(&self, option: &str) -> Option<String> {
        let place = self.options.iter().position(|word| word == option)?;
        let words = self.options.iter().skip(place + 1);
        let words: Vec<&str> = words
            .map(String::as_str)
            .take_while(|word| !word.starts_with("--") && *word != "!")
            .collect();
        Some(words.join(" "))
    }

    /// Whether `!` stands before an option.
    fn not(&self, option: &str) -> bool {
        let place = self.options.iter().position(|word| word == option);
        place
            .and_then(|place| self.options.get(place.checked_sub(1)?))
            .is_some_and(|word| word == "!")
    }

    fn plain(&self) -> String {
        match self.options.is_empty() {
            true => self.name.clone(),
            false => format!("{} ({})", self.name, self.options.join(" ")),
        }
    }

    /// What a match asks of packets; nothing for one that lets all pass.
    pub fn condition(&self) -> Option<Condition> {
        // (option, words when it holds, words when it is inverted); `{}` is the option's value.
        const PHRASES: &[(&str, &str, &str, &str)] = &[
            (
                "conntrack",
                "--ctstate",
                "belong to a connection in state {}",
                "belong to no connection in state {}",
            ),
            (
                "state",
                "--state",
                "belong to a connection in state {}",
                "belong to no connection in state {}",
            ),
            (
                "addrtype",
                "--dst-type",
                "go to an address of type {}",
                "go to no address of type {}",
            ),
            (
                "addrtype",
                "--src-type",
                "come from an address of type {}",
                "come from no address of type {}",
            ),
            (
                "multiport",
                "--dports",
                "go to one of the ports {}",
                "go to none of the ports {}",
            ),
            (
                "multiport",
                "--sports",
                "come from one of the ports {}",
                "come from none of the ports {}",
            ),
            (
                "multiport",
                "--ports",
                "come from or go to one of the ports {}",
                "neither come from nor go to one of the ports {}",
            ),
            (
                "tcp",
                "--tcp-flags",
                "have, of their TCP flags, {}",
                "do not have, of their TCP flags, {}",
            ),
            (
                "icmp",
                "--icmp-type",
                "are ICMP of type {}",
                "are not ICMP of type {}",
            ),
            (
                "icmp6",
                "--icmpv6-type",
                "are ICMPv6 of type {}",
                "are not ICMPv6 of type {}",
            ),
            (
                "mark",
                "--mark",
                "carry the mark {}",
                "do not carry the mark {}",
            ),
            (
                "connmark",
                "--mark",
                "belong to a connection with the mark {}",
                "belong to no connection with the mark {}",
            ),
            (
                "mac",
                "--mac-source",
                "come from the hardware address {}",
                "do not come from the hardware address {}",
            ),
            (
                "iprange",
                "--src-range",
                "come from the addresses {}",
                "do not come from the addresses {}",
            ),
            (
                "iprange",
                "--dst-range",
                "go to the addresses {}",
                "do not go to the addresses {}",
            ),
            (
                "length",
                "--length",
                "are {} bytes long",
                "are not {} bytes long",
            ),
            (
                "ttl",
                "--ttl-eq",
                "have a TTL of {}",
                "do not have a TTL of {}",
            ),
            (
                "hl",
                "--hl-eq",
                "have a hop limit of {}",
                "do not have a hop limit of {}",
            ),
            (
                "dscp",
                "--dscp",
                "have the DSCP value {}",
                "do not have the DSCP value {}",
            ),
            (
                "owner",
                "--uid-owner",
                "were sent by the user {}",
                "were not sent by the user {}",
            ),
            (
                "owner",
                "--gid-owner",
                "were sent by the group {}",
                "were not sent by the group {}",
            ),
            (
                "physdev",
                "--physdev-in",
                "came through the bridge port {}",
                "did not come through the bridge port {}",
            ),
            (
                "physdev",
                "--physdev-out",
                "leave through the bridge port {}",
                "do not leave through the bridge port {}",
            ),
            (
                "helper",
                "--helper",
                "belong to connections with the helper {}",
                "belong to no connections with the helper {}",
            ),
            (
                "string",
                "--string",
                "hold the text {}",
                "do not hold the text {}",
            ),
            (
                "pkttype",
                "--pkt-type",
                "are sent as {}",
                "are not sent as {}",
            ),
            (
                "connlimit",
                "--connlimit-above",
                "belong to one of more than {} connections",
                "belong to no more than {} connections",
            ),
            (
                "connlimit",
                "--connlimit-upto",
                "belong to at most {} connections",
                "belong to more than {} connections",
            ),
            (
                "set",
                "--match-set",
                "are in the ipset {}",
                "are not in the ipset {}",
            ),
            (
                "statistic",
                "--probability",
                "are picked by chance, with probability {}",
                "are not picked by chance, with probability {}",
            ),
            (
                "statistic",
                "--every",
                "are picked, one of {}",
                "are not picked, one of {}",
            ),
            (
                "cgroup",
                "--path",
                "come from the cgroup {}",
                "do not come from the cgroup {}",
            ),
        ];
        if self.name == "comment" {
            return None;
        }
        if self.name == "limit"
            && let Some(rate) = self.after("--limit")
        {
            return Some(Condition::AsLong(format!(
                "they come no faster than {rate}"
            )));
        }
        let found: Vec<String> = PHRASES
            .iter()
            .filter(|(name, ..)| *name == self.name)
            .filter_map(|(_, option, holds, inverted)| {
                let value = self.after(option)?;
                let words = if self.not(option) { inverted } else { holds };
                Some(words.replace("{}", &value))
            })
            .collect();
        // What no phrase tells of is told in iptables' words.
        let told = PHRASES
            .iter()
            .filter(|(name, ..)| *name == self.name)
            .map(|(_, option, ..)| *option);
        let told: Vec<&str> = told.chain(["--mode", "--packet", "--algo"]).collect();
        let rest = |word: &String| word.starts_with("--") && !told.contains(&word.as_str());
        Some(Condition::That(
            if found.is_empty() || self.options.iter().any(rest) {
                format!("fit the match {}", self.plain())
            } else {
                found.join(" and ")
            },
        ))
    }

    /// What a target does with packets.
    pub fn effect(&self) -> Effect {
        let after = |option: &str| self.after(option).unwrap_or_default();
        let has = |option: &str| self.options.iter().any(|word| word == option);
        let quoted = |option: &str| match self.after(option) {
            Some(text) => format!(" as {text}"),
            None => String::new(),
        };
        match self.name.as_str() {
            "DNAT" => Effect::new("send", format!("to {} instead", after("--to-destination"))),
            "SNAT" => Effect::new("give", format!("the source {}", after("--to-source"))),
            "MASQUERADE" => Effect::new(
                "give",
                "the address of the device that they leave by as their source",
            ),
            "REDIRECT" if has("--to-ports") => Effect::new(
                "send",
                format!("to port {} of this machine instead", after("--to-ports")),
            ),
            "REDIRECT" => Effect::new("send", "to this machine instead"),
            "REJECT" => Effect::new("refuse", format!("with {}", after("--reject-with"))),
            "LOG" => Effect::new(
                "write",
                format!("into the kernel's log{}", quoted("--log-prefix")),
            ),
            "NFLOG" => Effect::new(
                "show",
                format!("to the logging program of group {}", after("--nflog-group")),
            ),
            "NFQUEUE" => Effect::new(
                "hand",
                format!("to the program at queue {}", after("--queue-num")),
            ),
            "MARK" if has("--set-xmark") => Effect::new(
                "mark",
                format!("with {} (value and mask)", after("--set-xmark")),
            ),
            "CONNMARK" if has("--restore-mark") => {
                Effect::new("mark", "as their connection is marked")
            }
            "CONNMARK" if has("--save-mark") => {
                Effect::new("let", "their connection have their mark")
            }
            "NOTRACK" => Effect::new("exempt", "from connection tracking"),
            "CT" if has("--notrack") => Effect::new("exempt", "from connection tracking"),
            "SET" if has("--add-set") => {
                Effect::new("put", format!("into the ipset {}", after("--add-set")))
            }
            "SET" if has("--del-set") => {
                Effect::new("take", format!("out of the ipset {}", after("--del-set")))
            }
            "TCPMSS" if has("--clamp-mss-to-pmtu") => Effect::new(
                "fit",
                "to the path: their largest segment becomes what it carries",
            ),
            "TPROXY" => Effect::new(
                "hand",
                format!(
                    "to the local proxy at {}:{}",
                    after("--on-ip"),
                    after("--on-port")
                ),
            ),
            "TRACE" => Effect::new("trace", "through the rest of the ruleset"),
            _ => Effect::new("hand", format!("to the target {}", self.plain())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lang::Names;
    use crate::lang::english;
    use crate::lang::iptables::parse::{self, Machine, Reading};
    use crate::lang::iptables::rule::{Chain, Table};
    use crate::lang::iptables::{as_nft, to_legacy};
    use crate::lang::nft::delinearize::TableView;
    use crate::model::Family;
    use std::sync::Arc;

    #[test]
    fn extensions_are_told_in_words() {
        for (rule, expected) in [
            (
                "-p tcp -m comment --comment web -m conntrack --ctstate NEW -j ACCEPT",
                "belong to a connection in state NEW",
            ),
            (
                "-m addrtype --dst-type LOCAL",
                "go to an address of type LOCAL",
            ),
            (
                "-p tcp -m multiport ! --dports 80,443",
                "go to none of the ports 80,443",
            ),
            (
                "-m statistic --mode random --probability 0.5 -j ACCEPT",
                "by chance, with probability 0.5",
            ),
            (
                "-m recent --name x --rcheck",
                "fit the match recent (--rcheck --name x",
            ),
            (
                "-p tcp -j DNAT --to-destination 10.0.0.5:80",
                "send them to 10.0.0.5:80 instead",
            ),
            (
                "-j MASQUERADE",
                "the address of the device that they leave by",
            ),
            (
                "-j REJECT --reject-with icmp-port-unreachable",
                "with icmp-port-unreachable",
            ),
            ("-j MARK --set-xmark 0x4000/0x4000", "with 0x4000/0x4000"),
            ("-j TTL --ttl-set 5", "to the target TTL (--ttl-set 5)"),
        ] {
            let text = format!("*nat\n-A USER {rule}\n");
            let texts = parse::text(&text, Family::Ip, &Machine::default(), Reading::default());
            let table = Table {
                family: Family::Ip,
                name: "nat".into(),
                chains: vec![Chain {
                    name: "USER".into(),
                    policy: None,
                    rules: Vec::new(),
                }],
            };
            let mut text = texts.expect("a text").remove(0);
            text.flush = false;
            let table = parse::apply(&text, table).expect("a table");
            let shown = as_nft::table(&to_legacy::table(&table).expect("a legacy table"));
            let view = TableView::new(&Arc::new(shown));
            let chain = view.table.chains.first().expect("a chain");
            let told = english::rule(
                &view,
                &Names::default(),
                chain.rules.get(0).expect("a rule"),
            );
            assert!(told.contains(expected), "{rule}: {told}");
        }
    }
}
