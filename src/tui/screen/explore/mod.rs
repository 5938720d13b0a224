//! Explore: the ruleset as a tree, what the selected node holds, and the selected line in full.
//!
//! May use `model`, `session`'s picture types and the rest of `tui`; prints rules through `tui::text`.

pub mod about;
mod arrange;
mod copy;
pub mod details;
pub mod edit;
mod edit_tree;
pub mod go;
mod listing;
pub mod main_pane;
pub mod node;
pub mod pick;
pub mod pointer;
pub mod render;
mod rules;
mod services;
pub mod symbols;
pub mod tree;
pub mod tree_pane;
pub mod update;
mod walk;

use crate::model::{Chain, ElementList, Rule, Ruleset, Set, Table};
use crate::session::{ChainKey, Picture};
use crate::stage::change::Line;
use crate::tui::action::Layer;
use crate::tui::job::{Incoming, Printed, Sort};
use crate::tui::text::{Printer, Texts};
use crate::tui::widget::list::ListState;
use crate::tui::widget::paint;
use node::{Item, Node, NodeKey};
use ratatui::layout::Rect;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tree::Tree;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Tree,
    Main,
    Details,
}

/// An order of a chain's rules that was computed, and for what.
#[derive(Clone, Debug, Default)]
pub struct Order {
    pub ticket: u64,
    /// Place on the screen to place in the chain.
    pub places: Option<Arc<Vec<u32>>>,
}

#[derive(Clone, Debug, Default)]
pub struct Explore {
    pub tree: Tree,
    pub focus: Pane,
    pub list: ListState,
    /// The rule under the cursor; stays when rules come and go around it.
    pub handle: Option<u64>,
    /// Children of the selected node, when they are what the main pane lists.
    pub listing: Vec<Node>,
    pub sort: Sort,
    pub order: Order,
    /// New rules among those of the chain on the screen.
    pub mixed: edit::Mixed,
    pub details_scroll: usize,
    /// Details use the whole body.
    pub zoom: bool,
    pub tree_hidden: bool,
    pub history: Vec<(NodeKey, Option<u64>)>,
    pub incoming: Option<Arc<Incoming>>,
    /// Which references were asked for, by table and state of the ruleset.
    pub incoming_asked: Option<(NodeKey, u32, usize)>,
    /// Where the cursor was in each node that was left.
    pub places: HashMap<NodeKey, (usize, Option<u64>)>,
    /// What the session was told to read first.
    pub shown: Vec<ChainKey>,
    /// Prints rules of the table that is on the screen.
    pub printer: Option<Rc<Printer>>,
    /// The elements of the set that is on the screen.
    pub printed: Option<Printed>,
    /// What `printed` was asked to be made from.
    pub printing: Option<Arc<ElementList>>,
    /// The last set whose elements were asked for, and when.
    pub elements_asked: Option<(NodeKey, Duration)>,
    /// Rules of iptables are shown as nft writes them.
    pub nft_syntax: bool,
    /// The rule that is being moved to another chain.
    pub picked: Option<pick::Picked>,
    /// A person has chosen where to be; new pictures do not choose any more.
    pub touched: bool,
}

/// What the main pane shows.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    Nothing,
    Rules(&'a Arc<Table>, &'a Arc<Chain>),
    Elements(&'a Arc<Table>, &'a Arc<Set>),
    /// Children; they are in [`Explore::listing`].
    Listing(Item<'a>),
    /// A single thing without lines of its own: an object, a flowtable.
    Single(Item<'a>),
}

/// Where the panes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    pub tree: Option<Rect>,
    /// Includes its title line.
    pub main: Option<Rect>,
    pub details: Option<Rect>,
    /// The second half of the details, where there is room for one.
    pub extra: Option<Rect>,
}

/// From this width on the tree stays while the rules have the focus.
const WIDE: u16 = 110;

impl Explore {
    pub fn layer(&self) -> Layer {
        match self.focus {
            Pane::Tree => Layer::Tree,
            Pane::Main => Layer::Rules,
            Pane::Details => Layer::Details,
        }
    }

