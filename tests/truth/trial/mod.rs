//! One trial: what is there, what is deployed into it, and what must come of it.

mod failure;
mod recovery;
mod scene;

use std::time::Duration;

use crate::sandbox::command::kubectl_in;
use crate::sandbox::seen::{Seen, wait_for};

pub(crate) use failure::Failure;
pub(crate) use recovery::Recovery;
pub(crate) use scene::{LABEL, Scene, folder_of};

/// What the namespaces of trials are called.
pub(crate) const PREFIX: &str = "truth-";
/// What the second namespace of a trial is called, after the first.
pub(crate) const SECOND: &str = "-second";
/// A watch of ours, or the audit log, may be behind the program under test for so long.
const BEHIND: Duration = Duration::from_secs(5);
/// Longest wait until the API server follows what was changed of its own rules.
const RULES: Duration = Duration::from_secs(30);

/// Waits until the API server follows a new rule: a pod is refused with these words.
pub(crate) fn pods_are_refused(namespace: &str, words: &str) -> Seen {
    let probe = ["run", "probe", "--image=probe", "--dry-run=server", "--output=name"];
    is_refused(namespace, &probe, words)
}

/// Waits until the API server refuses what kubectl asks for, with these words.
pub(crate) fn is_refused(namespace: &str, probe: &[&str], words: &str) -> Seen {
    wait_for("refusal", RULES, || {
        Ok(match kubectl_in(namespace, probe) {
            Ok(made) => Err(format!("{made} would be made")),
            Err(refusal) if refusal.contains(words) => Ok(()),
            Err(other) => Err(other),
        })
    })
}
