//! Commands of a text, one by one or from a table's block, as commands of a transaction.

mod chain;
mod elements;
mod rule;
mod set;

use super::super::syntax::{self, *};
use super::eval::Result;
use super::world::World;
use super::{object, userdata};
use crate::model::command::{Key, Make, NewTable, Take, What as Do};
use crate::model::{Family, Name};
use chain::{device_names, flowtable};

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
}

fn no_such_command(span: Span) -> Diagnostic {
    Diagnostic::new(span, "there is no such command for this object")
}
