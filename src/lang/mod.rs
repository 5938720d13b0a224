//! Text of the model and back: nft, iptables and iproute2 syntax, plain English.

pub mod conntrack;
pub mod route;
