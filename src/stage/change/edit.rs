//! One change: what it is about, and the command of the nft language that carries it out. Pure.
//!
//! Rules of iptables are written in its own language: in tables of nf_tables they take the place of a rule that
//! stands for them; in legacy tables (`ip filter (legacy)`) a rule's handle is its number in its chain, and the
//! command is one of `iptables-legacy`.

use super::disable;
use crate::model::ruleset::LEGACY;
use crate::model::{Family, Name, Policy};
use serde::{Deserialize, Serialize};

/// A chain or set by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    pub family: Family,
    pub table: Name,
    pub name: Name,
}

impl Place {
    /// As the nft language names it.
    pub fn words(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.name)
    }

    /// The name of a table of the legacy backend.
    pub fn legacy(&self) -> Option<&str> {
        self.table.strip_suffix(LEGACY)
    }

    /// A command of the legacy backend, as far as the chain.
    fn legacy_command(&self, table: &str, action: &str) -> String {
        let program = match self.family {
            Family::Ip6 => "ip6tables",
            Family::Arp => "arptables",
            Family::Bridge => "ebtables",
            _ => "iptables",
        };
        format!("{program}-legacy -t {table} {action} {}", self.name)
    }
}

/// Whether a rule is written in the iptables language: only there it begins with an option.
pub fn is_iptables(rule: &str) -> bool {
    rule.trim_start_matches('!').trim_start().starts_with('-')
}

/// A rule of the kernel, and what it said when the change was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    pub chain: Place,
    pub handle: u64,
    /// Without counters and other state; a rule of iptables in its language.
    pub text: String,
}

/// Where a new rule goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anchor {
    Before(RuleRef),
    After(RuleRef),
    /// Behind the last rule of the chain.
    End(Place),
}

impl Anchor {
    pub fn chain(&self) -> &Place {
        match self {
            Anchor::Before(rule) | Anchor::After(rule) => &rule.chain,
            Anchor::End(chain) => chain,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    AddRule {
        at: Anchor,
        text: String,
    },
    ReplaceRule {
        rule: RuleRef,
        text: String,
        /// The counters of the new rule begin where those of the old one are at the commit.
        keep: bool,
    },
    /// The rule goes to another place as it is, with its counters.
    MoveRule {
        rule: RuleRef,
        to: Anchor,
    },
    DeleteRule {
        rule: RuleRef,
    },
    SetPolicy {
        chain: Place,
        from: Policy,
        to: Policy,
    },
    /// A user chain of a legacy table; the text is its name.
    MakeChain {
        /// Without a name.
        table: Place,
        text: String,
    },
    /// The text is its new name.
    RenameChain {
        chain: Place,
        text: String,
    },
    DeleteChain {
        chain: Place,
    },
    AddElement {
        set: Place,
        text: String,
    },
    DeleteElement {
        set: Place,
        text: String,
    },
    /// A command that a person typed.
    Command {
        text: String,
    },
    /// A change of a route, policy rule, neighbour or next hop, in the words of `ip -batch`.
    Route {
        text: String,
    },
}

pub fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
        Policy::Unknown(_) => "unknown",
    }
}

impl Anchor {
    /// The command that puts a rule there, but for the rule.
    fn lead(&self) -> String {
        if let Some(table) = self.chain().legacy() {
            let command = |action| self.chain().legacy_command(table, action);
            return match self {
                Anchor::Before(rule) => format!("{} {} ", command("-I"), rule.handle),
                Anchor::After(rule) => format!("{} {} ", command("-I"), rule.handle + 1),
                Anchor::End(_) => format!("{} ", command("-A")),
            };
        }
        let chain = self.chain().words();
        match self {
            Anchor::Before(rule) => format!("insert rule {chain} handle {} ", rule.handle),
            Anchor::After(rule) => format!("add rule {chain} handle {} ", rule.handle),
            Anchor::End(_) => format!("add rule {chain} "),
        }
    }

