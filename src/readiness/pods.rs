//! Pods that belong to no controller.

use serde_json::Value;

use super::Assessment;
use super::facts::Subject;
use super::words::{explained, so_many};
use crate::object::condition::explanation;

/// Returns the answer for a bare Pod, by phase (API docs "Pod lifecycle"). One that may end
/// (`restartPolicy` `Never` or `OnFailure`) is a task and must succeed; one that restarts must be ready.
/// Nobody replaces a failed one, so Failed is the end (kstatus takes it for done).
pub(super) fn pod(subject: &Subject<'_>) -> Assessment {
    let object = subject.object;
    match object.text("/status/phase") {
        "Succeeded" => Assessment::current(),
        "Failed" => Assessment::failed(explained("the pod failed", why_failed(subject))),
        "Running" if !matches!(object.text("/spec/restartPolicy"), "Never" | "OnFailure") => running(subject),
        "Running" => Assessment::in_progress("running, waiting for it to succeed"),
        "Unknown" => Assessment::in_progress("its node does not answer"),
        "Pending" => Assessment::in_progress(pending(subject)),
        _ => Assessment::in_progress("not seen by a scheduler yet"),
    }
}

fn running(subject: &Subject<'_>) -> Assessment {
    if subject.condition_true("Ready").is_some() {
        return Assessment::current();
    }
    let (ready, total) = containers_ready(subject);
    Assessment::in_progress(so_many(ready, total, "container", "ready"))
}

fn pending(subject: &Subject<'_>) -> String {
    match subject.condition("PodScheduled").filter(|condition| condition.is_false()) {
        Some(scheduled) => explained("not scheduled", scheduled.explanation()),
        None => explained("pending", first_container(subject, "waiting")),
    }
}

fn why_failed(subject: &Subject<'_>) -> Option<String> {
    let object = subject.object;
    explanation(object.text("/status/reason"), object.text("/status/message"))
        .or_else(|| first_container(subject, "terminated"))
}

fn statuses<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| subject.object.get(pointer)?.as_array())
        .flatten()
}

/// Returns what the first container in this state tells, leaving those out that ended well.
fn first_container(subject: &Subject<'_>, state: &str) -> Option<String> {
    statuses(subject).find_map(|status| {
        let state = status.get("state")?.get(state)?;
        let text = |field: &str| state.get(field).and_then(Value::as_str).unwrap_or_default();
        let code = state.get("exitCode").and_then(Value::as_i64);
        let name = status.get("name").and_then(Value::as_str).unwrap_or("?");
        match code {
            Some(0) => None,
            Some(code) => Some(format!("container {name} exited with code {code} ({})", text("reason"))),
            None => {
                explanation(text("reason"), text("message")).map(|why| format!("container {name}: {why}"))
            }
        }
    })
}

fn containers_ready(subject: &Subject<'_>) -> (i64, i64) {
    let length = |pointer: &str| {
        let list = subject.object.get(pointer).and_then(Value::as_array);
        list.map_or(0, |list| i64::try_from(list.len()).unwrap_or(i64::MAX))
    };
    let ready = subject
        .object
        .get("/status/containerStatuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|status| status.get("ready") == Some(&Value::Bool(true)))
        .count();
    (i64::try_from(ready).unwrap_or(i64::MAX), length("/spec/containers"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{Case, object};

    fn pod(body: Value) -> Case {
        Case::new(object("v1", "Pod", body))
    }

    #[test]
    fn a_restarting_pod_must_be_ready() {
        let with = |ready: &str| {
            pod(json!({
                "spec": {"restartPolicy": "Always", "containers": [{"name": "a"}, {"name": "b"}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
                    "containerStatuses": [{"name": "a", "ready": true}, {"name": "b", "ready": false}]},
            }))
        };
        with("True").is("current");
        with("False").is("in progress: 1 of 2 containers are ready");
    }

    #[test]
    fn a_task_must_succeed() {
        let task = |phase: &str| {
            pod(json!({"spec": {"restartPolicy": "Never"},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}}))
        };
        task("Running").is("in progress: running, waiting for it to succeed");
        task("Succeeded").is("current");
        task("Failed").is("failed: the pod failed");
        task("Unknown").is("in progress: its node does not answer");
        task("").is("in progress: not seen by a scheduler yet");
    }

    #[test]
    fn a_failed_pod_tells_why() {
        pod(json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}}))
            .is("failed: the pod failed: The node was low on memory (Evicted)");
        pod(json!({"status": {"phase": "Failed", "containerStatuses": [
            {"name": "sidecar", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
            {"name": "web", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}},
        ]}}))
        .is("failed: the pod failed: container web exited with code 3 (Error)");
    }

    #[test]
    fn a_pending_pod_tells_what_it_waits_for() {
        pod(json!({"status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
             "message": "0/1 nodes are available: 1 Insufficient cpu."}]}}))
        .is("in progress: not scheduled: 0/1 nodes are available: 1 Insufficient cpu (Unschedulable)");
        pod(json!({"status": {"phase": "Pending", "containerStatuses": [
            {"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}]}}))
        .is("in progress: pending: container web: ContainerCreating");
        pod(json!({"status": {"phase": "Pending"}})).is("in progress: pending");
    }
}
