//! Versions: of the server against this program, and of the manifests against what the server serves.

use serde_json::Value;

use super::facts::{Facts, Served};
use super::unchecked;
use super::workloads::workloads;
use crate::event::{Check, Finding, Level};
use crate::object::{GroupKind, Object, is_built_in_group};
use crate::plan::{Plan, StageIdx};

/// The oldest server this program is meant for: aggregated discovery is stable since then (KEP-3352).
const OLDEST: u32 = 30;
/// The newest server whose API the client library knows (k8s-openapi 0.29).
const NEWEST: u32 = 37;

/// API versions that were removed: group and version, kind (empty for all), the minor version of 1.x in
/// which they went, and what to write instead
/// (<https://kubernetes.io/docs/reference/using-api/deprecation-guide/>).
const REMOVED: [(&str, &str, u32, &str); 32] = [
    ("flowcontrol.apiserver.k8s.io/v1beta3", "", 32, "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "", 29, "flowcontrol.apiserver.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", 27, "storage.k8s.io/v1"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", 26, "autoscaling/v2"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "", 26, "flowcontrol.apiserver.k8s.io/v1"),
    ("batch/v1beta1", "CronJob", 25, "batch/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice", 25, "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "Event", 25, "events.k8s.io/v1"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", 25, "autoscaling/v2"),
    ("policy/v1beta1", "PodDisruptionBudget", 25, "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy", 25, "labels `pod-security.kubernetes.io/…` on the namespace"),
    ("node.k8s.io/v1beta1", "RuntimeClass", 25, "node.k8s.io/v1"),
    (
        "admissionregistration.k8s.io/v1beta1",
        "MutatingWebhookConfiguration",
        22,
        "admissionregistration.k8s.io/v1",
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingWebhookConfiguration",
        22,
        "admissionregistration.k8s.io/v1",
    ),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", 22, "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", "APIService", 22, "apiregistration.k8s.io/v1"),
    ("authentication.k8s.io/v1beta1", "TokenReview", 22, "authentication.k8s.io/v1"),
    ("authorization.k8s.io/v1beta1", "", 22, "authorization.k8s.io/v1"),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", 22, "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", "Lease", 22, "coordination.k8s.io/v1"),
    ("extensions/v1beta1", "Ingress", 22, "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", "Ingress", 22, "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", "IngressClass", 22, "networking.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", "", 22, "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass", 22, "scheduling.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "StorageClass", 22, "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "VolumeAttachment", 22, "storage.k8s.io/v1"),
    ("extensions/v1beta1", "NetworkPolicy", 16, "networking.k8s.io/v1"),
    ("extensions/v1beta1", "", 16, "apps/v1"),
    ("apps/v1beta1", "", 16, "apps/v1"),
    ("apps/v1beta2", "", 16, "apps/v1"),
    ("batch/v2alpha1", "CronJob", 21, "batch/v1"),
];

/// Returns what is wrong with versions.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = skew(facts).into_iter().collect();
    for (stage, object) in plan.objects() {
        findings.extend(of_object(plan, facts, stage, object));
    }
    findings
}

/// Returns what the server calls itself.
pub(super) fn remarks(facts: &Facts) -> Vec<String> {
    let version = facts.version.as_ref().and_then(|version| version.as_ref().ok());
    let name = version.and_then(|version| version.get("gitVersion")?.as_str());
    name.map(|name| format!("the server is Kubernetes {name}")).into_iter().collect()
}

