//! The measured times, one line a trial.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was measured in one trial. Ordered as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// How it had to end, such as `permanent`.
    pub(crate) class: &'static str,
    /// The trial.
    pub(crate) name: &'static str,
    /// From the evidence, or from the deadline, to the verdict.
    pub(crate) took: Duration,
    /// The most it may take.
    pub(crate) limit: Duration,
    /// Who wrote the evidence.
    pub(crate) told_by: String,
    /// What the verdict told of the cause.
    pub(crate) words: String,
}

/// The rows of all trials.
#[derive(Default)]
pub(crate) struct Table(Mutex<BTreeSet<Row>>);

impl Table {
    /// Adds the row of a trial.
    pub(crate) fn add(&self, row: Row) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:<22} {:>9} {:>9}  {:<46} words",
            "class", "trial", "ms", "limit ms", "evidence from"
        )?;
        for row in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let Row { class, name, took, limit, told_by, words } = row;
            let (took, limit) = (took.as_millis(), limit.as_millis());
            writeln!(f, "{class:<10} {name:<22} {took:>9} {limit:>9}  {told_by:<46} {words}")?;
        }
        Ok(())
    }
}
