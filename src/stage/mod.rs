//! Changes: what has to be done to get from one ruleset to another, and doing it so that it can be taken back.
//!
//! May use `model`, `kernel`, `lang`. `plan` (differences and inverses), `make` and `content` are pure.

pub mod content;
pub mod make;
pub mod plan;
