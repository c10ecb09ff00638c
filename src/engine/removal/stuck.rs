//! Why an object does not go: its finalizers, who has to let go of it, and whether he still can
//! (readiness.md 4.3). A finalizer is never taken off: that is for a person who knows what it protects.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::{Catalog, Resource, Scope};
use crate::engine::retry::Tools;
use crate::object::{GroupKind, Object, ObjectRef, Uid};

/// An object that is not gone so long after its deletion needs an explanation.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the explanation is looked up anew.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How long looking it up may take.
const LOOK_FOR: Duration = Duration::from_secs(10);
/// Objects named in one explanation.
const NAMED: usize = 3;

/// The conditions of a Namespace that say what keeps it
/// (`controller/namespace/deletion/status_condition_utils.go`).
const NAMESPACE_CONDITIONS: [&str; 5] = [
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
];

/// Looks after one object that is being deleted.
pub(in crate::engine) struct Stuck<'a> {
    tools: &'a Tools,
    catalog: &'a Catalog,
    object: &'a ObjectRef,
    uid: &'a Uid,
    resource: &'a Resource,
    due: Instant,
    told: Option<String>,
}

/// What is known around an object that does not go.
#[derive(Default)]
struct Around {
    /// Pods and ReplicaSets of its namespace.
    neighbours: Vec<Object>,
    /// The objects of a definition's kind.
    instances: Vec<Object>,
    /// All pods of the cluster; `None` when they were not asked for or may not be read.
    pods: Option<Vec<Object>>,
}

impl<'a> Stuck<'a> {
    /// Begins to look after an object whose deletion has just begun.
    pub(in crate::engine) fn new(
        tools: &'a Tools,
        catalog: &'a Catalog,
        object: &'a ObjectRef,
        uid: &'a Uid,
        resource: &'a Resource,
    ) -> Self {
        Self { tools, catalog, object, uid, resource, due: Instant::now() + PATIENCE, told: None }
    }

    /// Waits until there should be an explanation, and returns it when it is a new one.
    pub(in crate::engine) async fn next(&mut self) -> Option<String> {
        tokio::time::sleep_until(self.due).await;
        self.due = Instant::now() + AGAIN_AFTER;
        // Not to know why is no reason to wait less.
        let found = tokio::time::timeout(LOOK_FOR, self.look()).await.ok().flatten()?;
        if self.told.as_ref() == Some(&found) {
            return None;
        }
        self.told = Some(found.clone());
        Some(found)
    }

    async fn look(&self) -> Option<String> {
        let live = self.tools.cluster.get(self.resource, self.object).await.ok().flatten()?;
        if live.uid().as_ref() != Some(self.uid) {
            return None;
        }
        let held: Vec<&str> = finalizers(&live);
        let mut around = Around::default();
        if held
            .iter()
            .any(|finalizer| matches!(*finalizer, "foregroundDeletion" | "kubernetes.io/pvc-protection"))
        {
            for (group, kind) in [("apps", "ReplicaSet"), ("", "Pod")] {
                let found = self.list(group, kind, live.namespace()).await;
                around.neighbours.extend(found.unwrap_or_default());
            }
        }
        if held.contains(&"customresourcecleanup.apiextensions.k8s.io") {
            let (group, kind) = (live.text("/spec/group"), live.text("/spec/names/kind"));
            around.instances = self.list(group, kind, None).await.unwrap_or_default();
        }
        if held.iter().any(|finalizer| known(finalizer).is_none()) {
            around.pods = self.list("", "Pod", None).await;
        }
        Some(explain(&live, &around))
    }

    async fn list(&self, group: &str, kind: &str, namespace: Option<&str>) -> Option<Vec<Object>> {
        let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
        let scope = Scope::all(self.catalog.preferred(&kind)?.clone(), namespace);
        Some(self.tools.cluster.list(&scope).await.ok()?.objects)
    }
}

fn finalizers(object: &Object) -> Vec<&str> {
    let lists = ["/metadata/finalizers", "/spec/finalizers"];
    let lists = &lists[..if object.kind() == "Namespace" { 2 } else { 1 }];
    let held = lists.iter().filter_map(|pointer| object.get(pointer)?.as_array()).flatten();
    held.filter_map(Value::as_str).collect()
}

