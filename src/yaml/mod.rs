//! L1: YAML as kubectl reads it, with the place of everything, and back.

mod write;

pub use write::to_yaml;
