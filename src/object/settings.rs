//! L0: where the pods of an object read ConfigMaps and Secrets.

use serde_json::Value;

use super::{Object, items};

/// The kind of object a pod reads settings from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl SourceKind {
    /// Returns the kind's name.
    pub fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// One place where a pod reads settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// What is read.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// The key, or all of them.
    pub key: Option<String>,
    /// The pod starts without it.
    pub optional: bool,
    /// The JSON pointer of the name inside the object.
    pub pointer: String,
}

/// Returns every place where the pods of `object` read a ConfigMap or a Secret.
pub fn references(object: &Object) -> Vec<Reference> {
    let Some(pod) = object.pod_spec() else { return Vec::new() };
    let root = match object.kind() {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    let mut found = Vec::new();
    for list in ["initContainers", "containers"] {
        for (at, container) in items(pod, list).enumerate() {
            let here = format!("{root}/{list}/{at}");
            for (at, source) in items(container, "envFrom").enumerate() {
                let here = format!("{here}/envFrom/{at}");
                whole(&mut found, source, "configMapRef", "name", SourceKind::ConfigMap, &here);
                whole(&mut found, source, "secretRef", "name", SourceKind::Secret, &here);
            }
            for (at, variable) in items(container, "env").enumerate() {
                let here = format!("{here}/env/{at}/valueFrom");
                let Some(from) = variable.get("valueFrom") else { continue };
                one_key(&mut found, from, "configMapKeyRef", SourceKind::ConfigMap, &here);
                one_key(&mut found, from, "secretKeyRef", SourceKind::Secret, &here);
            }
        }
    }
    for (at, volume) in items(pod, "volumes").enumerate() {
        let here = format!("{root}/volumes/{at}");
        whole(&mut found, volume, "configMap", "name", SourceKind::ConfigMap, &here);
        whole(&mut found, volume, "secret", "secretName", SourceKind::Secret, &here);
        if let Some(projected) = volume.get("projected") {
            for (at, source) in items(projected, "sources").enumerate() {
                let here = format!("{here}/projected/sources/{at}");
                whole(&mut found, source, "configMap", "name", SourceKind::ConfigMap, &here);
                whole(&mut found, source, "secret", "name", SourceKind::Secret, &here);
            }
        }
    }
    found
}

fn is_optional(source: &Value) -> bool {
    source.get("optional").and_then(Value::as_bool).unwrap_or(false)
}

/// Adds a source read with all its keys, or with those of its `items`.
fn whole(found: &mut Vec<Reference>, holder: &Value, field: &str, name: &str, kind: SourceKind, at: &str) {
    let Some(source) = holder.get(field) else { return };
    let Some(text) = source.get(name).and_then(Value::as_str) else { return };
    let reference = |key: Option<String>, pointer: String| Reference {
        kind,
        name: text.to_owned(),
        key,
        optional: is_optional(source),
        pointer,
    };
    let listed = source.get("items").and_then(Value::as_array);
    match listed.filter(|list| !list.is_empty()) {
        None => found.push(reference(None, format!("{at}/{field}/{name}"))),
        Some(list) => {
            for (index, item) in list.iter().enumerate() {
                if let Some(key) = item.get("key").and_then(Value::as_str) {
                    let pointer = format!("{at}/{field}/items/{index}/key");
                    found.push(reference(Some(key.to_owned()), pointer));
                }
            }
        }
    }
}

/// Adds a source of one environment variable.
fn one_key(found: &mut Vec<Reference>, holder: &Value, field: &str, kind: SourceKind, at: &str) {
    let Some(source) = holder.get(field) else { return };
    let text = |name: &str| source.get(name).and_then(Value::as_str);
    if let (Some(name), Some(key)) = (text("name"), text("key")) {
        found.push(Reference {
            kind,
            name: name.to_owned(),
            key: Some(key.to_owned()),
            optional: is_optional(source),
            pointer: format!("{at}/{field}/key"),
        });
    }
}
