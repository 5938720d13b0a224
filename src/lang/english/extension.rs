//! Matches and targets of iptables in words: phrases for those that people meet, and for all others the name with
//! the options that iptables prints.

use super::phrases::{is_told, of_match, of_target};
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
        let found: Vec<String> = of_match(&self.name)
            .filter_map(|(_, option, holds, inverted)| {
                // A match without options is told by its name.
                let value = match *option {
                    "" => String::new(),
                    option => self.after(option)?,
                };
                let words = match self.not(option) && !inverted.is_empty() {
                    true => inverted,
                    false => holds,
                };
                Some(self.fill(words, &value))
            })
            .collect();
        // What no phrase tells of is told in iptables' words.
        let rest = |word: &String| word.starts_with("--") && !is_told(&self.name, word);
        Some(Condition::That(
            if found.is_empty() || self.options.iter().any(rest) {
                format!("fit the match {}", self.plain())
            } else {
                let mut words = found.join(" and ");
                for sign in [",", " "] {
                    words = words.replace(&format!(" and {sign}"), sign);
                }
                words
            },
        ))
    }

    fn has(&self, option: &str) -> bool {
        option.is_empty() || self.options.iter().any(|word| word == option)
    }

    /// Words with values in the places that are left for them: see [`super::phrases`].
    fn fill(&self, words: &str, value: &str) -> String {
        let mut words = words.to_owned();
        while let Some((before, rest)) = words.split_once('[')
            && let Some((part, after)) = rest.split_once(']')
        {
            let named = part
                .split_once('{')
                .and_then(|(_, rest)| rest.split_once('}'));
            let given = named.is_some_and(|(option, _)| self.has(option));
            words = format!("{before}{}{after}", if given { part } else { "" });
        }
        let mut filled = String::new();
        let mut rest = words.as_str();
        while let Some((before, behind)) = rest.split_once('{')
            && let Some((option, after)) = behind.split_once('}')
        {
            filled.push_str(before);
            match option {
                "" => filled.push_str(value),
                option => filled.push_str(&self.after(option).unwrap_or_default()),
            }
            rest = after;
        }
        filled + rest
    }

    /// What a target does with packets.
    pub fn effect(&self) -> Effect {
        let mut known = of_target(&self.name);
        let Some((_, option, verb, words)) = known.find(|(_, option, ..)| self.has(option)) else {
            return Effect::new("hand", format!("to the target {}", self.plain()));
        };
        let words = self.fill(words, &self.after(option).unwrap_or_default());
        Effect::new(*verb, words.trim_end().to_owned())
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
                "come from an address that the list x holds",
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
            ("-j TTL --ttl-set 5", "give them a TTL of 5"),
            (
                "-p tcp -m policy --dir in --pol ipsec --strict --mode tunnel --tunnel-src 1.2.3.4 --tunnel-dst 1.2.3.5",
                "fit the match policy",
            ),
            (
                "-p tcp -j TPROXY --on-port 3128 --on-ip 127.0.0.1 --tproxy-mark 1",
                "hand them to the local proxy at port 3128 of 127.0.0.1, marked 0x1/0xffffffff",
            ),
            ("-j LOG --log-prefix x:", "into the kernel's log as \"x:\""),
            ("-j LOG", "into the kernel's log"),
            (
                "-p tcp -m time --timestart 08:00 --timestop 17:00 --weekdays Mon,Tue",
                "come from 08:00:00 on and come until 17:00:00",
            ),
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
