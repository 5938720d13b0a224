//! The kernel's expressions back to statements, as nft does it.
//!
//! `registers` follows what is loaded into which register and yields statements; `postprocess` gives them types,
//! removes the protocol matches that other matches imply, splits merged loads and undoes masks and shifts.
//! Sets become constants of the types that their declarations name.

mod context;
mod exthdr;
mod intervals;
mod payload;
mod postprocess;
mod registers;
mod sets;
mod userdata;

pub use context::TableView;
pub use registers::stateful;
pub use sets::{element_expressions, set_info};
pub use userdata::{comment as userdata_comment, set_comment, tlvs as userdata_tlvs};
/// The numbers in user data, for those who write it.
pub mod userdata_types {
    pub use super::sets::etype;
    pub use super::userdata::{COMMENT, ELEMENT_FLAGS, set};
}

use super::ast::Stmt;
use crate::kernel::netlink::DecodeError;
use crate::kernel::nf_tables::decode;
use crate::model::Rule;

/// A rule as statements and a comment.
#[derive(Clone, Debug, Default)]
pub struct RuleText {
    pub stmts: Vec<Stmt>,
    pub comment: Option<String>,
}

/// Delinearize one rule of a table.
pub fn rule(view: &TableView, rule: Rule<'_>) -> Result<RuleText, DecodeError> {
    let body = decode::rule(rule)?;
    let parsed = registers::statements(view, &body.expressions);
    Ok(RuleText {
        stmts: postprocess::rule(view, parsed),
        comment: userdata::comment(&body.userdata),
    })
}
