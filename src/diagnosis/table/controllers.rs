//! Rows about pods as a whole and about who makes them: nodes, volumes, claims, refusals, Jobs.

use serde_json::{Value, json};

use super::super::fixtures::{Scene, crashing, event, object, owned, pod, pod_named, waiting};
use super::super::{Cause, Class, Diagnosis, LogWanted};
use super::nodes::unscheduled;
use super::one;
use crate::object::Object;

#[test]
fn a_claim_without_a_volume_is_told_under_its_pod() {
    let mut value = unscheduled(
        "Unschedulable",
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    )
    .into_value();
    value["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "media"}}]);
    let claim = object(
        "v1",
        "PersistentVolumeClaim",
        json!({"metadata": {"name": "media", "uid": "c"}, "status": {"phase": "Pending"}}),
    );
    let failed = event(&claim, "ProvisioningFailed", "storageclass.storage.k8s.io \"fats\" not found", 4);
    let mut scene = Scene::web(vec![Object::new(value).unwrap()]).with_event(failed);
    scene.claims = vec![claim];
    let found = scene.only();
    let chain: Vec<_> = found.chain.iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["Deployment/web", "Pod/web-1-a", "PersistentVolumeClaim/media"]);
    assert_eq!(
        found.to_string(),
        "persistentvolumeclaim media: claim media gets no volume: storageclass.storage.k8s.io \"fats\" not found \
         (ProvisioningFailed)"
    );
    assert_eq!(found.next[0], "kubectl --namespace shop describe persistentvolumeclaim media");
}

#[test]
fn a_claim_itself_tells_why_it_is_pending() {
    let claim = object(
        "v1",
        "PersistentVolumeClaim",
        json!({"metadata": {"name": "media", "uid": "c"}, "status": {"phase": "Pending"}}),
    );
    let failed = event(&claim, "FailedBinding", "no persistent volumes available for this claim", 4);
    Scene::of(claim).with_event(failed).tells(
        "Transient 60s",
        "claim media gets no volume: no persistent volumes available for this claim (FailedBinding)",
    );
}

#[test]
fn a_volume_that_cannot_be_mounted() {
    let creating = || pod(&waiting("ContainerCreating", ""));
    let told = |message: &str| {
        let pod = creating();
        let failed = event(&pod, "FailedMount", message, 7);
        Scene::web(vec![pod]).with_event(failed)
    };
    told("MountVolume.SetUp failed for volume \"conf\" : configmap \"nginx-conf\" not found").tells(
        "Permanent 1s",
        "pod web-1-a: a volume is missing: MountVolume.SetUp failed for volume \"conf\" : configmap \"nginx-conf\" \
         not found (FailedMount)",
    );
    let busy = told("Multi-Attach error for volume \"pv-1\" Volume is already used by pod(s) web-0-x").only();
    assert_eq!(busy.grace_seconds, Some(300));
    assert_eq!(
        told("configmap \"nginx-conf\" not found").only().next[0],
        "kubectl --namespace shop get configmap nginx-conf"
    );
    let pod = creating();
    let failed = event(&pod, "FailedCreatePodSandBox", "failed to setup network: no IP addresses", 7);
    Scene::web(vec![pod]).with_event(failed).tells(
        "Transient 180s",
        "pod web-1-a: its node cannot set it up: failed to setup network: no IP addresses (FailedCreatePodSandBox)",
    );
}

fn refused(message: &str) -> Scene {
    let scene = Scene::web(Vec::new());
    let failed = event(&scene.replica_sets[0], "FailedCreate", message, 6);
    scene.with_event(failed)
}

