//! The ways an object looks ready, or failed, while it is not: one test a trap.
//!
//! S11 (a changed ConfigMap under an unchanged Deployment) cannot be seen in an object: the content's hash in
//! the pod template is the defence, and its test, `s11_…`, stands where the hash is made (`compose`).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Surroundings;
use super::fixtures::{Case, object, stamp};
use crate::object::GroupKind;

/// Returns a complete Deployment of three replicas at a generation, with `body` laid over it.
fn deployment(generation: i64, body: &Value) -> Case {
    let mut value = json!({
        "metadata": {"generation": generation},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": generation, "replicas": 3, "updatedReplicas": 3,
            "readyReplicas": 3, "availableReplicas": 3},
    });
    json_patch::merge(&mut value, body);
    Case::new(object("apps/v1", "Deployment", value))
}

fn custom(generation: i64, body: &Value) -> Case {
    let mut value = json!({"metadata": {"generation": generation}});
    json_patch::merge(&mut value, body);
    Case::new(object("example.org/v1", "Database", value))
}

#[test]
fn s1_a_cache_older_than_our_write_does_not_count() {
    deployment(3, &json!({})).floor(4).is("in progress: generation 4 not seen yet (3)");
    deployment(4, &json!({})).floor(4).is("current");
}

#[test]
fn s2_a_controller_that_has_not_seen_the_spec_does_not_count() {
    deployment(4, &json!({"status": {"observedGeneration": 3}}))
        .is("in progress: generation 4 not observed yet (3)");
}

#[test]
fn s2_an_absent_observed_generation_is_0() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        Case::new(object("apps/v1", kind, json!({}))).is("in progress: generation 1 not observed yet (0)");
    }
    Case::new(object("v1", "ReplicationController", json!({})))
        .is("in progress: generation 1 not observed yet (0)");
}

/// Returns a rollout that is under way beside a condition of an exceeded deadline, written so many seconds
/// after our write.
fn exceeded(seconds_after_apply: i64) -> Case {
    let at = stamp(seconds_after_apply);
    deployment(
        4,
        &json!({"spec": {"progressDeadlineSeconds": 60}, "status": {"updatedReplicas": 1, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
             "lastUpdateTime": at, "lastTransitionTime": at}]}}),
    )
}

#[test]
fn s3_a_progress_deadline_of_the_rollout_before_does_not_fail_ours() {
    exceeded(-30).after(20).is_for("in progress: 1 of 3 replicas are updated", Duration::from_secs(40));
    exceeded(0).after(20).is_for("in progress: 1 of 3 replicas are updated", Duration::from_secs(40));
    // Complete, and the condition still there.
    exceeded(-30).after(20).answer_with(&json!({"status": {"updatedReplicas": 3}})).is("current");
}

#[test]
fn s3_a_progress_deadline_of_our_rollout_fails_it() {
    let failed = "failed: made no progress within its deadline: 1 of 3 replicas are updated";
    exceeded(61).after(62).is(failed);
    // The condition keeps its old stamp, but our rollout has had the whole deadline for itself.
    exceeded(-30).after(60).is(failed);
}

fn refused(seconds_after_apply: i64) -> Case {
    let at = stamp(seconds_after_apply);
    deployment(
        4,
        &json!({"status": {"observedGeneration": 3, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError",
             "message": "exceeded quota: replicasets", "lastUpdateTime": at, "lastTransitionTime": at}]}}),
    )
}

#[test]
fn s4_a_refused_replica_set_is_seen_below_the_observed_generation() {
    let reason = "its ReplicaSet cannot be created: exceeded quota: replicasets";
    refused(2).after(12).is_for(&format!("in progress: {reason}"), Duration::from_secs(50));
    refused(2).after(62).is(&format!("failed: {reason}"));
}

#[test]
fn s4_a_replica_set_refused_before_our_write_is_not_ours() {
    refused(-2).after(90).is("in progress: generation 4 not observed yet (3)");
}

