//! Why the kernel did not take a transaction, command by command, in its own words and in ours. Pure.

use super::expression;
use super::transaction::{Part, Unsendable};
use crate::kernel::netlink::{Attrs, KernelError};
use crate::model::command::*;
use crate::model::expression::ObjrefTarget;
use crate::model::{Data, Expression, Verdict};
use rustables::sys::*;
use std::io;
use thiserror::Error;

/// Nothing was changed.
#[derive(Debug, Error)]
pub enum Refused {
    /// Somebody else changed the ruleset since the generation that was asked for.
    #[error("somebody else changed the ruleset in the meantime")]
    Moved,
    /// Commands that the kernel refuses; at least one. The others of the transaction may be right.
    #[error("{}", first(.0))]
    Commands(Vec<Refusal>),
    /// More than this user may send at once.
    #[error(
        "the changes take {bytes} bytes, more than this user may send at once; raise net.core.wmem_max, or run as root"
    )]
    TooBig { bytes: usize },
    /// The kernel did not look at the commands.
    #[error("{}", explain_whole(.0))]
    Kernel(#[from] KernelError),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Kernel(error.into())
    }
}

fn first(refusals: &[Refusal]) -> String {
    match refusals {
        [] => "refused".to_owned(),
        [one] => one.to_string(),
        [one, more @ ..] => format!("{one}, and {} more", more.len()),
    }
}

fn explain_whole(error: &KernelError) -> String {
    match error.errno() {
        Some(libc::EPERM) => {
            "changing the ruleset needs CAP_NET_ADMIN in this network namespace".into()
        }
        Some(libc::EOPNOTSUPP) => "this kernel has no nf_tables".into(),
        Some(libc::ENOMEM | libc::ENOBUFS) => {
            "the kernel has no memory for so large a transaction".into()
        }
        _ => error.to_string(),
    }
}

/// One command that the kernel refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the command in the transaction.
    pub command: usize,
    pub errno: i32,
    /// The kernel's own words (extended ack).
    pub message: Option<String>,
    /// Where in the message the kernel points at, from the start of its header. bytes
    pub offset: Option<u32>,
    /// What stands there.
    pub part: Option<Part>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "change {}: {}", self.command + 1, self.kernel())
    }
}

impl Refusal {
    pub(super) fn unsendable(command: usize, reason: Unsendable) -> Refusal {
        let (errno, text) = match reason {
            Unsendable::TooLong => (
                libc::EMSGSIZE,
                "longer than 64 KiB, which netlink cannot carry",
            ),
            Unsendable::NoHandle => (libc::ENOENT, "there is no such chain to rename"),
        };
        Refusal {
            command,
            errno,
            message: Some(text.to_owned()),
            offset: None,
            part: None,
        }
    }

    /// The error in the kernel's words.
    pub fn kernel(&self) -> String {
        let error = io::Error::from_raw_os_error(self.errno).to_string();
        let error = error
            .split(" (os error")
            .next()
            .unwrap_or(&error)
            .to_owned();
        match &self.message {
            Some(text) => format!("{error} ({text})"),
            None => error,
        }
    }

    /// What the error means for this command; the kernel's words where we know no better.
    pub fn explain(&self, command: &Command) -> String {
        let place = format!("{} {}", command.family, command.table);
        let meaning = match self.errno {
            libc::ENOENT => self.missing(command, &place),
            libc::EEXIST => Some(exists(command, &place)),
            libc::EBUSY => Some(busy(command)),
            libc::EPERM => Some(format!(
                "table {place} is owned by another process, which alone may change it"
            )),
            libc::ELOOP => Some("the chains would jump in a circle".to_owned()),
            libc::EMLINK => Some("jumps would nest deeper than 16 chains".to_owned()),
            libc::ERANGE | libc::EOVERFLOW => {
                Some("a number is out of the range that the kernel takes".to_owned())
            }
            libc::ENFILE => Some("the set is full".to_owned()),
            libc::ENOTEMPTY => Some("an interval overlaps one that the set has".to_owned()),
            libc::EOPNOTSUPP => Some(unsupported(command)),
            libc::EINVAL => self.invalid(command),
            libc::ENOMEM => Some("the kernel has no memory for it".to_owned()),
            libc::EMSGSIZE => Some("it is longer than netlink can carry (64 KiB)".to_owned()),
            libc::ENODEV => Some("there is no such device".to_owned()),
            _ => None,
        };
        match meaning {
            Some(meaning) => format!("{meaning} ({})", self.kernel()),
            None => self.kernel(),
        }
    }

