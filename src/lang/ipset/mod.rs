//! The ipset language: what `ipset save` prints and `ipset restore` takes.
//!
//! `kind` says what the elements of a type are made of; `print` and `parse` go by that. Pure.

pub mod kind;
pub mod parse;
pub mod print;

#[cfg(test)]
mod tests;