#[test]
fn pods_the_server_refuses() {
    let quota = refused(
        "(combined from similar events): Error creating: pods \"web-1-b\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5",
    );
    quota.tells(
        "Permanent 1s",
        "replicaset web-1: the server refuses its pods: pods \"web-1-b\" is forbidden: exceeded quota: small, \
         requested: pods=1, used: pods=5, limited: pods=5 (FailedCreate)",
    );
    assert_eq!(quota.only().next[0], "kubectl --namespace shop describe resourcequota");
    for (message, grace) in [
        (
            "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
            ("Permanent", 1),
        ),
        ("admission webhook \"policy.example.org\" denied the request: no latest tag", ("Permanent", 1)),
        ("Pod \"x\" is invalid: spec.containers[0].name: Required value", ("Permanent", 1)),
        (
            "pods \"x\" is forbidden: error looking up service account: serviceaccount \"web\" not found",
            ("Permanent", 1),
        ),
        (
            "Internal error occurred: failed calling webhook \"policy.example.org\": connection refused",
            ("Transient", 60),
        ),
        ("pods \"x\" is forbidden: status unknown for quota: small", ("Transient", 60)),
    ] {
        let found = refused(message).only();
        assert_eq!(
            (format!("{:?}", found.class).as_str(), found.grace_seconds),
            (grace.0, Some(grace.1)),
            "{message}"
        );
    }
}

#[test]
fn a_refusal_of_before_is_not_told() {
    let mut scene = refused("Error creating: exceeded quota: small");
    let set = scene.replica_sets.remove(0);
    let created = event(&set, "SuccessfulCreate", "Created pod: web-1-a", 30);
    let mut value = set.clone().into_value();
    value["status"] = json!({"replicas": 1});
    scene.replica_sets = vec![Object::new(value).unwrap()];
    let causes: Vec<_> = scene.all().into_iter().map(|found| found.cause).collect();
    assert_eq!(causes, [Cause::Warning], "it has all its pods; the warning is all that is left");
    scene.replica_sets = vec![set];
    let causes: Vec<_> = scene.with_event(created).all().into_iter().map(|found| found.cause).collect();
    assert_eq!(causes, [Cause::Warning], "it has made a pod since");
}

#[test]
fn a_stateful_sets_refusal_is_read_too() {
    let body = json!({"metadata": {"name": "db", "uid": "s"}, "spec": {"replicas": 3}});
    let stateful_set = object("apps/v1", "StatefulSet", body);
    let failed = event(
        &stateful_set,
        "FailedCreate",
        "create Pod db-0 in StatefulSet db failed error: pods \"db-0\" is forbidden: exceeded quota: small",
        5,
    );
    Scene::of(stateful_set).with_event(failed).tells(
        "Permanent 1s",
        "the server refuses its pods: pods \"db-0\" is forbidden: exceeded quota: small (FailedCreate)",
    );
}

#[test]
fn a_replica_set_the_server_refuses() {
    let mut scene = Scene::web(Vec::new());
    let mut value = scene.workload.into_value();
    value["status"] = json!({"conditions": [{"type": "Progressing", "status": "False",
        "reason": "ReplicaSetCreateError", "message": "exceeded quota: sets"}]});
    scene.workload = Object::new(value).unwrap();
    scene.replica_sets.clear();
    scene.tells(
        "Permanent 1s",
        "the server refuses its ReplicaSet: exceeded quota: sets (ReplicaSetCreateError)",
    );
}

fn job(conditions: &Value) -> Object {
    object(
        "batch/v1",
        "Job",
        json!({"metadata": {"name": "migrations", "uid": "j"}, "status": {"active": 0, "conditions": conditions}}),
    )
}

