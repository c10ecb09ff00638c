//! Who a run is: for its first event, and for the lock.

/// What a run is told about itself, for its first event.
#[derive(Clone, Debug)]
pub struct RunIdentity {
    /// Short name of the run.
    pub run: String,
    /// The kubeconfig context.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// The options that lead another command to the same plan and cluster, each with a space before it.
    pub again: String,
    /// Who holds the lock meanwhile.
    pub holder: Holder,
}

/// Who holds a plan's lock.
#[derive(Clone, Debug)]
pub struct Holder {
    /// For people: user, host, process, run.
    pub identity: String,
    /// For programs: what tells this process from every other one, anywhere.
    pub process: String,
    /// Returns what is known of the life of a process told so.
    pub life_of: fn(&str) -> Life,
}

/// What is known of the life of another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// It runs where this one runs.
    Alive,
    /// It ran where this one runs, and is gone.
    Dead,
    /// It runs, or ran, somewhere else, or it is stopped.
    #[default]
    Unknown,
}
