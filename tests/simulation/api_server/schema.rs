//! What the API's types say about merging (`x-kubernetes-list-type`, `-list-map-keys`, `-map-type`), for
//! the fields of the kinds we use, told by the names on the way to a field.

use serde_json::{Map, Value};

/// How a value is merged and owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One owner for the whole value.
    Atomic,
    /// A mapping, field by field.
    Granular,
    /// A list of mappings told apart by these keys.
    Keyed(&'static [&'static str]),
    /// A list of values, each once.
    Set,
}

/// Returns the shape of `value`, found under the field names of `path` (list items add none).
pub(crate) fn shape(path: &[&str], value: &Value) -> Shape {
    let last = path.last().copied().unwrap_or_default();
    match value {
        Value::Object(_)
            if matches!(
                last,
                "selector" | "nodeSelector" | "roleRef" | "secretKeyRef" | "configMapKeyRef" | "fieldRef"
            ) =>
        {
            Shape::Atomic
        }
        Value::Object(_) => Shape::Granular,
        Value::Array(_) => list_shape(path, last),
        _ => Shape::Atomic,
    }
}

fn list_shape(path: &[&str], last: &str) -> Shape {
    match last {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => Shape::Keyed(&["name"]),
        "ports" if path.contains(&"containers") => Shape::Keyed(&["containerPort", "protocol"]),
        "ports" if path == ["spec", "ports"] => Shape::Keyed(&["port", "protocol"]),
        "volumeMounts" => Shape::Keyed(&["mountPath"]),
        "conditions" => Shape::Keyed(&["type"]),
        "ownerReferences" => Shape::Keyed(&["uid"]),
        "finalizers" => Shape::Set,
        _ => Shape::Atomic,
    }
}

/// Returns an item's place in `fieldsV1`, such as `k:{"name":"web"}`; keys that are left out have their
/// default.
pub(crate) fn key_of(item: &Value, keys: &[&str]) -> String {
    let mut found = Map::new();
    for key in keys {
        let value = match &item[*key] {
            Value::Null if *key == "protocol" => "TCP".into(),
            value => value.clone(),
        };
        found.insert((*key).to_owned(), value);
    }
    format!("k:{}", Value::Object(found))
}
