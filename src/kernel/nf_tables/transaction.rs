//! Changes to the messages of one transaction: `NFNL_MSG_BATCH_BEGIN`, a message for each command (several for
//! many elements), `NFNL_MSG_BATCH_END`. Pure: `commit` sends them.
//!
//! Nothing is acknowledged message by message: the kernel names what it refuses unasked, by sequence number.

use super::{abi, encode_objects, encode_pending};
use crate::kernel::netlink::attr::NLA_F_NESTED;
use crate::kernel::netlink::message::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, Nfgen,
};
use crate::kernel::netlink::{AttrWriter, Attrs};
use crate::model::command::*;
use crate::model::{Element, Family};
use rustables::sys::*;

/// A message carries elements up to this many bytes; an attribute has no room for 64 KiB.
const ELEMENT_BYTES: usize = 60_000;

/// What cannot be put into messages at all: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The attributes of the command take more than netlink can say (64 KiB).
    TooLong,
    /// A chain is renamed by its handle, and none is given.
    NoHandle,
}

/// The messages of one transaction.
#[derive(Debug)]
pub struct Transaction {
    bytes: Vec<u8>,
    /// Message by message, in the order of their sequence numbers from 1.
    messages: Vec<MessageOf>,
}

/// Which command a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageOf {
    pub command: usize,
    /// Of the first element in it, when it carries elements.
    pub first_element: usize,
    /// Where it begins in the bytes.
    start: usize,
}

/// What to ask of the kernel beside the commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framing {
    /// Refuse the transaction unless the ruleset is still of this generation.
    pub generation: Option<u32>,
    /// Leave out the end, upon which the kernel checks everything and applies nothing.
    pub check: bool,
    /// Have the kernel send back what was made, with its handles.
    pub echo: bool,
}

impl Transaction {
    /// Encode commands. An error names the command that cannot be sent.
    pub fn new(commands: &[Command], framing: Framing) -> Result<Transaction, (usize, Unsendable)> {
        let mut writer = Writer {
            bytes: Vec::with_capacity(256 * (commands.len() + 1)),
            messages: Vec::with_capacity(commands.len()),
            echo: framing.echo,
            cut: false,
        };
        writer.frame(abi::BATCH_BEGIN, 0, framing.generation);
        for (index, command) in commands.iter().enumerate() {
            writer
                .command(index, command)
                .map_err(|error| (index, error))?;
            if writer.cut {
                return Err((index, Unsendable::TooLong));
            }
        }
        if !framing.check {
            writer.frame(abi::BATCH_END, writer.sequence(), None);
        }
        Ok(Transaction {
            bytes: writer.bytes,
            messages: writer.messages,
        })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many messages stand between begin and end.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The message with this sequence number; none for those that begin and end the transaction.
    pub fn message(&self, sequence: u32) -> Option<MessageOf> {
        let index = (sequence as usize).checked_sub(1)?;
        self.messages.get(index).copied()
    }

    /// What an offset of the kernel (from the start of the message) points at.
    pub fn part(&self, message: MessageOf, offset: u32) -> Option<Part> {
        let rest = self.bytes.get(message.start..)?;
        let length = u32::from_ne_bytes(*rest.first_chunk::<4>()?) as usize;
        let attributes = rest.get(HEADERS..length)?;
        let target = (offset as usize).checked_sub(HEADERS)?;
        let (kind, start, payload) = attribute_at(attributes, target)?;
        // Which one of a list: its own attributes begin behind two headers.
        let index = || {
            let inside = target.checked_sub(start + 4)?;
            Attrs::new(payload)
                .filter_map(Result::ok)
                .scan(0, |at, attr| {
                    let begin = *at;
                    *at += (4 + attr.payload.len()).next_multiple_of(4);
                    Some(begin)
                })
                .take_while(|begin| *begin <= inside)
                .count()
                .checked_sub(1)
        };
        let type_of = u16::from_ne_bytes(*rest.get(4..)?.first_chunk::<2>()?) & 0xff;
        let listed = match (type_of, kind) {
            (abi::NEWRULE, NFTA_RULE_EXPRESSIONS) => index().map(Part::Expression),
            (
                abi::NEWSETELEM | abi::DELSETELEM | abi::DESTROYSETELEM,
                NFTA_SET_ELEM_LIST_ELEMENTS,
            ) => index().map(|index| Part::Element(message.first_element + index)),
            _ => None,
        };
        Some(listed.unwrap_or(Part::Attribute(kind)))
    }
}

/// `struct nlmsghdr` and `struct nfgenmsg`
const HEADERS: usize = 20;

/// What of a command the kernel points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An attribute of its message, by type (`NFTA_TABLE_*`, `NFTA_CHAIN_*`, ... by the kind of message).
    Attribute(u16),
    /// An expression of the rule, counted from 0.
    Expression(usize),
    /// An element of the command, counted from 0.
    Element(usize),
}

