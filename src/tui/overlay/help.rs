//! Help: what the screen is for, and every key that works on it, made from the registry and the keymap.

use crate::tui::action::{Action, Layer};
use crate::tui::app::{Screen, State};
use crate::tui::clean::wrap;
use crate::tui::key;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

/// What each screen is for, in the words of a person standing beside.
fn about(screen: Screen) -> &'static [&'static str] {
    match screen {
        Screen::Explore => &[
            "Explore shows the nf_tables ruleset as the kernel has it now.",
            "Left: families, tables, chains, sets. ◆ marks a chain at a hook: packets enter there.",
            "Right: what the selected node holds. Rules run from top to bottom until one decides.",
            "Below: the selected rule in full, who jumps here, and what the kernel really executes.",
            "Counters exist only where a rule has a `counter`; — means that nobody counts.",
        ],
        Screen::Routes => &[
            "Routes shows how the kernel decides where a packet goes next.",
            "Policy rules are tried from the smallest priority on; each may point to a routing table.",
            "In a table the longest matching prefix wins; among equals the smallest metric.",
            "The lookup asks the kernel itself (as `ip route get` does) and shows its answer.",
        ],
        Screen::Flow => &[
            "Flow shows every hook that packets of a family pass, with all that runs there in the kernel's order: chains of nf_tables and of legacy iptables, connection tracking, NAT.",
            "Describe a packet, or take one of the examples: its way is simulated, nothing is sent. Heavy lines are what it has passed, double ones where it is, and below stands why.",
            "✓ matched, · did not; ⇒ is the end. ? says what only the running kernel knows, with every outcome; ∎ says what the answer rests on and what nobody looked at.",
            "A rate at a chain is that of its busiest counter: at least so many packets pass it.",
            "With pending changes the way is also looked for with them; where it differs is marked - and +.",
        ],
        Screen::Changes => &[
            "Changes holds what you want changed; the kernel has none of it before you commit.",
            "- is what goes, + is what comes. A change of a rule points at it by its handle and its text: when somebody else has changed that rule meanwhile, the commit is refused.",
            "Validating has the kernel check all changes without making them; committing makes all of them or none.",
            "With a confirm window a commit is taken back when you do not keep it in time, and when this program dies. Over SSH that is the default.",
            "Commits change what runs now. What the next boot loads is a matter of files: one key shows them, and how what runs differs, and writes them. The last commit can be undone later, too, from the journal.",
        ],
        Screen::Services => &[
            "Services shows what the rules of kube-proxy and Docker lead packets to: where clients find a service, and the endpoints that one is chosen from.",
            "Below (or beside) are its ways in, and its endpoints: share is the part of new connections that is meant to go there, got the part that went there so far.",
            "Counters are those of the rules of nat, which see the first packet of each connection; — means that nobody counts.",
            "Opening a line leads to its rule or chain in Explore. A packet to the service, followed through the hooks on Flow, shows why an endpoint is or is not reached; with the cursor on a way or an endpoint it goes there.",
            "Searching leaves only the services that have the text in their name, addresses or chains.",
        ],
        Screen::Flows => &[
            "Flows shows the connections that the kernel tracks now: who began, whom it is for, how far it has come. ⇒ is what NAT makes of an end: the real destination, or the address that a client is shown as.",
            "Left is the time after which the kernel forgets a connection unless a packet comes. Rates and bytes are of both directions; rates come from two readings one after the other, while this screen is open.",
            "Bytes and rates need net.netfilter.nf_conntrack_acct = 1, ages net.netfilter.nf_conntrack_timestamp = 1; both count for connections that begin afterwards.",
            "Explaining a connection follows its next packet through the hooks on Flow; another key does so for its answers.",
            "Searching leaves the connections that have all the words, in what is shown or in the words of conntrack -L (dport=443, [UNREPLIED]); a word behind ! must not be there.",
            "● is the session that you came by. Nothing here changes or ends a connection.",
        ],
        Screen::Live => &[
            "Live shows packets as the kernel traces them: one line each, newest first, with the rule that decided.",
            "Watching installs a table whose owner is this program: the kernel removes it when the program ends, however it ends. Above 500 packets a second it stops by itself; write a filter.",
            "Unseen: the trace ends and no rule was the reason; routing or a check between the hooks took the packet.",
            "Open a packet for its path, chain by chain; from a rule there, one key leads to it in Explore.",
            "Another key puts the packet on the diagram of Flow, where what the kernel did is held against what was predicted.",
        ],
    }
}

