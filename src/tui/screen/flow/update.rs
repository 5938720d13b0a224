//! What happens on Flow.

use super::form::Form;
use super::layout::has;
use super::panes::{self, List};
use super::{Flow, Focus, View};
use crate::flow::Question;
use crate::flow::options;
use crate::model::{Family, Network};
use crate::session::watch::Packet;
use crate::session::{Beside, Command, Picture, Source};
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State, scrolled};
use crate::tui::effect::Effect;
use crate::tui::job::flow::{Ask, FAMILIES, Mark, Nature, Seen, Station, agree};
use crate::tui::job::{Job, Target};
use crate::tui::request::Request;
use crate::tui::screen::explore;
use crate::tui::screen::explore::node::NodeKey;
use std::sync::Arc;
use std::time::Duration;

/// What was read beside the picture counts as long as this for a new question.
const FRESH: Duration = Duration::from_secs(10);
/// Where the ruleset changes all the time, the path is looked at again as often as this.
const PAUSE: Duration = Duration::from_secs(2);

/// Open Flow with a packet: for other screens.
pub fn show(state: &mut State, question: Question, effects: &mut Vec<Effect>) {
    ask(state, question, None, effects);
}

/// Open Flow with a packet that was seen: what the kernel did with it is held against the prediction.
pub fn show_real(state: &mut State, packet: Arc<Packet>, effects: &mut Vec<Effect>) {
    ask(state, packet.question(), Some(packet), effects);
}

fn ask(
    state: &mut State,
    question: Question,
    real: Option<Arc<Packet>>,
    effects: &mut Vec<Effect>,
) {
    state.screen = Screen::Flow;
    let flow = &mut state.flow;
    flow.question = Some(question);
    flow.view = View::Now;
    flow.real = real;
    flow.form = None;
    flow.wanted = true;
    flow.news = None;
    flow.family_chosen = false;
    flow.focus = Focus::Steps;
    refresh(state, effects);
}

fn same_network(a: &Network, b: &Network) -> bool {
    Arc::ptr_eq(&a.routes, &b.routes)
        && Arc::ptr_eq(&a.rules, &b.rules)
        && Arc::ptr_eq(&a.addresses, &b.addresses)
        && (Arc::ptr_eq(&a.sysctls, &b.sysctls) || a.sysctls == b.sysctls)
}

/// Ask for what is not known yet, or is not so any more. Does nothing on other screens.
pub fn refresh(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen != Screen::Flow || state.flow.reading || state.flow.working {
        return;
    }
    let Some(picture) = state.picture.clone().filter(|one| one.progress.complete) else {
        return;
    };
    let generation = picture.ruleset.generation;
    let version = state.changes.set.version();
    let stale = match &state.flow.made_for {
        None => true,
        Some((of, at, network)) => {
            *of != generation || *at != version || !same_network(network, &picture.network)
        }
    };
    let wanted = state.flow.wanted;
    if !wanted && !stale {
        return;
    }
    let beside = match (&picture.beside, &state.flow.beside) {
        (Some(beside), _) => Some(beside.clone()),
        (None, Some((beside, of, at))) => {
            let age = state.now.saturating_sub(*at);
            if !wanted && age < PAUSE && *of != generation {
                return;
            }
            (*of == generation && age < FRESH).then(|| beside.clone())
        }
        (None, None) => None,
    };
    match beside {
        Some(beside) => start(state, &picture, beside, effects),
        None => {
            state.flow.reading = true;
            let ruleset = picture.ruleset.clone();
            effects.push(Effect::Kernel(Request::Beside { ruleset }));
        }
    }
}

/// What was asked for has been read.
pub fn read(state: &mut State, beside: Arc<Beside>, effects: &mut Vec<Effect>) {
    state.flow.reading = false;
    let generation = beside.ruleset.generation;
    state.flow.beside = Some((beside, generation, state.now));
    refresh(state, effects);
}

