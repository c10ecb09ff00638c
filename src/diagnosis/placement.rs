//! What keeps a pod from a node, a volume or a network, or made it fail as a whole.

use serde_json::Value;

use super::events::Events;
use super::missing::named_in;
use super::signals::{Signal, clipped};
use super::{Cause, Class, Evidence, SURE_AFTER};
use crate::object::Object;
use crate::object::condition::Condition;

/// How long a claim may name a class that is not there, as in `readiness`.
const NO_CLASS_GRACE: u64 = 30;

/// Returns the trouble of a claim of this pod that does not bind.
pub(super) fn unbound_claim<'a>(
    pod: &'a Object,
    evidence: &Evidence<'a>,
    events: &Events<'a>,
) -> Option<Signal> {
    Condition::find(pod, "PodScheduled").filter(|condition| condition.is_false())?;
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
    let message = format!("claim {} gets no volume: {why}", claim.name());
    let signal = |class| Signal::new(Cause::Claim, class, event.reason(), message.clone());
    // A class is made by whoever runs the cluster, perhaps just now; a volume comes and goes.
    if event.message().contains("storageclass") && event.message().contains("not found") {
        return Some(signal(Class::Permanent).for_seconds(NO_CLASS_GRACE));
    }
    Some(signal(Class::Transient).for_seconds(60))
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
        reason => volume(reason, event.message(), pod),
    })
}

fn volume(reason: &str, message: &str, pod: &Object) -> Signal {
    let why = clipped(message).unwrap_or_default();
    let signal = |class| Signal::new(Cause::Volume, class, reason, format!("a volume is missing: {why}"));
    match named_in(message, pod) {
        Some(missing) => signal(Class::Permanent).for_seconds(SURE_AFTER).missing(Some(missing)),
        None => signal(Class::Transient).for_seconds(300),
    }
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
            missing: None,
        });
    }
    let why = clipped(pod.text("/status/message")).unwrap_or_else(|| "it does not say why".into());
    Some(
        Signal::new(Cause::PodFailed, Class::Permanent, word, format!("the pod failed: {why}"))
            .for_seconds(0),
    )
}
