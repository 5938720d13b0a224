//! The nft language.
//!
//! Data: `datatype`, `symbols`, `protocol`, `exthdr`, `keys`. `ast` is what a rule means; `delinearize` makes it from
//! the kernel's expressions; `print` writes it as `nft list ruleset` does.
//! `bytecode` writes the kernel's expressions themselves. `syntax` is what a text says, before anything is looked up.

pub mod ast;
pub mod bytecode;
pub mod chain;
pub mod compile;
pub mod complete;
pub mod context;
pub mod datatype;
pub mod delinearize;
pub mod exthdr;
pub mod facts;
pub mod json;
pub mod keys;
pub mod number;
pub mod parse;
pub mod print;
pub mod protocol;
pub mod symbols;
pub mod syntax;
