//! The kinds that every server of a supported version serves, in the versions that no release will take away:
//! a run that reads nothing else need not ask what kinds there are. Whoever is about to write asks.

use super::catalog::{Catalog, Resource};

/// Group, version, and the kinds with the words of their URLs; the oldest of them came with Kubernetes 1.23.
type Group = (&'static str, &'static str, bool, &'static [(&'static str, &'static str)]);

const KINDS: [Group; 13] = [
    (
        "",
        "v1",
        true,
        &[
            ("ConfigMap", "configmaps"),
            ("Endpoints", "endpoints"),
            ("Event", "events"),
            ("LimitRange", "limitranges"),
            ("PersistentVolumeClaim", "persistentvolumeclaims"),
            ("Pod", "pods"),
            ("ResourceQuota", "resourcequotas"),
            ("Secret", "secrets"),
            ("Service", "services"),
            ("ServiceAccount", "serviceaccounts"),
        ],
    ),
    (
        "",
        "v1",
        false,
        &[("Namespace", "namespaces"), ("Node", "nodes"), ("PersistentVolume", "persistentvolumes")],
    ),
    (
        "apps",
        "v1",
        true,
        &[
            ("DaemonSet", "daemonsets"),
            ("Deployment", "deployments"),
            ("ReplicaSet", "replicasets"),
            ("StatefulSet", "statefulsets"),
        ],
    ),
    ("autoscaling", "v2", true, &[("HorizontalPodAutoscaler", "horizontalpodautoscalers")]),
    ("batch", "v1", true, &[("CronJob", "cronjobs"), ("Job", "jobs")]),
    ("coordination.k8s.io", "v1", true, &[("Lease", "leases")]),
    ("discovery.k8s.io", "v1", true, &[("EndpointSlice", "endpointslices")]),
    ("networking.k8s.io", "v1", true, &[("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies")]),
    ("networking.k8s.io", "v1", false, &[("IngressClass", "ingressclasses")]),
    ("policy", "v1", true, &[("PodDisruptionBudget", "poddisruptionbudgets")]),
    ("rbac.authorization.k8s.io", "v1", true, &[("Role", "roles"), ("RoleBinding", "rolebindings")]),
    (
        "rbac.authorization.k8s.io",
        "v1",
        false,
        &[("ClusterRole", "clusterroles"), ("ClusterRoleBinding", "clusterrolebindings")],
    ),
    ("storage.k8s.io", "v1", false, &[("StorageClass", "storageclasses")]),
];

impl Catalog {
    /// Returns what every server serves, without asking one.
    pub fn assumed() -> Self {
        let resources = KINDS.iter().flat_map(|&(group, version, namespaced, kinds)| {
            kinds.iter().map(move |&(kind, plural)| Resource {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
                namespaced,
            })
        });
        Self::of_assumptions(resources)
    }
}
