//! Rows about containers: images, settings, starts, crashes, probes.

use serde_json::{Value, json};

use super::super::fixtures::{Scene, crashing, event, pod, waiting};
use super::super::{Cause, LogWanted};
use super::{WEB, one};
use crate::object::Object;

/// Checks what is told of a container that waits.
#[track_caller]
fn waits(reason: &str, message: &str, class: &str, text: &str) {
    one(&waiting(reason, message)).tells(class, &format!("{WEB}{text}"));
}

#[test]
fn an_image_that_is_not_there_is_permanent() {
    let not_found = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example/web:9\": \
        failed to resolve reference \"registry.example/web:9\": registry.example/web:9: not found";
    let cannot = "image `registry.example/web:9` cannot be pulled: registry.example/web:9: not found";
    waits("ErrImagePull", not_found, "Permanent 1s", &format!("{cannot} (ErrImagePull)"));
    let backed_off = format!("Back-off pulling image \"registry.example/web:9\": ErrImagePull: {not_found}");
    waits("ImagePullBackOff", &backed_off, "Permanent 1s", &format!("{cannot} (ImagePullBackOff)"));
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
        "Permanent 1s",
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
fn images_that_can_never_come_are_permanent() {
    waits(
        "InvalidImageName",
        "x",
        "Permanent 1s",
        "`registry.example/web:9` is no image name (InvalidImageName)",
    );
    waits(
        "ErrImageNeverPull",
        "x",
        "Permanent 1s",
        "image `registry.example/web:9` is not on the node, and its policy is never to pull it (ErrImageNeverPull)",
    );
}

#[test]
fn other_image_troubles() {
    let cannot = "image `registry.example/web:9` cannot be pulled: why";
    waits(
        "SignatureValidationFailed",
        "why",
        "Permanent 1s",
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
        "Permanent 1s",
        "secret \"env\" not found (CreateContainerConfigError)",
    );
    let first = |message: &str| one(&waiting("CreateContainerConfigError", message)).only().next.remove(0);
    assert_eq!(first("secret \"env\" not found"), "kubectl --namespace shop get secret env");
    assert_eq!(
        first("couldn't find key password in Secret shop/env"),
        "kubectl --namespace shop describe secret env",
        "which tells the keys, not their values"
    );
    assert_eq!(first("configmap \"a; rm\" not found"), "kubectl --namespace shop describe pod web-1-a");
    waits(
        "CreateContainerConfigError",
        "container has runAsNonRoot and image will run as root (pod: \"web\", container: web)",
        "Permanent 1s",
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
        "Permanent 1s",
        "it cannot be started: stat /app/wrong: no such file or directory (RunContainerError)",
    );
    let ended = |message: &str| {
        one(
            &json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 1,
            "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": message}}}]}),
        )
    };
    ended("exec: \"gunicron\": executable file not found in $PATH").tells(
        "Permanent 1s",
        &format!("{WEB}it cannot be started: executable file not found in $PATH (StartError)"),
    );
    ended("failed to create shim task").tells(
        "Transient 60s",
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
fn a_crash_loop_that_cannot_end_well_gets_hardly_any_grace() {
    let grace = |status: Value| one(&status).only().grace_seconds;
    assert_eq!(grace(ended(127, 1, 9)), Some(1), "no such program");
    assert_eq!(grace(ended(126, 1, 9)), Some(1), "may not be run");
    assert_eq!(grace(ended(1, 2, 1)), Some(1), "three runs that ended at once");
    assert_eq!(grace(ended(1, 1, 2)), Some(10), "two runs that ended at once");
    assert_eq!(grace(ended(1, 0, 1)), Some(60), "the second start may find what the first missed");
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
fn a_program_that_should_run_on_has_crashed_though_it_ended_well() {
    // So the kubelet shows it for most of the pause of ten seconds, without a word of a loop.
    let state = json!({"exitCode": 0, "reason": "Completed", "startedAt": "2026-03-01T12:00:00Z",
        "finishedAt": "2026-03-01T12:00:00Z"});
    let status = json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false,
        "restartCount": 1, "state": {"terminated": state}}]});
    let mut value = pod(&status).into_value();
    for (policy, told) in [("Always", Some(10)), ("OnFailure", None), ("Never", None)] {
        value["spec"]["restartPolicy"] = json!(policy);
        let found = Scene::web(vec![Object::new(value.clone()).unwrap()]).all();
        assert_eq!(found.first().and_then(|found| found.grace_seconds), told, "{policy}");
    }
    // An init container is meant to end.
    value["spec"]["restartPolicy"] = json!("Always");
    value["status"] = json!({"phase": "Pending",
        "initContainerStatuses": [{"name": "setup", "ready": true, "state": {"terminated": state}}]});
    assert_eq!(Scene::web(vec![Object::new(value).unwrap()]).all(), []);
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
    let running = between(false).only();
    assert_eq!((running.cause, running.grace_seconds), (Cause::Crash, None), "it may stay this time");
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
    let mut probed = pod(&running(true)).into_value();
    probed["spec"]["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"port": "http", "path": "/health"}});
    Scene::web(vec![Object::new(probed).unwrap()]).tells(
        "Transient",
        &format!("{WEB}it runs, and its readiness probe GET :http/health has not passed yet (Unhealthy)"),
    );
    one(&running(false))
        .tells("Transient", &format!("{WEB}it runs, and its startup probe has not passed yet (Unhealthy)"));
}

