//! What happens to the change set.

use super::{Busy, Verdict, Waiting};
use crate::session::boot::Saved;
use crate::session::changes::{Problem, Window, Wrong};
use crate::session::{Command, Source};
use crate::stage::change::Edit;
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State};
use crate::tui::effect::Effect;
use crate::tui::human;
use crate::tui::overlay::ask::{self, Question};
use crate::tui::overlay::{Overlay, editor};
use crate::tui::request::{Reply, Request, Stay};
use crate::tui::screen::explore;
use crate::tui::widget::input::Input;
use std::time::Duration;

/// How often to look whether a commit still waits.
const LOOK: Duration = Duration::from_secs(2);

/// How soon after a change to look again whether the next boot would bring it. All elements of all sets are read for
/// it: where that takes long, it is done more rarely.
const BOOT: Duration = Duration::from_secs(10);

/// How often to look what others have committed.
const HISTORY: Duration = Duration::from_secs(5);

/// Changes can be made here: not in a snapshot, not when only looking was asked for.
pub fn can_change(state: &State) -> bool {
    let live = |picture: &crate::session::Picture| matches!(picture.source, Source::Live { .. });
    !state.settings.read_only && state.picture.as_deref().is_some_and(live)
}

fn committing(state: &State) -> bool {
    matches!(state.changes.busy, Some(Busy::Committing { .. }))
}

pub fn enabled(state: &State, action: Action) -> bool {
    let changes = &state.changes;
    if !can_change(state) || committing(state) {
        return false;
    }
    let here = state.screen == Screen::Changes;
    match action {
        Action::Boot => boots(state) && (here || state.overlay.is_some()),
        Action::SaveBoot => {
            let differs = |files: &Vec<Saved>| files.iter().any(|file| !file.same());
            let shown = matches!(state.overlay, Some(Overlay::Boot { .. }));
            shown && matches!(&changes.boot, Some(Ok(files)) if differs(files))
        }
        Action::Command => true,
        Action::Undo => changes.set.can_undo(),
        Action::Redo => changes.set.can_redo(),
        Action::ClearChanges => !changes.set.is_empty(),
        Action::Validate | Action::Commit => !changes.set.is_empty() && changes.busy.is_none(),
        Action::Edit => here && changes.selected().is_some_and(|one| has_text(&one.edit)),
        Action::Delete => here && changes.selected().is_some(),
        Action::KeepCounters => {
            let rule = |edit: &Edit| matches!(edit, Edit::ReplaceRule { .. });
            here && changes.selected().is_some_and(|one| rule(&one.edit))
        }
        Action::TakeTheirs => here && rebased(state).is_some(),
        Action::Keep | Action::RollBack => changes.window.is_some() && changes.busy.is_none(),
        Action::UndoCommit => {
            here && changes.busy.is_none()
                && changes.window.is_none()
                && changes.history.iter().any(|past| past.stands)
        }
        _ => false,
    }
}

fn has_text(edit: &Edit) -> bool {
    !matches!(
        edit,
        Edit::DeleteRule { .. }
            | Edit::MoveRule { .. }
            | Edit::SetPolicy { .. }
            | Edit::DeleteChain { .. }
            | Edit::DeleteElement { .. }
    )
}

/// The selected change for the rule as somebody else left it.
fn rebased(state: &State) -> Option<(u64, Edit)> {
    let change = state.changes.selected()?;
    let Some(Verdict::Refused {
        moved: Some(moved), ..
    }) = state.changes.verdicts.get(&change.id)
    else {
        return None;
    };
    let now = moved.now.as_ref()?;
    Some((change.id, change.edit.rebased(moved.handle, now)))
}

