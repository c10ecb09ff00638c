//! What kinds a cluster serves: aggregated discovery, two requests. Plural names are never guessed.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Returns how every cluster serves Namespaces.
    pub fn namespaces() -> Self {
        let [group, version, kind, plural] = ["", "v1", "Namespace", "namespaces"].map(str::to_owned);
        Self { group, version, kind, plural, namespaced: false }
    }

    /// Returns the kind of a plan's lock, which every cluster serves in this version (since 1.14).
    pub fn lease() -> Self {
        let [group, version, kind, plural] =
            ["coordination.k8s.io", "v1", "Lease", "leases"].map(str::to_owned);
        Self { group, version, kind, plural, namespaced: true }
    }

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
    /// Kinds of which some version has a `status` to write to.
    with_status: BTreeSet<GroupKind>,
    /// True when no server was asked.
    is_assumed: bool,
}

impl Catalog {
    /// Returns the catalog in the two discovery documents (`/api` and `/apis`).
    pub(super) fn from_discovery(documents: [APIGroupDiscoveryList; 2]) -> Self {
        let mut kinds: BTreeMap<GroupKind, Vec<Resource>> = BTreeMap::new();
        let mut with_status = BTreeSet::new();
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
                    if entry.subresources.iter().any(|sub| sub.subresource.as_deref() == Some("status")) {
                        with_status.insert(resource.group_kind());
                    }
                    kinds.entry(resource.group_kind()).or_default().push(resource);
                }
            }
        }
        Self { kinds, with_status, is_assumed: false }
    }

    /// Returns the catalog of kinds that are taken to be served. Whether one has a `status` says discovery
    /// alone.
    pub(super) fn of_assumptions(resources: impl Iterator<Item = Resource>) -> Self {
        let kinds: BTreeMap<GroupKind, Vec<Resource>> =
            resources.map(|resource| (resource.group_kind(), vec![resource])).collect();
        Self { with_status: kinds.keys().cloned().collect(), kinds, is_assumed: true }
    }

    /// Returns true when no server was asked: what is in it is served, and much else may be.
    pub fn is_assumed(&self) -> bool {
        self.is_assumed
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

    /// Returns the kinds without a `status` subresource in any version.
    pub fn without_status(&self) -> impl Iterator<Item = &GroupKind> {
        self.kinds.keys().filter(|kind| !self.with_status.contains(*kind))
    }

    /// Returns every kind in every version served, in the server's order of preference for each kind.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.kinds.values().flatten()
    }

    /// Returns every `(version, kind)` served.
    pub fn served(&self) -> impl Iterator<Item = (String, GroupKind)> {
        self.kinds.values().flatten().map(|resource| (resource.version.clone(), resource.group_kind()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Catalog;

    #[test]
    fn a_kind_without_a_status_in_any_version_is_told() {
        let resource = |kind: &str, subresources: &[&str]| {
            let subresources: Vec<_> = subresources.iter().map(|name| json!({"subresource": name})).collect();
            json!({"resource": kind.to_lowercase(), "responseKind": {"kind": kind}, "subresources": subresources})
        };
        let version = |name: &str, resources: Vec<_>| json!({"version": name, "resources": resources});
        let core = json!({"items": [{"versions": [version("v1", vec![resource("ConfigMap", &[])])]}]});
        let groups = json!({"items": [{"metadata": {"name": "example.org"}, "versions": [
            version("v2", vec![resource("Database", &["scale", "status"]), resource("Note", &["scale"])]),
            version("v1", vec![resource("Database", &[]), resource("Note", &[])]),
        ]}]});
        let documents = [core, groups].map(|document| serde_json::from_value(document).unwrap());
        let without: Vec<_> =
            Catalog::from_discovery(documents).without_status().map(ToString::to_string).collect();
        assert_eq!(without, ["ConfigMap", "Note.example.org"]);
    }
}
