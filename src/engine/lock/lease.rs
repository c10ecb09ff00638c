//! The Lease as an object: what a run writes into it, and what another one reads from it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::LIFE;
use crate::clock::Clock;
use crate::engine::{EngineError, Holder, Life};
use crate::inventory::Inventory;
use crate::object::{Object, ObjectRef};
use crate::plan::{Plan, StageId};

/// The annotation that tells which process holds the Lease, for whoever can look at it.
const PROCESS: &str = "wesago/process";
/// The annotation with the short name of the run.
const RUN: &str = "wesago/run";
/// The annotation with the run's command.
const COMMAND: &str = "wesago/command";
/// The annotation with the stages under way at the last renewal, with commas between.
const STAGES: &str = "wesago/stages";

/// The stages under way, as they change.
pub(in crate::engine) type Stages = watch::Receiver<Vec<StageId>>;

/// Whom a Lease names while it is ours.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Claimant {
    /// Who.
    pub holder: Holder,
    /// The short name of the run.
    pub run: String,
    /// The run's command.
    pub command: &'static str,
    /// The time of the run.
    pub clock: Clock,
}

/// What a plan's Lease says. The default is a Lease that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockState {
    /// Who holds the lock: user, host, process, run. Empty when nobody does any more.
    pub holder: String,
    /// The short name of the run; empty for a Lease that tells none.
    pub run: String,
    /// Its command, such as `deploy`.
    pub command: String,
    /// Since when it is held, by the holder's clock.
    pub since: Option<Timestamp>,
    /// How long it is held.
    pub held_for: Option<Duration>,
    /// How long ago it was renewed last, as far as both clocks agree.
    pub renewed_ago: Option<Duration>,
    /// The stages that were under way then.
    pub stages: Vec<StageId>,
    /// What is known of the life of the holder's process.
    pub life: Life,
    /// The Lease; `None` when it could not be read.
    pub lease: Option<Object>,
}

/// A run that did not come to its end, as the Lease it left tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// The short name of the run.
    pub run: String,
    /// Its command, such as `deploy`.
    pub command: String,
    /// The stages that were under way when it was seen last.
    pub stages: Vec<StageId>,
    /// How long ago that was, as far as both clocks agree.
    pub ago: Duration,
}

impl LockState {
    /// Returns the state of a lock of which nothing is known but that somebody else has it.
    pub(in crate::engine) fn unknown(holder: &str) -> Self {
        Self { holder: holder.to_owned(), ..Self::default() }
    }

    /// Reads a Lease.
    pub(in crate::engine) fn of(lease: &Object, life_of: fn(&str) -> Life, now: Timestamp) -> Self {
        let note = |key| lease.annotation(key).unwrap_or_default().to_owned();
        let since = time(lease, "/spec/acquireTime");
        Self {
            holder: holder(lease).to_owned(),
            run: note(RUN),
            command: note(COMMAND),
            since,
            held_for: since.map(|since| ago(since, now)),
            renewed_ago: time(lease, "/spec/renewTime").map(|renewed| ago(renewed, now)),
            stages: note(STAGES).split(',').filter_map(|stage| StageId::new(stage).ok()).collect(),
            life: lease.annotation(PROCESS).map_or(Life::Unknown, life_of),
            lease: Some(lease.clone()),
        }
    }

    /// Returns true while somebody has the lock.
    pub fn is_held(&self) -> bool {
        !self.holder.is_empty()
    }

    /// Returns the run that left this Lease behind, if it is one that tells its run.
    pub fn interruption(&self) -> Option<Interruption> {
        (!self.run.is_empty()).then(|| Interruption {
            run: self.run.clone(),
            command: self.command.clone(),
            stages: self.stages.clone(),
            ago: self.renewed_ago.unwrap_or_default(),
        })
    }
}

impl Claimant {
    /// Returns the state of somebody's Lease.
    pub(super) fn look_at(&self, lease: &Object) -> LockState {
        LockState::of(lease, self.holder.life_of, self.clock.now())
    }

