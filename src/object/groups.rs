//! The API groups that come with Kubernetes itself.

/// A list, not a pattern: `gateway.networking.k8s.io` and others end alike and are custom resources. The
/// server's own groups (`internal.apiserver.k8s.io`, `storagemigration.k8s.io`) are in it: they need no CRD,
/// and their kinds are judged by rules of this program, not by the conventions of operators.
const BUILT_IN: [&str; 23] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Returns true for an API group whose kinds the server brings itself; those of all others come with a CRD
/// or an extension server.
pub fn is_built_in_group(group: &str) -> bool {
    BUILT_IN.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::is_built_in_group;

    #[test]
    fn a_group_that_only_ends_alike_is_foreign() {
        assert!(is_built_in_group("") && is_built_in_group("networking.k8s.io"));
        assert!(!is_built_in_group("gateway.networking.k8s.io") && !is_built_in_group("example.org"));
    }
}