/// Returns who serves a finalizer of Kubernetes itself.
fn known(finalizer: &str) -> Option<&'static str> {
    Some(match finalizer {
        "foregroundDeletion" => "waits for what it owns",
        "orphan" => {
            "the garbage collector has not let its dependents go yet; does the controller manager run?"
        }
        "kubernetes.io/pvc-protection" => "pods still use it",
        "kubernetes.io/pv-protection" => "a claim is still bound to it",
        "service.kubernetes.io/load-balancer-cleanup" => {
            "the load balancer's controller has not released it; does it run?"
        }
        "batch.kubernetes.io/job-tracking" => "the Job controller has not counted it; does it run?",
        "customresourcecleanup.apiextensions.k8s.io" => "objects of its kind are still there",
        "kubernetes" => "its contents are being deleted",
        _ => return None,
    })
}

/// Returns why an object that is being deleted is still there.
fn explain(object: &Object, around: &Around) -> String {
    let held = finalizers(object);
    if held.is_empty() {
        return "nothing holds it; the server has not removed it yet".to_owned();
    }
    let reasons = held.iter().map(|finalizer| {
        let names = match *finalizer {
            "foregroundDeletion" => blocking(object, &around.neighbours),
            "kubernetes.io/pvc-protection" => users(object, &around.neighbours),
            "kubernetes.io/pv-protection" => {
                vec![format!(
                    "{}/{}",
                    object.text("/spec/claimRef/namespace"),
                    object.text("/spec/claimRef/name")
                )]
            }
            "customresourcecleanup.apiextensions.k8s.io" => around.instances.iter().map(state).collect(),
            "kubernetes" => conditions(object),
            _ => Vec::new(),
        };
        match known(finalizer) {
            Some(who) if names.is_empty() => format!("{finalizer}: {who}"),
            Some(who) => format!("{finalizer}: {who}: {}", some(&names)),
            None => format!("{finalizer}: {}", operator(object, finalizer, around)),
        }
    });
    reasons.collect::<Vec<_>>().join("; ")
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns what an object owns, through others too.
fn blocking(object: &Object, neighbours: &[Object]) -> Vec<String> {
    let mut owners: BTreeSet<&str> = [object.text("/metadata/uid")].into();
    // ReplicaSets come before pods, so that one pass finds both.
    let mut owned = Vec::new();
    for neighbour in neighbours {
        let references = neighbour.get("/metadata/ownerReferences").and_then(Value::as_array);
        let is_owned = |owner: &Value| owner["uid"].as_str().is_some_and(|uid| owners.contains(uid));
        if references.into_iter().flatten().any(is_owned) {
            owners.insert(neighbour.text("/metadata/uid"));
            owned.push(state(neighbour));
        }
    }
    owned
}

/// Returns the pods that mount a claim.
fn users(claim: &Object, neighbours: &[Object]) -> Vec<String> {
    let mounts = |pod: &&Object| {
        let volumes = pod.get("/spec/volumes").and_then(Value::as_array);
        let mut names = volumes.into_iter().flatten().map(|v| &v["persistentVolumeClaim"]["claimName"]);
        pod.kind() == "Pod" && names.any(|name| name == claim.name())
    };
    neighbours.iter().filter(mounts).map(state).collect()
}

/// Returns an object with what it is doing, such as `Pod/web-0 (is being deleted, held by x)`.
fn state(object: &Object) -> String {
    let name = object.reference();
    let held = finalizers(object);
    if !object.is_being_deleted() {
        return name.to_string();
    }
    let node = object.text("/spec/nodeName");
    let place = if node.is_empty() { String::new() } else { format!(" on node {node}") };
    if held.is_empty() {
        format!("{name} (is ending{place})")
    } else {
        format!("{name} (is being deleted{place}, held by {})", held.join(", "))
    }
}

fn conditions(namespace: &Object) -> Vec<String> {
    let conditions = namespace.get("/status/conditions").and_then(Value::as_array);
    let telling = conditions.into_iter().flatten().filter(|condition| {
        let kind = condition["type"].as_str().unwrap_or_default();
        NAMESPACE_CONDITIONS.contains(&kind) && condition["status"] == "True"
    });
    telling.filter_map(|condition| condition["message"].as_str()).map(str::to_owned).collect()
}

/// Returns who set a finalizer that is none of Kubernetes' own, and whether he still runs: by the field
/// manager that owns it, and the pods that are called alike.
fn operator(object: &Object, finalizer: &str, around: &Around) -> String {
    let entries = object.get("/metadata/managedFields").and_then(Value::as_array);
    let field = format!("v:{}", Value::from(finalizer));
    let owner = entries
        .into_iter()
        .flatten()
        .find(|entry| entry["fieldsV1"]["f:metadata"]["f:finalizers"].get(&field).is_some());
    let by_hand = "; if he never will, `kubectl edit` can take it off";
    let Some(owner) = owner.and_then(|entry| entry["manager"].as_str()) else {
        return format!("nobody is known to serve it{by_hand}");
    };
    let alike = |pod: &&Object| pod.name().contains(owner) && pod.text("/status/phase") == "Running";
    match around.pods.as_ref().map(|pods| pods.iter().find(alike)) {
        Some(Some(pod)) => {
            let namespace = pod.namespace().unwrap_or_default();
            format!("`{owner}` has to take it off; {} in {namespace} runs", pod.reference())
        }
        Some(None) => format!("`{owner}` has to take it off, and no running pod is called so{by_hand}"),
        None => format!("`{owner}` has to take it off; does it run?"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Around, explain};
    use crate::object::Object;

    fn object(kind: &str, name: &str, more: &Value) -> Object {
        let mut value = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "uid": format!("{kind}-{name}")},
        });
        json_patch::merge(&mut value, more);
        Object::new(value).unwrap()
    }

    fn held(kind: &str, finalizer: &str) -> Object {
        object(kind, "x", &json!({"metadata": {"finalizers": [finalizer]}}))
    }

    fn owned(kind: &str, name: &str, owner: &str, more: &Value) -> Object {
        let mut object = object(kind, name, more).into_value();
        object["metadata"]["ownerReferences"] = json!([{"uid": owner}]);
        Object::new(object).unwrap()
    }

    #[test]
    fn every_finalizer_is_explained() {
        let ending =
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": "n1"}});
        let mounting = json!({"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "x"}}]}});
        let neighbours = vec![
            owned("ReplicaSet", "x-5f", "Deployment-x", &json!({})),
            owned("Pod", "x-5f-1", "ReplicaSet-x-5f", &ending),
            object("Pod", "db-0", &mounting),
            object("Pod", "other", &json!({})),
        ];
        let widget = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.org/hold"]}});
        let instances = (0..5).map(|number| object("Widget", &format!("w{number}"), &widget)).collect();
        let around = Around { neighbours, instances, pods: None };
        let volume = json!({"metadata": {"finalizers": ["kubernetes.io/pv-protection"]}, "spec": {"claimRef": {"namespace": "shop", "name": "data"}}});
        let namespace = json!({
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"conditions": [
                {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: pods. has 2 resource instances"},
                {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted"},
            ]},
        });
        let all = [
            held("Deployment", "foregroundDeletion"),
            held("PersistentVolumeClaim", "kubernetes.io/pvc-protection"),
            object("PersistentVolume", "x", &volume),
            held("Service", "service.kubernetes.io/load-balancer-cleanup"),
            held("Pod", "batch.kubernetes.io/job-tracking"),
            held("CustomResourceDefinition", "customresourcecleanup.apiextensions.k8s.io"),
            held("StatefulSet", "orphan"),
            object("Namespace", "x", &namespace),
            object("ConfigMap", "x", &json!({})),
        ];
        let told: Vec<String> = all.iter().map(|object| explain(object, &around)).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn an_operator_is_named_and_looked_for() {
        let fields = json!({"f:metadata": {"f:finalizers": {"v:\"example.org/hold\"": {}}}});
        let metadata = json!({
            "finalizers": ["example.org/hold"], "managedFields": [{"manager": "widget-operator", "fieldsV1": fields}],
        });
        let widget = object("Widget", "x", &json!({"metadata": metadata}));
        let pod = |phase: &str| {
            let more = json!({"metadata": {"namespace": "operators"}, "status": {"phase": phase}});
            Around { pods: Some(vec![object("Pod", "widget-operator-6c-x2", &more)]), ..Around::default() }
        };
        let told = [
            explain(&widget, &pod("Running")),
            explain(&widget, &pod("Failed")),
            explain(&widget, &Around::default()),
            explain(&held("Widget", "example.org/hold"), &Around::default()),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }
}
