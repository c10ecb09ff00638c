//! The vigil over what workloads make: pods, ReplicaSets, claims and the events about them, watched while a
//! workload is not ready. It tells a rollout that cannot work from one that needs time, within seconds of
//! the evidence. Pure state; the loop brings the news and does what follows.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Catalog, Observation, Scope};
use crate::diagnosis::{Cause, Class, Diagnosis, Evidence, diagnose};
use crate::object::{GroupKind, Object, ObjectRef, Uid};

/// How long a permanent trouble must be seen before it counts: a state in between two others is no cause.
const PERMANENT_FOR: Duration = Duration::from_secs(1);
/// How long some pods of a workload may crash while others do not.
const PARTIAL_FOR: Duration = Duration::from_secs(60);
/// A trouble not seen for so long is over; a crash loop is out of sight while its program runs.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// News come in bursts; all of one are judged together.
const JUDGED_AFTER: Duration = Duration::from_millis(50);

/// The kinds watched.
const KINDS: [(&str, &str); 4] =
    [("apps", "ReplicaSet"), ("", "Pod"), ("", "Event"), ("", "PersistentVolumeClaim")];

/// What one trouble is known by, across the pods that show it.
type Key = (Uid, Option<String>, Cause);

/// A trouble while it lasts.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    first: Instant,
    last: Instant,
}

/// What the vigil knows.
#[derive(Default)]
pub(super) struct Vigil {
    objects: BTreeMap<ObjectRef, Object>,
    sightings: BTreeMap<Key, Sighting>,
    judged_at: Option<Instant>,
}

/// What the vigil says of one workload.
#[derive(Debug, PartialEq)]
pub(super) enum Judgement {
    /// Nothing speaks against it, or not for long enough; the moment when it would be.
    Hope(Option<Instant>),
    /// It cannot become ready.
    Doomed(Diagnosis),
}

/// Returns true for the kinds that make pods.
pub(super) fn makes_pods(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "Pod")
}

/// Returns what is watched of a namespace.
pub(super) fn scopes(catalog: &Catalog, namespace: &str) -> Vec<Scope> {
    let scope = |(group, kind): (&str, &str)| {
        let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
        let resource = catalog.preferred(&kind)?.clone();
        let namespace = Some(namespace.to_owned());
        Some(Scope { resource, namespace, labels: None, fields: None, metadata_only: false })
    };
    KINDS.into_iter().filter_map(scope).collect()
}

impl Vigil {
    /// Takes in news.
    pub(super) fn hear(&mut self, scope: &Scope, observation: Observation) {
        match observation {
            Observation::Seen(object) => {
                self.objects.insert(object.reference(), object);
            }
            Observation::Gone(object) => {
                self.objects.remove(&object.reference());
            }
            Observation::Relisted(objects) => {
                let kind = scope.resource.group_kind();
                self.objects.retain(|name, _| name.group_kind() != kind || name.namespace != scope.namespace);
                self.objects.extend(objects.into_iter().map(|object| (object.reference(), object)));
            }
            Observation::Lost { .. } => return,
        }
        let soon = Instant::now() + JUDGED_AFTER;
        self.judged_at = Some(self.judged_at.map_or(soon, |at| at.min(soon)));
    }

    /// Returns when the workloads are to be judged next.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.judged_at
    }

    /// Begins a judgement of all workloads.
    pub(super) fn begin(&mut self) {
        self.judged_at = None;
        let now = Instant::now();
        self.sightings.retain(|_, sighting| now.duration_since(sighting.last) < FORGOTTEN_AFTER);
    }

    /// Judges one workload.
    pub(super) fn judge(&mut self, workload: &Object) -> Judgement {
        let Some(uid) = workload.uid() else { return Judgement::Hope(None) };
        let now = Instant::now();
        let mut next = None;
        for diagnosis in self.diagnose(workload) {
            let key = (uid.clone(), diagnosis.container.clone(), diagnosis.cause);
            let sighting = self.sightings.entry(key).or_insert(Sighting { first: now, last: now });
            sighting.last = now;
            let Some(grace) = grace(&diagnosis) else { continue };
            let due = sighting.first + grace;
            if due <= now {
                return Judgement::Doomed(diagnosis);
            }
            next = Some(next.map_or(due, |at: Instant| at.min(due)));
        }
        if let Some(next) = next {
            self.judged_at = Some(self.judged_at.map_or(next, |at| at.min(next)));
        }
        Judgement::Hope(next)
    }

    fn diagnose(&self, workload: &Object) -> Vec<Diagnosis> {
        let of = |kind: &str| -> Vec<&Object> {
            let here = |object: &&Object| object.kind() == kind && object.namespace() == workload.namespace();
            self.objects.values().filter(here).collect()
        };
        diagnose(&Evidence {
            workload,
            replica_sets: &of("ReplicaSet"),
            pods: &of("Pod"),
            events: &of("Event"),
            claims: &of("PersistentVolumeClaim"),
        })
    }
}