    /// The rule beside which it is.
    pub fn rule(&self) -> Option<&RuleRef> {
        match self {
            Anchor::Before(rule) | Anchor::After(rule) => Some(rule),
            Anchor::End(_) => None,
        }
    }

    /// In words.
    pub fn title(&self) -> String {
        match self {
            Anchor::Before(rule) => format!("before #{}", rule.handle),
            Anchor::After(rule) => format!("after #{}", rule.handle),
            Anchor::End(_) => "at the end".into(),
        }
    }
}

/// What stands for a rule that is moved as the bytes that it is.
const PLACEHOLDER: &str = "continue";

impl Edit {
    /// What stands before the text that a person writes, in the command.
    pub fn lead(&self) -> String {
        if let Some(lead) = self.legacy_lead() {
            return lead;
        }
        match self {
            Edit::AddRule { at, .. } => at.lead(),
            Edit::MoveRule { rule, to } => {
                let chain = rule.chain.words();
                let goes = format!("delete rule {chain} handle {}", rule.handle);
                format!("{goes}\n{}", to.lead())
            }
            Edit::ReplaceRule { rule, .. } => {
                let chain = rule.chain.words();
                format!("replace rule {chain} handle {} ", rule.handle)
            }
            Edit::DeleteRule { rule } => {
                let chain = rule.chain.words();
                format!("delete rule {chain} handle {}", rule.handle)
            }
            Edit::SetPolicy { chain, to, .. } => {
                let policy = policy_word(*to);
                format!("add chain {} {{ policy {policy}; }}", chain.words())
            }
            Edit::AddElement { set, .. } => format!("add element {} {{ ", set.words()),
            Edit::DeleteElement { set, .. } => format!("delete element {} {{ ", set.words()),
            // Only legacy tables have these: elsewhere they are commands of the language.
            Edit::MakeChain { .. } | Edit::RenameChain { .. } | Edit::DeleteChain { .. } => {
                String::new()
            }
            Edit::Command { .. } | Edit::Route { .. } => String::new(),
        }
    }

    /// The same for a change of a legacy table.
    fn legacy_lead(&self) -> Option<String> {
        let place = self.place()?;
        let table = place.legacy()?;
        let command = |action| place.legacy_command(table, action);
        Some(match self {
            Edit::AddRule { at, .. } => at.lead(),
            Edit::MoveRule { rule, to } => {
                format!("{} {}\n{}", command("-D"), rule.handle, to.lead())
            }
            Edit::ReplaceRule { rule, .. } => format!("{} {} ", command("-R"), rule.handle),
            Edit::DeleteRule { rule } => format!("{} {}", command("-D"), rule.handle),
            Edit::SetPolicy { to, .. } => {
                format!("{} {}", command("-P"), policy_word(*to).to_uppercase())
            }
            Edit::MakeChain { .. } => command("-N"),
            Edit::RenameChain { .. } => format!("{} ", command("-E")),
            Edit::DeleteChain { .. } => command("-X"),
            _ => return None,
        })
    }

    /// What a person writes or wrote.
    pub fn text(&self) -> &str {
        match self {
            Edit::AddRule { text, .. }
            | Edit::ReplaceRule { text, .. }
            | Edit::MakeChain { text, .. }
            | Edit::RenameChain { text, .. }
            | Edit::AddElement { text, .. }
            | Edit::DeleteElement { text, .. }
            | Edit::Command { text }
            | Edit::Route { text } => text,
            Edit::MoveRule { rule, .. } => &rule.text,
            Edit::DeleteRule { .. } | Edit::SetPolicy { .. } | Edit::DeleteChain { .. } => "",
        }
    }