fn start(state: &mut State, picture: &Picture, beside: Arc<Beside>, effects: &mut Vec<Effect>) {
    let ticket = state.ticket();
    let edits = state.changes.set.changes().iter();
    let ask = Ask {
        beside,
        network: picture.network.clone(),
        names: picture.names.clone(),
        question: state.flow.question.clone(),
        edits: edits.map(|change| change.edit.clone()).collect(),
        basis: vec![basis(picture)],
        real: state.flow.real.clone(),
    };
    let version = state.changes.set.version();
    let flow = &mut state.flow;
    flow.ticket = ticket;
    flow.working = true;
    flow.asked = std::mem::take(&mut flow.wanted);
    flow.made_for = Some((picture.ruleset.generation, version, picture.network.clone()));
    let ask = Box::new(ask);
    effects.push(Effect::Job(Job::Flow { ticket, ask }));
}

fn basis(picture: &Picture) -> String {
    let generation = picture.ruleset.generation;
    match &picture.source {
        Source::Live { host, netns } => {
            let netns = netns.as_ref().map(|name| format!(", namespace {name}"));
            format!(
                "rests on the running kernel of {host}{}, generation {generation}",
                netns.unwrap_or_default()
            )
        }
        Source::Snapshot { path, host, .. } => {
            format!("rests on a snapshot of {host} ({path}), generation {generation}")
        }
    }
}

/// The answer has come.
pub fn answered(state: &mut State, ticket: u64, seen: Box<Seen>, effects: &mut Vec<Effect>) {
    if ticket != state.flow.ticket {
        return;
    }
    let flow = &mut state.flow;
    flow.working = false;
    let asked = std::mem::take(&mut flow.asked);
    let end = |flow: &Flow| flow.told().map(|told| told.end.clone());
    let before = end(flow);
    let here = flow.row().map(|shown| shown.row.text.clone());
    flow.seen = Some(seen);
    if !flow.views().contains(&flow.view) {
        flow.view = View::Now;
    }
    // A prediction that was wrong is what one wants to see.
    if asked
        && flow
            .held_against()
            .is_some_and(|(now, real)| !agree(now, real))
    {
        flow.view = View::Real;
    }
    let after = end(flow);
    if asked {
        // The answer first; from there one can go back, or begin at the beginning.
        let rows = flow.rows();
        let end = rows
            .iter()
            // Of two ends, the one that the kernel told.
            .rposition(|shown| matches!(shown.row.mark, Mark::End(_)));
        flow.steps = Default::default();
        flow.steps.selected = end.unwrap_or(0);
        flow.scroll = 0;
        follow(flow);
    } else {
        // The same row, wherever it stands now.
        let rows = flow.rows();
        let place = here.and_then(|text| rows.iter().position(|shown| shown.row.text == text));
        if let Some(place) = place {
            flow.steps.selected = place;
        }
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            flow.news = Some(format!("changed: was {before}"));
            state.notify(
                Level::Warning,
                format!("the path of this packet has changed: was {before}, is {after}"),
            );
        }
    }
    settle(state);
    watch(state, effects);
    refresh(state, effects);
}

/// The diagram follows the selected step.
pub(super) fn follow(flow: &mut Flow) {
    let Some((family, station)) = flow
        .row()
        .map(|shown| (shown.row.family, shown.row.station))
    else {
        return;
    };
    if !flow.family_chosen {
        flow.family = family;
    }
    if flow.family == family {
        flow.station = station;
        flow.entries = Default::default();
    }
}

pub(super) fn choose_family(flow: &mut Flow, family: Family) {
    flow.family = family;
    flow.family_chosen = true;
    if !has(family, flow.station) {
        flow.station = Station::Ingress;
    }
    flow.entries = Default::default();
}

/// Have the counters read of what the diagram shows.
fn watch(state: &mut State, effects: &mut Vec<Effect>) {
    let flow = &state.flow;
    let chains = flow
        .seen
        .as_ref()
        .map(|seen| seen.diagram.chains(flow.family));
    let chains = chains.unwrap_or_default();
    if chains != state.explore.shown {
        state.explore.shown.clone_from(&chains);
        effects.push(Effect::Send(Command::Show(chains)));
    }
}

