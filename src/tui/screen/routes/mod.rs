//! Routes: policy rules, routing tables, neighbours, links, and the kernel's answer to "where would this go?".
//!
//! May use `model`, `session`'s picture types and the rest of `tui`.

pub mod edit;
pub mod lines;
pub mod names;
pub mod query;
pub mod render;
pub mod update;

use crate::model::network::{FibFamily, Neighbour, Network, neighbour_state};
use crate::tui::app::Screen;
use crate::tui::key::Key;
use crate::tui::widget::input::Input;
use crate::tui::widget::list::ListState;
use crate::tui::widget::paint;
use ratatui::layout::Rect;
use std::collections::HashMap;

/// What the list on the left offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Item {
    #[default]
    Links,
    Addresses,
    Neighbours,
    /// Neighbours that need no resolution (`NOARP`): what `ip neigh` leaves out.
    Noarp,
    /// What `bridge fdb` lists: behind which port of a bridge an address is.
    Forwarding,
    Nexthops,
    Rules(FibFamily),
    Table(FibFamily, u32),
}

impl Item {
    /// What one line of it is.
    pub fn word(self) -> &'static str {
        match self {
            Item::Links => "link",
            Item::Addresses => "address",
            Item::Neighbours | Item::Noarp | Item::Forwarding => "neighbour",
            Item::Nexthops => "next hop",
            Item::Rules(_) => "policy",
            Item::Table(..) => "route",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Items,
    Lines,
}

#[derive(Clone, Debug, Default)]
pub struct Routes {
    pub focus: Pane,
    pub items: Vec<Item>,
    pub item: ListState,
    /// None until the first picture with a network.
    pub selected: Option<Item>,
    pub list: ListState,
    /// A person has chosen what to look at; new pictures do not choose any more.
    pub touched: bool,
    pub places: HashMap<Item, ListState>,
    /// The lookup field while it is being typed into.
    pub editing: Option<Input>,
    /// The last question, in words.
    pub question: String,
    pub ticket: u64,
    /// None while the kernel is being asked.
    pub answer: Option<Result<String, String>>,
}

/// Where the panes are; each includes its title line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    pub items: Rect,
    pub lines: Rect,
    pub lookup: Rect,
    /// Policy rules beside a table, where there is room.
    pub rules: Option<Rect>,
    /// Links and neighbours beside rules and tables, where there is room.
    pub links: Option<Rect>,
    pub neighbours: Option<Rect>,
}

impl Routes {
    pub fn is_editing(&self, screen: Screen) -> bool {
        screen == Screen::Routes && self.editing.is_some()
    }

    pub fn key(&mut self, key: Key) {
        if let Some(input) = &mut self.editing {
            input.key(key);
        }
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.editing {
            input.paste(text);
        }
    }

    pub fn panes(&self, body: Rect) -> Panes {
        let width = (body.width / 4).clamp(24, 34);
        let lookup = if body.height >= 30 { 7 } else { 5 };
        let mut right = Rect {
            x: body.x + width + 1,
            width: body.width.saturating_sub(width + 1),
            ..body
        };
        let mut links = None;
        let mut neighbours = None;
        let routing = matches!(self.selected, Some(Item::Table(..) | Item::Rules(_)));
        if body.width >= 160 && routing {
            let aside = Rect {
                x: body.right() - 68,
                width: 68,
                ..body
            };
            right.width -= 69;
            let half = aside.height / 2;
            links = Some(paint::rows(aside, 0, half));
            neighbours = Some(paint::rows(aside, half, aside.height - half));
        }
        let upper = body.height.saturating_sub(lookup);
        let mut lines = paint::rows(right, 0, upper);
        let mut rules = None;
        if body.height >= 40 && matches!(self.selected, Some(Item::Table(..))) {
            let height = 10;
            rules = Some(paint::rows(lines, 0, height));
            lines = paint::rows(lines, height, lines.height - height);
        }
        Panes {
            items: Rect { width, ..body },
            lines,
            lookup: paint::rows(right, upper, lookup),
            rules,
            links,
            neighbours,
        }
    }
}

/// The lines of a pane below its title and its column heads.
pub fn list_area(pane: Rect) -> Rect {
    paint::rows(pane, 2, pane.height.saturating_sub(2))
}

/// What there is to choose from, in the order a packet meets it.
pub fn items(network: &Network) -> Vec<Item> {
    let mut items = Vec::new();
    for family in [FibFamily::Ip4, FibFamily::Ip6] {
        items.push(Item::Rules(family));
        let mut tables: Vec<u32> = network.routes.tables_of(family).map(|t| t.id).collect();
        // The tables everybody asks for come first.
        tables.sort_by_key(|id| (names::table_order(*id), *id));
        items.extend(tables.into_iter().map(|id| Item::Table(family, id)));
    }
    items.push(Item::Neighbours);
    for item in [Item::Noarp, Item::Forwarding] {
        if len(network, item) > 0 {
            items.push(item);
        }
    }
    items.push(Item::Links);
    items.push(Item::Addresses);
    if !network.nexthops.is_empty() {
        items.push(Item::Nexthops);
    }
    items
}

fn belongs(neighbour: &Neighbour, item: Item) -> bool {
    let own = match (neighbour.family, neighbour.state) {
        // `AF_BRIDGE`
        (7, _) => Item::Forwarding,
        (_, neighbour_state::NOARP) => Item::Noarp,
        _ => Item::Neighbours,
    };
    own == item
}

/// The neighbours behind one of their items.
fn neighbours(network: &Network, item: Item) -> impl Iterator<Item = &Neighbour> {
    let all = network.neighbours.iter();
    all.filter(move |neighbour| belongs(neighbour, item))
}

/// Lines behind an item.
pub fn len(network: &Network, item: Item) -> usize {
    match item {
        Item::Rules(family) => network.rules_of(family).count(),
        Item::Table(family, id) => network.routes.table(family, id).map_or(0, |t| t.len()),
        Item::Neighbours | Item::Noarp | Item::Forwarding => neighbours(network, item).count(),
        Item::Links => network.links.len(),
        Item::Addresses => network.addresses.len(),
        Item::Nexthops => network.nexthops.len(),
    }
}
