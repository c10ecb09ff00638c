//! What an error of a request means: try again, wait for something, or give up. One pure table; each row
//! says where it comes from. (kube's own retry is off: it is silent, for minutes.)

use std::time::Duration;

use super::error::{ApiError, Refusal};

#[cfg(test)]
mod tests;

/// What to do about a failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may pass by itself: try again.
    Retry {
        /// The shortest pause the server bears, or zero.
        at_least: Duration,
        /// How long, and how often, that makes sense.
        budget: Budget,
    },
    /// A namespace has to end first; then try again.
    WaitForEnd {
        /// The namespace.
        namespace: String,
        /// How long, and how often, that makes sense.
        budget: Budget,
    },
    /// Trying again cannot help.
    Fatal,
}

/// How long, and how often, it makes sense to try again for one and the same cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// From the first failure; `None` for as long as the stage has time.
    pub time: Option<Duration>,
    /// Tries, the first one counted; `None` for any number.
    pub tries: Option<u32>,
    /// True when the second try needs no pause.
    pub at_once: bool,
}

/// What whoever asks knows beside the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// This run writes permissions (Roles and bindings), which the authorizer learns of a moment later.
    pub writes_permissions: bool,
    /// A definition or an APIService of this run brings the kind that was asked for.
    pub brings_kind: bool,
}

impl Budget {
    /// The server says when: it is overloaded, not broken.
    const STAGE: Self = Self { time: None, tries: None, at_once: false };
    /// Nobody answers, or somebody on the way does.
    const ABSENCE: Self = Self::of(120);
    /// A webhook, a definition or an aggregated API on its way up or down.
    const START: Self = Self::of(60);
    /// A controller that has not counted yet.
    const CONTROLLER: Self = Self::of(30);
    /// A cache of the server's that lags behind.
    const CACHE: Self = Self::of(5);
    /// Two writers of one object: the loser has only to read again.
    const RACE: Self = Self { tries: Some(5), at_once: true, ..Self::of(30) };
    /// The server contradicts itself: perhaps not twice.
    const MISHAP: Self = Self { tries: Some(3), ..Self::of(30) };
    /// Other credentials.
    const LOGIN: Self = Self { tries: Some(2), at_once: true, ..Self::of(30) };

    const fn of(seconds: u64) -> Self {
        Self { time: Some(Duration::from_secs(seconds)), tries: None, at_once: false }
    }
}

/// Returns what `error` means. Every request sent through here can be repeated, also when its answer was
/// lost: server-side apply, GET, LIST and a DELETE with a uid do no harm twice, and a POST bears a fixed
/// name, so that its repetition is refused as `AlreadyExists` and whoever sent it looks whose it is.
pub fn outcome(error: &ApiError, circumstances: Circumstances) -> Outcome {
    match error {
        ApiError::Unreachable { .. } | ApiError::NoAnswer { .. } => retry(Budget::ABSENCE),
        ApiError::UnknownKind { .. } if circumstances.brings_kind => retry(Budget::START),
        ApiError::Unreadable { .. }
        | ApiError::UnknownKind { .. }
        | ApiError::GaveUp { .. }
        | ApiError::StillThere { .. }
        | ApiError::Interrupted
        | ApiError::LockLost => Outcome::Fatal,
        ApiError::Refused(refusal) => refused(refusal, circumstances),
    }
}

fn refused(refusal: &Refusal, circumstances: Circumstances) -> Outcome {
    let says = |text: &str| refusal.message.contains(text);
    let again = |budget| Outcome::Retry { at_least: refusal.retry_after.unwrap_or_default(), budget };
    match refusal.code {
        401 if refusal.credentials_renewed => again(Budget::LOGIN),
        403 | 405 => forbidden(refusal, circumstances),
        404 => missing(refusal, circumstances),
        409 if refusal.is_field_conflict() => Outcome::Fatal,
        // Another life of the object: whoever meant the earlier one has to think again.
        409 if says("precondition") || says("Precondition") => Outcome::Fatal,
        // Two writers of a quota's status, of an object in between, or of its creation (apiserver
        // registry/generic/registry): who comes second only has to come again.
        409 => again(Budget::RACE),
        429 => again(Budget::STAGE),
        500 => broken(refusal),
        // Of a 504 nobody knows whether it was done: the same content is sent again.
        502..=504 => again(Budget::ABSENCE),
        // 400, 406, 413, 415, 422: the request itself is wrong. 410 is for lists and watches, which begin anew.
        _ => Outcome::Fatal,
    }
}

/// Returns what a 403 means: mostly what it says. (405 in its place: an older apiextensions.)
fn forbidden(refusal: &Refusal, circumstances: Circumstances) -> Outcome {
    let says = |text: &str| refusal.message.contains(text);
    let again = |budget| Outcome::Retry { at_least: refusal.retry_after.unwrap_or_default(), budget };
    if let Some(namespace) = refusal.terminating_namespace() {
        return Outcome::WaitForEnd { namespace: namespace.to_owned(), budget: Budget::ABSENCE };
    }
    // apiextensions customresource_handler.go, forbidCreateAdmission
    if says("not allowed while custom resource definition is terminating") {
        return again(Budget::START);
    }
    if refusal.code != 403 {
        return Outcome::Fatal;
    }
    // apiserver admission: plugin/resourcequota, plugin/webhook/generic, plugin/policy/generic
    let not_counted = says("status unknown for quota") || says("not yet ready to handle request");
    // kubernetes plugin/pkg/admission/serviceaccount: the account of a new namespace is on its way
    let no_account = says("error looking up service account") && says("not found");
    if not_counted || no_account {
        return again(Budget::CONTROLLER);
    }
    // apiserver endpoints/handlers/responsewriters/errors.go; registry/rbac/validation/rule.go
    let not_permitted = (says("User \"") && says("\" cannot "))
        || says("attempting to grant RBAC permissions not currently held");
    if not_permitted && circumstances.writes_permissions {
        return again(Budget::CACHE);
    }
    Outcome::Fatal
}

/// Returns what a 404 means for whoever did not ask whether an object is there.
fn missing(refusal: &Refusal, circumstances: Circumstances) -> Outcome {
    let at_least = refusal.retry_after.unwrap_or_default();
    // The namespace was created by this very run: the cache of the admission may lag behind.
    if refusal.resource == "namespaces" || refusal.message.starts_with("namespaces \"") {
        return Outcome::Retry { at_least, budget: Budget::CACHE };
    }
    // Of an object that is missing the server tells the resource; of a missing resource it does not.
    if refusal.resource.is_empty() && circumstances.brings_kind {
        return Outcome::Retry { at_least, budget: Budget::START };
    }
    Outcome::Fatal
}

/// Returns what a 500 means. The server makes one of every error it has no better code for.
fn broken(refusal: &Refusal) -> Outcome {
    let says = |text: &str| refusal.message.contains(text);
    let budget = if says("failed to create typed patch object") {
        // A wrong type, an unknown field, a key given twice (apimachinery managedfields/internal/
        // structuredmerge.go): the manifest is wrong.
        return Outcome::Fatal;
    } else if says("failed calling webhook") || says("conversion webhook") {
        Budget::START
    } else if says("etcdserver: ") || says("quota evaluation timed out") {
        Budget::ABSENCE
    } else {
        Budget::MISHAP
    };
    Outcome::Retry { at_least: refusal.retry_after.unwrap_or_default(), budget }
}

fn retry(budget: Budget) -> Outcome {
    Outcome::Retry { at_least: Duration::ZERO, budget }
}
