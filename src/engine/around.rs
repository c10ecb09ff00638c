//! What a namespace holds that tells why something in it is not ready: which kinds, and how they are put
//! before `diagnosis`. The vigil watches them, `explain` reads what it lacks.

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use serde_json::Value;

use super::retry::Tools;
use super::session::WIDTH;
use crate::cluster::{Catalog, Scope};
use crate::diagnosis::{Diagnosis, Evidence, diagnose};
use crate::object::{GroupKind, Object};

/// The kinds that tell.
const KINDS: [(&str, &str); 4] =
    [("apps", "ReplicaSet"), ("", "Pod"), ("", "Event"), ("", "PersistentVolumeClaim")];

/// Returns a scope of a kind, all of it in a namespace or in the cluster; `None` when it is not served.
pub(super) fn scope(catalog: &Catalog, group: &str, kind: &str, namespace: Option<&str>) -> Option<Scope> {
    let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
    Some(Scope::all(catalog.preferred(&kind)?.clone(), namespace))
}

/// Returns the scopes of all that tells something of a namespace.
fn scopes(catalog: &Catalog, namespace: &str) -> impl Iterator<Item = Scope> {
    KINDS.into_iter().filter_map(move |(group, kind)| scope(catalog, group, kind, Some(namespace)))
}

/// Returns the scopes of what tells something of a workload in its namespace: claims do when its pods mount some.
pub(super) fn scopes_about(catalog: &Catalog, workload: &Object) -> Vec<Scope> {
    let mounts = mounts_claims(workload);
    let tells = |scope: &Scope| mounts || scope.resource.kind != "PersistentVolumeClaim";
    workload.namespace().into_iter().flat_map(|namespace| scopes(catalog, namespace)).filter(tells).collect()
}

/// Returns true when the pods of a workload mount claims: by name, or made for each of them.
fn mounts_claims(workload: &Object) -> bool {
    let is_claim =
        |volume: &Value| volume["persistentVolumeClaim"].is_object() || volume["ephemeral"].is_object();
    let volumes = workload.pod_spec().and_then(|spec| spec["volumes"].as_array());
    let templates = workload.get("/spec/volumeClaimTemplates").and_then(Value::as_array);
    volumes.is_some_and(|volumes| volumes.iter().any(is_claim))
        || templates.is_some_and(|templates| !templates.is_empty())
}

/// What a namespace holds, and the nodes of the cluster where they are known.
#[derive(Default)]
pub(super) struct Around {
    objects: Vec<Object>,
    nodes: Option<Vec<Object>>,
}

impl Around {
    /// Returns what is known.
    pub(super) fn new(objects: Vec<Object>, nodes: Option<Vec<Object>>) -> Self {
        Self { objects, nodes }
    }

    /// Reads it; what may not be read is left out.
    pub(super) async fn read(tools: &Tools, catalog: &Catalog, namespace: &str) -> Self {
        let lists = scopes(catalog, namespace).map(|scope| async move {
            tools.cluster.list(&scope).await.map(|listing| listing.objects).unwrap_or_default()
        });
        let lists: Vec<Vec<Object>> = stream::iter(lists).buffered(WIDTH).collect().await;
        Self { objects: lists.into_iter().flatten().collect(), nodes: None }
    }

    /// Returns true when the nodes are known.
    pub(super) fn knows_nodes(&self) -> bool {
        self.nodes.is_some()
    }

    /// Adds the nodes.
    pub(super) fn with_nodes(self, nodes: Vec<Object>) -> Self {
        Self { nodes: Some(nodes), ..self }
    }

    /// Adds objects from elsewhere.
    pub(super) fn extend(&mut self, objects: Vec<Object>) {
        self.objects.extend(objects);
    }

    /// Returns the objects of a kind.
    pub(super) fn of(&self, kind: &str) -> Vec<&Object> {
        self.objects.iter().filter(|object| object.kind() == kind).collect()
    }

    /// Returns why a workload is not ready.
    pub(super) fn diagnose(&self, workload: &Object) -> Vec<Diagnosis> {
        let nodes: Option<Vec<&Object>> = self.nodes.as_ref().map(|nodes| nodes.iter().collect());
        diagnose_among(workload, &Vec::from_iter(&self.objects), nodes.as_deref(), None)
    }
}

/// Returns why a workload is not ready, by the `objects` of its namespace.
pub(super) fn diagnose_among(
    workload: &Object,
    objects: &[&Object],
    nodes: Option<&[&Object]>,
    since: Option<Timestamp>,
) -> Vec<Diagnosis> {
    let of = |kind: &str| -> Vec<&Object> {
        objects.iter().copied().filter(|object| object.kind() == kind).collect()
    };
    diagnose(&Evidence {
        workload,
        replica_sets: &of("ReplicaSet"),
        pods: &of("Pod"),
        events: &of("Event"),
        claims: &of("PersistentVolumeClaim"),
        nodes,
        since,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::mounts_claims;
    use crate::object::Object;

    #[test]
    fn claims_tell_something_of_what_mounts_them() {
        let mounts = |kind: &str, spec: &serde_json::Value| {
            let value =
                json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
            mounts_claims(&Object::new(value).unwrap())
        };
        let with = |volume: &serde_json::Value| json!({"template": {"spec": {"volumes": [volume]}}});
        assert!(!mounts("Deployment", &with(&json!({"name": "a", "emptyDir": {}}))));
        assert!(mounts("Deployment", &with(&json!({"persistentVolumeClaim": {"claimName": "a"}}))));
        assert!(mounts("Deployment", &with(&json!({"ephemeral": {"volumeClaimTemplate": {}}}))));
        assert!(mounts("StatefulSet", &json!({"volumeClaimTemplates": [{}]})));
        assert!(mounts("Pod", &json!({"volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]})));
        assert!(!mounts("StatefulSet", &json!({"volumeClaimTemplates": []})));
    }
}