#[test]
fn s5_the_message_of_a_replica_failure_is_not_quoted() {
    deployment(
        4,
        &json!({"status": {"updatedReplicas": 1, "conditions": [{"type": "ReplicaFailure", "status": "True",
            "reason": "FailedCreate", "message": "the cause of an hour ago"}]}}),
    )
    .is("in progress: 1 of 3 replicas are updated; the server refused a pod (FailedCreate)");
}

#[test]
fn s6_a_job_that_completed_before_our_write_says_so() {
    let job = json!({"status": {"completionTime": stamp(-3600),
        "conditions": [{"type": "Complete", "status": "True"}]}});
    let note = "current: completed before, at 2026-03-01T11:00:00Z: it did not run again";
    Case::new(object("batch/v1", "Job", job.clone())).unchanged().is(note);
    Case::new(object("batch/v1", "Job", job)).is(note);
    let fresh = json!({"status": {"completionTime": stamp(1),
        "conditions": [{"type": "Complete", "status": "True"}]}});
    Case::new(object("batch/v1", "Job", fresh)).is("current");
}

#[test]
fn s7_a_condition_counts_by_type_and_status() {
    let resumed = json!({"status": {"active": 1, "conditions": [
        {"type": "Suspended", "status": "False"},
        {"type": "Complete", "status": "False"},
        {"type": "Failed", "status": "Unknown"}]}});
    Case::new(object("batch/v1", "Job", resumed)).is("in progress: 1 active, 0 succeeded");
}

#[test]
fn s8_a_custom_resource_without_status_gets_a_moment() {
    custom(1, &json!({})).after(5).is_for("in progress: no status yet", Duration::from_secs(10));
    custom(1, &json!({"status": {}})).after(5).is_for("in progress: no status yet", Duration::from_secs(10));
    custom(1, &json!({})).after(15).is("current: nobody reports a status for it");
    custom(1, &json!({})).unchanged().is("current: nobody reports a status for it");
}

#[test]
fn s8_a_kind_that_never_has_a_status_is_not_waited_for() {
    let kind = GroupKind { group: "example.org".into(), kind: "Database".into() };
    let surroundings = Surroundings { without_status: BTreeSet::from([kind]), ..Surroundings::default() };
    custom(1, &json!({})).within(surroundings).is("current");
}

fn ready_since(seconds_after_apply: i64) -> Value {
    json!({"status": {"conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": stamp(seconds_after_apply)}]}})
}

#[test]
fn s9_a_ready_condition_of_the_old_spec_must_settle() {
    custom(2, &ready_since(-60))
        .after(2)
        .is_for("in progress: its condition Ready may be older than our change", Duration::from_secs(3));
    custom(2, &ready_since(-60))
        .after(5)
        .is("current: its condition Ready does not tell which generation it speaks of");
}

fn ready_and_written(seconds_after_apply: i64) -> Case {
    let mut body = ready_since(-60);
    let entry = json!({"operation": "Update", "subresource": "status", "time": stamp(seconds_after_apply),
        "fieldsV1": {"f:status": {}}});
    json_patch::merge(&mut body, &json!({"metadata": {"managedFields": [entry]}}));
    custom(2, &body)
}

#[test]
fn s9_a_status_written_meanwhile_starts_the_wait_anew() {
    let unsettled = "in progress: its condition Ready may be older than our change";
    ready_and_written(4).after(6).is_for(unsettled, Duration::from_secs(3));
    ready_and_written(-60).after(2).is_for(unsettled, Duration::from_secs(3));
}

