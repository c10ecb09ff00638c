//! L2: what happens in a run. One stream of events feeds the terminal, the plain lines, the JSON output
//! and the record on disk; nothing else is told to anybody.

mod finding;
mod forecast;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use finding::{Check, Finding, Level};
pub use forecast::{Certainty, Forecast, ObjectForecast, Prospect};

use crate::diagnosis::Class;
use crate::object::{Change, ObjectRef};
use crate::plan::StageId;
use crate::readiness::Readiness;

/// The version of the events' shape; it grows when a reader of an older one would be misled.
pub const SCHEMA: u32 = 1;

/// One thing that happened, stamped by the `Emitter` of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 0 without a gap.
    pub seq: u64,
    /// Wall time.
    pub at: Timestamp,
    /// Milliseconds since the start of the run.
    pub elapsed_ms: u64,
    /// What happened.
    pub event: EventKind,
}

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventKind {
    /// The first event of every run.
    RunStarted(RunStarted),
    /// The check of the plan against the cluster found something, before anything was written. An error is
    /// followed by the end of the run.
    PreflightFound(Finding),
    /// What the deploy is about to do; nothing is written yet.
    Foreseen(Forecast),
    /// Another run holds the plan's lock, and it is waited for.
    LockAwaited(LockAwaited),
    /// A run before this one did not come to its end; this one goes on from what the cluster holds.
    InterruptionFound(InterruptionFound),
    /// The last need of a stage has settled; its objects are being written.
    StageStarted {
        /// The stage.
        stage: StageId,
    },
    /// The server accepted an object, or it was proven that there is nothing to write.
    ObjectApplied {
        /// The stage it belongs to; `None` for what the plan itself needs (namespace, secrets).
        stage: Option<StageId>,
        /// The object.
        object: ObjectRef,
        /// What the write did.
        change: Change,
    },
    /// What an object is changed.
    ObjectObserved {
        /// The stage it belongs to.
        stage: StageId,
        /// The object.
        object: ObjectRef,
        /// What it is now.
        readiness: Readiness,
    },
    /// A check of a stage was answered.
    CheckAnswered {
        /// The stage.
        stage: StageId,
        /// The check, such as `GET nginx:80/`.
        check: String,
        /// True when the answer was the one wanted.
        passed: bool,
        /// What came, such as `404 Not Found`.
        answer: String,
    },
    /// A request failed and is tried again.
    AttemptFailed {
        /// The stage; `None` outside of any.
        stage: Option<StageId>,
        /// What was asked, such as `apply Deployment/django`.
        request: String,
        /// Which try it was, from 1.
        attempt: u32,
        /// The cause.
        error: String,
        /// The pause before the next try.
        retry_in_ms: u64,
    },
    /// The server asked for an object's deletion, or found it gone.
    ObjectDeleted {
        /// The stage; `None` for what the plan itself needs.
        stage: Option<StageId>,
        /// The object.
        object: ObjectRef,
        /// False while finalizers or dependents hold it; true once it is gone.
        gone: bool,
    },
    /// An object stays on purpose.
    ObjectKept {
        /// The object.
        object: ObjectRef,
        /// Why, and how to remove it all the same.
        reason: String,
    },
    /// The server, or the plan, warns of something that does not stop the run.
    Warned {
        /// The warning.
        message: String,
    },
    /// The cause of a stage's failure was found.
    CauseFound(CauseFound),
    /// A container of a Job wrote a line.
    LogLine(LogLine),
    /// What a container wrote is not told to its end.
    LogCut {
        /// Whose log.
        source: LogSource,
        /// Why, and how to see the rest.
        reason: String,
    },
    /// A stage is at its end.
    StageFinished {
        /// The stage.
        stage: StageId,
        /// How it ended.
        verdict: Verdict,
        /// Milliseconds from its start; 0 when it never started.
        took_ms: u64,
    },
    /// The deploy is in the plan's history from here on.
    RevisionKept {
        /// Its number.
        number: u32,
        /// The revision it brought back, if it was a rollback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollback_to: Option<u32>,
    },
    /// Nothing new starts from here on.
    CancelBegan {
        /// Why.
        reason: CancelReason,
    },
    /// The last event of every run.
    RunFinished(RunFinished),
    /// An event of a newer version.
    #[serde(other)]
    Unknown,
}

/// Whose lock is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockAwaited {
    /// User, host, process and run.
    pub holder: String,
    /// The short name of the run; may be empty.
    pub run: String,
    /// Its command, such as `deploy`; may be empty.
    pub command: String,
    /// How long it has held the lock, as far as both clocks agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_ms: Option<u64>,
    /// How long it is waited for, at most.
    pub at_most_ms: u64,
}