fn attribute_at(attributes: &[u8], target: usize) -> Option<(u16, usize, &[u8])> {
    let mut at = 0;
    for attr in Attrs::new(attributes) {
        let attr = attr.ok()?;
        let next = at + (4 + attr.payload.len()).next_multiple_of(4);
        if target < next {
            return Some((attr.kind, at, attr.payload));
        }
        at = next;
    }
    None
}

struct Writer {
    bytes: Vec<u8>,
    messages: Vec<MessageOf>,
    echo: bool,
    cut: bool,
}

impl Writer {
    fn sequence(&self) -> u32 {
        u32::try_from(self.messages.len() + 1).unwrap_or(u32::MAX)
    }

    fn frame(&mut self, kind: u16, sequence: u32, generation: Option<u32>) {
        self.write(
            kind,
            NLM_F_REQUEST,
            sequence,
            Nfgen::bytes(0, abi::SUBSYSTEM),
            |out| {
                if let Some(generation) = generation {
                    out.be32(abi::BATCH_GENID, generation);
                }
            },
        );
    }

    fn write(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        header: [u8; 4],
        fill: impl FnOnce(&mut AttrWriter),
    ) {
        let start = self.bytes.len();
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&header);
        let mut out = AttrWriter::behind(bytes);
        fill(&mut out);
        self.cut |= out.is_cut();
        self.bytes = out.into_bytes();
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
    }

    /// Append the message of a command.
    fn push(&mut self, of: Of, kind: u16, flags: u16, fill: impl FnOnce(&mut AttrWriter)) {
        let sequence = self.sequence();
        // Only with an echo of the first message does the kernel tell the new generation. Elements have no handles to
        // learn, and would come back one by one.
        let made = [
            abi::NEWTABLE,
            abi::NEWCHAIN,
            abi::NEWRULE,
            abi::NEWSET,
            abi::NEWOBJ,
            abi::NEWFLOWTABLE,
        ];
        let echo = if (self.echo && made.contains(&kind)) || self.messages.is_empty() {
            NLM_F_ECHO
        } else {
            0
        };
        self.messages.push(MessageOf {
            command: of.command,
            first_element: of.first_element,
            start: self.bytes.len(),
        });
        self.write(
            abi::message(kind),
            flags | NLM_F_REQUEST | echo,
            sequence,
            Nfgen::bytes(of.family.to_wire(), 0),
            fill,
        );
    }

    fn command(&mut self, index: usize, command: &Command) -> Result<(), Unsendable> {
        let of = Of {
            command: index,
            first_element: 0,
            family: command.family,
        };
        let table = &*command.table;
        match &command.what {
            What::MakeTable(make, new) => {
                self.push(of, abi::NEWTABLE, making(*make), |out| {
                    encode_objects::table(out, new);
                });
            }
            What::TakeTable(take, key) => {
                let kind = taking(*take, abi::DELTABLE, abi::DESTROYTABLE);
                self.push(of, kind, 0, |out| {
                    if let Some(key) = key {
                        self::key(out, key, NFTA_TABLE_NAME, NFTA_TABLE_HANDLE);
                    }
                });
            }
            What::MakeChain(make, chain) => {
                self.push(of, abi::NEWCHAIN, making(*make), |out| {
                    encode_objects::chain(out, table, chain);
                });
            }
            What::RenameChain { handle, to, .. } => {
                let handle = handle.ok_or(Unsendable::NoHandle)?;
                self.push(of, abi::NEWCHAIN, 0, |out| {
                    out.text(NFTA_CHAIN_TABLE, table)
                        .be64(NFTA_CHAIN_HANDLE, handle)
                        .text(NFTA_CHAIN_NAME, to);
                });
            }
            What::TakeChain(take, key) => {
                let kind = taking(*take, abi::DELCHAIN, abi::DESTROYCHAIN);
                self.push(of, kind, 0, |out| {
                    out.text(NFTA_CHAIN_TABLE, table);
                    self::key(out, key, NFTA_CHAIN_NAME, NFTA_CHAIN_HANDLE);
                });
            }
            What::TakeChainDevices(chain, devices) => {
                self.push(of, abi::DELCHAIN, 0, |out| {
                    out.text(NFTA_CHAIN_TABLE, table)
                        .text(NFTA_CHAIN_NAME, chain);
                    out.nest(NFTA_CHAIN_HOOK, |hook| {
                        hook.nest(NFTA_HOOK_DEVS, |list| {
                            encode_objects::devices(list, devices);
                        });
                    });
                });
            }
            What::MakeRule(rule) => self.rule(of, table, rule),
            What::TakeRule(take, chain, handle) => {
                let kind = taking(*take, abi::DELRULE, abi::DESTROYRULE);
                self.push(of, kind, 0, |out| {
                    out.text(NFTA_RULE_TABLE, table)
                        .text(NFTA_RULE_CHAIN, chain)
                        .be64(NFTA_RULE_HANDLE, *handle);
                });
            }
            What::FlushRules(chain) => {
                self.push(of, abi::DELRULE, 0, |out| {
                    out.text(NFTA_RULE_TABLE, table);
                    if let Some(chain) = chain {
                        out.text(NFTA_RULE_CHAIN, chain);
                    }
                });
            }
            What::MakeSet(make, set) => {
                self.push(of, abi::NEWSET, making(*make), |out| {
                    encode_objects::set(out, table, set);
                });
            }
            What::TakeSet(take, key) => {
                let kind = taking(*take, abi::DELSET, abi::DESTROYSET);
                self.push(of, kind, 0, |out| {
                    out.text(NFTA_SET_TABLE, table);
                    self::key(out, key, NFTA_SET_NAME, NFTA_SET_HANDLE);
                });
            }
            What::MakeElements {
                set,
                make,
                elements,
            } => self.elements(
                of,
                (table, set),
                (abi::NEWSETELEM, making(*make)),
                elements,
                encode_objects::element,
            ),
            What::TakeElements {
                set,
                take,
                elements,
            } => {
                let kind = taking(*take, abi::DELSETELEM, abi::DESTROYSETELEM);
                self.elements(
                    of,
                    (table, set),
                    (kind, 0),
                    elements,
                    encode_objects::element_key,
                );
            }
            What::FlushSet(set) => {
                self.push(of, abi::DELSETELEM, 0, |out| {
                    out.text(NFTA_SET_ELEM_LIST_TABLE, table)
                        .text(NFTA_SET_ELEM_LIST_SET, set);
                });
            }
            What::MakeObject(make, object) => {
                self.push(of, abi::NEWOBJ, making(*make), |out| {
                    encode_objects::object(out, table, object);
                });
            }
            What::TakeObject(take, kind, key) => {
                let message = taking(*take, abi::DELOBJ, abi::DESTROYOBJ);
                self.push(of, message, 0, |out| {
                    out.text(NFTA_OBJ_TABLE, table).be32(NFTA_OBJ_TYPE, *kind);
                    self::key(out, key, NFTA_OBJ_NAME, NFTA_OBJ_HANDLE);
                });
            }
            What::MakeFlowtable(make, flowtable) => {
                self.push(of, abi::NEWFLOWTABLE, making(*make), |out| {
                    encode_objects::flowtable(out, table, flowtable);
                });
            }
            What::TakeFlowtable(take, key) => {
                let kind = taking(*take, abi::DELFLOWTABLE, abi::DESTROYFLOWTABLE);
                self.push(of, kind, 0, |out| {
                    out.text(NFTA_FLOWTABLE_TABLE, table);
                    self::key(out, key, NFTA_FLOWTABLE_NAME, NFTA_FLOWTABLE_HANDLE);
                });
            }
            What::TakeFlowtableDevices(name, devices) => {
                self.push(of, abi::DELFLOWTABLE, 0, |out| {
                    out.text(NFTA_FLOWTABLE_TABLE, table)
                        .text(NFTA_FLOWTABLE_NAME, name);
                    out.nest(NFTA_FLOWTABLE_HOOK, |hook| {
                        hook.nest(NFTA_FLOWTABLE_HOOK_DEVS, |list| {
                            encode_objects::devices(list, devices);
                        });
                    });
                });
            }
        }
        Ok(())
    }

    fn rule(&mut self, of: Of, table: &str, rule: &NewRule) {
        let flags = match rule.place {
            Place::Last | Place::After(_) => NLM_F_CREATE | NLM_F_APPEND,
            Place::First | Place::Before(_) => NLM_F_CREATE,
            Place::Replace(_) => NLM_F_REPLACE,
        };
        self.push(of, abi::NEWRULE, flags, |out| {
            out.text(NFTA_RULE_TABLE, table);
            match split_pending(&rule.chain) {
                Some((_, id)) => out.be32(abi::NFTA_RULE_CHAIN_ID, id),
                None => out.text(NFTA_RULE_CHAIN, &rule.chain),
            };
            match rule.place {
                Place::Last | Place::First => {}
                Place::After(RuleKey::Handle(handle)) | Place::Before(RuleKey::Handle(handle)) => {
                    out.be64(NFTA_RULE_POSITION, handle);
                }
                Place::After(RuleKey::Id(id)) | Place::Before(RuleKey::Id(id)) => {
                    out.be32(NFTA_RULE_POSITION_ID, id);
                }
                Place::Replace(handle) => {
                    out.be64(NFTA_RULE_HANDLE, handle);
                }
            }
            if let Some(id) = rule.id {
                out.be32(NFTA_RULE_ID, id);
            }
            match &rule.body {
                RuleBody::Built {
                    expressions,
                    userdata,
                    compat,
                } => {
                    out.nest(NFTA_RULE_EXPRESSIONS, |list| {
                        encode_pending::list(list, expressions);
                    });
                    if let Some((protocol, flags)) = compat {
                        encode_objects::compat(out, *protocol, *flags);
                    }
                    if !userdata.is_empty() {
                        out.put(NFTA_RULE_USERDATA, userdata);
                    }
                }
                RuleBody::Raw {
                    attributes,
                    renamed,
                    compat,
                } => {
                    for attr in Attrs::new(attributes).filter_map(Result::ok) {
                        match attr.kind {
                            NFTA_RULE_EXPRESSIONS => {
                                let start = out.begin(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED);
                                encode_pending::raw_list(out, attr.payload, renamed);
                                out.end(start);
                            }
                            NFTA_RULE_USERDATA => {
                                out.put(NFTA_RULE_USERDATA, attr.payload);
                            }
                            _ => {}
                        }
                    }
                    if let Some((protocol, flags)) = compat {
                        encode_objects::compat(out, *protocol, *flags);
                    }
                }
            }
        });
    }

    /// As many messages as the elements need; none where there are none.
    fn elements(
        &mut self,
        of: Of,
        (table, set): (&str, &str),
        (kind, flags): (u16, u16),
        elements: &[Element],
        encode: fn(&mut AttrWriter, &Element),
    ) {
        let mut done = 0;
        while done < elements.len() {
            let of = Of {
                first_element: done,
                ..of
            };
            self.push(of, kind, flags, |out| {
                out.text(NFTA_SET_ELEM_LIST_TABLE, table);
                encode_objects::set_name(
                    out,
                    NFTA_SET_ELEM_LIST_SET,
                    NFTA_SET_ELEM_LIST_SET_ID,
                    set,
                );
                let list = out.begin(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
                let mut fit = 0;
                for element in elements.iter().skip(done) {
                    let before = out.as_bytes().len();
                    out.nest(NFTA_LIST_ELEM, |out| encode(out, element));
                    if fit > 0 && out.as_bytes().len() - list > ELEMENT_BYTES {
                        out.truncate(before);
                        break;
                    }
                    fit += 1;
                }
                out.end(list);
                done += fit;
            });
        }
    }
}

/// What a message is of.
#[derive(Clone, Copy)]
struct Of {
    command: usize,
    first_element: usize,
    family: Family,
}

fn making(make: Make) -> u16 {
    match make {
        Make::Add => NLM_F_CREATE,
        Make::Create => NLM_F_CREATE | NLM_F_EXCL,
    }
}

fn taking(take: Take, delete: u16, destroy: u16) -> u16 {
    match take {
        Take::Delete => delete,
        Take::Destroy => destroy,
    }
}

fn key(out: &mut AttrWriter, key: &Key, name_kind: u16, handle_kind: u16) {
    match key {
        Key::Name(name) => out.text(name_kind, name),
        Key::Handle(handle) => out.be64(handle_kind, *handle),
    };
}
