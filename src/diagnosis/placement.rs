//! What keeps a pod from a node, a volume or a network, or made it fail as a whole.

use serde_json::Value;

use super::events::Events;
use super::signals::{Signal, clipped};
use super::{Cause, Class, Evidence};
use crate::object::Object;
use crate::object::condition::Condition;

/// Returns the trouble of a pod that no node takes.
pub(super) fn not_scheduled<'a>(
    pod: &'a Object,
    evidence: &Evidence<'a>,
    events: &Events<'a>,
) -> Option<Signal> {
    let scheduled = Condition::find(pod, "PodScheduled").filter(|condition| condition.is_false())?;
    let reason = if scheduled.reason().is_empty() { "Unschedulable" } else { scheduled.reason() };
    let why = clipped(scheduled.message()).unwrap_or_else(|| "the scheduler does not say why".into());
    if let Some(signal) = unbound_claim(pod, evidence, events) {
        return Some(signal);
    }
    let signal =
        Signal::new(Cause::Unschedulable, Class::Transient, reason, format!("no node takes it: {why}"));
    // A gated pod waits on purpose; an autoscaler that acts needs minutes, and says so when it cannot.
    let grows = events.newest(pod, &["TriggeredScaleUp"]).is_some();
    Some(if reason == "SchedulingGated" || grows { signal } else { signal.for_seconds(60) })
}

/// Returns the trouble of a claim of this pod that does not bind.
fn unbound_claim<'a>(pod: &'a Object, evidence: &Evidence<'a>, events: &Events<'a>) -> Option<Signal> {
    let volumes = pod.get("/spec/volumes").and_then(Value::as_array)?;
    volumes
        .iter()
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
        .filter_map(|name| {
            let named = |claim: &&&Object| claim.name() == name && claim.namespace() == pod.namespace();
            evidence.claims.iter().find(named).copied()
        })
        .find_map(|claim| {
            let signal = claim_trouble(claim, events)?;
            Some(Signal { at: Some(claim.reference()), ..signal })
        })
}

/// Returns the trouble of a claim that is not bound, when an event tells it.
pub(super) fn claim_trouble<'a>(claim: &'a Object, events: &Events<'a>) -> Option<Signal> {
    if claim.text("/status/phase") != "Pending" {
        return None;
    }
    let event = events.newest(claim, &["ProvisioningFailed", "FailedBinding"])?;
    let why = clipped(event.message()).unwrap_or_default();
    Some(
        Signal::new(
            Cause::Claim,
            Class::Transient,
            event.reason(),
            format!("claim {} gets no volume: {why}", claim.name()),
        )
        .for_seconds(60),
    )
}

/// Returns the trouble of a pod none of whose containers has started, as its events tell.
pub(super) fn not_started<'a>(pod: &'a Object, events: &Events<'a>) -> Option<Signal> {
    if pod.text("/status/phase") != "Pending" {
        return None;
    }
    let event = events.newest(
        pod,
        &[
            "FailedMount",
            "FailedAttachVolume",
            "FailedMapVolume",
            "FailedCreatePodSandBox",
            "NetworkNotReady",
        ],
    )?;
    Some(match event.reason() {
        "FailedCreatePodSandBox" | "NetworkNotReady" => sandbox(event.reason(), event.message()),
        reason => volume(reason, event.message()),
    })
}

fn volume(reason: &str, message: &str) -> Signal {
    let why = clipped(message).unwrap_or_default();
    let lasting = ["not found", "references non-existent"];
    let named = ["secret", "configmap", "references non-existent"];
    let missing =
        lasting.iter().any(|word| message.contains(word)) && named.iter().any(|word| message.contains(word));
    let signal = |class| Signal::new(Cause::Volume, class, reason, format!("a volume is missing: {why}"));
    if missing { signal(Class::Permanent).for_seconds(60) } else { signal(Class::Transient).for_seconds(300) }
}

pub(super) fn sandbox(reason: &str, message: &str) -> Signal {
    let why = clipped(message).unwrap_or_default();
    let message = format!("its node cannot set it up: {why}");
    Signal::new(Cause::Sandbox, Class::Transient, reason, message).for_seconds(180)
}

/// Returns the trouble of a pod that has ended as failed. A controller replaces one that its node threw
/// out; nobody replaces a bare one.
pub(super) fn pod_failed(
    pod: &Object,
    evidence: &Evidence<'_>,
    container: Option<&Signal>,
) -> Option<Signal> {
    if pod.text("/status/phase") != "Failed" {
        return None;
    }
    let bare = std::ptr::eq(pod, evidence.workload);
    let reason = pod.text("/status/reason");
    let disrupted = matches!(
        reason,
        "Evicted"
            | "Preempting"
            | "NodeShutdown"
            | "Terminated"
            | "NodeLost"
            | "NodeAffinity"
            | "UnexpectedAdmissionError"
    ) || reason.starts_with("OutOf")
        || Condition::find(pod, "DisruptionTarget").is_some_and(Condition::is_true);
    let word = if reason.is_empty() { "Failed" } else { reason };
    if disrupted {
        let why = clipped(pod.text("/status/message")).unwrap_or_else(|| word.to_lowercase());
        let message = format!("its node threw it out: {why}");
        return Some(if bare {
            Signal::new(Cause::PodFailed, Class::Permanent, word, message).for_seconds(0)
        } else {
            Signal::new(Cause::PodFailed, Class::Transient, word, message)
        });
    }
    if let Some(told) = container {
        // The pod has ended: what its container says will not change any more.
        return Some(Signal {
            cause: told.cause,
            class: Class::Permanent,
            grace_seconds: Some(0),
            reason: told.reason.clone(),
            message: told.message.clone(),
            container: told.container.clone(),
            at: None,
            log: told.log,
        });
    }
    let why = clipped(pod.text("/status/message")).unwrap_or_else(|| "it does not say why".into());
    Some(
        Signal::new(Cause::PodFailed, Class::Permanent, word, format!("the pod failed: {why}"))
            .for_seconds(0),
    )
}
