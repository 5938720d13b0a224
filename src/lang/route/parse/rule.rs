//! The words of `ip rule add` and `ip rule del`.

use super::ParseContext;
use super::value::{self, Result};
use super::words::{Keyword, Word, Words, keyword, names_of};
use crate::lang::route::number;
use crate::model::network::{
    ChangeAction, FibFamily, PolicyRule, PortRange, RouteKind, RuleAction, UidRange, rule_flags,
    table,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Not,
    From,
    To,
    Priority,
    Tos,
    Fwmark,
    Realms,
    Protocol,
    TunnelId,
    Table,
    SuppressPrefixLength,
    SuppressGroup,
    Iif,
    Oif,
    L3mdev,
    UidRange,
    Nat,
    IpProtocol,
    Sport,
    Dport,
    Dscp,
    FlowLabel,
    Kind,
    Goto,
    Nop,
}

/// In iproute2's order; `true` where the beginning of a word is enough.
#[rustfmt::skip]
const KEYS: &[Keyword<Key>] = &[
    ("not", false, Key::Not), ("from", false, Key::From), ("to", false, Key::To),
    ("preference", true, Key::Priority), ("order", true, Key::Priority), ("priority", true, Key::Priority),
    ("tos", false, Key::Tos), ("dsfield", true, Key::Tos), ("fwmark", false, Key::Fwmark),
    ("realms", true, Key::Realms), ("protocol", true, Key::Protocol), ("tun_id", true, Key::TunnelId),
    ("table", true, Key::Table), ("lookup", false, Key::Table),
    ("suppress_prefixlength", true, Key::SuppressPrefixLength), ("sup_pl", false, Key::SuppressPrefixLength),
    ("suppress_ifgroup", true, Key::SuppressGroup), ("sup_group", false, Key::SuppressGroup),
    ("dev", false, Key::Iif), ("iif", false, Key::Iif), ("oif", false, Key::Oif), ("l3mdev", false, Key::L3mdev),
    ("uidrange", false, Key::UidRange), ("nat", false, Key::Nat), ("map-to", true, Key::Nat),
    ("ipproto", false, Key::IpProtocol), ("sport", false, Key::Sport), ("dport", false, Key::Dport),
    ("dscp", false, Key::Dscp), ("flowlabel", false, Key::FlowLabel),
    ("type", false, Key::Kind), ("goto", true, Key::Goto), ("nop", true, Key::Nop),
];

/// The words after `rule add`: the rule, and whether its priority was given.
pub(super) fn rule(
    action: ChangeAction,
    mut words: Words<'_>,
    context: &ParseContext<'_>,
) -> Result<(PolicyRule, bool)> {
    let add = action != ChangeAction::Delete;
    let mut rule = PolicyRule::new(0);
    if !add {
        rule.action = RuleAction::Unknown(0);
    }
    if words.peek().is_none() {
        return Err(words.missing(
            "nothing is said about the rule",
            "from, to, iif, fwmark, ...",
        ));
    }
    let mut reader = Reader {
        context,
        family: context.family,
        priority: false,
        target: false,
        table: None,
    };
    while let Some(word) = words.next() {
        reader.word(word, &mut words, &mut rule)?;
    }
    if rule.l3mdev.is_some()
        && let Some(word) = reader.table.filter(|_| rule.table != 0)
    {
        return Err(words.wrong(
            &word,
            "names a table, but an l3mdev rule looks in the table of the device's VRF",
            "no table",
        ));
    }
    rule.family = reader.family.unwrap_or(FibFamily::Ip4).to_wire();
    if add && !reader.target {
        rule.table = table::MAIN;
    }
    Ok((rule, reader.priority))
}

struct Reader<'a> {
    context: &'a ParseContext<'a>,
    family: Option<FibFamily>,
    priority: bool,
    /// A table or another target was named.
    target: bool,
    table: Option<Word>,
}

