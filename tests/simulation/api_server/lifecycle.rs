//! What the server itself does to an object on its way in: defaults, counters, protections, and the fields
//! that cannot change.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::kinds::Kind;
use super::store::Store;

/// Fills in what the server gives every new object.
pub(crate) fn born(store: &mut Store, kind: &Kind, object: &mut Value) {
    let id = store.fresh_id();
    let now = store.now().to_string();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.insert("uid".into(), format!("00000000-0000-4000-8000-{id:012x}").into());
    metadata.insert("creationTimestamp".into(), now.into());
    if kind.generation {
        metadata.insert("generation".into(), 1.into());
    }
    match kind.kind.as_str() {
        "Namespace" if kind.group.is_empty() => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        "PersistentVolumeClaim" => {
            object["metadata"]["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
            object["status"] = json!({"phase": "Pending"});
        }
        "CustomResourceDefinition" => {
            object["metadata"]["finalizers"] = json!(["customresourcecleanup.apiextensions.k8s.io"]);
        }
        "Service" if kind.group.is_empty() => {
            let headless = object["spec"]["clusterIP"] == "None";
            if !headless && object["spec"]["type"] != "ExternalName" {
                object["spec"]["clusterIP"] = format!("198.18.{}.{}", id / 250 % 250, id % 250 + 1).into();
            }
            object["status"] = json!({"loadBalancer": {}});
        }
        _ => {}
    }
    defaults(kind, object);
}

/// Fills in what the schema gives when a field is left out.
pub(crate) fn defaults(kind: &Kind, object: &mut Value) {
    let mut default = |pointer: &str, field: &str, value: Value| {
        if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
            map.entry(field).or_insert(value);
        }
    };
    match kind.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => default("/spec", "replicas", 1.into()),
        "Job" => {
            default("/spec", "backoffLimit", 6.into());
            default("/spec", "completions", 1.into());
            default("/spec", "parallelism", 1.into());
            default("/spec", "suspend", false.into());
        }
        "Service" if kind.group.is_empty() => default("/spec", "type", "ClusterIP".into()),
        "Secret" => default("", "type", "Opaque".into()),
        _ => {}
    }
    for list in ["/spec/template/spec/containers", "/spec/ports"] {
        for item in object.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let ports = if list == "/spec/ports" { Some(item) } else { item.get_mut("ports") };
            let each: Vec<&mut Value> = match ports {
                Some(Value::Array(ports)) => ports.iter_mut().collect(),
                Some(port @ Value::Object(_)) => vec![port],
                _ => Vec::new(),
            };
            for port in each {
                if let Some(port) = port.as_object_mut() {
                    port.entry("protocol").or_insert_with(|| "TCP".into());
                }
            }
        }
    }
}

/// Returns true when the two differ in what `metadata.generation` counts.
pub(crate) fn desired_differs(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        let root = object.as_object_mut().unwrap();
        root.shift_remove("metadata");
        root.shift_remove("status");
        object
    };
    rest(old) != rest(new)
}

/// Refuses a change of a field that cannot change.
pub(crate) fn check_immutable(kind: &Kind, name: &str, old: &Value, new: &Value) -> Result<(), Refusal> {
    const IMMUTABLE: &str = "field is immutable";
    const CLAIM: &str = "Forbidden: spec is immutable after creation except resources.requests";
    let differs = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    let fields: &[(&str, &str)] = match kind.kind.as_str() {
        "Job" => &[("/spec/template", IMMUTABLE), ("/spec/completions", IMMUTABLE)],
        "Deployment" | "DaemonSet" | "ReplicaSet" => &[("/spec/selector", IMMUTABLE)],
        "StatefulSet" => &[
            (
                "/spec/selector",
                "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            ),
            (
                "/spec/serviceName",
                "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            ),
            (
                "/spec/volumeClaimTemplates",
                "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            ),
        ],
        "PersistentVolumeClaim" => &[("/spec/accessModes", CLAIM), ("/spec/storageClassName", CLAIM)],
        "RoleBinding" => &[("/roleRef", "cannot change roleRef")],
        "Service" if old.pointer("/spec/clusterIP").is_some() => {
            &[("/spec/clusterIP", "may not change once set")]
        }
        "ConfigMap" | "Secret" if old["immutable"] == true => &[
            ("/data", "field is immutable when `immutable` is set"),
            ("/immutable", "field is immutable when `immutable` is set"),
        ],
        _ => &[],
    };
    match fields.iter().find(|(pointer, _)| differs(pointer)) {
        Some((pointer, says)) => {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            Err(Refusal::immutable(kind, name, &field, says))
        }
        None => Ok(()),
    }
}
