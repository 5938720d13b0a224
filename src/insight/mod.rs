//! What rulesets mean beyond their rules: whose they are, and what they are for.
//!
//! Pure: may use `model`, `lang` and the pure codecs of `kernel`; works on a picture or a snapshot alike.

pub mod services;
