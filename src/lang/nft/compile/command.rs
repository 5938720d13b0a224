//! Commands of a text, one by one or from a table's block, as commands of a transaction.

use super::super::ast::*;
use super::super::chain::{hook_name, priorities, priority_fits};
use super::super::datatype::{self as types, Type};
use super::super::number::{Num, Order};
use super::super::syntax::{self, *};
use super::eval::{Eval, Result, stateful_names};
use super::generate;
use super::world::World;
use super::{interval, object, userdata};
use crate::lang::near::near;
use crate::model::command::{Key, Make, NewTable, Place, Take, What as Do};
use crate::model::ruleset::chain_flags;
use crate::model::set::flags;
use crate::model::{BaseChain, Chain, Family, Flowtable, Name, Policy, RuleList};
use std::rc::Rc;

fn make(verb: Verb) -> Make {
    if verb == Verb::Create {
        Make::Create
    } else {
        Make::Add
    }
}

fn take(verb: Verb) -> Take {
    if verb == Verb::Destroy {
        Take::Destroy
    } else {
        Take::Delete
    }
}

fn key(id: &Id) -> Key {
    match id {
        Id::Name(name) => Key::Name(name.value.clone()),
        Id::Handle(handle) => Key::Handle(handle.value),
    }
}

fn name_of(id: &Id) -> Result<&At<Name>> {
    match id {
        Id::Name(name) => Ok(name),
        Id::Handle(handle) => Err(Diagnostic::new(handle.span, "a name is needed here")),
    }
}

