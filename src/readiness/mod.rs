//! L1: is an object ready? Pure rules over what the server last said, what our write was answered and
//! what is known of the cluster. Nothing here waits, asks or remembers.
//!
//! First come the rules for every kind (`generic`): the object is the one we wrote, the server knows our
//! generation, the controller has seen it. Then the rule of its kind. The words are kstatus'; where its
//! rules are too weak (a Job that runs, a Deployment read before its controller saw it) ours are stricter.

mod custom;
mod extensions;
mod facts;
mod generic;
mod jobs;
mod network;
mod planned;
mod pods;
mod policy;
mod required;
mod storage;
mod words;
mod workloads;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod stale_ready;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::object::rule::Rule;
use crate::object::{Generation, GroupKind, Object, Uid, is_built_in_group};
use facts::Subject;

/// What an object is, in the words of kstatus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Readiness {
    /// The cluster is on its way to what we asked for.
    InProgress {
        /// What is still missing, as a person would say it.
        reason: String,
    },
    /// The cluster is what we asked for.
    Current {
        /// What a reader should know all the same, such as "updates on delete: 1 of 3 pods are old".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// It cannot become what we asked for without somebody's help.
    Failed {
        /// The cause, as a person would say it.
        reason: String,
    },
    /// It is being deleted.
    Terminating {
        /// Who still has to let go of it.
        finalizers: Vec<String>,
    },
    /// It is not there.
    NotFound,
}

/// What is known of an object's being there.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// It is there.
    Present(&'a Object),
    /// It was there after our write and is gone; this is its last state.
    Gone(&'a Object),
    /// It has never been seen.
    Absent,
}

/// What the server answered to our write: the floor below which nothing it says counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The life of the object we wrote.
    pub uid: Uid,
    /// The generation our write left behind.
    pub generation: Generation,
    /// True when our write changed the object; false for one proven or found unchanged.
    pub changed: bool,
    /// When the answer came, by the server's clock: rules compare it with stamps of the server.
    pub applied_at: Timestamp,
    /// How far the server's clock was ahead of ours then. A later step of it, or of anybody's, moves no grace:
    /// what has passed since is measured by ours.
    pub ahead: SignedDuration,
}

/// One moment by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the run's clock.
    pub ours: Timestamp,
    /// By the server's, as far as it is known.
    pub server: Timestamp,
}

impl Receipt {
    /// Returns the receipt in the server's `answer` to a write, or in its present state when there was
    /// nothing to write; `None` when it carries no uid.
    pub fn of(answer: &Object, changed: bool, now: Moment) -> Option<Self> {
        let (applied_at, ahead) = (now.server, now.server.duration_since(now.ours));
        Some(Self { uid: answer.uid()?, generation: answer.generation(), changed, applied_at, ahead })
    }
}

/// What the rules need to know of the cluster beside the object itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// StorageClasses by name; `None` when we may not read them.
    pub storage_classes: Option<BTreeMap<String, StorageClass>>,
    /// Kinds with their version that discovery serves: `(version, kind)`.
    pub served: BTreeSet<(String, GroupKind)>,
    /// Custom kinds without a `status` subresource in discovery: nobody will ever report on them, so there
    /// is nothing to wait for. A kind that is not listed is given a moment to report.
    pub without_status: BTreeSet<GroupKind>,
    /// The plan's own rules; they go before those of this module.
    pub rules: BTreeMap<GroupKind, Rule>,
}

/// What matters of a StorageClass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageClass {
    /// `volumeBindingMode: WaitForFirstConsumer`: a claim stays Pending until a pod mounts it.
    pub binds_late: bool,
    /// Marked as the default of the cluster.
    pub is_default: bool,
}

impl StorageClass {
    /// Returns what matters of a StorageClass object. The beta annotation still makes a default one
    /// (`storage/v1/util`).
    pub fn of(object: &Object) -> Self {
        let default = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ];
        Self {
            binds_late: object.text("/volumeBindingMode") == "WaitForFirstConsumer",
            is_default: default.iter().any(|key| object.annotation(key) == Some("true")),
        }
    }
}

/// The answer of [`assess`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// What the object is now.
    pub readiness: Readiness,
    /// When the same facts could give another answer, by time alone; `None` when only news can.
    ///
    /// Discovery has no watch: a CustomResourceDefinition that is established but not served yet asks to
    /// be assessed again soon, with fresh [`Surroundings::served`].
    pub again_in: Option<Duration>,
}

