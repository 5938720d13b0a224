//! Drawing Services.

use super::{Line, Pane, list_area, words};
use crate::insight::services::{Balance, Service};
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::{clean, elide, width};
use crate::tui::human;
use crate::tui::job::SearchPlace;
use crate::tui::job::services::{Counted, Numbers, Order, View};
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::list::ListState;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let services = &state.services;
    let Some(view) = services.view.as_ref().filter(|view| {
        // A list that a search has emptied is a list.
        !view.found.services.is_empty()
    }) else {
        paint::title(frame, theme, body, true, "Services", &[]);
        return empty(state, frame, paint::inside(body));
    };
    let panes = services.panes(body);
    list(state, view, frame, panes.list);
    if panes.beside {
        let x = panes.ways.x.saturating_sub(1);
        paint::divider(frame, theme, panes.ways, x, &[]);
    }
    ways(state, frame, panes.ways);
}

fn empty(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let complete = state
        .picture
        .as_ref()
        .is_some_and(|one| one.progress.complete);
    let services = &state.services;
    let tells = services.asked.as_ref().is_none_or(|asked| asked.tells);
    if !complete {
        let heading = format!("{} Reading the ruleset…", spinner(state));
        return paint::empty(frame, theme, area, &heading, &[]);
    }
    if tells && services.view.is_none() {
        let heading = format!("{} Looking for services…", spinner(state));
        return paint::empty(frame, theme, area, &heading, &[]);
    }
    let lines = [
        "No rule here leads to a service. Looked for are:",
        "· kube-proxy in its iptables mode: chains KUBE-SERVICES, KUBE-NODEPORTS, KUBE-SVC-*, KUBE-SEP-* of the table nat, of either backend",
        "· kube-proxy in its nftables mode: tables named kube-proxy with the maps service-ips and service-nodeports",
        "· ports that Docker publishes: rules with DNAT in the chain DOCKER, and tables named docker-bridges",
        "Services that a cluster balances without the firewall (IPVS, eBPF) are not in its rules.",
    ];
    paint::empty(frame, theme, area, "No services", &lines);
}

/// A column: its head, its width, and whether numbers stand in it.
type Column = (&'static str, usize, bool);

/// What there is room for. The name takes what is left.
struct Columns {
    name: usize,
    rest: Vec<Column>,
}

/// Of an address of IPv4 with its port.
const ADDRESS: usize = 21;

fn columns(width: u16) -> Columns {
    let mut rest: Vec<Column> = Vec::new();
    if width >= 70 {
        rest.push(("proto", 5, false));
    }
    rest.push(("address", ADDRESS, false));
    if width >= 96 {
        rest.push(("node port", 9, false));
    }
    if width >= 86 {
        rest.push(("choice", 7, false));
    }
    rest.extend([("ends", 4, true), ("pkts", 6, true), ("pkt/s", 6, true)]);
    if width >= 108 {
        rest.push(("", 1, false));
        rest.push(("kept by", 10, false));
    }
    let used: usize = rest.iter().map(|(_, width, _)| width + 1).sum();
    // A mark in front, and the bar at the end.
    let name = usize::from(width).saturating_sub(used + 2);
    Columns {
        name: name.clamp(8, 60),
        rest,
    }
}

/// Text of a column.
fn cell(text: &str, width_of: usize, number: bool) -> String {
    let text = elide(text, width_of);
    let fill = " ".repeat(width_of.saturating_sub(width(&text)));
    if number {
        format!(" {fill}{text}")
    } else {
        format!(" {text}{fill}")
    }
}

fn head(frame: &mut Frame<'_>, theme: &Theme, pane: Rect, text: &str) {
    let line = paint::row(pane, 1);
    let text = format!("{text:<w$}", w = usize::from(line.width));
    let span = Span::styled(text, theme.style(Meaning::Column));
    paint::put(frame, line, vec![span]);
}

/// Headings may be underlined; numbers never are.
fn pale(theme: &Theme) -> ratatui::style::Style {
    let style = theme.style(Meaning::Column);
    style.remove_modifier(Modifier::UNDERLINED)
}

fn number(theme: &Theme, text: String, meaning: Meaning) -> Span<'static> {
    let style = match text.trim() {
        "0" | "—" | "" => pale(theme),
        _ => theme.style(meaning),
    };
    Span::styled(text, style)
}

fn packets(counted: &Counted) -> String {
    let traffic = counted.traffic;
    traffic.map_or("—".into(), |traffic| human::count(traffic.packets))
}

fn rate(counted: &Counted) -> String {
    counted.rate.map(human::rate).unwrap_or_default()
}

