//! The Worker's bindings, one per file.

pub mod assets;
pub mod challenges;
pub mod limits;
pub mod objects;