/// Actions on the change set, from any screen.
pub fn perform_anywhere(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    if !enabled(state, action) {
        return;
    }
    match action {
        Action::Command => {
            let edit = Edit::Command {
                text: String::new(),
            };
            editor::open(state, edit, None, effects);
        }
        Action::Undo => {
            state.changes.set.undo();
            changed(state);
        }
        Action::Redo => {
            state.changes.set.redo();
            changed(state);
        }
        Action::ClearChanges => {
            let count = state.changes.set.len();
            state.changes.set.clear();
            changed(state);
            let count = human::plural(count, "change", "changes");
            state.notify(
                Level::Info,
                format!("{count} removed; undo brings them back"),
            );
        }
        Action::Validate => {
            state.changes.busy = Some(Busy::Checking);
            if let Some(picture) = &state.picture {
                effects.push(Effect::Kernel(Request::Check {
                    version: state.changes.set.version(),
                    changes: state.changes.set.changes().clone(),
                    names: picture.names.clone(),
                }));
            }
        }
        Action::Commit => {
            let stay = match state.settings.remote {
                true => Stay::Confirmed(ask::WINDOW),
                false => Stay::Always,
            };
            state.overlay = Some(Overlay::Ask(Question::Commit {
                stay,
                accepted: false,
                writing: false,
            }));
            state.changes.severed = None;
            let picture = state.picture.as_deref();
            // One that does not show the person's own last commit yet says nothing about what others did.
            let own = state.changes.committed.unwrap_or(0);
            let whole = picture
                .filter(|picture| picture.progress.complete && picture.ruleset.generation >= own);
            state.changes.reviewed = whole.map(|picture| picture.ruleset.clone());
            effects.push(Effect::Kernel(Request::Severed {
                version: state.changes.set.version(),
                changes: state.changes.set.changes().clone(),
            }));
        }
        Action::UndoCommit => state.overlay = Some(Overlay::Ask(Question::UndoCommit)),
        Action::Boot => {
            state.overlay = Some(Overlay::Boot { scroll: 0 });
            boot(state, effects);
        }
        Action::SaveBoot => {
            let files = state.changes.boot.take();
            let files = files.and_then(Result::ok).unwrap_or_default();
            let other = files.iter().filter(|file| !file.same());
            let programs = other.map(|file| file.program).collect();
            state.changes.boot_busy = true;
            effects.push(Effect::Kernel(Request::SaveBoot(programs)));
        }
        Action::Keep | Action::RollBack => {
            state.changes.busy = Some(Busy::Ending);
            effects.push(Effect::Kernel(match action {
                Action::Keep => Request::Keep,
                _ => Request::RollBack,
            }));
        }
        _ => {}
    }
}

/// Actions of the screen itself.
pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Edit => {
            if let Some(change) = state.changes.selected().cloned() {
                editor::open(state, change.edit, Some(change.id), effects);
            }
        }
        Action::Delete => {
            if let Some(id) = state.changes.selected().map(|change| change.id) {
                state.changes.set.remove(id);
                changed(state);
            }
        }
        Action::KeepCounters => {
            if let Some(change) = state.changes.selected().cloned()
                && let Edit::ReplaceRule { rule, text, keep } = change.edit
            {
                let keep = !keep;
                let edit = Edit::ReplaceRule { rule, text, keep };
                state.changes.set.amend(change.id, edit);
                changed(state);
                state.notify(
                    Level::Info,
                    match keep {
                        true => "the counters of this rule go on where they are",
                        false => "the counters of this rule begin as its text says",
                    },
                );
            }
        }
        Action::TakeTheirs => {
            if let Some((id, edit)) = rebased(state) {
                state.changes.set.amend(id, edit);
                changed(state);
                state.notify(
                    Level::Info,
                    "the change is for the rule as it is now; validate it again",
                );
            }
        }
        _ => {
            let (len, height) = (
                state.changes.set.len(),
                usize::from(state.body().height) / 4,
            );
            state.changes.list.act(action, len, height);
        }
    }
}

/// The question was answered: take the last commit back.
pub fn undo_commit(state: &mut State, effects: &mut Vec<Effect>) {
    if enabled(state, Action::UndoCommit) {
        state.changes.busy = Some(Busy::Ending);
        effects.push(Effect::Kernel(Request::UndoCommit));
    }
}

