//! The state of the interface, and the one function that changes it.
//!
//! `update` performs no I/O and reads no clock: what it wants done comes back as effects.

mod enabled;

use super::action::{Action, Layer};
use super::effect::Effect;
use super::event::Event;
use super::job::{Answer, Job};
use super::key::{Key, Sequence};
use super::keymap::{Keymap, Resolved};
use super::overlay::Overlay;
use super::overlay::ask::Question;
use super::request::Reply;
use super::screen::changes::Changes;
use super::screen::explore::Explore;
use super::screen::flow::Flow;
use super::screen::flows::Flows;
use super::screen::live::Live;
use super::screen::routes::Routes;
use super::screen::services::Services;
use super::search::Search;
use super::theme::Theme;
use super::{chrome, mouse, overlay, screen};
use crate::flow::tracer::WATCH;
use crate::session::{Command, Picture, SessionEvent};
use ratatui::layout::{Rect, Size};
use std::sync::Arc;
use std::time::Duration;

/// The smallest terminal everything fits into.
pub const MIN_SIZE: Size = Size {
    width: 80,
    height: 24,
};
/// Below this there is only a message.
pub const LEAST_SIZE: Size = Size {
    width: 60,
    height: 15,
};

/// What does not change while the program runs.
#[derive(Clone, Debug)]
pub struct Settings {
    pub theme: Theme,
    pub keymap: Keymap,
    pub keymap_name: String,
    pub read_only: bool,
    /// Over SSH: a mistake may cut the person off.
    pub remote: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    Explore,
    Routes,
    Changes,
    Flow,
    Live,
    Services,
    Flows,
}

impl Screen {
    pub const ALL: [Screen; 7] = [
        Screen::Explore,
        Screen::Routes,
        Screen::Changes,
        Screen::Flow,
        Screen::Live,
        Screen::Services,
        Screen::Flows,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Screen::Explore => "Explore",
            Screen::Routes => "Routes",
            Screen::Changes => "Changes",
            Screen::Flow => "Flow",
            Screen::Live => "Live",
            Screen::Services => "Services",
            Screen::Flows => "Flows",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody changed the ruleset.
    Change,
    Info,
    Warning,
    Error,
}

/// Something a person should read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub level: Level,
    pub text: String,
    pub at: Duration,
}

/// How long a change stands beside the tabs.
const NEWS: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct State {
    pub settings: Arc<Settings>,
    pub size: Size,
    pub now: Duration,
    pub picture: Option<Arc<Picture>>,
    /// The newest picture while the screen is frozen.
    pub held: Option<Arc<Picture>>,
    pub frozen_at: Option<Duration>,
    pub screen: Screen,
    pub explore: Explore,
    pub routes: Routes,
    pub changes: Changes,
    pub flow: Flow,
    pub live: Live,
    pub services: Services,
    pub flows: Flows,
    pub overlay: Option<Overlay>,
    pub search: Search,
    pub pending: Sequence,
    pub notices: Vec<Notice>,
    pub mouse: bool,
    /// Seconds between readings of counters.
    pub interval: f32,
    pub ended: bool,
    last_problem: Option<String>,
    last_ticket: u64,
}

impl State {
    pub fn new(settings: Arc<Settings>, size: Size) -> State {
        State {
            settings,
            size,
            now: Duration::ZERO,
            picture: None,
            held: None,
            frozen_at: None,
            screen: Screen::Explore,
            explore: Explore::default(),
            routes: Routes::default(),
            changes: Changes::default(),
            flow: Flow::default(),
            live: Live::default(),
            services: Services::default(),
            flows: Flows::default(),
            overlay: None,
            search: Search::default(),
            pending: Sequence::new(),
            notices: Vec::new(),
            mouse: true,
            interval: 1.0,
            ended: false,
            last_problem: None,
            last_ticket: 0,
        }
    }

    pub fn theme(&self) -> &Theme {
        &self.settings.theme
    }

    /// A number that marks the answer to one question.
    pub fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    pub fn notify(&mut self, level: Level, text: impl Into<String>) {
        let text = text.into();
        if self.notices.len() > 200 {
            self.notices.remove(0);
        }
        self.notices.push(Notice {
            level,
            text,
            at: self.now,
        });
    }

