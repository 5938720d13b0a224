//! What there is to say about one connection, in plain words.

use super::columns::end;
use crate::flow::report::Endpoint;
use crate::insight::services::Found;
use crate::model::conntrack::{Flow, FlowCounter, Ports, ProtocolState, status};
use crate::session::{Picture, Rate};
use crate::tui::app::State;
use crate::tui::clean::{clean, width, wrap};
use crate::tui::human;
use crate::tui::job::flows::words;
use crate::tui::theme::{Meaning, Theme};
use ratatui::text::Span;
use std::time::Duration;

/// What a line is about, and what it says; parts of it in colours of their own.
struct Line {
    label: &'static str,
    text: String,
    meaning: Meaning,
}

/// Columns of the labels.
const LABEL: usize = 11;

/// The lines of the details, as wide as their pane is.
pub fn lines(state: &State) -> Vec<Vec<Span<'static>>> {
    let pane = state.flows.panes(state.body()).details;
    let room = usize::from(pane.width).saturating_sub(LABEL + 3).max(16);
    let theme = state.theme();
    let mut out = Vec::new();
    for line in said(state) {
        for (place, range) in wrap(&line.text, room).into_iter().enumerate() {
            let label = if place == 0 { line.label } else { "" };
            let piece = line.text.get(range).unwrap_or_default().to_owned();
            out.push(spans(theme, label, piece, line.meaning));
        }
    }
    out
}

fn spans(theme: &Theme, label: &str, text: String, meaning: Meaning) -> Vec<Span<'static>> {
    vec![
        Span::styled(format!(" {label:<LABEL$}"), theme.style(Meaning::Dim)),
        Span::styled(text, theme.style(meaning)),
    ]
}

fn said(state: &State) -> Vec<Line> {
    let Some(view) = &state.flows.view else {
        return Vec::new();
    };
    let Some((flow, place)) = state.flows.selected() else {
        return Vec::new();
    };
    let flows = &*view.ask.flows;
    let services = view.ask.services.as_deref();
    let mut lines = Vec::new();
    let mut put = |label, text: String, meaning| {
        lines.push(Line {
            label,
            text,
            meaning,
        });
    };
    if flows.is_own(flow) {
        let text = "this is the session that you came by: what cuts it cuts you off";
        put("yours", text.into(), Meaning::Warning);
    }
    let speed = flows.speed(place);
    let (from, to) = words::ends(&flow.original);
    let text = format!("{} → {}", named(from, services), named(to, services));
    put("client", text, Meaning::Value);
    if let Some(counter) = flow.counter_original {
        let rate = speed.map(|speed| speed.original);
        put("", traffic(counter, rate), Meaning::Number);
    }
    let (from, to) = words::ends(&flow.reply);
    let text = format!("{} → {}", named(from, services), named(to, services));
    if flow.has(status::SEEN_REPLY) {
        put("answers", text, Meaning::Value);
    } else {
        let text = format!("{text} is what an answer would be; none has come");
        put("answers", text, Meaning::Warning);
    }
    if let Some(counter) = flow.counter_reply.filter(|one| one.packets > 0) {
        let rate = speed.map(|speed| speed.reply);
        put("", traffic(counter, rate), Meaning::Number);
    }
    if flow.counter_original.is_none() {
        put("traffic", uncounted(state.picture.as_deref()), Meaning::Dim);
    }
    if let Some(text) = nat(flow, services) {
        put("NAT", text, Meaning::Text);
    }
    put("state", progress(flow), Meaning::Text);
    put("kept", kept(flow, flows.age(flow)), Meaning::Text);
    for (label, text) in rare(flow) {
        put(label, text, Meaning::Text);
    }
    if flow.counter_original.is_some() && flows.is_snapshot() {
        let text = "a snapshot is one moment: there are no rates in it";
        put("rate", text.into(), Meaning::Dim);
    }
    lines
}

fn named(end: Endpoint, services: Option<&Found>) -> String {
    match services.and_then(|found| found.index.name(end.address, end.port)) {
        Some(name) => format!("{end} ‹{}›", clean(name)),
        None => end.to_string(),
    }
}