impl World<'_> {
    pub fn command(&mut self, command: syntax::Command) -> Result<()> {
        let syntax::Command { verb, span, what } = command;
        match what {
            What::Ruleset(family) => {
                self.flush(family);
                let family = family.unwrap_or(Family::Unknown(0));
                self.push(family, &"".into(), Do::TakeTable(Take::Delete, None), span);
                Ok(())
            }
            What::Table { family, id, body } => self.table_command(verb, span, family, &id, body),
            What::Chain {
                table,
                id,
                body,
                new_name,
            } => self.chain_command(verb, span, &table, &id, &body, new_name.as_ref()),
            What::Rule {
                table,
                chain,
                position,
                rule,
            } => self.rule_command(verb, span, &table, &chain, position.as_ref(), rule.as_ref()),
            What::Set {
                table,
                id,
                map,
                body,
                ..
            } => self.set_command(verb, span, &table, &id, map, body),
            What::Elements {
                table,
                set,
                elements,
            } => self.elements_command(verb, span, &table, &set, elements),
            What::Flowtable { table, id, body } => {
                self.need_table(&table)?;
                let (family, name) = (table.family, &table.name.value);
                match verb {
                    Verb::Add | Verb::Create => {
                        let flowtable = flowtable(name_of(&id)?, &body)?;
                        let what = Do::MakeFlowtable(make(verb), Box::new(flowtable));
                        self.push(family, name, what, span);
                    }
                    Verb::Delete | Verb::Destroy => {
                        let devices = body.devices.as_ref().map(device_names).transpose()?;
                        let what = match (devices, &id) {
                            (Some(devices), Id::Name(id)) if !devices.is_empty() => {
                                Do::TakeFlowtableDevices(id.value.clone(), devices)
                            }
                            _ => Do::TakeFlowtable(take(verb), key(&id)),
                        };
                        self.push(family, name, what, span);
                    }
                    _ => return Err(no_such_command(span)),
                }
                Ok(())
            }
            What::Object {
                table,
                id,
                kind,
                body,
            } => {
                self.need_table(&table)?;
                let (family, name) = (table.family, &table.name.value);
                let what = match (verb, &body) {
                    (Verb::Add | Verb::Create, Some(body)) => {
                        let made = object::object(self, family, name_of(&id)?, kind, body)?;
                        Do::MakeObject(make(verb), Box::new(made))
                    }
                    (Verb::Delete | Verb::Destroy, _) => Do::TakeObject(take(verb), kind, key(&id)),
                    _ => return Err(no_such_command(span)),
                };
                self.push(family, name, what, span);
                Ok(())
            }
            What::Reset { .. } => Err(Diagnostic::new(
                span,
                "`reset` reads and clears counters at once; it changes no rules",
            )
            .help("write the object anew to set its counter back")),
        }
    }

    fn table_command(
        &mut self,
        verb: Verb,
        span: Span,
        family: Family,
        id: &Id,
        body: TableBody,
    ) -> Result<()> {
        match verb {
            Verb::Add | Verb::Create => {}
            Verb::Delete | Verb::Destroy => {
                if let Id::Name(name) = id {
                    self.drop_table(family, &name.value);
                }
                let table = match id {
                    Id::Name(name) => name.value.clone(),
                    Id::Handle(_) => "".into(),
                };
                let what = Do::TakeTable(take(verb), Some(key(id)));
                self.push(family, &table, what, span);
                return Ok(());
            }
            Verb::Flush => {
                let name = name_of(id)?;
                let table = TableId {
                    family,
                    name: name.clone(),
                };
                self.need_table(&table)?;
                self.flush_chain(family, &name.value, None);
                self.push(family, &name.value, Do::FlushRules(None), span);
                return Ok(());
            }
            _ => return Err(no_such_command(span)),
        }
        let name = name_of(id)?;
        let mut notes = Vec::new();
        if let Some(comment) = &body.comment {
            userdata::comment(&mut notes, comment)?;
        }
        self.make_table(family, &name.value);
        let table = NewTable {
            name: name.value.clone(),
            flags: body.flags,
            userdata: notes,
        };
        self.push(family, &name.value, Do::MakeTable(make(verb), table), span);
        let table = TableId {
            family,
            name: name.clone(),
        };
        self.table_items(&table, body.items)
    }

    /// Chains first, so that verdicts can name them; rules last, because they can name everything.
    fn table_items(&mut self, table: &TableId, mut items: Vec<TableItem>) -> Result<()> {
        let (family, name) = (table.family, &table.name.value);
        for item in &mut items {
            if let TableItem::Chain(chain, body) = item {
                self.add_chain(table, chain, body, Make::Add)?;
            }
        }
        for item in &mut items {
            if let TableItem::Object {
                name: id,
                kind,
                body,
            } = item
            {
                let made = object::object(self, family, id, *kind, body)?;
                let what = Do::MakeObject(Make::Add, Box::new(made));
                self.push(family, name, what, id.span);
            }
        }
        for item in &mut items {
            if let TableItem::Set { name, map, body } = item {
                let body = std::mem::take(body);
                self.add_set(table, name, *map, body, Make::Add)?;
            }
        }
        for item in &mut items {
            if let TableItem::Flowtable(id, body) = item {
                let made = flowtable(id, body)?;
                let what = Do::MakeFlowtable(Make::Add, Box::new(made));
                self.push(family, name, what, id.span);
            }
        }
        for item in &mut items {
            if let TableItem::Chain(chain, body) = item {
                for rule in &body.rules {
                    self.append_rule(family, name, &chain.value, rule)?;
                }
            }
        }
        Ok(())
    }

    fn add_written_rule(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        rule: &syntax::Rule,
        place: (Place, u32),
    ) -> Result<()> {
        let stmts = Eval::new(self, family, table).rule(rule)?;
        self.add_rule(family, table, chain, stmts, rule, Some(place))
    }

    fn append_rule(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        rule: &syntax::Rule,
    ) -> Result<()> {
        let place = self.place(family, table, chain, false, None)?;
        self.add_written_rule(family, table, chain, rule, place)
    }

    fn chain_command(
        &mut self,
        verb: Verb,
        span: Span,
        table: &TableId,
        id: &Id,
        body: &ChainBody,
        new_name: Option<&At<Name>>,
    ) -> Result<()> {
        self.need_table(table)?;
        let (family, name) = (table.family, &table.name.value);
        match verb {
            Verb::Add | Verb::Create => {
                let chain = name_of(id)?;
                self.add_chain(table, chain, body, make(verb))?;
                for rule in &body.rules {
                    self.append_rule(family, name, &chain.value, rule)?;
                }
            }
            Verb::Delete | Verb::Destroy => {
                if let Id::Name(chain) = id {
                    self.drop_chain(family, name, &chain.value);
                }
                let devices = body.devices.as_ref().map(device_names).transpose()?;
                let what = match (devices, id) {
                    (Some(devices), Id::Name(id)) if !devices.is_empty() => {
                        Do::TakeChainDevices(id.value.clone(), devices)
                    }
                    _ => Do::TakeChain(take(verb), key(id)),
                };
                self.push(family, name, what, span);
            }
            Verb::Flush => {
                let chain = name_of(id)?;
                self.need_chain(family, name, &chain.value, chain.span)?;
                self.flush_chain(family, name, Some(&chain.value));
                let what = Do::FlushRules(Some(chain.value.clone()));
                self.push(family, name, what, span);
            }
            Verb::Rename => {
                let chain = name_of(id)?;
                let to = new_name.ok_or_else(|| no_such_command(span))?;
                self.need_chain(family, name, &chain.value, chain.span)?;
                let handle = self.chain_handle(family, name, &chain.value);
                let what = Do::RenameChain {
                    handle,
                    from: chain.value.clone(),
                    to: to.value.clone(),
                };
                self.push(family, name, what, span);
                self.drop_chain(family, name, &chain.value);
                self.make_chain(family, name, &to.value);
            }
            _ => return Err(no_such_command(span)),
        }
        Ok(())
    }

    fn add_chain(
        &mut self,
        table: &TableId,
        id: &At<Name>,
        body: &ChainBody,
        make: Make,
    ) -> Result<()> {
        let (family, name) = (table.family, &table.name.value);
        let base = base_chain(family, body)?;
        let mut notes = Vec::new();
        if let Some(comment) = &body.comment {
            userdata::comment(&mut notes, comment)?;
        }
        let mut bits = body.flags & chain_flags::HW_OFFLOAD;
        if base.as_ref().is_some_and(|base| !base.kind.is_empty()) {
            bits |= chain_flags::BASE;
        }
        let chain = Chain {
            name: id.value.clone(),
            handle: 0,
            base,
            flags: bits,
            use_count: 0,
            userdata: notes,
            rules: RuleList::default(),
            raw: Vec::new(),
        };
        self.make_chain(family, name, &id.value);
        self.push(family, name, Do::MakeChain(make, Box::new(chain)), id.span);
        Ok(())
    }

    fn rule_command(
        &mut self,
        verb: Verb,
        span: Span,
        table: &TableId,
        chain: &At<Name>,
        position: Option<&Position>,
        rule: Option<&syntax::Rule>,
    ) -> Result<()> {
        self.need_table(table)?;
        let (family, name) = (table.family, &table.name.value);
        self.need_chain(family, name, &chain.value, chain.span)?;
        let handle = match position {
            Some(Position::Handle(handle)) => Some(handle),
            _ => None,
        };
        match (verb, rule) {
            (Verb::Add | Verb::Create | Verb::Insert, Some(rule)) => {
                let insert = verb == Verb::Insert;
                let stmts = Eval::new(self, family, name).rule(rule)?;
                let place = self.place(family, name, &chain.value, insert, position)?;
                self.add_rule(family, name, &chain.value, stmts, rule, Some(place))
            }
            (Verb::Replace, Some(rule)) => {
                let handle =
                    handle.ok_or_else(|| Diagnostic::new(span, "`replace` needs `handle N`"))?;
                // The place is looked up, so that a wrong handle is found here.
                let (_, serial) = self.place(family, name, &chain.value, true, position)?;
                self.forget_rule(family, name, &chain.value, handle.value);
                let place = Place::Replace(handle.value);
                self.add_written_rule(family, name, &chain.value, rule, (place, serial))
            }
            (Verb::Delete | Verb::Destroy, _) => {
                let handle = match (handle, position) {
                    (Some(handle), _) => handle.value,
                    (None, Some(Position::Index(index))) => self
                        .handle_at(family, name, &chain.value, index.value)
                        .ok_or_else(|| Diagnostic::new(index.span, "there is no such rule"))?,
                    _ => return Err(Diagnostic::new(span, "`delete rule` needs `handle N`")),
                };
                self.forget_rule(family, name, &chain.value, handle);
                let what = Do::TakeRule(take(verb), chain.value.clone(), handle);
                self.push(family, name, what, span);
                Ok(())
            }
            _ => Err(no_such_command(span)),
        }
    }

    fn set_command(
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

    fn add_set(
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
                    super::eval::verdict_template()
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
            let mut frame = super::eval::SetFrame::new(&info);
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

    fn put_entries(
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

    fn take_elements(
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

    fn set_elements(
        &mut self,
        family: Family,
        table: &Name,
        frame: super::eval::SetFrame,
        literal: Expr,
    ) -> Result<Vec<Expr>> {
        let mut expr = literal;
        let mut eval = Eval::new(self, family, table);
        let is_map = frame.info.is_map();
        let key = &frame.info.key;
        eval.want = super::eval::Want::of(key.dtype, key.order, key.len);
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

    fn elements_command(
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
        frame: super::eval::SetFrame,
        elements: Expr,
    ) -> Result<Vec<Expr>> {
        let mut expr = elements;
        let mut eval = Eval::new(self, family, table);
        let key = &frame.info.key;
        eval.want = super::eval::Want::of(key.dtype, key.order, key.len);
        eval.set = Some(frame);
        let span = expr.span;
        eval.set_literal(&mut expr)?;
        match expr.kind {
            Kind::SetLiteral(list) => Ok(list),
            _ => Err(Diagnostic::new(span, "elements stand between `{` and `}`")),
        }
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
                    super::super::keys::ct::SRC | super::super::keys::ct::DST
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

fn no_such_command(span: Span) -> Diagnostic {
    Diagnostic::new(span, "there is no such command for this object")
}

/// New intervals beside those that are there: what to take out first, and what to add.
fn fit(
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
fn after(existing: &[Expr], gone: &[Expr], new: &[Expr]) -> Vec<Expr> {
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

fn base_chain(family: Family, body: &ChainBody) -> Result<Option<BaseChain>> {
    let policy = body.policy.as_ref().map(|policy| match policy.value {
        PolicyWord::Accept => Policy::Accept,
        PolicyWord::Drop => Policy::Drop,
    });
    let Some(hook) = &body.hook else {
        // A policy alone changes that of a base chain that is there.
        return Ok(policy.map(|policy| BaseChain {
            kind: "".into(),
            hook: 0,
            priority: 0,
            policy: Some(policy),
            devices: Vec::new(),
            device_list: false,
            counters: None,
        }));
    };
    let number = hook_number(family, &hook.hook.value).ok_or_else(|| {
        let known: Vec<&str> = (0..6)
            .map(|number| hook_name(family, number))
            .filter(|name| *name != "unknown")
            .collect();
        Diagnostic::new(
            hook.hook.span,
            format!(
                "the {} family has no hook `{}`",
                family.name(),
                hook.hook.value
            ),
        )
        .help(format!("hooks: {}", known.join(", ")))
    })?;
    let priority = priority(family, number, &hook.priority)?;
    let devices = hook.devices.as_ref().or(body.devices.as_ref());
    let on_device = family == Family::Netdev || (family == Family::Inet && number == 5);
    let names = devices.map(device_names).transpose()?.unwrap_or_default();
    if on_device && devices.is_none() {
        return Err(
            Diagnostic::new(hook.span, "the chain does not say which device it is for")
                .help("`hook ingress device \"eth0\" priority 0`"),
        );
    }
    if !on_device && let Some(devices) = devices {
        return Err(Diagnostic::new(
            devices.span,
            "chains of this hook are not bound to devices",
        ));
    }
    Ok(Some(BaseChain {
        kind: hook.kind.value.clone(),
        hook: number,
        priority,
        policy,
        device_list: names.len() > 1,
        devices: names,
        counters: None,
    }))
}

/// The number of a hook's word in a family.
fn hook_number(family: Family, word: &str) -> Option<u32> {
    let ingress_only = |number: u32| number == 5 && family != Family::Inet;
    (0..6).find(|number| hook_name(family, *number) == word && !ingress_only(*number))
}

fn priority(family: Family, hook: u32, priority: &Priority) -> Result<i32> {
    let Some(name) = &priority.name else {
        return Ok(priority.offset);
    };
    let table = priorities(family);
    let found = table
        .iter()
        .find(|(value, word)| *word == &**name && priority_fits(family, hook, *value));
    match found {
        Some((value, _)) => Ok(value.saturating_add(priority.offset)),
        None => {
            let words: Vec<&str> = table
                .iter()
                .filter(|(value, _)| priority_fits(family, hook, *value))
                .map(|(_, word)| *word)
                .collect();
            Err(Diagnostic::new(
                priority.span,
                format!("`{name}` is no priority of this hook"),
            )
            .help(format!("names here: {}; or a number", words.join(", "))))
        }
    }
}

fn device_names(expr: &Expr) -> Result<Vec<Name>> {
    // IFNAMSIZ, with the NUL
    const LONGEST: usize = 15;
    match &expr.kind {
        Kind::Symbol(name) | Kind::Text(name) => {
            if name.len() > LONGEST || name.is_empty() {
                return Err(Diagnostic::new(
                    expr.span,
                    format!("`{name}` is no interface name (1 to {LONGEST} bytes)"),
                ));
            }
            Ok(vec![name.as_str().into()])
        }
        Kind::SetLiteral(list) | Kind::List(list) => {
            let mut names = Vec::new();
            for part in list {
                names.extend(device_names(part)?);
            }
            Ok(names)
        }
        Kind::SetElem(element) => device_names(&element.key),
        _ => Err(Diagnostic::new(expr.span, "expected an interface name")),
    }
}

fn flowtable(id: &At<Name>, body: &FlowtableBody) -> Result<Flowtable> {
    let (mut hook, mut number) = (0, 0);
    if let Some((word, written)) = &body.hook {
        hook = hook_number(Family::Netdev, &word.value).ok_or_else(|| {
            Diagnostic::new(
                word.span,
                format!("flowtables have no hook `{}`", word.value),
            )
            .help("hooks: ingress")
        })?;
        number = priority(Family::Netdev, hook, written)?;
    }
    Ok(Flowtable {
        name: id.value.clone(),
        handle: 0,
        hook,
        priority: number,
        devices: body
            .devices
            .as_ref()
            .map(device_names)
            .transpose()?
            .unwrap_or_default(),
        flags: body.flags,
        use_count: 0,
        raw: Vec::new(),
    })
}
