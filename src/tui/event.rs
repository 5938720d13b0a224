//! Everything that can happen to the interface.

use super::job::Answer;
use super::key::Key;
use crate::session::SessionEvent;
use crossterm::event::MouseEvent;
use ratatui::layout::Size;
use std::time::Duration;

#[derive(Clone, Debug)]
pub enum Event {
    Key(Key),
    /// Text that was pasted.
    Paste(String),
    Mouse(MouseEvent),
    Resize(Size),
    /// Time since the interface started; nothing else tells `update` the time.
    Tick(Duration),
    Session(SessionEvent),
    /// The session is gone; nothing new will come.
    SessionEnded,
    /// What the person's editor gave back, or why it could not be asked.
    Edited(Result<String, String>),
    Answer(Answer),
}
