//! On a clock that stands still: what cannot work is told within seconds, what looks bad and recovers never.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Accused, Judgement, Vigil};
use crate::cluster::{Observation, Resource, Scope};
use crate::object::Object;

/// When our write was answered, in every test.
const SINCE: &str = "2026-01-01T00:00:00Z";
const NOT_FOUND: &str = "failed to pull and unpack image \"shop:9\": shop:9: not found";

fn object(api_version: &str, kind: &str, name: &str, more: &Value) -> Object {
    let mut value = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": name,
            "creationTimestamp": "2026-01-01T00:00:01Z"},
    });
    json_patch::merge(&mut value, more);
    Object::new(value).unwrap()
}

fn deployment() -> Object {
    object(
        "apps/v1",
        "Deployment",
        "web",
        &json!({
            "metadata": {"generation": 1, "annotations": {"deployment.kubernetes.io/revision": "1"}},
            "spec": {"replicas": 1}, "status": {"observedGeneration": 1},
        }),
    )
}

fn replica_set(name: &str, revision: &str) -> Object {
    let owners = json!([{"kind": "Deployment", "name": "web", "uid": "web", "controller": true}]);
    let annotations = json!({"deployment.kubernetes.io/revision": revision});
    let metadata = json!({"annotations": annotations, "ownerReferences": owners});
    object("apps/v1", "ReplicaSet", name, &json!({"metadata": metadata, "spec": {"replicas": 1}}))
}

fn pod(name: &str, owner: &str, status: &Value) -> Object {
    let owners = json!([{"kind": "Owner", "name": owner, "uid": owner, "controller": true}]);
    let body = json!({"metadata": {"ownerReferences": owners}, "status": status});
    object("v1", "Pod", name, &body)
}

/// Returns a status whose one container has this state, and the one before.
fn container(state: &Value, before: &Value, restarts: u64) -> Value {
    json!({"phase": "Running", "containerStatuses": [{
        "name": "web", "image": "shop:9", "ready": false, "started": true, "restartCount": restarts,
        "state": state, "lastState": before,
    }]})
}

fn waiting(reason: &str, message: &str) -> Value {
    container(&json!({"waiting": {"reason": reason, "message": message}}), &json!({}), 0)
}

/// Returns the end of a run of so many seconds.
fn ended(seconds: u64) -> Value {
    json!({"terminated": {"exitCode": 3, "reason": "Error", "startedAt": "2026-01-01T00:00:10Z",
        "finishedAt": format!("2026-01-01T00:00:{}Z", 10 + seconds)}})
}

fn event(about: &Object, reason: &str, message: &str, at: &str) -> Object {
    let about = json!({"kind": about.kind(), "name": about.name(), "uid": about.name()});
    object(
        "v1",
        "Event",
        reason,
        &json!({"involvedObject": about, "reason": reason, "message": message, "type": "Warning",
            "lastTimestamp": at}),
    )
}

/// A workload and the vigil over it.
struct Watch {
    vigil: Vigil,
    workload: Object,
    is_helped: bool,
}

impl Watch {
    fn over(workload: Object) -> Self {
        Self { vigil: Vigil::default(), workload, is_helped: false }
    }

    /// Returns Deployment `web` with its ReplicaSet and one pod.
    fn web(status: &Value) -> Self {
        let mut watch = Self::over(deployment());
        watch.see(replica_set("web-1", "1"));
        watch.see(pod("web-1-a", "web-1", status));
        watch
    }

    fn see(&mut self, object: Object) {
        let resource = Resource {
            group: object.group().to_owned(),
            version: "v1".to_owned(),
            kind: object.kind().to_owned(),
            plural: String::new(),
            namespaced: true,
        };
        let namespace = Some("shop".to_owned());
        let scope = Scope::all(resource, namespace.as_deref());
        self.vigil.hear(&scope, Observation::Seen(object));
    }

    fn judge(&mut self) -> Judgement {
        self.vigil.begin();
        let since = SINCE.parse().unwrap();
        self.vigil.judge(Accused { workload: &self.workload, since, is_helped: self.is_helped })
    }

