//! Objects, receipts and times for the tests of this folder.

use std::borrow::Borrow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Assessment, Readiness, Receipt, Sight, Surroundings, assess};
use crate::object::{Generation, Object, Uid};

/// The moment our write was answered, in every test.
pub(super) const APPLIED_AT: &str = "2026-03-01T12:00:00Z";

/// Returns a stamp, as a controller writes it, so many seconds after our write (or before it).
pub(super) fn stamp(seconds_after_apply: i64) -> String {
    (applied_at() + SignedDuration::from_secs(seconds_after_apply)).to_string()
}

fn applied_at() -> Timestamp {
    APPLIED_AT.parse().unwrap()
}

/// Returns an object at generation 1 that the server knows, with `body` laid over it.
pub(super) fn object(api_version: &str, kind: &str, body: impl Borrow<Value>) -> Object {
    let mut value = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "thing", "namespace": "shop", "uid": "u-1", "generation": 1},
    });
    json_patch::merge(&mut value, body.borrow());
    Object::new(value).unwrap()
}

/// One question to `assess`, with an answer expected.
pub(super) struct Case {
    pub(super) object: Object,
    pub(super) receipt: Receipt,
    pub(super) surroundings: Surroundings,
    pub(super) now: Timestamp,
    is_gone: bool,
}

impl Case {
    /// Returns the question one second after a write that changed `object` to the generation it has.
    pub(super) fn new(object: Object) -> Self {
        let receipt = Receipt {
            uid: Uid("u-1".into()),
            generation: object.generation(),
            changed: true,
            applied_at: applied_at(),
            ahead: SignedDuration::ZERO,
        };
        let now = applied_at() + SignedDuration::from_secs(1);
        Self { object, receipt, surroundings: Surroundings::default(), now, is_gone: false }
    }

    /// Asks so many seconds after our write.
    pub(super) fn after(mut self, seconds: i64) -> Self {
        self.now = applied_at() + SignedDuration::from_secs(seconds);
        self
    }

    /// Our write changed nothing.
    pub(super) fn unchanged(mut self) -> Self {
        self.receipt.changed = false;
        self
    }

    /// Our write left this generation behind.
    pub(super) fn floor(mut self, generation: i64) -> Self {
        self.receipt.generation = Generation(generation);
        self
    }

    /// The object was there and is gone.
    pub(super) fn gone(mut self) -> Self {
        self.is_gone = true;
        self
    }

    pub(super) fn within(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// The server answers with `body` laid over the object.
    pub(super) fn answer_with(mut self, body: &Value) -> Self {
        let mut value = self.object.into_value();
        json_patch::merge(&mut value, body);
        self.object = Object::new(value).unwrap();
        self
    }

    pub(super) fn answer(&self) -> Assessment {
        let sight = if self.is_gone { Sight::Gone(&self.object) } else { Sight::Present(&self.object) };
        assess(sight, &self.receipt, &self.surroundings, self.now)
    }

    /// Checks the answer, written as `in progress: reason`, `current`, `current: note`, `failed: reason`
    /// or `terminating: finalizers`, and that only news can change it.
    #[track_caller]
    pub(super) fn is(&self, expected: &str) {
        let answer = self.answer();
        assert_eq!(told(&answer.readiness), expected);
        assert_eq!(answer.again_in, None, "only news can change this answer");
    }

    /// Checks the answer, and that it may change by itself in so many seconds.
    #[track_caller]
    pub(super) fn is_for(&self, expected: &str, again_in: Duration) {
        let answer = self.answer();
        assert_eq!(told(&answer.readiness), expected);
        assert_eq!(answer.again_in, Some(again_in));
    }
}

fn told(readiness: &Readiness) -> String {
    match readiness {
        Readiness::InProgress { reason } => format!("in progress: {reason}"),
        Readiness::Current { note: None } => "current".into(),
        Readiness::Current { note: Some(note) } => format!("current: {note}"),
        Readiness::Failed { reason } => format!("failed: {reason}"),
        Readiness::Terminating { finalizers } => format!("terminating: {}", finalizers.join(", ")),
        Readiness::NotFound => "not found".into(),
    }
}
