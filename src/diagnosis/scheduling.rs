//! A pod that no node takes: is it a matter of time, or can no node of this cluster ever take it? The
//! scheduler's own words (`FailedScheduling`, `framework/types.go`, the plugins' `ErrReason…`) are held
//! against what the nodes have, and autoscalers are listened to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::events::Events;
use super::signals::{Signal, clipped};
use super::{Cause, Class, Evidence, Missing, SURE_AFTER};
use crate::object::condition::Condition;
use crate::object::{Object, Quantity};

/// How long a pod may wait for a node where an autoscaler could bring one: the cluster autoscaler looks
/// every ten seconds and says what it decides, Karpenter sooner.
const AUTOSCALER_ANSWERS_WITHIN: u64 = 60;
/// How long a pod may wait for what comes and goes, as resources that others hold.
const PASSING_GRACE: u64 = 60;
/// Nodes told by name.
const NODES_TOLD: usize = 3;

/// Taints that come and go with the state of a node (well-known labels, annotations and taints).
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

/// Where the nodes of clusters without a cloud behind them are from (`spec.providerID`): none comes by itself.
const FIXED_PROVIDERS: [&str; 3] = ["k3s", "kind", "minikube"];

/// Returns the trouble of a pod that no node takes.
pub(super) fn not_scheduled<'a>(
    pod: &'a Object,
    evidence: &Evidence<'a>,
    events: &Events<'a>,
) -> Option<Signal> {
    let scheduled = Condition::find(pod, "PodScheduled").filter(|condition| condition.is_false())?;
    let reason = if scheduled.reason().is_empty() { "Unschedulable" } else { scheduled.reason() };
    let why = clipped(without_preemption(scheduled.message()));
    let why = why.unwrap_or_else(|| "the scheduler does not say why".into());
    let mut message = format!("no node takes it: {why}");
    let transient = |message: String| Signal::new(Cause::Unschedulable, Class::Transient, reason, message);
    // A gated pod waits on purpose.
    if reason == "SchedulingGated" {
        return Some(transient(message));
    }
    if let Some(claim) = missing_claim(scheduled.message()) {
        // One that was made a moment after the pod is there by now: the scheduler looks again soon, and leaves
        // its last word standing until then.
        let is_it = |known: &&Object| known.name() == claim && known.namespace() == pod.namespace();
        if evidence.claims.iter().any(is_it) {
            return Some(transient(message));
        }
        let message = format!("claim {claim} is not there");
        let signal = Signal::new(Cause::Claim, Class::Permanent, reason, message).for_seconds(SURE_AFTER);
        return Some(signal.missing(Some(Missing::new("PersistentVolumeClaim", claim, None))));
    }
    let lacks = evidence.nodes.map(|nodes| lacking(pod, nodes)).unwrap_or_default();
    if !lacks.is_empty() {
        let told: Vec<_> = lacks.iter().take(NODES_TOLD).map(String::as_str).collect();
        let more = match lacks.len().saturating_sub(NODES_TOLD) {
            0 => String::new(),
            more => format!(", and so on for {more} more"),
        };
        message = format!("{message}; {}{more}", told.join(", "));
    }
    let spoken = events.newest(pod, &["TriggeredScaleUp", "NotTriggerScaleUp", "Nominated"]);
    let grows = spoken.is_some_and(|event| event.reason() != "NotTriggerScaleUp");
    if grows {
        // An autoscaler brings a node, which takes minutes; it says so when it cannot.
        return Some(transient(message));
    }
    if !is_lasting(scheduled.message(), pod, evidence.nodes) {
        return Some(transient(message).for_seconds(PASSING_GRACE));
    }
    let is_fixed = evidence.nodes.is_some_and(|nodes| !nodes.iter().any(|node| may_have_siblings(node)));
    let grace = if spoken.is_some() || is_fixed { SURE_AFTER } else { AUTOSCALER_ANSWERS_WITHIN };
    Some(Signal::new(Cause::Unschedulable, Class::Permanent, reason, message).for_seconds(grace))
}

/// Returns the claim that `persistentvolumeclaim "data" not found` names.
fn missing_claim(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("persistentvolumeclaim \"")?;
    let (name, rest) = rest.split_once('"')?;
    rest.starts_with(" not found").then_some(name)
}

/// Returns the scheduler's reasons without what it adds: whether others could be thrown out for the pod, which
/// is of no use to whoever has to help, and since 1.34 a word on claims before it.
fn without_preemption(message: &str) -> &str {
    let ends = [". preemption:", ". no new claims to deallocate"];
    ends.iter().fold(message, |message, end| message.split(end).next().unwrap_or(message))
}

/// Returns true when every reason the scheduler gives stays as it is, whatever pods come and go:
/// `0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {gpu: }. preemption: …`.
fn is_lasting(message: &str, pod: &Object, nodes: Option<&[&Object]>) -> bool {
    let Some((_, reasons)) = message.split_once("nodes are available: ") else { return false };
    let reasons = without_preemption(reasons).trim_end_matches('.');
    let mut reasons = reasons.split(", ").peekable();
    reasons.peek().is_some() && reasons.all(|reason| is_lasting_reason(reason, pod, nodes))
}

