//! The sandbox's cluster, as far as the plan is concerned.

use serde_json::Value;

use crate::sandbox::command::{kubectl_in, sandbox};
use crate::sandbox::seen::Seen;

/// The namespace of the plan.
pub(crate) const NAMESPACE: &str = "wesago-ownership";

/// Returns one object, such as `job/migrate`; `None` when it is not there.
pub(crate) fn object(name: &str) -> Seen<Option<Value>> {
    let found = kubectl_in(NAMESPACE, &["get", name, "--ignore-not-found", "--output", "json"])?;
    if found.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&found).map(Some).map_err(|error| format!("kubectl get {name}: {error}"))
}

/// Returns a part of an object that must be there.
pub(crate) fn part(name: &str, pointer: &str) -> Seen<Value> {
    let object = object(name)?.ok_or_else(|| format!("{name} is not there"))?;
    Ok(object.pointer(pointer).cloned().unwrap_or_default())
}

/// Returns the names of the revisions' Secrets.
pub(crate) fn revisions() -> Seen<Vec<String>> {
    let words = ["get", "secrets", "--selector", "wesago/history=ownership", "--output", "name"];
    Ok(kubectl_in(NAMESPACE, &words)?.lines().map(str::to_owned).collect())
}

/// Puts an empty namespace, which is nobody's, in the place of what was there.
pub(crate) fn begin_anew() -> Seen {
    clear_away()?;
    sandbox(&["kubectl", "create", "namespace", NAMESPACE]).map(|_| ())
}

/// Removes the namespace and waits until it is gone.
pub(crate) fn clear_away() -> Seen {
    let words = ["kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout", "180s"];
    sandbox(&words).map(|_| ())
}

/// Returns what a person would look at first when something went wrong.
pub(crate) fn picture() -> String {
    let words =
        ["kubectl", "--namespace", NAMESPACE, "get", "pods,jobs,deployments,secrets", "--output", "wide"];
    sandbox(&words).unwrap_or_else(|error| error)
}
