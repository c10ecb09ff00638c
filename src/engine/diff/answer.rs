//! What the answer to a dry run says about the deploy that would follow. Pure: it mirrors what a deploy
//! does with the same answer to the real write (`write`).

use serde_json::Value;

use crate::cluster::{ApiError, Refusal, Written};
use crate::engine::conflict::{self, Settlement, Terms};
use crate::engine::recreate::{Way, way};
use crate::engine::refused;
use crate::event::Prospect;
use crate::object::{Change, Object};

/// What would come of a write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outlook {
    /// Nothing would change.
    Unchanged,
    /// A rollback would leave it alone: it is a Job that has run since.
    Spared,
    /// It would be done.
    Done {
        /// What.
        prospect: Prospect,
        /// The object as it would be; `None` when the object before it has to go first.
        after: Option<Value>,
        /// Why, where that is not plain.
        why: Option<String>,
    },
    /// The server could not be asked, or what it was asked about is not there yet.
    Unverified {
        /// Why.
        why: String,
    },
    /// The server refuses, and the deploy would fail.
    Refused {
        /// What it says.
        message: String,
    },
}

/// Returns what an answer means for an object that was `live` before, under the terms of its write. An error
/// that says nothing about the object is handed back.
pub(super) fn outlook(
    wanted: &Object,
    live: Option<&Object>,
    terms: &Terms,
    answer: Result<&Written, &ApiError>,
) -> Result<Outlook, ApiError> {
    match answer {
        Ok(written) => Ok(accepted(live, written)),
        Err(ApiError::UnknownKind { .. }) => {
            let why = format!("the cluster does not know the kind {} yet", wanted.kind());
            Ok(Outlook::Unverified { why })
        }
        Err(ApiError::Refused(refusal)) => refused(wanted, live, terms, refusal),
        Err(error) => Err(error.clone()),
    }
}

fn accepted(live: Option<&Object>, written: &Written) -> Outlook {
    let after = written.object.value();
    if after.pointer("/metadata/deletionTimestamp").is_some() {
        let why = Some("the one that is there is being deleted".to_owned());
        return Outlook::Done { prospect: Prospect::Create, after: None, why };
    }
    if written.change == Change::Created {
        return Outlook::Done { prospect: Prospect::Create, after: Some(after.clone()), why: None };
    }
    match live {
        Some(live) if stored(live.value()) == stored(after) => Outlook::Unchanged,
        _ => Outlook::Done { prospect: Prospect::Configure, after: Some(after.clone()), why: None },
    }
}

fn refused(
    wanted: &Object,
    live: Option<&Object>,
    terms: &Terms,
    refusal: &Refusal,
) -> Result<Outlook, ApiError> {
    let told = || refused::text(wanted, &ApiError::Refused(refusal.clone()));
    if let Some(live) = live.filter(|_| refusal.is_immutable_field()) {
        return Ok(match way(wanted, live, terms.recreate) {
            Way::Anew(_) => {
                let why = Some("what changes cannot be changed in place".to_owned());
                Outlook::Done { prospect: Prospect::Recreate, after: None, why }
            }
            Way::No { hint } => Outlook::Refused { message: format!("{}; {hint}", told()) },
        });
    }
    if refusal.is_field_conflict() {
        let configure = |why| Outlook::Done { prospect: Prospect::Configure, after: None, why: Some(why) };
        return Ok(match terms.settle(refusal) {
            Settlement::Take => configure(format!("{}, and that is taken", told())),
            Settlement::Yield(fields) => configure(format!("{} is left to its owner", fields.join(", "))),
            Settlement::Fail(conflicts) => Outlook::Refused {
                message: match live.filter(|_| !conflicts.is_empty()) {
                    Some(live) => conflict::explain(wanted, live, &conflicts),
                    None => told(),
                },
            },
        });
    }
    let message = refusal.message.clone();
    Ok(match refusal.code {
        404 if refusal.resource == "namespaces" => {
            let why = format!("namespace {} is not there yet", wanted.namespace().unwrap_or_default());
            Outlook::Unverified { why }
        }
        404 => Outlook::Unverified { why: format!("the cluster does not serve {} yet", wanted.kind()) },
        // apiserver, admission/plugin/webhook/errors.
        400 if message.contains("does not support dry run") => Outlook::Unverified { why: message },
        // The authorizer's words, unlike those of quota and policy: we may not write, and so not ask.
        403 if message.contains("cannot patch resource") || message.contains("cannot create resource") => {
            Outlook::Unverified { why: message }
        }
        400 | 403 | 405 | 409 | 413 | 422 | 500 => Outlook::Refused { message: told() },
        _ => return Err(ApiError::Refused(refusal.clone())),
    })
}

