//! Failures that pods show: what a run says of them, how soon after the evidence, and what it does not say. The
//! simulated controllers only count pods; here one is put in, as a kubelet would report it.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use wesago::engine::DeployOptions;
use wesago::event::{CauseFound, EventKind, Verdict};

use crate::api_server::{ApiServer, DeleteOptions, Key, Writer};
use crate::deployer::{Command, Ending, Fate};
use crate::journal::{Journal, What};
use crate::plans::{Application, NAMESPACE};
use crate::stories::on_paused_clock;
use crate::world::World;

const EVIDENCE: &str = "the evidence is there";

/// What there is to see once the Deployment is made.
#[derive(Clone, Default)]
struct Trouble {
    /// The spec and the status of its pod; none for a pod the server refuses.
    pod: Option<(Value, Value)>,
    /// What the newest event about its ReplicaSet says.
    refusal: Option<&'static str>,
    /// What else is in the namespace, or in the cluster.
    beside: Vec<Value>,
    /// Somebody deletes the Deployment.
    deleted: bool,
    /// How far the deployer's clock is from the server's.
    clock_off: SignedDuration,
}

/// What a run came to.
struct Told {
    ending: Ending,
    causes: Vec<CauseFound>,
    /// From the evidence to the end of the stage.
    took: Duration,
    /// All that was told, as text.
    everything: String,
    /// The collections that were listed.
    listed: Vec<String>,
}

/// Deploys one Deployment that never gets ready, and returns what was told of it.
fn deploy(trouble: Trouble) -> Told {
    deploy_all(&Application::of_a_broken_deployment(), Some(trouble))
}

/// Deploys an application, shows a trouble of its Deployment, and returns what was told.
fn deploy_all(application: &Application, trouble: Option<Trouble>) -> Told {
    on_paused_clock(async {
        let mut world = World::new(7);
        let plan = application.plan();
        let clock_off = trouble.as_ref().map_or(SignedDuration::ZERO, |trouble| trouble.clock_off);
        match trouble {
            Some(trouble) => {
                tokio::spawn(report(world.server.clone(), world.journal.clone(), trouble));
            }
            None => world.journal.note(EVIDENCE),
        }
        // What is listed here is what the trouble asks for: the preflight lists nodes and pods as well.
        let options = DeployOptions { skip_preflight: true, ..DeployOptions::default() };
        let fate = Fate { clock_off, options, ..Fate::default() };
        let ending = world.run(Command::Deploy, &plan, fate).await.ending;
        let entries = world.journal.entries().clone();
        let (mut causes, mut listed, mut everything) = (Vec::new(), Vec::new(), String::new());
        let (mut seen, mut ended) = (None, None);
        for entry in &entries {
            match &entry.what {
                What::Note(note) if note == EVIDENCE => seen = Some(entry.at),
                What::Told { event, .. } => {
                    everything.push_str(&serde_json::to_string(event).unwrap());
                    match &event.event {
                        EventKind::CauseFound(cause) => causes.push(cause.clone()),
                        EventKind::StageFinished { .. } => ended = Some(entry.at),
                        _ => {}
                    }
                }
                What::Sent { request, .. }
                    if request.method == http::Method::GET && !request.query.contains("watch=true") =>
                {
                    listed.push(request.path.rsplit('/').next().unwrap_or_default().to_owned());
                }
                _ => {}
            }
        }
        Told { ending, causes, took: ended.unwrap().checked_sub(seen.unwrap()).unwrap(), everything, listed }
    })
}