    /// The same change with another text.
    pub fn with_text(&self, new: &str) -> Edit {
        let mut edit = self.clone();
        match &mut edit {
            Edit::AddRule { text, .. }
            | Edit::ReplaceRule { text, .. }
            | Edit::MakeChain { text, .. }
            | Edit::RenameChain { text, .. }
            | Edit::AddElement { text, .. }
            | Edit::DeleteElement { text, .. }
            | Edit::Command { text }
            | Edit::Route { text } => new.clone_into(text),
            Edit::MoveRule { .. }
            | Edit::DeleteRule { .. }
            | Edit::SetPolicy { .. }
            | Edit::DeleteChain { .. } => {}
        }
        edit
    }

    /// Commands in the nft language; for a route, in the words of `ip -batch`; for a legacy table, of iptables.
    pub fn command(&self) -> String {
        let tail = match self {
            Edit::AddElement { .. } | Edit::DeleteElement { .. } => " }",
            _ => "",
        };
        format!("{}{}{tail}", self.lead(), self.text())
    }

    /// What is compiled. A rule that is moved goes as the bytes that it is: its text, which no language may be able
    /// to take back, is not read. One in the iptables language is read by itself.
    pub fn source(&self) -> String {
        match self {
            Edit::MoveRule { .. } => format!("{}{PLACEHOLDER}", self.lead()),
            _ if self.iptables_rule().is_some() => format!("{}{PLACEHOLDER}", self.lead()),
            _ => self.command(),
        }
    }

    /// The rule in the iptables language that it puts into a table of nf_tables, and its chain.
    pub fn iptables_rule(&self) -> Option<(&str, &Place)> {
        let place = self.place()?;
        match self {
            Edit::AddRule { text, .. } | Edit::ReplaceRule { text, .. }
                if is_iptables(text) && place.legacy().is_none() =>
            {
                Some((text, place))
            }
            _ => None,
        }
    }

    /// The legacy table that it changes.
    pub fn legacy_table(&self) -> Option<(Family, &str)> {
        let place = self.place()?;
        Some((place.family, place.legacy()?))
    }

    /// Whether it is about what nf_tables holds.
    pub fn is_of_ruleset(&self) -> bool {
        !self.is_route() && self.legacy_table().is_none()
    }

    /// Whether it is about routing, not about the ruleset.
    pub fn is_route(&self) -> bool {
        matches!(self, Edit::Route { .. })
    }

    /// The rules of the kernel that must still be what they were.
    pub fn points_at(&self) -> impl Iterator<Item = &RuleRef> {
        let (own, beside) = match self {
            Edit::AddRule { at, .. } => (None, at.rule()),
            Edit::MoveRule { rule, to } => (Some(rule), to.rule()),
            Edit::ReplaceRule { rule, .. } | Edit::DeleteRule { rule } => (Some(rule), None),
            _ => (None, None),
        };
        own.into_iter().chain(beside)
    }

    /// The rule beside which it puts one.
    pub(super) fn beside(&self) -> Option<&RuleRef> {
        match self {
            Edit::AddRule { at, .. } | Edit::MoveRule { to: at, .. } => at.rule(),
            _ => None,
        }
    }

    /// The rule of the kernel that it changes.
    pub fn changes_rule(&self) -> Option<&RuleRef> {
        match self {
            Edit::ReplaceRule { rule, .. }
            | Edit::MoveRule { rule, .. }
            | Edit::DeleteRule { rule } => Some(rule),
            _ => None,
        }
    }

    /// The same change, for a rule that says something else by now.
    pub fn rebased(&self, handle: u64, now: &str) -> Edit {
        let mut edit = self.clone();
        let renew = |rule: &mut RuleRef| {
            if rule.handle == handle {
                now.clone_into(&mut rule.text);
            }
        };
        let renew_anchor = |anchor: &mut Anchor| match anchor {
            Anchor::Before(rule) | Anchor::After(rule) => renew(rule),
            Anchor::End(_) => {}
        };
        match &mut edit {
            Edit::ReplaceRule { rule, .. } | Edit::DeleteRule { rule } => renew(rule),
            Edit::MoveRule { rule, to } => {
                renew(rule);
                renew_anchor(to);
            }
            Edit::AddRule { at, .. } => renew_anchor(at),
            _ => {}
        }
        edit
    }