#[test]
fn a_probe_is_told_with_what_it_asks() {
    for (probe, told) in [
        (json!({"httpGet": {"port": 8000, "path": "/", "scheme": "HTTPS"}}), "GET :8000/ over TLS"),
        (json!({"tcpSocket": {"port": 5432}}), "of port 5432"),
        (json!({"grpc": {"port": 9000}}), "of gRPC port 9000"),
        (json!({"exec": {"command": ["redis-cli", "ping"]}}), "`redis-cli ping`"),
    ] {
        let status = json!({"phase": "Running", "containerStatuses": [
            {"name": "web", "ready": false, "restartCount": 0, "started": true, "state": {"running": {}}}]});
        let mut value = pod(&status).into_value();
        value["spec"]["containers"][0]["readinessProbe"] = probe;
        Scene::web(vec![Object::new(value).unwrap()]).tells(
            "Transient",
            &format!("{WEB}it runs, and its readiness probe {told} has not passed yet (Unhealthy)"),
        );
    }
}

#[test]
fn an_account_at_a_registry_is_not_told() {
    waits(
        "ErrImagePull",
        "toomanyrequests: You have reached your pull rate limit as 'somebody'",
        "Transient 120s",
        "image `registry.example/web:9` cannot be pulled: the registry gives no more images for now: its limit of \
         pulls is reached (ErrImagePull)",
    );
}

#[test]
fn a_hook_that_fails_is_a_crash() {
    waits(
        "PostStartHookError",
        "exec [warm-up] failed",
        "Crash 60s",
        "its postStart hook fails: exec [warm-up] failed (PostStartHookError)",
    );
}

#[test]
fn an_image_whose_pull_secret_is_not_there_tells_of_that() {
    let pod = pod(&waiting("ErrImagePull", "pull access denied, repository does not exist"));
    let failed = event(
        &pod,
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (regcred, other); attempting to pull the image may not succeed.",
        3,
    );
    let found = Scene::web(vec![pod]).with_event(failed).only();
    assert_eq!(
        found.message,
        "image `registry.example/web:9` cannot be pulled: pull access denied, repository does not exist; its pull \
         secret `regcred` is not there"
    );
    assert_eq!(found.next[0], "kubectl --namespace shop get secret regcred");
    assert!(found.missing.is_some(), "somebody may still make it");
}
