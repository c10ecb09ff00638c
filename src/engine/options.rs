//! What a run may be told beside its plan: each is a flag that somebody typed.

use std::time::Duration;

/// How a deploy is to go about its work.
#[derive(Clone, Debug, Default)]
pub struct DeployOptions {
    /// Volumes, generated Secrets and namespaces that left the plan may go.
    pub delete_data: bool,
    /// How long a lock that somebody else holds is waited for; zero gives up at once.
    pub wait_lock: Duration,
}

/// How a teardown is to go about its work.
#[derive(Clone, Debug, Default)]
pub struct TeardownOptions {
    /// Volumes, generated Secrets and the namespace go, too.
    pub delete_data: bool,
    /// How long a lock that somebody else holds is waited for; zero gives up at once.
    pub wait_lock: Duration,
}
