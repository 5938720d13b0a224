//! Parts that screens are made of. They read values and write cells, nothing else.

pub mod difference;
pub mod input;
pub mod list;
pub mod paint;
