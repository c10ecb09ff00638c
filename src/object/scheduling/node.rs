//! Which nodes take a pod, by what they say of themselves: cordon, taints, labels, what they can give.

use std::fmt;

use serde_json::Value;

use super::super::{Object, items};
use super::amounts::{Amounts, amounts};

/// Taints that come and go with the state of a node (well-known labels, annotations and taints); a name that
/// ends with a slash stands for all under it.
const PASSING_TAINTS: [&str; 12] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/out-of-service",
    "node.cloudprovider.kubernetes.io/",
    "node.cilium.io/agent-not-ready",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
];

/// Where the nodes of clusters without a cloud behind them are from (`spec.providerID`).
const FIXED_PROVIDERS: [&str; 3] = ["k3s", "kind", "minikube"];

/// Why a node takes no pod of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// Its labels are not those asked for.
    Labels,
    /// It has a taint that is not tolerated, put there by a person.
    Taint,
    /// It is cordoned, or in trouble: this may pass.
    Now,
}

/// A taint that keeps new pods away (API docs, Taints and Tolerations).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taint<'a> {
    key: &'a str,
    value: &'a str,
    effect: &'a str,
}

impl<'a> Taint<'a> {
    /// Returns the taint in an entry of `spec.taints`, unless it only advises.
    fn of(entry: &'a Value) -> Option<Self> {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let taint = Self { key: text("key"), value: text("value"), effect: text("effect") };
        matches!(taint.effect, "NoSchedule" | "NoExecute").then_some(taint)
    }

    fn is_tolerated_by(self, toleration: &Value) -> bool {
        let text = |field: &str| toleration[field].as_str().unwrap_or_default();
        let exists = text("operator") == "Exists";
        (text("effect").is_empty() || text("effect") == self.effect)
            && (text("key") == self.key || (text("key").is_empty() && exists))
            && (exists || text("value") == self.value)
    }

    /// Returns true for a taint that goes away with the trouble it stands for.
    pub(crate) fn is_passing(self) -> bool {
        Self::names_passing(self.key)
    }

    /// Returns true when `text` speaks of such a taint: its key, or the scheduler's words around it.
    pub(crate) fn names_passing(text: &str) -> bool {
        PASSING_TAINTS.iter().any(|passing| text.contains(passing))
    }
}

/// Prints `gpu=yes:NoSchedule`, as `kubectl taint` takes it.
impl fmt::Display for Taint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equals = if self.value.is_empty() { "" } else { "=" };
        write!(f, "{}{equals}{}:{}", self.key, self.value, self.effect)
    }
}

/// Returns why a node takes no pod with this specification; `None` when it does, if there is room.
pub(crate) fn refusal(node: &Object, spec: &Value) -> Option<Refusal> {
    if unmatched_label(node, spec).is_some() || !has_affinity(node, spec) {
        return Some(Refusal::Labels);
    }
    let of_taint = |taint: Taint<'_>| if taint.is_passing() { Refusal::Now } else { Refusal::Taint };
    // The one that stays says more than those that pass.
    let worst = open_taints(node, spec).map(of_taint).min();
    let is_cordoned = node.get("/spec/unschedulable").is_some_and(|cordoned| cordoned == true);
    worst.or(is_cordoned.then_some(Refusal::Now))
}

/// Returns true when a node takes pods that ask for nothing special.
pub(crate) fn is_open(node: &Object) -> bool {
    refusal(node, &Value::Null).is_none()
}

/// Returns what a node can give to pods.
pub(crate) fn allocatable(node: &Object) -> Amounts {
    amounts(node.get("/status/allocatable"))
}

/// Returns true when no node comes by itself: none of these is of a cloud, where an autoscaler may bring more
/// of their kind. k3s, kind and minikube name providers of their own, which have no more machines.
pub(crate) fn is_fixed<'a>(nodes: impl IntoIterator<Item = &'a Object>) -> bool {
    nodes.into_iter().all(|node| {
        let provider = node.text("/spec/providerID").split(':').next().unwrap_or_default();
        provider.is_empty() || FIXED_PROVIDERS.contains(&provider)
    })
}

/// Returns a taint of the node that the pod does not tolerate.
pub(crate) fn open_taint<'a>(node: &'a Object, spec: &Value) -> Option<Taint<'a>> {
    open_taints(node, spec).next()
}

fn open_taints<'a>(node: &'a Object, spec: &Value) -> impl Iterator<Item = Taint<'a>> {
    let taints = node.get("/spec").into_iter().flat_map(|node| items(node, "taints"));
    taints
        .filter_map(Taint::of)
        .filter(|taint| !items(spec, "tolerations").any(|toleration| taint.is_tolerated_by(toleration)))
}

/// Returns a label the pod's `nodeSelector` asks for and the node does not have.
pub(crate) fn unmatched_label<'a>(node: &Object, spec: &'a Value) -> Option<(&'a str, &'a str)> {
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    let mut wanted =
        selector.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    wanted.find(|(key, value)| node.label(key) != Some(value))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Object, Refusal, is_fixed, is_open, open_taint, refusal};

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
        assert_eq!(open_taint(&tainted, &json!({})).unwrap().to_string(), "role=db:NoSchedule");
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
        for (provider, grows) in [
            ("", false),
            ("k3s://a", false),
            ("kind://x/y/z", false),
            ("minikube://a", false),
            ("aws:///eu/i-1", true),
        ] {
            assert_eq!(is_fixed(&[node(&json!({"providerID": provider}))]), !grows, "{provider}");
        }
    }
}