/// The question was answered: commit.
pub fn commit(state: &mut State, stay: Stay, effects: &mut Vec<Effect>) {
    if !enabled(state, Action::Commit) {
        return;
    }
    if let Some(picture) = &state.picture {
        state.changes.busy = Some(Busy::Committing { stay });
        effects.push(Effect::Kernel(Request::Commit {
            version: state.changes.set.version(),
            changes: state.changes.set.changes().clone(),
            names: picture.names.clone(),
            stay,
            why: state.changes.why.text().trim().to_owned(),
            reviewed: state.changes.reviewed.take(),
        }));
    }
}

/// Put a change into the set. Its number, where that was possible.
pub fn stage(state: &mut State, edit: Edit) -> Option<u64> {
    if !can_change(state) || committing(state) {
        state.notify(Level::Warning, "not staged: a commit is being made");
        return None;
    }
    let id = state.changes.set.stage(edit);
    let place = state
        .changes
        .set
        .changes()
        .iter()
        .position(|one| one.id == id);
    state.changes.list.selected = place.unwrap_or(0);
    changed(state);
    Some(id)
}

pub fn remove(state: &mut State, id: u64) {
    if !committing(state) {
        state.changes.set.remove(id);
        changed(state);
    }
}

/// The editor gives a text back: into the set with it.
pub fn written(state: &mut State, edit: Edit, id: Option<u64>, text: &str) {
    if committing(state) {
        state.notify(Level::Warning, "not staged: a commit is being made");
        return;
    }
    // Back to what the kernel has: there is nothing to change.
    let nothing = match &edit {
        Edit::ReplaceRule { rule, .. } => rule.text == text,
        Edit::RenameChain { chain, .. } => text.is_empty() || *chain.name == *text,
        _ => text.is_empty(),
    };
    match (id, nothing) {
        (Some(id), true) => remove(state, id),
        (None, true) => {}
        (Some(id), false) => {
            state.changes.set.amend(id, edit.with_text(text));
            changed(state);
        }
        (None, false) => {
            // An emptied rule is not a rule; it is deleted by `delete`.
            if let Some(id) = stage(state, edit.with_text(text)) {
                explore::edit::staged(state, id);
            }
        }
    }
}

/// The set is another one: what was known about it does not hold any more.
pub fn changed(state: &mut State) {
    state.changes.verdicts.clear();
    state.changes.severed = None;
    state.changes.trouble = None;
    state.changes.theirs.clear();
    state.changes.last = None;
    let last = state.changes.set.len().saturating_sub(1);
    state.changes.list.selected = state.changes.list.selected.min(last);
    explore::update::settle(state);
}

