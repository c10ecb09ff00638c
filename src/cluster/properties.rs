//! What holds for any answer whatever: reading it and deciding what it means never panics, and every decision
//! is bounded.

use std::time::Duration;

use kube::core::Status;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ApiError, Circumstances, Outcome, Refusal, outcome};
use crate::arbitrary::Arbitrary;

/// No request may be tried for longer than this, whatever the server says; unless it says that it is busy, and
/// then the stage's deadline ends it.
const LONGEST: Duration = Duration::from_secs(600);

const WORDS: &[&str] = &[
    "code",
    "status",
    "reason",
    "message",
    "details",
    "causes",
    "field",
    "kind",
    "name",
    "retryAfterSeconds",
    "uid",
    "group",
    "metadata",
];

const TEXTS: &[&str] = &[
    "Failure",
    "Conflict",
    "Expired",
    "Forbidden",
    "NamespaceTerminating",
    "FieldManagerConflict",
    "AlreadyExists",
    "namespaces \"shop\" not found",
    "status unknown for quota: small",
    "serviceaccount \"web\" not found",
    "failed calling webhook \"x\"",
    "failed to create typed patch object",
    "namespace shop is being terminated",
    "User \"ci\" cannot patch resource \"pods\"",
    "the UID in the precondition",
    "the object has been modified",
    "field is immutable",
    "é\u{0}\n",
];

/// Returns a code, mostly one that the table knows.
fn code(any: &mut Arbitrary) -> usize {
    if any.chance(80) {
        any.pick(&[0, 401, 403, 404, 405, 409, 410, 422, 429, 500, 503])
    } else {
        any.below(600)
    }
}

/// Returns a `Status` with anything in its fields that its types allow.
fn status(any: &mut Arbitrary) -> Option<Status> {
    let causes: Vec<Value> = (0..any.below(3))
        .map(|_| json!({"reason": any.pick(TEXTS), "message": any.pick(TEXTS), "field": any.pick(TEXTS)}))
        .collect();
    let mut value = json!({
        "status": "Failure", "reason": any.pick(TEXTS), "message": any.pick(TEXTS), "code": code(any),
        "details": {"kind": any.pick(&["namespaces", "pods", ""]), "causes": causes,
            "retryAfterSeconds": any.number() >> 33},
    });
    if any.chance(30) {
        json_patch::merge(&mut value, &Value::Object(any.fields(2)));
    }
    serde_json::from_value(value).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_panics(seed in any::<u64>()) {
        let mut any = Arbitrary::new(seed, WORDS, TEXTS);
        let Some(status) = status(&mut any) else { return Ok(()) };
        let code = u16::try_from(code(&mut any)).unwrap();
        let header = any.chance(50).then(|| Duration::from_secs(any.number()));
        let refusal = Refusal::from_status(code, status, header);
        prop_assert!(refusal.retry_after >= header, "the server's wish is honoured");
        let _told = (refusal.is_field_conflict(), refusal.is_immutable_field());
        let error = ApiError::Refused(refusal);
        let _told = (error.to_string(), error.is_expired(), error.is_not_found(), error.is_forbidden());
        let circumstances = Circumstances { writes_permissions: any.chance(50), brings_kind: any.chance(50) };
        if let Outcome::Retry { budget, .. } | Outcome::WaitForEnd { budget, .. } = outcome(&error, circumstances) {
            let is_busy = error.refusal().is_some_and(|refusal| refusal.code == 429);
            let bounded = budget.time.map_or(is_busy, |time| time <= LONGEST);
            prop_assert!(bounded, "{error:?} is tried for {budget:?}");
        }
    }
}

/// The property above would hold of a table that never tries again.
#[test]
fn the_generator_reaches_every_outcome() {
    let (mut retried, mut fatal, mut unread) = (0, 0, 0);
    for seed in 0..1_000 {
        let mut any = Arbitrary::new(seed, WORDS, TEXTS);
        match status(&mut any)
            .map(|status| ApiError::Refused(Refusal::from_status(0, status, None)))
            .map(|error| outcome(&error, Circumstances::default()))
        {
            Some(Outcome::Fatal) => fatal += 1,
            Some(_) => retried += 1,
            None => unread += 1,
        }
    }
    assert!(retried > 20 && fatal > 20 && unread < 900, "{retried} {fatal} {unread}");
}