fn traffic(counter: FlowCounter, rate: Option<Rate>) -> String {
    let packets = match counter.packets {
        1 => "1 packet".to_owned(),
        count => format!("{} packets", human::exact(count)),
    };
    let mut text = format!("{packets}, {}", human::bytes(counter.bytes));
    if rate.is_some_and(|rate| rate.packets == 0.0) {
        text.push_str("; nothing now");
    } else if let Some(rate) = rate {
        let bytes = human::bytes(rate.bytes.max(0.0).round() as u64);
        let packets = human::rate(rate.packets);
        text.push_str(&format!("; now {packets} packets and {bytes} per second"));
    }
    text
}

/// How to have it counted.
fn uncounted(picture: Option<&Picture>) -> String {
    let key = "net/netfilter/nf_conntrack_acct";
    let counts = picture.and_then(|picture| picture.network.sysctls.number(key));
    match counts {
        Some(1) => "not counted: it began before counting was switched on".into(),
        _ => "not counted; sysctl net.netfilter.nf_conntrack_acct=1 starts it".into(),
    }
}

fn nat(flow: &Flow, services: Option<&Found>) -> Option<String> {
    let (source, destination) = (words::source(flow), words::destination(flow));
    let mut sentences = Vec::new();
    if let Some(real) = destination.real {
        sentences.push(format!(
            "what is sent to {} goes to {} instead (destination NAT)",
            destination.seen,
            named(real, services)
        ));
    }
    if let Some(real) = source.real {
        sentences.push(format!(
            "the other end sees {} instead of {} (source NAT)",
            real, source.seen
        ));
    }
    let ids = match (flow.original.ports, flow.reply.ports) {
        (Ports::Icmp { id: one, .. }, Ports::Icmp { id: other, .. }) if one != other => {
            Some(format!("the identifier {one} becomes {other}"))
        }
        _ => None,
    };
    sentences.extend(ids);
    if sentences.is_empty() {
        return None;
    }
    sentences.push("answers are turned back".into());
    Some(sentences.join("; "))
}

/// How far the connection has come, and what that means.
fn progress(flow: &Flow) -> String {
    let state = words::state(flow);
    let meaning = match (flow.protocol_state.as_ref(), state) {
        (_, "OFFLOAD") => {
            "in a flowtable: its packets take a short cut and meet no rule of the forward path"
        }
        (_, "HW_OFFLOAD") => {
            "in a flowtable of the network card: its packets meet no rule, and the kernel does not see them"
        }
        (Some(ProtocolState::Tcp { .. }), state) => tcp(state),
        (Some(ProtocolState::Sctp { .. }), state) => sctp(state),
        (_, "UNREPLIED") => "packets went one way only",
        (_, "ASSURED") => "packets go both ways, for a while already",
        (_, "REPLIED") => "there was an answer",
        _ => "",
    };
    match meaning {
        "" => state.to_owned(),
        meaning => format!("{state}: {meaning}"),
    }
}

#[rustfmt::skip]
fn tcp(state: &str) -> &'static str {
    match state {
        "SYN_SENT" => "the client has asked (SYN); nobody has answered yet",
        "SYN_SENT2" => "both ends have asked at the same time",
        "SYN_RECV" => "the other end has agreed (SYN, ACK); the client has yet to confirm",
        "ESTABLISHED" => "both ends have agreed; data may flow",
        "FIN_WAIT" => "one end has nothing more to send (FIN)",
        "CLOSE_WAIT" => "one end has finished and the other knows; that one may still send",
        "LAST_ACK" => "both ends have finished; the last acknowledgement is missing",
        "TIME_WAIT" => "over; kept for packets that come late",
        "CLOSE" => "broken off by a reset (RST)",
        _ => "",
    }
}

#[rustfmt::skip]
fn sctp(state: &str) -> &'static str {
    match state {
        "CLOSED" => "no association yet, or none any more",
        "COOKIE_WAIT" => "the client has asked (INIT)",
        "COOKIE_ECHOED" => "the client has returned the cookie",
        "ESTABLISHED" => "both ends have agreed; data may flow",
        "SHUTDOWN_SENT" | "SHUTDOWN_RECD" => "one end wants to finish",
        "SHUTDOWN_ACK_SENT" => "both ends finish",
        "HEARTBEAT_SENT" | "HEARTBEAT_ACKED" => "another path of an association",
        _ => "",
    }
}