    /// The notice to show now, if it is still fresh.
    pub fn fresh_notice(&self) -> Option<&Notice> {
        let mut notices = self.notices.iter().rev();
        // Changes have a place of their own, where they cover nothing.
        let notice = notices.find(|notice| notice.level != Level::Change)?;
        let seconds = match notice.level {
            Level::Change | Level::Info => 3,
            Level::Warning => 6,
            Level::Error => 10,
        };
        (self.now.saturating_sub(notice.at) < Duration::from_secs(seconds)).then_some(notice)
    }

    /// The newest change that somebody made, while it is news.
    pub fn fresh_change(&self) -> Option<&Notice> {
        let mut notices = self.notices.iter().rev();
        let notice = notices.find(|notice| notice.level == Level::Change)?;
        (self.now.saturating_sub(notice.at) < NEWS).then_some(notice)
    }

    /// The layers of the keymap that are asked for a key, most special first.
    pub fn layers(&self) -> Vec<Layer> {
        if let Some(overlay) = &self.overlay {
            return vec![overlay.layer(), Layer::Always];
        }
        if self.search.is_editing()
            || self.routes.is_editing(self.screen)
            || self.live.is_editing(self.screen)
        {
            return vec![Layer::Prompt, Layer::Always];
        }
        if self.flow.is_editing(self.screen) {
            return vec![Layer::PacketForm, Layer::Always];
        }
        let mut layers = match self.screen {
            Screen::Explore => vec![self.explore.layer(), Layer::Explore],
            Screen::Routes => vec![Layer::Routes],
            Screen::Changes => vec![Layer::Changes],
            Screen::Flow => vec![Layer::Flow],
            Screen::Live => vec![Layer::Live],
            Screen::Services => vec![Layer::Services],
            Screen::Flows => vec![Layer::Flows],
        };
        layers.extend([Layer::List, Layer::Global, Layer::Always]);
        layers
    }

    pub fn body(&self) -> Rect {
        chrome::areas(self.size).body
    }

    /// The picture that is on the screen, or an effect-free nothing before the first one.
    pub fn ruleset(&self) -> Option<Arc<crate::model::Ruleset>> {
        self.picture.as_ref().map(|picture| picture.ruleset.clone())
    }
}

/// Change the state as `event` demands. No I/O, no clock.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    match event {
        Event::Key(key) => press(state, key, &mut effects),
        Event::Paste(text) => paste(state, &text, &mut effects),
        Event::Mouse(event) => mouse::update(state, event, &mut effects),
        Event::Resize(size) => {
            state.size = size;
            screen::explore::update::settle(state);
            screen::routes::update::settle(state);
            screen::flow::update::settle(state);
            screen::live::update::settle(state);
            screen::services::update::settle(state);
            screen::flows::update::settle(state);
        }
        Event::Tick(now) => {
            state.now = now;
            screen::explore::update::tick(state, &mut effects);
            screen::changes::update::tick(state, &mut effects);
            screen::services::update::tick(state, &mut effects);
        }
        Event::Session(SessionEvent::Picture(picture)) => {
            if state.frozen_at.is_some() {
                state.held = Some(picture);
            } else {
                show(state, picture, &mut effects);
            }
        }
        Event::Session(SessionEvent::RouteAnswer { ticket, answer }) => {
            screen::routes::update::answer(state, ticket, answer);
        }
        Event::Session(SessionEvent::Notice(text)) => state.notify(Level::Info, text),
        Event::SessionEnded => {
            if !state.ended {
                state.ended = true;
                state.notify(
                    Level::Error,
                    "the connection to the kernel has ended; what you see does not change any more",
                );
            }
        }
        Event::Edited(text) => screen::changes::table::edited(state, text, &mut effects),
        Event::Answer(answer) => answered(state, answer, &mut effects),
        Event::Live(feed) => screen::live::update::fed(state, feed),
    }
    screen::flow::update::refresh(state, &mut effects);
    screen::services::update::refresh(state, &mut effects);
    screen::flows::update::refresh(state, &mut effects);
    effects
}

