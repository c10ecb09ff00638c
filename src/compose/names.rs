//! What Kubernetes takes for a name, so that a wrong one is told with its line before anything is sent.

use crate::object::is_built_in_group;

/// The built-in kinds that live outside of namespaces (Kubernetes 1.34).
const CLUSTER_KINDS: [(&str, &str); 33] = [
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("", "ComponentStatus"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("certificates.k8s.io", "ClusterTrustBundle"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("internal.apiserver.k8s.io", "StorageVersion"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
    ("storagemigration.k8s.io", "StorageVersionMigration"),
];

/// The kinds of `storage.k8s.io` beside StorageClass that live outside of namespaces.
const STORAGE_KINDS: [&str; 4] = ["CSIDriver", "CSINode", "VolumeAttachment", "VolumeAttributesClass"];

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// In a namespace.
    Namespaced,
    /// Outside of any.
    Cluster,
    /// Only the cluster, or a CRD, can tell.
    Unknown,
}

/// Returns where objects of a kind live, as far as it is the same in every cluster.
pub(super) fn scope(group: &str, kind: &str) -> Scope {
    if CLUSTER_KINDS.contains(&(group, kind)) || (group == "storage.k8s.io" && STORAGE_KINDS.contains(&kind))
    {
        Scope::Cluster
    } else if is_built_in_group(group) {
        Scope::Namespaced
    } else {
        Scope::Unknown
    }
}

/// Returns why `name` cannot name an object of the kind.
pub(super) fn object(group: &str, kind: &str, name: &str) -> Result<(), String> {
    match (group, kind) {
        // A path segment is enough for these, and `system:node` is a real role.
        ("rbac.authorization.k8s.io" | "apiregistration.k8s.io", _) => segment(name),
        ("", "Service" | "Namespace") => label(name),
        _ if scope(group, kind) == Scope::Unknown => segment(name),
        _ => subdomain(name),
    }
}

/// Returns why `name` is no DNS label.
pub(super) fn label(name: &str) -> Result<(), String> {
    if name.len() > 63 {
        return Err(format!("it has {} characters; 63 are allowed", name.len()));
    }
    part(name, "lowercase letters, digits and `-`")
}

/// Returns why `name` is no DNS subdomain: labels with dots between.
pub(super) fn subdomain(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err(format!("it has {} characters; 253 are allowed", name.len()));
    }
    name.split('.').try_for_each(|label| part(label, "lowercase letters, digits, `-` and `.`"))
}

/// Returns why `name` is no key of a ConfigMap or a Secret.
pub(super) fn data_key(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 253 || name == "." || name.starts_with("..") {
        return Err("a key has 1 to 253 characters and does not begin with `..`".to_owned());
    }
    if name.bytes().all(allowed) {
        Ok(())
    } else {
        Err("a key has letters, digits, `-`, `_` and `.`".to_owned())
    }
}

fn part(label: &str, allowed: &str) -> Result<(), String> {
    let inside = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if label.is_empty() || !inside || label.starts_with('-') || label.ends_with('-') {
        return Err(format!("use {allowed}, a letter or digit at both ends"));
    }
    Ok(())
}

fn segment(name: &str) -> Result<(), String> {
    if name == "." || name == ".." || name.contains(['/', '%']) {
        return Err("it must not be `.` or `..` and not hold `/` or `%`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Scope, data_key, object, scope};

    #[test]
    fn kinds_live_where_kubernetes_puts_them() {
        assert_eq!(scope("apps", "Deployment"), Scope::Namespaced);
        assert_eq!(scope("", "Namespace"), Scope::Cluster);
        assert_eq!(scope("storage.k8s.io", "CSIDriver"), Scope::Cluster);
        assert_eq!(scope("storage.k8s.io", "CSIStorageCapacity"), Scope::Namespaced);
        assert_eq!(scope("traefik.io", "IngressRoute"), Scope::Unknown);
        assert_eq!(scope("gateway.networking.k8s.io", "GatewayClass"), Scope::Unknown);
    }

    #[test]
    fn names_follow_their_kind() {
        assert!(object("", "ConfigMap", "a.b-c").is_ok());
        assert!(object("", "Service", "a.b").is_err());
        assert!(object("", "Pod", "Web_1").is_err());
        assert!(object("rbac.authorization.k8s.io", "Role", "system:node").is_ok());
        assert!(object("example.org", "Thing", "a/b").is_err());
        assert!(data_key("redis.conf").is_ok() && data_key(".hidden").is_ok());
        assert!(data_key("..data").is_err() && data_key("a b").is_err());
    }
}
