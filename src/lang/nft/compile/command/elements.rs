//! Elements of sets and maps, and how intervals fit beside those that are there.

use super::super::super::ast::*;
use super::super::super::syntax::*;
use super::super::eval::{Eval, Result};
use super::super::generate;
use super::super::interval;
use super::super::world::World;
use super::*;
use crate::model::command::{Make, Take, What as Do};
use crate::model::set::flags;
use crate::model::{Family, Name};

impl World<'_> {
    pub(super) fn put_entries(
        &mut self,
        family: Family,
        table: &Name,
        info: &SetInfo,
        entries: Vec<interval::Entry>,
        make: Make,
        span: Span,
    ) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let elements = entries
            .into_iter()
            .map(|entry| generate::element(info, entry))
            .collect::<Result<Vec<_>>>()?;
        let set = info.name.clone();
        let what = Do::MakeElements {
            set,
            make,
            elements,
        };
        self.push(family, table, what, span);
        Ok(())
    }

    pub(super) fn take_elements(
        &mut self,
        family: Family,
        table: &Name,
        info: &SetInfo,
        elements: Vec<Expr>,
        take: Take,
        span: Span,
    ) -> Result<()> {
        let elements = generate::entries_of(info, elements, false)
            .into_iter()
            .map(|entry| generate::element(info, entry))
            .collect::<Result<Vec<_>>>()?;
        let set = info.name.clone();
        let what = Do::TakeElements {
            set,
            take,
            elements,
        };
        self.push(family, table, what, span);
        Ok(())
    }

    pub(super) fn set_elements(
        &mut self,
        family: Family,
        table: &Name,
        frame: super::super::eval::SetFrame,
        literal: Expr,
    ) -> Result<Vec<Expr>> {
        let mut expr = literal;
        let mut eval = Eval::new(self, family, table);
        let is_map = frame.info.is_map();
        let key = &frame.info.key;
        eval.want = super::super::eval::Want::of(key.dtype, key.order, key.len);
        eval.set = Some(frame);
        let span = expr.span;
        eval.set_literal(&mut expr)?;
        let Kind::SetLiteral(list) = expr.kind else {
            return Err(Diagnostic::new(span, "elements stand between `{` and `}`"));
        };
        if is_map
            && let Some(plain) = list
                .iter()
                .find(|element| !matches!(element.kind, Kind::Mapping(..)))
        {
            return Err(Diagnostic::new(plain.span, "a map needs `KEY : VALUE`"));
        }
        Ok(list)
    }

    pub(super) fn elements_command(
        &mut self,
        verb: Verb,
        span: Span,
        table: &TableId,
        set: &At<Name>,
        elements: Expr,
    ) -> Result<()> {
        self.need_table(table)?;
        let (family, name) = (table.family, &table.name.value);
        let frame = self.with_set(family, name, &set.value, set.span, |set| set.frame())?;
        let info = frame.info.clone();
        let tree = info.flags & flags::INTERVAL != 0 && info.flags & flags::CONCAT == 0;
        let delete = matches!(verb, Verb::Delete | Verb::Destroy);
        // A key is enough to take an element out of a map.
        let mut list = if delete {
            self.keys_to_delete(family, name, frame, elements)?
        } else {
            self.set_elements(family, name, frame, elements)?
        };
        let existing = if tree {
            self.ranges(family, name, &set.value, set.span)?
        } else {
            Vec::new()
        };
        match verb {
            Verb::Add | Verb::Create => {
                let mut purge = Vec::new();
                if tree {
                    (purge, list) = fit(&info, list, &existing, span)?;
                    let again = self.is_mentioned_again(family, name, &set.value);
                    let ranges = again.then(|| after(&existing, &purge, &list));
                    self.with_set(family, name, &set.value, set.span, |set| {
                        set.ranges = ranges;
                    })?;
                }
                if !purge.is_empty() {
                    self.take_elements(family, name, &info, purge, Take::Delete, span)?;
                }
                let entries = generate::entries_of(&info, list, existing.is_empty());
                self.put_entries(family, name, &info, entries, make(verb), span)
            }
            Verb::Delete | Verb::Destroy => {
                let mut back = Vec::new();
                if tree && verb == Verb::Delete {
                    list = interval::to_ranges(list);
                    (list, back) = interval::cut_out(list, &existing, info.auto_merge, span)?;
                    interval::sort(&mut list);
                    interval::sort(&mut back);
                    let again = self.is_mentioned_again(family, name, &set.value);
                    let ranges = again.then(|| after(&existing, &list, &back));
                    self.with_set(family, name, &set.value, set.span, |set| {
                        set.ranges = ranges;
                    })?;
                } else if tree {
                    list = interval::to_ranges(list);
                    interval::sort(&mut list);
                }
                self.take_elements(family, name, &info, list, take(verb), span)?;
                let entries = generate::entries_of(&info, back, false);
                self.put_entries(family, name, &info, entries, Make::Add, span)
            }
            _ => Err(no_such_command(span)),
        }
    }

    fn keys_to_delete(
        &mut self,
        family: Family,
        table: &Name,
        frame: super::super::eval::SetFrame,
        elements: Expr,
    ) -> Result<Vec<Expr>> {
        let mut expr = elements;
        let mut eval = Eval::new(self, family, table);
        let key = &frame.info.key;
        eval.want = super::super::eval::Want::of(key.dtype, key.order, key.len);
        eval.set = Some(frame);
        let span = expr.span;
        eval.set_literal(&mut expr)?;
        match expr.kind {
            Kind::SetLiteral(list) => Ok(list),
            _ => Err(Diagnostic::new(span, "elements stand between `{` and `}`")),
        }
    }
}

/// New intervals beside those that are there: what to take out first, and what to add.
pub(super) fn fit(
    info: &SetInfo,
    elements: Vec<Expr>,
    existing: &[Expr],
    span: Span,
) -> Result<(Vec<Expr>, Vec<Expr>)> {
    let mut ranges = interval::to_ranges(elements);
    interval::sort(&mut ranges);
    if info.auto_merge && !info.is_map() {
        return Ok(interval::merge_into(ranges, existing));
    }
    interval::check_overlap(&ranges, existing, span)?;
    Ok((Vec::new(), ranges))
}

/// The intervals of a set after a change.
pub(super) fn after(existing: &[Expr], gone: &[Expr], new: &[Expr]) -> Vec<Expr> {
    let mut ranges: Vec<Expr> = existing
        .iter()
        .filter(|expr| {
            let bounds = interval::bounds(expr);
            !gone.iter().any(|gone| interval::bounds(gone) == bounds)
        })
        .chain(new)
        .cloned()
        .collect();
    interval::sort(&mut ranges);
    ranges
}
