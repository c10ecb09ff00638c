//! What makes room for other objects: Namespace, CustomResourceDefinition, APIService.

use std::time::Duration;

use serde_json::Value;

use super::facts::Subject;
use super::words::explained;
use super::{Assessment, Readiness, generic};
use crate::object::GroupKind;

/// When to look at discovery again: it cannot be watched.
const DISCOVERY_AGAIN: Duration = Duration::from_millis(200);

/// Returns the answer for a Namespace, by phase (API docs). The server denies new objects in one that is
/// Terminating.
pub(super) fn namespace(subject: &Subject<'_>) -> Assessment {
    match subject.object.text("/status/phase") {
        "Active" => Assessment::current(),
        "Terminating" => {
            Assessment::of(Readiness::Terminating { finalizers: generic::finalizers(subject.object) })
        }
        _ => Assessment::in_progress("not active yet"),
    }
}

/// Returns the answer for a definition: its names are accepted, it is established, and discovery serves all
/// its versions. Established comes first and discovery lags behind it, above all when an existing
/// definition gains a version (apiextensions `customresource_handler`).
pub(super) fn definition(subject: &Subject<'_>) -> Assessment {
    if let Some(names) = subject.condition("NamesAccepted").filter(|condition| condition.is_false()) {
        let head = "its names are taken";
        return if names.reason().ends_with("Conflict") {
            Assessment::failed(explained(head, names.explanation()))
        } else {
            Assessment::in_progress(explained("its names are not accepted", names.explanation()))
        };
    }
    match subject.condition("Established") {
        Some(established) if established.is_true() => {}
        Some(established)
            if established.is_false()
                && !matches!(established.reason(), "Installing" | "NotAccepted" | "") =>
        {
            return Assessment::failed(explained("it cannot be established", established.explanation()));
        }
        _ => return Assessment::in_progress("not established yet"),
    }
    if subject.condition_true("NamesAccepted").is_none() {
        return Assessment::in_progress("its names are not accepted yet");
    }
    match unserved_version(subject) {
        Some(version) => Assessment::in_progress(format!("version {version} is not in discovery yet"))
            .again_in(DISCOVERY_AGAIN),
        None => Assessment::current(),
    }
}

/// Returns the first version the definition serves and discovery does not tell of.
fn unserved_version<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let kind = GroupKind {
        group: subject.object.text("/spec/group").to_owned(),
        kind: subject.object.text("/spec/names/kind").to_owned(),
    };
    let versions = subject.object.get("/spec/versions").and_then(Value::as_array)?;
    versions
        .iter()
        .filter(|version| version.get("served") == Some(&Value::Bool(true)))
        .filter_map(|version| version.get("name")?.as_str())
        .find(|name| !subject.surroundings.served.contains(&((*name).to_owned(), kind.clone())))
}

/// Returns the answer for an aggregated API: the server can reach it.
pub(super) fn api_service(subject: &Subject<'_>) -> Assessment {
    match subject.condition("Available") {
        Some(available) if available.is_true() => Assessment::current(),
        Some(available) => Assessment::in_progress(explained("not available", available.explanation())),
        None => Assessment::in_progress("not available yet"),
    }
}

/// Returns the answer for a migration of stored objects: it runs to its end, as a Job does (API docs,
/// `StorageVersionMigration`).
pub(super) fn version_migration(subject: &Subject<'_>) -> Assessment {
    if subject.condition_true("Succeeded").is_some() {
        return Assessment::current();
    }
    match subject.condition_true("Failed") {
        Some(failed) => Assessment::failed(explained("the migration failed", failed.explanation())),
        None => Assessment::in_progress("migrating"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Surroundings;
    use super::super::fixtures::{Case, object};
    use super::*;

    #[test]
    fn a_namespace_is_judged_by_phase() {
        let namespace = |status: Value| {
            Case::new(object(
                "v1",
                "Namespace",
                json!({"spec": {"finalizers": ["kubernetes"]}, "status": status}),
            ))
        };
        namespace(json!({"phase": "Active"})).is("current");
        namespace(json!({"phase": "Terminating"})).is("terminating: kubernetes");
        namespace(json!({})).is("in progress: not active yet");
    }

    fn definition(conditions: &Value, served: &[&str]) -> Case {
        let body = json!({
            "spec": {"group": "example.org", "names": {"kind": "Database"}, "versions": [
                {"name": "v1alpha1", "served": false}, {"name": "v1", "served": true}]},
            "status": {"conditions": conditions},
        });
        let kind = GroupKind { group: "example.org".into(), kind: "Database".into() };
        let served = served.iter().map(|version| ((*version).to_owned(), kind.clone())).collect();
        Case::new(object("apiextensions.k8s.io/v1", "CustomResourceDefinition", body))
            .within(Surroundings { served, ..Surroundings::default() })
    }

    #[test]
    fn a_definition_is_current_when_it_can_be_used() {
        let both =
            json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]);
        definition(&both, &["v1"]).is("current");
        definition(&both, &[])
            .is_for("in progress: version v1 is not in discovery yet", Duration::from_millis(200));
        definition(&json!([]), &["v1"]).is("in progress: not established yet");
        definition(&json!([{"type": "NamesAccepted", "status": "True"}]), &["v1"])
            .is("in progress: not established yet");
        definition(&json!([{"type": "Established", "status": "True"}]), &["v1"])
            .is("in progress: its names are not accepted yet");
    }

    #[test]
    fn a_definition_whose_names_are_taken_fails() {
        definition(
            &json!([
                {"type": "NamesAccepted", "status": "False", "reason": "PluralConflict",
                 "message": "\"databases\" is already in use"},
                {"type": "Established", "status": "False", "reason": "NotAccepted"}]),
            &[],
        )
        .is("failed: its names are taken: \"databases\" is already in use (PluralConflict)");
    }

    #[test]
    fn a_definition_that_is_being_installed_goes_on() {
        let installing = json!([{"type": "NamesAccepted", "status": "True"},
            {"type": "Established", "status": "False", "reason": "Installing"}]);
        definition(&installing, &[]).is("in progress: not established yet");
        let broken = json!([{"type": "Established", "status": "False", "reason": "Broken"}]);
        definition(&broken, &[]).is("failed: it cannot be established: Broken");
    }

    #[test]
    fn an_api_service_must_be_available() {
        let api_service = |conditions: Value| {
            Case::new(object(
                "apiregistration.k8s.io/v1",
                "APIService",
                json!({"status": {"conditions": conditions}}),
            ))
        };
        api_service(json!([{"type": "Available", "status": "True"}])).is("current");
        api_service(json!([{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]))
            .is("in progress: not available: MissingEndpoints");
        api_service(json!([])).is("in progress: not available yet");
    }
    #[test]
    fn a_migration_must_succeed() {
        let migration = |conditions: Value| {
            Case::new(object(
                "storagemigration.k8s.io/v1beta1",
                "StorageVersionMigration",
                json!({"status": {"conditions": conditions}}),
            ))
        };
        migration(json!([{"type": "Running", "status": "True"}])).is("in progress: migrating");
        migration(json!([{"type": "Succeeded", "status": "True"}])).is("current");
        migration(json!([{"type": "Failed", "status": "True", "reason": "StorageVersionUnknown"}]))
            .is("failed: the migration failed: StorageVersionUnknown");
    }
}
