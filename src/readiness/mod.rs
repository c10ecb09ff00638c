//! L1: is an object ready? Pure rules over what the server last said, what our write was answered and
//! what is known of the cluster. Nothing here waits, asks or remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::{Generation, GroupKind, Object, Uid};

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

/// What the server answered to our write: the floor below which nothing it says counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The life of the object we wrote.
    pub uid: Uid,
    /// The generation our write left behind.
    pub generation: Generation,
    /// True when our write changed the object; false for one proven or found unchanged.
    pub changed: bool,
    /// When the answer came, in wall time.
    pub applied_at: Timestamp,
}

/// What the rules need to know of the cluster beside the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// StorageClasses by name; `None` when we may not read them.
    pub storage_classes: Option<BTreeMap<String, StorageClass>>,
    /// Kinds with their version that discovery serves: `(version, kind)`.
    pub served: BTreeSet<(String, GroupKind)>,
}

/// What matters of a StorageClass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageClass {
    /// `volumeBindingMode: WaitForFirstConsumer`: a claim stays Pending until a pod mounts it.
    pub binds_late: bool,
    /// Marked as the default of the cluster.
    pub is_default: bool,
}

/// The answer of [`assess`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// What the object is now.
    pub readiness: Readiness,
    /// When the same facts could give another answer, by time alone; `None` when only news can.
    pub again_in: Option<Duration>,
}

/// Returns what `object` is, as seen by the one who wrote it and was answered `receipt`.
pub fn assess(
    object: Option<&Object>,
    receipt: &Receipt,
    surroundings: &Surroundings,
    now: Timestamp,
) -> Assessment {
    let _ = (object, receipt, surroundings, now);
    Assessment { readiness: Readiness::NotFound, again_in: None }
}
