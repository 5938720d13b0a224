//! The screens. Each has its state, a pure `update` and a pure `render`; none knows a channel or a lock.

pub mod changes;
pub mod explore;
pub mod flow;
pub mod flows;
pub mod live;
pub mod routes;
pub mod services;
