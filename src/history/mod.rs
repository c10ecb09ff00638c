//! L3: the history of a plan: what is kept of each deploy, and what can be brought back. Pure: a revision
//! is one Secret, and here it is made and read.
//!
//! ```text
//! Secret wesago-<plan>.v<N>, type wesago/revision, label wesago/history=<plan>
//!   annotations   who, when, from where, what came of it     a list without the content tells the history
//!   data.plan     the composed plan as JSON, compressed      `kubectl get … | base64 -d | gunzip` shows it
//! ```
//!
//! The plan is in it as it was deployed, after variables. Generated secrets are not: they are made once and
//! stay in the cluster. What a manifest says of a Secret is; a revision is a Secret itself.

mod content;
mod secret;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use content::{Content, FORMAT, Unreadable};
pub use secret::{LABEL, TYPE, name, secret};

use crate::event::{ChangeCounts, Verdict};
use crate::inventory::Hash;
use crate::object::{ObjectRef, Uid};

/// How many revisions are kept.
pub const KEPT: usize = 10;

/// What is known of one deploy of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Counts from 1.
    pub number: u32,
    /// The short name of the run.
    pub run: String,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Who deployed what.
    pub origin: Origin,
    /// The version of wesago.
    pub version: String,
    /// What it did.
    pub changes: ChangeCounts,
    /// The revision it brought back, if it was a rollback.
    pub rollback_to: Option<u32>,
    /// How it ended.
    pub verdict: Verdict,
    /// What the cluster held of the plan afterwards, by the inventory.
    pub applied: Hash,
    /// Why its plan is not in it.
    pub left_out: Option<String>,
}

/// Where a deploy comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who, as `user@host`.
    pub by: String,
    /// The plan's file, or that it is built in.
    pub from: String,
    /// The git commit of the plan's folder, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A revision as it was found in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub revision: Revision,
    /// Its Secret.
    pub object: ObjectRef,
    /// The life of the Secret.
    pub uid: Uid,
}

/// Returns the revision that a rollback leads to when nobody names one: the newest that succeeded before what
/// the cluster holds. That is the newest of all, unless the inventory says that something else was applied
/// since, as by a run that was killed. `found` is in the order of the numbers.
pub fn target<'f>(found: &'f [Found], applied: &Hash) -> Option<&'f Found> {
    let newest = found.last()?;
    let is_present = newest.revision.applied == *applied;
    let before = if is_present { &found[..found.len() - 1] } else { found };
    before.iter().rev().find(|found| can_be_brought_back(&found.revision))
}

/// Returns the revisions that go before another one comes. The newest that succeeded stays, however many
/// have failed since: it is what a rollback leads to. `found` is in the order of the numbers.
pub fn surplus(found: &[Found]) -> Vec<&Found> {
    let goes = found.len().saturating_sub(KEPT - 1);
    let good = found.iter().rposition(|found| can_be_brought_back(&found.revision));
    let others = found.iter().enumerate().filter(|(at, _)| Some(*at) != good);
    others.map(|(_, found)| found).take(goes).collect()
}

fn can_be_brought_back(revision: &Revision) -> bool {
    revision.verdict.is_success() && revision.left_out.is_none()
}
