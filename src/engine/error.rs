//! What keeps a command from doing its work.

use super::LockState;
use super::adopt::Stranger;
use crate::cluster::ApiError;
use crate::event::Finding;
use crate::history::Unreadable;
use crate::inventory::NotOurs;
use crate::object::ObjectRef;

/// Why a command could not do its work at all. A stage that fails is a
/// [`Verdict`](crate::event::Verdict), not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A request outside of any stage failed for good.
    #[error("could not {request}")]
    Request {
        /// What was asked, such as `list deployments`.
        request: String,
        /// Why it failed.
        #[source]
        error: Box<ApiError>,
    },
    /// The inventory is not ours.
    #[error("the plan's inventory belongs to somebody else")]
    Inventory(#[from] NotOurs),
    /// Objects of the plan are there already, and are somebody else's.
    #[error("{} of the plan {} there already and not the plan's; nothing was written", objects(.0.len()), are(.0.len()))]
    Strangers(Vec<Stranger>),
    /// A secret value could not be had.
    #[error("secret `{secret}` has no value for `{key}`")]
    NoSecret {
        /// The Secret.
        secret: String,
        /// Its key.
        key: String,
        /// Why.
        cause: String,
    },
    /// Somebody else writes the plan's generated Secrets, again and again; nothing was replaced.
    #[error("somebody else writes the plan's secrets at the same time, again and again")]
    SecretsInMotion,
    /// More of what is there would go than the deploy may delete.
    #[error("the deploy would delete {}, and {limit} may go", crate::report::count(objects.len(), "object"))]
    TooManyDeletions {
        /// What would go.
        objects: Vec<ObjectRef>,
        /// How many may go.
        limit: usize,
    },
    /// Whoever was asked did not say yes.
    #[error("not confirmed; nothing was written")]
    NotConfirmed,
    /// Another run holds the plan's lock.
    #[error("the plan is locked by {}", .0.holder)]
    Locked(Box<LockState>),
    /// The lock was lost on the way; nothing was written after that.
    #[error("the run stopped: {why}")]
    LockLost {
        /// How.
        why: String,
    },
    /// The plan cannot work on this cluster; nothing was written.
    #[error("{} before anything was written", errors_found(errors.len()))]
    Preflight {
        /// What is wrong.
        errors: Vec<Finding>,
    },
    /// The plan has no such revision, or none that could be brought back.
    #[error("{}", no_revision(*wanted))]
    NoRevision {
        /// The number asked for.
        wanted: Option<u32>,
        /// Those there are.
        known: Vec<u32>,
    },
    /// The plan of a revision cannot be had.
    #[error("revision {number} cannot be brought back")]
    UnreadableRevision {
        /// Its number.
        number: u32,
        /// Why.
        #[source]
        cause: Unreadable,
    },
    /// The program contradicts itself.
    #[error("internal error: {0}")]
    Internal(String),
    /// The program's own code failed in the middle of a run; its lock was given back.
    #[error("internal error in run {run}: {cause}")]
    Panicked {
        /// The short name of the run.
        run: String,
        /// What it said.
        cause: String,
    },
}

fn no_revision(wanted: Option<u32>) -> String {
    match wanted {
        Some(number) => format!("the plan has no revision {number}"),
        None => "the plan has no revision to roll back to".to_owned(),
    }
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn errors_found(count: usize) -> String {
    if count == 1 { "an error was found".to_owned() } else { format!("{count} errors were found") }
}

impl EngineError {
    pub(super) fn request(request: String, error: ApiError) -> Self {
        Self::Request { request, error: Box::new(error) }
    }

    pub(super) fn locked(lock: LockState) -> Self {
        Self::Locked(Box::new(lock))
    }

    /// Returns the error of what an interrupt has ended.
    pub(super) fn interruption() -> Self {
        Self::request("go on".to_owned(), ApiError::Interrupted)
    }

    /// Returns the error with its causes on one line.
    pub(super) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }

    /// Returns true when an interrupt, and nothing else, ended the work.
    pub(super) fn is_interruption(&self) -> bool {
        matches!(self, Self::Request { error, .. } if **error == ApiError::Interrupted)
    }
}
