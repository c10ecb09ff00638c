//! From client-side to server-side apply: what `kubectl apply` and its like own of an object becomes ours,
//! as client-go's `util/csaupgrade` does it. Without it, a field that the plan no longer has would stay
//! for ever, owned by a command nobody will run again.

use serde_json::{Map, Value, json};

use crate::inventory::FIELD_MANAGER;
use crate::object::Object;

/// Where client-side apply keeps a copy of what it applied.
const LAST_APPLIED: &str = "f:kubectl.kubernetes.io/last-applied-configuration";

/// The field managers of whoever wrote a whole object by updates, from a file: kubectl, Helm before version 4,
/// and the server's name for whoever wrote before there were managers (apiserver `skipnonapplied.go`). What
/// somebody edited by hand is his.
const CLIENT_SIDE: [&str; 6] = [
    "before-first-apply",
    "helm",
    "kubectl",
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-replace",
];

/// Returns the JSON patch that makes ours what client-side managers own of an object, while it is as it was
/// seen; `None` when there is nothing of theirs.
pub(in crate::engine) fn migration(live: &Object) -> Option<Value> {
    // The resource version makes of it a question: is it still as it was seen?
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries(live)?},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version()},
    ]))
}

/// Returns an object as that patch would leave it.
pub(in crate::engine) fn migrated(live: &Object) -> Option<Object> {
    let mut value = live.value().clone();
    value["metadata"]["managedFields"] = entries(live)?.into();
    Object::new(value).ok()
}

fn entries(live: &Object) -> Option<Vec<Value>> {
    let entries = live.get("/metadata/managedFields")?.as_array()?;
    let is_ours = |entry: &&Value| {
        entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply" && entry["subresource"].is_null()
    };
    let theirs: Vec<&Value> = entries.iter().filter(|entry| is_theirs(entry)).collect();
    let mut ours = if let Some(ours) = entries.iter().find(is_ours) {
        ours.clone()
    } else {
        let mut ours = (*theirs.first()?).clone();
        ours["manager"] = FIELD_MANAGER.into();
        ours["operation"] = "Apply".into();
        ours
    };
    // Fields of another version of the kind mean something else: those of theirs go unowned.
    let version = ours["apiVersion"].clone();
    for entry in theirs.iter().filter(|entry| entry["apiVersion"] == version) {
        ours["fieldsV1"] = union(&ours["fieldsV1"], &entry["fieldsV1"]);
    }
    if theirs.is_empty() {
        return None;
    }
    let others = entries.iter().filter(|entry| !is_theirs(entry) && !is_ours(entry));
    Some(std::iter::once(ours).chain(others.cloned()).collect())
}

fn is_theirs(entry: &Value) -> bool {
    let annotations = &entry["fieldsV1"]["f:metadata"]["f:annotations"];
    let manager = entry["manager"].as_str().unwrap_or_default();
    entry["operation"] == "Update"
        && entry["subresource"].is_null()
        && (CLIENT_SIDE.contains(&manager) || annotations.get(LAST_APPLIED).is_some())
}

/// Returns the fields that are in either of two trees.
fn union(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let mut both: Map<String, Value> = left.clone();
            for (edge, child) in right {
                let child = both.get(edge).map_or_else(|| child.clone(), |mine| union(mine, child));
                both.insert(edge.clone(), child);
            }
            Value::Object(both)
        }
        _ => right.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::migration;
    use crate::object::Object;

    fn object(entries: &[Value]) -> Object {
        let metadata = json!({"name": "web", "resourceVersion": "7", "managedFields": entries});
        Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})).unwrap()
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({
            "manager": manager, "operation": operation, "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        })
    }

    fn migrated(entries: &[Value]) -> Value {
        migration(&object(entries)).unwrap()[0]["value"].clone()
    }

    #[test]
    fn what_kubectl_applied_becomes_ours() {
        let theirs = json!({"f:metadata": {"f:annotations": {"f:x": {}}}, "f:spec": {"f:replicas": {}}});
        let mut status = entry("kube-controller-manager", "Update", &json!({"f:status": {}}));
        status["subresource"] = "status".into();
        let all = [entry("kubectl-client-side-apply", "Update", &theirs), status.clone()];
        assert_eq!(migrated(&all), json!([entry("wesago", "Apply", &theirs), status]));
        let patch = migration(&object(&all)).unwrap();
        let version = json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"});
        assert_eq!(patch[1], version);
    }

    #[test]
    fn what_is_ours_already_is_joined_with_it() {
        let all = [
            entry("wesago", "Apply", &json!({"f:spec": {"f:paused": {}, "f:template": {".": {}}}})),
            entry("kubectl", "Update", &json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}}})),
            entry("somebody", "Update", &json!({"f:data": {}})),
        ];
        let joined =
            json!({"f:spec": {"f:paused": {}, "f:template": {".": {}, "f:spec": {}}, "f:replicas": {}}});
        assert_eq!(migrated(&all), json!([entry("wesago", "Apply", &joined), all[2]]));
    }

    #[test]
    fn any_manager_that_keeps_the_annotation_is_one() {
        let fields = json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}});
        assert_eq!(
            migrated(&[entry("our-own-script", "Update", &fields)]),
            json!([entry("wesago", "Apply", &fields)])
        );
    }

    #[test]
    fn appliers_controllers_and_subresources_keep_what_is_theirs() {
        let mut scale = entry("kubectl", "Update", &json!({"f:spec": {"f:replicas": {}}}));
        scale["subresource"] = "scale".into();
        let all = [
            entry("wesago", "Apply", &json!({})),
            entry("kubectl", "Apply", &json!({"f:spec": {}})),
            entry("kube-controller-manager", "Update", &json!({"f:spec": {}})),
            entry("kubectl-edit", "Update", &json!({"f:spec": {}})),
            scale,
        ];
        assert_eq!(migration(&object(&all)), None);
    }
}
