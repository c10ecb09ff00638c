//! A write the server refuses: what that means for a person, and what to try. Pure.

use crate::cluster::{ApiError, Refusal};
use crate::diagnosis::{Class, documentation, rule_behind};
use crate::event::CauseFound;
use crate::object::Object;
use crate::plan::StageId;

/// A write the server has not taken.
pub(super) struct NotTaken {
    /// Why.
    pub cause: CauseFound,
    /// The namespace that takes nothing new, when that is why.
    pub ending: Option<String>,
}

/// Fields told of one refusal.
const FIELDS: usize = 3;

/// Returns what an error of a write says, with the owners of a conflict. What the server says of a Secret's
/// fields may quote them, and is left out.
pub(super) fn text(object: &Object, error: &ApiError) -> String {
    let Some(refusal) = error.refusal() else { return error.to_string() };
    if refusal.is_field_conflict() {
        let owned = refusal.causes.iter().map(|cause| format!("{} ({})", cause.field, cause.message));
        return format!("somebody else owns {}", owned.collect::<Vec<_>>().join(", "));
    }
    let quotes = matches!(refusal.code, 400 | 422) || refusal.message.contains("webhook");
    if object.kind() == "Secret" && quotes {
        let fields: Vec<_> = refusal.causes.iter().map(|cause| cause.field.as_str()).take(FIELDS).collect();
        return match fields.as_slice() {
            [] => "the server does not take it as it is".to_owned(),
            fields => format!("the server does not take {}", fields.join(", ")),
        };
    }
    error.to_string()
}

/// Returns the cause of a stage's failure in a refused write. `definer` is the stage that defines the kind
/// and is not waited for, when there is one.
pub(super) fn cause(
    stage: &StageId,
    object: &Object,
    error: &ApiError,
    place: Option<String>,
    definer: Option<&StageId>,
) -> CauseFound {
    let told = text(object, error);
    let message = match (error.last(), definer) {
        (ApiError::UnknownKind { .. }, Some(definer)) => format!(
            "{told}; stage `{definer}` defines it, and `{stage}` does not wait for that: add it to its `needs`"
        ),
        (ApiError::UnknownKind { .. }, None) => {
            format!("{told}; its CustomResourceDefinition is not installed, or serves other versions")
        }
        _ => told,
    };
    CauseFound {
        stage: stage.clone(),
        chain: vec![object.reference().to_string()],
        reason: reason(error),
        message,
        class: Some(class(error)),
        place,
        log: Vec::new(),
        next: next(object, error),
    }
}

/// Returns the namespace that takes nothing new, when that is why a write is refused.
pub(super) fn ending_namespace(object: &Object, error: &ApiError) -> Option<String> {
    error.refusal().filter(|refusal| is_ending(refusal))?;
    object.namespace().map(str::to_owned)
}

/// Returns whether a write that was refused to the end might have been taken later.
fn class(error: &ApiError) -> Class {
    match error.last() {
        ApiError::Refused(refusal) if refusal.is_of_the_moment() => Class::Transient,
        ApiError::Refused(_) | ApiError::UnknownKind { .. } => Class::Permanent,
        ApiError::Unreachable { .. }
        | ApiError::NoAnswer { .. }
        | ApiError::Unreadable { .. }
        | ApiError::StillThere { .. }
        | ApiError::Interrupted
        | ApiError::LockLost
        | ApiError::GaveUp { .. } => Class::Transient,
    }
}

fn reason(error: &ApiError) -> String {
    let word = match error.last() {
        ApiError::Refused(refusal) if refusal.reason.is_empty() => return format!("HTTP {}", refusal.code),
        ApiError::Refused(refusal) => &refusal.reason,
        ApiError::UnknownKind { .. } => "NoKindMatch",
        ApiError::Unreachable { .. } | ApiError::NoAnswer { .. } => "Unreachable",
        ApiError::Unreadable { .. } => "Unreadable",
        ApiError::StillThere { .. } => "Terminating",
        ApiError::Interrupted | ApiError::LockLost | ApiError::GaveUp { .. } => "Interrupted",
    };
    word.to_owned()
}

/// Returns commands that show more, or help; the best one first.
fn next(object: &Object, error: &ApiError) -> Vec<String> {
    let name = object.reference();
    let inside =
        name.namespace.as_ref().map_or(String::new(), |namespace| format!(" --namespace {namespace}"));
    let kind = name.group_kind().to_string().to_lowercase();
    let refusal = match error.last() {
        ApiError::Refused(refusal) => refusal,
        ApiError::UnknownKind { api_version, .. } => {
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            return vec![format!("kubectl api-resources --api-group={group}")];
        }
        ApiError::Unreachable { .. } | ApiError::NoAnswer { .. } => {
            return vec!["kubectl cluster-info".to_owned()];
        }
        ApiError::StillThere { object, .. } => {
            return vec![format!("kubectl get {} {} --output yaml", object.kind.to_lowercase(), object.name)];
        }
        ApiError::Unreadable { .. }
        | ApiError::Interrupted
        | ApiError::LockLost
        | ApiError::GaveUp { .. } => return Vec::new(),
    };
    let rule = rule_behind(&refusal.message, name.namespace.as_deref());
    if let Some(rule) = rule.filter(|_| !refusal.is_field_conflict() && !is_ending(refusal)) {
        return vec![rule];
    }
    let says = |text: &str| refusal.message.contains(text);
    let wrong = || refusal.causes.iter().map(|cause| cause.field.as_str()).find(|field| !field.is_empty());
    vec![match refusal.code {
        409 if refusal.is_field_conflict() => {
            format!("kubectl{inside} get {kind} {} --show-managed-fields --output yaml", name.name)
        }
        403 if is_ending(refusal) => {
            format!("kubectl get namespace {} --output yaml", name.namespace.as_deref().unwrap_or(&name.name))
        }
        403 if says(" cannot ") => format!("kubectl{inside} auth can-i --list"),
        400 | 422 => {
            let (kind, version) = (name.kind.to_lowercase(), object.api_version());
            wrong()
                .and_then(|field| documentation(&kind, version, field))
                .unwrap_or_else(|| format!("kubectl explain {kind} --api-version={version} --recursive"))
        }
        _ => format!("kubectl{inside} describe {kind} {}", name.name),
    }]
}

