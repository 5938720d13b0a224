//! A whole table in the person's editor: opened, given back, and staged as changes.

use super::Busy;
use crate::model::{Family, Name};
use crate::session::changes::whole::{self, Opened};
use crate::stage::change::Edit;
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::human;
use crate::tui::request::Request;
use std::sync::Arc;

/// Have the table read; the editor is opened when it has been.
pub fn open(state: &mut State, family: Family, table: Name, effects: &mut Vec<Effect>) {
    let again = state.changes.rejected.take();
    if let Some((opened, text)) = again
        && opened.table.family == family
        && opened.table.name == table
    {
        edit(state, opened, text, effects);
        return;
    }
    let Some(picture) = &state.picture else {
        return;
    };
    let names = picture.names.clone();
    state.changes.busy = Some(Busy::Editing);
    effects.push(Effect::Kernel(Request::OpenTable {
        family,
        table,
        names,
    }));
}

pub fn opened(state: &mut State, outcome: Result<Arc<Opened>, String>, effects: &mut Vec<Effect>) {
    state.changes.busy = None;
    match outcome {
        Ok(opened) => {
            let text = format!("{}{}", whole::heading(&opened), opened.text);
            edit(state, opened, text, effects);
        }
        Err(why) => state.notify(Level::Error, why),
    }
}

fn edit(state: &mut State, opened: Arc<Opened>, text: String, effects: &mut Vec<Effect>) {
    let about = format!("{}-{}", opened.table.family, opened.table.name);
    state.changes.opened = Some(opened);
    effects.push(Effect::EditText { text, about });
}

/// The editor is closed.
pub fn edited(state: &mut State, text: Result<String, String>, effects: &mut Vec<Effect>) {
    let (Some(opened), Some(picture)) = (state.changes.opened.clone(), &state.picture) else {
        return;
    };
    match text {
        Ok(text) => {
            let names = picture.names.clone();
            state.changes.busy = Some(Busy::Editing);
            state.changes.rejected = Some((opened.clone(), text.clone()));
            effects.push(Effect::Kernel(Request::TableEdits {
                opened,
                text,
                names,
            }));
        }
        Err(why) => state.notify(Level::Error, why),
    }
}

/// The text was read.
pub fn read(state: &mut State, outcome: Result<Vec<Edit>, String>) {
    state.changes.busy = None;
    state.changes.opened = None;
    match outcome {
        Ok(edits) if edits.is_empty() => {
            state.changes.rejected = None;
            state.notify(
                Level::Info,
                "the table was left as it is: nothing is staged",
            );
        }
        Ok(edits) => {
            state.changes.rejected = None;
            let count = human::plural(edits.len(), "change", "changes");
            state.changes.set.stage_all(edits);
            super::update::changed(state);
            state.notify(
                Level::Info,
                format!("{count} staged from the text of the table"),
            );
        }
        Err(why) => {
            // The first line says what; the rest shows where.
            let what = why.lines().next().unwrap_or_default();
            let text = format!("not staged, E opens your text again: {what}");
            state.notify(Level::Error, text);
        }
    }
}
