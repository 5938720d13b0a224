//! The iptables language: rules of `iptables`, `ip6tables`, `arptables` and `ebtables`, on both backends.
//!
//! `as_nft` shows legacy tables as tables of nf_tables; `rule` is what a rule means, whichever backend holds it; `from_nft` and `from_legacy` read it back; `save`
//! writes extensions and `print` whole tables as the `-save` programs of iptables 1.8 do; `xlate` writes extensions
//! in nft syntax, as nft itself does with libxtables.

pub mod as_nft;
pub mod builtin;
pub mod complete;
pub mod format;
pub mod from_legacy;
pub mod from_nft;
pub mod icmp;
pub mod parse;
pub mod print;
pub mod print_legacy;
pub mod rule;
pub mod save;
pub mod to_legacy;
pub mod to_nft;
pub mod xlate;

#[cfg(test)]
mod tests;
