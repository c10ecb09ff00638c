//! What a cluster said of itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::{GroupKind, Object, ObjectRef};

/// What a question was answered; an error says why there is no answer, for a person.
pub type Answer<T> = Result<T, String>;

/// A kind in one version, as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The version, such as `v1`.
    pub version: String,
    /// The word in rules and addresses, such as `deployments`.
    pub plural: String,
}

/// A list that is asked for as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// All nodes.
    Nodes,
    /// All pods that have not ended, of all namespaces.
    Pods,
    /// All storage classes.
    StorageClasses,
    /// All volumes.
    Volumes,
    /// All classes of Ingresses.
    IngressClasses,
    /// The quotas of a namespace.
    Quotas(String),
    /// The limit ranges of a namespace.
    Limits(String),
}

impl List {
    /// Returns the kind of its objects.
    pub fn kind(&self) -> GroupKind {
        let (group, kind) = match self {
            Self::Nodes => ("", "Node"),
            Self::Pods => ("", "Pod"),
            Self::StorageClasses => ("storage.k8s.io", "StorageClass"),
            Self::Volumes => ("", "PersistentVolume"),
            Self::IngressClasses => ("networking.k8s.io", "IngressClass"),
            Self::Quotas(_) => ("", "ResourceQuota"),
            Self::Limits(_) => ("", "LimitRange"),
        };
        GroupKind { group: group.to_owned(), kind: kind.to_owned() }
    }

    /// Returns the namespace; `None` for all.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Quotas(namespace) | Self::Limits(namespace) => Some(namespace),
            _ => None,
        }
    }

    /// Returns the field selector, where not everything is wanted.
    pub fn fields(&self) -> Option<&'static str> {
        matches!(self, Self::Pods).then_some("status.phase!=Succeeded,status.phase!=Failed")
    }
}

/// The answers to [`Questions`](super::Questions). A question that was not asked has no entry.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What `/version` says.
    pub version: Option<Answer<Value>>,
    /// The kinds served, in the server's order of preference.
    pub served: BTreeMap<GroupKind, Vec<Served>>,
    /// The `SelfSubjectRulesReview` of each namespace, with its status.
    pub rules: BTreeMap<String, Answer<Value>>,
    /// Whole lists.
    pub lists: BTreeMap<List, Answer<Vec<Object>>>,
    /// Single objects; `None` for one that is not there.
    pub objects: BTreeMap<ObjectRef, Answer<Option<Object>>>,
}

impl Facts {
    /// Returns an object that is known to be there.
    pub(super) fn object(&self, name: &ObjectRef) -> Option<&Object> {
        self.objects.get(name)?.as_ref().ok()?.as_ref()
    }

    /// Returns true when an object is known not to be there.
    pub(super) fn is_missing(&self, name: &ObjectRef) -> bool {
        matches!(self.objects.get(name), Some(Ok(None)))
    }

    /// Returns a list that was read.
    pub(super) fn list(&self, list: &List) -> Option<&[Object]> {
        self.lists.get(list)?.as_deref().ok()
    }

    /// Returns why a list that was asked for could not be read.
    pub(super) fn unread(&self, list: &List) -> Option<&str> {
        self.lists.get(list)?.as_ref().err().map(String::as_str)
    }

    /// Returns the minor version of the server, such as 34; some servers say `34+`.
    pub(super) fn minor(&self) -> Option<u32> {
        let version = self.version.as_ref()?.as_ref().ok()?;
        let minor = version.get("minor")?.as_str()?;
        minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
    }
}

/// Returns the reference of an object of a core kind.
pub(super) fn core(kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    }
}
