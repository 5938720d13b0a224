//! `lookup`, `dynset`, `objref` and the state that elements carry (`nft_lookup.c`, `nft_dynset.c`, `nft_objref.c`).

use super::program::{ChainId, SetId};
use super::{Next, Walk};
use crate::flow::path::Added;
use crate::model::expression::{DynsetOp, ObjrefTarget};
use crate::model::{Expression, Object, ObjectData};

impl<'s> Walk<'s, '_> {
    pub(super) fn lookup(
        &mut self,
        set: Option<SetId>,
        sreg: usize,
        dreg: Option<usize>,
        verdicts: bool,
        invert: bool,
    ) -> Next<'s> {
        let sim = self.sim;
        let Some((id, index)) = set.and_then(|id| Some((id, sim.program.set_index(id)?))) else {
            return Next::Break;
        };
        if let Some(problem) = &index.problem {
            return self.break_or_not(|| {
                let name = sim.program.set(id).map_or("", |set| &*set.name);
                format!("the set '{name}': {problem}")
            });
        }
        if let Some(what) = self.registers.unknown(sreg, index.key_len) {
            return self.unknown_key(what, index, dreg, verdicts);
        }
        let Some(key) = self.registers.get(sreg, index.key_len) else {
            return Next::Break;
        };
        let added = if self.added.is_empty() {
            None
        } else {
            self.added
                .iter()
                .rev()
                .find(|added| added.set == id && *added.key == *key)
        };
        let found = match added {
            Some(Added { deleted: true, .. }) => None,
            Some(Added { data, .. }) => {
                if invert {
                    return Next::Break;
                }
                if let (Some(dreg), Some(data)) = (dreg, data.clone()) {
                    self.registers.put(dreg, &data);
                }
                return Next::Continue;
            }
            None => index.find(key),
        };
        match (found, invert) {
            (None, true) => Next::Continue,
            (Some(_), true) | (None, false) => Next::Break,
            (Some(value), false) => {
                if let (Some(dreg), Some(data)) = (dreg, &value.data) {
                    self.registers.put(dreg, data);
                }
                for expression in &value.expressions {
                    match self.stateful(expression) {
                        Next::Continue => {}
                        other => return other,
                    }
                }
                match (&value.verdict, verdicts) {
                    (Some(target), true) => Next::Verdict(target),
                    _ => Next::Continue,
                }
            }
        }
    }

    /// A key that nobody knows: any element may be the one.
    fn unknown_key(
        &mut self,
        what: &'static str,
        index: &'s crate::flow::sets::SetIndex,
        dreg: Option<usize>,
        verdicts: bool,
    ) -> Next<'s> {
        const SHOWN: usize = 8;
        let values = index.values();
        let options = || {
            let mut options = vec!["no element".to_owned()];
            options.extend((1..=values.len().min(SHOWN)).map(|n| format!("element {n}")));
            options
        };
        let taken = self.choose(|| what.into(), options, false);
        let Some(value) = taken.checked_sub(1).and_then(|place| values.get(place)) else {
            return Next::Break;
        };
        if let (Some(dreg), Some(data)) = (dreg, &value.data) {
            self.registers.put(dreg, data);
        }
        match (&value.verdict, verdicts) {
            (Some(target), true) => Next::Verdict(target),
            _ => Next::Continue,
        }
    }

    pub(super) fn dynset(&mut self, chain: ChainId, expression: &'s Expression) -> Next<'s> {
        let Expression::Dynset {
            set,
            op,
            sreg_key,
            sreg_data,
            flags,
            expressions,
            ..
        } = expression
        else {
            return Next::Continue;
        };
        const INVERT: u32 = 1;
        let sim = self.sim;
        let table = sim.program.chains.get(chain).map_or(0, |code| code.table);
        let id = sim.program.set_named(table, set);
        let Some((id, index)) = id.and_then(|id| Some((id, sim.program.set_index(id)?))) else {
            return self.break_or_not(|| format!("there is no set '{set}'"));
        };
        let (Some(at), Some(size)) = (super::program::place(*sreg_key), sim.program.set(id)) else {
            return Next::Break;
        };
        let Some(key) = self.registers.get(at, index.key_len).map(<[u8]>::to_vec) else {
            return Next::Break;
        };
        let data = sreg_data
            .and_then(super::program::place)
            .and_then(|at| self.registers.get(at, size.data_len.unwrap_or(0) as usize))
            .map(<[u8]>::to_vec);
        let before = self
            .added
            .iter()
            .rev()
            .find(|added| added.set == id && added.key == key);
        let known = match before {
            Some(added) => !added.deleted,
            None => index.find(&key).is_some(),
        };
        let invert = *flags & INVERT != 0;
        if *op == DynsetOp::Delete {
            self.added.push(Added {
                set: id,
                key,
                data: None,
                deleted: true,
            });
            return if known == invert {
                Next::Break
            } else {
                Next::Continue
            };
        }
        if !known {
            let room = size.size.unwrap_or(u32::MAX) as usize;
            if index.len() + self.added.len() >= room {
                return if invert { Next::Continue } else { Next::Break };
            }
            self.added.push(Added {
                set: id,
                key,
                data,
                deleted: false,
            });
        }
        if invert {
            return Next::Break;
        }
        for expression in expressions {
            match self.stateful(expression) {
                Next::Continue => {}
                other => return other,
            }
        }
        Next::Continue
    }

    pub(super) fn objref(&mut self, chain: ChainId, target: &'s ObjrefTarget) -> Next<'s> {
        let sim = self.sim;
        let table = sim.program.chains.get(chain).map_or(0, |code| code.table);
        let object: Option<&Object> = match target {
            ObjrefTarget::Name { kind, name } => sim.program.object(table, Some(*kind), name),
            ObjrefTarget::Map { sreg, set } => {
                let id = sim.program.set_named(table, set);
                let Some(index) = id.and_then(|id| sim.program.set_index(id)) else {
                    return Next::Break;
                };
                let Some(at) = super::program::place(*sreg) else {
                    return Next::Break;
                };
                let found = self
                    .registers
                    .get(at, index.key_len)
                    .and_then(|key| index.find(key));
                match found.and_then(|value| value.object.as_ref()) {
                    Some(name) => sim.program.object(table, None, name),
                    None => return Next::Break,
                }
            }
        };
        let Some(object) = object else {
            return self.break_or_not(|| "a named object that does not exist".into());
        };
        match &object.data {
            ObjectData::Quota(quota) => self.quota(*quota),
            ObjectData::Limit(limit) => self.limit(*limit, Some(&object.name)),
            ObjectData::Connlimit { count, flags } => self.connlimit(*count, *flags),
            ObjectData::Synproxy(_) => self.synproxy(),
            ObjectData::CtHelper { name, .. } => {
                let name = name.to_string();
                if let Some(entry) = self.entry.as_deref_mut()
                    && !entry.is_confirmed()
                {
                    entry.helper = Some(name);
                }
                Next::Continue
            }
            ObjectData::Unknown { why } => {
                self.break_or_not(|| format!("the object '{}': {why}", object.name))
            }
            _ => Next::Continue,
        }
    }
}