/// Waits for the Deployment to be seen by its controller, then shows the trouble.
async fn report(server: ApiServer, journal: Journal, trouble: Trouble) {
    let mut versions = server.versions();
    let key = key("apps", "Deployment", "web");
    let uid = loop {
        versions.mark_seen();
        let object = server.store().objects.get(&key).map(|stored| stored.object.clone());
        match object {
            Some(object) if object["status"]["observedGeneration"] == 1 => {
                break object["metadata"]["uid"].clone();
            }
            _ => versions.changed().await.unwrap(),
        }
    };
    tokio::time::sleep(Duration::from_secs(3)).await;
    for object in trouble.beside {
        put(&server, object);
    }
    let owned_by = |uid: &Value| json!([{"apiVersion": "v1", "kind": "Owner", "name": "x", "uid": uid, "controller": true}]);
    let set = put(
        &server,
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"replicas": 1},
            "metadata": {"name": "web-1", "namespace": NAMESPACE, "ownerReferences": owned_by(&uid)}}),
    );
    if let Some(message) = trouble.refusal {
        let now = server.store().now().to_string();
        put(
            &server,
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "web-1.1", "namespace": NAMESPACE},
                "involvedObject": {"kind": "ReplicaSet", "name": "web-1", "uid": set["metadata"]["uid"]},
                "reason": "FailedCreate", "message": message, "type": "Warning", "lastTimestamp": now}),
        );
    }
    if let Some((spec, status)) = trouble.pod {
        let owners = owned_by(&set["metadata"]["uid"]);
        let metadata = json!({"name": "web-1-a", "namespace": NAMESPACE, "ownerReferences": owners});
        put(
            &server,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}),
        );
    }
    journal.note(EVIDENCE);
    if trouble.deleted {
        let kind = server.store().kind_of(&key);
        let options = DeleteOptions { propagation: Some("Background".into()), ..DeleteOptions::default() };
        server.store().delete("somebody", &kind, &key, &options).unwrap();
    }
}

fn key(group: &str, kind: &str, name: &str) -> Key {
    let namespace = if kind == "Node" { String::new() } else { NAMESPACE.to_owned() };
    Key { group: group.to_owned(), kind: kind.to_owned(), namespace, name: name.to_owned() }
}

/// Makes an object, with its status, and returns it.
fn put(server: &ApiServer, object: Value) -> Value {
    let writer = Writer { agent: "kubelet", manager: "kubelet" };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let api_version = text(&object["apiVersion"]);
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let key = key(group, &text(&object["kind"]), &text(&object["metadata"]["name"]));
    let mut store = server.store();
    let kind = store.kind_of(&key);
    let status = object["status"].clone();
    let mut made = store.create(&writer, &kind, &key, object).unwrap().1;
    if !status.is_null() {
        made = store.update_status(&writer, &kind, &key, &status).unwrap().1;
    }
    (*made).clone()
}

fn spec() -> Value {
    json!({"containers": [{"name": "web", "image": "shop:9"}]})
}

fn waiting(reason: &str, message: &str) -> (Value, Value) {
    let status = json!({"phase": "Pending", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}}}]});
    (spec(), status)
}

impl Told {
    /// Returns the first cause of a failure that was told within so many seconds of its evidence.
    #[track_caller]
    fn cause_within(&self, seconds: u64) -> &CauseFound {
        let Ending::Ended(Ok(Verdict::Failed { .. })) = &self.ending else { panic!("{:?}", self.ending) };
        assert!(self.took <= Duration::from_secs(seconds), "it took {:?}", self.took);
        &self.causes[0]
    }
}

#[test]
fn an_image_that_is_not_there_is_told_within_two_seconds() {
    let pod = Some(waiting("ErrImagePull", "failed to pull and unpack image \"shop:9\": shop:9: not found"));
    let told = deploy(Trouble { pod, ..Trouble::default() });
    let cause = told.cause_within(2);
    assert_eq!(cause.chain, ["Deployment/web", "Pod/web-1-a", "container web"]);
    assert_eq!(cause.message, "image `shop:9` cannot be pulled: shop:9: not found");
    assert!(!told.listed.contains(&"pods".to_owned()), "the vigil knows the pods already: {:?}", told.listed);
}

#[test]
fn a_cause_is_told_as_soon_by_a_clock_that_is_wrong() {
    for hours in [-1, 1] {
        let pod = Some(waiting("ErrImagePull", "shop:9: not found"));
        let told =
            deploy(Trouble { pod, clock_off: SignedDuration::from_hours(hours), ..Trouble::default() });
        assert_eq!(told.cause_within(2).chain.len(), 3);
    }
}

