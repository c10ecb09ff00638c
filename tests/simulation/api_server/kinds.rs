//! The kinds the server serves, and what differs between them.

use serde_json::Value;

/// A kind in one version.
#[expect(clippy::struct_field_names, reason = "`kind` is the API's own word")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    /// True when `metadata.generation` counts the changes of its spec.
    pub(crate) generation: bool,
    /// True when it has a subresource `status`.
    pub(crate) status: bool,
}

/// Group, version, kind, plural, namespaced, with a generation.
type Row = (&'static str, &'static str, &'static str, &'static str, bool, bool);

const BUILT_IN: [Row; 30] = [
    ("", "v1", "ConfigMap", "configmaps", true, false),
    ("", "v1", "Event", "events", true, false),
    ("", "v1", "LimitRange", "limitranges", true, false),
    ("", "v1", "Namespace", "namespaces", false, false),
    ("", "v1", "Node", "nodes", false, false),
    ("", "v1", "PersistentVolume", "persistentvolumes", false, false),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, false),
    ("", "v1", "Pod", "pods", true, true),
    ("", "v1", "ResourceQuota", "resourcequotas", true, false),
    ("", "v1", "Secret", "secrets", true, false),
    ("", "v1", "Service", "services", true, false),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, false),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false, true),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", true, false),
    ("apps", "v1", "DaemonSet", "daemonsets", true, true),
    ("apps", "v1", "Deployment", "deployments", true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", true, true),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, false),
    ("batch", "v1", "CronJob", "cronjobs", true, true),
    ("batch", "v1", "Job", "jobs", true, true),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, false),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", true, true),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", false, true),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true, true),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, true),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", true, false),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true, false),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false, true),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", false, false),
];

/// The built-in kinds above without a subresource `status`.
const WITHOUT_STATUS: [&str; 13] = [
    "ConfigMap",
    "ControllerRevision",
    "Event",
    "IngressClass",
    "Lease",
    "LimitRange",
    "NetworkPolicy",
    "PriorityClass",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
    "StorageClass",
];

impl Kind {
    /// Returns the kinds every server has.
    pub(crate) fn built_in() -> Vec<Self> {
        let kind = |&(group, version, kind, plural, namespaced, generation): &Row| Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
            generation,
            status: !WITHOUT_STATUS.contains(&kind),
        };
        BUILT_IN.iter().map(kind).collect()
    }

    /// Returns the kinds a CustomResourceDefinition brings.
    pub(crate) fn of_definition(definition: &Value) -> Vec<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let spec = &definition["spec"];
        let versions = spec["versions"].as_array().into_iter().flatten();
        let served = versions.filter(|version| version["served"] == true);
        served
            .map(|version| Self {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                kind: text(&spec["names"]["kind"]),
                plural: text(&spec["names"]["plural"]),
                namespaced: spec["scope"] == "Namespaced",
                generation: true,
                status: version["subresources"]["status"].is_object(),
            })
            .collect()
    }

    /// Returns `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the resource as messages name it: `deployments.apps`.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }
}
