//! The editor of one change: a rule, an element or a command is written, and what is wrong with it is said while
//! it is being written.

mod complete;
mod render;

pub use render::render;

use super::Overlay;
use crate::lang::iptables::from_nft;
use crate::model::Ruleset;
use crate::session::changes::Wrong;
use crate::stage::change::Edit;
use crate::tui::action::Action;
use crate::tui::app::{Level, State, job};
use crate::tui::effect::Effect;
use crate::tui::job::{Advice, Job};
use crate::tui::key::Key;
use crate::tui::screen::changes;
use complete::Completion;
use crossterm::event::{KeyCode, KeyModifiers};
use ratatui_textarea::{CursorMove, Input, Key as AreaKey, TextArea};

/// What a rule is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Not a rule, or one of a table that iptables has nothing to do with.
    Nft,
    /// A table of iptables-nft: nf_tables holds it, and iptables must be able to show it.
    IptablesNft,
    Legacy,
}

impl Language {
    fn of(edit: &Edit, ruleset: Option<&Ruleset>) -> Language {
        let rule = matches!(edit, Edit::AddRule { .. } | Edit::ReplaceRule { .. });
        let Some(place) = edit.place().filter(|_| rule) else {
            return Language::Nft;
        };
        if place.legacy().is_some() {
            return Language::Legacy;
        }
        let table = ruleset.and_then(|ruleset| ruleset.table(place.family, &place.table));
        match table.is_some_and(|table| from_nft::is_of_iptables(table)) {
            true => Language::IptablesNft,
            false => Language::Nft,
        }
    }

