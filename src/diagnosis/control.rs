//! What the controllers say: pods the server refuses, a Job's verdict, a claim that does not bind.

use super::events::Events;
use super::revision::Revision;
use super::signals::{Signal, clipped};
use super::{Cause, Class, Evidence, placement};
use crate::object::Object;
use crate::object::condition::{self, Condition};

/// Returns the troubles of the workload itself and of its new ReplicaSet, each with where it was seen.
pub(super) fn of_workload<'a>(
    evidence: &Evidence<'a>,
    revision: &Revision<'a>,
    events: &Events<'a>,
) -> Vec<(&'a Object, Signal)> {
    let workload = evidence.workload;
    let mut found = Vec::new();
    for controller in [Some(workload), revision.replica_set].into_iter().flatten() {
        found.extend(refused(controller, events).map(|signal| (controller, signal)));
    }
    found.extend(replica_set_refused(workload).map(|signal| (workload, signal)));
    found.extend(job_failed(workload).map(|signal| (workload, signal)));
    if workload.kind() == "PersistentVolumeClaim" {
        found.extend(placement::claim_trouble(workload, events).map(|signal| (workload, signal)));
    }
    found
}

/// Returns the trouble of a controller whose pods the server refuses. The newest event tells it: the
/// condition `ReplicaFailure` keeps the message of the first time.
fn refused<'a>(controller: &'a Object, events: &Events<'a>) -> Option<Signal> {
    let event = events.newest(controller, &["FailedCreate", "FailedDaemonPod", "FailedPlacement"])?;
    let created = events.newest(controller, &["SuccessfulCreate"]);
    let since_helped = created.is_some_and(|created| created.last_seen() > event.last_seen());
    if since_helped || !lacks_pods(controller) {
        return None;
    }
    let signal = if event.reason() == "FailedCreate" {
        refusal(event.reason(), event.message())
    } else {
        let why = clipped(event.message()).unwrap_or_default();
        Signal::new(Cause::Refused, Class::Transient, event.reason(), why).for_seconds(60)
    };
    Some(signal)
}

/// Returns true while a controller has fewer pods than it wants; for those that do not count, always.
fn lacks_pods(controller: &Object) -> bool {
    let count = |pointer: &str| condition::count(controller.get(pointer));
    match controller.kind() {
        "ReplicaSet" | "StatefulSet" | "ReplicationController" => {
            count("/status/replicas").unwrap_or(0) < count("/spec/replicas").unwrap_or(1)
        }
        "DaemonSet" => {
            count("/status/currentNumberScheduled").unwrap_or(0)
                < count("/status/desiredNumberScheduled").unwrap_or(0)
        }
        "Job" => count("/status/active").unwrap_or(0) == 0,
        _ => true,
    }
}

/// Sorts the server's refusal of a pod by whether it can change by itself.
fn refusal(reason: &str, message: &str) -> Signal {
    // "(combined from similar events): Error creating: why" or "create Pod x in StatefulSet y failed error: why".
    let why = ["Error creating: ", "failed error: "]
        .iter()
        .find_map(|head| message.split_once(head))
        .map_or(message, |(_, why)| why);
    let why = clipped(why).unwrap_or_default();
    let signal =
        |class| Signal::new(Cause::Refused, class, reason, format!("the server refuses its pods: {why}"));
    let passing = ["failed calling webhook", "status unknown for quota", "object has been modified"];
    if passing.iter().any(|word| message.contains(word)) {
        return signal(Class::Transient).for_seconds(60);
    }
    if message.contains("serviceaccount") && message.contains("not found") {
        return signal(Class::Permanent).for_seconds(30);
    }
    let lasting = ["exceeded quota", "violates PodSecurity", "denied the request", "is invalid"];
    if lasting.iter().any(|word| message.contains(word)) {
        signal(Class::Permanent).for_seconds(20)
    } else {
        signal(Class::Transient).for_seconds(60)
    }
}

/// Returns the trouble of a Deployment whose new ReplicaSet the server refuses.
fn replica_set_refused(workload: &Object) -> Option<Signal> {
    let progressing = Condition::find(workload, "Progressing").filter(|condition| condition.is_false())?;
    if workload.kind() != "Deployment" || progressing.reason() != "ReplicaSetCreateError" {
        return None;
    }
    let why = clipped(progressing.message()).unwrap_or_default();
    let message = format!("the server refuses its ReplicaSet: {why}");
    Some(Signal::new(Cause::Refused, Class::Permanent, progressing.reason(), message).for_seconds(60))
}

/// Returns the verdict of a Job. `FailureTarget` comes before its pods have ended and is as final.
fn job_failed(workload: &Object) -> Option<Signal> {
    if workload.kind() != "Job" {
        return None;
    }
    let failed = ["Failed", "FailureTarget"]
        .iter()
        .find_map(|kind| Condition::find(workload, kind).filter(|condition| condition.is_true()))?;
    let reason = if failed.reason().is_empty() { "Failed" } else { failed.reason() };
    let why = clipped(failed.message()).unwrap_or_else(|| "it does not say why".into());
    Some(
        Signal::new(Cause::JobFailed, Class::Permanent, reason, format!("the job failed: {why}"))
            .for_seconds(0),
    )
}

/// Returns a pod's signal as it counts for the workload. A Job tries again by its own rules
/// (`backoffLimit`, `podFailurePolicy`): until it gives up a failed try is no failure, after that it is
/// the cause.
pub(super) fn as_job_sees_it(workload: &Object, signal: Signal) -> Signal {
    if workload.kind() != "Job" {
        return signal;
    }
    let is_try = matches!(
        signal.cause,
        Cause::Crash | Cause::OutOfMemory | Cause::ProbeRestart | Cause::PodFailed | Cause::Start
    );
    match job_failed(workload) {
        Some(_) => Signal { class: Class::Permanent, grace_seconds: Some(0), ..signal },
        None if is_try => Signal { class: Class::Transient, grace_seconds: None, ..signal },
        None => signal,
    }
}

/// Returns the newest warning about the workload or what belongs to it, for when nothing better is known.
pub(super) fn last_warning<'a>(
    evidence: &Evidence<'a>,
    revision: &Revision<'a>,
    events: &Events<'a>,
) -> Option<(&'a Object, Signal)> {
    let unready = revision.pods.iter().copied().filter(|pod| !super::revision::is_ready(pod));
    let (object, event) = [Some(evidence.workload), revision.replica_set]
        .into_iter()
        .flatten()
        .chain(unready)
        .filter_map(|object| Some((object, events.about(object).find(|event| event.is_warning())?)))
        .max_by_key(|(_, event)| event.last_seen())?;
    let why = clipped(event.message()).unwrap_or_else(|| event.reason().to_lowercase());
    Some((object, Signal::new(Cause::Warning, Class::Transient, event.reason(), why)))
}
