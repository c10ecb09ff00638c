//! A pod that no node takes: is it a matter of time, or can no node of this cluster ever take it? The
//! scheduler's own words (`FailedScheduling`, `framework/types.go`, the plugins' `ErrReason…`) are held
//! against what the nodes have, and autoscalers are listened to.

use serde_json::Value;

use super::events::Events;
use super::signals::{Signal, clipped};
use super::{Cause, Class, Evidence, Missing, SURE_AFTER};
use crate::object::Object;
use crate::object::condition::Condition;
use crate::object::scheduling::{
    Millis, Taint, allocatable, is_fixed, open_taint, requests, shown, unmatched_label,
};

/// How long a pod may wait for a node where an autoscaler could bring one: the cluster autoscaler looks
/// every ten seconds and says what it decides, Karpenter sooner.
const AUTOSCALER_ANSWERS_WITHIN: u64 = 60;
/// How long a pod may wait for what comes and goes, as resources that others hold.
const PASSING_GRACE: u64 = 60;
/// Nodes told by name.
const NODES_TOLD: usize = 3;

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
    let none_comes = evidence.nodes.is_some_and(|nodes| is_fixed(nodes.iter().copied()));
    let grace = if spoken.is_some() || none_comes { SURE_AFTER } else { AUTOSCALER_ANSWERS_WITHIN };
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
    let nodes = nodes.unwrap_or_default();
    if let Some((_, resource)) = reason.split_once("Insufficient ") {
        let Some(wanted) = requests(spec(pod)).get(resource).copied() else { return false };
        return !nodes.is_empty() && nodes.iter().all(|node| gives(node, resource) < wanted);
    }
    if let Some((_, taint)) = reason.split_once("untolerated taint") {
        // Newer schedulers leave the taint out: `node(s) had untolerated taint(s)`.
        if taint.contains('{') {
            return !Taint::names_passing(taint);
        }
        let taints: Vec<_> = nodes.iter().filter_map(|node| open_taint(node, spec(pod))).collect();
        return !taints.is_empty() && !taints.iter().any(|taint| taint.is_passing());
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

/// Returns what keeps each node from taking the pod, as far as it never changes by itself.
fn lacking(pod: &Object, nodes: &[&Object]) -> Vec<String> {
    nodes.iter().filter_map(|node| Some(format!("node {} {}", node.name(), lacks(pod, node)?))).collect()
}

fn lacks(pod: &Object, node: &Object) -> Option<String> {
    if let Some((label, value)) = unmatched_label(node, spec(pod)) {
        return Some(format!("has no label {label}={value}"));
    }
    if let Some(taint) = open_taint(node, spec(pod)) {
        return Some(format!("has taint {taint}"));
    }
    // That it asks for a place is said of every pod.
    let asked = |resource: &str, wanted: Millis| resource != "pods" && wanted > 0;
    let wanted = requests(spec(pod)).into_iter().filter(|(resource, wanted)| asked(resource, *wanted));
    wanted.map(|(resource, wanted)| (gives(node, &resource), resource, wanted)).find_map(
        |(has, resource, wanted)| {
            let (shown_has, shown_wanted) = (shown(&resource, has), shown(&resource, wanted));
            (has < wanted)
                .then(|| format!("has {resource} {shown_has} in all, and {shown_wanted} is asked for"))
        },
    )
}

/// Returns how much of a resource a node can give to pods.
fn gives(node: &Object, resource: &str) -> Millis {
    allocatable(node).get(resource).copied().unwrap_or_default()
}

fn spec(pod: &Object) -> &Value {
    pod.get("/spec").unwrap_or(&Value::Null)
}
