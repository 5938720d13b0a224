//! The interface: screens over the session's pictures.
//!
//! May use `session`, `insight`, `flow`, `stage`, `lang`, `model`. `app::update` and `chrome::render` are
//! pure; `run` is the only place with I/O. Screens know no socket, lock, channel or clock.

pub mod action;
pub mod app;
pub mod chrome;
pub mod clean;
pub mod effect;
pub mod event;
pub mod highlight;
pub mod human;
pub mod job;
pub mod key;
pub mod keymap;
mod mouse;
pub mod overlay;
pub mod owner;
pub mod request;
mod run;
pub mod screen;
pub mod search;
pub mod text;
pub mod theme;
pub mod widget;

pub use app::{Settings, State, update};
pub use chrome::render;
pub use effect::Effect;
pub use event::Event;
pub use run::{Color, Error, Options, run, settings};
