//! L1: the plan: stages, what each needs, and what it holds. A [`Plan`] is always valid: its fields are
//! private and its graph has been checked.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::object::Object;

/// The name of a stage: `nginx`, or `databases/postgres` for a member of a group.
///
/// Each part is a DNS label, as Kubernetes names are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageId(String);

impl StageId {
    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the group: the part before the slash, or the whole name of a stage outside any group.
    pub fn group(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(group, _)| group)
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a stage in one [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageIdx(pub usize);

/// A node of the graph: what is written together, and settles together.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub id: StageId,
    /// The stages that must have settled before anything of this one is written; groups are resolved
    /// to their members.
    pub needs: Vec<StageId>,
    /// What it writes.
    pub objects: Vec<Object>,
    /// How long it may take from its start to its settling.
    pub deadline: Duration,
    /// What must answer once every object is current.
    pub checks: Vec<Check>,
}

/// A question to the application itself, asked through the API server's service proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// A GET that must be answered as told.
    Http(HttpCheck),
}

/// A GET through `/api/v1/namespaces/N/services/SERVICE:PORT/proxy/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCheck {
    /// The Service asked.
    pub service: String,
    /// Its port, by number.
    pub port: u16,
    /// The path, with its leading slash.
    pub path: String,
    /// The `Host` header sent on, for servers that look at it.
    #[serde(default)]
    pub host: Option<String>,
    /// The status code that counts as well.
    pub status: u16,
    /// Text the body must hold.
    #[serde(default)]
    pub contains: Option<String>,
}

/// A Secret whose values are made once, in the cluster, and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSpec {
    /// The Secret's name.
    pub name: String,
    /// Its keys in the order of the file.
    pub keys: Vec<SecretKey>,
}

/// One key of a [`SecretSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// The key.
    pub key: String,
    /// Where the value comes from: the first source that has one wins.
    pub sources: Vec<SecretSource>,
}

/// Where a secret value can come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the one who deploys.
    Env(String),
    /// The standard output of a program, without its last line end.
    Command(Vec<String>),
    /// So many random letters and digits.
    Generate(u16),
}