fn is_ending(refusal: &Refusal) -> bool {
    refusal.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
        || refusal.message.contains("because it is being terminated")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::Cause;

    fn object(api_version: &str, kind: &str) -> Object {
        let metadata = json!({"name": "x", "namespace": "shop"});
        Object::new(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})).unwrap()
    }

    fn refusal(code: u16, reason: &str, message: &str) -> Refusal {
        Refusal { code, reason: reason.into(), message: message.into(), ..Refusal::default() }
    }

    fn told(object: &Object, error: &ApiError, definer: Option<&str>) -> String {
        let definer = definer.map(|name| StageId::new(name).unwrap());
        let stage = StageId::new("web").unwrap();
        let found = cause(&stage, object, error, None, definer.as_ref());
        format!("{}: {} > {}", found.reason, found.message, found.next.join(", "))
    }

    #[test]
    fn each_refusal_names_its_cause_and_the_next_step() {
        let deployment = object("apps/v1", "Deployment");
        let mut conflict = refusal(409, "Conflict", "Apply failed with 1 conflict");
        conflict.causes = vec![Cause {
            reason: "FieldManagerConflict".into(),
            message: "conflict with \"kubectl-edit\" using apps/v1".into(),
            field: ".spec.replicas".into(),
        }];
        let mut ending = refusal(403, "Forbidden", "unable to create new content in namespace shop");
        ending.causes = vec![Cause {
            reason: "NamespaceTerminating".into(),
            message: String::new(),
            field: "metadata.namespace".into(),
        }];
        let lines: Vec<_> = [
            conflict,
            ending,
            refusal(403, "Forbidden", "pods \"x\" is forbidden: exceeded quota: small"),
            refusal(403, "Forbidden", "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\""),
            refusal(403, "Forbidden", "User \"somebody\" cannot patch resource \"deployments\""),
            refusal(400, "BadRequest", "admission webhook \"policy\" denied the request: no"),
            refusal(422, "Invalid", "spec.replicas: Invalid value: -1"),
            refusal(418, "", "no"),
        ]
        .into_iter()
        .map(|refusal| told(&deployment, &ApiError::Refused(refusal), None))
        .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        Conflict: somebody else owns .spec.replicas (conflict with "kubectl-edit" using apps/v1) > kubectl --namespace shop get deployment.apps x --show-managed-fields --output yaml
        Forbidden: unable to create new content in namespace shop > kubectl get namespace shop --output yaml
        Forbidden: pods "x" is forbidden: exceeded quota: small > kubectl --namespace shop describe resourcequota
        Forbidden: pods "x" is forbidden: violates PodSecurity "restricted:latest" > kubectl get namespace shop --show-labels
        Forbidden: User "somebody" cannot patch resource "deployments" > kubectl --namespace shop auth can-i --list
        BadRequest: admission webhook "policy" denied the request: no > kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations
        Invalid: spec.replicas: Invalid value: -1 > kubectl explain deployment --api-version=apps/v1 --recursive
        HTTP 418: no > kubectl --namespace shop describe deployment.apps x
        "#);
    }

    #[test]
    fn a_kind_nobody_serves_tells_who_would_define_it() {
        let widget = object("example.org/v1", "Widget");
        let error = ApiError::UnknownKind { api_version: "example.org/v1".into(), kind: "Widget".into() };
        let lines = [told(&widget, &error, None), told(&widget, &error, Some("operators"))];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        NoKindMatch: the cluster does not know the kind `Widget` of `example.org/v1`; its CustomResourceDefinition is not installed, or serves other versions > kubectl api-resources --api-group=example.org
        NoKindMatch: the cluster does not know the kind `Widget` of `example.org/v1`; stage `operators` defines it, and `web` does not wait for that: add it to its `needs` > kubectl api-resources --api-group=example.org
        "#);
    }

    #[test]
    fn what_the_server_quotes_of_a_secret_is_not_told() {
        let mut refusal = refusal(422, "Invalid", "data[password]: Invalid value: \"hunter2\": too long");
        let secret = object("v1", "Secret");
        assert_eq!(
            text(&secret, &ApiError::Refused(refusal.clone())),
            "the server does not take it as it is"
        );
        refusal.causes = vec![Cause {
            reason: "FieldValueInvalid".into(),
            message: "Invalid value: \"hunter2\"".into(),
            field: "data[password]".into(),
        }];
        let told = told(&secret, &ApiError::Refused(refusal), None);
        assert!(told.contains("data[password]") && !told.contains("hunter2"), "{told}");
        let denied = Refusal {
            code: 403,
            message: "admission webhook \"policy\" denied the request: hunter2 is weak".into(),
            ..Refusal::default()
        };
        assert!(!text(&secret, &ApiError::Refused(denied)).contains("hunter2"));
    }
}
