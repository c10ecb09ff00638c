//! Workloads: Deployment, StatefulSet and DaemonSet, counted pod by pod. An image named `broken` never
//! becomes ready.

use serde_json::{Value, json};

use super::Step;

/// How many nodes a DaemonSet finds.
const NODES: i64 = 2;

/// The pods of one workload, by what matters of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pods {
    template: Value,
    revision: u64,
    old: i64,
    updated: i64,
    available: i64,
    pub(super) flapped: bool,
}

impl Pods {
    /// Returns true when all is as it should be.
    pub(super) fn is_settled(&self, object: &Value) -> bool {
        let wanted = wanted(object);
        self.template == object["spec"]["template"]
            && self.old == 0
            && self.updated == wanted
            && self.available == wanted
            && wanted > 0
    }

    /// Makes one move: a new pod, a pod that becomes available, an old pod that goes; or lets a pod fail.
    /// Returns true when there was one to make: the status need not show it.
    pub(super) fn step(&mut self, step: &mut Step<'_>, flap: bool) -> bool {
        let before = (self.revision, self.old, self.updated, self.available);
        let template = &step.object["spec"]["template"];
        let wanted = wanted(&step.object);
        if flap {
            self.flapped = true;
            self.available -= 1;
        } else if self.template != *template {
            self.old += self.updated;
            (self.updated, self.available) = (0, 0);
            self.template = template.clone();
            self.revision += 1;
        } else if observed(&step.object) == generation(&step.object) {
            let broken = template.to_string().contains("\"broken\"");
            if self.updated > wanted {
                self.updated -= 1;
                self.available = self.available.min(self.updated);
            } else if self.updated < wanted && self.available == self.updated {
                self.updated += 1;
            } else if self.available < self.updated && !broken {
                self.available += 1;
            } else if self.old > 0 && self.available == wanted {
                self.old -= 1;
            }
        }
        let status = match step.key.kind.as_str() {
            "StatefulSet" => self.stateful_set(&step.object, wanted),
            "DaemonSet" => self.daemon_set(&step.object, wanted),
            _ => self.deployment(&step.object, wanted),
        };
        step.set_status(&status);
        before != (self.revision, self.old, self.updated, self.available)
    }

    fn deployment(&self, object: &Value, wanted: i64) -> Value {
        let total = self.old + self.updated;
        let available = self.old + self.available;
        let mut status = json!({"observedGeneration": generation(object)});
        let mut put = |field: &str, count: i64| {
            if count > 0 {
                status[field] = count.into();
            }
        };
        put("replicas", total);
        put("updatedReplicas", self.updated);
        put("readyReplicas", available);
        put("availableReplicas", available);
        put("unavailableReplicas", total - available);
        let is_up = available >= wanted;
        status["conditions"] = json!([
            {"type": "Available", "status": if is_up { "True" } else { "False" }, "reason": "MinimumReplicas"},
        ]);
        status
    }

    fn stateful_set(&self, object: &Value, wanted: i64) -> Value {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let revision = |number: u64| format!("{name}-{number}");
        let closed = self.old == 0 && self.updated == wanted && self.available == wanted;
        let before = if closed { self.revision } else { self.revision.saturating_sub(1) };
        json!({
            "observedGeneration": generation(object),
            "replicas": (self.old + self.updated).min(wanted.max(self.updated)),
            "readyReplicas": self.available,
            "availableReplicas": self.available,
            "updatedReplicas": self.updated,
            "currentRevision": revision(before.max(1)),
            "updateRevision": revision(self.revision),
        })
    }

    fn daemon_set(&self, object: &Value, wanted: i64) -> Value {
        json!({
            "observedGeneration": generation(object),
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": (self.old + self.updated).min(wanted),
            "updatedNumberScheduled": self.updated,
            "numberReady": self.available,
            "numberAvailable": self.available,
            "numberMisscheduled": 0,
        })
    }
}

fn wanted(object: &Value) -> i64 {
    if object["kind"] == "DaemonSet" { NODES } else { object["spec"]["replicas"].as_i64().unwrap_or(1) }
}

fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(0)
}

fn observed(object: &Value) -> i64 {
    object["status"]["observedGeneration"].as_i64().unwrap_or(0)
}