    /// Whether that rule, by its handle, is not there any more afterwards.
    pub(super) fn ends(&self, rule: &RuleRef) -> bool {
        self.changes_rule()
            .is_some_and(|own| own.handle == rule.handle && own.chain == rule.chain)
    }

    /// The chain or set that it changes; nothing for a typed command.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Edit::AddRule { at, .. } => Some(at.chain()),
            Edit::ReplaceRule { rule, .. }
            | Edit::MoveRule { rule, .. }
            | Edit::DeleteRule { rule } => Some(&rule.chain),
            Edit::SetPolicy { chain, .. }
            | Edit::RenameChain { chain, .. }
            | Edit::DeleteChain { chain } => Some(chain),
            Edit::MakeChain { table, .. } => Some(table),
            Edit::AddElement { set, .. } | Edit::DeleteElement { set, .. } => Some(set),
            Edit::Command { .. } | Edit::Route { .. } => None,
        }
    }

    /// What it takes away, as it was written.
    pub fn old(&self) -> Option<String> {
        match self {
            Edit::ReplaceRule { rule, .. } | Edit::DeleteRule { rule } => Some(rule.text.clone()),
            Edit::SetPolicy { from, .. } => Some(format!("policy {}", policy_word(*from))),
            Edit::DeleteElement { text, .. } => Some(text.clone()),
            Edit::RenameChain { chain, .. } | Edit::DeleteChain { chain } => {
                Some(format!("chain {}", chain.name))
            }
            _ => None,
        }
    }

    /// What it puts there.
    pub fn new_text(&self) -> Option<String> {
        match self {
            Edit::AddRule { text, .. }
            | Edit::ReplaceRule { text, .. }
            | Edit::AddElement { text, .. }
            | Edit::Command { text }
            | Edit::Route { text } => Some(text.clone()),
            Edit::SetPolicy { to, .. } => Some(format!("policy {}", policy_word(*to))),
            Edit::MoveRule { rule, .. } => Some(rule.text.clone()),
            Edit::MakeChain { text, .. } | Edit::RenameChain { text, .. } => {
                Some(format!("chain {text}"))
            }
            Edit::DeleteRule { .. } | Edit::DeleteElement { .. } | Edit::DeleteChain { .. } => None,
        }
    }

    /// Where it changes something and what, in a few words.
    pub fn title(&self) -> String {
        let place = self.place().map(Place::words).unwrap_or_default();
        match self {
            Edit::AddRule { at, .. } => format!("{place}: new rule {}", at.title()),
            Edit::MoveRule { rule, to } => {
                let chain = match to.chain() {
                    chain if *chain == rule.chain => String::new(),
                    chain => format!("{}, ", chain.words()),
                };
                format!(
                    "{place}: move rule #{} to {chain}{}",
                    rule.handle,
                    to.title()
                )
            }
            Edit::ReplaceRule { rule, text, keep } => {
                let verb = match (disable::is_disabled(&rule.text), disable::is_disabled(text)) {
                    (false, true) => "switch off",
                    (true, false) => "switch on",
                    _ => "change",
                };
                let kept = if *keep { " (counters kept)" } else { "" };
                format!("{place}: {verb} rule #{}{kept}", rule.handle)
            }
            Edit::DeleteRule { rule } => format!("{place}: delete rule #{}", rule.handle),
            Edit::SetPolicy { .. } => format!("{place}: policy"),
            Edit::MakeChain { table, .. } => {
                format!("{} {}: new chain", table.family, table.table)
            }
            Edit::RenameChain { .. } => format!("{place}: another name"),
            Edit::DeleteChain { .. } => format!("{place}: delete this chain"),
            Edit::AddElement { .. } => format!("{place}: new element"),
            Edit::DeleteElement { .. } => format!("{place}: delete element"),
            Edit::Command { .. } => "command".into(),
            Edit::Route { .. } => "routing".into(),
        }
    }
}