/// Returns how long a trouble may last; `None` when it never dooms a workload alone. A crash that some pods
/// show and others do not may be a matter of those pods, and is given longer.
fn grace(diagnosis: &Diagnosis) -> Option<Duration> {
    let told = Duration::from_secs(diagnosis.grace_seconds?);
    match diagnosis.class {
        Class::Permanent => Some(told.min(PERMANENT_FOR)),
        Class::Crash if diagnosis.affected < diagnosis.counted => Some(told.max(PARTIAL_FOR)),
        Class::Crash => Some(told),
        Class::Transient => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Judgement, Vigil};
    use crate::object::Object;

    fn deployment() -> Object {
        Object::new(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "d", "generation": 1,
                "annotations": {"deployment.kubernetes.io/revision": "1"},
            },
            "spec": {"replicas": 1}, "status": {"observedGeneration": 1},
        }))
        .unwrap()
    }

    fn owned(kind: &str, name: &str, uid: &str, owner: (&str, &str), more: &Value) -> Object {
        let mut value = json!({
            "apiVersion": if kind == "Pod" { "v1" } else { "apps/v1" }, "kind": kind,
            "metadata": {
                "name": name, "namespace": "shop", "uid": uid,
                "annotations": {"deployment.kubernetes.io/revision": "1"},
                "ownerReferences": [{"kind": owner.0, "name": "x", "uid": owner.1, "controller": true}],
            },
        });
        json_patch::merge(&mut value, more);
        Object::new(value).unwrap()
    }

    fn vigil_over(waiting: &Value) -> Vigil {
        let mut vigil = Vigil::default();
        let set = owned("ReplicaSet", "web-1", "r", ("Deployment", "d"), &json!({}));
        let status = json!({"status": {"phase": "Pending", "containerStatuses": [{
            "name": "web", "image": "shop:9", "ready": false, "restartCount": 0, "state": {"waiting": waiting},
        }]}});
        let pod = owned("Pod", "web-1-a", "p", ("ReplicaSet", "r"), &status);
        for object in [set, pod] {
            vigil.objects.insert(object.reference(), object);
        }
        vigil
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_trouble_dooms_after_a_second_and_not_before() {
        let message = "failed to pull and unpack image \"shop:9\": shop:9: not found";
        let mut vigil = vigil_over(&json!({"reason": "ErrImagePull", "message": message}));
        assert!(matches!(vigil.judge(&deployment()), Judgement::Hope(Some(_))));
        tokio::time::advance(Duration::from_millis(900)).await;
        assert!(matches!(vigil.judge(&deployment()), Judgement::Hope(Some(_))));
        tokio::time::advance(Duration::from_millis(101)).await;
        assert!(matches!(vigil.judge(&deployment()), Judgement::Doomed(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_needs_time_is_given_it() {
        let mut vigil = vigil_over(&json!({"reason": "ContainerCreating"}));
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!(vigil.judge(&deployment()), Judgement::Hope(None));
        let message = "failed to pull image: registry: 503 Service Unavailable";
        let mut vigil = vigil_over(&json!({"reason": "ErrImagePull", "message": message}));
        vigil.judge(&deployment());
        tokio::time::advance(Duration::from_secs(300)).await;
        assert_eq!(vigil.judge(&deployment()), Judgement::Hope(None), "a registry may come back");
    }
}
