//! What a deploy may do beyond what is always right: each is a flag that somebody typed.

use super::Confirm;

/// What a deploy may do beyond the plain.
#[derive(Clone, Debug, Default)]
pub struct DeployOptions {
    /// Volumes, generated Secrets and namespaces that left the plan may go.
    pub delete_data: bool,
    /// How many objects that left the plan may go; `None` for [`MAX_DELETIONS`](super::MAX_DELETIONS).
    pub max_deletions: Option<usize>,
    /// Who is asked before something goes; `None` where nobody can be, or need be.
    pub confirm: Option<Confirm>,
    /// The plan is written without being checked against the cluster first.
    pub skip_preflight: bool,
}
