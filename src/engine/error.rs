//! What keeps a command from doing its work.

use jiff::Timestamp;

use crate::cluster::ApiError;
use crate::event::Finding;
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
    #[error("the plan is locked by {holder}")]
    Locked {
        /// Who.
        holder: String,
        /// Since when, by the holder's clock.
        since: Option<Timestamp>,
    },
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
    /// The program contradicts itself.
    #[error("internal error: {0}")]
    Internal(String),
}

fn errors_found(count: usize) -> String {
    if count == 1 { "an error was found".to_owned() } else { format!("{count} errors were found") }
}

impl EngineError {
    pub(super) fn request(request: String, error: ApiError) -> Self {
        Self::Request { request, error: Box::new(error) }
    }
}