    /// Returns a new Lease in our name.
    pub(super) fn first(&self, name: &ObjectRef) -> Result<Object, EngineError> {
        self.object(name, None, &[])
    }

    /// Returns the next state of a Lease, in our name, with the stages under way.
    pub(super) fn renewal(&self, seen: &Object, stages: &[StageId]) -> Result<Object, EngineError> {
        self.object(&seen.reference(), Some(seen), stages)
    }

    /// Returns the last state of our Lease: nobody's, but with what the run was about.
    pub(super) fn farewell(&self, seen: &Object, stages: &[StageId]) -> Result<Object, EngineError> {
        let mut value = self.object(&seen.reference(), Some(seen), stages)?.into_value();
        if let Some(spec) = value.pointer_mut("/spec").and_then(Value::as_object_mut) {
            spec.remove("holderIdentity");
        }
        Object::new(value).map_err(|cause| EngineError::Internal(cause.to_string()))
    }

    fn object(
        &self,
        name: &ObjectRef,
        seen: Option<&Object>,
        stages: &[StageId],
    ) -> Result<Object, EngineError> {
        let text =
            |pointer: &str| seen.map(|seen| seen.text(pointer).to_owned()).filter(|text| !text.is_empty());
        let ours = seen.is_some_and(|seen| holder(seen) == self.holder.identity);
        let now = format!("{:.6}", self.clock.now());
        let acquired = text("/spec/acquireTime").filter(|_| ours).unwrap_or_else(|| now.clone());
        let transitions = seen.and_then(|seen| seen.get("/spec/leaseTransitions")).and_then(Value::as_u64);
        let transitions = transitions.unwrap_or(0) + u64::from(seen.is_some() && !ours);
        let stages = stages.iter().map(StageId::as_str).collect::<Vec<_>>().join(",");
        let mut value = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": name.name, "namespace": name.namespace,
                "resourceVersion": text("/metadata/resourceVersion"), "uid": text("/metadata/uid"),
                "annotations": {
                    PROCESS: self.holder.process, RUN: self.run, COMMAND: self.command, STAGES: stages,
                },
            },
            "spec": {
                "holderIdentity": self.holder.identity, "leaseDurationSeconds": LIFE.as_secs(),
                "acquireTime": acquired, "renewTime": now, "leaseTransitions": transitions,
            },
        });
        if let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            // What a new Lease has not got yet.
            metadata.retain(|_, field| !field.is_null());
        }
        Object::new(value).map_err(|cause| EngineError::Internal(cause.to_string()))
    }
}

/// Returns the name of a plan's Lease.
pub(super) fn name(plan: &Plan) -> ObjectRef {
    ObjectRef {
        group: "coordination.k8s.io".to_owned(),
        kind: "Lease".to_owned(),
        namespace: Some(plan.namespace().to_owned()),
        name: Inventory::parent_name(plan.name()),
    }
}

/// Returns who holds a Lease; empty when nobody does.
pub(super) fn holder(lease: &Object) -> &str {
    lease.text("/spec/holderIdentity")
}

/// Returns how long a Lease lives by its own word, within reason.
pub(super) fn life(lease: &Object) -> Duration {
    let told = lease.get("/spec/leaseDurationSeconds").and_then(Value::as_u64);
    Duration::from_secs(told.unwrap_or(LIFE.as_secs()).clamp(1, 120))
}

fn time(lease: &Object, pointer: &str) -> Option<Timestamp> {
    lease.text(pointer).parse().ok()
}

