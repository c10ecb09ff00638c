//! A test per row of the table.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::{Budget, Circumstances, Outcome, outcome};
use crate::cluster::error::{ApiError, Cause, Refusal};
use crate::cluster::wire::refused;

const PLAIN: Circumstances = Circumstances { writes_permissions: false, brings_kind: false };

fn refusal(code: u16, message: &str) -> Refusal {
    Refusal { code, message: message.into(), ..Refusal::default() }
}

#[track_caller]
fn expect(refusal: Refusal, circumstances: Circumstances, wanted: &Outcome) {
    let shown = format!("{refusal:?}");
    assert_eq!(outcome(&ApiError::Refused(refusal), circumstances), *wanted, "{shown}");
}

#[track_caller]
fn retries(refusal: Refusal, budget: Budget) {
    expect(refusal, PLAIN, &Outcome::Retry { at_least: Duration::ZERO, budget });
}

#[track_caller]
fn fatal(refusal: Refusal) {
    expect(refusal, PLAIN, &Outcome::Fatal);
}

#[test]
fn transport_errors_are_tried_for_two_minutes() {
    let errors = [
        ApiError::Unreachable { cause: "connection refused".into() },
        ApiError::NoAnswer { after: Duration::from_secs(30) },
    ];
    for error in errors {
        let wanted = Outcome::Retry { at_least: Duration::ZERO, budget: Budget::ABSENCE };
        assert_eq!(outcome(&error, PLAIN), wanted);
    }
    assert_eq!(Budget::ABSENCE.time, Some(Duration::from_secs(120)));
}

#[test]
fn what_is_no_answer_of_the_cluster_is_final() {
    let errors = [
        ApiError::Unreadable { cause: "eof".into() },
        ApiError::Interrupted,
        ApiError::LockLost,
        ApiError::GaveUp {
            tries: 3,
            took: Duration::from_secs(1),
            error: Box::new(ApiError::Refused(refusal(503, "away"))),
        },
    ];
    for error in errors {
        assert_eq!(
            outcome(&error, Circumstances { writes_permissions: true, brings_kind: true }),
            Outcome::Fatal
        );
    }
}

#[test]
fn row_401_is_tried_once_with_new_credentials() {
    fatal(refusal(401, "Unauthorized"));
    retries(Refusal { credentials_renewed: true, ..refusal(401, "Unauthorized") }, Budget::LOGIN);
    assert_eq!((Budget::LOGIN.tries, Budget::LOGIN.at_once), (Some(2), true));
}

#[test]
fn row_403_plain_is_final() {
    fatal(refusal(403, "pods \"a\" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4"));
    fatal(refusal(403, "admission webhook \"x\" denied the request: no"));
    fatal(refusal(403, DENIED));
}

const DENIED: &str = "deployments.apps \"web\" is forbidden: User \"ci\" cannot patch resource \"deployments\" \
                      in API group \"apps\" in the namespace \"shop\"";

#[test]
fn row_403_of_a_terminating_namespace_waits_for_its_end() {
    let cause = Cause {
        reason: "NamespaceTerminating".into(),
        message: "namespace shop is being terminated".into(),
        field: "metadata.namespace".into(),
    };
    let refusal = Refusal { causes: vec![cause], ..refusal(403, "unable to create new content") };
    expect(refusal, PLAIN, &Outcome::WaitForEnd { namespace: "shop".into(), budget: Budget::ABSENCE });
}

#[test]
fn row_403_of_a_quota_not_counted_yet_is_tried_again() {
    retries(
        refusal(403, "pods \"a\" is forbidden: status unknown for quota: compute, resources: pods"),
        Budget::CONTROLLER,
    );
    retries(refusal(403, "pods \"a\" is forbidden: not yet ready to handle request"), Budget::CONTROLLER);
}

#[test]
fn row_403_of_a_missing_service_account_is_tried_again() {
    let message = "pods \"a\" is forbidden: error looking up service account shop/default: serviceaccount \
                   \"default\" not found";
    retries(refusal(403, message), Budget::CONTROLLER);
}

#[test]
fn row_403_lags_behind_permissions_of_this_run() {
    let circumstances = Circumstances { writes_permissions: true, ..PLAIN };
    let wanted = Outcome::Retry { at_least: Duration::ZERO, budget: Budget::CACHE };
    expect(refusal(403, DENIED), circumstances, &wanted);
    let escalation =
        "user \"ci\" (groups=[\"a\"]) is attempting to grant RBAC permissions not currently held:\n{}";
    expect(refusal(403, escalation), circumstances, &wanted);
    expect(refusal(403, "exceeded quota: compute"), circumstances, &Outcome::Fatal);
}

#[test]
fn row_403_of_a_definition_on_its_way_out_is_tried_again() {
    let message = "create not allowed while custom resource definition is terminating";
    retries(refusal(403, message), Budget::START);
    retries(refusal(405, message), Budget::START);
}

#[test]
fn row_404_of_a_namespace_lags_behind_its_creation() {
    let message = "namespaces \"shop\" not found";
    retries(refusal(404, message), Budget::CACHE);
    retries(Refusal { resource: "namespaces".into(), ..refusal(404, message) }, Budget::CACHE);
}

