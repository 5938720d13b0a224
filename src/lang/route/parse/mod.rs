//! Text in iproute2's words to changes of routes, policy rules, neighbours and next hops.
//!
//! Pure: names and devices come in with [`ParseContext`]. [`parse_words`] reads one command as it stands on a
//! command line, [`parse_batch`] a file as `ip -batch` takes it. Departures from iproute2: the family of a policy
//! rule is that of its addresses (`ip` makes an IPv4 rule of the first bytes of an IPv6 address), a command may
//! begin with `ip`, `-4` and `-6`, and all mistakes of a file are told at once.

mod encap;
mod metrics;
mod neighbour;
mod nexthop;
mod route;
mod rule;
mod segments;
mod value;
mod words;

pub use words::{ParseError, Word};

use crate::lang::route::Names;
use crate::model::network::{ChangeAction, FibFamily, Link, RouteChange, RoutingObject};
use words::{Words, keyword};

/// What the words may name.
#[derive(Clone, Copy, Debug)]
pub struct ParseContext<'a> {
    pub names: &'a Names,
    pub links: &'a [Link],
    /// The family asked for (`-4`, `-6`); without one, addresses decide.
    pub family: Option<FibFamily>,
}

/// A change, and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedChange {
    pub change: RouteChange,
    /// From 1 on.
    pub line: usize,
    pub column: usize,
    /// The command's words with one blank between them.
    pub text: String,
}

/// Which list of words a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Route,
    Rule,
    Neighbour,
    Nexthop,
    /// What `ip` has and is not changed here.
    Other,
}

/// In iproute2's order: beginnings are enough.
#[rustfmt::skip]
const OBJECTS: &[(&str, bool, Object)] = &[
    ("address", true, Object::Other), ("addrlabel", true, Object::Other), ("maddress", true, Object::Other),
    ("route", true, Object::Route), ("rule", true, Object::Rule),
    ("neighbor", true, Object::Neighbour), ("neighbour", true, Object::Neighbour),
    ("ntable", true, Object::Other), ("ntbl", true, Object::Other), ("link", true, Object::Other),
    ("l2tp", true, Object::Other), ("fou", true, Object::Other), ("ila", true, Object::Other),
    ("macsec", true, Object::Other), ("tunnel", true, Object::Other), ("tunl", true, Object::Other),
    ("tuntap", true, Object::Other), ("tap", true, Object::Other), ("token", true, Object::Other),
    ("tcpmetrics", true, Object::Other), ("tcp_metrics", true, Object::Other), ("monitor", true, Object::Other),
    ("xfrm", true, Object::Other), ("mroute", true, Object::Other), ("mrule", true, Object::Other),
    ("netns", true, Object::Other), ("netconf", true, Object::Other), ("vrf", true, Object::Other),
    ("sr", true, Object::Other), ("nexthop", true, Object::Nexthop), ("mptcp", true, Object::Other),
    ("ioam", true, Object::Other), ("help", true, Object::Other), ("stats", true, Object::Other),
];

const OBJECT_NAMES: [&str; 4] = ["route", "rule", "neigh", "nexthop"];

type Actions = [(&'static str, bool, Option<ChangeAction>)];

/// Actions in iproute2's order, with those that read (`None`) where they shadow others.
#[rustfmt::skip]
const ROUTE_ACTIONS: &Actions = &[
    ("add", true, Some(ChangeAction::Add)), ("change", true, Some(ChangeAction::Change)),
    ("chg", false, Some(ChangeAction::Change)), ("replace", true, Some(ChangeAction::Replace)),
    ("prepend", true, Some(ChangeAction::Prepend)), ("append", true, Some(ChangeAction::Append)),
    ("test", true, None), ("delete", true, Some(ChangeAction::Delete)), ("list", true, None), ("show", true, None),
    ("lst", true, None), ("get", true, None), ("flush", true, None), ("save", true, None), ("restore", true, None),
];
#[rustfmt::skip]
const RULE_ACTIONS: &Actions = &[
    ("list", true, None), ("lst", true, None), ("show", true, None), ("save", true, None), ("restore", true, None),
    ("add", true, Some(ChangeAction::Add)), ("delete", true, Some(ChangeAction::Delete)), ("flush", true, None),
];
#[rustfmt::skip]
const NEIGHBOUR_ACTIONS: &Actions = &[
    ("add", true, Some(ChangeAction::Add)), ("change", true, Some(ChangeAction::Change)),
    ("chg", false, Some(ChangeAction::Change)), ("replace", true, Some(ChangeAction::Replace)),
    ("delete", true, Some(ChangeAction::Delete)), ("get", true, None), ("show", true, None), ("lst", true, None),
    ("list", true, None), ("flush", true, None),
];
#[rustfmt::skip]
const NEXTHOP_ACTIONS: &Actions = &[
    ("add", true, Some(ChangeAction::Add)), ("replace", true, Some(ChangeAction::Replace)),
    ("delete", true, Some(ChangeAction::Delete)), ("list", true, None), ("show", true, None), ("lst", true, None),
    ("get", true, None), ("flush", true, None), ("bucket", true, None),
];

/// Read one command from the words of a command line: `route add default via 192.0.2.1`.
pub fn parse_words(
    words: &[String],
    context: &ParseContext<'_>,
) -> Result<ParsedChange, Box<ParseError>> {
    let mut column = 1;
    let mut placed = Vec::with_capacity(words.len());
    for text in words {
        placed.push(Word {
            text: text.clone(),
            line: 1,
            column,
        });
        column += text.chars().count() + 1;
    }
    command(&placed, &[words.join(" ")], context)
}

/// Read a file as `ip -batch` takes it: one command a line, `#` starts a comment, `\` at the end of a line
/// continues it, quotes keep blanks. Gives the changes, or every mistake in the text.
pub fn parse_batch(
    text: &str,
    context: &ParseContext<'_>,
) -> Result<Vec<ParsedChange>, Vec<ParseError>> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (mut changes, mut errors) = (Vec::new(), Vec::new());
    let mut words = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        // A text of something else has as many mistakes as lines.
        const MOST: usize = 1000;
        if errors.len() >= MOST {
            break;
        }
        let code = line.split('#').next().unwrap_or_default();
        // A comment ends the line before the backslash is seen, as in iproute2.
        let (code, continued) = match code.strip_suffix('\\') {
            Some(code) if code.len() + 1 == line.len() => (code, true),
            _ => (code, false),
        };
        if let Err(column) = split(code, place + 1, &mut words) {
            let whole = Words::new(&words, &lines);
            let mut error = whole.missing("a quote is not closed", "the same quote again");
            (error.line, error.column) = (place + 1, column);
            error.source = line.replace('\t', " ");
            errors.push(*error);
            words.clear();
            continue;
        }
        if continued && place + 1 < lines.len() {
            continue;
        }
        if !words.is_empty() {
            match command(&words, &lines, context) {
                Ok(change) => changes.push(change),
                Err(error) => errors.push(*error),
            }
            words.clear();
        }
    }
    if errors.is_empty() {
        Ok(changes)
    } else {
        Err(errors)
    }
}

