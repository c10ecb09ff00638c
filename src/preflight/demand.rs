//! What pods ask for, counted as the scheduler counts (kubernetes, `component-helpers/resource`,
//! `PodRequests`).

use serde_json::Value;

use super::quantity::{Amounts, Millis, add, amounts};
use crate::object::items;

/// Returns what one pod requests, with `pods: 1`: the containers together, or the greediest init container
/// beside the sidecars started before it; what is limited and not requested counts as requested.
pub(super) fn requests(spec: &Value) -> Amounts {
    let mut sum = Amounts::new();
    for container in items(spec, "containers") {
        add(&mut sum, &of_container(container), 1);
    }
    let mut sidecars = Amounts::new();
    let mut greediest = Amounts::new();
    for container in items(spec, "initContainers") {
        let own = of_container(container);
        let mut at_once = sidecars.clone();
        add(&mut at_once, &own, 1);
        raise(&mut greediest, &at_once);
        if container.get("restartPolicy").is_some_and(|policy| policy == "Always") {
            add(&mut sidecars, &own, 1);
            add(&mut sum, &own, 1);
        }
    }
    raise(&mut sum, &greediest);
    // What is said for the pod as a whole goes before what its containers say (KEP-2837).
    sum.extend(amounts(spec.pointer("/resources/requests")));
    add(&mut sum, &amounts(spec.get("overhead")), 1);
    sum.insert("pods".to_owned(), 1000);
    sum
}

/// Returns what one pod is limited to, where every container has that limit.
pub(super) fn limits(spec: &Value) -> Amounts {
    let mut sum = Amounts::new();
    for container in items(spec, "containers") {
        add(&mut sum, &amounts(container.pointer("/resources/limits")), 1);
    }
    sum
}

fn of_container(container: &Value) -> Amounts {
    let mut own = amounts(container.pointer("/resources/limits"));
    own.extend(amounts(container.pointer("/resources/requests")));
    own
}

fn raise(sum: &mut Amounts, floor: &Amounts) {
    for (name, amount) in floor {
        let slot = sum.entry(name.clone()).or_default();
        *slot = (*slot).max(*amount);
    }
}

/// Returns true when a pod asks for more than a place.
pub(super) fn asks_for_something(spec: &Value) -> bool {
    requests(spec).iter().any(|(name, amount)| name != "pods" && *amount > 0)
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