/// The layers that work on a screen, in the order help lists them.
fn layers(screen: Screen) -> &'static [Layer] {
    match screen {
        Screen::Explore => &[
            Layer::Explore,
            Layer::Tree,
            Layer::Rules,
            Layer::Details,
            Layer::Editor,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
            Layer::Prompt,
        ],
        Screen::Changes => &[
            Layer::Changes,
            Layer::Editor,
            Layer::Ask,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
        ],
        Screen::Flow => &[
            Layer::Flow,
            Layer::PacketForm,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
        ],
        Screen::Live => &[
            Layer::Live,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
            Layer::Prompt,
        ],
        Screen::Flows => &[
            Layer::Flows,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
            Layer::Prompt,
        ],
        Screen::Services => &[
            Layer::Services,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
            Layer::Prompt,
        ],
        Screen::Routes => &[
            Layer::Routes,
            Layer::List,
            Layer::Global,
            Layer::Always,
            Layer::Finder,
        ],
    }
}

/// The help of the screen one is on, for a window of this width.
pub fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let room = width.saturating_sub(5);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for text in about(state.screen) {
        let pieces = wrap(text, room).into_iter();
        lines.extend(pieces.filter_map(|range| text.get(range)).map(Line::raw));
    }
    for layer in layers(state.screen) {
        let mut seen: Vec<(Vec<Action>, Vec<String>)> = Vec::new();
        for binding in state.settings.keymap.bindings(*layer) {
            let shown = key::show(&binding.keys);
            match seen
                .iter_mut()
                .find(|(actions, _)| *actions == binding.actions)
            {
                Some((_, keys)) => keys.push(shown),
                None => seen.push((binding.actions.clone(), vec![shown])),
            }
        }
        if seen.is_empty() {
            continue;
        }
        lines.push(Line::raw(""));
        lines.push(Line::styled(layer.title(), theme.style(Meaning::Accent)));
        for (actions, keys) in seen {
            for (place, action) in actions.iter().enumerate() {
                let keys = if place == 0 {
                    keys.join(" ")
                } else {
                    "  else".into()
                };
                let help = action.row().help;
                for (place, range) in wrap(help, room.saturating_sub(19)).into_iter().enumerate() {
                    let lead = if place == 0 { keys.as_str() } else { "" };
                    lines.push(Line::from(vec![
                        Span::styled(format!("  {lead:<16} "), theme.ink(Meaning::FooterKey)),
                        Span::raw(help.get(range).unwrap_or_default()),
                    ]));
                }
            }
        }
    }
    lines
}

pub fn area(size: Size) -> Rect {
    let full = Rect::new(0, 0, size.width, size.height);
    paint::centered(full, 100, full.height.saturating_sub(2))
}

/// Lines of text that the window holds.
pub fn height(size: Size) -> usize {
    usize::from(area(size).height.saturating_sub(2))
}

pub fn render(state: &State, scroll: usize, frame: &mut Frame<'_>) {
    let title = format!("Help: {}", state.screen.title());
    let foot = format!(
        "keymap {} · ↑↓ scroll · esc closes",
        state.settings.keymap_name
    );
    let inner = paint::window(frame, state.theme(), area(state.size), &title, &foot);
    render_lines(
        state,
        &lines(state, usize::from(area(state.size).width)),
        scroll,
        inner,
        frame,
    );
}

/// A text longer than its window.
pub fn render_lines(
    state: &State,
    lines: &[Line<'static>],
    scroll: usize,
    inner: Rect,
    frame: &mut Frame<'_>,
) {
    let height = usize::from(inner.height);
    let scroll = scroll.min(lines.len().saturating_sub(height));
    for (place, line) in lines.iter().skip(scroll).take(height).enumerate() {
        paint::put(frame, paint::row(inner, place as u16), line.spans.clone());
        if line.style != ratatui::style::Style::default() {
            frame
                .buffer_mut()
                .set_style(paint::row(inner, place as u16), line.style);
        }
    }
    let bar = Rect {
        width: inner.width + 1,
        ..inner
    };
    paint::scrollbar(frame, state.theme(), bar, scroll, lines.len());
}
