//! Text of routes and policy rules as iproute2 prints them, in words and in JSON.
//!
//! Pure: may use `model`. Names (of tables, protocols, scopes) come in as [`Names`], device names as a function;
//! who prints reads them. What the kernel said and iproute2 has no words for is printed too, in
//! iproute2's manner, rather than hidden.

mod address;
mod command;
mod encap;
mod metrics;
mod out;
mod parse;
mod print;
mod rule;

pub use address::ip_text;
pub use command::{neighbour_words, route_words, rule_words};
pub use out::Out;
pub use parse::{ParseContext, ParseError, ParsedChange, parse_batch, parse_words};
pub use print::{RouteText, other_route, route, route_line};
pub use rule::{rule, rule_line};

pub use crate::model::network::{NameTable, RouteNames as Names, number};

use crate::model::Name;

/// What printing needs to know besides the route.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub names: &'a Names,
    /// The name of the device with this index.
    pub device: &'a dyn Fn(u32) -> Name,
    /// The listing is of one table, whose name need not stand in each line.
    pub one_table: bool,
}
