//! Findings as a person reads them: each test writes a plan with mistakes, says what the cluster is like,
//! and looks at what is told.

mod cluster;
mod plans;
mod pods;
mod properties;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Facts, List, Served, judge};
use crate::compose::{Entry, FileError, Files, Listed, Request, compose};
use crate::event::Finding;
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::Plan;

/// A plan file and one manifest.
struct Texts<'a> {
    plan: &'a str,
    manifest: &'a str,
}

impl Files for Texts<'_> {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let text = match path {
            "plan.yaml" => self.plan,
            "m.yaml" => self.manifest,
            _ => return Err(FileError::Missing),
        };
        Ok(Entry::File(text.as_bytes().to_vec()))
    }
}

/// The files of this repository.
struct Repository;

impl Files for Repository {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if path.is_dir() {
            let listed = path.read_dir().unwrap().map(|entry| {
                let entry = entry.unwrap();
                Listed { name: entry.file_name().into_string().unwrap(), is_folder: entry.path().is_dir() }
            });
            return Ok(Entry::Folder(listed.collect()));
        }
        std::fs::read(&path).map(Entry::File).map_err(|_| FileError::Missing)
    }
}

fn repository(name: &str) -> Plan {
    let request = Request { files: &Repository, plan: name, values: &[], set: &[] };
    compose(&request).unwrap_or_else(|problems| panic!("{problems}")).plan
}

/// Returns the plan `shop` in the namespace `shop`, whose stage `web` writes `manifest`.
fn plan(manifest: &str) -> Plan {
    staged("stages: { web: { apply: [m.yaml] } }", manifest)
}

/// Returns the plan `shop` with these stages.
fn staged(stages: &str, manifest: &str) -> Plan {
    let plan = format!("name: shop\nnamespace: shop\n{stages}\n");
    let files = Texts { plan: &plan, manifest };
    let request = Request { files: &files, plan: "plan.yaml", values: &[], set: &[] };
    compose(&request).unwrap_or_else(|problems| panic!("{problems}")).plan
}

/// Returns findings with all they say, each a few lines.
fn told(findings: &[Finding]) -> String {
    let text = |finding: &Finding| {
        let level = if finding.is_error() { "error" } else { "warning" };
        let object = finding.object.as_ref().map_or_else(String::new, |object| format!("{object}: "));
        let place = finding.place.as_ref().map_or_else(String::new, |place| format!("\n --> {place}"));
        let fix = if finding.fix.is_empty() { String::new() } else { format!("\n  = help: {}", finding.fix) };
        format!("{level}[{}]: {object}{}{place}{fix}", finding.check, finding.what)
    };
    findings.iter().map(text).collect::<Vec<_>>().join("\n\n")
}

/// Returns what is told of a plan on a cluster.
fn judged(plan: &Plan, facts: &Facts) -> String {
    told(&judge(plan, facts))
}

/// Group, version, kind, plural.
const KINDS: [(&str, &str, &str, &str); 23] = [
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Namespace", "namespaces"),
    ("", "v1", "Node", "nodes"),
    ("", "v1", "PersistentVolume", "persistentvolumes"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "Service", "services"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "ReplicaSet", "replicasets"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("batch", "v1", "Job", "jobs"),
    ("coordination.k8s.io", "v1", "Lease", "leases"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses"),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
];

fn object(value: Value) -> Object {
    Object::new(value).unwrap()
}

fn core(kind: &str, name: &str) -> ObjectRef {
    super::facts::core(kind, Some("shop"), name)
}

fn namespace() -> ObjectRef {
    super::facts::core("Namespace", None, "shop")
}

/// Returns a node with two cores and 4 GiB.
fn node(name: &str) -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"disk": "ssd"}},
        "spec": {"providerID": format!("k3s://{name}")},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110", "ephemeral-storage": "40Gi"}},
    }))
}

/// Returns what a cluster says that has nothing to complain of: one node of k3s, with its storage and its
/// ingress, and an administrator who asks.
fn k3s() -> Facts {
    let mut served: BTreeMap<GroupKind, Vec<Served>> = BTreeMap::new();
    for (group, version, kind, plural) in KINDS {
        let kind = GroupKind { group: group.into(), kind: kind.into() };
        served.entry(kind).or_default().push(Served { version: version.into(), plural: plural.into() });
    }
    let class = object(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "rancher.io/local-path",
        "metadata": {
            "name": "local-path", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
    }));
    let ingress = object(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "traefik"},
        "spec": {"controller": "traefik.io/ingress-controller"},
    }));
    let space = object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    Facts {
        version: Some(Ok(json!({"major": "1", "minor": "34", "gitVersion": "v1.34.1+k3s1"}))),
        served,
        rules: [("shop".to_owned(), Ok(json!({"incomplete": false, "resourceRules": all})))].into(),
        lists: [
            (List::Nodes, Ok(vec![node("a")])),
            (List::Pods, Ok(Vec::new())),
            (List::StorageClasses, Ok(vec![class])),
            (List::IngressClasses, Ok(vec![ingress])),
            (List::Quotas("shop".to_owned()), Ok(Vec::new())),
        ]
        .into(),
        objects: [(namespace(), Ok(Some(space)))].into(),
    }
}

/// Returns a Deployment `web` with a container; `pod` and `container` are lines of YAML for them.
fn deployment(pod: &[&str], container: &[&str]) -> String {
    let lines = |indent: &str, lines: &[&str]| -> String {
        lines.iter().flat_map(|line| [indent, line, "\n"]).collect()
    };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: web }}\nspec:\n  replicas: 2\n  selector: {{ matchLabels: {{ app: web }} }}\n  template:\n    metadata: {{ labels: {{ app: web }} }}\n    spec:\n{}      containers:\n      - name: web\n        image: web:1\n{}",
        lines("      ", pod),
        lines("        ", container)
    )
}
