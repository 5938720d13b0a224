//! nf_tables (`linux/netfilter/nf_tables.h`): decode, dump, load.
//!
//! `abi` is the wire's numbers; `decode` and `expression` turn attributes into model values and are pure;
//! `dump` asks the kernel; `load` puts one generation together. `transaction` encodes changes and `commit` has the
//! kernel check or apply them; `refusal` says why it did not.

pub mod abi;
pub mod batch;
pub mod commit;
pub mod decode;
pub mod dump;
pub mod encode;
pub mod encode_objects;
mod encode_pending;
pub mod events;
pub mod expression;
pub mod load;
pub mod refusal;
pub mod transaction;
