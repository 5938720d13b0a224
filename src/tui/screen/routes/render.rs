//! Drawing Routes.

use crate::tui::app::State;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    paint::empty(frame, state.theme(), body, "Routes", &[]);
}
