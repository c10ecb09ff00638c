//! What a run does to the cluster, each as one future: delete an object, let it go, ask a check. A task
//! decides nothing about the run; it tells what came of it. Writes are in `write`.

use std::time::Duration;

use serde_json::{Value, json};

use super::retry::Tools;
use crate::cluster::{ApiError, Deletion, Propagation, Resource};
use crate::inventory::{FIELD_MANAGER, PART_OF};
use crate::object::{Object, ObjectRef, Uid};
use crate::plan::HttpCheck;

/// The annotation that says when a completed Job runs again.
pub(super) const RERUN: &str = "wesago/rerun";

/// The annotation of a Job that a rollback may run again, such as one that copies files: `run`.
const ON_ROLLBACK: &str = "wesago/rollback";

/// How an object is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Server-side apply.
    Apply,
    /// Delete this life of it first, for what cannot be changed in place.
    Recreate,
    /// Leave it as it is: it was done once, and once is enough.
    Leave,
}

/// Returns the JSON pointer of a label: `/` in a key is `~1` (RFC 6901).
fn label_pointer(key: &str) -> String {
    format!("/metadata/labels/{}", key.replace('/', "~1"))
}

/// Returns how the write of an object is spoken of.
pub(super) fn apply_request(object: &ObjectRef) -> String {
    format!("apply {object}")
}

/// Returns how an object is to be written, given its live state.
///
/// Only a Job is special: a finished one never runs again by itself, and its template cannot change
/// (`apis/batch/validation`).
pub(super) fn manner(wanted: &Object, live: Option<&Object>) -> Manner {
    let Some(live) = live else { return Manner::Apply };
    if wanted.kind() != "Job" || wanted.group() != "batch" {
        return Manner::Apply;
    }
    let rerun = wanted.annotation(RERUN).unwrap_or("on-change");
    if has_condition(live, "Failed") || has_condition(live, "FailureTarget") {
        return Manner::Recreate;
    }
    match rerun {
        "once" if has_condition(live, "Complete") => Manner::Leave,
        "always" if has_condition(live, "Complete") => Manner::Recreate,
        // Whether the content changed is the server's to say: it refuses a changed template, and then the
        // Job is made anew. The inventory may be older than the Job, when a run was killed in between.
        _ => Manner::Apply,
    }
}

/// Returns true for a Job that has completed and that a rollback must not run with the content of before: what
/// a migration did is not undone by the migration of an older version. One that says so is run all the same.
pub(super) fn has_run_for_good(wanted: &Object, live: Option<&Object>) -> bool {
    let may_run = wanted.annotation(ON_ROLLBACK) == Some("run") || wanted.annotation(RERUN) == Some("always");
    wanted.kind() == "Job"
        && wanted.group() == "batch"
        && !may_run
        && live.is_some_and(|live| has_condition(live, "Complete"))
}

fn has_condition(object: &Object, kind: &str) -> bool {
    let conditions = object.get("/status/conditions").and_then(|conditions| conditions.as_array());
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}

impl Tools {
    /// Deletes a life of an object.
    pub(super) async fn delete(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        uid: &Uid,
        propagation: Propagation,
    ) -> Result<Deletion, ApiError> {
        let request = format!("delete {name}");
        let send = || self.cluster.delete(resource, name, uid, propagation);
        self.persist_write(&request, send).await
    }

    /// Puts a label on an object that has labels already; one that is gone or has another life stays without.
    pub(super) async fn mark(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        uid: &Uid,
        label: (&str, &str),
    ) -> Result<(), ApiError> {
        let (key, value) = label;
        let operations = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid.0},
            {"op": "add", "path": label_pointer(key), "value": value},
        ]);
        self.patch_if_there(&format!("mark {name}"), resource, name, &operations).await
    }

    /// Takes our label off an object: it stays and is no longer ours. One that is gone, has another life or
    /// has lost the label already is not ours either.
    pub(super) async fn let_go(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        uid: &Uid,
    ) -> Result<(), ApiError> {
        let operations = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid.0},
            {"op": "remove", "path": label_pointer(PART_OF)},
        ]);
        self.patch_if_there(&format!("let go {name}"), resource, name, &operations).await
    }

    /// Patches an object; when it is not there any more, or not as the patch tests, there is nothing to do.
    async fn patch_if_there(
        &self,
        request: &str,
        resource: &Resource,
        name: &ObjectRef,
        operations: &Value,
    ) -> Result<(), ApiError> {
        let send = || self.cluster.patch(FIELD_MANAGER, resource, name, operations);
        match self.persist_write(request, send).await {
            Err(error) if error.refusal().is_none_or(|no| !matches!(no.code, 404 | 422)) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Asks a check once and returns whether it passed, and what came.
    pub(super) async fn check(&self, namespace: &str, check: &HttpCheck) -> (bool, String) {
        let asked = self.cluster.ask_service(
            namespace,
            &check.service,
            check.port,
            &check.path,
            check.host.as_deref(),
        );
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(error) => return (false, error.to_string()),
        };
        if answer.status != check.status {
            return (false, format!("status {} instead of {}", answer.status, check.status));
        }
        match &check.contains {
            Some(text) if !answer.body.contains(text.as_str()) => {
                (false, format!("status {}, but the page does not hold `{text}`", answer.status))
            }
            _ => (true, format!("status {}", answer.status)),
        }
    }
}

/// Returns the pause after a failed check: the first answers come within milliseconds of the pods' being
/// ready, later ones only when the application itself is at fault.
pub(super) fn pause_after_check(tries: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(tries.min(5)))
}

/// Returns what a check asks, for a person.
pub(super) fn describe(check: &HttpCheck) -> String {
    format!("GET {}:{}{}", check.service, check.port, check.path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Manner, manner};
    use crate::object::Object;

    fn job(rerun: &str, condition: Option<&str>) -> Object {
        let conditions: Vec<_> =
            condition.into_iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
        Object::new(json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "migrate", "annotations": {"wesago/rerun": rerun}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[track_caller]
    fn expect(rerun: &str, live: Option<&str>, wanted: Manner) {
        assert_eq!(manner(&job(rerun, None), Some(&job(rerun, live))), wanted);
    }

    #[test]
    fn a_completed_job_runs_again_only_when_it_should() {
        expect("on-change", Some("Complete"), Manner::Apply);
        expect("always", Some("Complete"), Manner::Recreate);
        expect("once", Some("Complete"), Manner::Leave);
        expect("once", Some("Failed"), Manner::Recreate);
        expect("on-change", Some("Failed"), Manner::Recreate);
        expect("on-change", None, Manner::Apply);
        expect("always", None, Manner::Apply);
    }

    #[test]
    fn what_was_not_there_is_applied() {
        assert_eq!(manner(&job("always", None), None), Manner::Apply);
    }
}
