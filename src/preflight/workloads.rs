//! The objects of a plan that make pods, seen as their pod templates.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::{Object, is_built_in_group, items};
use crate::plan::{Plan, StageIdx};

/// An object that makes pods.
#[derive(Clone, Copy)]
pub(super) struct Workload<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its stage.
    pub stage: StageIdx,
    /// The specification of its pods.
    pub spec: &'a Value,
}

/// Returns the objects of the plan that make pods, in its order.
pub(super) fn workloads(plan: &Plan) -> Vec<Workload<'_>> {
    plan.objects().filter_map(|(stage, object)| Workload::of(stage, object)).collect()
}

impl<'a> Workload<'a> {
    /// Returns an object as a workload, when it is one: a custom kind may have another idea of `template`.
    pub(super) fn of(stage: StageIdx, object: &'a Object) -> Option<Self> {
        let makes_pods = matches!(
            (object.group(), object.kind()),
            ("", "Pod" | "ReplicationController")
                | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
                | ("batch", "Job" | "CronJob")
        );
        Some(Self { object, stage, spec: object.pod_spec().filter(|_| makes_pods)? })
    }

    /// Returns the labels of its pods.
    pub(super) fn labels(&self) -> BTreeMap<&'a str, &'a str> {
        let metadata = match self.object.kind() {
            "Pod" => "/metadata/labels",
            "CronJob" => "/spec/jobTemplate/spec/template/metadata/labels",
            _ => "/spec/template/metadata/labels",
        };
        let labels = self.object.get(metadata).and_then(Value::as_object);
        labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect()
    }

    /// Returns the annotations of its pods.
    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let metadata = match self.object.kind() {
            "Pod" => "/metadata/annotations",
            "CronJob" => "/spec/jobTemplate/spec/template/metadata/annotations",
            _ => "/spec/template/metadata/annotations",
        };
        let annotations = self.object.get(metadata).and_then(Value::as_object);
        annotations.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Returns its containers and init containers, each with the list it is in.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&'static str, &'a Value)> + use<'a> {
        let spec = self.spec;
        ["initContainers", "containers"]
            .into_iter()
            .flat_map(move |list| items(spec, list).map(move |container| (list, container)))
    }

    /// Returns how many pods it keeps at once; a DaemonSet's depend on the nodes, and count as one.
    pub(super) fn replicas(&self) -> i64 {
        let number = |pointer: &str| self.object.get(pointer).and_then(Value::as_i64);
        let replicas = match self.object.kind() {
            "Pod" | "DaemonSet" => 1,
            "Job" if self.object.get("/spec/suspend") == Some(&Value::Bool(true)) => 0,
            "Job" => {
                let parallel = number("/spec/parallelism").unwrap_or(1);
                number("/spec/completions").map_or(parallel, |completions| completions.min(parallel))
            }
            "CronJob" => number("/spec/jobTemplate/spec/parallelism").unwrap_or(1),
            _ => number("/spec/replicas").unwrap_or(1),
        };
        replicas.clamp(0, 1_000_000)
    }

    /// Returns how many pods more there are while a Deployment rolls (`apps/v1` `maxSurge`, 25 % when
    /// nothing is said, rounded up).
    pub(super) fn surge(&self) -> i64 {
        if self.object.kind() != "Deployment" || self.object.text("/spec/strategy/type") == "Recreate" {
            return 0;
        }
        let replicas = self.replicas();
        let share = |percent: i64| (replicas * percent.clamp(0, 1_000) + 99) / 100;
        match self.object.get("/spec/strategy/rollingUpdate/maxSurge") {
            Some(Value::String(text)) => {
                text.strip_suffix('%').and_then(|percent| percent.parse().ok()).map_or(0, share)
            }
            Some(Value::Number(number)) => number.as_i64().unwrap_or(0).clamp(0, 1_000_000),
            _ => share(25),
        }
    }

    /// Returns true for what keeps its pods, false for what runs to an end.
    pub(super) fn keeps_running(&self) -> bool {
        !matches!(self.object.kind(), "Job" | "CronJob")
    }

    /// Returns the names of the claims its pods mount, each with the pods it is shared by.
    pub(super) fn claims(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        items(self.spec, "volumes")
            .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str))
    }
}

/// Returns true when every label of `selector` is among `labels`; an empty selector selects nothing.
pub(super) fn selects(selector: &BTreeMap<&str, &str>, labels: &BTreeMap<&str, &str>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Returns true when a plan has objects of kinds that Kubernetes does not bring: their controllers may make
/// what nobody in the plan writes.
pub(super) fn has_custom_objects(plan: &Plan) -> bool {
    plan.objects().any(|(_, object)| !is_built_in_group(object.group()))
}