/// The place of a service, and how many others there are.
fn place(service: &Service) -> String {
    let mut text = service.place();
    let more = match service.cluster {
        // A node port has a column, where there is room for it.
        Some(_) => service.external.len(),
        None => service.external.len().saturating_sub(1),
    };
    if more > 0 {
        let more = format!(" +{more}");
        text = elide(&text, ADDRESS - width(&more)) + &more;
    }
    text
}

fn list(state: &State, view: &View, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let services = &state.services;
    let (all, len) = (view.found.services.len(), view.lines.len());
    let mut remark = Vec::new();
    let order = match view.order {
        Order::Name => "",
        Order::Rate => "by rate  ",
        Order::Packets => "by packets  ",
        Order::Endpoints => "by endpoints  ",
    };
    remark.push(Span::styled(order, theme.style(Meaning::Accent)));
    let position = match len {
        0 => String::new(),
        _ => human::exact(services.list.selected as u64 + 1) + "/",
    };
    let of = match len == all {
        true => human::exact(all as u64),
        false => format!(
            "{} of {}",
            human::exact(len as u64),
            human::exact(all as u64)
        ),
    };
    remark.push(Span::styled(position + &of, theme.style(Meaning::Dim)));
    let focused = services.focus == Pane::List;
    paint::title(frame, theme, pane, focused, "Services", &remark);
    let columns = columns(pane.width);
    let mut heads = format!(" {:<w$}", "service", w = columns.name);
    for (name, width, right) in &columns.rest {
        let name = match (*name, view.order) {
            ("pkts", Order::Packets) => "▼pkts",
            ("pkt/s", Order::Rate) => "▼pkt/s",
            ("ends", Order::Endpoints) => "▼end",
            (name, _) => name,
        };
        heads.push_str(&cell(name, *width, *right));
    }
    head(frame, theme, pane, &heads);
    let area = list_area(pane);
    if len == 0 {
        let text = "the search is in names, addresses, chains; esc ends it";
        return paint::empty(frame, theme, area, "No service has that", &[text]);
    }
    let query = match &state.search.place {
        Some(SearchPlace::Services) => view.query.as_str(),
        _ => "",
    };
    let visible = services.list.visible(len, usize::from(area.height));
    for (row, line) in visible.clone().enumerate() {
        let Some((service, numbers)) = view.service(line) else {
            continue;
        };
        let row = paint::row(area, row as u16);
        let row = Rect {
            width: row.width.saturating_sub(1),
            ..row
        };
        let spans = service_line(theme, service, numbers, &columns, query);
        paint::put(frame, row, spans);
        select(state, frame, row, line, services.list, focused);
    }
    paint::scrollbar(frame, theme, area, visible.start, len);
}

fn select(
    state: &State,
    frame: &mut Frame<'_>,
    row: Rect,
    line: usize,
    list: ListState,
    focused: bool,
) {
    if line == list.selected {
        let meaning = match focused {
            true => Meaning::Selection,
            false => Meaning::SelectionBack,
        };
        paint::select(frame, row, state.theme().style(meaning));
    }
}

fn service_line(
    theme: &Theme,
    service: &Service,
    numbers: &Numbers,
    columns: &Columns,
    query: &str,
) -> Vec<Span<'static>> {
    let name = cell(&service.name, columns.name, false);
    let mut spans = paint::plain(theme, &name, theme.style(Meaning::Chain), query);
    for (head, width, right) in &columns.rest {
        let (text, meaning) = match *head {
            "proto" => (service.protocol.clone(), Meaning::Dim),
            "address" => (place(service), Meaning::Value),
            "node port" => {
                let port = service.node_port.filter(|_| service.cluster.is_some());
                let text = port.map(|port| format!("*:{port}"));
                (text.unwrap_or_default(), Meaning::Value)
            }
            "choice" => {
                let meaning = match service.balance {
                    Balance::None => Meaning::Error,
                    _ => Meaning::Dim,
                };
                (service.balance.word().to_owned(), meaning)
            }
            "ends" => {
                let count = service.endpoints.len();
                let meaning = match count {
                    0 => Meaning::Error,
                    _ => Meaning::Text,
                };
                (human::count(count as u64), meaning)
            }
            "pkts" => {
                let text = cell(&packets(&numbers.all), *width, *right);
                spans.push(number(theme, text, Meaning::Number));
                continue;
            }
            "pkt/s" => {
                let text = cell(&rate(&numbers.all), *width, *right);
                spans.push(number(theme, text, Meaning::Rate));
                continue;
            }
            "kept by" => (service.source.to_string(), Meaning::Owner),
            _ => (String::new(), Meaning::Text),
        };
        let text = cell(&text, *width, *right);
        spans.extend(paint::plain(theme, &text, theme.style(meaning), query));
    }
    spans
}

