//! The controllers of a cluster: each looks at an object some time after it changed and moves it one step
//! towards what it should be. They may be slow, stall for minutes, and let a ready workload fail for a
//! moment.

mod garbage;
mod jobs;
mod storage;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api_server::{ApiServer, Commit, Key, Store, Writer};
use crate::random::Random;
use workloads::Pods;

/// What a pod takes at least, and usually at most, to start and to run, in milliseconds: even an image that is
/// there needs its container made.
const POD_STEP: (u64, u64) = (100, 2_000);

/// How the controllers are in the mood to work.
#[derive(Clone, Debug)]
pub(crate) struct Temper {
    /// The usual time from a change to the step that follows, in milliseconds.
    pub(crate) usual: (u64, u64),
    /// How many steps of a thousand take long.
    pub(crate) stalls: u64,
    /// How many ready workloads of a thousand fail once for a moment.
    pub(crate) flaps: u64,
    /// No stall and no flap begins after this moment.
    pub(crate) calm_from: Instant,
}

impl Temper {
    /// Returns the temper of controllers that take their time and make no trouble.
    pub(crate) fn even() -> Self {
        Self { usual: (20, 800), stalls: 0, flaps: 0, calm_from: Instant::now() }
    }

    /// Returns the temper of a seed.
    pub(crate) fn random(random: &mut Random, calm_from: Instant) -> Self {
        let usual = *random.pick(&[(1, 5), (5, 100), (20, 800)]);
        Self { usual, stalls: *random.pick(&[0, 10, 60]), flaps: *random.pick(&[0, 100]), calm_from }
    }
}

/// All controllers of one cluster.
pub(crate) struct Controllers {
    server: ApiServer,
    random: Random,
    temper: Temper,
    queue: BTreeMap<(Instant, u64), Key>,
    queued: BTreeSet<Key>,
    next: u64,
    seen: u64,
    /// What runs, by the uid of the workload.
    pods: BTreeMap<String, Pods>,
}

/// What a controller has to work with in one step.
struct Step<'a> {
    store: &'a mut Store,
    key: &'a Key,
    object: Value,
}

impl Step<'_> {
    const AGENT: &'static str = "kube-controller-manager";

    fn writer() -> Writer<'static> {
        Writer { agent: Self::AGENT, manager: Self::AGENT }
    }

    fn is_ending(&self) -> bool {
        !self.object["metadata"]["deletionTimestamp"].is_null()
    }

    /// Writes a status, unless it is the one that is there.
    fn set_status(&mut self, status: &Value) {
        if self.object["status"] != *status {
            let kind = self.store.kind_of(self.key);
            // The object may be gone by now; then there is nothing to tell of it.
            let _gone = self.store.update_status(&Self::writer(), &kind, self.key, status);
        }
    }
}

impl Controllers {
    pub(crate) fn new(server: ApiServer, random: Random, temper: Temper) -> Self {
        Self {
            server,
            random,
            temper,
            queue: BTreeMap::new(),
            queued: BTreeSet::new(),
            next: 0,
            seen: 0,
            pods: BTreeMap::new(),
        }
    }