/// Put a picture on the screen.
fn show(state: &mut State, picture: Arc<Picture>, effects: &mut Vec<Effect>) {
    let problem = picture.evidence.problem.clone();
    if let Some(problem) = problem.clone().filter(|_| problem != state.last_problem) {
        state.notify(Level::Error, problem);
    }
    state.last_problem = problem;
    changed(state, &picture);
    let previous = state.picture.replace(picture);
    screen::explore::update::pictured(state, previous.as_deref(), effects);
    screen::routes::update::pictured(state);
    if let Some(ruleset) = state.ruleset() {
        screen::services::find::ask(state, &ruleset, effects);
    }
}

/// Keep what others changed since the last picture: what, and who did it.
fn changed(state: &mut State, picture: &Picture) {
    let Some(previous) = &state.picture else {
        return;
    };
    let known = previous
        .changes
        .last()
        .map_or(0, |change| change.generation);
    let own = format!("table inet {WATCH}");
    for change in picture
        .changes
        .iter()
        .filter(|change| change.generation > known)
        // What the person's own watching puts there is no news.
        .filter(|change| !change.summary.contains(&*own))
    {
        let maker = match (&change.process, change.pid) {
            (Some(process), Some(pid)) => format!("{process}[{pid}]"),
            (Some(process), None) => process.clone(),
            (None, Some(pid)) => format!("process {pid}"),
            (None, None) => "somebody".into(),
        };
        state.notify(Level::Change, format!("{maker}  {}", change.summary));
    }
}

fn answered(state: &mut State, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Found {
            ticket,
            found,
            of,
            complete,
        } => {
            if let Some(Overlay::Finder(finder)) = &mut state.overlay {
                finder.found(ticket, found, of, complete);
            }
        }
        Answer::Searched { ticket, hits } => super::search::answered(state, ticket, hits, effects),
        Answer::Ordered { ticket, order } => {
            screen::explore::update::ordered(state, ticket, order);
        }
        Answer::References(incoming) => state.explore.incoming = Some(incoming),
        Answer::Services(found) => screen::services::update::found(state, found),
        Answer::ServiceTable(view) => screen::services::update::viewed(state, view, effects),
        Answer::FlowTable(view) => screen::flows::update::viewed(state, view),
        Answer::Explained(question) => {
            screen::flows::update::explained(state, *question, effects);
        }
        Answer::Looked { ticket, advice } => overlay::editor::looked(state, ticket, advice),
        Answer::Flow { ticket, seen } => {
            screen::flow::update::answered(state, ticket, seen, effects);
        }
        Answer::Reply(Reply::Beside(beside)) => {
            screen::flow::update::read(state, beside, effects);
        }
        Answer::Reply(Reply::Flows(flows)) => screen::flows::update::read(state, flows),
        Answer::Reply(reply) => screen::changes::update::replied(state, reply, effects),
        Answer::Elements(printed) => {
            state.explore.printed = Some(printed);
            screen::explore::update::settle(state);
        }
    }
}

fn press(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    let mut pressed = std::mem::take(&mut state.pending);
    pressed.push(key);
    let layers = state.layers();
    let settings = state.settings.clone();
    let resolve = |pressed: &[Key]| {
        settings
            .keymap
            .resolve(&layers, pressed, &|action| state.enabled(action))
    };
    let mut resolved = resolve(&pressed);
    if resolved == Resolved::Nothing && pressed.len() > 1 {
        // The sequence led nowhere; the last key may still mean something alone.
        pressed = vec![key];
        resolved = resolve(&pressed);
    }
    match resolved {
        Resolved::Run(action) => perform(state, action, effects),
        Resolved::Pending => state.pending = pressed,
        Resolved::Nothing => type_key(state, key, effects),
    }
}

/// A key that runs no action goes to the field that is being typed into.
fn type_key(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    if let Some(Overlay::Finder(finder)) = &mut state.overlay {
        if finder.input.key(key) {
            overlay::finder::changed(state, effects);
        }
    } else if let Some(Overlay::Editor(_)) = &state.overlay {
        overlay::editor::key(state, key, effects);
    } else if let Some(Overlay::Ask(_)) = &state.overlay {
        overlay::ask::key(state, key);
    } else if state.overlay.is_none() && state.search.is_editing() {
        if state.search.key(key) {
            super::search::changed(state, effects);
        }
    } else if state.overlay.is_none() && state.routes.is_editing(state.screen) {
        state.routes.key(key);
    } else if state.overlay.is_none()
        && state.screen == Screen::Flow
        && let Some(form) = &mut state.flow.form
    {
        form.key(key);
    } else if state.overlay.is_none() && state.live.is_editing(state.screen) {
        state.live.key(key);
    }
}

