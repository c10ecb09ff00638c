//! What an error of a request means: try again, or give up. One pure table; each row says where it comes
//! from. (kube's own retry is off: it is silent, for minutes.)

use std::time::Duration;

use super::error::{ApiError, Refusal};

/// What to do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may pass by itself: try again, not before `at_least`, and no longer than `for_at_most`.
    Retry {
        /// What the server asked for, or zero.
        at_least: Duration,
        /// How long it makes sense to go on.
        for_at_most: Duration,
    },
    /// Trying again cannot help.
    Fatal,
}

const SHORT: Duration = Duration::from_secs(5);
const MEDIUM: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(120);

/// Returns what `error` means. Every request sent through here can be repeated: server-side apply, GET,
/// LIST and a DELETE with a uid do no harm twice.
pub fn outcome(error: &ApiError) -> Outcome {
    match error {
        ApiError::Unreachable { .. } | ApiError::NoAnswer { .. } => retry(LONGEST),
        ApiError::Unreadable { .. }
        | ApiError::UnknownKind { .. }
        | ApiError::Interrupted
        | ApiError::LockLost => Outcome::Fatal,
        ApiError::Refused(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    let says = |text: &str| refusal.message.contains(text);
    let at_least = refusal.retry_after.unwrap_or_default();
    let again = |for_at_most| Outcome::Retry { at_least, for_at_most };
    match refusal.code {
        // Somebody else's deletion, a quota not counted yet, a webhook or an account on its way
        // (apiserver admission: namespace lifecycle, resourcequota, serviceaccount).
        403 if refusal.causes.iter().any(|cause| cause.reason == "NamespaceTerminating") => again(LONGEST),
        403 if says("status unknown for quota") || says("not yet ready to handle request") => again(MEDIUM),
        403 if says("serviceaccount") && says("not found") => again(MEDIUM),
        403 if says("custom resource definition is terminating") => again(LONG),
        // The namespace was created by this very run: the admission's cache may lag behind.
        404 if refusal.resource == "namespaces" || says("namespaces \"") => again(SHORT),
        // Two writers of a quota's status, or of an object in between.
        409 if says("object has been modified")
            || says("please apply your changes to the latest version") =>
        {
            again(SHORT)
        }
        409 if refusal.reason == "AlreadyExists" => again(SHORT),
        // The server maps plain errors of the merge to 500: wrong type, unknown field. Permanent.
        500 if says("failed to create typed patch object") => Outcome::Fatal,
        500 if says("failed calling webhook") || says("conversion webhook") => again(LONG),
        500 => again(MEDIUM),
        429 | 502..=504 => again(LONGEST),
        _ => Outcome::Fatal,
    }
}

fn retry(for_at_most: Duration) -> Outcome {
    Outcome::Retry { at_least: Duration::ZERO, for_at_most }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ApiError, LONG, LONGEST, MEDIUM, Outcome, Refusal, SHORT, outcome};
    use crate::cluster::error::Cause;

    fn refused(code: u16, message: &str) -> ApiError {
        ApiError::Refused(Refusal { code, message: message.into(), ..Refusal::default() })
    }

    #[track_caller]
    fn retries(error: &ApiError, for_at_most: Duration) {
        assert_eq!(outcome(error), Outcome::Retry { at_least: Duration::ZERO, for_at_most });
    }

    #[track_caller]
    fn fatal(error: &ApiError) {
        assert_eq!(outcome(error), Outcome::Fatal);
    }

    #[test]
    fn transport_errors_are_tried_again() {
        retries(&ApiError::Unreachable { cause: "connection refused".into() }, LONGEST);
        retries(&ApiError::NoAnswer { after: Duration::from_secs(30) }, LONGEST);
    }

    #[test]
    fn a_plain_no_is_final() {
        for code in [400, 401, 403, 404, 405, 406, 409, 413, 415, 422] {
            fatal(&refused(code, "no"));
        }
        fatal(&ApiError::UnknownKind { api_version: "x/v1".into(), kind: "X".into() });
        fatal(&ApiError::Unreadable { cause: "eof".into() });
    }

    #[test]
    fn a_terminating_namespace_is_waited_for() {
        let cause =
            Cause { reason: "NamespaceTerminating".into(), message: String::new(), field: String::new() };
        let refusal = Refusal { code: 403, causes: vec![cause], ..Refusal::default() };
        retries(&ApiError::Refused(refusal), LONGEST);
    }

    #[test]
    fn what_the_cluster_is_about_to_learn_is_tried_again() {
        retries(&refused(403, "status unknown for quota: compute"), MEDIUM);
        retries(
            &refused(403, "error looking up service account x/default: serviceaccount \"default\" not found"),
            MEDIUM,
        );
        retries(&refused(404, "namespaces \"shop\" not found"), SHORT);
        retries(
            &refused(
                409,
                "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified",
            ),
            SHORT,
        );
    }

    #[test]
    fn an_exceeded_quota_and_a_denial_are_final() {
        fatal(&refused(403, "exceeded quota: compute, requested: pods=1"));
        fatal(&refused(403, "admission webhook \"x\" denied the request: no"));
    }

    #[test]
    fn a_wrong_type_is_final_though_it_is_a_500() {
        fatal(&refused(
            500,
            "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors",
        ));
        retries(&refused(500, "Internal error occurred: failed calling webhook \"x\": no endpoints"), LONG);
        retries(&refused(500, "etcdserver: leader changed"), MEDIUM);
        retries(&refused(503, "the server is currently unable to handle the request"), LONGEST);
    }

    #[test]
    fn the_servers_wish_is_honoured() {
        let wish = Duration::from_secs(7);
        let refusal = Refusal { code: 429, retry_after: Some(wish), ..Refusal::default() };
        assert_eq!(
            outcome(&ApiError::Refused(refusal)),
            Outcome::Retry { at_least: wish, for_at_most: LONGEST }
        );
    }
}
