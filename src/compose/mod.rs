//! L2: from a plan file and what it names to a valid [`Plan`]. Pure but for [`Files`]: what is wrong is
//! returned, all of it, and nothing is sent to anybody.
//!
//! ```text
//! assemble    the steps, in their order
//! chain       the plan file and those it extends
//! variables   declarations, --set, --values; each value told where it was given
//! document    the plan files, typed and merged: stages, patches, notes; `secrets` beside it
//! stages      groups to members, needs to arrows
//! manifest    YAML documents to objects
//! configs     real files to ConfigMaps
//! patch       changes of an overlay to objects
//! readiness   the plan's own rules of when an object of a kind is current
//! checked     duplicates, namespaces, what pods read, what checks ask
//! fingerprint what pods read, hashed into their template
//! paths decode names   the small tools of all of these
//! ```

mod assemble;
mod chain;
mod checked;
mod configs;
mod decode;
mod document;
mod fingerprint;
mod manifest;
mod names;
mod patch;
mod paths;
mod readiness;
mod secrets;
mod stages;
mod variables;

use indexmap::IndexMap;
use serde_json::Value;

pub use crate::object::settings::SourceKind;
pub use fingerprint::{CONFIG_ANNOTATION, Contents, Setting, fold_secrets, settings};

use crate::plan::Plan;
use crate::problem::Problems;

/// Where the plan and what it names are read from: the disk, or the binary itself.
///
/// Paths are those of the plan, joined with the folder of the file that names them and without `..`
/// where that is possible: `plans/wesago.yaml` that says `../manifests/redis` opens `manifests/redis`.
pub trait Files {
    /// Returns what is at `path`.
    ///
    /// # Errors
    /// [`FileError`] when nothing is, or it cannot be read.
    fn open(&self, path: &str) -> Result<Entry, FileError>;
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file with its content.
    File(Vec<u8>),
    /// A folder with what is directly in it, in any order.
    Folder(Vec<Listed>),
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name, without the folder's path.
    pub name: String,
    /// True for a folder.
    pub is_folder: bool,
}

/// Why a path gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing is there.
    #[error("no such file or folder")]
    Missing,
    /// Something is there and cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// What to compose.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Where files are read from.
    pub files: &'a dyn Files,
    /// The plan file, such as `plans/wesago.yaml`.
    pub plan: &'a str,
    /// The arguments of `--values`, in their order: YAML files of `name: value`; the last one wins.
    pub values: &'a [String],
    /// The arguments of `--set`, in their order: `name=value`; the last one wins.
    pub set: &'a [String],
}

/// A plan ready to run, and what was found on the way.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The plan.
    pub plan: Plan,
    /// What should be looked at and stops nothing.
    pub warnings: Problems,
    /// The variables with their values, in the order of the file.
    pub variables: IndexMap<String, Value>,
}

/// Returns the plan in `request.plan` with all it names.
///
/// # Errors
/// Everything that is wrong with the plan, the manifests and the values, each with its place.
pub fn compose(request: &Request<'_>) -> Result<Composed, Problems> {
    assemble::assemble(request)
}

#[cfg(test)]
mod tests;