/// Returns a warning about a server that is older or newer than what this program was made for.
fn skew(facts: &Facts) -> Option<Finding> {
    let version = match facts.version.as_ref()? {
        Ok(version) => version,
        Err(why) => return Some(unchecked(Check::ServerVersion, why)),
    };
    let name = version.get("gitVersion").and_then(Value::as_str).unwrap_or("of an unknown version");
    match facts.minor() {
        Some(minor) if minor < OLDEST => Some(
            Finding::warning(
                Check::ServerVersion,
                format!("the server is Kubernetes {name}; this program is made for 1.{OLDEST} and newer"),
            )
            .fix("update the cluster, or expect what is newer to be refused"),
        ),
        Some(minor) if minor > NEWEST => Some(
            Finding::warning(
                Check::ServerVersion,
                format!("the server is Kubernetes {name}; this program knows 1.{NEWEST} and older"),
            )
            .fix("look for a newer wesago"),
        ),
        Some(_) => None,
        None => Some(unchecked(Check::ServerVersion, "the server does not say its version in numbers")),
    }
}

fn of_object(plan: &Plan, facts: &Facts, stage: StageIdx, object: &Object) -> Option<Finding> {
    let kind = object.reference().group_kind();
    let version = version_of(object);
    if let Some(served) = facts.served.get(&kind) {
        if served.iter().any(|served| served.version == version) {
            return None;
        }
        let others: Vec<String> = served.iter().map(|served| api_version(&kind, served)).collect();
        let what = format!(
            "is written in {}, which the server does not serve{}",
            object.api_version(),
            since(object)
        );
        return Some(
            Finding::error(Check::ApiVersion, what)
                .about(object.reference())
                .fix(format!("it serves {}", others.join(", "))),
        );
    }
    if facts.served.is_empty() || defined_by(plan, &kind, &version) {
        return None;
    }
    let what =
        format!("the server knows no kind {} of {}{}", object.kind(), object.api_version(), since(object));
    // What runs before it may bring the kind, as operators do.
    let may_come = !is_built_in_group(object.group())
        && workloads(plan).iter().any(|workload| plan.graph().reaches(stage, workload.stage));
    let level = if may_come { Level::Warning } else { Level::Error };
    Some(
        Finding { level, ..Finding::error(Check::ApiVersion, what) }
            .about(object.reference())
            .fix(elsewhere(facts, object)),
    )
}

/// Returns since when the version of an object is gone, as a part of a sentence.
fn since(object: &Object) -> String {
    removal(object).map_or_else(String::new, |(minor, _)| format!(" (removed in Kubernetes 1.{minor})"))
}

fn removal(object: &Object) -> Option<(u32, &'static str)> {
    let row = REMOVED.iter().find(|(api_version, kind, ..)| {
        *api_version == object.api_version() && (kind.is_empty() || *kind == object.kind())
    });
    row.map(|(_, _, minor, instead)| (*minor, *instead))
}

/// Returns where the kind has gone, or how to bring it.
fn elsewhere(facts: &Facts, object: &Object) -> String {
    if let Some((_, instead)) = removal(object) {
        return format!("write {instead}");
    }
    let same = facts.served.iter().find(|(kind, _)| kind.kind == object.kind());
    match same.and_then(|(kind, served)| Some((kind, served.first()?))) {
        Some((kind, served)) => format!("it knows {} of {}", kind.kind, api_version(kind, served)),
        None => {
            format!("install what brings {}, or add its CustomResourceDefinition to the plan", object.kind())
        }
    }
}

/// Returns true when a CustomResourceDefinition of the plan brings a kind in this version.
fn defined_by(plan: &Plan, kind: &GroupKind, version: &str) -> bool {
    let definitions = plan.objects().map(|(_, object)| object);
    definitions.filter(|object| object.kind() == "CustomResourceDefinition").any(|definition| {
        let versions =
            definition.get("/spec").into_iter().flat_map(|spec| crate::object::items(spec, "versions"));
        definition.text("/spec/group") == kind.group
            && definition.text("/spec/names/kind") == kind.kind
            && versions.into_iter().any(|one| one["name"] == version && one["served"] != false)
    })
}

fn version_of(object: &Object) -> String {
    object.api_version().rsplit('/').next().unwrap_or_default().to_owned()
}

fn api_version(kind: &GroupKind, served: &Served) -> String {
    if kind.group.is_empty() { served.version.clone() } else { format!("{}/{}", kind.group, served.version) }
}
