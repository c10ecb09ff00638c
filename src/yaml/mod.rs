//! L1: YAML as kubectl reads it, with the place of everything, and back.
//!
//! ```text
//! text --parse--> Node tree --substitute--> Node tree --to_json--> JSON --to_yaml--> text
//! ```
//!
//! Text is split by the parser inside `serde-saphyr`; what its scalars mean is decided by `scalar`, since
//! the server must be sent what `kubectl apply` would send. The tree keeps every place, so an error found
//! much later still points at its line.

mod parse;
mod scalar;
mod substitute;
mod tree;
mod write;

pub use parse::{Keys, Parsed, parse};
pub use substitute::{Substitution, is_variable_name};
pub use tree::{Entry, Key, Kind, Node, Scalar, Style};
pub use write::to_yaml;

#[cfg(test)]
mod tests;
