//! The options of a rule one by one: which match or target each belongs to, and what the rule is in the end.

use super::super::ext::{self, Spec};
use super::super::header::{self, HeaderText};
use super::super::options::{self, Given, Known, Options};
use super::super::words::Word;
use super::super::{Machine, Wrong};
use super::*;
use crate::lang::iptables::rule::{Part, Rule, Target};
use crate::model::Family;
use crate::model::expression::Counter;
use crate::model::xtables::ExtensionKind;
use crate::model::xtables::rule::{Header, LegacyVerdict};

/// A match or target that was named, and what was given for it so far.
struct Loaded {
    spec: &'static Spec,
    /// The name as it was written; aliases mean something.
    name: String,
    given: Vec<Given>,
    start: usize,
    end: usize,
}

enum Jump {
    Nothing,
    Verdict(LegacyVerdict),
    Chain { name: String, goto: bool },
    Extension,
}

pub(super) struct Reader<'r> {
    pub(super) words: std::iter::Peekable<std::slice::Iter<'r, Word>>,
    family: Family,
    machine: &'r Machine,
    header: HeaderText,
    header_given: Vec<&'static str>,
    matches: Vec<Loaded>,
    target: Option<Loaded>,
    jump: Jump,
    pub(super) counters: Option<Counter>,
}

pub(super) fn unknown(word: &Word) -> Wrong {
    Wrong::new(
        word.start,
        word.end,
        format!("`{}` is not understood here", word.text),
    )
}