    /// Works for ever.
    pub(crate) async fn run(mut self) {
        let mut versions = self.server.versions();
        loop {
            versions.mark_seen();
            self.look();
            let due = self.queue.keys().next().map(|(due, _)| *due);
            let wake = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = versions.changed() => if changed.is_err() { return },
                () = wake => self.work(),
            }
        }
    }

    /// Queues what changed, and all that waits for an end whenever something ended.
    fn look(&mut self) {
        let server = self.server.clone();
        let store = server.store();
        let mut changed: Vec<Key> = Vec::new();
        let mut ended = false;
        for commit in store.since(self.seen) {
            self.seen = commit.version;
            ended |= commit.after.is_none();
            changed.push(commit.key.clone());
            changed.extend(controller(commit));
        }
        if ended {
            let waiting = store.objects.iter().filter(|(_, stored)| {
                let metadata = &stored.object["metadata"];
                !metadata["deletionTimestamp"].is_null() || !metadata["ownerReferences"].is_null()
            });
            changed.extend(waiting.map(|(key, _)| key.clone()));
        }
        drop(store);
        for key in changed {
            self.enqueue(key);
        }
    }

    fn enqueue(&mut self, key: Key) {
        if !self.queued.insert(key.clone()) {
            return;
        }
        let calm = Instant::now() >= self.temper.calm_from;
        let mut delay = self.random.millis(self.temper.usual.0, self.temper.usual.1);
        if self.random.chance(self.temper.stalls) && !calm {
            delay += self.random.millis(2_000, 90_000);
        }
        if key.kind == "Pod" {
            delay += self.random.millis(POD_STEP.0, POD_STEP.1);
        }
        self.next += 1;
        self.queue.insert((Instant::now() + delay, self.next), key);
    }

    /// Does what is due.
    fn work(&mut self) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > Instant::now() {
                return;
            }
            let key = entry.remove();
            self.queued.remove(&key);
            self.step(&key);
        }
    }

    fn step(&mut self, key: &Key) {
        let server = self.server.clone();
        let mut store = server.store();
        let Some(object) = store.objects.get(key).map(|stored| stored.object.clone()) else { return };
        let mut step = Step { store: &mut store, key, object };
        if step.is_ending() {
            garbage::end(&mut step);
            return;
        }
        if garbage::collect(&mut step) {
            return;
        }
        let uid = step.object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut again = false;
        match key.kind.as_str() {
            "Namespace" => namespace(&mut step),
            "Deployment" | "StatefulSet" | "DaemonSet" => {
                if key.kind == "StatefulSet" {
                    storage::make_claims(&mut step);
                }
                let pods = self.pods.entry(uid).or_default();
                let may_flap = Instant::now() < self.temper.calm_from;
                let ripe = may_flap && pods.is_settled(&step.object) && !pods.flapped;
                let flap = ripe && self.random.chance(self.temper.flaps);
                again = pods.step(&mut step, flap);
            }
            "Job" => jobs::job(&mut step),
            "Pod" => jobs::pod(&mut step),
            "PersistentVolumeClaim" => storage::bind(&mut step),
            "Service" => load_balancer(&mut step),
            "CustomResourceDefinition" => again = establish(&mut step),
            "Widget" => operate(&mut step),
            _ => {}
        }
        drop(store);
        if again {
            self.enqueue(key.clone());
        }
    }
}

/// Returns the Job that a changed pod belongs to.
fn controller(commit: &Commit) -> Option<Key> {
    let pod = commit.after.as_ref().or(commit.before.as_ref()).filter(|_| commit.key.kind == "Pod")?;
    let owner = &pod["metadata"]["ownerReferences"][0];
    if owner["kind"] != "Job" {
        return None;
    }
    let name = owner["name"].as_str()?.to_owned();
    Some(Key { group: "batch".into(), kind: "Job".into(), namespace: commit.key.namespace.clone(), name })
}

/// Every namespace gets its service account and the cluster's certificate.
fn namespace(step: &mut Step<'_>) {
    for (kind, name) in [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")] {
        let namespace = step.key.name.clone();
        let key =
            Key { group: String::new(), kind: kind.into(), namespace: namespace.clone(), name: name.into() };
        if !step.store.objects.contains_key(&key) {
            let metadata = json!({"name": name, "namespace": namespace});
            let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
            let kind = step.store.kind_of(&key);
            // Refused when the namespace has begun to end in the same instant: then nobody misses it.
            let _refused = step.store.create(&Step::writer(), &kind, &key, object);
        }
    }
}

fn load_balancer(step: &mut Step<'_>) {
    if step.object["spec"]["type"] == "LoadBalancer" {
        step.set_status(&json!({"loadBalancer": {"ingress": [{"ip": "198.19.0.1"}]}}));
    }
}

/// Works as an operator does that is too quick with its condition: a widget is said to be ready as soon as
/// it is seen, and its phase tells when it really is.
fn operate(step: &mut Step<'_>) {
    let generation = &step.object["metadata"]["generation"];
    let is_seen = step.object["status"]["observedGeneration"] == *generation;
    let phase = if is_seen { "Up" } else { "Making" };
    let conditions = json!([{"type": "Ready", "status": "True"}]);
    step.set_status(&json!({"observedGeneration": generation, "phase": phase, "conditions": conditions}));
}

/// Establishes a definition, and returns true when it is not served yet: that comes later.
fn establish(step: &mut Step<'_>) -> bool {
    let status = json!({"conditions": [
        {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
        {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "accepted"},
    ]});
    let is_established = step.object["status"] == status;
    step.set_status(&status);
    if is_established {
        for kind in crate::api_server::Kind::of_definition(&step.object) {
            if !step.store.kinds.contains(&kind) {
                step.store.kinds.push(kind);
            }
        }
    }
    !is_established
}
