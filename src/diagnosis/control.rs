//! What the controllers say: pods the server refuses, a Job's verdict, a claim that does not bind.

use super::events::Events;
use super::missing::named_in;
use super::revision::{self, Revision};
use super::signals::{Signal, clipped};
use super::{Cause, Class, Evidence, SURE_AFTER, placement, service};
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
        let signal = refused(controller, evidence, revision, events);
        found.extend(signal.map(|signal| (controller, signal)));
    }
    found.extend(replica_set_refused(evidence, revision).map(|signal| (workload, signal)));
    found.extend(job_failed(workload).map(|signal| (workload, signal)));
    if workload.kind() == "PersistentVolumeClaim" {
        found.extend(placement::claim_trouble(workload, events).map(|signal| (workload, signal)));
    }
    found.extend(service::without_address(workload, evidence, events));
    found.extend(ending_namespace(workload).map(|signal| (workload, signal)));
    found
}

/// Returns what holds a Namespace that is being deleted: its own conditions say it (`namespace_controller`).
fn ending_namespace(workload: &Object) -> Option<Signal> {
    if (workload.group(), workload.kind()) != ("", "Namespace") || !workload.is_being_deleted() {
        return None;
    }
    let held: Vec<_> = Condition::all(workload)
        .filter(|condition| condition.is_true())
        .filter_map(|condition| clipped(condition.message()))
        .collect();
    let why = if held.is_empty() { "what is in it is being deleted".to_owned() } else { held.join("; ") };
    let message = format!("it is being deleted, and takes nothing new: {why}");
    Some(Signal::new(Cause::Refused, Class::Permanent, "Terminating", message).for_seconds(SURE_AFTER))
}

/// Returns the trouble of a controller whose pods the server refuses. The newest event tells it: the
/// condition `ReplicaFailure` keeps the message of the first time.
fn refused<'a>(
    controller: &'a Object,
    evidence: &Evidence<'a>,
    revision: &Revision<'a>,
    events: &Events<'a>,
) -> Option<Signal> {
    let event = events.newest(controller, &["FailedCreate", "FailedDaemonPod", "FailedPlacement"])?;
    let created = events.newest(controller, &["SuccessfulCreate"]);
    let since_helped = created.is_some_and(|created| created.last_seen() > event.last_seen());
    if since_helped || !lacks_pods(controller) {
        return None;
    }
    let signal = if event.reason() == "FailedCreate" {
        let frees_up = revision::frees_up(evidence, revision);
        refusal("its pods", event.reason(), event.message(), frees_up, controller)
    } else {
        let why = clipped(event.message()).unwrap_or_default();
        Signal::new(Cause::Refused, Class::Transient, event.reason(), why).for_seconds(60)
    };
    // A refusal of before our write may be over; its controller tries again, ever more seldom.
    let is_news = revision::is_since(event.last_seen(), evidence.since);
    Some(if is_news { signal } else { signal.without_grace() })
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

/// How long a quota may be full of what is on its way out: the old pods of a rollout, or pods that end.
const FREES_UP_GRACE: u64 = 20;

/// Sorts the server's refusal of what a controller makes by whether it can change by itself.
fn refusal(what: &str, reason: &str, message: &str, frees_up: bool, about: &Object) -> Signal {
    // "(combined from similar events): Error creating: why" or "create Pod x in StatefulSet y failed error: why".
    let why = ["Error creating: ", "failed error: "]
        .iter()
        .find_map(|head| message.split_once(head))
        .map_or(message, |(_, why)| why);
    let why = clipped(why).unwrap_or_default();
    let signal =
        |class| Signal::new(Cause::Refused, class, reason, format!("the server refuses {what}: {why}"));
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["failed calling webhook", "status unknown for quota", "object has been modified"]) {
        return signal(Class::Transient).for_seconds(60);
    }
    if let Some(missing) = named_in(message, about) {
        return signal(Class::Permanent).for_seconds(SURE_AFTER).missing(Some(missing));
    }
    if says(&["exceeded quota"]) {
        return signal(Class::Permanent).for_seconds(if frees_up { FREES_UP_GRACE } else { SURE_AFTER });
    }
    // A webhook "denied the request", a policy "denied request".
    if says(&["violates PodSecurity", "denied the request", "denied request", "is invalid", "must specify"]) {
        return signal(Class::Permanent).for_seconds(SURE_AFTER);
    }
    signal(Class::Transient).for_seconds(60)
}

/// Returns the trouble of a Deployment whose new ReplicaSet the server refuses.
fn replica_set_refused(evidence: &Evidence<'_>, revision: &Revision<'_>) -> Option<Signal> {
    let workload = evidence.workload;
    let progressing = Condition::find(workload, "Progressing").filter(|condition| condition.is_false())?;
    if workload.kind() != "Deployment" || progressing.reason() != "ReplicaSetCreateError" {
        return None;
    }
    let frees_up = revision::frees_up(evidence, revision);
    let signal = refusal("its ReplicaSet", progressing.reason(), progressing.message(), frees_up, workload);
    let is_news = revision::is_since(progressing.updated_at(), evidence.since);
    Some(if is_news { signal } else { signal.without_grace() })
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