#[test]
fn s9_a_ready_condition_that_proves_its_age_counts_at_once() {
    custom(2, &ready_since(1)).is("current");
    custom(2, &ready_since(-60)).unchanged().is("current");
    custom(1, &ready_since(-60)).is("current");
    let mut told = ready_since(-60);
    json_patch::merge(&mut told, &json!({"status": {"observedGeneration": 2}}));
    custom(2, &told).is("current");
    custom(
        2,
        &json!({"status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}}),
    )
    .is("in progress: its condition Ready speaks of an older generation");
}

#[test]
fn s9_a_stalled_condition_of_the_old_spec_does_not_fail_ours() {
    let stalled = json!({"status": {"conditions": [{"type": "Stalled", "status": "True",
        "reason": "BadSpec", "lastTransitionTime": stamp(-60)}]}});
    custom(2, &stalled)
        .after(1)
        .is_for("in progress: its condition Stalled may be older than our change", Duration::from_secs(4));
    custom(2, &stalled).after(5).is("failed: stalled: BadSpec");
    custom(1, &stalled).is("failed: stalled: BadSpec");
}

#[test]
fn s10_an_address_from_before_our_change_is_not_vouched_for() {
    let service = json!({
        "metadata": {"creationTimestamp": stamp(-86_400)},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"},
        "status": {"loadBalancer": {"ingress": [{"ip": "198.18.0.9"}]}},
    });
    Case::new(object("v1", "Service", service.clone()))
        .is("current: its address may be the one it had before this change");
    Case::new(object("v1", "Service", service)).unchanged().is("current");
}

#[test]
fn s12_a_version_added_to_a_definition_must_reach_discovery() {
    let body = json!({
        "metadata": {"generation": 2},
        "spec": {"group": "example.org", "names": {"kind": "Database"},
            "versions": [{"name": "v1", "served": true}, {"name": "v2", "served": true}]},
        "status": {"conditions": [
            {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]},
    });
    let kind = GroupKind { group: "example.org".into(), kind: "Database".into() };
    let served = BTreeSet::from([("v1".to_owned(), kind)]);
    Case::new(object("apiextensions.k8s.io/v1", "CustomResourceDefinition", body))
        .within(Surroundings { served, ..Surroundings::default() })
        .is_for("in progress: version v2 is not in discovery yet", Duration::from_millis(200));
}

/// Returns a StatefulSet whose pods are ready and of which one has the new revision.
fn half_updated(strategy: &Value) -> Case {
    Case::new(object(
        "apps/v1",
        "StatefulSet",
        json!({
            "spec": {"replicas": 3, "updateStrategy": strategy},
            "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
                "updatedReplicas": 1, "currentRevision": "old", "updateRevision": "new"},
        }),
    ))
}

#[test]
fn s13_what_does_not_roll_out_is_never_silent() {
    half_updated(&json!({"type": "OnDelete"}))
        .is("current: updates on delete: 2 of 3 pods are old, delete pods to update them");
    half_updated(&json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}))
        .is("current: partition 2 holds back 2 pods of the old revision");
    half_updated(&json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 5}}))
        .is("current: partition 5 holds back 2 pods of the old revision");
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete"}},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 0,
            "numberAvailable": 2}});
    Case::new(object("apps/v1", "DaemonSet", on_delete))
        .is("current: updates on delete: 2 of 2 pods are old, delete pods to update them");
}

fn paused(operation: &str) -> Case {
    deployment(
        4,
        &json!({
            "metadata": {"managedFields": [{"operation": operation, "fieldsV1": {"f:spec": {"f:paused": {}}}}]},
            "spec": {"paused": true},
            "status": {"updatedReplicas": 0},
        }),
    )
}

#[test]
fn s13_a_paused_deployment_is_never_silent() {
    paused("Apply").is("current: paused, so nothing rolls out: 0 of 3 replicas are updated");
    let others = "paused by somebody else: 0 of 3 replicas are updated";
    paused("Update").after(10).is_for(&format!("in progress: {others}"), Duration::from_secs(50));
    paused("Update")
        .after(60)
        .is(&format!("failed: {others}; `kubectl rollout resume deployment/thing` lets it go on"));
    paused("Update")
        .answer_with(&json!({"status": {"updatedReplicas": 3}}))
        .is("current: paused: later changes will not roll out");
    // Who pauses it later gets the whole time too.
    let later = json!([{"operation": "Update", "time": stamp(50), "fieldsV1": {"f:spec": {"f:paused": {}}}}]);
    paused("Update")
        .answer_with(&json!({"metadata": {"managedFields": later}}))
        .after(60)
        .is_for(&format!("in progress: {others}"), Duration::from_secs(50));
}
