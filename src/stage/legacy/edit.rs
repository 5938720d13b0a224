//! Rules put into a legacy table and taken out of it one by one, in its bytes. Pure.

use super::counted::{Counters, Splice};
use super::merge::Key;
use crate::kernel::legacy::blob::{self, Blob, BlobError};
use crate::kernel::legacy::splice::{ChainBytes, Index, Place};
use crate::model::xtables::rule::{LegacyChain, LegacyRule};
use crate::model::{Family, Name};
use serde::{Deserialize, Serialize};

/// A table while rules are changed in it.
pub struct Editor {
    table: Name,
    now: Now,
    chains: Vec<Changed>,
    splices: Vec<Splice>,
}

/// The bytes as they are now.
struct Now {
    family: Family,
    blob: Blob,
    /// One pass over them, made when it is wanted.
    index: Option<Index>,
}

impl Now {
    /// They, and what is where in them.
    fn known(&mut self) -> Result<(&Blob, &Index), BlobError> {
        let index = match self.index.take() {
            Some(index) => index,
            None => Index::of(self.family, &self.blob)?,
        };
        Ok((&self.blob, self.index.insert(index)))
    }
}

/// What came of it.
pub struct Edited {
    pub(super) family: Family,
    pub(super) table: Name,
    pub(super) after: Blob,
    pub(super) chains: Vec<Changed>,
    pub(super) counters: Counters,
}

/// A chain as it was, and what was done to its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    before: ChainBytes,
    edits: Vec<Edit>,
}

/// One rule put before the one of this number, from 0, or into its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Edit {
    number: usize,
    instead: bool,
    new: Option<LegacyRule>,
}

impl Edit {
    fn make(&self, rules: &mut Vec<LegacyRule>) -> Option<LegacyRule> {
        let at = self.number.min(rules.len());
        let end = (at + usize::from(self.instead)).min(rules.len());
        let new = self.new.as_ref().map(blob::as_told);
        rules.splice(at..end, new).next()
    }
}

impl Changed {
    /// The chain before and after.
    pub(super) fn decode(&self) -> Result<(LegacyChain, LegacyChain), BlobError> {
        let before = self.before.decode()?;
        let mut after = before.clone();
        for edit in &self.edits {
            edit.make(&mut after.rules);
        }
        Ok((before, after))
    }

    /// What takes the edits back, one after the other.
    fn back(&self) -> Result<Vec<Edit>, BlobError> {
        let mut rules = self.before.decode()?.rules;
        let back = self.edits.iter().map(|edit| Edit {
            number: edit.number,
            instead: edit.new.is_some(),
            new: edit.make(&mut rules),
        });
        let mut back: Vec<Edit> = back.collect();
        back.reverse();
        Ok(back)
    }
}

/// How chains are brought back.
pub(super) enum Back {
    /// They are what they were.
    Done,
    /// Nobody else has touched them: rule by rule, each in its own place.
    Edited(Edited),
    /// Others have.
    Merge,
}

/// What brings chains of a table back, as its bytes are now.
pub(super) fn back(
    family: Family,
    table: &str,
    now: Blob,
    chains: &[Changed],
) -> Result<Back, BlobError> {
    let Ok(mut editor) = Editor::new(family, table, now) else {
        return Ok(Back::Merge);
    };
    let (mut done, mut made) = (true, true);
    for one in chains {
        let (before, after) = one.decode()?;
        let Some(place) = editor.chain(one.before.name())? else {
            return Ok(Back::Merge);
        };
        let now: Result<Vec<_>, _> = editor.rules(place)?.collect();
        let now = now?;
        let same = |rules: &[LegacyRule]| {
            rules.len() == now.len() && rules.iter().zip(&now).all(|(a, b)| Key(a) == Key(b))
        };
        done &= same(&before.rules);
        made &= same(&after.rules);
    }
    if done {
        return Ok(Back::Done);
    }
    if !made {
        return Ok(Back::Merge);
    }
    for one in chains {
        for edit in one.back()? {
            let name = one.before.name();
            match editor.change(name, edit.number, edit.instead, edit.new.as_ref()) {
                // Others have taken away what a rule led to.
                Err(BlobError::NoChain(_)) => return Ok(Back::Merge),
                result => result?,
            }
        }
    }
    Ok(Back::Edited(editor.done()))
}

impl Editor {
    /// # Errors
    /// Gives a table back whose bytes lie in another way than iptables lays them.
    pub fn new(family: Family, table: &str, blob: Blob) -> Result<Editor, Blob> {
        match Index::of(family, &blob) {
            Err(_) => Err(blob),
            Ok(index) => Ok(Editor {
                table: table.into(),
                now: Now {
                    family,
                    blob,
                    index: Some(index),
                },
                chains: Vec::new(),
                splices: Vec::new(),
            }),
        }
    }

    /// The chain of this name.
    pub fn chain(&mut self, name: &str) -> Result<Option<Place>, BlobError> {
        let (blob, index) = self.now.known()?;
        Ok(index.chain(blob, name))
    }

    /// The rules of a chain, one after the other as they are asked for.
    pub fn rules(
        &mut self,
        chain: Place,
    ) -> Result<impl ExactSizeIterator<Item = Result<LegacyRule, BlobError>>, BlobError> {
        let (blob, index) = self.now.known()?;
        let places = index.rules(blob, chain)?;
        Ok(places.into_iter().map(|at| index.rule(blob, at)))
    }

    /// Put a rule before the one of this number, from 0, or behind the last one; with `instead`, take the one of this
    /// number out. The chain is one that is there, and has such a rule.
    pub fn change(
        &mut self,
        chain: &str,
        number: usize,
        instead: bool,
        new: Option<&LegacyRule>,
    ) -> Result<(), BlobError> {
        let place = self.chain(chain)?;
        let place = place.ok_or_else(|| BlobError::NoChain(chain.to_owned()))?;
        let (blob, index) = self.now.known()?;
        let at = match index.rules(blob, place)?.get(number) {
            Some(at) => *at,
            None if instead => return Err(BlobError::Offset(place.last)),
            None => place.last,
        };
        let mut chains = self.chains.iter();
        let known = match chains.position(|one| &**one.before.name() == chain) {
            Some(known) => known,
            None => {
                let before = index.copy(blob, chain, place)?;
                let edits = Vec::new();
                self.chains.push(Changed { before, edits });
                self.chains.len() - 1
            }
        };
        if let Some(index) = self.now.index.take() {
            index.splice(&mut self.now.blob, at, instead, new)?;
        }
        if let Some(one) = self.chains.get_mut(known) {
            one.edits.push(Edit {
                number,
                instead,
                new: new.cloned(),
            });
        }
        self.splices.push(Splice {
            at: place.number.saturating_add(number),
            instead,
            new: new.map(|rule| rule.counters),
        });
        Ok(())
    }

    pub fn done(self) -> Edited {
        Edited {
            family: self.now.family,
            table: self.table,
            after: self.now.blob,
            chains: self.chains,
            counters: Counters::Edited(self.splices),
        }
    }
}
