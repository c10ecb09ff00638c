//! What a deploy may do beyond what is always right: each is a flag that somebody typed.

/// What a deploy may do beyond the plain.
#[derive(Clone, Debug, Default)]
pub struct DeployOptions {
    /// Volumes, generated Secrets and namespaces that left the plan may go.
    pub delete_data: bool,
}
