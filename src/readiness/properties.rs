//! What holds for any JSON whatever: no rule panics, and nothing below our write counts as ready. `make test` asks
//! for 10,000 cases of each (`PROPTEST_CASES`), a plain `cargo test` for fewer.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::APPLIED_AT;
use super::{Readiness, Receipt, Sight, StorageClass, Surroundings, assess};
use crate::arbitrary::Arbitrary;
use crate::object::rule::{Rule, Test, Wanted};
use crate::object::{FieldPath, Generation, GroupKind, Object, Uid};

/// Every kind that has a rule, and some that have none.
const KINDS: [(&str, &str); 20] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("v1", "Service"),
    ("v1", "Namespace"),
    ("v1", "ResourceQuota"),
    ("v1", "ConfigMap"),
    ("networking.k8s.io/v1", "Ingress"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("example.org/v1", "Database"),
];

/// Kinds whose controllers always tell the generation they have seen.
const ALWAYS_OBSERVED: [&str; 6] =
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "PodDisruptionBudget"];

/// Words the rules look for: random text alone would never reach them.
const WORDS: &[&str] = &[
    "conditions",
    "type",
    "status",
    "reason",
    "message",
    "lastTransitionTime",
    "lastUpdateTime",
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "availableReplicas",
    "readyReplicas",
    "unavailableReplicas",
    "desiredNumberScheduled",
    "numberAvailable",
    "updatedNumberScheduled",
    "paused",
    "suspend",
    "partition",
    "rollingUpdate",
    "updateStrategy",
    "phase",
    "clusterIP",
    "loadBalancer",
    "ingress",
    "storageClassName",
    "volumeName",
    "hard",
    "managedFields",
    "fieldsV1",
    "f:spec",
    "f:status",
    "time",
    "completionTime",
    "lastScheduleTime",
    "active",
    "failed",
    "succeeded",
    "completions",
    "progressDeadlineSeconds",
    "versions",
    "served",
    "name",
    "containerStatuses",
    "state",
    "terminated",
    "waiting",
    "exitCode",
    "finalizers",
    "ordinals",
    "start",
    "generation",
    "currentRevision",
    "updateRevision",
];

/// Types of conditions the rules look for.
const TYPES: &[&str] = &[
    "Ready",
    "Stalled",
    "Reconciling",
    "Failed",
    "Complete",
    "Progressing",
    "Established",
    "NamesAccepted",
    "Available",
    "FailureTarget",
    "SuccessCriteriaMet",
];

/// Values the rules look for.
const TEXTS: &[&str] = &[
    "True",
    "False",
    "Unknown",
    "Failed",
    "ProgressDeadlineExceeded",
    "ReplicaSetCreateError",
    "Bound",
    "Lost",
    "Pending",
    "Running",
    "Succeeded",
    "Active",
    "Terminating",
    "Released",
    "LoadBalancer",
    "ExternalName",
    "OnDelete",
    "RollingUpdate",
    "Never",
    "late",
    "early",
    "v1",
    "None",
    "2026-03-01T12:00:03Z",
    "2026-03-01T11:00:00Z",
    "-009999-01-02T01:59:59Z",
    "9999-12-30T22:00:00.999999999Z",
    "not a time",
];

/// Returns a condition, mostly one the rules know.
fn condition(any: &mut Arbitrary) -> Value {
    let kind = if any.chance(90) { any.pick(TYPES).into() } else { any.scalar() };
    let status = if any.chance(90) { any.pick(&["True", "False", "Unknown"]).into() } else { any.scalar() };
    let (time, generation) = (any.scalar(), any.scalar());
    json!({"type": kind, "status": status, "reason": any.scalar(), "lastTransitionTime": time,
        "lastUpdateTime": time, "observedGeneration": generation})
}

/// Returns an object of any known kind with anything in its spec, status and metadata. The life is the one
/// of the receipt, so that the rules are reached.
fn grafted(any: &mut Arbitrary) -> Object {
    let (api_version, kind) = any.pick(&KINDS);
    let (spec, mut status) = (any.mostly_fields(3), any.mostly_fields(3));
    let mut metadata = any.fields(3);
    let generation = if any.chance(85) { any.below(6).into() } else { any.scalar() };
    if let Some(status) = status.as_object_mut() {
        let observed = match any.below(10) {
            0..6 => generation.clone(),
            6..9 => any.below(6).into(),
            _ => any.scalar(),
        };
        status.insert("observedGeneration".into(), observed);
        let length = any.below(5);
        status.insert("conditions".into(), (0..length).map(|_| condition(any)).collect());
        if any.chance(50) {
            status.insert("phase".into(), any.pick(TEXTS).into());
        }
    }
    metadata.insert("name".into(), "thing".into());
    metadata.insert("uid".into(), "u-1".into());
    metadata.insert("generation".into(), generation);
    Object::new(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec,
        "status": status}))
    .unwrap()
}

fn receipt(any: &mut Arbitrary) -> Receipt {
    Receipt {
        uid: Uid("u-1".into()),
        generation: Generation(i64::try_from(any.below(4)).unwrap()),
        changed: any.chance(50),
        applied_at: if any.chance(80) { APPLIED_AT.parse().unwrap() } else { time(any) },
        ahead: if any.chance(80) { SignedDuration::ZERO } else { time(any).duration_since(time(any)) },
    }
}