fn failed_try(name: &str) -> Object {
    let mut value = pod_named(
        name,
        &json!({"phase": "Failed", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
    )
    .into_value();
    value["metadata"]["ownerReferences"] = json!([{"uid": "j", "controller": true}]);
    Object::new(value).unwrap()
}

#[test]
fn a_failed_job_is_explained_by_its_pod() {
    let failed = json!([{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded",
        "message": "Job has reached the specified backoff limit"}]);
    let mut scene = Scene::of(job(&failed));
    scene.pods = vec![failed_try("migrations-a"), failed_try("migrations-b")];
    let found = scene.all();
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0].to_string(),
        "pod migrations-a, container web: its program ended with exit code 1 (Error), 2 of 2 pods"
    );
    assert_eq!(found[0].grace_seconds, Some(0));
    let log = LogWanted { pod: "migrations-a".into(), container: "web".into(), previous: false };
    assert_eq!(found[0].wants_log, Some(log));
    assert_eq!(
        found[1].to_string(),
        "the job failed: Job has reached the specified backoff limit (BackoffLimitExceeded)"
    );
}

#[test]
fn a_try_of_a_job_that_goes_on_is_no_failure() {
    let mut scene = Scene::of(job(&json!([])));
    scene.pods = vec![failed_try("migrations-a")];
    let found = scene.only();
    assert_eq!((format!("{:?}", found.class).as_str(), found.grace_seconds), ("Transient", None));
}

#[test]
fn a_pod_its_node_threw_out_is_replaced_unless_it_is_bare() {
    let status =
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    let text = "its node threw it out: The node was low on resource: memory (Evicted)";
    one(&status).tells("Transient", &format!("pod web-1-a: {text}"));
    Scene::of(pod(&status)).tells("Permanent 0s", text);
}

#[test]
fn a_bare_pod_that_failed_is_the_end() {
    let status = json!({"phase": "Failed", "reason": "DeadlineExceeded",
        "message": "Pod was active on the node longer than the specified deadline"});
    Scene::of(pod(&status)).tells(
        "Permanent 0s",
        "the pod failed: Pod was active on the node longer than the specified deadline (DeadlineExceeded)",
    );
}

#[test]
fn pods_with_one_trouble_are_told_once_and_the_surest_trouble_first() {
    let not_found = "desc = registry.example/web:9: not found";
    let found = Scene::web(vec![
        crashing(pod_named("web-1-a", &json!({})), 1),
        pod_named("web-1-b", &waiting("ErrImagePull", not_found)),
        pod_named("web-1-c", &waiting("ImagePullBackOff", not_found)),
    ])
    .all();
    let told: Vec<_> = found.iter().map(|found| (found.cause, found.affected, found.counted)).collect();
    assert_eq!(told, [(Cause::Image, 2, 3), (Cause::Crash, 1, 3)]);
}

#[test]
fn a_broken_pod_in_the_way_of_an_ordered_rollout_is_to_be_deleted() {
    let body = json!({"metadata": {"name": "db", "uid": "s"}, "spec": {"replicas": 2},
        "status": {"replicas": 2, "updateRevision": "new"}});
    let mut scene = Scene::of(object("apps/v1", "StatefulSet", body));
    let mut old = crashing(owned("v1", "Pod", "db-1", "s"), 7);
    old.set_label("controller-revision-hash", "old");
    scene.pods = vec![old];
    scene.tells(
        "Crash 60s",
        "pod db-1, container web: pod db-1 of the old revision is broken and keeps the new one from being rolled \
         out: its program ended with exit code 3, restarted 7 times (CrashLoopBackOff)",
    );
    assert_eq!(scene.only().next[0], "kubectl --namespace shop delete pod db-1");
}

#[test]
fn a_warning_is_better_than_nothing_and_nothing_is_said_of_what_is_well() {
    let service = object("v1", "Service", json!({"metadata": {"name": "nginx", "uid": "n"}}));
    let failed = event(&service, "SyncLoadBalancerFailed", "no provider", 3);
    Scene::of(service).with_event(failed).tells("Transient", "no provider (SyncLoadBalancerFailed)");
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "web", "ready": true, "restartCount": 4,
            "lastState": {"terminated": {"exitCode": 1}}, "state": {"running": {}}}]});
    assert_eq!(one(&ready).all(), []);
}

