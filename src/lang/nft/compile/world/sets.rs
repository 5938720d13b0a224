//! Sets that a text can refer to, declared by it or there before.

use super::super::super::ast::*;
use super::super::super::delinearize::{TableView, element_expressions, set_info};
use super::super::super::syntax::{Diagnostic, Span};
use super::super::eval::Result;
use super::super::interval;
use super::*;
use crate::lang::near::near;
use crate::model::command::{Command, What, pending_name};
use crate::model::set::flags;
use crate::model::{Elements, Family, Name};
use std::rc::Rc;

impl<'w> World<'w> {
    fn known_set(&mut self, family: Family, table: &Name, name: &Name) -> Option<&mut KnownSet> {
        let state = self.table(family, table)?;
        if !state.sets.contains_key(name) {
            let set = state
                .index
                .get(name)
                .and_then(|place| state.picture.as_ref()?.sets.get(*place).cloned());
            let known = set.and_then(|set| {
                Some(KnownSet {
                    info: Rc::new(set_info(&set)?),
                    statements: set
                        .expressions
                        .iter()
                        .map(|expression| stateful_word(expression.kernel_name()))
                        .collect(),
                    declared: None,
                    kernel: Some(set),
                    ranges: None,
                })
            });
            state.sets.insert(name.clone(), known);
        }
        state.sets.get_mut(name)?.as_mut()
    }

    pub fn has_set(&mut self, family: Family, table: &Name, name: &Name) -> bool {
        self.known_set(family, table, name).is_some()
    }

    pub fn set(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
    ) -> Result<Rc<SetInfo>> {
        if let Some(known) = self.known_set(family, table, name) {
            return Ok(known.info.clone());
        }
        Err(self.no_set(family, table, name, span))
    }

    fn no_set(&mut self, family: Family, table: &Name, name: &Name, span: Span) -> Diagnostic {
        let diagnostic = Diagnostic::new(
            span,
            format!(
                "there is no set `{name}` in table `{} {table}`",
                family.name()
            ),
        );
        let mut names: Vec<Name> = Vec::new();
        if let Some(state) = self.table(family, table) {
            names.extend(state.index.keys().cloned());
            names.extend(
                state
                    .sets
                    .iter()
                    .filter(|set| set.1.is_some())
                    .map(|set| set.0.clone()),
            );
        }
        match near(name, names.iter().map(|other| &**other)) {
            Some(other) => diagnostic.help(format!("did you mean `@{other}`?")),
            None => diagnostic,
        }
    }

    pub fn with_set<T>(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
        work: impl FnOnce(&mut KnownSet) -> T,
    ) -> Result<T> {
        match self.known_set(family, table, name) {
            Some(known) => Ok(work(known)),
            None => Err(self.no_set(family, table, name, span)),
        }
    }

    /// A set was declared by the command that is pushed next.
    pub fn declare_set(
        &mut self,
        family: Family,
        table: &Name,
        info: Rc<SetInfo>,
        statements: Vec<&'static str>,
        ranges: Option<Vec<Expr>>,
    ) {
        let declared = Some(self.out.len());
        let name = info.name.clone();
        if let Some(state) = self.table(family, table) {
            state.sets.insert(
                name,
                Some(KnownSet {
                    info,
                    statements,
                    declared,
                    kernel: None,
                    ranges,
                }),
            );
        }
    }

    pub fn drop_set(&mut self, family: Family, table: &Name, name: &Name) {
        if let Some(state) = self.table(family, table) {
            state.sets.insert(name.clone(), None);
        }
    }

    /// Packets fill the set: a set made here is made for that.
    pub fn mark_dynamic(&mut self, family: Family, table: &Name, name: &Name) {
        let Some(known) = self.known_set(family, table, name) else {
            return;
        };
        let mut info = (*known.info).clone();
        info.flags |= flags::EVAL;
        known.info = Rc::new(info);
        if let Some(index) = known.declared
            && let Some(Command {
                what: What::MakeSet(_, set),
                ..
            }) = self.out.get_mut(index)
        {
            set.flags |= flags::EVAL;
        }
    }

    /// The intervals that a set has now, as sorted ranges; read from the kernel when first asked for.
    pub fn ranges(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
    ) -> Result<Vec<Expr>> {
        let read = self.read_elements;
        let picture = self
            .table(family, table)
            .and_then(|state| state.picture.clone());
        let Some(known) = self.known_set(family, table, name) else {
            return Err(self.no_set(family, table, name, span));
        };
        if known.ranges.is_none() {
            let mut ranges = Vec::new();
            if let (Some(set), Some(table)) = (&known.kernel, &picture) {
                let list = match &set.elements {
                    Elements::Read(list) => list.clone(),
                    Elements::NotRead => read(family, &table.name, name)
                        .map_err(|why| Diagnostic::new(span, format!("reading `{name}`: {why}")))?,
                };
                let view = TableView::new(table);
                ranges = interval::to_ranges(element_expressions(&view, &known.info, &list));
                interval::sort(&mut ranges);
            }
            known.ranges = Some(ranges);
        }
        Ok(known.ranges.clone().unwrap_or_default())
    }
}

/// The kernel's names that live as long as the program.
fn stateful_word(name: &str) -> &'static str {
    ["counter", "limit", "quota", "connlimit", "last"]
        .into_iter()
        .find(|word| *word == name)
        .unwrap_or("other")
}

/// A set that belongs to one rule.
pub fn anonymous_set(
    name: &str,
    id: u32,
    key: Expr,
    data: Option<Expr>,
    set_flags: u32,
    object_type: Option<u32>,
) -> SetInfo {
    let field_count = match &key.kind {
        Kind::Concat(parts) => parts.len(),
        _ => 0,
    };
    let mut all = set_flags | flags::ANONYMOUS;
    if field_count > 0 && all & flags::INTERVAL != 0 {
        all |= flags::CONCAT;
    }
    SetInfo {
        name: pending_name(name, id),
        flags: all,
        key,
        data,
        data_interval: false,
        object_type,
        typeof_key: false,
        auto_merge: all & flags::INTERVAL != 0 && all & (flags::MAP | flags::OBJECT) == 0,
        comment: None,
        field_count,
        size: None,
    }
}