/// Returns the time since a moment; none has passed since one that another clock calls the future.
fn ago(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Claimant, LockState, holder, life};
    use crate::clock::Clock;
    use crate::engine::{Holder, Life};
    use crate::object::{Object, ObjectRef};
    use crate::plan::StageId;

    const NOW: &str = "2026-11-26T12:00:00Z";

    fn claimant(run: &str) -> Claimant {
        let life_of = |process: &str| if process == "dead" { Life::Dead } else { Life::Unknown };
        let holder = Holder { identity: format!("anna@build/7/{run}"), process: "dead".into(), life_of };
        let clock = Clock::starting_at(NOW.parse().unwrap());
        Claimant { holder, run: run.into(), command: "deploy", clock }
    }

    fn lease_name() -> ObjectRef {
        ObjectRef {
            group: "coordination.k8s.io".into(),
            kind: "Lease".into(),
            namespace: Some("shop".into()),
            name: "wesago-shop".into(),
        }
    }

    /// Returns the Lease as a server would hold it.
    fn stored(lease: Object, version: &str) -> Object {
        let mut value = lease.into_value();
        value["metadata"]["resourceVersion"] = version.into();
        value["metadata"]["uid"] = "u".into();
        Object::new(value).unwrap()
    }

    fn stages() -> Vec<StageId> {
        ["jobs/migrations", "web"].map(|stage| StageId::new(stage).unwrap()).into()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_run_writes_the_next_one_reads() {
        let first = claimant("7f3a90");
        let lease = stored(first.first(&lease_name()).unwrap(), "1");
        tokio::time::advance(Duration::from_secs(5)).await;
        let lease = stored(first.renewal(&lease, &stages()).unwrap(), "2");
        assert_eq!(lease.text("/spec/acquireTime"), "2026-11-26T12:00:00.000000Z");
        assert_eq!(lease.text("/spec/renewTime"), "2026-11-26T12:00:05.000000Z");
        assert_eq!(lease.text("/metadata/resourceVersion"), "2");
        let later: Timestamp = "2026-11-26T12:04:05Z".parse().unwrap();
        let state = LockState::of(&lease, first.holder.life_of, later);
        assert!(state.is_held());
        assert_eq!((state.holder.as_str(), state.command.as_str()), ("anna@build/7/7f3a90", "deploy"));
        assert_eq!(state.held_for, Some(Duration::from_secs(245)));
        assert_eq!(state.life, Life::Dead);
        let left = state.interruption().unwrap();
        assert_eq!((left.run.as_str(), left.ago), ("7f3a90", Duration::from_secs(240)));
        assert_eq!(left.stages, stages());
    }

    #[tokio::test(start_paused = true)]
    async fn a_farewell_keeps_the_run_and_names_no_holder() {
        let first = claimant("7f3a90");
        let lease = stored(first.first(&lease_name()).unwrap(), "1");
        let lease = stored(first.farewell(&lease, &stages()).unwrap(), "2");
        let state = first.look_at(&lease);
        assert!(!state.is_held());
        assert!(lease.get("/spec/holderIdentity").is_none(), "an empty one is no valid Lease everywhere");
        assert_eq!(state.interruption().unwrap().stages, stages());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_holder_counts_a_transition_and_starts_anew() {
        let lease = stored(claimant("7f3a90").first(&lease_name()).unwrap(), "1");
        tokio::time::advance(Duration::from_secs(60)).await;
        let next = claimant("81b2c3");
        let taken = next.renewal(&lease, &[]).unwrap();
        assert_eq!(holder(&taken), "anna@build/7/81b2c3");
        assert_eq!(taken.get("/spec/leaseTransitions").unwrap(), 1);
        assert_eq!(taken.text("/spec/acquireTime"), taken.text("/spec/renewTime"));
        assert_eq!(next.look_at(&taken).stages, []);
    }

    #[test]
    fn the_life_a_lease_claims_is_taken_within_reason() {
        let lease = |seconds: u64| {
            let value = serde_json::json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"},
                "spec": {"leaseDurationSeconds": seconds},
            });
            life(&Object::new(value).unwrap()).as_secs()
        };
        assert_eq!([0, 30, 86_400].map(lease), [1, 30, 120]);
    }

    #[test]
    fn a_clock_that_is_behind_makes_no_negative_age() {
        let state = {
            let value = serde_json::json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"},
                "spec": {"holderIdentity": "bob", "acquireTime": "2026-11-26T12:10:00.000000Z"},
            });
            LockState::of(&Object::new(value).unwrap(), |_| Life::Unknown, NOW.parse().unwrap())
        };
        assert_eq!(state.held_for, Some(Duration::ZERO));
        assert_eq!(state.interruption(), None, "a Lease made by hand tells of no run");
    }
}
