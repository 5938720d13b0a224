//! Sets and maps: what is declared of them.

use super::super::super::ast::*;
use super::super::super::datatype::{self as types, Type};
use super::super::super::number::{Num, Order};
use super::super::super::syntax::*;
use super::super::eval::{Eval, Result, stateful_names};
use super::super::generate;
use super::super::world::World;
use super::elements::{after, fit};
use super::*;
use crate::lang::near::near;
use crate::model::command::{Make, Take, What as Do};
use crate::model::set::flags;
use crate::model::{Family, Name};
use std::rc::Rc;

impl World<'_> {
    pub(super) fn set_command(
        &mut self,
        verb: Verb,
        span: Span,
        table: &TableId,
        id: &Id,
        map: bool,
        body: SetBody,
    ) -> Result<()> {
        self.need_table(table)?;
        let (family, name) = (table.family, &table.name.value);
        match verb {
            Verb::Add | Verb::Create => self.add_set(table, name_of(id)?, map, body, make(verb)),
            Verb::Delete | Verb::Destroy => {
                if let Id::Name(set) = id {
                    self.drop_set(family, name, &set.value);
                }
                self.push(family, name, Do::TakeSet(take(verb), key(id)), span);
                Ok(())
            }
            Verb::Flush => {
                let set = name_of(id)?;
                self.with_set(family, name, &set.value, set.span, |set| {
                    set.ranges = Some(Vec::new());
                })?;
                self.push(family, name, Do::FlushSet(set.value.clone()), span);
                Ok(())
            }
            _ => Err(no_such_command(span)),
        }
    }

    pub(super) fn add_set(
        &mut self,
        table: &TableId,
        id: &At<Name>,
        map: bool,
        body: SetBody,
        make: Make,
    ) -> Result<()> {
        let (family, name) = (table.family, &table.name.value);
        let word = if map { "map" } else { "set" };
        let mut bits = body.flags.as_ref().map_or(0, |flags| flags.value);
        let declared = body.key.as_ref().ok_or_else(|| {
            Diagnostic::new(id.span, format!("the {word} `{}` has no type", id.value))
                .help("for example `type ipv4_addr` or `typeof ip saddr`")
        })?;
        let typeof_key = matches!(declared.value, Declared::Typeof(_));
        let key = self.declared(family, name, declared, word)?;
        let (mut data, mut object_type) = (None, None);
        match body.data.as_ref().map(|data| (&data.value, data)) {
            Some((Declared::Object(kind), _)) => {
                bits |= flags::OBJECT;
                object_type = Some(*kind);
                data = Some(Expr::new(
                    Kind::Value(Num::ZERO),
                    Type::Basic(&types::STRING),
                    Order::Host,
                    256 * 8,
                ));
            }
            Some((Declared::Verdict, _)) => {
                bits |= flags::MAP;
                data = Some(if typeof_key {
                    super::super::eval::verdict_template()
                } else {
                    Expr::new(
                        Kind::Value(Num::ZERO),
                        Type::Basic(&types::VERDICT),
                        Order::Invalid,
                        0,
                    )
                });
            }
            Some((_, at)) => {
                bits |= flags::MAP;
                let mut expr = self.declared(family, name, at, word)?;
                if body.data_interval {
                    expr.len *= 2;
                }
                data = Some(expr);
            }
            None if map => {
                return Err(Diagnostic::new(
                    id.span,
                    format!("the map `{}` does not say what its values are", id.value),
                ));
            }
            None => {}
        }
        if body.auto_merge && bits & flags::INTERVAL == 0 {
            return Err(Diagnostic::new(
                id.span,
                "`auto-merge` only works in sets with `flags interval`",
            ));
        }
        let concat = key.dtype.subtype_count() > 0;
        if concat && bits & flags::INTERVAL != 0 {
            bits |= flags::CONCAT;
        }
        if body
            .timeout
            .as_ref()
            .is_some_and(|timeout| timeout.value > 0)
        {
            bits |= flags::TIMEOUT;
        }
        let mut eval = Eval::new(self, family, name);
        let stmts = eval.stateful_list(&body.statements)?;
        if stmts.len() > 1 {
            bits |= flags::EXPR;
        }
        let info = Rc::new(SetInfo {
            name: id.value.clone(),
            flags: bits,
            field_count: if concat {
                key.dtype.subtype_count() as usize
            } else {
                0
            },
            key,
            data,
            data_interval: body.data_interval,
            object_type,
            typeof_key,
            auto_merge: body.auto_merge,
            comment: None,
            size: body
                .size
                .as_ref()
                .map(|size| size.value)
                .filter(|size| *size > 0),
        });
        let names = stateful_names(&stmts);
        let tree = bits & flags::INTERVAL != 0 && bits & flags::CONCAT == 0;
        let existed = self.has_set(family, name, &id.value);
        let mut elements = Vec::new();
        let with_elements = body.elements.is_some();
        if let Some(literal) = body.elements {
            let mut frame = super::super::eval::SetFrame::new(&info);
            frame.statements = names.clone();
            elements = self.set_elements(family, name, frame, literal)?;
        }
        let (mut purge, mut ranges) = (Vec::new(), None);
        let mut first = true;
        if tree {
            // A set that is there already keeps its elements.
            let existing = if existed {
                self.ranges(family, name, &id.value, id.span)?
            } else {
                Vec::new()
            };
            first = existing.is_empty();
            (purge, elements) = fit(&info, elements, &existing, id.span)?;
            ranges = self
                .is_mentioned_again(family, name, &id.value)
                .then(|| after(&existing, &purge, &elements));
        }
        let entries = generate::entries_of(&info, elements, first);
        let mut set = generate::model_set(&info, body.comment.as_ref())?;
        set.timeout = body
            .timeout
            .as_ref()
            .map(|at| at.value)
            .filter(|at| *at > 0);
        set.gc_interval = body
            .gc_interval
            .as_ref()
            .and_then(|at| u32::try_from(at.value).ok())
            .filter(|at| *at > 0);
        set.policy = body.policy.filter(|policy| *policy != 0);
        set.expressions = stmts.iter().filter_map(generate::stateful).collect();
        if bits & flags::CONSTANT != 0 {
            set.size = with_elements
                .then(|| u32::try_from(entries.len()).ok())
                .flatten();
            set.policy = None;
        }
        self.declare_set(family, name, info.clone(), names, ranges);
        self.push(family, name, Do::MakeSet(make, Box::new(set)), id.span);
        if !purge.is_empty() {
            self.take_elements(family, name, &info, purge, Take::Delete, id.span)?;
        }
        self.put_entries(family, name, &info, entries, Make::Add, id.span)
    }

    /// The type of a set's key or data as a template.
    fn declared(
        &mut self,
        family: Family,
        table: &Name,
        declared: &At<Declared>,
        word: &str,
    ) -> Result<Expr> {
        let span = declared.span;
        let unsized_type = |name: &str| {
            Diagnostic::new(span, format!("values of type {name} have no fixed length"))
                .help(format!("declare the {word} with `typeof EXPRESSION`"))
        };
        match &declared.value {
            Declared::Type(names) => {
                let mut found = Vec::new();
                for name in names {
                    let dtype = types::by_name(&name.value).ok_or_else(|| unknown_type(name))?;
                    found.push((dtype, name));
                }
                match found.as_slice() {
                    [(dtype, _)] if dtype.size == 0 && !dtype.is(&types::VERDICT) => {
                        Err(unsized_type(dtype.name))
                    }
                    [(dtype, _)] => Ok(Expr::value(Num::ZERO, dtype, dtype.order, dtype.size)),
                    several => {
                        let (mut id, mut len) = (0, 0);
                        let mut parts = Vec::new();
                        for (dtype, _) in several {
                            if dtype.size == 0 {
                                return Err(unsized_type(dtype.name));
                            }
                            id = types::append_subtype(id, dtype.id);
                            len += types::padded(dtype.size);
                            parts.push(Expr::value(Num::ZERO, dtype, dtype.order, dtype.size));
                        }
                        Ok(Expr::new(
                            Kind::Concat(parts),
                            Type::Concat(id),
                            Order::Invalid,
                            len,
                        ))
                    }
                }
            }
            Declared::Typeof(expr) => self.typeof_template(family, table, expr, &unsized_type),
            Declared::Verdict | Declared::Object(_) => {
                Err(Diagnostic::new(span, "this cannot be a type here"))
            }
        }
    }

    fn typeof_template(
        &mut self,
        _family: Family,
        _table: &Name,
        expr: &Expr,
        unsized_type: &dyn Fn(&str) -> Diagnostic,
    ) -> Result<Expr> {
        let fixed = |expr: &Expr| -> Result<Expr> {
            let mut expr = expr.clone();
            if expr.dtype.id() == types::INTEGER.id {
                expr.dtype = Type::Integer(expr.order);
            }
            if let Kind::Ct { key, .. } = expr.kind
                && matches!(
                    key,
                    super::super::super::keys::ct::SRC | super::super::super::keys::ct::DST
                )
            {
                return Err(
                    Diagnostic::new(expr.span, "the IP version is not known here")
                        .help("write `ct original ip saddr` or `ct original ip6 saddr`"),
                );
            }
            if expr.len == 0 {
                expr.len = expr.dtype.size();
            }
            if expr.len == 0 {
                return Err(unsized_type(&expr.dtype.name()));
            }
            Ok(expr)
        };
        let Kind::Concat(parts) = &expr.kind else {
            return fixed(expr);
        };
        let (mut id, mut len) = (0, 0);
        let mut made = Vec::new();
        for part in parts {
            let part = fixed(part)?;
            id = types::append_subtype(id, part.dtype.id());
            len += types::padded(part.len);
            made.push(part);
        }
        Ok(Expr::new(Kind::Concat(made), Type::Concat(id), Order::Invalid, len).at(expr.span))
    }
}

fn unknown_type(name: &At<Name>) -> Diagnostic {
    let diagnostic = Diagnostic::new(name.span, format!("unknown data type `{}`", name.value));
    match near(&name.value, types::names()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}