    /// In words, for the frame of the editor.
    fn words(self) -> &'static str {
        match self {
            Language::Nft => "nft syntax",
            Language::IptablesNft => "iptables syntax (or nft's)",
            Language::Legacy => "iptables syntax",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Editor {
    area: TextArea<'static>,
    /// What comes out of it, but for the text.
    edit: Edit,
    /// The change of the set that is being edited again.
    id: Option<u64>,
    original: String,
    /// Places are bytes of the text.
    wrong: Vec<Wrong>,
    /// How the rule reads, when it can be read.
    english: Option<String>,
    /// What a person should know before it is staged.
    note: Option<String>,
    /// Which language the table of the rule needs.
    language: Language,
    completion: Completion,
    ticket: u64,
    /// Nothing is known about the text as it is now.
    looking: bool,
    /// Stage it as soon as it is known to be right.
    staging: bool,
}

impl Editor {
    /// Everything that was written. Only commands have several lines; elsewhere a line end is a blank.
    pub fn text(&self) -> String {
        let end = match self.edit {
            Edit::Command { .. } | Edit::Route { .. } => "\n",
            _ => " ",
        };
        self.area.lines().join(end)
    }

    fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// The cursor as a byte of the text.
    fn cursor_byte(&self) -> usize {
        let (row, column) = self.cursor();
        let lines = self.area.lines();
        let before: usize = lines.iter().take(row).map(|line| line.len() + 1).sum();
        let line = lines.get(row).map_or("", String::as_str);
        let within = line.char_indices().nth(column);
        before + within.map_or(line.len(), |(at, _)| at)
    }

    /// The person has written something of their own.
    fn is_changed(&self) -> bool {
        let text = self.text();
        !text.trim().is_empty() && text != self.original
    }

    /// Take over what was found, unless it is about an older text.
    fn looked(&mut self, ticket: u64, advice: Advice) -> bool {
        if ticket != self.ticket {
            return false;
        }
        self.completion.offer(advice.words);
        self.english = advice.english;
        self.note = advice.note;
        self.looking = false;
        if !self.is_changed() {
            self.wrong.clear();
            return true;
        }
        let lead = self.edit.lead().len();
        let len = self.text().len();
        let place = |at: usize| at.saturating_sub(lead).min(len);
        self.wrong = advice
            .wrong
            .into_iter()
            .map(|one| Wrong {
                span: place(one.span.start)..place(one.span.end),
                ..one
            })
            .collect();
        true
    }
}

/// Open the editor for a change that is to be made, or for one of the set.
pub fn open(state: &mut State, edit: Edit, id: Option<u64>, effects: &mut Vec<Effect>) {
    let text = edit.text().to_string();
    if text.chars().any(|c| c.is_control() && c != '\n') {
        let text = "this text holds bytes that no editor can show; use `hookscope apply`";
        state.notify(Level::Warning, text);
        return;
    }
    let language = Language::of(&edit, state.ruleset().as_deref());
    let mut area = TextArea::new(text.split('\n').map(str::to_string).collect());
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    state.overlay = Some(Overlay::Editor(Box::new(Editor {
        area,
        edit,
        id,
        original: text,
        wrong: Vec::new(),
        english: None,
        note: None,
        language,
        completion: Completion::default(),
        ticket: 0,
        looking: false,
        staging: false,
    })));
    changed(state, effects);
}

/// A key that is no action goes into the text.
pub fn key(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    let code = match key.code {
        KeyCode::Char(c) => AreaKey::Char(c),
        KeyCode::Backspace => AreaKey::Backspace,
        KeyCode::Delete => AreaKey::Delete,
        KeyCode::Left => AreaKey::Left,
        KeyCode::Right => AreaKey::Right,
        KeyCode::Up => AreaKey::Up,
        KeyCode::Down => AreaKey::Down,
        KeyCode::Home => AreaKey::Home,
        KeyCode::End => AreaKey::End,
        _ => return,
    };
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let before = editor.cursor();
    editor.completion.end();
    let typed = match code {
        AreaKey::Char('z') if ctrl => editor.area.undo(),
        AreaKey::Char('u') if ctrl => editor.area.delete_line_by_head(),
        AreaKey::Char('m' | 'j') if ctrl => false,
        key_code => editor.area.input(Input {
            key: key_code,
            ctrl,
            alt: key.modifiers.contains(KeyModifiers::ALT),
            shift: false,
        }),
    };
    if typed || editor.cursor() != before {
        changed(state, effects);
    }
}

pub fn paste(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String = text
        .trim_end_matches('\n')
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .collect();
    editor.area.insert_str(clean);
    changed(state, effects);
}

/// The text is another one: have it looked at.
fn changed(state: &mut State, effects: &mut Vec<Effect>) {
    let ticket = state.ticket();
    let set = state.changes.set.clone();
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    editor.ticket = ticket;
    editor.staging = false;
    let text = editor.text();
    editor.looking = editor.is_changed();
    if !editor.looking {
        // Nothing written yet, or what is there already.
        editor.wrong.clear();
        editor.english = None;
        editor.note = None;
    }
    let cursor = editor.cursor_byte();
    let own = editor.edit.with_text(&text);
    // As the set would be; what comes after this change does not matter to it.
    let mut set = set;
    let id = match editor.id {
        Some(id) => {
            set.amend(id, own);
            id
        }
        None => set.stage(own),
    };
    let mut edits = Vec::new();
    for change in set.changes().iter() {
        edits.push(change.edit.clone());
        if change.id == id {
            break;
        }
    }
    job(state, effects, |picture| Job::Look {
        ticket,
        picture,
        edits,
        cursor,
    });
}

pub fn looked(state: &mut State, ticket: u64, advice: Advice) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    if editor.looked(ticket, advice) && std::mem::take(&mut editor.staging) {
        accept(state);
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    match action {
        Action::Accept => accept(state),
        Action::Complete if editor.complete(true) => changed(state, effects),
        Action::CompleteBack if editor.complete(false) => changed(state, effects),
        Action::NewLine => {
            editor.area.insert_newline();
            changed(state, effects);
        }
        _ => {}
    }
}

fn accept(state: &mut State) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    let text = editor.text();
    if text != editor.original {
        if editor.looking {
            editor.staging = true;
            return;
        }
        if !editor.wrong.is_empty() && !text.trim().is_empty() {
            let text = "not staged: it cannot be read yet; esc gives up";
            state.notify(Level::Warning, text);
            return;
        }
    }
    let (edit, id) = (editor.edit.clone(), editor.id);
    let unchanged = text == editor.original;
    state.overlay = None;
    if !unchanged {
        changes::update::written(state, edit, id, text.trim());
    }
}