impl Reader<'_> {
    fn word(&mut self, word: &Word, words: &mut Words<'_>, rule: &mut PolicyRule) -> Result<()> {
        let context = self.context;
        let text = word.text.as_str();
        match keyword(KEYS, text) {
            Some(Key::Not) => rule.flags |= rule_flags::INVERT,
            Some(Key::From) => {
                let word = words.value(text, "a prefix, or 'all'")?;
                rule.src = value::prefix(words, word, &mut self.family)?;
                rule.src = rule.src.filter(|prefix| prefix.length != 0);
                rule.src_len = rule.src.map_or(0, |prefix| prefix.length);
            }
            Some(Key::To) => {
                let word = words.value(text, "a prefix, or 'all'")?;
                rule.dst = value::prefix(words, word, &mut self.family)?;
                rule.dst = rule.dst.filter(|prefix| prefix.length != 0);
                rule.dst_len = rule.dst.map_or(0, |prefix| prefix.length);
            }
            Some(Key::Priority) => {
                rule.priority = value::number32(words, text)?;
                self.priority = true;
            }
            Some(Key::Tos) => rule.tos = value::tos(words, text, context)?,
            Some(Key::Fwmark) => {
                let (mark, mask) = masked(words, text)?;
                (rule.mark, rule.mask) = (Some(mark), mask);
            }
            Some(Key::Realms) => rule.realms = Some(value::realms(words, text, context)?),
            Some(Key::Protocol) => {
                rule.protocol = Some(value::named8(words, text, &context.names.protocols)?);
            }
            Some(Key::TunnelId) => rule.tunnel = Some(value::number64(words, text)?),
            Some(Key::Table) => {
                self.table = words.clone().next().cloned();
                rule.table = value::table(words, text, context)?;
                self.target = true;
            }
            Some(Key::SuppressPrefixLength) => {
                let read = |text: &str| i32::try_from(number(text)?).ok();
                let length = value::value(words, text, "a prefix length", read)?;
                rule.suppress_prefix_length = Some(length);
            }
            Some(Key::SuppressGroup) => {
                const MOST: u32 = i32::MAX as u32;
                let group = value::named(words, text, &context.names.groups, MOST)?;
                rule.suppress_group = Some(group.cast_signed());
            }
            Some(Key::Iif) => rule.iif = Some(value::device_name(words, text)?),
            Some(Key::Oif) => rule.oif = Some(value::device_name(words, text)?),
            Some(Key::L3mdev) => {
                rule.l3mdev = Some(1);
                self.target = true;
            }
            Some(Key::UidRange) => {
                let (start, end) = value::value(
                    words,
                    text,
                    "two users as FIRST-LAST, such as 1000-1999",
                    |text| {
                        let (start, end) = text.split_once('-')?;
                        Some((start.parse().ok()?, end.parse().ok()?))
                    },
                )?;
                rule.uid = Some(UidRange { start, end });
            }
            Some(Key::Nat) => {
                return Err(words.wrong(
                    word,
                    "asks for address translation by routes, which Linux has not had since 2.6",
                    "a table, goto, nop or a type",
                ));
            }
            Some(Key::IpProtocol) => {
                let read = |text: &str| context.names.ip_protocol_number(text);
                let protocol =
                    value::value(words, text, "a protocol such as tcp, or 0 to 255", read)?;
                rule.ipproto = Some(protocol);
            }
            Some(Key::Sport) => rule.sport = Some(ports(words, text)?),
            Some(Key::Dport) => rule.dport = Some(ports(words, text)?),
            Some(Key::Dscp) => {
                let (dscp, mask) = dscp(words, text, context)?;
                (rule.dscp, rule.dscp_mask) = (Some(dscp), mask);
            }
            Some(Key::FlowLabel) => {
                const ALL: u32 = 0xf_ffff;
                let (label, mask) = masked(words, text)?;
                (rule.flow_label, rule.flow_label_mask) = (Some(label), mask);
                if label > ALL {
                    return Err(words.wrong(
                        word,
                        "has a label of more than 20 bits",
                        "up to 0xfffff",
                    ));
                }
            }
            Some(Key::Goto) => self.goto(words, rule)?,
            Some(Key::Nop) => self.act(rule, RuleAction::Nop),
            Some(Key::Kind) => {
                let word = words.value(text, "unicast, blackhole, unreachable, prohibit, ...")?;
                self.kind(word, words, rule)?;
            }
            None => self.kind(word, words, rule)?,
        }
        Ok(())
    }

    fn act(&mut self, rule: &mut PolicyRule, action: RuleAction) {
        rule.action = action;
        self.target = true;
    }

    fn goto(&mut self, words: &mut Words<'_>, rule: &mut PolicyRule) -> Result<()> {
        let to = value::number32(words, "goto")?;
        self.act(rule, RuleAction::Goto(Some(to)));
        Ok(())
    }

    fn kind(&mut self, word: &Word, words: &mut Words<'_>, rule: &mut PolicyRule) -> Result<()> {
        match keyword(KEYS, &word.text) {
            Some(Key::Goto) => return self.goto(words, rule),
            Some(Key::Nop) => {
                self.act(rule, RuleAction::Nop);
                return Ok(());
            }
            _ => {}
        }
        let action = match value::kind(&word.text) {
            Some(RouteKind::Unicast) => RuleAction::Lookup,
            Some(RouteKind::Blackhole) => RuleAction::Blackhole,
            Some(RouteKind::Unreachable) => RuleAction::Unreachable,
            Some(RouteKind::Prohibit) => RuleAction::Prohibit,
            Some(other) => RuleAction::Unknown(other.to_wire()),
            None => {
                let kinds = ["unicast", "blackhole", "unreachable", "prohibit"];
                return Err(words.unknown(
                    word,
                    "is not a word of a rule",
                    "from, to, iif, oif, fwmark, pref, table, goto, blackhole, ...",
                    names_of(KEYS).chain(kinds),
                ));
            }
        };
        self.act(rule, action);
        Ok(())
    }
}