fn paste(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    if let Some(Overlay::Finder(finder)) = &mut state.overlay {
        finder.input.paste(text);
        overlay::finder::changed(state, effects);
    } else if let Some(Overlay::Ask(_)) = &state.overlay {
        overlay::ask::paste(state, text);
    } else if let Some(Overlay::Editor(_)) = &state.overlay {
        overlay::editor::paste(state, text, effects);
    } else if state.search.is_editing() {
        state.search.paste(text);
        super::search::changed(state, effects);
    } else if state.routes.is_editing(state.screen) {
        state.routes.paste(text);
    } else if state.screen == Screen::Flow
        && let Some(form) = &mut state.flow.form
    {
        form.paste(text);
    } else if state.live.is_editing(state.screen) {
        state.live.paste(text);
    }
}

/// Do what an action says. Keys, the palette and the mouse all end here.
pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Quit => {
            let asked = matches!(state.overlay, Some(Overlay::Ask(Question::Quit)));
            let undone = !state.changes.set.is_empty() || state.changes.window.is_some();
            if undone && !asked {
                state.overlay = Some(Overlay::Ask(Question::Quit));
            } else {
                effects.push(Effect::Quit);
            }
        }
        Action::Suspend => effects.push(Effect::Suspend),
        _ if state.overlay.is_some() => in_overlay(state, action, effects),
        _ if state.search.is_editing() => super::search::perform(state, action, effects),
        _ if state.routes.is_editing(state.screen) => {
            screen::routes::update::perform_editing(state, action, effects);
        }
        _ if state.flow.is_editing(state.screen) => {
            screen::flow::update::perform_editing(state, action, effects);
        }
        _ if state.live.is_editing(state.screen) => {
            screen::live::update::perform_editing(state, action, effects);
        }
        Action::Cancel => {
            if state.explore.zoom && state.screen == Screen::Explore {
                screen::explore::update::perform(state, Action::Zoom, effects);
            } else if state.screen == Screen::Explore && state.explore.picked.is_some() {
                state.explore.picked = None;
            } else if state.flows.zoom && state.screen == Screen::Flows {
                state.flows.zoom = false;
            } else {
                state.search = Search::default();
            }
        }
        Action::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::Messages => state.overlay = Some(Overlay::Messages { scroll: 0 }),
        Action::Palette => overlay::finder::open(state, overlay::finder::Mode::Palette, effects),
        Action::Find => overlay::finder::open(state, overlay::finder::Mode::Find, effects),
        Action::Search => super::search::open(state),
        Action::NextMatch => super::search::step(state, true, effects),
        Action::PreviousMatch => super::search::step(state, false, effects),
        Action::Freeze => freeze(state, effects),
        Action::Reload => {
            effects.push(Effect::Send(Command::Reload));
            state.flows.read_now();
            state.notify(Level::Info, "reading everything again");
        }
        Action::Faster => interval(state, 0.5, effects),
        Action::Slower => interval(state, 2.0, effects),
        Action::Mouse => {
            state.mouse = !state.mouse;
            effects.push(Effect::Mouse(state.mouse));
            let text = if state.mouse {
                "the mouse works in hookscope again"
            } else {
                "the mouse belongs to the terminal now: select text as usual"
            };
            state.notify(Level::Info, text);
        }
        Action::ScreenExplore => state.screen = Screen::Explore,
        Action::ScreenRoutes => state.screen = Screen::Routes,
        Action::ScreenChanges => state.screen = Screen::Changes,
        Action::ScreenFlow => state.screen = Screen::Flow,
        Action::ScreenLive => state.screen = Screen::Live,
        Action::ScreenServices => state.screen = Screen::Services,
        Action::ScreenFlows => state.screen = Screen::Flows,
        Action::Command
        | Action::Undo
        | Action::Redo
        | Action::Validate
        | Action::Commit
        | Action::ClearChanges
        | Action::Boot
        | Action::Keep
        | Action::RollBack
        | Action::UndoCommit => screen::changes::update::perform_anywhere(state, action, effects),
        Action::NextScreen => turn_screen(state, 1),
        Action::PreviousScreen => turn_screen(state, Screen::ALL.len() - 1),
        _ => match state.screen {
            Screen::Explore => screen::explore::update::perform(state, action, effects),
            Screen::Routes => screen::routes::update::perform(state, action, effects),
            Screen::Changes => screen::changes::update::perform(state, action, effects),
            Screen::Flow => screen::flow::update::perform(state, action, effects),
            Screen::Live => screen::live::update::perform(state, action, effects),
            Screen::Services => screen::services::update::perform(state, action, effects),
            Screen::Flows => screen::flows::update::perform(state, action, effects),
        },
    }
}

