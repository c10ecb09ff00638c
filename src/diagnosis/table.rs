//! The table of signals, row by row, with what a kubelet, a scheduler and controllers really write.

use serde_json::{Value, json};

use super::fixtures::{Scene, crashing, event, object, owned, pod, pod_named, waiting};
use super::{Cause, LogWanted};
use crate::object::Object;

const WEB: &str = "pod web-1-a, container web: ";

fn one(status: &Value) -> Scene {
    Scene::web(vec![pod(status)])
}

#[track_caller]
fn waits(reason: &str, message: &str, class: &str, text: &str) {
    one(&waiting(reason, message)).tells(class, &format!("{WEB}{text}"));
}

#[test]
fn an_image_that_is_not_there_is_permanent() {
    let not_found = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example/web:9\": \
        failed to resolve reference \"registry.example/web:9\": registry.example/web:9: not found";
    let cannot = "image `registry.example/web:9` cannot be pulled: registry.example/web:9: not found";
    waits("ErrImagePull", not_found, "Permanent 20s", &format!("{cannot} (ErrImagePull)"));
    let backed_off = format!("Back-off pulling image \"registry.example/web:9\": ErrImagePull: {not_found}");
    waits("ImagePullBackOff", &backed_off, "Permanent 20s", &format!("{cannot} (ImagePullBackOff)"));
}

#[test]
fn a_back_off_without_a_cause_takes_it_from_the_event() {
    let pod = pod(&waiting("ImagePullBackOff", "Back-off pulling image \"registry.example/web:9\""));
    let failed = event(
        &pod,
        "Failed",
        "Failed to pull image \"registry.example/web:9\": rpc error: code = Unknown desc = pull access denied",
        3,
    );
    Scene::web(vec![pod]).with_event(failed).tells(
        "Permanent 20s",
        &format!(
            "{WEB}image `registry.example/web:9` cannot be pulled: pull access denied (ImagePullBackOff)"
        ),
    );
}

#[test]
fn a_registry_that_is_down_or_busy_is_transient() {
    for message in [
        "failed to do request: Head \"https://registry.example/v2/\": dial tcp 198.18.0.1:443: connect: connection refused",
        "429 Too Many Requests - toomanyrequests: access denied: you have reached your pull rate limit",
        "failed to do request: Head \"https://registry.example/v2/\": i/o timeout: host not found",
        "unexpected status from HEAD request to https://registry.example/v2/: 503 Service Unavailable",
    ] {
        let found = one(&waiting("ErrImagePull", message)).only();
        assert_eq!(
            (format!("{:?}", found.class).as_str(), found.grace_seconds),
            ("Transient", Some(120)),
            "{message}"
        );
    }
}

#[test]
fn images_that_can_never_come_fail_at_once() {
    waits(
        "InvalidImageName",
        "x",
        "Permanent 0s",
        "`registry.example/web:9` is no image name (InvalidImageName)",
    );
    waits(
        "ErrImageNeverPull",
        "x",
        "Permanent 0s",
        "image `registry.example/web:9` is not on the node, and its policy is never to pull it (ErrImageNeverPull)",
    );
}

#[test]
fn other_image_troubles() {
    let cannot = "image `registry.example/web:9` cannot be pulled: why";
    waits(
        "SignatureValidationFailed",
        "why",
        "Permanent 30s",
        &format!("{cannot} (SignatureValidationFailed)"),
    );
    waits("ImageInspectError", "why", "Transient 120s", &format!("{cannot} (ImageInspectError)"));
    waits("RegistryUnavailable", "why", "Transient 120s", &format!("{cannot} (RegistryUnavailable)"));
}

