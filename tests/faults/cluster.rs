//! The sandbox's cluster, as far as faults are concerned: what a plan owns there, and its end.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::command::{kubectl_in, remove_namespace, sandbox};
use crate::sandbox::seen::Seen;

/// The label of everything a plan owns.
const OURS: &str = "applyset.kubernetes.io/part-of";

/// Returns one object of a namespace, such as `job/migrate`; `None` when it is not there.
pub(crate) use crate::sandbox::command::object_in as object;

/// Returns the Jobs of a plan's set in a namespace.
pub(crate) fn jobs(namespace: &str) -> Seen<Vec<Value>> {
    members(namespace, "jobs")
}

/// Returns the objects of some kinds that carry the label of a plan's set.
fn members(namespace: &str, kinds: &str) -> Seen<Vec<Value>> {
    let found = kubectl_in(namespace, &["get", kinds, "--selector", OURS, "--output", "json"])?;
    let mut found: Value = serde_json::from_str(&found).map_err(|error| format!("kubectl get: {error}"))?;
    match found["items"].take() {
        Value::Array(items) => Ok(items),
        other => Err(format!("kubectl get: no list but {other}")),
    }
}

/// Returns the uid of everything in a namespace that carries the label of a plan's set, by `Kind/name`.
pub(crate) fn owned(namespace: &str) -> Seen<BTreeMap<String, String>> {
    let listed = ["api-resources", "--verbs=list", "--namespaced", "--output", "name"];
    let kinds = kubectl_in(namespace, &listed)?;
    // Those of a Service carry its labels (controller/endpointslice); events come and go by themselves.
    let is_owned = |kind: &&str| !kind.starts_with("events") && !kind.starts_with("endpoint");
    let kinds: Vec<&str> = kinds.lines().filter(is_owned).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |object: &Value| {
        let metadata = &object["metadata"];
        (format!("{}/{}", text(&object["kind"]), text(&metadata["name"])), text(&metadata["uid"]))
    };
    Ok(members(namespace, &kinds.join(","))?.iter().map(entry).collect())
}

/// Removes a namespace and waits until it is gone. Its pods get no time for a farewell: a worker that is told to
/// end while it starts takes all that it is given.
pub(crate) fn clear_away(namespace: &str) -> Seen {
    sandbox(&["kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--wait=false"])?;
    kubectl_in(namespace, &["delete", "pods", "--all", "--grace-period", "1", "--wait=false"])?;
    remove_namespace(namespace)
}

/// Returns what a person would look at first when something went wrong.
pub(crate) fn picture() -> String {
    let words = ["kubectl", "get", "pods,jobs,deployments,leases", "--all-namespaces", "--output", "wide"];
    sandbox(&words).unwrap_or_else(|error| error)
}
