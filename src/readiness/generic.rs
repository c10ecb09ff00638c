//! Rules before the rule of a kind: is it the object we wrote, does the server know our write, has its
//! controller seen it?

use serde_json::Value;

use super::facts::Subject;
use super::workloads;
use super::{Assessment, Readiness};
use crate::object::{Generation, Object};

/// API groups that come with Kubernetes itself. A list, not a pattern: `gateway.networking.k8s.io` and
/// others end alike and are custom resources.
const BUILT_IN_GROUPS: [&str; 21] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Returns true for an API group that comes with Kubernetes itself.
pub(super) fn is_built_in(group: &str) -> bool {
    BUILT_IN_GROUPS.contains(&group)
}

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
    if object.get("/metadata/deletionTimestamp").is_some_and(|stamp| !stamp.is_null()) {
        return Some(Assessment::of(Readiness::Terminating { finalizers: finalizers(object) }));
    }
    not_observed(subject)
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
    use serde_json::json;

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
