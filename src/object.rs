//! L0: a Kubernetes object as JSON, its name, and what a write did to it.
//!
//! Objects stay untyped on purpose: a manifest is sent as it was written. Round trips through typed
//! structs lose fields that a newer server knows.

pub mod condition;
mod groups;
mod path;
mod quantity;
pub mod rollout;
pub mod rule;
pub(crate) mod scheduling;
pub mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub use groups::is_built_in_group;
pub use path::{FieldPath, NotAPath};
pub use quantity::Quantity;

/// One Kubernetes object: JSON with an `apiVersion`, a `kind` and a `metadata.name`.
///
/// The three are checked once, at construction; whoever holds an `Object` can rely on them.
///
/// A clone is the same JSON, shared until one of the two is changed: a run hands thousands of objects from
/// the plan to the writes, and from a list to the verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object(Arc<Value>);

/// Why a JSON value is not an [`Object`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// The value is a list, a string or another scalar.
    #[error("a Kubernetes object is a mapping")]
    NotAMapping,
    /// A required field is missing, empty or not a string.
    #[error("`{0}` is missing")]
    Missing(&'static str),
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Object {
    /// Returns the object in `value`.
    ///
    /// # Errors
    /// [`NotAnObject`] when `apiVersion`, `kind` or `metadata.name` is missing.
    pub fn new(value: Value) -> Result<Self, NotAnObject> {
        if !value.is_object() {
            return Err(NotAnObject::NotAMapping);
        }
        for (pointer, path) in
            [("/apiVersion", "apiVersion"), ("/kind", "kind"), ("/metadata/name", "metadata.name")]
        {
            match at(&value, pointer).and_then(Value::as_str) {
                Some(text) if !text.is_empty() => {}
                _ => return Err(NotAnObject::Missing(path)),
            }
        }
        Ok(Self(Arc::new(value)))
    }

    /// Returns the JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns the JSON, giving the object up.
    pub fn into_value(self) -> Value {
        Arc::unwrap_or_clone(self.0)
    }

    /// Returns `apiVersion`, such as `apps/v1`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// Returns the API group; the core group is the empty string.
    pub fn group(&self) -> &str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns the kind, such as `Deployment`.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Returns `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Returns `metadata.namespace`; `None` for a cluster-scoped object.
    pub fn namespace(&self) -> Option<&str> {
        self.get("/metadata/namespace").and_then(Value::as_str)
    }

    /// Returns the server's identity of the object; `None` before it was written.
    pub fn uid(&self) -> Option<Uid> {
        self.get("/metadata/uid").and_then(Value::as_str).map(|uid| Uid(uid.to_owned()))
    }

    /// Returns `metadata.generation`; 0 for kinds that have none (Job has one, ConfigMap has not).
    pub fn generation(&self) -> Generation {
        Generation(self.get("/metadata/generation").and_then(Value::as_i64).unwrap_or(0))
    }

    /// Returns true once somebody has asked for its deletion: it stays until its finalizers are gone, and
    /// nothing brings it back.
    pub fn is_being_deleted(&self) -> bool {
        self.get("/metadata/deletionTimestamp").is_some_and(|stamp| !stamp.is_null())
    }

    /// Returns `metadata.resourceVersion`; empty before the object was written.
    pub fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// Returns the value at a JSON pointer.
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        at(&self.0, pointer)
    }

    /// Returns the string at a JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.get(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.get("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Returns the value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.get("/metadata/labels")?.get(key)?.as_str()
    }

    /// Sets `metadata.namespace`.
    pub fn set_namespace(&mut self, namespace: &str) {
        self.metadata().insert("namespace".into(), namespace.into());
    }

    /// Sets a label of the object itself, not of a pod template in it.
    pub fn set_label(&mut self, key: &str, value: &str) {
        entry(self.metadata(), "labels").insert(key.into(), value.into());
    }

    /// Sets an annotation of the object itself.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        entry(self.metadata(), "annotations").insert(key.into(), value.into());
    }

    /// Returns the entries of `metadata.managedFields`.
    pub fn managers(&mut self) -> impl Iterator<Item = &mut Value> {
        self.metadata().get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten()
    }

    /// Forgets who owns which field: of no use once a write is recorded.
    pub fn drop_managers(&mut self) {
        self.metadata().shift_remove("managedFields");
    }

    /// Forgets everything but what names the object, and its metadata.
    pub fn drop_content(&mut self) {
        if let Value::Object(root) = Arc::make_mut(&mut self.0) {
            root.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
        }
    }

    /// Returns the metadata of the pod template, for the kinds that have one; made when missing.
    pub fn template_metadata(&mut self) -> Option<&mut Map<String, Value>> {
        let template = match self.kind() {
            "CronJob" => "/spec/jobTemplate/spec/template",
            _ => "/spec/template",
        };
        // Looked for first: an object without one stays shared.
        self.0.pointer(template)?;
        let template = Arc::make_mut(&mut self.0).pointer_mut(template)?.as_object_mut()?;
        Some(entry(template, "metadata"))
    }

    /// Returns the pod specification inside this object (its own for a Pod, the template's otherwise).
    pub fn pod_spec(&self) -> Option<&Value> {
        match self.kind() {
            "Pod" => self.get("/spec"),
            "CronJob" => self.get("/spec/jobTemplate/spec/template/spec"),
            _ => self.get("/spec/template/spec"),
        }
    }

    /// Returns the reference that names this object.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            group: self.group().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

    fn metadata(&mut self) -> &mut Map<String, Value> {
        // Checked in `new`: the root is a mapping and `metadata.name` is there.
        match Arc::make_mut(&mut self.0) {
            Value::Object(root) => entry(root, "metadata"),
            _ => unreachable!("an Object is a mapping"),
        }
    }
}

/// Returns the value at a JSON pointer. `Value::pointer` makes two strings of every step, and it is what a run
/// asks most of all: a fifth of its time. Its other ways, escapes and lists, are rare and left to it.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let Some(steps) = pointer.strip_prefix('/').filter(|steps| !steps.contains('~')) else {
        return value.pointer(pointer);
    };
    let mut found = value;
    for step in steps.split('/') {
        found = match found {
            Value::Object(map) => map.get(step)?,
            Value::Array(_) => return value.pointer(pointer),
            _ => return None,
        };
    }
    Some(found)
}

/// Returns the mapping under `key`, put there when missing or of another type.
fn entry<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(inner) => inner,
        _ => unreachable!("just made a mapping"),
    }
}

/// Returns true for the kinds whose controllers make pods and own them. A CronJob makes Jobs, and a Pod is one.
pub fn controls_pods(kind: &str) -> bool {
    matches!(
        kind,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job"
    )
}

/// Returns the items of the list called `list` in `value`; none when it is missing or no list.
pub(crate) fn items<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    value.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// What names an object in a cluster: group, kind, namespace and name. The API version is not part of
/// it: one object can be read in several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Namespace; `None` for a cluster-scoped object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// Returns the kind and group this object belongs to.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }
}

/// Prints `Deployment/django`; the namespace is in the header of a run and left out.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A kind within its API group, whatever the version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

/// Prints `Deployment.apps`, as kubectl and the ApplySet annotations write it.
impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.kind)
        } else {
            write!(f, "{}.{}", self.kind, self.group)
        }
    }
}

/// The server's identity of one life of an object; a recreated object has another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub String);

/// `metadata.generation`: counts the changes of an object's desired state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub i64);

/// What a write did, in the words users know from kubectl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The object was not there.
    Created,
    /// The object was there and is different now.
    Configured,
    /// The object was there and is the same.
    Unchanged,
    /// The object was there and was deleted first, since a field of it cannot change.
    Recreated,
    /// The object is gone.
    Deleted,
    /// Nothing was sent, on purpose.
    Skipped,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Recreated => "recreated",
            Self::Deleted => "deleted",
            Self::Skipped => "skipped",
        })
    }
}

/// The last rank of [`write_rank`].
pub const LAST_WRITE_RANK: u8 = 2;

/// Returns the place of a kind in the order of writes inside one stage. A Namespace and a CRD must be there
/// before what lives in them. What a pod reads as it starts comes before the pods: a kubelet that does not
/// find a ConfigMap looks again only after seconds (`pod_workers`, volume manager), a write takes
/// milliseconds. All the rest goes at once.
pub fn write_rank(kind: &str) -> u8 {
    match kind {
        "Namespace" | "CustomResourceDefinition" => 0,
        "ConfigMap" | "Secret" | "ServiceAccount" | "Role" | "RoleBinding" | "ClusterRole"
        | "ClusterRoleBinding" | "PriorityClass" | "StorageClass" => 1,
        _ => LAST_WRITE_RANK,
    }
}

/// Returns true for kinds that are ready as soon as they are there, unless the plan has a rule for them: of
/// those only the metadata is read, and they are never watched.
pub fn settles_at_once(kind: &GroupKind, rules: &BTreeMap<GroupKind, rule::Rule>) -> bool {
    if rules.contains_key(kind) {
        return false;
    }
    let kind = kind.to_string();
    matches!(
        kind.as_str(),
        "ConfigMap"
            | "Secret"
            | "ServiceAccount"
            | "Role.rbac.authorization.k8s.io"
            | "RoleBinding.rbac.authorization.k8s.io"
            | "ClusterRole.rbac.authorization.k8s.io"
            | "ClusterRoleBinding.rbac.authorization.k8s.io"
            | "Ingress.networking.k8s.io"
            | "IngressClass.networking.k8s.io"
            | "NetworkPolicy.networking.k8s.io"
            | "StorageClass.storage.k8s.io"
            | "PriorityClass.scheduling.k8s.io"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::at;

    #[test]
    fn a_value_is_found_where_its_pointer_leads() {
        let value = json!({"a": {"b": [{"c": 1}], "": 2, "x/y": 3}, "": 4});
        let pointers = [
            "",
            "/",
            "a",
            "/a",
            "/a/b",
            "/a/b/0/c",
            "/a/b/00/c",
            "/a/b/+0",
            "/a/",
            "/a/x~1y",
            "/a/b/c",
            "/q/r",
        ];
        for pointer in pointers {
            assert_eq!(at(&value, pointer), value.pointer(pointer), "{pointer}");
        }
    }
}
