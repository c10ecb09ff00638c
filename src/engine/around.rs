//! What a namespace holds that tells why something in it is not ready: which kinds, and how they are put
//! before `diagnosis`. The vigil watches them, `explain` reads what it lacks.

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;

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
pub(super) fn scopes(catalog: &Catalog, namespace: &str) -> Vec<Scope> {
    KINDS.into_iter().filter_map(|(group, kind)| scope(catalog, group, kind, Some(namespace))).collect()
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
        let lists = scopes(catalog, namespace).into_iter().map(|scope| async move {
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
