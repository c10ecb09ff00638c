//! What a rule reads: one object beside its receipt, its surroundings and the time.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Receipt, Surroundings};
use crate::object::Object;
use crate::object::condition::{self, Condition};

/// The object under judgement and all that is known beside it.
pub(super) struct Subject<'a> {
    pub(super) object: &'a Object,
    pub(super) receipt: &'a Receipt,
    pub(super) surroundings: &'a Surroundings,
    pub(super) now: Timestamp,
}

impl<'a> Subject<'a> {
    /// Returns the count at a pointer; 0 when absent, as the server leaves zeroes out.
    pub(super) fn count(&self, pointer: &str) -> i64 {
        self.count_or(pointer, 0)
    }

    /// Returns the count at a pointer, or `default`.
    pub(super) fn count_or(&self, pointer: &str, default: i64) -> i64 {
        condition::count(self.object.get(pointer)).unwrap_or(default)
    }

    /// Returns true when the value at a pointer is `true`.
    pub(super) fn flag(&self, pointer: &str) -> bool {
        self.object.get(pointer) == Some(&Value::Bool(true))
    }

    /// Returns the condition of this type.
    pub(super) fn condition(&self, kind: &str) -> Option<Condition<'a>> {
        Condition::find(self.object, kind)
    }

    /// Returns the condition of this type if its status is `True`. Type *and* status: a resumed Job keeps
    /// a `Suspended` condition with status `False`.
    pub(super) fn condition_true(&self, kind: &str) -> Option<Condition<'a>> {
        self.condition(kind).filter(|condition| condition.is_true())
    }

    /// Returns what is left of `grace` since our write; `None` once it has passed.
    pub(super) fn grace_since_apply(&self, grace: Duration) -> Option<Duration> {
        self.grace_since(self.receipt.applied_at, grace)
    }

    /// Returns what is left of `grace` since `start`; `None` once it has passed. A start that lies in the
    /// future (two clocks that differ) counts as now.
    pub(super) fn grace_since(&self, start: Timestamp, grace: Duration) -> Option<Duration> {
        let passed = Duration::try_from(self.now.duration_since(start)).unwrap_or(Duration::ZERO);
        grace.checked_sub(passed).filter(|left| !left.is_zero())
    }

    /// Returns true when `moment`, a stamp of the server, is our write or later. Kubernetes stamps are whole seconds,
    /// so the second of the write counts as later.
    pub(super) fn not_before_apply(&self, moment: Timestamp) -> bool {
        moment.as_second() >= self.receipt.applied_at.as_second()
    }

    /// Returns who holds a field of the spec, by `managedFields`; `None` when the server does not tell.
    pub(super) fn holder(&self, field: &str) -> Option<Holder> {
        let path = format!("/fieldsV1/f:spec/f:{field}");
        let holders: Vec<_> = self.managers().filter(|entry| entry.pointer(&path).is_some()).collect();
        if holders.is_empty() {
            return None;
        }
        if holders.iter().any(|entry| entry.get("operation").and_then(Value::as_str) == Some("Apply")) {
            return Some(Holder::Manifest);
        }
        let since = holders.iter().filter_map(|entry| condition::time(entry.get("time"))).max();
        Some(Holder::Other { since })
    }

    /// Returns when the status was last written, as far as `managedFields` tells.
    pub(super) fn status_written_at(&self) -> Option<Timestamp> {
        self.managers()
            .filter(|entry| entry.pointer("/fieldsV1/f:status").is_some())
            .filter_map(|entry| condition::time(entry.get("time")))
            .max()
    }

    fn managers(&self) -> impl Iterator<Item = &'a Value> {
        self.object.get("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
    }
}

/// Who set a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A manifest: it was applied.
    Manifest,
    /// Somebody by hand, or a controller.
    Other {
        /// Since when, as far as the server tells.
        since: Option<Timestamp>,
    },
}