fn kept(flow: &Flow, age: Option<Duration>) -> String {
    let mut text = match flow.timeout {
        Some(left) => {
            let left = human::duration(Duration::from_secs(left.into()));
            match flow.has(status::FIXED_TIMEOUT) {
                true => format!("for {left}, whatever comes"),
                false => format!("for {left} if no packet comes"),
            }
        }
        None => "as long as somebody else says".into(),
    };
    if let Some(age) = age {
        text.push_str(&format!("; tracked for {}", human::duration(age)));
    }
    text.push_str(match flow.has(status::ASSURED) {
        true => "; assured: stays when the table is full",
        false => "; not assured: goes first when the table is full",
    });
    text
}

fn rare(flow: &Flow) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let rare = flow.rare.as_deref();
    match (flow.original.protocol, flow.original.ports) {
        (_, Ports::Icmp { id, kind, code }) => {
            let answer = match flow.reply.ports {
                Ports::Icmp { kind, .. } => format!("; answers have type {kind}"),
                _ => String::new(),
            };
            let text = format!("type {kind}, code {code}, identifier {id}{answer}");
            found.push(("ICMP", text));
        }
        (words::GRE, Ports::Ports { src, dst }) => {
            found.push(("GRE", format!("keys {src:#x} and {dst:#x}")));
        }
        _ => {}
    }
    let mut marks = Vec::new();
    if let Some(mark) = flow.mark.filter(|mark| *mark != 0) {
        marks.push(format!("mark {mark:#x} ({mark})"));
    }
    if let Some(zone) = flow.zone {
        marks.push(format!(
            "zone {zone}: the same addresses elsewhere are another connection"
        ));
    }
    for (way, tuple) in [("client", &flow.original), ("answers", &flow.reply)] {
        if let Some(zone) = tuple.zone {
            marks.push(format!("zone {zone} for packets of the {way}"));
        }
    }
    let labels = rare.and_then(|rare| rare.labels.as_ref());
    if let Some(bits) = labels
        .map(|labels| bits(labels))
        .filter(|bits| !bits.is_empty())
    {
        marks.push(format!("labels {bits}"));
    }
    if !marks.is_empty() {
        found.push(("marks", marks.join("; ")));
    }
    let (Some(rare), helped) = (rare, flow.has(status::HELPER)) else {
        return found;
    };
    if let Some(helper) = &rare.helper {
        let by = if helped { ", by a rule" } else { "" };
        let text = format!(
            "{}: reads along and expects further connections{by}",
            clean(helper)
        );
        found.push(("helper", text));
    }
    if let Some(master) = &rare.master {
        let (from, to) = words::ends(master);
        found.push(("expected", format!("by the connection {from} → {to}")));
    }
    if let Some(context) = &rare.security {
        found.push(("security", clean(context).into_owned()));
    }
    found
}

/// Labels by their numbers.
fn bits(labels: &[u8]) -> String {
    let bits = labels.iter().enumerate().flat_map(|(place, byte)| {
        let set = (0..8usize).filter(move |bit| byte & (1 << bit) != 0);
        set.map(move |bit| (place * 8 + bit).to_string())
    });
    bits.collect::<Vec<_>>().join(", ")
}

/// The connection in few words, for a title so wide.
pub fn title(flow: &Flow, room: usize) -> String {
    let (from, to) = words::ends(&flow.original);
    let protocol = words::protocol(flow);
    let (from_text, to_text) = (from.to_string(), to.to_string());
    let room = room.saturating_sub(width(&protocol) + 4);
    let half = match room.checked_sub(width(&from_text) + width(&to_text)) {
        Some(_) => room,
        None => room / 2,
    };
    let (from, to) = (end(from, &from_text, half), end(to, &to_text, half));
    format!("{protocol} {from} → {to}")
}
