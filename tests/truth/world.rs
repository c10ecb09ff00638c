//! What all trials share: the watches, the registry, the table. Made when the first of them begins.

use std::sync::OnceLock;
use std::time::Duration;

use crate::registry::Registry;
use crate::sandbox::command::{kubectl_in, sandbox, status};
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::table::Table;
use crate::trial::LABEL;
use crate::witness::Witness;

/// Longest wait until what an earlier run of these tests left is gone.
const REMOVAL: Duration = Duration::from_secs(120);
/// What trials make outside of their namespaces.
const KINDS: &str = "namespaces,persistentvolumes,validatingadmissionpolicies,\
    validatingadmissionpolicybindings,validatingwebhookconfigurations";

/// What all trials share.
pub(crate) struct World {
    /// Who saw what, and when.
    pub(crate) witness: Witness,
    /// Where images come from that no node has.
    pub(crate) registry: Registry,
    /// The measured times.
    pub(crate) table: Table,
    /// How many nodes the cluster has.
    pub(crate) nodes: usize,
}

static WORLD: OnceLock<Seen<World>> = OnceLock::new();

/// Returns the world; the first caller waits until it is made.
pub(crate) fn world() -> Seen<&'static World> {
    WORLD.get_or_init(World::begin).as_ref().map_err(Clone::clone)
}

/// Ends what was begun, and prints the table.
pub(crate) fn end() {
    if let Some(Ok(world)) = WORLD.get() {
        world.witness.end();
        println!("\n{}", world.table);
    }
}

impl World {
    fn begin() -> Seen<Self> {
        let status = status()?;
        ensure!(status["healthy"] == true, "the sandbox's cluster is not whole: {status}");
        let nodes = status["nodes"].as_array().map_or(0, Vec::len);
        let cache = status["cache"].as_str().ok_or("sandbox status has no cache")?;
        clear_away()?;
        let registry = Registry::open(cache.as_ref())?;
        Ok(Self { witness: Witness::begin()?, registry, table: Table::default(), nodes })
    }
}

/// Removes what an earlier run left.
fn clear_away() -> Seen {
    for held in held()? {
        release(&held)?;
    }
    sandbox(&["kubectl", "delete", KINDS, "--selector", LABEL, "--ignore-not-found", "--wait=false"])?;
    wait_for("end of what an earlier run left", REMOVAL, || {
        let left = sandbox(&["kubectl", "get", KINDS, "--selector", LABEL, "--output", "name"])?;
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
}

/// Returns the namespaces that a finalizer of ours holds.
fn held() -> Seen<Vec<String>> {
    let path = "jsonpath={.items[*].metadata.namespace}";
    let selector = format!("{LABEL}=held");
    let found =
        ["kubectl", "get", "configmaps", "--all-namespaces", "--selector", &selector, "--output", path];
    Ok(sandbox(&found)?.split_whitespace().map(str::to_owned).collect())
}

/// Takes the finalizer from what holds a namespace.
pub(crate) fn release(namespace: &str) -> Seen {
    let free = r#"{"metadata":{"finalizers":null}}"#;
    kubectl_in(namespace, &["patch", "configmap", "held", "--type", "merge", "--patch", free]).map(drop)
}
