//! The forum on the sandbox's cluster, seen from outside with kubectl: objects, and programs run inside pods.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::sandbox::command::kubectl_in;
use crate::sandbox::seen::Seen;

/// The namespace of the forum.
pub(crate) const NAMESPACE: &str = "gic-wesago";

/// Runs kubectl in the forum's namespace.
pub(crate) fn kubectl(arguments: &[&str]) -> Seen<String> {
    kubectl_in(NAMESPACE, arguments)
}

/// Returns what `kubectl get … -o json` prints.
pub(crate) fn get(arguments: &[&str]) -> Seen<Value> {
    let text = kubectl(&[&["get", "--output", "json"], arguments].concat())?;
    serde_json::from_str(&text).map_err(|error| format!("kubectl get {arguments:?}: {error}"))
}

/// Returns the objects of `kubectl get … -o json`; none when there are none.
pub(crate) fn list(arguments: &[&str]) -> Seen<Vec<Value>> {
    let mut found = get(arguments)?;
    match found["items"].take() {
        Value::Array(items) => Ok(items),
        _ => Err(format!("kubectl get {arguments:?}: no list")),
    }
}

/// Runs a shell line inside a pod's main container and returns what it prints.
pub(crate) fn inside(pod: &str, line: &str) -> Seen<String> {
    let output = kubectl(&["exec", pod, "--", "sh", "-c", line])?;
    Ok(output.trim().to_owned())
}

/// Returns true when the forum's namespace is there.
pub(crate) fn namespace_exists() -> Seen<bool> {
    let found = kubectl(&["get", "namespace", NAMESPACE, "--ignore-not-found", "--output", "name"])?;
    Ok(!found.trim().is_empty())
}

/// Returns the values of a Secret by key.
pub(crate) fn secret(name: &str) -> Seen<BTreeMap<String, String>> {
    let secret = get(&["secret", name])?;
    let data = secret["data"].as_object().ok_or_else(|| format!("Secret {name} is empty"))?;
    let decode = |(key, value): (&String, &Value)| {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
        Ok((key.clone(), String::from_utf8(bytes).map_err(|error| error.to_string())?))
    };
    data.iter().map(decode).collect()
}

/// What tells one state of an object from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// One life of the object.
    pub(crate) uid: String,
    /// One state of it.
    pub(crate) resource_version: String,
}

/// Returns the stamp of every object in the forum's namespace, of every kind that can be listed, by
/// `Kind/name`; events are left out, they come and go by themselves.
pub(crate) fn everything() -> Seen<BTreeMap<String, Stamp>> {
    let kinds = kubectl(&["api-resources", "--verbs=list", "--namespaced", "--output", "name"])?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let objects = list(&[&kinds.join(",")])?;
    Ok(objects.iter().map(|object| (name_of(object), stamp_of(object))).collect())
}

/// Returns the stamp of every object that carries the label of wesago's set, by `Kind/name`.
pub(crate) fn owned() -> Seen<BTreeMap<String, Stamp>> {
    let kinds = "configmaps,secrets,services,persistentvolumeclaims,deployments,statefulsets,jobs,ingresses";
    let objects = list(&[kinds, "--selector", "applyset.kubernetes.io/part-of"])?;
    Ok(objects.iter().map(|object| (name_of(object), stamp_of(object))).collect())
}

fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn stamp_of(object: &Value) -> Stamp {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    Stamp { uid: text("uid"), resource_version: text("resourceVersion") }
}

/// Returns the uid of every pod of the forum that is not a Job's and not about to end, with the value of its
/// `app.kubernetes.io/name`.
pub(crate) fn service_pods() -> Seen<BTreeMap<String, String>> {
    let pods = list(&["pods", "--selector", "!batch.kubernetes.io/job-name"])?;
    let lives = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = pods.iter().filter(lives).map(|pod| &pod["metadata"]);
    Ok(metadata.map(|pod| (text(&pod["uid"]), text(&pod["labels"]["app.kubernetes.io/name"]))).collect())
}

/// Returns the names of the persistent volumes that belong to claims of the forum's namespace.
pub(crate) fn volumes() -> Seen<BTreeSet<String>> {
    let volumes = list(&["persistentvolumes"])?;
    let ours = |volume: &&Value| volume["spec"]["claimRef"]["namespace"] == NAMESPACE;
    Ok(volumes.iter().filter(ours).map(name_of).collect())
}

/// Returns the memory that the running pods of the forum's namespace work with, in MiB, by the name of what
/// they belong to, as their kubelets measure it; `Err` inside while a pod is not measured yet.
pub(crate) fn memory() -> Seen<Result<BTreeMap<String, u64>, String>> {
    let mut measured = BTreeMap::new();
    for node in list(&["nodes"])? {
        let node = node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let summary = kubectl(&["get", "--raw", &format!("/api/v1/nodes/{node}/proxy/stats/summary")])?;
        let summary: Value =
            serde_json::from_str(&summary).map_err(|error| format!("kubelet of {node}: {error}"))?;
        for pod in summary["pods"].as_array().into_iter().flatten() {
            let uid = pod["podRef"]["uid"].as_str().unwrap_or_default().to_owned();
            measured.insert(uid, pod["memory"]["workingSetBytes"].as_u64().unwrap_or(0) >> 20);
        }
    }
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    for pod in list(&["pods", "--field-selector", "status.phase=Running"])? {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        match measured.get(pod["metadata"]["uid"].as_str().unwrap_or_default()) {
            None | Some(0) => return Ok(Err(format!("pod {name} is not measured"))),
            Some(mib) => {
                let owner = name.split('-').next().unwrap_or_default().to_owned();
                *used.entry(owner).or_default() += mib;
            }
        }
    }
    Ok(Ok(used))
}

/// Returns what a person would look at first when something went wrong. Holds no secret value.
pub(crate) fn picture() -> String {
    let views: [&[&str]; 2] = [
        &["get", "pods,jobs,deployments,statefulsets,persistentvolumeclaims", "--output", "wide"],
        &["get", "events", "--sort-by=.lastTimestamp", "--field-selector=type!=Normal"],
    ];
    let view = |arguments: &&[&str]| {
        let seen = kubectl(arguments).unwrap_or_else(|error| error);
        let last: Vec<&str> = seen.lines().rev().take(60).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("kubectl {}:\n{}\n", arguments.join(" "), last.join("\n"))
    };
    views.iter().map(view).collect()
}