/// Add the words of a line; the column of a quote that is not closed.
fn split(code: &str, line: usize, words: &mut Vec<Word>) -> Result<(), usize> {
    let mut chars = code.chars().enumerate().peekable();
    while let Some((place, first)) = chars.next() {
        let column = place + 1;
        if first.is_whitespace() {
            continue;
        }
        let mut text = String::new();
        if first == '"' || first == '\'' {
            loop {
                match chars.next() {
                    Some((_, other)) if other == first => break,
                    Some((_, other)) => text.push(other),
                    None => return Err(column),
                }
            }
        } else {
            text.push(first);
            while let Some((_, next)) = chars.next_if(|(_, next)| !next.is_whitespace()) {
                text.push(next);
            }
        }
        words.push(Word { text, line, column });
    }
    Ok(())
}

fn command(
    words: &[Word],
    lines: &[String],
    context: &ParseContext<'_>,
) -> Result<ParsedChange, Box<ParseError>> {
    let mut context = *context;
    let mut rest = Words::new(words, lines);
    rest.take("ip");
    loop {
        if rest.take("-4") {
            context.family = Some(FibFamily::Ip4);
        } else if rest.take("-6") {
            context.family = Some(FibFamily::Ip6);
        } else {
            break;
        }
    }
    const EXPECTED: &str = "route, rule, neigh or nexthop";
    let object_word = rest
        .next()
        .ok_or_else(|| rest.missing("the command is empty", EXPECTED))?;
    let object = match keyword(OBJECTS, &object_word.text) {
        Some(Object::Other) => {
            let problem = "is something that 'ip' changes and hookscope does not";
            return Err(rest.wrong(object_word, problem, EXPECTED));
        }
        Some(object) => object,
        None => {
            return Err(rest.unknown(
                object_word,
                "is not something to change",
                EXPECTED,
                OBJECT_NAMES,
            ));
        }
    };
    let action = action(object, &object_word.text, &mut rest)?;
    let change = match object {
        Object::Route | Object::Other => {
            RouteChange::route(action, route::route(action, rest, &context)?)
        }
        Object::Rule => {
            let (rule, with_priority) = rule::rule(action, rest, &context)?;
            RouteChange {
                action,
                object: RoutingObject::Rule {
                    rule: Box::new(rule),
                    with_priority,
                },
            }
        }
        Object::Neighbour => RouteChange::neighbour(action, neighbour::neighbour(rest, &context)?),
        Object::Nexthop => RouteChange::nexthop(action, nexthop::nexthop(action, rest, &context)?),
    };
    let first = words.first();
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    Ok(ParsedChange {
        change,
        line: first.map_or(1, |word| word.line),
        column: first.map_or(1, |word| word.column),
        text: texts.join(" "),
    })
}

fn action(
    object: Object,
    name: &str,
    words: &mut Words<'_>,
) -> Result<ChangeAction, Box<ParseError>> {
    let table = match object {
        Object::Route | Object::Other => ROUTE_ACTIONS,
        Object::Rule => RULE_ACTIONS,
        Object::Neighbour => NEIGHBOUR_ACTIONS,
        Object::Nexthop => NEXTHOP_ACTIONS,
    };
    let changing = || table.iter().filter(|(_, _, action)| action.is_some());
    let names: Vec<&str> = changing().map(|(name, ..)| *name).collect();
    let expected = names.join(", ");
    let word = words.value(name, &expected)?;
    match keyword(table, &word.text) {
        Some(Some(action)) => Ok(action),
        Some(None) => {
            let problem = format!("after '{name}' does not say what to change");
            Err(words.wrong(word, &problem, &expected))
        }
        None => {
            let problem = format!("is not understood after '{name}'");
            Err(words.unknown(word, &problem, &expected, names))
        }
    }
}

#[cfg(test)]
mod tests;