fn is_lasting_reason(reason: &str, pod: &Object, nodes: Option<&[&Object]>) -> bool {
    if let Some((_, resource)) = reason.split_once("Insufficient ") {
        let Some(wanted) = requests(pod, resource) else { return false };
        return nodes.is_some_and(|nodes| {
            !nodes.is_empty() && nodes.iter().all(|node| allocatable(node, resource) < wanted)
        });
    }
    if let Some((_, taint)) = reason.split_once("untolerated taint") {
        // Newer schedulers leave the taint out: `node(s) had untolerated taint(s)`.
        if taint.contains('{') {
            return !is_passing(taint);
        }
        let taints: Vec<_> =
            nodes.unwrap_or_default().iter().filter_map(|node| untolerated(pod, node)).collect();
        return !taints.is_empty() && !taints.iter().any(|taint| is_passing(taint));
    }
    [
        "didn't match Pod's node affinity/selector",
        "didn't match Pod's node affinity",
        "volume node affinity conflict",
        "didn't match PersistentVolume's node affinity",
    ]
    .iter()
    .any(|lasting| reason.contains(lasting))
}

fn is_passing(taint: &str) -> bool {
    PASSING_TAINTS.iter().any(|passing| taint.contains(passing))
}

/// Returns true for a node of a cloud, where an autoscaler may bring more of its kind.
fn may_have_siblings(node: &Object) -> bool {
    let provider = node.text("/spec/providerID").split("://").next().unwrap_or_default();
    !provider.is_empty() && !FIXED_PROVIDERS.contains(&provider)
}

/// Returns what keeps each node from taking the pod, as far as it never changes by itself.
fn lacking(pod: &Object, nodes: &[&Object]) -> Vec<String> {
    nodes.iter().filter_map(|node| Some(format!("node {} {}", node.name(), lacks(pod, node)?))).collect()
}

fn lacks(pod: &Object, node: &Object) -> Option<String> {
    if let Some(label) = unmatched_label(pod, node) {
        return Some(format!("has no label {label}"));
    }
    if let Some(taint) = untolerated(pod, node) {
        return Some(format!("has taint {taint}"));
    }
    resources(pod).into_iter().find_map(|resource| {
        let (wanted, has) = (requests(pod, &resource)?, allocatable(node, &resource));
        (has < wanted).then(|| format!("has {resource} {has} in all, and {wanted} is asked for"))
    })
}

fn unmatched_label(pod: &Object, node: &Object) -> Option<String> {
    let wanted = pod.get("/spec/nodeSelector").and_then(Value::as_object)?;
    wanted.iter().find_map(|(key, value)| {
        let value = value.as_str()?;
        (node.label(key) != Some(value)).then(|| format!("{key}={value}"))
    })
}

/// Returns a taint that keeps new pods away and is not tolerated (API docs, Taints and Tolerations).
fn untolerated(pod: &Object, node: &Object) -> Option<String> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
    let tolerations = pod.get("/spec/tolerations").and_then(Value::as_array);
    let is_tolerated = |taint: &Value| {
        tolerations.into_iter().flatten().any(|toleration| {
            let (key, value, effect) =
                (text(toleration, "key"), text(toleration, "value"), text(toleration, "effect"));
            let any_value = text(toleration, "operator") == "Exists";
            (effect.is_empty() || effect == text(taint, "effect"))
                && (key == text(taint, "key") || (key.is_empty() && any_value))
                && (any_value || value == text(taint, "value"))
        })
    };
    let taints = node.get("/spec/taints").and_then(Value::as_array)?;
    let taint = taints
        .iter()
        .filter(|taint| matches!(text(taint, "effect").as_str(), "NoSchedule" | "NoExecute"))
        .find(|taint| !is_tolerated(taint))?;
    let value = text(taint, "value");
    let equals = if value.is_empty() { String::new() } else { format!("={value}") };
    Some(format!("{}{equals}:{}", text(taint, "key"), text(taint, "effect")))
}

fn containers<'a>(pod: &'a Object, list: &str) -> impl Iterator<Item = &'a Value> {
    pod.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the resources the pod asks for, by name.
fn resources(pod: &Object) -> BTreeSet<String> {
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter();
    lists
        .flat_map(|list| containers(pod, list))
        .filter_map(|container| container.pointer("/resources/requests")?.as_object())
        .flat_map(|requests| requests.keys().cloned())
        .collect()
}

/// Returns how much of a resource the pod asks for, as the scheduler counts it: its containers together, or
/// its largest init container, whichever is more; sidecars count with the containers (KEP-753).
fn requests(pod: &Object, resource: &str) -> Option<Quantity> {
    let of = |container: &Value| Quantity::of(container.pointer("/resources/requests")?.get(resource)?);
    let is_sidecar =
        |container: &Value| container.get("restartPolicy").is_some_and(|policy| policy == "Always");
    let (mut together, mut largest) = (Quantity::default(), Quantity::default());
    for container in containers(pod, "/spec/initContainers") {
        let Some(wanted) = of(container) else { continue };
        if is_sidecar(container) {
            together = together.plus(wanted);
        } else {
            largest = largest.max(together.plus(wanted));
        }
    }
    for container in containers(pod, "/spec/containers") {
        together = together.plus(of(container).unwrap_or_default());
    }
    let overhead = pod.get("/spec/overhead").and_then(|overhead| Quantity::of(overhead.get(resource)?));
    let wanted = together.max(largest).plus(overhead.unwrap_or_default());
    (wanted > Quantity::default()).then_some(wanted)
}

fn allocatable(node: &Object, resource: &str) -> Quantity {
    node.get("/status/allocatable").and_then(|all| Quantity::of(all.get(resource)?)).unwrap_or_default()
}
