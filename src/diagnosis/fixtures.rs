//! Workloads, pods and events for the tests of this folder.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Diagnosis, Evidence, diagnose};
use crate::object::Object;

/// Returns an object of namespace `shop` with `body` laid over it.
pub(super) fn object(api_version: &str, kind: &str, body: impl Into<Value>) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": "thing", "namespace": "shop", "uid": "u-1"}});
    json_patch::merge(&mut value, &body.into());
    Object::new(value).unwrap()
}

/// Returns an object whose uid is its name and whose controller has the uid `owner`.
pub(super) fn owned(api_version: &str, kind: &str, name: &str, owner: &str) -> Object {
    let owners = json!([{"uid": owner, "controller": true, "kind": "Owner", "name": "owner"}]);
    object(api_version, kind, json!({"metadata": {"name": name, "uid": name, "ownerReferences": owners}}))
}

/// Returns the pod `web-1-a` of the Deployment in [`Scene::web`], with this status.
pub(super) fn pod(status: &Value) -> Object {
    pod_named("web-1-a", status)
}

pub(super) fn pod_named(name: &str, status: &Value) -> Object {
    let mut value = owned("v1", "Pod", name, "web-1").into_value();
    value["spec"] = json!({
        "initContainers": [{"name": "setup", "image": "registry.example/setup:1"}],
        "containers": [{"name": "web", "image": "registry.example/web:9"}],
    });
    value["status"] = status.clone();
    Object::new(value).unwrap()
}

/// Returns a status in which the container `web` waits.
pub(super) fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}}}]})
}

/// Returns `pod` in a crash loop after so many restarts; its program ran ten seconds each time.
pub(super) fn crashing(pod: Object, restarts: i64) -> Object {
    let mut value = pod.into_value();
    value["status"] = json!({"phase": "Running", "containerStatuses": [{"name": "web", "ready": false,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error",
            "startedAt": "2026-03-01T12:00:00Z", "finishedAt": "2026-03-01T12:00:10Z"}}}]});
    Object::new(value).unwrap()
}

/// Returns a warning about `object`, so many seconds after noon.
pub(super) fn event(about: &Object, reason: &str, message: &str, second: u32) -> Object {
    let stamp = format!("2026-03-01T12:{:02}:{:02}Z", second / 60, second % 60);
    object(
        "v1",
        "Event",
        json!({"metadata": {"name": format!("{reason}.{second}")},
            "involvedObject": {"kind": about.kind(), "name": about.name(), "uid": about.text("/metadata/uid")},
            "reason": reason, "message": message, "type": "Warning", "lastTimestamp": stamp}),
    )
}

/// A workload with what belongs to it.
pub(super) struct Scene {
    pub(super) workload: Object,
    pub(super) replica_sets: Vec<Object>,
    pub(super) pods: Vec<Object>,
    pub(super) events: Vec<Object>,
    pub(super) claims: Vec<Object>,
    pub(super) nodes: Option<Vec<Object>>,
    pub(super) since: Option<Timestamp>,
}

impl Scene {
    pub(super) fn of(workload: Object) -> Self {
        let (replica_sets, pods, events, claims) = Default::default();
        Self { workload, replica_sets, pods, events, claims, nodes: None, since: None }
    }

    /// Returns Deployment `web` at its first revision, of three replicas, with its ReplicaSet and these pods.
    pub(super) fn web(pods: Vec<Object>) -> Self {
        let metadata = json!({"name": "web", "uid": "web",
            "annotations": {"deployment.kubernetes.io/revision": "1"}});
        let mut scene = Self::of(object("apps/v1", "Deployment", json!({"metadata": metadata})));
        let mut replica_set = owned("apps/v1", "ReplicaSet", "web-1", "web");
        replica_set.set_annotation("deployment.kubernetes.io/revision", "1");
        scene.replica_sets = vec![replica_set];
        scene.pods = pods;
        scene
    }

    pub(super) fn with_event(mut self, event: Object) -> Self {
        self.events.push(event);
        self
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Evidence<'_>) -> T) -> T {
        fn all(objects: &[Object]) -> Vec<&Object> {
            objects.iter().collect()
        }
        look(&Evidence {
            workload: &self.workload,
            replica_sets: &all(&self.replica_sets),
            pods: &all(&self.pods),
            events: &all(&self.events),
            claims: &all(&self.claims),
            nodes: self.nodes.as_deref().map(all).as_deref(),
            since: self.since,
        })
    }

    pub(super) fn all(&self) -> Vec<Diagnosis> {
        self.look(diagnose)
    }

    /// Returns the one diagnosis there is.
    #[track_caller]
    pub(super) fn only(&self) -> Diagnosis {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// Checks class, grace and text of the one diagnosis.
    #[track_caller]
    pub(super) fn tells(&self, class: &str, text: &str) {
        let found = self.only();
        let told = match found.grace_seconds {
            Some(seconds) => format!("{:?} {seconds}s", found.class),
            None => format!("{:?}", found.class),
        };
        assert_eq!((told.as_str(), found.to_string().as_str()), (class, text));
    }
}
