//! What holds for any JSON whatever: no rule panics, and nothing below our write counts as ready.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fixtures::APPLIED_AT;
use super::{Readiness, Receipt, StorageClass, Surroundings, assess};
use crate::object::{Generation, GroupKind, Object, Uid};
use jiff::Timestamp;

const CASES: u32 = 10_000;

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

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..6).prop_map(Value::from),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
        prop::collection::vec(any::<char>(), 0..6).prop_map(|text| Value::from(String::from_iter(text))),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => Just("é\u{0}".to_owned())]
}

fn condition() -> impl Strategy<Value = Value> {
    let word = || prop_oneof![4 => prop::sample::select(TEXTS).prop_map(Value::from), 1 => scalar()];
    let kind = prop_oneof![9 => prop::sample::select(TYPES).prop_map(Value::from), 1 => scalar()];
    let status = prop_oneof![9 => prop::sample::select(&TEXTS[..3]).prop_map(Value::from), 1 => scalar()];
    (kind, status, word(), word(), scalar()).prop_map(|(kind, status, reason, time, observed)| {
        json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": time,
            "lastUpdateTime": time, "observedGeneration": observed})
    })
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![4 => scalar(), 1 => condition()];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Returns fields that are always a mapping, so that grafts reach the rules more often.
fn fields() -> impl Strategy<Value = Value> {
    let conditions = prop::collection::vec(condition(), 0..5);
    let phase = prop::option::of(prop::sample::select(TEXTS));
    (prop::collection::vec((key(), anything()), 0..4), conditions, phase).prop_map(
        |(fields, conditions, phase)| {
            let mut map: Map<String, Value> = fields.into_iter().collect();
            map.entry("conditions").or_insert_with(|| Value::from(conditions));
            map.extend(phase.map(|phase| ("phase".to_owned(), Value::from(phase))));
            Value::Object(map)
        },
    )
}

/// Returns an object of any known kind with anything in its spec, status and metadata. The life is mostly
/// the one of the receipt, so that the rules are reached.
fn grafted() -> impl Strategy<Value = Object> {
    let part = || prop_oneof![6 => fields(), 1 => anything()];
    let observed = prop_oneof![6 => Just(None), 3 => (0i64..6).prop_map(|n| Some(n.into())), 1 => scalar().prop_map(Some)];
    let generation = prop_oneof![6 => (0i64..6).prop_map(Value::from), 1 => scalar()];
    (prop::sample::select(&KINDS[..]), part(), part(), part(), observed, generation).prop_map(
        |((api_version, kind), spec, mut status, metadata, observed, generation)| {
            let mut whole = metadata.as_object().cloned().unwrap_or_default();
            whole.insert("name".into(), "thing".into());
            whole.insert("uid".into(), "u-1".into());
            whole.insert("generation".into(), generation);
            if let Some(status) = status.as_object_mut() {
                let observed = observed.unwrap_or_else(|| whole["generation"].clone());
                status.insert("observedGeneration".into(), observed);
            }
            let value = json!({"apiVersion": api_version, "kind": kind, "metadata": whole, "spec": spec,
                "status": status});
            Object::new(value).unwrap()
        },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (0i64..4, any::<bool>(), any::<i32>()).prop_map(|(generation, changed, seconds)| Receipt {
        uid: Uid("u-1".into()),
        generation: Generation(generation),
        changed,
        applied_at: Timestamp::from_second(i64::from(seconds)).unwrap(),
    })
}

fn surroundings() -> impl Strategy<Value = Surroundings> {
    any::<bool>().prop_map(|known| {
        let class = |binds_late| StorageClass { binds_late, is_default: binds_late };
        let kind = GroupKind { group: String::new(), kind: String::new() };
        Surroundings {
            storage_classes: known
                .then(|| [("late".to_owned(), class(true)), ("early".to_owned(), class(false))].into()),
            served: [("v1".to_owned(), kind)].into(),
            without_status: known
                .then(|| GroupKind { group: "example.org".into(), kind: "Database".into() })
                .into_iter()
                .collect(),
        }
    })
}

fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (-10i64..400).prop_map(|seconds| {
            let applied_at: Timestamp = APPLIED_AT.parse().unwrap();
            Timestamp::from_second(applied_at.as_second() + seconds).unwrap()
        }),
        1 => Just(Timestamp::MIN),
        1 => Just(Timestamp::MAX),
    ]
}

/// Returns the number at a pointer, read without any help of the code under test.
fn number(object: &Object, pointer: &str) -> i64 {
    object.value().pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_panics(mut value in anything(), receipt in receipt(), surroundings in surroundings(), now in times()) {
        json_patch::merge(&mut value, &json!({"metadata": {"name": "thing"}, "kind": "Pod", "apiVersion": "v1"}));
        let object = Object::new(value).unwrap();
        assess(Some(&object), &receipt, &surroundings, now);
    }

    #[test]
    fn no_graft_panics_and_nothing_below_our_write_is_current(
        object in grafted(), receipt in receipt(), surroundings in surroundings(), now in times(),
    ) {
        let answer = assess(Some(&object), &receipt, &surroundings, now);
        let current = matches!(answer.readiness, Readiness::Current { .. });
        let generation = number(&object, "/metadata/generation");
        if generation < receipt.generation.0 {
            prop_assert!(!current, "current below the floor: {answer:?}");
        }
        let told = object.get("/status/observedGeneration").is_some_and(Value::is_i64);
        if told && number(&object, "/status/observedGeneration") < generation {
            prop_assert!(!current, "current though not observed: {answer:?}");
        }
        let always = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController",
            "PodDisruptionBudget"].contains(&object.kind());
        if always && number(&object, "/status/observedGeneration") < generation {
            prop_assert!(!current, "current though never observed: {answer:?}");
        }
        prop_assert!(answer.again_in.is_none_or(|again| !again.is_zero()), "again at once: {answer:?}");
    }

    #[test]
    fn another_life_is_never_current(object in grafted(), mut receipt in receipt(), now in times()) {
        receipt.uid = Uid("u-2".into());
        let answer = assess(Some(&object), &receipt, &Surroundings::default(), now);
        let failed = matches!(answer.readiness, Readiness::Failed { .. });
        prop_assert!(failed, "{answer:?}");
    }
}

/// The properties above would hold of an `assess` that never says Current: the generator must reach it.
#[test]
fn the_generator_reaches_every_answer() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut current, mut in_progress, mut failed, mut again) = (0, 0, 0, 0);
    for _ in 0..5_000 {
        let (object, mut receipt, surroundings, now) =
            (grafted(), receipt(), surroundings(), times()).new_tree(&mut runner).unwrap().current();
        receipt.applied_at = APPLIED_AT.parse().unwrap();
        let answer = assess(Some(&object), &receipt, &surroundings, now);
        match answer.readiness {
            Readiness::Current { .. } => current += 1,
            Readiness::InProgress { .. } => in_progress += 1,
            Readiness::Failed { .. } => failed += 1,
            Readiness::Terminating { .. } | Readiness::NotFound => {}
        }
        again += usize::from(answer.again_in.is_some());
    }
    assert!(
        current > 100 && in_progress > 100 && failed > 10 && again > 5,
        "{current} {in_progress} {failed} {again}"
    );
}