    pub fn selected<'a>(&self, ruleset: &'a Ruleset) -> Option<Item<'a>> {
        let row = self.tree.rows.get(self.tree.list.selected)?;
        row.node.item(ruleset)
    }

    pub fn content<'a>(&self, ruleset: &'a Ruleset) -> Content<'a> {
        match self.selected(ruleset) {
            None => Content::Nothing,
            Some(Item::Chain(table, chain)) => Content::Rules(table, chain),
            Some(Item::Set(table, set)) => Content::Elements(table, set),
            Some(item @ (Item::Flowtable(..) | Item::Object(..))) => Content::Single(item),
            Some(item) => Content::Listing(item),
        }
    }

    /// Lines of the main pane.
    pub fn len(&self, ruleset: &Ruleset) -> usize {
        match self.content(ruleset) {
            Content::Nothing | Content::Single(_) => 0,
            Content::Rules(_, chain) => match self.mixed_lines() {
                Some(lines) => lines.len(),
                None => chain.rules.len(),
            },
            Content::Elements(..) => self.texts().map_or(0, |texts| texts.len()),
            Content::Listing(_) => self.listing.len(),
        }
    }

    /// The elements of the selected set, once they are printed.
    pub fn texts(&self) -> Option<&Texts> {
        let printed = self.printed.as_ref()?;
        (Some(&printed.set) == self.tree.selected.as_ref()).then_some(&*printed.texts)
    }

    /// What prints the rules of this table.
    pub fn printer(&self, picture: &Picture, table: &Arc<Table>) -> Rc<Printer> {
        match &self.printer {
            Some(printer) if printer.fits(table) => printer.clone(),
            _ => Rc::new(Printer::new(table, &picture.names)),
        }
    }

    /// The lines of the chain on the screen where new rules stand among them: only in the kernel's order.
    pub fn mixed_lines(&self) -> Option<&[Line]> {
        let lines = self.mixed.lines.as_deref()?;
        self.order.places.is_none().then_some(lines)
    }

    /// The place in the chain of a line on the screen; one that no rule has where the line is a new rule.
    pub fn place_of(&self, line: usize) -> usize {
        match (&self.order.places, self.mixed_lines()) {
            (Some(places), _) => places.get(line).map_or(usize::MAX, |place| *place as usize),
            (None, Some(lines)) => match lines.get(line) {
                Some(Line::Rule(place)) => *place as usize,
                _ => usize::MAX,
            },
            (None, None) => line,
        }
    }

    /// The line on the screen of a place in the chain.
    pub fn line_of(&self, place: usize) -> Option<usize> {
        match (&self.order.places, self.mixed_lines()) {
            (Some(places), _) => places.iter().position(|p| *p as usize == place),
            (None, Some(lines)) => {
                let same = |line: &Line| matches!(line, Line::Rule(p) if *p as usize == place);
                lines.iter().position(same)
            }
            (None, None) => Some(place),
        }
    }

    /// The rule under the cursor.
    pub fn rule<'a>(
        &self,
        ruleset: &'a Ruleset,
    ) -> Option<(&'a Arc<Table>, &'a Arc<Chain>, usize, Rule<'a>)> {
        let Content::Rules(table, chain) = self.content(ruleset) else {
            return None;
        };
        let place = self.place_of(self.list.selected);
        Some((table, chain, place, chain.rules.get(place)?))
    }

    pub fn panes(&self, body: Rect, content: &Content<'_>) -> Panes {
        let mut panes = Panes::default();
        let wide = body.width >= WIDE;
        let tree = !self.tree_hidden && (wide || self.focus == Pane::Tree) && !self.zoom;
        let mut right = body;
        if tree {
            let width = if wide {
                (body.width / 4).clamp(34, 46)
            } else {
                (body.width * 2 / 5).clamp(28, 40)
            };
            panes.tree = Some(Rect { width, ..body });
            right.x += width + 1;
            right.width = right.width.saturating_sub(width + 1);
        }
        let has_details = matches!(content, Content::Rules(..) | Content::Elements(..));
        if self.zoom {
            panes.details = Some(right);
        } else if has_details {
            let height = if body.height >= 40 {
                16
            } else if body.height >= 30 {
                11
            } else {
                7
            };
            let main = right.height.saturating_sub(height);
            panes.main = Some(paint::rows(right, 0, main));
            panes.details = Some(paint::rows(right, main, height));
        } else {
            panes.main = Some(right);
        }
        if let Some(details) = panes.details
            && details.width >= 120
        {
            let left = details.width / 2;
            panes.details = Some(Rect {
                width: left,
                ..details
            });
            panes.extra = Some(Rect {
                x: details.x + left + 1,
                width: details.width - left - 1,
                ..details
            });
        }
        panes
    }
}

/// The lines of a pane that hold the list itself: below title, description and column heads.
pub fn list_area(main: Rect, content: &Content<'_>) -> Rect {
    let head = match content {
        Content::Rules(..) | Content::Elements(..) | Content::Listing(_) => 3,
        Content::Nothing | Content::Single(_) => 1,
    };
    paint::rows(main, head, main.height.saturating_sub(head))
}
