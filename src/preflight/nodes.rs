//! Which nodes take a pod, by what they say of themselves: cordon, taints, labels, what they can give.

use serde_json::Value;

use super::quantity::{Amounts, amounts};
use crate::object::{Object, items};

/// Why a node takes no pod of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// Its labels are not those asked for.
    Labels,
    /// It has a taint that is not tolerated, put there by a person.
    Taint,
    /// It is cordoned, or in trouble: this may pass.
    Now,
}

/// Returns why a node takes no pod with this specification; `None` when it does, if there is room.
pub(super) fn refusal(node: &Object, spec: &Value) -> Option<Refusal> {
    if !has_labels(node, spec) || !has_affinity(node, spec) {
        return Some(Refusal::Labels);
    }
    let node_spec = node.get("/spec").unwrap_or(&Value::Null);
    let open = items(node_spec, "taints")
        .filter(|taint| matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute")))
        .filter(|taint| !items(spec, "tolerations").any(|toleration| tolerates(toleration, taint)));
    let mut worst = None;
    for taint in open {
        // The node controller's own taints come and go (`node.kubernetes.io/not-ready` and its like).
        let key = taint["key"].as_str().unwrap_or_default();
        let passes =
            key.starts_with("node.kubernetes.io/") || key.starts_with("node.cloudprovider.kubernetes.io/");
        worst = Some(if passes && worst != Some(Refusal::Taint) { Refusal::Now } else { Refusal::Taint });
    }
    let is_cordoned = node_spec["unschedulable"] == true;
    worst.or(is_cordoned.then_some(Refusal::Now))
}

/// Returns true when a node takes pods that ask for nothing special.
pub(super) fn is_open(node: &Object) -> bool {
    refusal(node, &Value::Null).is_none()
}

/// Returns what a node can give to pods.
pub(super) fn allocatable(node: &Object) -> Amounts {
    amounts(node.get("/status/allocatable"))
}

/// Returns true when somebody may add nodes as they are needed: these have a cloud provider. k3s and kind
/// name one of their own, which has no more machines.
pub(super) fn may_grow(nodes: &[Object]) -> bool {
    nodes.iter().any(|node| {
        let provider = node.text("/spec/providerID").split(':').next().unwrap_or_default();
        !matches!(provider, "" | "k3s" | "kind")
    })
}

fn has_labels(node: &Object, spec: &Value) -> bool {
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    selector.into_iter().flatten().all(|(key, value)| node.label(key) == value.as_str())
}

/// Returns true when one of the required terms holds; within a term all expressions must.
fn has_affinity(node: &Object, spec: &Value) -> bool {
    let required = spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    let Some(required) = required else { return true };
    let holds = |term: &Value| {
        let mut expressions = items(term, "matchExpressions").peekable();
        let mut fields = items(term, "matchFields").peekable();
        // A term without requirements selects nothing.
        (expressions.peek().is_some() || fields.peek().is_some())
            && expressions.all(|one| matches(one, one["key"].as_str().and_then(|key| node.label(key))))
            && fields.all(|one| matches(one, Some(node.name())))
    };
    items(required, "nodeSelectorTerms").any(holds)
}

fn matches(expression: &Value, value: Option<&str>) -> bool {
    let among = |value: &str| items(expression, "values").any(|one| *one == *value);
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = items(expression, "values").next().and_then(Value::as_str).and_then(number);
    let compared = value.and_then(number).zip(bound);
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => value.is_some_and(among),
        "NotIn" => value.is_none_or(|value| !among(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared.is_some_and(|(value, bound)| value > bound),
        "Lt" => compared.is_some_and(|(value, bound)| value < bound),
        // The server refuses any other.
        _ => true,
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (effect, key) = (text(toleration, "effect"), text(toleration, "key"));
    let same_effect = effect.is_empty() || effect == text(taint, "effect");
    let exists = text(toleration, "operator") == "Exists";
    let same_key = key == text(taint, "key") || (key.is_empty() && exists);
    same_effect && same_key && (exists || text(toleration, "value") == text(taint, "value"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Refusal, is_open, may_grow, refusal};
    use crate::object::Object;

    fn node(spec: &Value) -> Object {
        Object::new(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "a", "labels": {"disk": "ssd", "cores": "8"}}, "spec": spec,
        }))
        .unwrap()
    }

    fn affinity(key: &str, operator: &str, values: &Value) -> Value {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}],
        }}}})
    }

    #[test]
    fn labels_and_affinity_choose_nodes() {
        let open = node(&json!({}));
        let taken = |spec: &Value| refusal(&open, spec).is_none();
        assert!(taken(&json!({"nodeSelector": {"disk": "ssd"}})));
        assert_eq!(refusal(&open, &json!({"nodeSelector": {"disk": "hdd"}})), Some(Refusal::Labels));
        assert!(taken(&affinity("disk", "In", &json!(["hdd", "ssd"]))));
        assert!(!taken(&affinity("disk", "NotIn", &json!(["ssd"]))));
        assert!(taken(&affinity("gpu", "DoesNotExist", &json!([]))));
        assert!(!taken(&affinity("gpu", "Exists", &json!([]))));
        assert!(taken(&affinity("cores", "Gt", &json!(["4"]))));
        assert!(!taken(&affinity("cores", "Lt", &json!(["4"]))));
    }

    #[test]
    fn taints_keep_away_who_does_not_tolerate_them() {
        let taint = json!({"key": "role", "value": "db", "effect": "NoSchedule"});
        let tainted = node(&json!({"taints": [taint]}));
        assert_eq!(refusal(&tainted, &json!({})), Some(Refusal::Taint));
        for toleration in [
            json!({"key": "role", "operator": "Equal", "value": "db", "effect": "NoSchedule"}),
            json!({"key": "role", "operator": "Exists"}),
            json!({"operator": "Exists"}),
            json!({"key": "role", "value": "db"}),
        ] {
            assert_eq!(refusal(&tainted, &json!({"tolerations": [toleration]})), None);
        }
        let other = json!({"tolerations": [{"key": "role", "operator": "Equal", "value": "web"}]});
        assert_eq!(refusal(&tainted, &other), Some(Refusal::Taint));
        assert!(is_open(&node(&json!({"taints": [{"key": "x", "effect": "PreferNoSchedule"}]}))));
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let passing = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
        let staying = json!({"key": "role", "effect": "NoSchedule"});
        assert_eq!(refusal(&node(&json!({"unschedulable": true})), &json!({})), Some(Refusal::Now));
        assert_eq!(refusal(&node(&json!({"taints": [passing.clone()]})), &json!({})), Some(Refusal::Now));
        for taints in [json!([passing.clone(), staying.clone()]), json!([staying, passing])] {
            assert_eq!(refusal(&node(&json!({"taints": taints})), &json!({})), Some(Refusal::Taint));
        }
    }

    #[test]
    fn only_a_cloud_brings_more_nodes() {
        for (provider, grows) in
            [("", false), ("k3s://a", false), ("kind://x/y/z", false), ("aws:///eu/i-1", true)]
        {
            assert_eq!(may_grow(&[node(&json!({"providerID": provider}))]), grows, "{provider}");
        }
    }
}