/// How much of the service's new connections an endpoint got, in words.
fn got(service: &[Line<'_>], counted: &Counted) -> String {
    let of = |line: &Line<'_>| match line {
        Line::Endpoint(_, counted) => counted.traffic.map(|traffic| traffic.packets),
        _ => None,
    };
    let all: u64 = service.iter().filter_map(of).sum();
    match counted.traffic {
        Some(own) if all > 0 => percent(own.packets as f64 / all as f64),
        _ => "—".into(),
    }
}

fn percent(part: f64) -> String {
    let percent = part * 100.0;
    match percent {
        p if p > 0.0 && p < 0.95 => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

fn ways(state: &State, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let services = &state.services;
    let focused = services.focus == Pane::Ways;
    let Some((service, _)) = services.selected() else {
        paint::title(frame, theme, pane, focused, "Ways and endpoints", &[]);
        return;
    };
    let chance = match service.balance {
        Balance::None => "packets are refused",
        Balance::One => "",
        Balance::Random => "by chance",
        Balance::Sticky => "by chance; clients stay",
    };
    let meaning = match service.balance {
        Balance::None => Meaning::Error,
        _ => Meaning::Dim,
    };
    let remark = [Span::styled(chance, theme.style(meaning))];
    // Names of published ports have it in them.
    let title = match service.name.ends_with(&service.protocol) {
        true => service.name.clone(),
        false => format!("{}  {}", service.name, service.protocol),
    };
    paint::title(frame, theme, pane, focused, &title, &remark);
    let chains = usize::from(pane.width).saturating_sub(67);
    let chains = if chains >= 12 { chains } else { 0 };
    let gots = if pane.width >= 66 { 5 } else { 0 };
    let mut heads = cell("way", 13, false) + &cell("address", ADDRESS, false);
    heads.push_str(&cell("share", 5, true));
    if gots > 0 {
        heads.push_str(&cell("got", gots, true));
    }
    heads.push_str(&cell("pkts", 6, true));
    heads.push_str(&cell("pkt/s", 6, true));
    if chains > 0 {
        heads.push_str("  chain");
    }
    head(frame, theme, pane, &heads);
    let area = list_area(pane);
    let lines = services.lines();
    let visible = services.ways.visible(lines.len(), usize::from(area.height));
    for (row, place) in visible.clone().enumerate() {
        let Some(line) = lines.get(place) else {
            continue;
        };
        let row = paint::row(area, row as u16);
        let row = Rect {
            width: row.width.saturating_sub(1),
            ..row
        };
        let (what, meaning, address, counted) = match line {
            Line::Way(way, counted) => (
                words(service.source, way),
                Meaning::Dim,
                way.to_string(),
                counted,
            ),
            Line::Endpoint(endpoint, counted) => {
                let address = endpoint.address.map(|address| address.to_string());
                let address = address.unwrap_or_else(|| "?".into());
                ("→ endpoint", Meaning::Good, address, counted)
            }
            Line::Nowhere => {
                let text = " → no endpoint: packets are refused";
                let span = Span::styled(text, theme.style(Meaning::Error));
                paint::put(frame, row, vec![span]);
                select(state, frame, row, place, services.ways, focused);
                continue;
            }
        };
        let (share, of, chain) = match line {
            Line::Endpoint(endpoint, counted) => {
                let share = endpoint.share.map(percent).unwrap_or_default();
                (share, got(&lines, counted), Some(&endpoint.chain))
            }
            Line::Way(way, _) => {
                let chain = way.rule.as_ref().map(|rule| &rule.chain);
                (String::new(), String::new(), chain)
            }
            Line::Nowhere => continue,
        };
        let style = theme.style(meaning);
        let dim = theme.style(Meaning::Dim);
        let mut spans = vec![
            Span::styled(cell(what, 13, false), style),
            Span::styled(cell(&address, ADDRESS, false), theme.style(Meaning::Value)),
            Span::styled(cell(&share, 5, true), theme.style(Meaning::Text)),
        ];
        if gots > 0 {
            spans.push(number(theme, cell(&of, gots, true), Meaning::Text));
        }
        let packets = cell(&packets(counted), 6, true);
        spans.push(number(theme, packets, Meaning::Number));
        spans.push(number(theme, cell(&rate(counted), 6, true), Meaning::Rate));
        if chains > 0 {
            let chain = chain.map(|chain| clean(chain)).unwrap_or_default();
            let text = format!("  {}", elide(&chain, chains - 2));
            spans.push(Span::styled(text, dim));
        }
        paint::put(frame, row, spans);
        select(state, frame, row, place, services.ways, focused);
    }
    paint::scrollbar(frame, theme, area, visible.start, lines.len());
}