impl Assessment {
    fn of(readiness: Readiness) -> Self {
        Self { readiness, again_in: None }
    }

    fn current() -> Self {
        Self::of(Readiness::Current { note: None })
    }

    fn noted(note: impl Into<String>) -> Self {
        Self::of(Readiness::Current { note: Some(note.into()) })
    }

    fn current_with(note: Option<String>) -> Self {
        Self::of(Readiness::Current { note })
    }

    fn in_progress(reason: impl Into<String>) -> Self {
        Self::of(Readiness::InProgress { reason: reason.into() })
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self::of(Readiness::Failed { reason: reason.into() })
    }

    fn again_in(self, again_in: Duration) -> Self {
        Self { again_in: Some(again_in), ..self }
    }
}

/// Returns what an object is, as seen by the one who wrote it and was answered `receipt`; `now` is by our clock.
pub fn assess(
    sight: Sight<'_>,
    receipt: &Receipt,
    surroundings: &Surroundings,
    now: Timestamp,
) -> Assessment {
    let now = now.saturating_add(receipt.ahead).unwrap_or(now);
    let subject = |object| Subject { object, receipt, surroundings, now };
    let (subject, known) = match sight {
        Sight::Absent => return Assessment::of(Readiness::NotFound),
        Sight::Present(object) => (subject(object), generic::before_any_rule(&subject(object))),
        Sight::Gone(last) => (subject(last), generic::gone(&subject(last))),
    };
    known.unwrap_or_else(|| rule_of_kind(&subject))
}

/// Returns the answer of the rule for the object's kind.
fn rule_of_kind(subject: &Subject<'_>) -> Assessment {
    if let Some(rule) = subject.surroundings.rules.get(&subject.object.reference().group_kind()) {
        return planned::by_rule(subject, rule);
    }
    match (subject.object.group(), subject.object.kind()) {
        ("apps", "Deployment") => workloads::deployment(subject),
        ("apps", "StatefulSet") => workloads::stateful_set(subject),
        ("apps", "DaemonSet") => workloads::daemon_set(subject),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set(subject),
        ("batch", "Job") => jobs::job(subject),
        ("batch", "CronJob") => jobs::cron_job(subject),
        ("", "Pod") => pods::pod(subject),
        ("", "PersistentVolumeClaim") => storage::claim(subject),
        ("", "PersistentVolume") => storage::volume(subject),
        ("", "Service") => network::service(subject),
        ("", "Namespace") => extensions::namespace(subject),
        ("", "ResourceQuota") => policy::resource_quota(subject),
        ("policy", "PodDisruptionBudget") => policy::disruption_budget(subject),
        ("autoscaling", "HorizontalPodAutoscaler") => policy::autoscaler(subject),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => extensions::definition(subject),
        ("apiregistration.k8s.io", "APIService") => extensions::api_service(subject),
        ("storagemigration.k8s.io", "StorageVersionMigration") => extensions::version_migration(subject),
        // Ingress, ConfigMap, Secret, RBAC, classes and the like: to be there is all they do. An Ingress
        // gets an address only where a controller writes one, so nobody should wait for it.
        (group, _) if is_built_in_group(group) => Assessment::current(),
        _ => custom::custom_resource(subject),
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{Case, object};
    use super::*;
    use serde_json::json;

    #[test]
    fn an_absent_object_is_not_found() {
        let case = Case::new(object("v1", "ConfigMap", json!({})));
        let answer = assess(Sight::Absent, &case.receipt, &case.surroundings, case.now);
        assert_eq!(answer, Assessment::of(Readiness::NotFound));
    }

    #[test]
    fn kinds_that_only_have_to_be_there_are_current() {
        for (api_version, kind) in [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("v1", "ServiceAccount"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("networking.k8s.io/v1", "Ingress"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("storage.k8s.io/v1", "StorageClass"),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ] {
            Case::new(object(api_version, kind, json!({}))).is("current");
        }
    }

    #[test]
    fn a_foreign_kind_with_a_known_name_is_judged_as_a_custom_resource() {
        // Not `apps`: its status speaks another language.
        let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        Case::new(object("example.org/v1", "Deployment", status)).is("current");
    }
}