#[test]
fn a_missing_secret_or_key_is_permanent_and_its_command_names_it() {
    waits(
        "CreateContainerConfigError",
        "secret \"env\" not found",
        "Permanent 20s",
        "secret \"env\" not found (CreateContainerConfigError)",
    );
    let first = |message: &str| one(&waiting("CreateContainerConfigError", message)).only().next.remove(0);
    assert_eq!(first("secret \"env\" not found"), "kubectl --namespace shop get secret env");
    assert_eq!(
        first("couldn't find key password in Secret shop/env"),
        "kubectl --namespace shop get secret env"
    );
    assert_eq!(first("configmap \"a; rm\" not found"), "kubectl --namespace shop describe pod web-1-a");
    waits(
        "CreateContainerConfigError",
        "container has runAsNonRoot and image will run as root (pod: \"web\", container: web)",
        "Permanent 20s",
        "container has runAsNonRoot and image will run as root (pod: \"web\", container: web) (CreateContainerConfigError)",
    );
    waits(
        "CreateContainerConfigError",
        "failed to sync secret cache: timed out waiting for the condition",
        "Transient 120s",
        "failed to sync secret cache: timed out waiting for the condition (CreateContainerConfigError)",
    );
}

#[test]
fn a_container_that_cannot_be_started() {
    waits(
        "RunContainerError",
        "failed to create containerd task: exec: \"/app/wrong\": stat /app/wrong: no such file or directory",
        "Permanent 60s",
        "it cannot be started: stat /app/wrong: no such file or directory (RunContainerError)",
    );
    let ended = |message: &str| {
        one(
            &json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 1,
            "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": message}}}]}),
        )
    };
    ended("exec: \"gunicron\": executable file not found in $PATH").tells(
        "Permanent 60s",
        &format!("{WEB}it cannot be started: executable file not found in $PATH (StartError)"),
    );
    ended("failed to create shim task").tells(
        "Transient 120s",
        &format!("{WEB}it cannot be started: failed to create shim task (StartError)"),
    );
}

#[test]
fn a_crash_loop_tells_code_and_restarts_and_wants_the_log_before() {
    let scene = Scene::web(vec![crashing(pod(&json!({})), 5)]);
    scene.tells(
        "Crash 60s",
        &format!("{WEB}its program ended with exit code 3, restarted 5 times (CrashLoopBackOff)"),
    );
    let found = scene.only();
    let log = LogWanted { pod: "web-1-a".into(), container: "web".into(), previous: true };
    assert_eq!(found.wants_log, Some(log));
    assert_eq!(found.next[0], "kubectl --namespace shop logs web-1-a --container web --previous");
    let chain: Vec<_> = found.chain.iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["Deployment/web", "Pod/web-1-a"]);
}

fn ended(code: i64, restarts: i64, seconds: u32) -> Value {
    json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": code, "reason": "Error",
            "startedAt": "2026-03-01T12:00:00Z", "finishedAt": format!("2026-03-01T12:00:{seconds:02}Z")}}}]})
}

#[test]
fn a_crash_loop_that_cannot_end_well_gets_no_grace() {
    let grace = |status: Value| one(&status).only().grace_seconds;
    assert_eq!(grace(ended(127, 1, 9)), Some(0), "no such program");
    assert_eq!(grace(ended(126, 1, 9)), Some(0), "may not be run");
    assert_eq!(grace(ended(1, 2, 1)), Some(0), "three runs that ended at once");
    assert_eq!(grace(ended(1, 1, 1)), Some(60), "the second start may find what the first missed");
    assert_eq!(grace(ended(1, 2, 30)), Some(60), "it got past its start");
}

#[test]
fn a_program_that_ends_well_in_a_loop_is_a_crash_too() {
    one(&ended(0, 3, 5)).tells(
        "Crash 60s",
        &format!("{WEB}its program ended without an error, though it should run on, restarted 3 times (CrashLoopBackOff)"),
    );
}

