//! Custom resources: the conventions of conditions, and patience where a status says nothing of its age.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Assessment;
use super::facts::Subject;
use super::words::explained;
use crate::object::condition::{self, Condition};

/// How long an operator may take to write its first status (kluctl's figure).
const FIRST_STATUS_GRACE: Duration = Duration::from_secs(15);

/// How long a status must have stayed as it is when nothing proves that it speaks of our write.
const SETTLE_GRACE: Duration = Duration::from_secs(5);

/// Conditions that tell readiness when they are true, the usual one first (kstatus; then what operators
/// without a `Ready` use).
const POSITIVE: [&str; 7] =
    ["Ready", "Available", "Healthy", "Established", "Synced", "Succeeded", "Complete"];

/// Whether a condition, or the status, speaks of what we wrote. The surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freshness {
    Proven,
    /// Nothing tells; this much of the patience is left.
    Unproven(Option<Duration>),
    /// It speaks of an older generation.
    Stale,
}

/// Returns the answer for a custom resource or a kind we have no rule for.
pub(super) fn custom_resource(subject: &Subject<'_>) -> Assessment {
    if !has_status(subject) {
        return without_status(subject);
    }
    // kstatus conventions: true means trouble or work, absence means fine.
    for kind in ["Stalled", "Failed"] {
        if let Some(condition) = subject.condition_true(kind) {
            return trouble(subject, condition);
        }
    }
    if let Some(reconciling) = subject.condition_true("Reconciling") {
        return Assessment::in_progress(explained("reconciling", reconciling.explanation()));
    }
    match POSITIVE.iter().find_map(|kind| subject.condition(kind)) {
        Some(condition) => positive(subject, condition),
        None => Assessment::noted("its status has no condition that tells whether it is ready"),
    }
}

fn positive(subject: &Subject<'_>, condition: Condition<'_>) -> Assessment {
    if !condition.is_true() {
        let head = format!("not {}", condition.kind().to_lowercase());
        return Assessment::in_progress(explained(&head, condition.explanation()));
    }
    match freshness(subject, condition) {
        Freshness::Proven => Assessment::current(),
        Freshness::Stale => older(condition),
        Freshness::Unproven(Some(left)) => unsettled(condition).again_in(left),
        Freshness::Unproven(None) => Assessment::noted(format!(
            "its condition {} does not tell which generation it speaks of",
            condition.kind()
        )),
    }
}

fn trouble(subject: &Subject<'_>, condition: Condition<'_>) -> Assessment {
    match freshness(subject, condition) {
        Freshness::Stale => older(condition),
        Freshness::Unproven(Some(left)) => unsettled(condition).again_in(left),
        Freshness::Proven | Freshness::Unproven(None) => {
            Assessment::failed(explained(&condition.kind().to_lowercase(), condition.explanation()))
        }
    }
}

fn older(condition: Condition<'_>) -> Assessment {
    Assessment::in_progress(format!("its condition {} speaks of an older generation", condition.kind()))
}

fn unsettled(condition: Condition<'_>) -> Assessment {
    Assessment::in_progress(format!("its condition {} may be older than our change", condition.kind()))
}

/// Returns whether `condition` speaks of our write: by its own generation, by that of the status (compared
/// before any rule), by a first generation, which has no past, or by its time.
pub(super) fn freshness(subject: &Subject<'_>, condition: Condition<'_>) -> Freshness {
    if let Some(observed) = condition.observed_generation() {
        return if observed == subject.object.generation() { Freshness::Proven } else { Freshness::Stale };
    }
    if condition.changed_at().is_some_and(|moment| subject.not_before_apply(moment)) {
        return Freshness::Proven;
    }
    status_freshness(subject)
}

/// Returns whether the status as a whole speaks of our write: by its generation, because there was no status
/// before, or because it has settled.
pub(super) fn status_freshness(subject: &Subject<'_>) -> Freshness {
    let object = subject.object;
    let status_tells = object.get("/status/observedGeneration").is_some_and(Value::is_i64);
    let created = condition::time(object.get("/metadata/creationTimestamp"));
    let first = object.generation().0 == 1 || created.is_some_and(|moment| subject.not_before_apply(moment));
    if status_tells || first || !subject.receipt.changed {
        return Freshness::Proven;
    }
    let since: Timestamp =
        subject.status_written_at().unwrap_or(subject.receipt.applied_at).max(subject.receipt.applied_at);
    Freshness::Unproven(subject.grace_since(since, SETTLE_GRACE))
}

fn has_status(subject: &Subject<'_>) -> bool {
    match subject.object.get("/status") {
        None | Some(Value::Null) => false,
        Some(Value::Object(fields)) => !Map::is_empty(fields),
        Some(_) => true,
    }
}

/// Returns the answer before anybody wrote a status: a just created object must not count as ready because
/// its operator has not come to it yet (kstatus' documented caveat).
fn without_status(subject: &Subject<'_>) -> Assessment {
    if subject.surroundings.without_status.contains(&subject.object.reference().group_kind()) {
        return Assessment::current();
    }
    let grace = if subject.receipt.changed { subject.grace_since_apply(FIRST_STATUS_GRACE) } else { None };
    match grace {
        Some(left) => Assessment::in_progress("no status yet").again_in(left),
        None => Assessment::noted("nobody reports a status for it"),
    }
}
