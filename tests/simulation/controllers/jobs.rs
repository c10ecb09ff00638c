//! Jobs and their pods: a Job makes one pod, the pod's program runs, writes lines, and ends; then the Job is at
//! its end, too. The program of an image named `broken` fails. A Job that is to live for no second after its
//! end goes in the very step that ends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Step;
use crate::api_server::{DeleteOptions, Key};

/// Brings a Job one step further: its pod is made, runs and ends, then it has succeeded, then it is complete.
pub(super) fn job(step: &mut Step<'_>) {
    let now = step.store.now().to_string();
    let status = step.object["status"].clone();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let has = |kind: &str| {
        status["conditions"].as_array().into_iter().flatten().any(|condition| condition["type"] == kind)
    };
    let phase = pod_phase(step);
    let mut next = status.clone();
    if status["startTime"].is_null() {
        make_pod(step);
        next = json!({"startTime": now, "active": 1});
    } else if status["active"] == 1 {
        match phase.as_deref() {
            Some("Succeeded") => {
                next["active"] = 0.into();
                next["succeeded"] = 1.into();
                next["conditions"] = json!([condition("SuccessCriteriaMet")]);
            }
            Some("Failed") => {
                next["failed"] = 1.into();
                next["active"] = 0.into();
                next["conditions"] = json!([condition("FailureTarget")]);
            }
            Some(_) => {}
            // Somebody deleted it: another one takes its place.
            None => make_pod(step),
        }
    } else if has("FailureTarget") && !has("Failed") {
        next["conditions"] = json!([condition("FailureTarget"), condition("Failed")]);
    } else if has("SuccessCriteriaMet") && !has("Complete") {
        next["completionTime"] = now.clone().into();
        next["conditions"] = json!([condition("SuccessCriteriaMet"), condition("Complete")]);
    }
    step.set_status(&next);
    let is_over = next["completionTime"].is_string();
    if is_over && step.object["spec"]["ttlSecondsAfterFinished"] == 0 {
        let kind = step.store.kind_of(step.key);
        let options = DeleteOptions { propagation: Some("Background".into()), ..DeleteOptions::default() };
        step.store.delete(Step::AGENT, &kind, step.key, &options).unwrap();
    }
}

/// Returns the phase of the Job's pod.
fn pod_phase(step: &Step<'_>) -> Option<String> {
    let uid = &step.object["metadata"]["uid"];
    let pods = step.store.objects.iter().filter(|(key, _)| key.kind == "Pod");
    let of_job = |object: &Value| object["metadata"]["ownerReferences"][0]["uid"] == *uid;
    let mut found = pods.filter(|(_, stored)| of_job(&stored.object));
    found.next().map(|(_, stored)| stored.object["status"]["phase"].as_str().unwrap_or("Pending").to_owned())
}

fn make_pod(step: &mut Step<'_>) {
    let name = format!("{}-{}", step.key.name, step.store.fresh_id());
    let namespace = step.key.namespace.clone();
    let metadata = json!({
        "name": name, "namespace": namespace, "labels": step.object["spec"]["template"]["metadata"]["labels"],
        "ownerReferences": [{
            "apiVersion": "batch/v1", "kind": "Job", "name": step.key.name,
            "uid": step.object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
        }],
    });
    let spec = &step.object["spec"]["template"]["spec"];
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    let key = Key { group: String::new(), kind: "Pod".into(), namespace, name };
    let kind = step.store.kind_of(&key);
    // Refused while its namespace ends: then nobody needs it.
    let _refused = step.store.create(&Step::writer(), &kind, &key, pod);
}

/// Brings a pod of a Job one step further, as its kubelet would: its program begins, then it ends.
pub(super) fn pod(step: &mut Step<'_>) {
    // Other pods stand as a test has put them.
    if step.object["metadata"]["ownerReferences"][0]["kind"] != "Job" {
        return;
    }
    let now = step.store.now().to_string();
    let phase = step.object["status"]["phase"].as_str().unwrap_or("Pending").to_owned();
    let broken = step.object["spec"]["containers"][0]["image"] == "broken";
    let name = step.object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let container = |state: Value, ready: bool| {
        let container = &step.object["spec"]["containers"][0];
        let (name, image) = (&container["name"], &container["image"]);
        json!([{"name": name, "image": image, "restartCount": 0, "ready": ready, "state": state}])
    };
    match phase.as_str() {
        "Pending" => {
            let state = json!({"running": {"startedAt": now}});
            let status = json!({"phase": "Running", "containerStatuses": container(state, true)});
            let mut lines = vec![format!("{name} begins"), "\u{1b}[32mwith a colour\u{1b}[0m".to_owned()];
            lines.extend(password(step).map(|password| format!("connects as app:{password}@db")));
            step.store.write_log(&step.object, &lines);
            step.set_status(&status);
        }
        "Running" => {
            let (end, code) = if broken { ("Failed", 1) } else { ("Succeeded", 0) };
            let state = json!({"terminated": {"exitCode": code, "reason": "Completed", "finishedAt": now}});
            let status = json!({"phase": end, "containerStatuses": container(state, false)});
            let lines: Vec<String> = (1..=3).map(|number| format!("{name} does {number} of 3")).collect();
            step.store.write_log(&step.object, &lines);
            let last = if broken { "gives up" } else { "is done" };
            step.store.write_log(&step.object, &[format!("{name} {last}")]);
            step.store.end_log(&step.object);
            step.set_status(&status);
        }
        _ => {}
    }
}

/// Returns the value of the variable that a pod reads from a Secret.
fn password(step: &Step<'_>) -> Option<String> {
    let variables = step.object["spec"]["containers"][0]["env"].as_array()?;
    let reference = variables.iter().find_map(|variable| variable.pointer("/valueFrom/secretKeyRef"))?;
    let key = Key {
        group: String::new(),
        kind: "Secret".into(),
        namespace: step.key.namespace.clone(),
        name: reference["name"].as_str()?.to_owned(),
    };
    let encoded = step.store.objects.get(&key)?.object["data"][reference["key"].as_str()?].as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}