    /// Lets so many seconds pass and checks at each of them that nothing is said against the workload.
    async fn hopes_for(&mut self, seconds: u64) {
        for second in 0..seconds {
            let judged = self.judge();
            assert!(matches!(judged, Judgement::Hope(_)), "after {second} s: {judged:?}");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    #[track_caller]
    fn is_doomed(&mut self) -> String {
        match self.judge() {
            Judgement::Doomed(diagnosis) => diagnosis.to_string(),
            Judgement::Hope(until) => panic!("not doomed; hope until {until:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_dooms_after_a_second_and_not_before() {
    for status in [
        waiting("ErrImagePull", NOT_FOUND),
        waiting("InvalidImageName", ""),
        waiting("CreateContainerConfigError", "secret \"env\" not found"),
        waiting("CreateContainerConfigError", "couldn't find key A in Secret shop/env"),
        waiting("RunContainerError", "exec: \"serve\": executable file not found in $PATH"),
    ] {
        let mut watch = Watch::web(&status);
        assert!(matches!(watch.judge(), Judgement::Hope(Some(_))));
        tokio::time::advance(Duration::from_millis(900)).await;
        assert!(matches!(watch.judge(), Judgement::Hope(Some(_))));
        tokio::time::advance(Duration::from_millis(101)).await;
        watch.is_doomed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_pod_dooms_after_a_second() {
    for message in [
        "Error creating: pods \"web-1-b\" is forbidden: exceeded quota: small",
        "Error creating: admission webhook \"policy.example.org\" denied the request: no",
        "Error creating: pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"",
    ] {
        let mut watch = Watch::over(deployment());
        let set = replica_set("web-1", "1");
        watch.see(event(&set, "FailedCreate", message, "2026-01-01T00:00:02Z"));
        watch.see(set);
        watch.hopes_for(1).await;
        watch.is_doomed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_pull_and_a_registry_that_is_down_are_waited_for() {
    let mut watch = Watch::web(&waiting("ContainerCreating", ""));
    watch.hopes_for(900).await;
    let mut watch = Watch::web(&waiting("ErrImagePull", "failed to pull image: 503 Service Unavailable"));
    watch.hopes_for(900).await;
    let busy = "failed to resolve reference \"shop:9\": toomanyrequests: as 'somebody'";
    let mut watch = Watch::web(&waiting("ImagePullBackOff", busy));
    watch.hopes_for(900).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_that_recovers_on_the_second_start_is_forgiven() {
    let mut watch = Watch::web(&container(&ended(1), &json!({}), 0));
    watch.hopes_for(1).await;
    // It runs again, and takes its time until it is ready.
    watch.see(pod("web-1-a", "web-1", &container(&json!({"running": {}}), &ended(1), 1)));
    watch.hopes_for(300).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_dooms_within_twelve_seconds_of_the_first_crash() {
    let mut watch = Watch::web(&container(&ended(1), &json!({}), 0));
    watch.hopes_for(1).await;
    watch.see(pod("web-1-a", "web-1", &container(&json!({"running": {}}), &ended(1), 1)));
    watch.hopes_for(1).await;
    let held = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
    watch.see(pod("web-1-a", "web-1", &container(&held, &ended(1), 1)));
    watch.hopes_for(8).await;
    assert_eq!(
        watch.is_doomed(),
        "pod web-1-a, container web: its program ended with exit code 3, restarted once (CrashLoopBackOff)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_program_that_runs_for_a_while_is_given_longer() {
    let held = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
    let mut watch = Watch::web(&container(&held, &ended(30), 1));
    watch.hopes_for(60).await;
    watch.is_doomed();
}

#[tokio::test(start_paused = true)]
async fn a_job_may_fail_as_often_as_it_says() {
    let job = |status: &Value| object("batch/v1", "Job", "migrate", &json!({"status": status}));
    let failed = json!({"phase": "Failed", "containerStatuses": [{"name": "web", "ready": false,
        "restartCount": 0, "state": ended(1)}]});
    let mut watch = Watch::over(job(&json!({"active": 1})));
    for name in ["migrate-a", "migrate-b"] {
        watch.see(pod(name, "migrate", &failed));
        watch.hopes_for(30).await;
    }
    watch.see(pod("migrate-c", "migrate", &json!({"phase": "Succeeded"})));
    watch.hopes_for(30).await;
}

#[tokio::test(start_paused = true)]
async fn a_readiness_probe_alone_is_never_fatal() {
    let mut watch = Watch::web(&container(&json!({"running": {}}), &json!({}), 0));
    let about = pod("web-1-a", "web-1", &json!({}));
    let message = "Readiness probe failed: connection refused";
    watch.see(event(&about, "Unhealthy", message, "2026-01-01T00:00:20Z"));
    watch.hopes_for(600).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_away_is_no_verdict() {
    // The node controller marks the pod; its containers stay as they were last seen.
    let lost = json!({"phase": "Running", "reason": "NodeLost",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "web", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    let mut watch = Watch::web(&lost);
    watch.hopes_for(60).await;
    // It is taken away, and the new one finds no node for a while.
    let mut gone = pod("web-1-a", "web-1", &waiting("ErrImagePull", NOT_FOUND)).into_value();
    gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:01:00Z");
    watch.see(Object::new(gone).unwrap());
    watch.see(pod(
        "web-1-b",
        "web-1",
        &unscheduled("1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }"),
    ));
    assert!(!watch.vigil.asks_for_nodes());
    watch.hopes_for(1).await;
    assert!(watch.vigil.asks_for_nodes());
    watch.vigil.hear_nodes(Some(vec![node("k3s://one", "4")]));
    watch.hopes_for(300).await;
}

fn unscheduled(reasons: &str) -> Value {
    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": format!("0/1 nodes are available: {reasons}.")}]})
}

fn node(provider: &str, cpu: &str) -> Object {
    let body = json!({"spec": {"providerID": provider}, "status": {"allocatable": {"cpu": cpu}}});
    object("v1", "Node", "one", &body)
}

/// Returns Deployment `web` with a pod that asks for so many cpus and finds no node.
fn asking(cpu: &str, reasons: &str) -> Watch {
    let mut watch = Watch::web(&json!({}));
    let mut value = pod("web-1-a", "web-1", &unscheduled(reasons)).into_value();
    value["spec"] = json!({"containers": [{"name": "web", "resources": {"requests": {"cpu": cpu}}}]});
    watch.see(Object::new(value).unwrap());
    watch
}

#[tokio::test(start_paused = true)]
async fn a_pod_too_large_for_every_node_dooms_once_the_nodes_are_known() {
    let mut watch = asking("8", "1 Insufficient cpu");
    watch.hopes_for(2).await;
    assert!(watch.vigil.asks_for_nodes());
    assert!(!watch.vigil.asks_for_nodes(), "asked for once");
    watch.vigil.hear_nodes(Some(vec![node("k3s://one", "4")]));
    assert_eq!(
        watch.is_doomed(),
        "pod web-1-a: no node takes it: 0/1 nodes are available: 1 Insufficient cpu; node one has cpu 4 in all, and \
         8 is asked for (Unschedulable)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_only_waits_for_room_is_waited_for() {
    let mut watch = asking("2", "1 Insufficient cpu");
    watch.judge();
    watch.vigil.hear_nodes(Some(vec![node("k3s://one", "4")]));
    watch.hopes_for(600).await;
}

#[tokio::test(start_paused = true)]
async fn nodes_that_may_not_be_read_doom_nothing_for_want_of_room() {
    let mut watch = asking("8", "1 Insufficient cpu");
    watch.judge();
    assert!(watch.vigil.asks_for_nodes());
    watch.vigil.hear_nodes(None);
    watch.hopes_for(600).await;
    assert!(!watch.vigil.asks_for_nodes(), "never again");
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_is_waited_for_and_believed() {
    let taint = "1 node(s) had untolerated taint {gpu: }";
    let cloud = || vec![node("aws:///zone/i-1", "4")];
    let mut watch = asking("1", taint);
    watch.judge();
    watch.vigil.hear_nodes(Some(cloud()));
    watch.hopes_for(2).await;
    let about = pod("web-1-a", "web-1", &json!({}));
    let at = "2026-01-01T00:00:12Z";
    watch.see(event(&about, "TriggeredScaleUp", "pod triggered scale-up", at));
    watch.hopes_for(600).await;

    let mut watch = asking("1", taint);
    watch.judge();
    watch.vigil.hear_nodes(Some(cloud()));
    watch.hopes_for(2).await;
    watch.see(event(&about, "NotTriggerScaleUp", "pod didn't trigger scale-up: no group fits", at));
    watch.is_doomed();
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_may_still_make_is_waited_for() {
    let status = waiting("CreateContainerConfigError", "secret \"tls\" not found");
    let mut watch = Watch::web(&status);
    watch.is_helped = true;
    watch.hopes_for(60).await;
    watch.is_doomed();
    // An image is made by no operator.
    let mut watch = Watch::web(&waiting("ErrImagePull", NOT_FOUND));
    watch.is_helped = true;
    watch.hopes_for(1).await;
    watch.is_doomed();
}

#[tokio::test(start_paused = true)]
async fn pods_of_before_do_not_count_until_the_controller_has_seen_our_write() {
    let mut watch = Watch::web(&waiting("ErrImagePull", NOT_FOUND));
    let mut value = watch.workload.clone().into_value();
    value["metadata"]["generation"] = json!(2);
    watch.workload = Object::new(value).unwrap();
    watch.hopes_for(60).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_not_been_tried_since_our_write_proves_nothing() {
    let mut value = pod("web-1-a", "web-1", &waiting("ImagePullBackOff", NOT_FOUND)).into_value();
    value["metadata"]["creationTimestamp"] = json!("2025-12-31T00:00:00Z");
    let old = Object::new(value).unwrap();
    let mut watch = Watch::web(&json!({}));
    watch.see(event(&old, "BackOff", "Back-off pulling image \"shop:9\"", "2026-01-01T00:00:30Z"));
    watch.see(old.clone());
    watch.hopes_for(120).await;
    watch.see(event(
        &old,
        "Failed",
        &format!("Failed to pull image \"shop:9\": {NOT_FOUND}"),
        "2026-01-01T00:02:00Z",
    ));
    watch.judge();
    tokio::time::advance(Duration::from_secs(1)).await;
    watch.is_doomed();
}

#[tokio::test(start_paused = true)]
async fn a_quota_full_of_old_pods_is_waited_for() {
    let mut value = deployment().into_value();
    value["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    let mut watch = Watch::over(Object::new(value).unwrap());
    let set = replica_set("web-2", "2");
    let message = "Error creating: pods \"web-2-a\" is forbidden: exceeded quota: small";
    watch.see(event(&set, "FailedCreate", message, "2026-01-01T00:00:02Z"));
    watch.see(set);
    watch.see(replica_set("web-1", "1"));
    watch.see(pod("web-1-a", "web-1", &json!({"conditions": [{"type": "Ready", "status": "True"}]})));
    watch.hopes_for(20).await;
    watch.is_doomed();
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_an_old_pod_during_a_rollout_is_no_verdict() {
    let body = json!({"spec": {"replicas": 2}, "status": {"replicas": 2, "updateRevision": "new"}});
    let mut watch = Watch::over(object("apps/v1", "StatefulSet", "db", &body));
    let mut old = pod("db-0", "db", &container(&ended(30), &json!({}), 0));
    old.set_label("controller-revision-hash", "old");
    watch.see(old);
    watch.hopes_for(5).await;
    let mut old = pod("db-0", "db", &container(&json!({"running": {}}), &ended(30), 1));
    old.set_label("controller-revision-hash", "old");
    watch.see(old);
    watch.hopes_for(120).await;
}