/// Returns what decides whether a write is one: the object without its status and its counters, and who
/// owns what of it, without the times. (The server keeps an object whose content and owners are the same:
/// apiserver, `endpoints/handlers/fieldmanager/equality.go`.)
fn stored(object: &Value) -> (Value, Vec<Value>) {
    let owners = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let without_time = |entry: &Value| {
        let mut entry = entry.clone();
        if let Some(entry) = entry.as_object_mut() {
            entry.shift_remove("time");
        }
        entry
    };
    // A controller may tell its status at any moment: that is no change of ours.
    let of_status = |entry: &&Value| entry["subresource"] == "status";
    let owners = owners.into_iter().flatten().filter(|entry| !of_status(entry)).map(without_time);
    (crate::difference::desired(object), owners.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Outlook, outlook};
    use crate::cluster::{ApiError, Cause, Refusal, Written};
    use crate::engine::conflict::Terms;
    use crate::event::Prospect;
    use crate::object::{Change, Object};
    use crate::plan::ConflictPolicy;

    fn object(kind: &str, more: &Value) -> Object {
        let api_version = match kind {
            "Job" => "batch/v1",
            "StatefulSet" => "apps/v1",
            _ => "v1",
        };
        let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
        json_patch::merge(&mut value, more);
        Object::new(value).unwrap()
    }

    fn answered(object: Object, change: Change) -> Written {
        Written { object, change, warnings: Vec::new() }
    }

    fn entry(fields: &Value, time: &str) -> Value {
        json!({"metadata": {"managedFields": [
            {"manager": "wesago", "operation": "Apply", "time": time, "fieldsV1": fields},
        ]}})
    }

    #[track_caller]
    fn prospect(live: Option<&Object>, written: &Written) -> Option<Prospect> {
        match outlook(&object("ConfigMap", &json!({})), live, &Terms::default(), Ok(written)).unwrap() {
            Outlook::Unchanged => None,
            Outlook::Done { prospect, .. } => Some(prospect),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_accepted_write_is_told_by_its_content_and_its_owners() {
        let live = object("ConfigMap", &entry(&json!({"f:data": {}}), "2026-01-01T00:00:00Z"));
        let again = object("ConfigMap", &entry(&json!({"f:data": {}}), "2026-02-02T00:00:00Z"));
        let taken = object("ConfigMap", &entry(&json!({}), "2026-01-01T00:00:00Z"));
        let status = object("ConfigMap", &json!({"status": {"a": 1}, "metadata": {"resourceVersion": "9"}}));
        let going = object("ConfigMap", &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        assert_eq!(prospect(Some(&live), &answered(again, Change::Configured)), None);
        assert_eq!(prospect(Some(&live), &answered(taken, Change::Configured)), Some(Prospect::Configure));
        let bare = object("ConfigMap", &json!({}));
        assert_eq!(prospect(Some(&bare), &answered(status, Change::Configured)), None);
        assert_eq!(prospect(None, &answered(bare.clone(), Change::Created)), Some(Prospect::Create));
        assert_eq!(prospect(Some(&bare), &answered(going, Change::Configured)), Some(Prospect::Create));
    }

    fn told(kind: &str, code: u16, resource: &str, message: &str) -> Outlook {
        let refusal = Refusal {
            code,
            resource: resource.to_owned(),
            message: message.to_owned(),
            ..Refusal::default()
        };
        let live = object(kind, &json!({}));
        outlook(&live, Some(&live), &Terms::default(), Err(&ApiError::Refused(refusal))).unwrap()
    }

    #[test]
    fn a_refusal_is_a_forecast_too() {
        let immutable = "Job.batch \"x\" is invalid: spec.template: Invalid value: {}: field is immutable";
        assert!(matches!(
            told("Job", 422, "jobs", immutable),
            Outlook::Done { prospect: Prospect::Recreate, .. }
        ));
        let set = "StatefulSet.apps \"x\" is invalid: spec: Forbidden: updates to statefulset spec for fields other \
                   than 'replicas' are forbidden";
        assert!(matches!(
            told("StatefulSet", 422, "statefulsets", set),
            Outlook::Done { prospect: Prospect::Recreate, .. }
        ));
        assert!(matches!(told("Service", 422, "services", immutable), Outlook::Refused { .. }));
        let quota = "configmaps \"x\" is forbidden: exceeded quota: small, requested: count/configmaps=1";
        assert!(matches!(told("ConfigMap", 403, "configmaps", quota), Outlook::Refused { .. }));
    }

    #[test]
    fn what_could_not_be_asked_is_unverified_not_invalid() {
        let webhook = "admission webhook \"check.example.org\" does not support dry run";
        let rights = "configmaps \"x\" is forbidden: User \"ci\" cannot patch resource \"configmaps\"";
        for (code, resource, message) in [
            (404, "namespaces", "namespaces \"shop\" not found"),
            (404, "", "the server could not find the requested resource"),
            (400, "", webhook),
            (403, "configmaps", rights),
        ] {
            let told = told("ConfigMap", code, resource, message);
            assert!(matches!(told, Outlook::Unverified { .. }), "{told:?}");
        }
    }

    #[test]
    fn a_conflict_names_field_and_owner() {
        let cause = Cause {
            reason: "FieldManagerConflict".into(),
            message: "conflict with \"kubectl-edit\" using v1".into(),
            field: ".data.a".into(),
        };
        let refusal = Refusal { code: 409, causes: vec![cause], ..Refusal::default() };
        let live = object("ConfigMap", &json!({}));
        let refused = ApiError::Refused(refusal);
        let under = |terms: &Terms| outlook(&live, Some(&live), terms, Err(&refused)).unwrap();
        for policy in [ConflictPolicy::Take, ConflictPolicy::Yield] {
            let terms = Terms { rules: vec![(".data.a".into(), policy)], ..Terms::default() };
            let told = under(&terms);
            assert!(matches!(told, Outlook::Done { prospect: Prospect::Configure, .. }), "{told:?}");
        }
        let told = under(&Terms::default());
        let Outlook::Refused { message } = told else { panic!("{told:?}") };
        assert!(message.starts_with("`.data.a` belongs to kubectl-edit (update)"), "{message}");
        assert!(message.contains("`--take ConfigMap/x:.data.a`"), "{message}");
    }

    #[test]
    fn what_says_nothing_about_the_object_is_an_error() {
        let live = object("ConfigMap", &json!({}));
        let away = ApiError::Unreachable { cause: "connection refused".into() };
        assert_eq!(outlook(&live, None, &Terms::default(), Err(&away)), Err(away.clone()));
        let busy = ApiError::Refused(Refusal { code: 503, ..Refusal::default() });
        assert_eq!(outlook(&live, None, &Terms::default(), Err(&busy)), Err(busy.clone()));
    }
}