/// The run before this one, which was interrupted, as its lock tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptionFound {
    /// The short name of the run.
    pub run: String,
    /// Its command, such as `deploy`.
    pub command: String,
    /// The stages that were under way when it was last heard of.
    pub stages: Vec<StageId>,
    /// How long ago that was, as far as both clocks agree.
    pub ago_ms: u64,
}

/// Why an object of a stage is not ready: from the object down to the line to fix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseFound {
    /// The stage.
    pub stage: StageId,
    /// From the object of the plan to the culprit, such as `Deployment/web`, `Pod/web-5f-x2`,
    /// `container web`.
    pub chain: Vec<String>,
    /// Kubernetes' word for it, such as `ImagePullBackOff`.
    pub reason: String,
    /// What it says about it.
    pub message: String,
    /// Whether it can go away by itself; `None` in the record of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Where the object of the plan is written, such as `manifests/django/deployment.yaml:12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The last lines of the culprit's log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Commands that tell more, or mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// A line that a container of a Job wrote, without control characters and with the plan's generated secrets
/// masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Who wrote it.
    pub source: LogSource,
    /// The line, without its end; cut after 4,096 bytes.
    pub line: String,
}

/// A container whose log is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogSource {
    /// The stage.
    pub stage: StageId,
    /// The object of the plan, such as a Job.
    pub object: ObjectRef,
    /// The name of the pod.
    pub pod: String,
    /// The container in it.
    pub container: String,
}

/// How a run begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Short name of the run, such as `7f3a90`.
    pub run: String,
    /// `deploy`, `rollback` or `teardown`.
    pub command: String,
    /// The plan's name.
    pub plan: String,
    /// The kubeconfig context; `in-cluster` inside a pod.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// The namespace.
    pub namespace: String,
    /// The seed of all randomness of the run.
    pub seed: u64,
    /// The options that lead another command to the same plan and cluster, each with a space before it,
    /// such as ` --context k3s`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub again: String,
    /// The stages in the order of the plan.
    pub stages: Vec<StageOutline>,
}

/// A stage as announced at the start of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageOutline {
    /// The stage.
    pub stage: StageId,
    /// What it waits for.
    pub needs: Vec<StageId>,
    /// What it holds.
    pub objects: Vec<ObjectRef>,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// How it ended.
    pub verdict: Verdict,
    /// Objects by what a write did to them.
    pub changes: ChangeCounts,
    /// What the plan wants to be told at the end of a deploy that succeeded: where, and how to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// Objects by what a write did to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Objects that were not there.
    pub created: usize,
    /// Objects that are different now.
    pub configured: usize,
    /// Objects that were deleted and made anew.
    pub recreated: usize,
    /// Objects proven or found the same.
    pub unchanged: usize,
    /// Objects that are gone.
    pub deleted: usize,
    /// Objects left alone on purpose.
    pub kept: usize,
}

impl ChangeCounts {
    /// Counts one more.
    pub fn count(&mut self, change: Change) {
        match change {
            Change::Created => self.created += 1,
            Change::Configured => self.configured += 1,
            Change::Recreated => self.recreated += 1,
            Change::Unchanged => self.unchanged += 1,
            Change::Deleted => self.deleted += 1,
            Change::Skipped => self.kept += 1,
        }
    }

    /// Returns true when nothing in the cluster was changed.
    pub fn nothing_done(&self) -> bool {
        self.created + self.configured + self.recreated + self.deleted == 0
    }
}

/// The end of a stage or of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything is current, seen in one evaluation.
    Succeeded,
    /// Something cannot become current.
    Failed {
        /// The cause.
        reason: String,
    },
    /// The deadline passed first.
    TimedOut {
        /// What was still missing, with its reason.
        waiting_for: Vec<String>,
    },
    /// A stage that it needs did not succeed.
    Skipped {
        /// The first such stage.
        because: StageId,
    },
    /// The run was cancelled before the end.
    Cancelled,
}

impl Verdict {
    /// Returns true for [`Verdict::Succeeded`].
    pub fn is_success(&self) -> bool {
        *self == Self::Succeeded
    }
}

/// Why nothing new starts any more. Ordered: a later one outranks an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelReason {
    /// The time given to the whole run is over.
    Deadline,
    /// The journal of the run cannot be written any more.
    JournalFailed,
    /// The first Ctrl-C.
    Interrupt,
    /// SIGTERM: as the first Ctrl-C, with another exit code.
    Terminate,
    /// The second Ctrl-C: at once.
    SecondInterrupt,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "out of time",
            Self::JournalFailed => "stopped for want of its journal",
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
            Self::SecondInterrupt => "interrupted twice",
        })
    }
}