#[test]
fn a_missing_key_is_told_with_the_keys_there_are_and_without_a_value() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "env", "namespace": NAMESPACE}, "data": {"PASSWORD": "aHVudGVyMg=="}});
    let pod = Some(waiting("CreateContainerConfigError", "couldn't find key PASWORD in Secret shop/env"));
    let told = deploy(Trouble { pod, beside: vec![secret], ..Trouble::default() });
    let cause = told.cause_within(2);
    assert_eq!(cause.message, "couldn't find key PASWORD in Secret shop/env; did you mean `PASSWORD`?");
    assert_eq!(cause.next[0], "kubectl --namespace shop describe secret env");
    assert!(
        !told.everything.contains("hunter2") && !told.everything.contains("aHVudGVyMg"),
        "a value was told"
    );
}

#[test]
fn a_crash_loop_is_told_within_twelve_seconds_with_the_log_of_the_run_before() {
    let status = json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error",
            "startedAt": "2026-01-01T00:00:10Z", "finishedAt": "2026-01-01T00:00:11Z"}}}]});
    let told = deploy(Trouble { pod: Some((spec(), status)), ..Trouble::default() });
    let cause = told.cause_within(12);
    assert!(told.took >= Duration::from_secs(10), "the third start has its chance: {:?}", told.took);
    assert_eq!(cause.message, "its program ended with exit code 3, restarted once");
    assert_eq!(cause.log, ["starting web-1-a"]);
}

#[test]
fn a_pod_too_large_for_every_node_is_told_within_two_seconds_with_the_nodes() {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"},
        "spec": {"providerID": "k3s://one"}, "status": {"allocatable": {"cpu": "4"}}});
    let spec = json!({"containers": [{"name": "web", "resources": {"requests": {"cpu": "8"}}}]});
    let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}]});
    let told = deploy(Trouble { pod: Some((spec, status)), beside: vec![node], ..Trouble::default() });
    let cause = told.cause_within(2);
    assert!(cause.message.ends_with("node one has cpu 4 in all, and 8 is asked for"), "{}", cause.message);
    let asked = told.listed.iter().filter(|path| *path == "nodes").count();
    assert_eq!(asked, 1, "asked for once: {:?}", told.listed);
}

#[test]
fn a_quota_that_is_used_up_is_told_within_two_seconds() {
    let refusal =
        Some("Error creating: pods \"web-1-b\" is forbidden: exceeded quota: small, requested: pods=1");
    let told = deploy(Trouble { refusal, ..Trouble::default() });
    let cause = told.cause_within(2);
    assert_eq!(cause.chain, ["Deployment/web", "ReplicaSet/web-1"]);
    assert_eq!(cause.next[0], "kubectl --namespace shop describe resourcequota");
}

#[test]
fn what_only_needs_time_is_told_at_the_deadline_and_not_before() {
    let status = json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 0,
        "started": true, "state": {"running": {}}}]});
    let spec = json!({"containers": [{"name": "web", "readinessProbe": {"httpGet": {"port": 8000, "path": "/up"}}}]});
    let told = deploy(Trouble { pod: Some((spec, status)), ..Trouble::default() });
    assert!(matches!(told.ending, Ending::Ended(Ok(Verdict::TimedOut { .. }))), "{:?}", told.ending);
    assert!(told.took > Duration::from_secs(500), "{:?}", told.took);
    assert_eq!(told.causes[0].message, "it runs, and its readiness probe GET :8000/up has not passed yet");
}

#[test]
fn what_somebody_deletes_meanwhile_has_failed_at_once() {
    let told = deploy(Trouble { deleted: true, ..Trouble::default() });
    let cause = told.cause_within(1);
    assert_eq!(
        (cause.reason.as_str(), cause.message.as_str()),
        ("Failed", "somebody deleted it while it was waited for")
    );
}

#[test]
fn a_service_without_pods_is_the_cause_of_a_check_that_fails() {
    let told = deploy_all(&Application::of_a_service_without_pods(), None);
    assert!(matches!(told.ending, Ending::Ended(Ok(Verdict::TimedOut { .. }))), "{:?}", told.ending);
    assert_eq!(told.causes[0].chain, ["Service/web"]);
    assert_eq!(told.causes[0].message, "its selector app=web matches no pod");
}

#[test]
fn a_kind_that_nobody_defines_is_told_at_once() {
    let told = deploy_all(&Application::of_an_unknown_kind(), None);
    let cause = told.cause_within(1);
    assert_eq!(cause.reason, "NoKindMatch");
    assert_eq!(cause.next, ["kubectl api-resources --api-group=example.org"]);
}
