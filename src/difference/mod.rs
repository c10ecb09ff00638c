//! L1: how one state of an object differs from another, field by field, with the paths the API server
//! uses in its own messages. Pure: what is compared comes from elsewhere, and nothing here asks a cluster.
//!
//! ```text
//! live ─────────────▶ changes ─▶ FieldChange ─▶ mask ─▶ Told   what may be shown
//! live, wanted ─▶ merge ─▶ changes                              what an apply would do, without asking
//! managedFields ─▶ owners                                       who owns a field
//! ```

mod compare;
mod mask;
mod merge;
mod owners;
mod path;
#[cfg(test)]
mod tests;

pub use compare::{Edit, FieldChange, changes, desired};
pub use mask::{Mask, Told};
pub use merge::merged;
pub use owners::{FieldSet, Owner, owners};
pub use path::{Path, Step};