impl<'r> Reader<'r> {
    pub(super) fn new(words: &'r [Word], family: Family, machine: &'r Machine) -> Reader<'r> {
        let mut reader = Reader {
            words: words.iter().peekable(),
            family,
            machine,
            header: HeaderText::new(family),
            header_given: Vec::new(),
            matches: Vec::new(),
            target: None,
            jump: Jump::Nothing,
            counters: None,
        };
        if family == Family::Bridge {
            // All matches of ebtables can be used without being named.
            for spec in ext::of_family(ExtensionKind::Match, family) {
                reader.matches.push(Loaded::implied(spec));
            }
            for spec in ext::watchers() {
                reader.matches.push(Loaded::implied(spec));
            }
        }
        reader
    }

    /// One option with its values; gives back a word that is no option of a rule.
    pub(super) fn option(&mut self) -> Result<Option<(Word, bool)>, Wrong> {
        let mut inverted = false;
        let Some(mut word) = self.words.next().cloned() else {
            return Ok(None);
        };
        if word.text == "!" {
            inverted = true;
            word = match self.words.next() {
                Some(next) if next.text != "!" => next.clone(),
                Some(next) => return Err(Wrong::new(word.start, next.end, "inverted twice")),
                None => return Err(Wrong::new(word.start, word.end, "what is inverted?")),
            };
        }
        if let Some(found) = self.find(&word)? {
            self.take(&word, inverted, found)?;
            return Ok(None);
        }
        let not_inverted = |word: &Word| match inverted {
            true => Err(Wrong::new(word.start, word.end, "this cannot be inverted")),
            false => Ok(()),
        };
        match &*word.text {
            "-m" | "--match" => {
                not_inverted(&word)?;
                let name = self.value(&word)?;
                self.load(&name)?;
            }
            "-j" | "--jump" => {
                not_inverted(&word)?;
                let name = self.value(&word)?;
                self.jump(&name)?;
            }
            "-g" | "--goto" if matches!(self.family, Family::Ip | Family::Ip6) => {
                not_inverted(&word)?;
                let name = self.value(&word)?;
                chain_name(&name.text)
                    .map_err(|message| Wrong::new(name.start, name.end, message))?;
                self.jump = Jump::Chain {
                    name: name.text,
                    goto: true,
                };
            }
            "-c" | "--set-counters" => {
                let packets = self.value(&word)?;
                let bytes = self.value(&word)?;
                let (Ok(packets), Ok(bytes)) = (packets.text.parse(), bytes.text.parse()) else {
                    return Err(Wrong::new(
                        packets.start,
                        bytes.end,
                        "these are no counters",
                    ));
                };
                self.counters = Some(Counter { packets, bytes });
            }
            "-4" | "--ipv4" | "-6" | "--ipv6" => {}
            _ => return Ok(Some((word, inverted))),
        }
        Ok(None)
    }

    fn value(&mut self, option: &Word) -> Result<Word, Wrong> {
        match self.words.next() {
            Some(word) => Ok(word.clone()),
            None => Err(Wrong::new(
                option.start,
                option.end,
                format!("{} needs a value", option.text),
            )),
        }
    }

    /// The option that a word names: of the header, of the target, of a match. The index of a match, or none.
    fn find(&mut self, word: &Word) -> Result<Option<(Place, Known)>, Wrong> {
        let text = &*word.text;
        let Some(name) = text.strip_prefix("--").or_else(|| {
            let short = text.strip_prefix('-')?;
            (short.chars().count() == 1).then_some(short)
        }) else {
            return Ok(None);
        };
        let long = text.starts_with("--");
        let own = |names: &[&str]| {
            names
                .iter()
                .any(|one| *one == name && (one.len() == 1) != long)
        };
        // `-m policy --proto` is the match's, not the rule's.
        if long && let Some(found) = self.find_in(name, true) {
            return Ok(Some(found));
        }
        if let Some((_, known)) =
            options::known(header::known(self.family)).find(|(names, _)| own(names))
        {
            return Ok(Some((Place::Header, known)));
        }
        if !long {
            return Ok(None);
        }
        for exact in [true, false] {
            if let Some(found) = self.find_in(name, exact) {
                return Ok(Some(found));
            }
            // `-p tcp` alone makes the options of the tcp match known.
            let (proto, _) = self.header.proto();
            if exact
                && let Some(spec) = ext::of_protocol(self.family, proto)
                && !self
                    .matches
                    .iter()
                    .any(|loaded| loaded.spec.name == spec.name)
            {
                let mut implied = Loaded::implied(spec);
                (implied.start, implied.end) = (word.start, word.end);
                self.matches.push(implied);
                match self.find_in(name, exact) {
                    Some(found) => return Ok(Some(found)),
                    None => drop(self.matches.pop()),
                }
            }
        }
        Ok(None)
    }

    fn find_in(&self, name: &str, exact: bool) -> Option<(Place, Known)> {
        let fits = |names: &[&str]| {
            names
                .iter()
                .any(|one| *one == name || (!exact && name.len() > 2 && one.starts_with(name)))
        };
        let of = |loaded: &Loaded| {
            let mut there = options::known(loaded.spec.options).filter(|(names, _)| fits(names));
            let (_, known) = there.next()?;
            (exact || there.next().is_none()).then_some(known)
        };
        if let Some(known) = self.target.as_ref().and_then(of) {
            return Some((Place::Target, known));
        }
        let mut matches = self.matches.iter().enumerate().rev();
        matches.find_map(|(index, loaded)| Some((Place::Match(index), of(loaded)?)))
    }

    fn take(
        &mut self,
        word: &Word,
        inverted: bool,
        (place, known): (Place, Known),
    ) -> Result<(), Wrong> {
        let mut inverted = inverted;
        let wrong =
            |message: &str| Wrong::new(word.start, word.end, format!("{}: {message}", word.text));
        if !inverted && known.values > 0 && self.words.next_if(|next| next.text == "!").is_some() {
            inverted = true;
        }
        if inverted && !known.invertible {
            return Err(wrong("this cannot be inverted"));
        }
        let mut values = [String::new(), String::new()];
        let mut end = word.end;
        let bare = known.optional
            && self
                .words
                .peek()
                .is_none_or(|next| next.text.starts_with(['-', '!']));
        let wanted = if bare { 0 } else { usize::from(known.values) };
        for value in values.iter_mut().take(wanted) {
            let next = self.value(word)?;
            end = next.end;
            *value = next.text;
        }
        let [value, second] = values;
        let given = Given {
            name: known.name,
            value,
            second,
            inverted,
            start: word.start,
            end,
        };
        let list = match place {
            Place::Header => {
                if self.header_given.contains(&known.name) {
                    return Err(wrong("given twice"));
                }
                self.header_given.push(known.name);
                return self.header.set(&given, self.family, self.machine);
            }
            Place::Target => self.target.as_mut().map(|loaded| &mut loaded.given),
            Place::Match(index) => self.matches.get_mut(index).map(|loaded| &mut loaded.given),
        };
        if let Some(list) = list {
            if !known.repeatable && list.iter().any(|there| there.name == known.name) {
                return Err(wrong("given twice"));
            }
            list.push(given);
        }
        Ok(())
    }

    fn load(&mut self, name: &Word) -> Result<(), Wrong> {
        let spec = ext::find(ExtensionKind::Match, self.family, &name.text).ok_or_else(|| {
            Wrong::new(
                name.start,
                name.end,
                format!("there is no match `{}`", name.text),
            )
        })?;
        self.matches.push(Loaded {
            spec,
            name: name.text.clone(),
            given: Vec::new(),
            start: name.start,
            end: name.end,
        });
        Ok(())
    }

    fn jump(&mut self, name: &Word) -> Result<(), Wrong> {
        if !matches!(self.jump, Jump::Nothing) {
            return Err(Wrong::new(name.start, name.end, "a second target"));
        }
        let bridge = self.family == Family::Bridge;
        self.jump = match &*name.text {
            "ACCEPT" => Jump::Verdict(LegacyVerdict::Accept),
            "DROP" => Jump::Verdict(LegacyVerdict::Drop),
            "RETURN" => Jump::Verdict(LegacyVerdict::Return),
            "CONTINUE" if bridge => Jump::Verdict(LegacyVerdict::Continue),
            text => match ext::find(ExtensionKind::Target, self.family, text) {
                Some(spec) if !spec.watcher => {
                    self.target = Some(Loaded {
                        spec,
                        name: name.text.clone(),
                        given: Vec::new(),
                        start: name.start,
                        end: name.end,
                    });
                    Jump::Extension
                }
                _ => {
                    chain_name(text)
                        .map_err(|message| Wrong::new(name.start, name.end, message))?;
                    Jump::Chain {
                        name: name.text.clone(),
                        goto: false,
                    }
                }
            },
        };
        Ok(())
    }

    fn build(&self, loaded: Loaded) -> Result<Part, Wrong> {
        let (proto, proto_inverted) = self.header.proto();
        for (_, known) in options::known(loaded.spec.options).filter(|(_, known)| known.mandatory) {
            if !loaded.given.iter().any(|given| given.name == known.name) {
                let message = format!("{}: --{} is missing", loaded.name, known.name);
                return Err(Wrong::new(loaded.start, loaded.end, message));
            }
        }
        (loaded.spec.build)(&Options {
            given: loaded.given,
            start: loaded.start,
            end: loaded.end,
            name: &loaded.name,
            family: self.family,
            proto,
            proto_inverted,
            lengths: matches!(&self.header.header, Header::Bridge(header) if header.bitmask & 2 != 0),
            machine: self.machine,
        })
    }

    /// A built-in chain has no device of the side that the packet has not been at yet.
    pub(super) fn devices_fit(&self, chain: &str) -> Result<(), &'static str> {
        let given = |names: [&str; 2]| names.iter().any(|name| self.header_given.contains(name));
        match chain {
            _ if self.family == Family::Arp => Ok(()),
            "INPUT" | "PREROUTING" if given(["o", "logical-out"]) => {
                Err("this chain knows no output device")
            }
            "OUTPUT" | "POSTROUTING" if given(["i", "logical-in"]) => {
                Err("this chain knows no input device")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> Result<Vec<Rule>, Wrong> {
        if let Some(word) = self.words.next() {
            return Err(unknown(word));
        }
        let mut parts = Vec::new();
        let matches = std::mem::take(&mut self.matches);
        let bridge = self.family == Family::Bridge;
        // Those that were not named count from their first option on.
        let mut used: Vec<Loaded> = matches
            .into_iter()
            .filter(|loaded| !bridge || !loaded.given.is_empty())
            .collect();
        if bridge {
            used.sort_by_key(|loaded| loaded.given.first().map_or(0, |given| given.start));
        }
        for loaded in used {
            parts.push(self.build(loaded)?);
        }
        let target = match std::mem::replace(&mut self.jump, Jump::Nothing) {
            Jump::Nothing | Jump::Verdict(LegacyVerdict::Continue) => Target::Nothing,
            Jump::Verdict(verdict) => Target::Verdict(verdict),
            Jump::Chain { name, goto: true } => Target::Goto(name.as_str().into()),
            Jump::Chain { name, goto: false } => Target::Jump(name.as_str().into()),
            Jump::Extension => match self.target.take() {
                Some(loaded) => Target::Extension(self.build(loaded)?),
                None => Target::Nothing,
            },
        };
        let mut headers =
            std::mem::replace(&mut self.header, HeaderText::new(self.family)).headers();
        if matches!(target, Target::Goto(_)) {
            for header in &mut headers {
                match header {
                    Header::Ip(header) => header.flags |= 2,
                    Header::Ip6(header) => header.flags |= 4,
                    _ => {}
                }
            }
        }
        let counters = self.counters.unwrap_or_default();
        Ok(headers
            .into_iter()
            .map(|header| Rule {
                header,
                parts: parts.clone(),
                target: target.clone(),
                counters,
            })
            .collect())
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Header,
    Target,
    Match(usize),
}

impl Loaded {
    fn implied(spec: &'static Spec) -> Loaded {
        Loaded {
            spec,
            name: spec.name.to_owned(),
            given: Vec::new(),
            start: 0,
            end: 0,
        }
    }
}
