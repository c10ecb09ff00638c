//! In which order the objects of one stage go, and how their dependents go with them. Pure.

use crate::cluster::Propagation;
use crate::object::{GroupKind, controls_pods, is_built_in_group};

/// The last rank of [`removal_rank`].
pub(super) const LAST_RANK: u8 = 5;

/// Returns when an object of a stage goes; the next rank begins when the one before is gone. The order is
/// Helm's for an uninstall (`pkg/release/v1/util/kind_sorter.go`), where it matters:
///
/// - webhooks first, or they refuse the rest;
/// - custom resources while their operator, its rights and its webhooks still run: it serves their
///   finalizers; their definitions after them;
/// - what brings traffic, or starts more, before what does the work;
/// - what pods use after the pods: a claim's protection waits for them (`kubernetes.io/pvc-protection`);
/// - a Namespace last.
pub(super) fn removal_rank(kind: &GroupKind) -> u8 {
    match kind.kind.as_str() {
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => 0,
        "Namespace" => LAST_RANK,
        _ if !is_built_in_group(&kind.group) => 1,
        "APIService" | "Ingress" | "Service" | "CronJob" | "HorizontalPodAutoscaler" => 2,
        "Pod" => 3,
        kind if controls_pods(kind) => 3,
        _ => 4,
    }
}

/// Returns how dependents go. A workload stays until its pods are gone, so that "gone" means stopped.
pub(super) fn propagation(kind: &str) -> Propagation {
    if controls_pods(kind) || kind == "CronJob" { Propagation::Foreground } else { Propagation::Background }
}

#[cfg(test)]
mod tests {
    use super::removal_rank;
    use crate::object::GroupKind;

    fn rank(kind: &str) -> u8 {
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        removal_rank(&GroupKind { group: group.into(), kind: kind.into() })
    }

    #[test]
    fn each_goes_before_what_it_needs() {
        let before = [
            ("ValidatingWebhookConfiguration.admissionregistration.k8s.io", "Deployment.apps"),
            ("Widget.example.org", "Deployment.apps"),
            ("Widget.example.org", "CustomResourceDefinition.apiextensions.k8s.io"),
            ("Gateway.gateway.networking.k8s.io", "Service"),
            ("Ingress.networking.k8s.io", "Deployment.apps"),
            ("CronJob.batch", "Job.batch"),
            ("Deployment.apps", "ConfigMap"),
            ("Deployment.apps", "ServiceAccount"),
            ("StatefulSet.apps", "PersistentVolumeClaim"),
            ("PersistentVolumeClaim", "Namespace"),
            ("CustomResourceDefinition.apiextensions.k8s.io", "Namespace"),
        ];
        for (first, second) in before {
            assert!(rank(first) < rank(second), "{first} before {second}");
        }
    }
}
