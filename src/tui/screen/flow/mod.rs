//! Flow: the hooks a packet can pass with everything that runs there, and the way of one packet through them.
//!
//! May use `model`, `session`'s picture types, `flow`'s questions and the rest of `tui`. The path is simulated by a
//! job; here it is shown, stepped through and asked for.

pub mod complete;
pub mod diagram;
pub mod form;
pub mod layout;
pub mod panes;
pub mod pointer;
pub mod render;
pub mod update;

use crate::flow::Question;
use crate::model::{Family, Network};
use crate::session::Beside;
use crate::session::watch::Packet;
use crate::tui::app::Screen;
use crate::tui::job::flow::{Path, Row, Seen, Station, Told, alike, comparable};
use crate::tui::widget::list::ListState;
use form::Form;
use layout::Layout;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::time::Duration;

/// What the keys move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// The hooks of the diagram, and what runs at the selected one.
    Hooks,
    /// The steps of the path, or the examples where there is none.
    #[default]
    Steps,
    /// The explanation.
    About,
}

/// Which ruleset the path is looked at with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// As the kernel has it.
    #[default]
    Now,
    /// With the pending changes.
    Staged,
    /// What differs.
    Both,
    /// What the kernel really did with the packet, beside the prediction.
    Real,
}

#[derive(Clone, Debug)]
pub struct Flow {
    pub focus: Focus,
    pub family: Family,
    /// A person chose the family; else it follows the packet.
    pub family_chosen: bool,
    pub station: Station,
    /// What runs at the station.
    pub entries: ListState,
    pub steps: ListState,
    /// First line of the explanation on the screen.
    pub scroll: usize,
    pub question: Option<Question>,
    /// The packet that was seen, where the question is about one.
    pub real: Option<Arc<Packet>>,
    pub seen: Option<Box<Seen>>,
    pub view: View,
    pub form: Option<Form>,
    /// What was read beside the picture, for which generation, and when.
    pub beside: Option<(Arc<Beside>, u32, Duration)>,
    /// It is being read.
    pub reading: bool,
    /// A path is being simulated.
    pub working: bool,
    /// A person asked, and the answer is not on its way yet.
    pub wanted: bool,
    /// The answer on its way is to what a person asked, not to what has changed.
    pub asked: bool,
    pub ticket: u64,
    /// What the answer on the screen was made for: generation, state of the change set, the network.
    pub made_for: Option<(u32, u64, Network)>,
    /// What changed with the ruleset, in words.
    pub news: Option<String>,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            focus: Focus::default(),
            family: Family::Ip,
            family_chosen: false,
            station: Station::Prerouting,
            entries: ListState::default(),
            steps: ListState::default(),
            scroll: 0,
            question: None,
            real: None,
            seen: None,
            view: View::default(),
            form: None,
            beside: None,
            reading: false,
            working: false,
            wanted: false,
            asked: false,
            ticket: 0,
            made_for: None,
            news: None,
        }
    }
}

/// A row of the list of steps, with the world it is of: both where nothing is said.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'f> {
    pub row: &'f Row,
    pub side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Same,
    /// Only as it is now; of two paths of one packet, only as predicted.
    Before,
    /// Only with the pending changes; only as the kernel did it.
    After,
}

impl Flow {
    pub fn is_editing(&self, screen: Screen) -> bool {
        screen == Screen::Flow && self.form.is_some()
    }

    /// Where everything stands.
    pub fn layout(&self, body: Rect) -> Layout {
        let lines = self.seen.as_ref().map_or(2, |seen| {
            let all = Station::ALL.into_iter();
            let lines = all.map(|station| seen.diagram.at(self.family, station).len());
            lines.max().unwrap_or(0)
        });
        layout::layout(body, lines)
    }

    /// The path that the view is about; of the two where both are shown, the one to come.
    pub fn path(&self) -> Option<&Path> {
        let seen = self.seen.as_ref()?;
        match self.view {
            View::Now => seen.now.as_ref(),
            View::Real => seen.real.as_ref().or(seen.now.as_ref()),
            View::Staged | View::Both => seen.staged.as_ref().or(seen.now.as_ref()),
        }
    }

    pub fn told(&self) -> Option<&Arc<Told>> {
        self.path()?.as_ref().ok()
    }

    /// The path as it is now, and with the pending changes, where both are known.
    pub fn both(&self) -> Option<(&Told, &Told)> {
        let seen = self.seen.as_ref()?;
        match (seen.now.as_ref()?, seen.staged.as_ref()?) {
            (Ok(now), Ok(staged)) => Some((now, staged)),
            _ => None,
        }
    }

