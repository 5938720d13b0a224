//! What `update` wants done; the runner does it.

use super::job::Job;
use super::request::Request;
use crate::session::Command;

#[derive(Clone, Debug)]
pub enum Effect {
    Quit,
    /// Give the terminal back and stop, as Ctrl-Z does in other programs.
    Suspend,
    /// Put text on the clipboard of the terminal (OSC 52).
    Copy(String),
    Send(Command),
    /// Compute away from the interface; a newer job of the same kind ends an older one.
    Job(Job),
    /// Ask the kernel about changes, or make them.
    Kernel(Request),
    /// Give the terminal to the person's editor with this text; what comes out is an event.
    EditText {
        text: String,
        about: String,
    },
    /// Take the mouse or leave it to the terminal.
    Mouse(bool),
}