fn in_overlay(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    if action == Action::Cancel && !matches!(state.overlay, Some(Overlay::Ask(_))) {
        state.overlay = None;
        return;
    }
    let size = state.size;
    let help = overlay::help::lines(state, usize::from(overlay::help::area(size).width)).len();
    let boot = match &state.overlay {
        Some(Overlay::Boot { .. }) => overlay::boot::lines(state).len(),
        _ => 0,
    };
    let messages = overlay::messages::lines(state, usize::from(size.width)).len();
    match &mut state.overlay {
        Some(Overlay::Ask(_)) => overlay::ask::perform(state, action, effects),
        Some(Overlay::Editor(_)) => overlay::editor::perform(state, action, effects),
        Some(Overlay::Finder(_)) => overlay::finder::perform(state, action, effects),
        Some(Overlay::Help { scroll }) => {
            *scroll = scrolled(*scroll, action, help, overlay::help::height(size));
        }
        Some(Overlay::Boot { .. }) if action == Action::SaveBoot => {
            screen::changes::update::perform_anywhere(state, action, effects);
        }
        Some(Overlay::Boot { scroll }) => {
            *scroll = scrolled(*scroll, action, boot, overlay::help::height(size));
        }
        Some(Overlay::Messages { scroll }) => {
            *scroll = scrolled(*scroll, action, messages, overlay::help::height(size));
        }
        None => {}
    }
}

/// The new first line of a text of `len` lines in a window of `height`.
pub fn scrolled(scroll: usize, action: Action, len: usize, height: usize) -> usize {
    let page = height.saturating_sub(1).max(1);
    let most = len.saturating_sub(height);
    match action {
        Action::Up => scroll.saturating_sub(1),
        Action::Down => scroll + 1,
        Action::PageUp => scroll.saturating_sub(page),
        Action::PageDown => scroll + page,
        Action::HalfUp => scroll.saturating_sub(page / 2),
        Action::HalfDown => scroll + page / 2,
        Action::First => 0,
        Action::Last => most,
        _ => scroll,
    }
    .min(most)
}

fn freeze(state: &mut State, effects: &mut Vec<Effect>) {
    if state.frozen_at.take().is_some() {
        if let Some(picture) = state.held.take() {
            show(state, picture, effects);
        }
    } else {
        state.frozen_at = Some(state.now);
    }
}

fn interval(state: &mut State, factor: f32, effects: &mut Vec<Effect>) {
    state.interval = (state.interval * factor).clamp(0.25, 16.0);
    let duration = Duration::from_secs_f32(state.interval);
    effects.push(Effect::Send(Command::Interval(duration)));
    let text = format!("counters are read every {} s", state.interval);
    state.notify(Level::Info, text);
}

fn turn_screen(state: &mut State, steps: usize) {
    let all = Screen::ALL;
    let place = all.iter().position(|screen| *screen == state.screen);
    let next = (place.unwrap_or(0) + steps) % all.len();
    if let Some(screen) = all.get(next) {
        state.screen = *screen;
    }
}

/// Ask for a computation over the picture on the screen.
pub fn job(state: &State, effects: &mut Vec<Effect>, make: impl FnOnce(Arc<Picture>) -> Job) {
    if let Some(picture) = &state.picture {
        effects.push(Effect::Job(make(picture.clone())));
    }
}