#[test]
fn row_404_of_a_kind_is_tried_again_only_when_this_run_brings_it() {
    let circumstances = Circumstances { brings_kind: true, ..PLAIN };
    let wanted = Outcome::Retry { at_least: Duration::ZERO, budget: Budget::START };
    // A group nobody serves is answered by the mux, in plain text.
    let plain = refused(StatusCode::NOT_FOUND, "404 page not found\n", None);
    let plain = plain.refusal().unwrap().clone();
    let told = refusal(404, "the server could not find the requested resource");
    for unknown in [plain, told] {
        fatal(unknown.clone());
        expect(unknown, circumstances, &wanted);
    }
    let object =
        Refusal { resource: "widgets".into(), ..refusal(404, "widgets.example.org \"a\" not found") };
    expect(object, circumstances, &Outcome::Fatal);
    let unknown = ApiError::UnknownKind { api_version: "example.org/v1".into(), kind: "Widget".into() };
    assert_eq!(outcome(&unknown, PLAIN), Outcome::Fatal);
    assert_eq!(outcome(&unknown, circumstances), wanted);
}

#[test]
fn row_409_of_a_field_owner_is_for_the_policy_to_decide() {
    let cause = Cause {
        reason: "FieldManagerConflict".into(),
        message: "conflict with \"kubectl\"".into(),
        field: ".spec.replicas".into(),
    };
    fatal(Refusal { causes: vec![cause], ..refusal(409, "Apply failed with 1 conflict") });
}

#[test]
fn row_409_of_another_life_is_final() {
    fatal(refusal(409, "Operation cannot be fulfilled: the UID in the precondition (a) does not match (b)"));
    fatal(refusal(409, "StorageError: invalid object, Precondition failed: UID in precondition: a"));
}

#[test]
fn row_409_of_a_race_is_tried_at_once_and_five_times() {
    let message = "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified; please \
                   apply your changes to the latest version and try again";
    retries(refusal(409, message), Budget::RACE);
    retries(
        Refusal { reason: "AlreadyExists".into(), ..refusal(409, "\"web\" already exists") },
        Budget::RACE,
    );
    assert_eq!((Budget::RACE.tries, Budget::RACE.at_once), (Some(5), true));
}

#[test]
fn row_410_is_for_lists_and_watches_to_begin_anew() {
    let expired = Refusal { reason: "Expired".into(), ..refusal(410, "too old resource version") };
    assert!(ApiError::Refused(expired.clone()).is_expired());
    fatal(expired);
}

#[test]
fn row_4xx_of_a_wrong_request_is_final() {
    for code in [400, 404, 405, 406, 413, 415, 422] {
        fatal(refusal(code, "no"));
    }
}

#[test]
fn row_429_is_tried_as_long_as_the_stage_has_time() {
    retries(refusal(429, "too many requests"), Budget::STAGE);
    assert_eq!((Budget::STAGE.time, Budget::STAGE.tries), (None, None));
}

#[test]
fn row_500_of_a_typed_patch_is_final() {
    fatal(refusal(500, "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors"));
}

#[test]
fn row_500_of_a_webhook_is_tried_for_a_minute() {
    retries(
        refusal(500, "Internal error occurred: failed calling webhook \"x\": no endpoints"),
        Budget::START,
    );
    retries(refusal(500, "conversion webhook for example.org/v1, Kind=X failed: refused"), Budget::START);
    assert_eq!(Budget::START.time, Some(Duration::from_secs(60)));
}

#[test]
fn row_500_of_etcd_or_the_quota_is_tried_again() {
    retries(refusal(500, "etcdserver: leader changed"), Budget::ABSENCE);
    retries(refusal(500, "etcdserver: request timed out"), Budget::ABSENCE);
    retries(refusal(500, "Internal error occurred: resource quota evaluation timed out"), Budget::ABSENCE);
}

#[test]
fn row_500_of_anything_else_is_tried_three_times() {
    retries(refusal(500, "Internal error occurred: nil pointer"), Budget::MISHAP);
    assert_eq!(Budget::MISHAP.tries, Some(3));
}

#[test]
fn row_503_and_504_are_tried_again() {
    for code in [502, 503, 504] {
        retries(refusal(code, "the server is currently unable to handle the request"), Budget::ABSENCE);
    }
}

#[test]
fn the_servers_wish_is_honoured_from_the_header_and_from_the_body() {
    let wish = |seconds| Some(Duration::from_secs(seconds));
    let at_least = |error: &ApiError| match outcome(error, PLAIN) {
        Outcome::Retry { at_least, .. } => Some(at_least),
        _ => None,
    };
    for (code, header, body, wanted) in
        [(429, 7, 0, 7), (429, 0, 9, 9), (503, 7, 9, 9), (504, 9, 7, 9), (500, 2, 0, 2), (409, 3, 0, 3)]
    {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "later", "code": code,
            "details": {"retryAfterSeconds": body},
        });
        let header = wish(header).filter(|wish| !wish.is_zero());
        let error = refused(StatusCode::from_u16(code).unwrap(), &status.to_string(), header);
        assert_eq!(at_least(&error), wish(wanted), "{code}");
    }
}