#[test]
fn between_two_crashes_it_is_still_a_crash_and_after_recovery_none() {
    let between = |ready: bool| {
        one(
            &json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": ready, "restartCount": 2,
            "state": {"running": {"startedAt": "2026-03-01T12:00:30Z"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
        )
    };
    assert_eq!(between(false).only().cause, Cause::Crash);
    assert_eq!(between(true).all(), []);
}

#[test]
fn out_of_memory_is_named() {
    let mut value = pod(&json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false,
        "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}))
    .into_value();
    value["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "64Mi"}});
    Scene::web(vec![Object::new(value).unwrap()]).tells(
        "Crash 60s",
        &format!(
            "{WEB}it needed more memory than its limit of 64Mi and was killed, restarted once (OOMKilled)"
        ),
    );
}

#[test]
fn an_init_container_is_told_like_any_other() {
    one(&json!({"phase": "Pending",
        "initContainerStatuses": [{"name": "setup", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no database\nat all."}}}],
        "containerStatuses": [{"name": "web", "ready": false, "state": {"waiting": {"reason": "PodInitializing"}}}]}))
    .tells(
        "Crash 60s",
        "pod web-1-a, container setup: its program ended with exit code 1, restarted 2 times: no database at all \
         (CrashLoopBackOff)",
    );
}

#[test]
fn a_liveness_probe_that_restarts_the_container() {
    let with = |restarts: i64| {
        let pod = pod(&json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false,
            "restartCount": restarts, "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "Error"}}}]}));
        let unhealthy =
            event(&pod, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 8);
        let killing = event(&pod, "Killing", "Container web failed liveness probe, will be restarted", 9);
        Scene::web(vec![pod]).with_event(unhealthy).with_event(killing)
    };
    let fails =
        "its liveness probe fails: HTTP probe failed with statuscode: 500, so it is restarted, restarted";
    with(1).tells("Crash 60s", &format!("{WEB}{fails} once (Unhealthy)"));
    with(2).tells("Crash 0s", &format!("{WEB}{fails} 2 times (Unhealthy)"));
}

#[test]
fn a_readiness_probe_is_never_fatal_alone() {
    let running = |started: bool| {
        json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 0,
            "started": started, "state": {"running": {}}}]})
    };
    let unready = pod(&running(true));
    let unhealthy = event(
        &unready,
        "Unhealthy",
        "Readiness probe failed: dial tcp 198.18.0.7:8000: connection refused",
        8,
    );
    Scene::web(vec![unready]).with_event(unhealthy).tells(
        "Transient",
        &format!("{WEB}it runs, and its readiness probe fails: dial tcp 198.18.0.7:8000: connection refused (Unhealthy)"),
    );
    one(&running(false))
        .tells("Transient", &format!("{WEB}it runs, and its startup probe has not passed yet (Unhealthy)"));
}

fn unscheduled(reason: &str, message: &str) -> Object {
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
        "Permanent 60s",
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
        "Error creating: pods \"web-1-b\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5",
    );
    quota.tells(
        "Permanent 20s",
        "replicaset web-1: the server refuses its pods: pods \"web-1-b\" is forbidden: exceeded quota: small, \
         requested: pods=1, used: pods=5, limited: pods=5 (FailedCreate)",
    );
    assert_eq!(quota.only().next[0], "kubectl --namespace shop describe resourcequota");
    for (message, grace) in [
        (
            "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
            ("Permanent", 20),
        ),
        ("admission webhook \"policy.example.org\" denied the request: no latest tag", ("Permanent", 20)),
        ("Pod \"x\" is invalid: spec.containers[0].name: Required value", ("Permanent", 20)),
        (
            "pods \"x\" is forbidden: error looking up service account: serviceaccount \"web\" not found",
            ("Permanent", 30),
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
        "Permanent 20s",
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
        "Permanent 60s",
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
        "Permanent 60s",
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
    assert_eq!(serde_json::from_str::<super::Diagnosis>(&text).unwrap(), found);
    assert!(text.contains(r#""class":"crash""#), "{text}");
}