    fn missing(&self, command: &Command, place: &str) -> Option<String> {
        let table = || Some(format!("there is no table {place}"));
        let at = match self.part {
            Some(Part::Attribute(kind)) => Some(kind),
            _ => None,
        };
        match &command.what {
            // `NFTA_*_TABLE` is 1 for every kind of object.
            What::MakeTable(..) => None,
            What::TakeTable(..) => table(),
            _ if at == Some(1) => table(),
            What::MakeRule(rule) => match self.part {
                Some(Part::Expression(index)) => {
                    missing_of(expression_of(&rule.body, index)?, place)
                }
                Some(Part::Attribute(NFTA_RULE_CHAIN)) => {
                    Some(format!("table {place} has no chain '{}'", rule.chain))
                }
                _ => match rule.place {
                    Place::Replace(handle)
                    | Place::After(RuleKey::Handle(handle))
                    | Place::Before(RuleKey::Handle(handle)) => Some(format!(
                        "chain {place} '{}' has no rule with handle {handle} any more",
                        rule.chain
                    )),
                    _ => Some(format!(
                        "there is no chain {place} '{}', or no table",
                        rule.chain
                    )),
                },
            },
            What::TakeRule(_, chain, handle) => Some(match at {
                Some(NFTA_RULE_CHAIN) => format!("table {place} has no chain '{chain}'"),
                _ => format!("chain {place} '{chain}' has no rule with handle {handle} any more"),
            }),
            What::FlushRules(Some(chain)) => Some(format!("table {place} has no chain '{chain}'")),
            What::FlushRules(None) => table(),
            What::MakeChain(_, chain) => Some(match &chain.base {
                Some(base) => format!(
                    "there is no chain type '{}' for this family, or no table {place}",
                    base.kind
                ),
                None => format!("there is no table {place}"),
            }),
            What::TakeChain(_, key) => Some(format!("table {place} has no chain {}", named(key))),
            What::RenameChain { from, .. } | What::TakeChainDevices(from, _) => {
                Some(format!("table {place} has no chain '{from}'"))
            }
            What::TakeSet(_, key) => Some(format!("table {place} has no set {}", named(key))),
            What::MakeElements { set, .. } => match self.part {
                Some(Part::Element(index)) => Some(format!(
                    "element {} refers to a chain or object that table {place} does not have",
                    index + 1
                )),
                _ => Some(format!("table {place} has no set '{set}'")),
            },
            What::TakeElements { set, .. } => match self.part {
                Some(Part::Element(index)) => Some(format!(
                    "set {place} '{set}' has no such element (number {})",
                    index + 1
                )),
                _ => Some(format!(
                    "table {place} has no set '{set}', or the set no such element"
                )),
            },
            What::FlushSet(set) => Some(format!("table {place} has no set '{set}'")),
            What::MakeSet(..) => table(),
            What::MakeObject(_, object) => Some(format!(
                "there is no table {place}, or this kernel has nothing for '{}' (a helper's module, for example)",
                object.name
            )),
            What::TakeObject(_, _, key) => {
                Some(format!("table {place} has no object {}", named(key)))
            }
            What::MakeFlowtable(..) => Some(format!(
                "there is no table {place}, or one of the devices does not exist"
            )),
            What::TakeFlowtable(_, key) => {
                Some(format!("table {place} has no flowtable {}", named(key)))
            }
            What::TakeFlowtableDevices(name, _) => Some(format!(
                "table {place} has no flowtable '{name}' with these devices"
            )),
        }
    }

    fn invalid(&self, command: &Command) -> Option<String> {
        match (&command.what, self.part) {
            (What::MakeRule(rule), Some(Part::Expression(index))) => {
                let expression = expression_of(&rule.body, index)?;
                Some(format!(
                    "the kernel does not take the expression '{}' (number {}) here",
                    expression.kernel_name(),
                    index + 1
                ))
            }
            (_, Some(Part::Element(index))) => {
                Some(format!("the kernel does not take element {}", index + 1))
            }
            _ => None,
        }
    }
}

