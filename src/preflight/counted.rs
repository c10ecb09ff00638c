//! What a namespace's quota counts of pods and claims (kubernetes, `pkg/quota/v1/evaluator/core`).

use serde_json::Value;

use crate::object::items;
use crate::object::scheduling::{Amounts, Millis, add, amounts, requests};

/// Returns what one pod is limited to, where every container has that limit.
pub(super) fn limits(spec: &Value) -> Amounts {
    let mut sum = Amounts::new();
    for container in items(spec, "containers") {
        add(&mut sum, &amounts(container.pointer("/resources/limits")), 1);
    }
    sum
}

/// Returns what a namespace's quota counts for one pod of a workload: `requests.cpu` and `cpu` are one.
pub(super) fn counted(spec: &Value) -> Amounts {
    let mut counted = Amounts::new();
    for (name, amount) in requests(spec) {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            counted.insert(name.clone(), amount);
        }
        let key = if name == "pods" { name } else { format!("requests.{name}") };
        counted.insert(key, amount);
    }
    for (name, amount) in limits(spec) {
        counted.insert(format!("limits.{name}"), amount);
    }
    counted.insert("count/pods".to_owned(), 1000);
    counted
}

/// Returns what a claim asks a quota for: `persistentvolumeclaims`, `requests.storage`, and both of its
/// class.
pub(super) fn of_claim(spec: &Value) -> Amounts {
    let storage: Millis =
        amounts(spec.pointer("/resources/requests")).get("storage").copied().unwrap_or_default();
    let mut counted: Amounts =
        [("persistentvolumeclaims".to_owned(), 1000), ("requests.storage".to_owned(), storage)].into();
    if let Some(class) = spec.get("storageClassName").and_then(Value::as_str) {
        let prefix = format!("{class}.storageclass.storage.k8s.io");
        counted.insert(format!("{prefix}/persistentvolumeclaims"), 1000);
        counted.insert(format!("{prefix}/requests.storage"), storage);
    }
    counted
}