    /// The prediction, and what the kernel did.
    pub fn held_against(&self) -> Option<(&Told, &Told)> {
        let seen = self.seen.as_ref()?;
        match (seen.now.as_ref()?, seen.real.as_ref()?) {
            (Ok(now), Ok(real)) => Some((now, real)),
            _ => None,
        }
    }

    /// The views that there are for this packet.
    pub fn views(&self) -> Vec<View> {
        let mut views = vec![View::Now];
        if self.both().is_some() {
            views.extend([View::Staged, View::Both]);
        }
        if self.held_against().is_some() {
            views.push(View::Real);
        }
        views
    }

    /// The rows of the list of steps.
    pub fn rows(&self) -> Vec<Shown<'_>> {
        let same = |row| Shown {
            row,
            side: Side::Same,
        };
        let Some(told) = self.told() else {
            return Vec::new();
        };
        if let Some((now, real)) = self.held_against().filter(|_| self.view == View::Real) {
            let old = comparable(&now.rows, &real.rows);
            let new: Vec<&Row> = real.rows.iter().collect();
            return differences(&old, &new, alike);
        }
        let Some((now, staged)) = self.both().filter(|_| self.view != View::Now) else {
            return told.rows.iter().map(same).collect();
        };
        // What is alike before the first and after the last difference is shown once.
        let like = |a: &Row, b: &Row| {
            (a.station, &a.text, &a.verdict, a.mark) == (b.station, &b.text, &b.verdict, b.mark)
        };
        let (a, b) = (&now.rows, &staged.rows);
        let head = a.iter().zip(b).take_while(|(a, b)| like(a, b)).count();
        let most = a.len().min(b.len()) - head;
        let tail = a.iter().rev().zip(b.iter().rev()).take(most);
        let tail = tail.take_while(|(a, b)| like(a, b)).count();
        let mut rows: Vec<Shown<'_>> = b.iter().take(head).map(same).collect();
        let middle = |rows: &'_ [Row]| head..rows.len() - tail;
        let (old, new) = (a.get(middle(a)), b.get(middle(b)));
        let between = differences(&refs(old), &refs(new), like);
        let both = self.view == View::Both;
        rows.extend(
            between
                .into_iter()
                .filter(|one| both || one.side != Side::Before),
        );
        rows.extend(b.iter().skip(b.len() - tail).map(same));
        rows
    }

    /// The selected row of the path.
    pub fn row(&self) -> Option<Shown<'_>> {
        self.rows().get(self.steps.selected).copied()
    }

    /// The stations of the shown family that the packet has passed at the selected row, and all that it passes.
    pub fn trails(&self) -> (Vec<Station>, Vec<Station>) {
        let Some(told) = self.told() else {
            return (Vec::new(), Vec::new());
        };
        // Rows of the world before have no place in the path to come: the last one that has counts.
        let rows = self.rows();
        let at = rows
            .iter()
            .take(self.steps.selected + 1)
            .filter(|shown| shown.side != Side::Before)
            .count()
            .saturating_sub(1);
        (
            told.trail(self.family, at),
            told.trail(self.family, usize::MAX),
        )
    }
}

fn refs(rows: Option<&[Row]>) -> Vec<&Row> {
    rows.unwrap_or_default().iter().collect()
}

/// Pairs of rows that are compared with each other; where there are more, all are taken as different.
const PAIRS: usize = 100_000;

/// What goes and what comes, in order, with what stays between (the longest common subsequence).
fn differences<'r>(
    old: &[&'r Row],
    new: &[&'r Row],
    alike: impl Fn(&Row, &Row) -> bool,
) -> Vec<Shown<'r>> {
    let shown = |row, side| Shown { row, side };
    let width = new.len() + 1;
    let compare = old.len() * new.len() <= PAIRS;
    // How much the rests have in common, from each pair of places on.
    let mut common = vec![0u32; if compare { (old.len() + 1) * width } else { 0 }];
    let at = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    if compare {
        for (i, a) in old.iter().enumerate().rev() {
            for (j, b) in new.iter().enumerate().rev() {
                let best = if alike(a, b) {
                    at(&common, i + 1, j + 1) + 1
                } else {
                    at(&common, i + 1, j).max(at(&common, i, j + 1))
                };
                if let Some(place) = common.get_mut(i * width + j) {
                    *place = best;
                }
            }
        }
    }
    let mut out = Vec::with_capacity(old.len() + new.len());
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if compare && alike(a, b) => {
                out.push(shown(b, Side::Same));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), Some(_)) if at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.push(shown(a, Side::Before));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(shown(b, Side::After));
                j += 1;
            }
            (Some(a), None) => {
                out.push(shown(a, Side::Before));
                i += 1;
            }
            (None, None) => return out,
        }
    }
}
