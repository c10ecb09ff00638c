//! What holds for any JSON whatever: no diagnosis panics, and each is fit to be shown.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Diagnosis, Evidence, diagnose, of_service};
use crate::arbitrary::Arbitrary;
use crate::object::Object;

const KINDS: &[(&str, &str)] = &[
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("example.org/v1", "Database"),
    ("v1", "Service"),
    ("v1", "Namespace"),
];

const WORDS: &[&str] = &[
    "state",
    "lastState",
    "waiting",
    "terminated",
    "running",
    "reason",
    "message",
    "exitCode",
    "restartCount",
    "ready",
    "name",
    "startedAt",
    "finishedAt",
    "image",
    "type",
    "status",
    "phase",
    "replicas",
    "active",
    "volumes",
    "persistentVolumeClaim",
    "claimName",
    "conditions",
    "containerStatuses",
    "updateRevision",
    "finishedAt",
    "nodeSelector",
    "tolerations",
    "taints",
    "key",
    "value",
    "effect",
    "operator",
    "resources",
    "requests",
    "cpu",
    "allocatable",
    "providerID",
    "selector",
    "ports",
    "port",
    "targetPort",
    "containers",
    "readinessProbe",
    "httpGet",
];

const TEXTS: &[&str] = &[
    "web",
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "CreateContainerConfigError",
    "OOMKilled",
    "StartError",
    "Error",
    "Failed",
    "Pending",
    "Running",
    "Unschedulable",
    "PodScheduled",
    "False",
    "True",
    "secret \"",
    "desc = \": ",
    "in Secret ",
    "probe failed: ",
    "é\u{0}\": ",
    "Evicted",
    "OutOfcpu",
    "Unhealthy",
    "Killing",
    "FailedCreate",
    "FailedMount",
    "Readiness probe failed: x",
    "Container web failed liveness probe, will be restarted",
    "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {a: b}. preemption: x",
    "0/1 nodes are available: persistentvolumeclaim \"thing\" not found.",
    "exceeded quota",
    "couldn't find key a in Secret shop/env",
    "NoSchedule",
    "500m",
    "1e3",
    "LoadBalancer",
    "ReplicaSetCreateError",
    "ProvisioningFailed",
    "FailedCreatePodSandBox",
    "2026-03-01T12:00:03Z",
    "9999-12-30T22:00:00.999999999Z",
    "-009999-01-02T01:59:59Z",
];

/// Returns a container status whose states hold anything.
fn container(any: &mut Arbitrary) -> Value {
    let mut status = json!({"name": "web", "ready": false, "restartCount": any.scalar(),
        "state": {}, "lastState": {"terminated": any.mostly_fields(1)}});
    let state = any.pick(&["waiting", "terminated", "running"]);
    status["state"][state] = any.mostly_fields(1);
    if let Some(state) = status["state"][state].as_object_mut() {
        state.insert("reason".into(), any.pick(TEXTS).into());
    }
    if any.chance(20) {
        json_patch::merge(&mut status, &any.value(2));
    }
    status
}

fn object(any: &mut Arbitrary, kinds: &[(&str, &str)], name: &str) -> Object {
    let (api_version, kind) = any.pick(kinds);
    let mut status = any.mostly_fields(1);
    if let Some(status) = status.as_object_mut() {
        let length = any.below(3);
        status.insert("containerStatuses".into(), (0..length).map(|_| container(any)).collect());
        status.insert("phase".into(), any.pick(&["Pending", "Running", "Failed", "Unknown"]).into());
        let kind = any.pick(&["PodScheduled", "Progressing", "Failed", "FailureTarget", "Ready"]);
        let condition = json!({"type": kind, "status": any.pick(&["True", "False"]),
            "reason": any.scalar(), "message": any.scalar()});
        if any.chance(50) {
            status.insert("conditions".into(), json!([condition]));
        }
    }
    let mut spec = any.mostly_fields(1);
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("volumes".into(), json!([{"persistentVolumeClaim": {"claimName": "thing"}}]));
    }
    let about = any.pick(&["Pod", "Job", "ReplicaSet", "PersistentVolumeClaim"]);
    Object::new(json!({"apiVersion": api_version, "kind": kind, "spec": spec,
        "status": status, "reason": any.pick(TEXTS), "message": any.scalar(), "type": "Warning",
        "lastTimestamp": any.scalar(), "involvedObject": {"kind": about, "name": "thing"},
        "metadata": {"name": name, "namespace": "shop", "uid": "u", "labels": any.value(1),
            "ownerReferences": [{"uid": "u", "controller": true}]}}))
    .unwrap()
}

fn diagnosed(seed: u64) -> Vec<Diagnosis> {
    let mut any = Arbitrary::new(seed, WORDS, TEXTS);
    let workload = object(&mut any, KINDS, "thing");
    let replica_set = object(&mut any, &KINDS[3..4], "thing");
    let pod = object(&mut any, &KINDS[5..6], "thing");
    let claim = object(&mut any, &KINDS[6..7], "thing");
    let events = [0, 1, 2].map(|_| object(&mut any, &[("v1", "Event")], "event"));
    let nodes = [0, 1].map(|_| object(&mut any, &[("v1", "Node")], "node"));
    let nodes = any.chance(50).then_some(nodes);
    let since = any.chance(50).then(|| "2026-03-01T12:00:02Z".parse().unwrap());
    if let Some(found) = of_service(&workload, 80, &[&pod]) {
        assert!(!found.next.is_empty() && !found.to_string().contains(char::is_control), "{found:?}");
    }
    diagnose(&Evidence {
        workload: &workload,
        replica_sets: &[&replica_set],
        pods: &[&pod],
        events: &events.each_ref(),
        claims: &[&claim],
        nodes: nodes.as_ref().map(<[Object; 2]>::each_ref).as_ref().map(<[&Object; 2]>::as_slice),
        since,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_panics(seed in any::<u64>()) {
        for found in diagnosed(seed) {
            prop_assert!(!found.chain.is_empty() && !found.next.is_empty() && !found.reason.is_empty());
            prop_assert!(!found.to_string().contains(char::is_control), "fit for a terminal: {found:?}");
            prop_assert!(found.affected <= found.counted.max(1));
        }
    }
}

/// The property above would hold of a `diagnose` that finds nothing.
#[test]
fn the_generator_reaches_most_causes() {
    let causes: BTreeSet<_> = (0..1_000).flat_map(diagnosed).map(|found| found.cause).collect();
    assert!(causes.len() >= 12, "{causes:?}");
}
