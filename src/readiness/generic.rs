//! Rules before the rule of a kind: is it the object we wrote, does the server know our write, has its
//! controller seen it?

use serde_json::Value;

use super::facts::Subject;
use super::workloads;
use super::{Assessment, Readiness};
use crate::object::condition::Condition;
use crate::object::{Generation, Object};

/// Returns the answer that makes the rule of the kind superfluous, or `None` when that rule may speak.
pub(super) fn before_any_rule(subject: &Subject<'_>) -> Option<Assessment> {
    let (object, receipt) = (subject.object, subject.receipt);
    // A recreated object starts again at generation 1: nothing else of it can be compared (cli-utils
    // `handleChangedUID`).
    if object.text("/metadata/uid") != receipt.uid.0 {
        return Some(Assessment::failed("replaced by somebody since it was applied: its uid changed"));
    }
    // A watch cache may be older than our write (cli-utils `allMatchStatus`).
    if object.generation() < receipt.generation {
        return Some(Assessment::in_progress(format!(
            "generation {} not seen yet ({})",
            receipt.generation.0,
            object.generation().0
        )));
    }
    // What has ended on its own stays ended, whoever cleans it up (`ttlSecondsAfterFinished`, pod GC).
    if object.is_being_deleted() && !has_ended(object) {
        return Some(Assessment::of(Readiness::Terminating { finalizers: finalizers(object) }));
    }
    not_observed(subject)
}

/// Returns the answer for an object that was there after our write and is gone; `last` is its last state.
pub(super) fn gone(subject: &Subject<'_>) -> Option<Assessment> {
    let last = subject.object;
    if last.text("/metadata/uid") == subject.receipt.uid.0 && has_ended(last) {
        // Its last words count: the rule of its kind reads them.
        return None;
    }
    Some(Assessment::failed(if last.get("/spec/ttlSecondsAfterFinished").is_some() {
        "it is gone, and how it ended was not seen: deleted by somebody, or too soon by ttlSecondsAfterFinished"
    } else {
        "somebody deleted it while it was waited for"
    }))
}

/// Returns true for what runs to an end and has reached it, well or not.
fn has_ended(object: &Object) -> bool {
    let is_true = |kind| Condition::find(object, kind).is_some_and(Condition::is_true);
    match (object.group(), object.kind()) {
        ("batch", "Job") => ["Complete", "Failed", "FailureTarget"].into_iter().any(is_true),
        ("", "Pod") => matches!(object.text("/status/phase"), "Succeeded" | "Failed"),
        _ => false,
    }
}

/// Returns who still has to let go of a deleted object. A Namespace has a list of its own in its spec.
pub(super) fn finalizers(object: &Object) -> Vec<String> {
    ["/metadata/finalizers", "/spec/finalizers"]
        .iter()
        .filter_map(|pointer| object.get(pointer)?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Returns an answer while the object's controller has not seen the generation the server has.
fn not_observed(subject: &Subject<'_>) -> Option<Assessment> {
    let object = subject.object;
    let generation = object.generation();
    let observed = object.get("/status/observedGeneration");
    if always_tells_observed(object) {
        // Absent counts as 0: before its first sync a controller has written nothing, and what is there
        // is of nobody (kstatus takes it for observed).
        let observed = Generation(observed.and_then(Value::as_i64).unwrap_or(0));
        if observed >= generation {
            return None;
        }
        return workloads::replica_set_refused(subject).or_else(|| Some(unobserved(generation, observed)));
    }
    // Optional for Pod, HorizontalPodAutoscaler and CustomResourceDefinition (API types); for custom
    // resources a convention. An operator's number is compared exactly: some count on their own.
    let observed = Generation(observed.and_then(Value::as_i64)?);
    (observed != generation).then(|| unobserved(generation, observed))
}

fn unobserved(generation: Generation, observed: Generation) -> Assessment {
    Assessment::in_progress(format!("generation {} not observed yet ({})", generation.0, observed.0))
}

/// Returns true for the kinds whose controllers always write `observedGeneration` (API types).
fn always_tells_observed(object: &Object) -> bool {
    matches!(
        (object.group(), object.kind()),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
            | ("", "ReplicationController")
            | ("policy", "PodDisruptionBudget")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{Case, object};

    #[test]
    fn another_uid_is_another_object() {
        let case = Case::new(object("v1", "ConfigMap", json!({"metadata": {"uid": "u-2"}})));
        case.is("failed: replaced by somebody since it was applied: its uid changed");
    }

    #[test]
    fn a_deleted_object_names_who_holds_it() {
        let deleted = json!({"metadata": {
            "deletionTimestamp": "2026-03-01T12:00:00Z",
            "finalizers": ["kubernetes.io/pvc-protection"],
        }});
        let case = Case::new(object("v1", "PersistentVolumeClaim", deleted));
        case.is("terminating: kubernetes.io/pvc-protection");
    }

    #[test]
    fn what_is_deleted_while_it_is_waited_for_has_failed() {
        let deployment = Case::new(object("apps/v1", "Deployment", json!({})));
        deployment.gone().is("failed: somebody deleted it while it was waited for");
        let running = json!({"spec": {"ttlSecondsAfterFinished": 1}, "status": {"active": 1}});
        Case::new(object("batch/v1", "Job", running)).gone().is(
            "failed: it is gone, and how it ended was not seen: deleted by somebody, or too soon by ttlSecondsAfterFinished",
        );
    }

    #[test]
    fn what_ended_before_it_was_cleaned_up_keeps_its_end() {
        let with = |kind: &str, spec: Value| {
            Case::new(object(
                "batch/v1",
                "Job",
                json!({"spec": spec, "status": {"conditions": [{"type": kind, "status": "True"}]}}),
            ))
        };
        let ttl = || json!({"ttlSecondsAfterFinished": 1});
        with("Complete", ttl()).gone().is("current");
        with("Complete", json!({})).gone().is("current");
        with("Failed", ttl()).gone().is("failed: the job failed");
        with("Complete", ttl())
            .answer_with(&json!({"metadata": {"deletionTimestamp": "2026-03-01T12:00:00Z"}}))
            .is("current");
        let pod = json!({"spec": {"restartPolicy": "Never"}, "status": {"phase": "Succeeded"}});
        Case::new(object("v1", "Pod", pod)).gone().is("current");
        let other = json!({"metadata": {"uid": "u-2"}, "status": {"phase": "Succeeded"}});
        Case::new(object("v1", "Pod", other))
            .gone()
            .is("failed: somebody deleted it while it was waited for");
    }

    #[test]
    fn a_later_generation_than_ours_is_enough() {
        // Somebody scaled it after our write; the controller has seen that too.
        let body = json!({
            "metadata": {"generation": 5},
            "spec": {"replicas": 1},
            "status": {"observedGeneration": 5, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        });
        Case::new(object("apps/v1", "Deployment", body)).floor(3).is("current");
    }

    #[test]
    fn an_observed_generation_ahead_of_the_cache_counts_for_controllers_but_not_for_operators() {
        let ahead = json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 4}});
        Case::new(object("policy/v1", "PodDisruptionBudget", ahead.clone())).is("current");
        Case::new(object("example.org/v1", "Database", ahead))
            .is("in progress: generation 3 not observed yet (4)");
    }

    #[test]
    fn the_optional_observed_generation_of_a_pod_is_respected_when_there() {
        let body = json!({
            "metadata": {"generation": 2},
            "status": {"phase": "Running", "observedGeneration": 1,
                "conditions": [{"type": "Ready", "status": "True"}]},
        });
        Case::new(object("v1", "Pod", body)).is("in progress: generation 2 not observed yet (1)");
    }
}