fn named(key: &Key) -> String {
    match key {
        Key::Name(name) => format!("'{name}'"),
        Key::Handle(handle) => format!("with handle {handle}"),
    }
}

fn expression_of(body: &RuleBody, index: usize) -> Option<Expression> {
    match body {
        RuleBody::Built { expressions, .. } => expressions.get(index).cloned(),
        RuleBody::Raw { attributes, .. } => {
            let list = Attrs::new(attributes)
                .filter_map(Result::ok)
                .find(|attr| attr.kind == NFTA_RULE_EXPRESSIONS)?;
            let one = list.nested().filter_map(Result::ok).nth(index)?;
            expression::expression(one.payload).ok()
        }
    }
}

/// What an expression names and the kernel does not find.
fn missing_of(expression: Expression, place: &str) -> Option<String> {
    Some(match expression {
        Expression::Lookup { set, .. }
        | Expression::Dynset { set, .. }
        | Expression::Objref {
            target: ObjrefTarget::Map { set, .. },
        } => format!("table {place} has no set '{set}'"),
        Expression::Objref {
            target: ObjrefTarget::Name { name, .. },
        } => format!("table {place} has no object '{name}' of this kind"),
        Expression::FlowOffload { table } => format!("table {place} has no flowtable '{table}'"),
        Expression::Immediate {
            data: Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)),
            ..
        } => format!("table {place} has no chain '{chain}'"),
        Expression::Match(extension) | Expression::Target(extension) => {
            format!("this kernel has no xtables extension '{}'", extension.name)
        }
        other => format!("this kernel has no '{}' expression", other.kernel_name()),
    })
}

fn exists(command: &Command, place: &str) -> String {
    match &command.what {
        What::MakeTable(..) => format!("there is a table {place} already"),
        What::MakeChain(_, chain) => format!(
            "table {place} has a chain '{}' already, or one with another hook, priority or type",
            chain.name
        ),
        What::RenameChain { to, .. } => format!("table {place} has a chain '{to}' already"),
        What::MakeSet(_, set) => format!(
            "table {place} has a set '{}' already, or one of another type",
            set.name
        ),
        What::MakeElements { set, .. } => {
            format!("set {place} '{set}' has this element already, or overlaps with it")
        }
        What::MakeObject(_, object) => {
            format!("table {place} has an object '{}' already", object.name)
        }
        What::MakeFlowtable(_, flowtable) => format!(
            "table {place} has a flowtable '{}' already, or another one holds one of its devices",
            flowtable.name
        ),
        _ => "it is there already".to_owned(),
    }
}

fn busy(command: &Command) -> String {
    match &command.what {
        What::TakeChain(..) => "the chain is in use: rules or maps jump to it".to_owned(),
        What::TakeSet(..) => "the set is in use: rules refer to it".to_owned(),
        What::TakeObject(..) => "the object is in use: rules or elements refer to it".to_owned(),
        What::TakeFlowtable(..) => "the flowtable is in use: rules refer to it".to_owned(),
        What::MakeElements { .. } => {
            "the element is there already with other data, or the set belongs to a rule".to_owned()
        }
        What::FlushSet(..) | What::TakeElements { .. } => {
            "the set cannot change: it is constant or belongs to a rule".to_owned()
        }
        What::MakeFlowtable(..) | What::MakeChain(..) => {
            "another hook holds the device, or a nat chain this priority".to_owned()
        }
        _ => "it is in use".to_owned(),
    }
}

fn unsupported(command: &Command) -> String {
    match &command.what {
        What::MakeChain(..) => {
            "this kernel does not take such a chain: a type that the hook does not have, a drop policy or flags that a chain cannot change, or too many hooks or devices"
        }
        What::MakeRule(..) => {
            "this kernel does not take such a rule here: an expression does not work at the hooks from which the chain is reached"
        }
        What::TakeTable(Take::Destroy, _)
        | What::TakeChain(Take::Destroy, _)
        | What::TakeSet(Take::Destroy, _)
        | What::TakeRule(Take::Destroy, ..)
        | What::TakeObject(Take::Destroy, ..)
        | What::TakeFlowtable(Take::Destroy, _) => "this kernel does not know 'destroy' (Linux 6.3)",
        What::MakeSet(..) => "this kernel has no set of this kind",
        What::MakeTable(..) => "this kernel does not take these flags of a table",
        _ => "this kernel cannot do that",
    }
    .to_owned()
}
