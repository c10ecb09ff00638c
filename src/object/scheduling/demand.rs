//! What pods ask for, counted as the scheduler counts (kubernetes, `component-helpers/resource`,
//! `PodRequests`).

use serde_json::Value;

use super::super::items;
use super::amounts::{Amounts, add, amounts};

/// Returns what one pod requests, with `pods: 1`: the containers together, or the greediest init container
/// beside the sidecars started before it; what is limited and not requested counts as requested.
pub(crate) fn requests(spec: &Value) -> Amounts {
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
pub(crate) fn asks_for_something(spec: &Value) -> bool {
    requests(spec).iter().any(|(name, amount)| name != "pods" && *amount > 0)
}
