//! Rows about pods that no node takes: what the scheduler says, and what the nodes lack.

use serde_json::{Value, json};

use super::super::fixtures::{Scene, event, object, pod};
use super::super::{Class, Diagnosis};
use crate::object::Object;

pub(super) fn unscheduled(reason: &str, message: &str) -> Object {
    pod(&json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]}))
}

#[test]
fn a_pod_no_node_takes() {
    let message = "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {gpu: }.";
    let told = "pod web-1-a: no node takes it: 0/3 nodes are available: 1 Insufficient memory, 2 node(s) had \
        untolerated taint {gpu: } (Unschedulable)";
    Scene::web(vec![unscheduled("Unschedulable", message)]).tells("Transient 60s", told);
    // An autoscaler is at work: no grace runs.
    let pod = unscheduled("Unschedulable", message);
    let grows = event(&pod, "TriggeredScaleUp", "pod triggered scale-up", 5);
    Scene::web(vec![pod]).with_event(grows).tells("Transient", told);
    let gated = Scene::web(vec![unscheduled("SchedulingGated", "waiting for the gate")]).only();
    assert_eq!(gated.grace_seconds, None);
}

fn node(name: &str, body: &Value) -> Object {
    let mut node = object("v1", "Node", body.clone()).into_value();
    node["metadata"]["name"] = name.into();
    Object::new(node).unwrap()
}

/// Returns a pod with this spec that no node takes, for this reason.
fn unplaced(reasons: &str, spec: &Value, nodes: Option<Vec<Object>>) -> Diagnosis {
    let message = format!("0/2 nodes are available: {reasons}. preemption: 0/2 nodes are available: x.");
    let mut value = unscheduled("Unschedulable", &message).into_value();
    value["spec"] = spec.clone();
    let mut scene = Scene::web(vec![Object::new(value).unwrap()]);
    scene.nodes = nodes;
    scene.only()
}

#[test]
fn the_words_of_both_schedulers_are_read() {
    // The second one is Kubernetes 1.34's own, as the sandbox heard it.
    for after in ["preemption: x", "no new claims to deallocate, preemption: 0/1 nodes are available: x"] {
        let message =
            format!("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {after}.");
        let mut scene = Scene::web(vec![unscheduled("Unschedulable", &message)]);
        scene.nodes = Some(vec![node("one", &json!({}))]);
        let found = scene.only();
        assert_eq!(found.class, Class::Permanent, "{message}");
        assert_eq!(
            found.message,
            "no node takes it: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"
        );
    }
}

#[test]
fn a_pod_no_node_can_ever_take_is_told_with_what_each_node_lacks() {
    let nodes = || {
        Some(vec![
            node(
                "one",
                &json!({"metadata": {"labels": {"disk": "hdd"}}, "status": {"allocatable": {"memory": "1Gi"}}}),
            ),
            node(
                "two",
                &json!({"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
                "status": {"allocatable": {"memory": "4Gi"}}}),
            ),
        ])
    };
    let requests = |memory: &str| {
        json!({"containers": [{"name": "web", "resources": {"requests": {"memory": memory}}}],
            "initContainers": [{"name": "setup", "resources": {"requests": {"memory": "1Mi"}}}]})
    };
    let reasons = "1 Insufficient memory, 1 node(s) had untolerated taint {gpu: yes}";
    let found = unplaced(reasons, &requests("6Gi"), nodes());
    assert_eq!((found.class, found.grace_seconds), (Class::Permanent, Some(1)));
    assert!(
        found.message.ends_with(
            "; node one has memory 1Gi in all, and 6Gi is asked for, node two has taint gpu=yes:NoSchedule"
        ),
        "{}",
        found.message
    );
    // The second node would be large enough: what it lacks may pass.
    let found = unplaced("2 Insufficient memory", &requests("2Gi"), nodes());
    assert_eq!((found.class, found.grace_seconds), (Class::Transient, Some(60)));
    let selector = json!({"nodeSelector": {"disk": "ssd"}});
    let found = unplaced("2 node(s) didn't match Pod's node affinity/selector", &selector, nodes());
    assert_eq!(found.class, Class::Permanent);
    assert!(found.message.contains("node one has no label disk=ssd"), "{}", found.message);
    let unknown = unplaced("2 node(s) didn't match Pod's node affinity/selector", &selector, None);
    assert_eq!(
        (unknown.class, unknown.grace_seconds),
        (Class::Permanent, Some(60)),
        "an autoscaler may come"
    );
    let volume = unplaced("2 node(s) had volume node affinity conflict", &json!({}), nodes());
    assert_eq!((volume.class, volume.grace_seconds), (Class::Permanent, Some(1)));
}

#[test]
fn a_node_that_is_only_away_is_waited_for() {
    for reasons in [
        "2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }",
        "2 node(s) were unschedulable",
        "2 node(s) didn't have free ports for the requested pod ports",
        "2 Too many pods",
        "1 node(s) had untolerated taint {gpu: }, 1 node(s) were unschedulable",
    ] {
        let found = unplaced(reasons, &json!({}), Some(vec![node("one", &json!({}))]));
        assert_eq!((found.class, found.grace_seconds), (Class::Transient, Some(60)), "{reasons}");
    }
    // A scheduler that does not name the taint: the nodes do.
    let tainted = |key: &str| {
        let taints = json!([{"key": key, "effect": "NoSchedule"}]);
        let nodes = Some(vec![node("one", &json!({"spec": {"taints": taints}}))]);
        unplaced("1 node(s) had untolerated taint(s)", &json!({}), nodes).class
    };
    assert_eq!(tainted("gpu"), Class::Permanent);
    assert_eq!(tainted("node.kubernetes.io/not-ready"), Class::Transient);
}
