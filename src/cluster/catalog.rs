//! What kinds a cluster serves: aggregated discovery, two requests. Plural names are never guessed.

use std::collections::BTreeMap;

use kube::client::APIGroupDiscoveryList;

use super::error::ApiError;
use crate::object::{GroupKind, Object};

/// A kind as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// The word in the URL, such as `deployments`.
    pub plural: String,
    /// False for cluster-scoped kinds.
    pub namespaced: bool,
}

impl Resource {
    /// Returns `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the kind within its group.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }

    /// Returns the path of the collection, or of one object.
    pub(super) fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path =
            if self.group.is_empty() { "/api/".to_owned() } else { format!("/apis/{}/", self.group) };
        path.push_str(&self.version);
        if let (true, Some(namespace)) = (self.namespaced, namespace) {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            path.push_str(name);
        }
        path
    }
}

/// All kinds a cluster serves.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By kind; the versions in the server's order of preference.
    kinds: BTreeMap<GroupKind, Vec<Resource>>,
}

impl Catalog {
    /// Returns the catalog in the two discovery documents (`/api` and `/apis`).
    pub(super) fn from_discovery(documents: [APIGroupDiscoveryList; 2]) -> Self {
        let mut kinds: BTreeMap<GroupKind, Vec<Resource>> = BTreeMap::new();
        for group in documents.into_iter().flat_map(|document| document.items) {
            let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
            for version in group.versions {
                let Some(version_name) = version.version else { continue };
                for entry in version.resources {
                    let kind = entry.response_kind.and_then(|gvk| gvk.kind).filter(|kind| !kind.is_empty());
                    let (Some(plural), Some(kind)) = (entry.resource, kind) else { continue };
                    let resource = Resource {
                        group: name.clone(),
                        version: version_name.clone(),
                        kind,
                        plural,
                        namespaced: entry.scope.as_deref() == Some("Namespaced"),
                    };
                    kinds.entry(resource.group_kind()).or_default().push(resource);
                }
            }
        }
        Self { kinds }
    }

    /// Returns how the server serves an object's kind, in the version the object is written in.
    ///
    /// # Errors
    /// [`ApiError::UnknownKind`] when it does not.
    pub fn of(&self, object: &Object) -> Result<&Resource, ApiError> {
        let key = object.reference().group_kind();
        let version = object.api_version().rsplit('/').next().unwrap_or_default();
        let served = self.kinds.get(&key).and_then(|all| all.iter().find(|r| r.version == version));
        served.ok_or_else(|| ApiError::UnknownKind {
            api_version: object.api_version().to_owned(),
            kind: object.kind().to_owned(),
        })
    }

    /// Returns how the server serves a kind, in the version it prefers.
    pub fn preferred(&self, kind: &GroupKind) -> Option<&Resource> {
        self.kinds.get(kind)?.first()
    }

    /// Returns every `(version, kind)` served.
    pub fn served(&self) -> impl Iterator<Item = (String, GroupKind)> {
        self.kinds.values().flatten().map(|resource| (resource.version.clone(), resource.group_kind()))
    }
}
