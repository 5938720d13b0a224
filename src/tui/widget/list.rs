//! Where one is in a long list. Lists of a million lines cost what is on the screen.

use crate::tui::action::Action;
use std::ops::Range;

/// The selected line and the first line on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListState {
    pub selected: usize,
    pub offset: usize,
}

impl ListState {
    /// Move as `action` says, in a list of `len` lines of which `height` are on the screen.
    pub fn act(&mut self, action: Action, len: usize, height: usize) {
        let page = height.saturating_sub(1).max(1);
        let half = (height / 2).max(1);
        let last = len.saturating_sub(1);
        self.selected = match action {
            Action::Up => self.selected.saturating_sub(1),
            Action::Down => self.selected.saturating_add(1),
            Action::PageUp => self.selected.saturating_sub(page),
            Action::PageDown => self.selected.saturating_add(page),
            Action::HalfUp => self.selected.saturating_sub(half),
            Action::HalfDown => self.selected.saturating_add(half),
            Action::First => 0,
            Action::Last => last,
            _ => self.selected,
        }
        .min(last);
        self.settle(len, height);
    }

    /// Keep the selected line inside the list and on the screen.
    pub fn settle(&mut self, len: usize, height: usize) {
        self.selected = self.selected.min(len.saturating_sub(1));
        if height == 0 {
            return;
        }
        let most = len.saturating_sub(height);
        if self.selected < self.offset {
            self.offset = self.selected;
        } else if self.selected >= self.offset + height {
            self.offset = self.selected + 1 - height;
        }
        self.offset = self.offset.min(most);
    }

    /// Select a line and put it into the middle of the screen when it is not on it.
    pub fn jump(&mut self, line: usize, len: usize, height: usize) {
        self.selected = line.min(len.saturating_sub(1));
        if self.selected < self.offset || self.selected >= self.offset + height {
            self.offset = self.selected.saturating_sub(height / 3);
        }
        self.settle(len, height);
    }

    /// The next line, or the one before; behind the last comes the first.
    pub fn turn(&mut self, forward: bool, len: usize, height: usize) {
        if len > 0 {
            let step = if forward { 1 } else { len - 1 };
            self.jump((self.selected + step) % len, len, height);
        }
    }

    /// The list was made anew, and what was under the cursor stands on line `here` now. Who has moved keeps it; who
    /// has not, or has asked for another order, wants the top. Of a narrowed list nobody wants what was there before.
    pub fn made_anew(&mut self, here: Option<usize>, narrowed: bool, reordered: bool) {
        let moved = self.selected > 0 && !reordered;
        match here.filter(|_| moved || narrowed) {
            Some(line) => self.selected = line,
            None if narrowed || reordered => *self = ListState::default(),
            None => {}
        }
    }

    /// The wheel: the screen moves, and the selected line only where it would leave the screen.
    pub fn scroll(&mut self, lines: isize, len: usize, height: usize) {
        let most = len.saturating_sub(height);
        self.offset = self.offset.saturating_add_signed(lines).min(most);
        let last = (self.offset + height.saturating_sub(1)).max(self.offset);
        self.selected = self
            .selected
            .clamp(self.offset, last)
            .min(len.saturating_sub(1));
    }

    /// The lines on the screen, also where the list or the screen has changed since the last move.
    pub fn visible(&self, len: usize, height: usize) -> Range<usize> {
        let mut settled = *self;
        settled.settle(len, height);
        settled.offset..(settled.offset + height).min(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_line_stays_on_the_screen() {
        let mut list = ListState::default();
        list.act(Action::Last, 1_000_000, 10);
        assert_eq!(list.visible(1_000_000, 10), 999_990..1_000_000);
        list.act(Action::Up, 1_000_000, 10);
        assert_eq!((list.selected, list.offset), (999_998, 999_990));
        list.scroll(-50, 1_000_000, 10);
        assert_eq!((list.selected, list.offset), (999_949, 999_940));
        list.settle(5, 10);
        assert_eq!((list.selected, list.offset), (4, 0));
        list.act(Action::Down, 0, 10);
        assert_eq!(list.visible(0, 10), 0..0);
        list.jump(500, 1000, 9);
        assert_eq!(list.offset, 497);
        list.turn(false, 501, 9);
        assert_eq!(list.selected, 499);
        list.jump(500, 501, 9);
        list.turn(true, 501, 9);
        assert_eq!(list.selected, 0);
        list.turn(true, 0, 9);
        assert_eq!(list.selected, 0);
    }

    #[test]
    fn the_cursor_stays_on_what_it_was_moved_to() {
        let at = |selected: usize, here, narrowed, reordered| {
            let mut list = ListState {
                selected,
                offset: 0,
            };
            list.made_anew(here, narrowed, reordered);
            list.selected
        };
        assert_eq!(at(5, Some(9), false, false), 9);
        assert_eq!(at(5, None, false, false), 5, "it is gone");
        assert_eq!(at(0, Some(9), false, false), 0, "nobody has moved");
        assert_eq!(at(0, Some(9), true, false), 9, "a search has it still");
        assert_eq!(at(5, None, true, false), 0);
        assert_eq!(at(5, Some(9), false, true), 0, "another order");
    }
}
