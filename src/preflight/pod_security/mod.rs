//! Does the Pod Security level that a namespace enforces allow the plan's pods? The API server refuses a
//! pod that breaks it, not the Deployment that makes it: without this check a deploy waits for pods that
//! never come. Rules: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>, and for the
//! details `k8s.io/pod-security-admission/policy`, whose file each rule names.

mod baseline;
mod restricted;

use serde_json::Value;

use super::facts::{Facts, core};
use super::unchecked;
use super::workloads::{Workload, workloads};
use crate::event::{Check, Finding};
use crate::object::{Object, ObjectRef};
use crate::plan::Plan;

/// The label that says the level.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// The label that says whose version of the level: `latest`, or `v1.34`.
const ENFORCE_VERSION: &str = "pod-security.kubernetes.io/enforce-version";
/// The version of the rules where nobody says one: newer than any.
const LATEST: u32 = u32::MAX;

/// A level that forbids something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Baseline,
    Restricted,
}

/// A pod template as the rules look at it.
struct Pod<'a> {
    workload: Workload<'a>,
    /// The minor version whose rules count.
    minor: u32,
}

impl<'a> Pod<'a> {
    fn spec(&self) -> &'a Value {
        self.workload.spec
    }

    /// Returns what the pod as a whole says under `securityContext`.
    fn context(&self, pointer: &str) -> Option<&'a Value> {
        self.spec().get("securityContext")?.pointer(pointer).filter(|value| !value.is_null())
    }

    /// Returns each container with its name.
    fn containers(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let named = |(_, container): (&str, &'a Value)| {
            (container.get("name").and_then(Value::as_str).unwrap_or_default(), container)
        };
        self.workload.containers().map(named)
    }

    /// Returns the names of the containers of which something holds.
    fn those(&self, holds: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|(_, container)| holds(container)).map(|(name, _)| name).collect()
    }

    /// Returns true for pods of Windows, which some rules do not ask what Windows does not know.
    fn is_windows(&self) -> bool {
        self.spec().pointer("/os/name").is_some_and(|name| name == "windows")
    }
}

/// Returns what a container says under `securityContext`.
fn context<'a>(container: &'a Value, pointer: &str) -> Option<&'a Value> {
    container.get("securityContext")?.pointer(pointer).filter(|value| !value.is_null())
}

/// Returns the workloads whose pods the level of their namespace refuses.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in workloads(plan).into_iter().filter(|workload| workload.replicas() > 0) {
        let Some(namespace) = workload.object.namespace() else { continue };
        let name = core("Namespace", None, namespace);
        if let (None, Some(Err(why))) = (label(plan, facts, &name, ENFORCE), facts.objects.get(&name)) {
            findings.push(unchecked(Check::PodSecurity, why));
            continue;
        }
        let level = match label(plan, facts, &name, ENFORCE) {
            Some("baseline") => Level::Baseline,
            Some("restricted") => Level::Restricted,
            _ => continue,
        };
        let version = label(plan, facts, &name, ENFORCE_VERSION).unwrap_or("latest");
        let asked = version.strip_prefix("v1.").and_then(|minor| minor.parse().ok()).unwrap_or(LATEST);
        let pod = Pod { workload, minor: asked.min(facts.minor().unwrap_or(LATEST)) };
        let broken = violations(&pod, level);
        if broken.is_empty() {
            continue;
        }
        let word = if level == Level::Baseline { "baseline" } else { "restricted" };
        let what = format!(
            "its pods are refused: namespace `{namespace}` enforces the Pod Security level `{word}`, and {}",
            broken.join("; ")
        );
        let fix = "change the pod template, or the namespace's label `pod-security.kubernetes.io/enforce`";
        findings.push(Finding::error(Check::PodSecurity, what).about(workload.object.reference()).fix(fix));
    }
    findings
}

/// Returns what of a pod a level forbids, each as a part of a sentence.
fn violations(pod: &Pod<'_>, level: Level) -> Vec<String> {
    let mut broken = baseline::violations(pod);
    if level == Level::Restricted {
        broken.extend(restricted::violations(pod));
    }
    broken
}

/// Returns a label that a namespace will have: as the plan writes it, else as it is.
fn label<'a>(plan: &'a Plan, facts: &'a Facts, name: &ObjectRef, key: &str) -> Option<&'a str> {
    let own = plan.objects().map(|(_, object)| object).find(|object| object.reference() == *name);
    own.and_then(|own| own.label(key))
        .or_else(|| facts.object(name).and_then(|live: &Object| live.label(key)))
}

/// Returns a sentence about the containers that are named, when there are any.
fn about_containers(what: &str, names: &[&str]) -> Option<String> {
    let word = if names.len() == 1 { "container" } else { "containers" };
    (!names.is_empty()).then(|| format!("{word} {}: {what}", names.join(", ")))
}