fn sight<'a>(any: &mut Arbitrary, object: &'a Object) -> Sight<'a> {
    if any.chance(80) { Sight::Present(object) } else { Sight::Gone(object) }
}

fn time(any: &mut Arbitrary) -> Timestamp {
    let applied_at: Timestamp = APPLIED_AT.parse().unwrap();
    match any.below(10) {
        0 => Timestamp::MIN,
        1 => Timestamp::MAX,
        _ => {
            let offset = i64::try_from(any.below(400)).unwrap() - 10;
            Timestamp::from_second(applied_at.as_second() + offset).unwrap()
        }
    }
}

fn surroundings(any: &mut Arbitrary) -> Surroundings {
    let known = any.chance(50);
    let class = |binds_late| StorageClass { binds_late, is_default: binds_late };
    let kind = GroupKind { group: "example.org".into(), kind: "Database".into() };
    Surroundings {
        storage_classes: known
            .then(|| [("late".to_owned(), class(true)), ("early".to_owned(), class(false))].into()),
        served: [("v1".to_owned(), kind.clone())].into(),
        without_status: known.then_some(kind.clone()).into_iter().collect(),
        rules: any.chance(30).then(|| (kind, rule())).into_iter().collect(),
    }
}

/// Returns a rule that asks everything a rule can ask.
fn rule() -> Rule {
    let path = |text: &str| FieldPath::parse(text).unwrap();
    let test = |text: &str, wanted| Test { path: path(text), wanted };
    Rule {
        in_progress: vec![test("status.phase", Wanted::OneOf(vec!["Pending".into(), 3.into()]))],
        failed: vec![test("status.failed", Wanted::AtLeast(1.0))],
        current: vec![
            test("status.conditions[type=Ready].status", Wanted::Equals("True".into())),
            test("spec.replicas", Wanted::SameAs(path("status.replicas"))),
            test("status.conditions[0]", Wanted::Exists(true)),
        ],
    }
}

/// Returns the number at a pointer, read without any help of the code under test.
fn number(object: &Object, pointer: &str) -> i64 {
    object.value().pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_panics(seed in any::<u64>()) {
        let mut any = Arbitrary::new(seed, WORDS, TEXTS);
        let mut value = any.mostly_fields(5);
        let (api_version, kind) = any.pick(&KINDS);
        json_patch::merge(
            &mut value,
            &json!({"metadata": {"name": "thing"}, "kind": kind, "apiVersion": api_version}),
        );
        let object = Object::new(value).unwrap();
        let (receipt, surroundings) = (receipt(&mut any), surroundings(&mut any));
        assess(sight(&mut any, &object), &receipt, &surroundings, time(&mut any));
    }

    #[test]
    fn no_graft_panics_and_nothing_below_our_write_is_current(seed in any::<u64>()) {
        let mut any = Arbitrary::new(seed, WORDS, TEXTS);
        let (object, receipt) = (grafted(&mut any), receipt(&mut any));
        let answer = assess(Sight::Present(&object), &receipt, &surroundings(&mut any), time(&mut any));
        let current = matches!(answer.readiness, Readiness::Current { .. });
        let generation = number(&object, "/metadata/generation");
        if generation < receipt.generation.0 {
            prop_assert!(!current, "current below the floor: {answer:?} {object:?}");
        }
        let told = object.get("/status/observedGeneration").is_some_and(Value::is_i64);
        if told && number(&object, "/status/observedGeneration") < generation {
            prop_assert!(!current, "current though not observed: {answer:?} {object:?}");
        }
        if ALWAYS_OBSERVED.contains(&object.kind())
            && number(&object, "/status/observedGeneration") < generation
        {
            prop_assert!(!current, "current though never observed: {answer:?} {object:?}");
        }
        prop_assert!(answer.again_in.is_none_or(|again| !again.is_zero()), "again at once: {answer:?}");
    }

    #[test]
    fn another_life_is_never_current(seed in any::<u64>()) {
        let mut any = Arbitrary::new(seed, WORDS, TEXTS);
        let (object, mut receipt) = (grafted(&mut any), receipt(&mut any));
        receipt.uid = Uid("u-2".into());
        let answer = assess(Sight::Present(&object), &receipt, &surroundings(&mut any), time(&mut any));
        let failed = matches!(answer.readiness, Readiness::Failed { .. });
        prop_assert!(failed, "{answer:?}");
    }
}

/// The properties above would hold of an `assess` that never says Current: the generator must reach every
/// answer, of every kind that has it.
#[test]
fn the_generator_reaches_every_answer() {
    let (mut current, mut in_progress, mut failed, mut again) = (0, 0, 0, 0);
    for seed in 0..4_000 {
        let mut any = Arbitrary::new(seed, WORDS, TEXTS);
        let (object, receipt) = (grafted(&mut any), receipt(&mut any));
        let answer = assess(Sight::Present(&object), &receipt, &surroundings(&mut any), time(&mut any));
        match answer.readiness {
            Readiness::Current { .. } => current += 1,
            Readiness::InProgress { .. } => in_progress += 1,
            Readiness::Failed { .. } => failed += 1,
            Readiness::Terminating { .. } | Readiness::NotFound => {}
        }
        again += usize::from(answer.again_in.is_some());
    }
    let reached = [current, in_progress, failed, again];
    assert!(reached.iter().all(|count| *count > 5), "{reached:?}");
}