pub fn replied(state: &mut State, reply: Reply, effects: &mut Vec<Effect>) {
    if !matches!(
        reply,
        Reply::History(_)
            | Reply::Window(_)
            | Reply::Severed { .. }
            | Reply::Remembered(_)
            | Reply::Boot(_)
    ) {
        // There may be more of it now.
        state.changes.history_asked = None;
    }
    let done = matches!(
        reply,
        Reply::Committed { outcome: Ok(_), .. } | Reply::RolledBack(Ok(_))
    );
    if done
        && state
            .ruleset()
            .is_some_and(|ruleset| !ruleset.legacy.is_empty())
    {
        // Nobody tells of changes of legacy tables.
        effects.push(Effect::Send(Command::Reload));
    }
    match reply {
        Reply::Beside(_) | Reply::Flows(_) => {}
        Reply::Checked { version, outcome } => {
            state.changes.busy = None;
            if version != state.changes.set.version() {
                return;
            }
            match outcome {
                Ok(()) => {
                    let all = state.changes.set.changes().clone();
                    state.changes.verdicts =
                        all.iter().map(|one| (one.id, Verdict::Good)).collect();
                    state.changes.trouble = None;
                    let legacy = all.iter().any(|one| one.edit.legacy_table().is_some());
                    let text = match legacy {
                        false => "the kernel takes all changes as they are now",
                        true => {
                            "well-formed, as far as can be told: the kernel looks at legacy tables only when they are replaced"
                        }
                    };
                    state.notify(Level::Info, text);
                }
                Err(problem) => refused(state, problem),
            }
        }
        Reply::Committed { version, outcome } => committed(state, version, outcome),
        Reply::Kept(outcome) => {
            state.changes.busy = None;
            match outcome {
                Ok(()) => {
                    state.changes.window = None;
                    state.changes.last = Some("The last commit was confirmed.".into());
                    state.notify(Level::Info, "the commit is kept");
                }
                Err(error) => state.notify(Level::Error, error),
            }
        }
        Reply::RolledBack(outcome) => {
            state.changes.busy = None;
            match outcome {
                Ok(left) => {
                    state.changes.window = None;
                    state.changes.last = Some("The last commit was taken back.".into());
                    state.notify(Level::Info, "the commit was taken back");
                    for sentence in left {
                        let text = format!("not restored: {sentence}");
                        state.notify(Level::Error, text);
                    }
                }
                Err(error) => state.notify(Level::Error, error),
            }
        }
        Reply::Remembered(Ok(())) => {}
        Reply::Remembered(Err(why)) => {
            let text = format!("what is staged is lost with this terminal: {why}");
            state.notify(Level::Warning, text);
        }
        Reply::Recalled(edits) if edits.is_empty() || state.settings.read_only => {}
        Reply::Recalled(edits) => {
            let count = human::plural(edits.len(), "change", "changes");
            state.changes.set.stage_all(edits);
            changed(state);
            let text = format!("{count} staged in a terminal that was lost are here again");
            state.notify(Level::Warning, text);
        }
        Reply::Severed { version, outcome } => {
            if version == state.changes.set.version() {
                state.changes.severed = Some(outcome);
                ask::severed_known(state, effects);
            }
        }
        Reply::TableOpened(outcome) => super::table::opened(state, outcome, effects),
        Reply::TableEdits(outcome) => super::table::read(state, outcome),
        Reply::Window(window) => seen(state, window),
        Reply::Boot(outcome) => {
            state.changes.boot_busy = false;
            let asked = state.changes.boot_asked.map(|(asked, _)| asked);
            state.changes.boot_took = state.now.saturating_sub(asked.unwrap_or(state.now));
            state.changes.boot = Some(outcome);
        }
        Reply::BootSaved(outcomes) => {
            state.changes.boot_busy = false;
            for outcome in outcomes {
                match outcome {
                    Ok(text) => state.notify(Level::Info, text),
                    Err(why) => state.notify(Level::Error, format!("not saved: {why}")),
                }
            }
            boot(state, effects);
        }
        Reply::History(history) => state.changes.history = history,
    }
}

fn committed(
    state: &mut State,
    version: u64,
    outcome: Result<(Option<u32>, Vec<String>), Problem>,
) {
    let stay = match state.changes.busy.take() {
        Some(Busy::Committing { stay }) => stay,
        _ => Stay::Always,
    };
    match outcome {
        Ok((generation, warnings)) => {
            state.changes.committed = generation;
            let count = human::plural(state.changes.set.len(), "change", "changes");
            if version == state.changes.set.version() {
                state.changes.set.committed();
            }
            changed(state);
            for warning in warnings {
                state.notify(Level::Warning, warning);
            }
            state.changes.why = Input::default();
            let text = match stay {
                Stay::Confirmed(time) => {
                    state.changes.window = Some(Waiting {
                        until: state.now + time,
                        who: String::new(),
                        asked: state.now,
                    });
                    format!(
                        "{count} committed; taken back in {} s unless kept",
                        time.as_secs()
                    )
                }
                Stay::For(time) => format!(
                    "{count} committed; taken back by themselves in {}",
                    human::span(time)
                ),
                Stay::Always => format!("{count} committed"),
            };
            state.changes.last = Some(format!("{text}."));
            state.notify(Level::Info, text);
        }
        Err(problem) => {
            refused(state, problem);
            state.notify(
                Level::Error,
                "nothing was changed; see Changes for the reason",
            );
        }
    }
}

