//! nf_tables (`linux/netfilter/nf_tables.h`): decode, dump, load.
//!
//! `abi` is the wire's numbers; `decode` and `expression` turn attributes into model values and are pure;
//! `dump` asks the kernel; `load` puts one generation together.

pub mod abi;
pub mod batch;
pub mod decode;
pub mod dump;
pub mod encode;
pub mod events;
pub mod expression;
pub mod load;