/// Heights of the list and of the explanation.
pub(super) fn heights(state: &State) -> (usize, usize) {
    let layout = state.flow.layout(state.body());
    (
        usize::from(layout.list.height.saturating_sub(1)),
        usize::from(layout.about.height.saturating_sub(1)),
    )
}

pub fn settle(state: &mut State) {
    let (height, _) = heights(state);
    let len = state.flow.lines();
    let flow = &mut state.flow;
    match flow.list() {
        List::Entries => flow.entries.settle(len, height),
        List::Steps | List::Examples => flow.steps.settle(len, height),
    }
}

pub fn enabled(state: &State, action: Action) -> bool {
    let flow = &state.flow;
    match action {
        Action::Packet => state.picture.is_some(),
        Action::StepNext | Action::StepBack => flow.focus == Focus::Hooks || flow.told().is_some(),
        Action::TurnFamily => flow.seen.is_some(),
        Action::TurnView => flow.views().len() > 1,
        Action::CopyText => flow.question.is_some(),
        Action::OpenItem => target(state).is_some() || chosen_example(flow).is_some(),
        Action::Back => flow.question.is_some(),
        _ => true,
    }
}

fn chosen_example(flow: &Flow) -> Option<&Question> {
    let seen = flow
        .seen
        .as_ref()
        .filter(|_| flow.list() == List::Examples)?;
    seen.examples
        .get(flow.steps.selected)
        .map(|(_, question)| question)
}

/// Where Enter goes.
fn target(state: &State) -> Option<Target> {
    let flow = &state.flow;
    match flow.list() {
        List::Entries => match &flow.entry()?.nature {
            Nature::Chain(key) | Nature::Legacy(key) => Some(Target::Node(NodeKey::chain(key))),
            _ => None,
        },
        List::Steps => {
            let row = flow.row()?.row;
            if let Some((key, handle)) = &row.rule {
                return Some(Target::Rule(key.clone(), *handle));
            }
            let name = row.chain.as_ref().filter(|_| row.mark == Mark::Chain)?;
            let entries = flow.seen.as_ref()?.diagram.at(row.family, row.station);
            let entry = entries.iter().find(|entry| entry.name == *name)?;
            match &entry.nature {
                Nature::Chain(key) | Nature::Legacy(key) => Some(Target::Node(NodeKey::chain(key))),
                _ => None,
            }
        }
        List::Examples => None,
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Packet => {
            let question = state.flow.question.clone();
            let example = chosen_example(&state.flow).cloned();
            state.flow.form = Some(Form::new(question.or(example).as_ref()));
        }
        Action::NextPane | Action::PreviousPane => {
            let order = [Focus::Steps, Focus::Hooks, Focus::About];
            let at = order.iter().position(|focus| *focus == state.flow.focus);
            let step = if action == Action::NextPane {
                1
            } else {
                order.len() - 1
            };
            let next = (at.unwrap_or(0) + step) % order.len();
            state.flow.focus = order.get(next).copied().unwrap_or_default();
        }
        Action::StepNext => step(state, true),
        Action::StepBack => step(state, false),
        Action::TurnFamily => {
            let at = FAMILIES
                .iter()
                .position(|family| *family == state.flow.family);
            let next = (at.unwrap_or(0) + 1) % FAMILIES.len();
            if let Some(family) = FAMILIES.get(next) {
                choose_family(&mut state.flow, *family);
            }
            watch(state, effects);
        }
        Action::TurnView => {
            let flow = &mut state.flow;
            let views = flow.views();
            let at = views.iter().position(|view| *view == flow.view);
            let next = (at.unwrap_or(0) + 1) % views.len();
            flow.view = views.get(next).copied().unwrap_or_default();
            // The first difference is what one looks for.
            let rows = flow.rows();
            let differs = rows
                .iter()
                .position(|shown| shown.side != super::Side::Same);
            if let Some(place) = differs {
                flow.steps.selected = place;
            }
            flow.focus = Focus::Steps;
            follow(flow);
        }
        Action::CopyText => {
            if let Some(question) = &state.flow.question {
                let options = options::of(question);
                let line = options::line(options.iter().map(|(name, text)| (*name, text.as_str())));
                let text = format!("hookscope trace {line}");
                state.notify(Level::Info, format!("copied: {text}"));
                effects.push(Effect::Copy(text));
            }
        }
        Action::Back => {
            let flow = &mut state.flow;
            flow.question = None;
            flow.real = None;
            flow.news = None;
            flow.wanted = true;
            flow.view = View::Now;
            flow.family_chosen = false;
            flow.focus = Focus::Steps;
        }
        Action::OpenItem => {
            if let Some(question) = chosen_example(&state.flow).cloned() {
                show(state, question, effects);
            } else if let Some(target) = target(state) {
                state.screen = Screen::Explore;
                // What the session reads is the chain that Explore shows now.
                state.explore.shown = Vec::new();
                explore::go::go_to(state, target, effects);
            }
        }
        _ => turn(state, action),
    }
    settle(state);
    refresh(state, effects);
}

