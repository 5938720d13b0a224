//! Changes that are planned, applied as a whole, and taken back.
//!
//! May use `model`, `kernel`, `lang`.

pub mod route;
