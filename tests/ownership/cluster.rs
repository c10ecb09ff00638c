//! The sandbox's cluster, as far as the plan is concerned.

use serde_json::Value;

use crate::sandbox::command::{kubectl_in, object_in, part_in, remove_namespace, sandbox};
use crate::sandbox::seen::Seen;

/// The namespace of the plan.
pub(crate) const NAMESPACE: &str = "wesago-ownership";

/// Returns one object, such as `job/migrate`; `None` when it is not there.
pub(crate) fn object(name: &str) -> Seen<Option<Value>> {
    object_in(NAMESPACE, name)
}

/// Returns a part of an object that must be there.
pub(crate) fn part(name: &str, pointer: &str) -> Seen<Value> {
    part_in(NAMESPACE, name, pointer)
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
    remove_namespace(NAMESPACE)
}

/// Returns what a person would look at first when something went wrong.
pub(crate) fn picture() -> String {
    let words =
        ["kubectl", "--namespace", NAMESPACE, "get", "pods,jobs,deployments,secrets", "--output", "wide"];
    sandbox(&words).unwrap_or_else(|error| error)
}