/// `VALUE` or `VALUE/MASK`.
fn masked(words: &mut Words<'_>, after: &str) -> Result<(u32, Option<u32>)> {
    value::value(words, after, "a number, or VALUE/MASK", |text| {
        Some(match text.split_once('/') {
            Some((value, mask)) => (number(value)?, Some(number(mask)?)),
            None => (number(text)?, None),
        })
    })
}

fn dscp(
    words: &mut Words<'_>,
    after: &str,
    context: &ParseContext<'_>,
) -> Result<(u8, Option<u8>)> {
    // Names are those of the whole byte, in which the DSCP is the upper six bits.
    let one = |text: &str| {
        let named = context
            .names
            .dsfield
            .number(text)
            .filter(|tos| tos % 4 == 0);
        let value = named.map(|tos| tos / 4).or_else(|| number(text))?;
        u8::try_from(value).ok().filter(|&value| value < 64)
    };
    value::value(words, after, "a name, 0 to 63, or VALUE/MASK", |text| {
        Some(match text.split_once('/') {
            Some((value, mask)) => (one(value)?, Some(one(mask)?)),
            None => (one(text)?, None),
        })
    })
}

/// `PORT`, `FIRST-LAST` or `PORT/MASK`.
fn ports(words: &mut Words<'_>, after: &str) -> Result<PortRange> {
    let expected = "a port, FIRST-LAST or PORT/MASK";
    value::value(words, after, expected, |text| {
        if let Some((port, mask)) = text.split_once('/') {
            let port = port.parse().ok()?;
            let mask = u16::try_from(number(mask)?).ok()?;
            return Some(PortRange {
                start: port,
                end: port,
                mask: Some(mask),
            });
        }
        let (start, end) = text.split_once('-').unwrap_or((text, text));
        Some(PortRange {
            start: start.parse().ok()?,
            end: end.parse().ok()?,
            mask: None,
        })
    })
}