#[test]
fn a_diagnosis_reads_back_from_json() {
    let found = Scene::web(vec![crashing(pod(&json!({})), 5)]).only();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Diagnosis>(&text).unwrap(), found);
    assert!(text.contains(r#""class":"crash""#), "{text}");
}

#[test]
fn pods_the_server_refuses_while_old_ones_hold_the_quota() {
    let mut scene = refused("Error creating: pods \"web-1-b\" is forbidden: exceeded quota: small");
    let mut ending = pod(&json!({})).into_value();
    ending["metadata"]["deletionTimestamp"] = json!("2026-03-01T12:00:00Z");
    scene.pods = vec![Object::new(ending).unwrap()];
    assert_eq!(scene.only().grace_seconds, Some(20));
}

#[test]
fn an_account_that_is_not_there_is_missing() {
    let found = refused(
        "Error creating: pods \"x\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found",
    )
    .only();
    assert_eq!(found.missing.map(|missing| missing.kind), Some("ServiceAccount".to_owned()));
    assert_eq!(found.next[0], "kubectl --namespace shop get serviceaccount web");
}

#[test]
fn a_claim_that_is_not_there_and_a_class_that_is_not_there() {
    let message = "0/1 nodes are available: persistentvolumeclaim \"media\" not found.";
    let found = Scene::web(vec![unscheduled("Unschedulable", message)]).only();
    assert_eq!(found.to_string(), "pod web-1-a: claim media is not there (Unschedulable)");
    assert_eq!((found.class, found.grace_seconds), (Class::Permanent, Some(1)));
    let body = json!({"metadata": {"name": "media", "uid": "c"}, "status": {"phase": "Pending"}});
    let claim = object("v1", "PersistentVolumeClaim", body);
    // Written a moment after the pod: the scheduler's word is of before.
    let mut scene = Scene::web(vec![unscheduled("Unschedulable", message)]);
    scene.claims = vec![claim.clone()];
    assert_eq!(scene.only().class, Class::Transient);
    let failed = event(&claim, "ProvisioningFailed", "storageclass.storage.k8s.io \"fats\" not found", 4);
    let found = Scene::of(claim).with_event(failed).only();
    assert_eq!((found.class, found.grace_seconds), (Class::Permanent, Some(30)));
}

#[test]
fn a_namespace_that_is_being_deleted_tells_what_holds_it() {
    let body = json!({"metadata": {"name": "shop", "uid": "n", "deletionTimestamp": "2026-03-01T12:00:00Z"},
        "status": {"conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True",
            "message": "Some content in the namespace has finalizers remaining: a.example.org in 1 resource instances"}]}});
    Scene::of(object("v1", "Namespace", body)).tells(
        "Permanent 1s",
        "it is being deleted, and takes nothing new: Some content in the namespace has finalizers remaining: \
         a.example.org in 1 resource instances (Terminating)",
    );
}

#[test]
fn the_surest_pod_speaks_for_all_and_the_last_try_of_a_job() {
    let found = Scene::web(vec![
        pod_named("web-1-a", &waiting("ErrImagePull", "503 Service Unavailable")),
        pod_named("web-1-b", &waiting("ErrImagePull", "desc = registry.example/web:9: not found")),
    ])
    .only();
    assert_eq!(
        found.to_string(),
        "pod web-1-b, container web: image `registry.example/web:9` cannot be pulled: registry.example/web:9: not \
         found (ErrImagePull), 2 of 2 pods"
    );
    let at = |name: &str, stamp: &str| {
        let mut value = failed_try(name).into_value();
        value["metadata"]["creationTimestamp"] = json!(stamp);
        Object::new(value).unwrap()
    };
    let mut scene = Scene::of(job(&json!([{"type": "Failed", "status": "True"}])));
    scene.pods = vec![at("migrations-a", "2026-03-01T12:00:00Z"), at("migrations-b", "2026-03-01T12:01:00Z")];
    assert_eq!(scene.all()[0].wants_log.as_ref().map(|log| log.pod.as_str()), Some("migrations-b"));
}
