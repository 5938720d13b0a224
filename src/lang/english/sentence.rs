//! Conditions and effects put together to a sentence.
//!
//! A rule works from left to right: what it does, it does with the packets that passed everything before. Effects
//! in the middle therefore begin a new part of the sentence; within one part the order of conditions is free.

use super::value::either;

/// One thing that packets must be for the rule to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// A network protocol, as an adjective.
    Network(String),
    /// A transport protocol, as an adjective.
    Transport(String),
    /// Words that follow the noun: `from 10.0.0.0/8`.
    After(String),
    /// A verb: `start a new connection`.
    That(String),
    /// A property: `TTL is below 5`.
    Whose(String),
    /// A limit, which depends on other packets: `as long as ...`.
    AsLong(String),
}

/// What is done with the packets: words before and behind the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub before: String,
    pub after: String,
}

impl Effect {
    pub(super) fn new(before: impl Into<String>, after: impl Into<String>) -> Effect {
        Effect {
            before: before.into(),
            after: after.into(),
        }
    }

    /// Nothing stands behind the object: such verbs can share it.
    fn is_plain(&self) -> bool {
        self.after.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Condition(Condition),
    Effect(Effect),
}

/// Conditions, limits and effects of one part.
#[derive(Default)]
struct Part {
    conditions: Vec<Condition>,
    limits: Vec<String>,
    effects: Vec<Effect>,
}

/// The whole sentence, with a full stop.
pub(super) fn sentence(steps: Vec<Step>) -> String {
    let mut parts: Vec<Part> = vec![Part::default()];
    for step in steps {
        // A protocol that was asked for stays what it is.
        if let Step::Condition(condition @ (Condition::Network(_) | Condition::Transport(_))) =
            &step
            && parts.iter().any(|part| part.conditions.contains(condition))
        {
            continue;
        }
        let Some(part) = parts.last_mut() else {
            break;
        };
        let busy = !part.effects.is_empty() || !part.limits.is_empty();
        match step {
            Step::Condition(Condition::AsLong(limit)) if part.effects.is_empty() => {
                part.limits.push(limit);
            }
            Step::Condition(Condition::AsLong(limit)) => parts.push(Part {
                limits: vec![limit],
                ..Part::default()
            }),
            Step::Condition(condition) if busy => parts.push(Part {
                conditions: vec![condition],
                ..Part::default()
            }),
            Step::Condition(condition) => {
                if !part.conditions.contains(&condition) {
                    part.conditions.push(condition);
                }
            }
            Step::Effect(effect) => part.effects.push(effect),
        }
    }
    // Conditions that nothing follows decide about nothing.
    let idle = parts.len() > 1 && parts.last().is_some_and(|part| part.effects.is_empty());
    if idle {
        while parts.len() > 1 && parts.last().is_some_and(|part| part.effects.is_empty()) {
            parts.pop();
        }
    }
    let mut text = String::new();
    let last = parts.len() - 1;
    for (place, part) in parts.iter().enumerate() {
        let words = part_words(part, place == 0, place == last);
        match place {
            0 => text.push_str(&capital(&words)),
            _ => {
                text.push_str("; then, ");
                text.push_str(&words);
            }
        }
        if place == last && idle {
            text.push_str("; what the rule asks after that changes nothing");
        }
    }
    text.push('.');
    text
}

fn part_words(part: &Part, first: bool, last: bool) -> String {
    let packets = match first {
        true => packets(&part.conditions),
        false => those(&part.conditions),
    };
    if part.effects.is_empty() {
        let limits = limits(part);
        let nothing = if last {
            ", and do nothing with them"
        } else {
            ""
        };
        return format!("look at {packets}{limits}{nothing}");
    }
    // Words behind the object would seem to belong to what describes it.
    let far =
        part.effects
            .first()
            .is_some_and(|effect| !effect.is_plain())
            && part.conditions.iter().any(|condition| {
                !matches!(condition, Condition::Network(_) | Condition::Transport(_))
            });
    if far || !part.limits.is_empty() {
        return format!(
            "for {packets}{}: {}",
            limits(part),
            effects(&part.effects, "them")
        );
    }
    effects(&part.effects, &packets)
}

fn limits(part: &Part) -> String {
    part.limits
        .iter()
        .map(|limit| format!(", {limit}"))
        .collect()
}

/// Plain verbs share the object; the first other verb has it, those behind it say "them".
fn effects(effects: &[Effect], object: &str) -> String {
    let plain = effects
        .iter()
        .take_while(|effect| effect.is_plain())
        .count();
    let mut phrases = Vec::new();
    let mut object = object;
    let (together, rest) = effects.split_at(plain);
    if !together.is_empty() {
        let verbs: Vec<String> = together
            .iter()
            .map(|effect| effect.before.clone())
            .collect();
        phrases.push(format!("{} {object}", either(&verbs, "and")));
        object = "them";
    }
    for effect in rest {
        let after = match effect.after.is_empty() {
            true => String::new(),
            false => format!(" {}", effect.after),
        };
        phrases.push(format!("{} {object}{after}", effect.before));
        object = "them";
    }
    match phrases.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}

/// `IPv4 TCP packets from 10.0.0.0/8 to port 22 (ssh) that start a new connection and whose TTL is below 5`
fn packets(conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return "all packets".to_owned();
    }
    let (adjectives, rest) = adjectives(conditions);
    let mut text = String::new();
    for adjective in adjectives {
        text.push_str(&adjective);
        text.push(' ');
    }
    text.push_str("packets");
    text.push_str(&modifiers(&rest));
    text
}

/// The same behind a part that has named the packets.
fn those(conditions: &[Condition]) -> String {
    let (adjectives, rest) = adjectives(conditions);
    let mut rest = rest;
    for adjective in adjectives {
        rest.push(Condition::That(format!("are {adjective}")));
    }
    match rest.is_empty() {
        true => "those packets".to_owned(),
        false => format!("those of them{}", modifiers(&rest)),
    }
}

/// The protocols, network before transport, each once; a second one of a layer becomes a clause.
fn adjectives(conditions: &[Condition]) -> (Vec<String>, Vec<Condition>) {
    let (mut network, mut transport) = (None, None);
    let mut rest = Vec::new();
    for condition in conditions {
        let (slot, name) = match condition {
            Condition::Network(name) => (&mut network, name),
            Condition::Transport(name) => (&mut transport, name),
            other => {
                rest.push(other.clone());
                continue;
            }
        };
        match slot {
            None => *slot = Some(name.clone()),
            Some(known) if known == name => {}
            Some(_) => rest.push(Condition::That(format!("are {name}"))),
        }
    }
    (network.into_iter().chain(transport).collect(), rest)
}

fn modifiers(conditions: &[Condition]) -> String {
    let mut text = String::new();
    let mut clauses = Vec::new();
    for condition in conditions {
        match condition {
            Condition::After(words) => {
                text.push(' ');
                text.push_str(words);
            }
            Condition::That(words) => clauses.push(format!("that {words}")),
            Condition::Whose(words) => clauses.push(format!("whose {words}")),
            Condition::Network(_) | Condition::Transport(_) | Condition::AsLong(_) => {}
        }
    }
    if !clauses.is_empty() {
        text.push(' ');
        text.push_str(&clauses.join(" and "));
    }
    text
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