pub(super) fn turn(state: &mut State, action: Action) {
    let (height, about) = heights(state);
    let len = state.flow.lines();
    match state.flow.focus {
        Focus::Hooks => state.flow.entries.act(action, len, height),
        Focus::Steps => {
            state.flow.steps.act(action, len, height);
            follow(&mut state.flow);
        }
        Focus::About => {
            let width = state
                .flow
                .layout(state.body())
                .about
                .width
                .saturating_sub(2);
            let lines = panes::about_lines(state, usize::from(width)).len();
            state.flow.scroll = scrolled(state.flow.scroll, action, lines, about);
            return;
        }
    }
    state.flow.scroll = 0;
}

/// From hook to hook, or from step to step.
fn step(state: &mut State, forward: bool) {
    let flow = &mut state.flow;
    flow.scroll = 0;
    if flow.focus == Focus::Hooks {
        let family = flow.family;
        let order: Vec<Station> = Station::ALL
            .into_iter()
            .filter(|station| has(family, *station))
            .collect();
        let at = order.iter().position(|station| *station == flow.station);
        let steps = if forward { 1 } else { order.len() - 1 };
        let next = (at.unwrap_or(0) + steps) % order.len().max(1);
        flow.station = order.get(next).copied().unwrap_or(flow.station);
        flow.entries = Default::default();
        return;
    }
    let rows = flow.rows();
    let at = flow.steps.selected;
    // What matched is worth a stop, what did not is looked at line by line.
    let stop = |place: &usize| {
        rows.get(*place).is_some_and(|shown| {
            let mark = shown.row.mark;
            shown.row.head && mark != Mark::Basis || mark == Mark::Match
        })
    };
    let next = if forward {
        (at + 1..rows.len()).find(stop).or(Some(0))
    } else {
        (0..at).rev().find(stop)
    };
    let next = next.unwrap_or(at);
    let len = rows.len();
    let (height, _) = heights(state);
    state.flow.focus = Focus::Steps;
    state.flow.steps.jump(next, len, height);
    follow(&mut state.flow);
}

/// While the form is open.
pub fn perform_editing(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(picture) = state.picture.clone() else {
        state.flow.form = None;
        return;
    };
    let flow = &mut state.flow;
    let Some(form) = &mut flow.form else {
        return;
    };
    match action {
        Action::Cancel => flow.form = None,
        Action::Complete => {
            let beside = match (&picture.beside, &flow.beside) {
                (Some(beside), _) => Some(beside),
                (None, Some((beside, ..))) => Some(beside),
                (None, None) => None,
            };
            let flows = beside.map_or(&[][..], |beside| &beside.flows);
            form.complete(&picture, flows);
        }
        Action::Accept => {
            if let Some(question) = form.question(&picture) {
                show(state, question, effects);
            }
        }
        other => form.go(other),
    }
}
