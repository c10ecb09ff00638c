//! An image that cannot be had: which of a registry's answers can change by itself, and which cannot.

use super::events::{Event, Events};
use super::missing::{Missing, is_name};
use super::signals::{Container, Signal, last_cause};
use super::{Cause, Class, SURE_AFTER};

/// How long a registry that does not answer is waited for before it is told; it never fails a rollout alone.
const REGISTRY_GRACE: u64 = 120;

/// Returns the trouble of an image. `ErrImagePull` and `ImagePullBackOff` alternate and are one; the message
/// of the latter may leave the cause to an event.
pub(super) fn trouble<'a>(
    container: &Container<'a>,
    reason: &str,
    message: &'a str,
    events: &Events<'a>,
) -> Signal {
    let pulled = events
        .about(container.pod)
        .filter(|event| event.reason() == "Failed" && event.may_speak_of(container.name))
        .map(Event::message)
        .find(|message| message.contains("Failed to pull image"))
        .unwrap_or_default();
    let has_cause = message.contains("desc =") || reason == "ErrImagePull" || pulled.is_empty();
    let told = if has_cause { message } else { pulled };
    let image = container.image_name();
    let cannot = match why(told) {
        why if why.is_empty() => format!("image `{image}` cannot be pulled"),
        why => format!("image `{image}` cannot be pulled: {why}"),
    };
    let signal = |class, sentence: String| Signal::new(Cause::Image, class, reason, sentence);
    match reason {
        "InvalidImageName" => {
            signal(Class::Permanent, format!("`{image}` is no image name")).for_seconds(SURE_AFTER)
        }
        "ErrImageNeverPull" => signal(
            Class::Permanent,
            format!("image `{image}` is not on the node, and its policy is never to pull it"),
        )
        .for_seconds(SURE_AFTER),
        "SignatureValidationFailed" => signal(Class::Permanent, cannot).for_seconds(SURE_AFTER),
        _ if will_never_pull(told) => match missing_pull_secret(container, events) {
            Some(secret) => {
                signal(Class::Permanent, format!("{cannot}; its pull secret `{}` is not there", secret.name))
                    .for_seconds(SURE_AFTER)
                    .missing(Some(secret))
            }
            None => signal(Class::Permanent, cannot).for_seconds(SURE_AFTER),
        },
        _ => signal(Class::Transient, cannot).for_seconds(REGISTRY_GRACE),
    }
}

/// Returns the pull secret the kubelet did not find. A registry then says what it says to strangers: denied, or
/// not found.
fn missing_pull_secret<'a>(container: &Container<'a>, events: &Events<'a>) -> Option<Missing> {
    let event = events.newest(container.pod, &["FailedToRetrieveImagePullSecret"])?;
    let (_, names) = event.message().split_once('(')?;
    let name = names.split([',', ')']).next()?.trim();
    is_name(name).then(|| Missing::new("Secret", name, None))
}

/// Returns the cause in a runtime's message. Docker Hub's refusal to give more names the account, which is
/// nobody else's business.
fn why(message: &str) -> String {
    if message.contains("toomanyrequests") {
        return "the registry gives no more images for now: its limit of pulls is reached".to_owned();
    }
    last_cause(message)
}

/// Returns true when a registry's answer cannot change by itself.
fn will_never_pull(message: &str) -> bool {
    const PASSING: [&str; 9] = [
        "toomanyrequests",
        "too many requests",
        "429",
        "timeout",
        "timed out",
        "deadline exceeded",
        "connection refused",
        // A name server that does not know the registry now may know it later.
        "no such host",
        "server misbehaving",
    ];
    const LASTING: [&str; 9] = [
        "not found",
        "manifest unknown",
        "denied",
        "unauthorized",
        "403 forbidden",
        "no match for platform",
        "invalid reference",
        "does not exist",
        "no basic auth credentials",
    ];
    let message = message.to_lowercase();
    let says = |word: &&str| message.contains(*word);
    !PASSING.iter().any(says) && LASTING.iter().any(says)
}