fn refused(state: &mut State, problem: Problem) {
    state.changes.verdicts.clear();
    state.changes.trouble = None;
    state.changes.theirs.clear();
    match problem {
        Problem::Changes(wrong) => {
            let all = state.changes.set.changes().clone();
            let mut first = None;
            for Wrong {
                change,
                span,
                message,
                help,
                moved,
            } in wrong
            {
                let Some(one) = all.get(change) else {
                    continue;
                };
                first = first.or(Some(change));
                state
                    .changes
                    .verdicts
                    .entry(one.id)
                    .or_insert(Verdict::Refused {
                        start: span.start,
                        message,
                        help,
                        moved,
                    });
            }
            if let Some(first) = first {
                state.changes.list.selected = first;
            }
        }
        Problem::Theirs(theirs) => {
            state.changes.trouble = Some(
                "somebody changed the same tables since you looked; nothing was changed".into(),
            );
            state.changes.theirs = theirs;
        }
        Problem::Other(text) => {
            state.notify(Level::Error, text.clone());
            state.changes.trouble = Some(text);
        }
    }
}

/// Whether a commit waits, as the guard says.
fn seen(state: &mut State, window: Option<Window>) {
    let before = state.changes.window.take();
    match (before, window) {
        (_, Some(window)) => {
            state.changes.window = Some(Waiting {
                until: state.now + window.left.unwrap_or_default(),
                who: window.who,
                asked: state.now,
            });
        }
        (Some(before), None) => {
            let text = if state.now + Duration::from_secs(1) >= before.until {
                "time is up: the commit was taken back"
            } else {
                "the commit that waited was confirmed or taken back elsewhere"
            };
            state.changes.last = Some(text.into());
            state.notify(Level::Warning, text);
        }
        (None, None) => {}
    }
}

/// What the machine loads at boot is about its own network namespace, not about one that is looked at or made up.
fn boots(state: &State) -> bool {
    let own = |source: &Source| matches!(source, Source::Live { netns: None, .. });
    can_change(state) && state.picture.as_deref().is_some_and(|one| own(&one.source))
}

/// Ask what the next boot loads.
fn boot(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(picture) = &state.picture else {
        return;
    };
    if !state.changes.boot_busy {
        state.changes.boot_busy = true;
        state.changes.boot_asked = Some((state.now, picture.ruleset.generation));
        effects.push(Effect::Kernel(Request::Boot));
    }
}

/// What is known about the next boot is of another ruleset than the one that runs.
fn boot_is_old(state: &State) -> bool {
    let generation = state.picture.as_ref().map(|one| one.ruleset.generation);
    match state.changes.boot_asked {
        None => true,
        Some((asked, of)) => {
            let pause = BOOT.max(state.changes.boot_took * 20);
            generation != Some(of) && state.now.saturating_sub(asked) >= pause
        }
    }
}

/// Time passes: look whether the commit still waits.
pub fn tick(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Changes && boots(state) && boot_is_old(state) {
        boot(state, effects);
    }
    let now = state.now;
    let asked = state.changes.history_asked;
    let due = asked.is_none_or(|asked| now.saturating_sub(asked) >= HISTORY);
    if state.screen == Screen::Changes && due && can_change(state) {
        state.changes.history_asked = Some(now);
        effects.push(Effect::Kernel(Request::History));
    }
    let version = state.changes.set.version();
    if version != state.changes.remembered && can_change(state) {
        state.changes.remembered = version;
        let changes = state.changes.set.changes().clone();
        effects.push(Effect::Kernel(Request::Remember(changes)));
    }
    let busy = state.changes.busy.is_some();
    if let Some(window) = state.changes.window.as_mut().filter(|_| !busy)
        && now.saturating_sub(window.asked) >= LOOK
    {
        window.asked = now;
        effects.push(Effect::Kernel(Request::Window));
    }
}

/// A click: select the change on that line.
pub fn click(state: &mut State, y: u16) {
    let line = usize::from(y.saturating_sub(state.body().y));
    if let Some(place) = super::render::change_at(state, line) {
        state.changes.list.selected = place;
    }
}
