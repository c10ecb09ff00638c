//! Aggregated discovery: the two documents that tell what kinds are served.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::kinds::Kind;

/// What every server has, with its documents, the one of the core group first: worth making once.
static BUILT_IN: LazyLock<(Vec<Kind>, [Arc<str>; 2])> = LazyLock::new(|| {
    let kinds = Kind::built_in();
    let documents = [true, false].map(|core| made(&kinds, core).to_string().into());
    (kinds, documents)
});

/// Returns the document of `/api` (the core group) or `/apis` (all others).
pub(crate) fn document(kinds: &[Kind], core: bool) -> Arc<str> {
    let (built_in, documents) = &*BUILT_IN;
    if kinds == built_in {
        Arc::clone(&documents[usize::from(!core)])
    } else {
        made(kinds, core).to_string().into()
    }
}

fn made(kinds: &[Kind], core: bool) -> Value {
    let groups: BTreeSet<&str> =
        kinds.iter().map(|kind| kind.group.as_str()).filter(|group| group.is_empty() == core).collect();
    let items: Vec<Value> = groups.into_iter().map(|group| group_entry(kinds, group)).collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items,
    })
}

fn group_entry(kinds: &[Kind], group: &str) -> Value {
    let of_group: Vec<&Kind> = kinds.iter().filter(|kind| kind.group == group).collect();
    let mut versions: Vec<&str> = Vec::new();
    for kind in &of_group {
        if !versions.contains(&kind.version.as_str()) {
            versions.push(&kind.version);
        }
    }
    let resource = |kind: &Kind| {
        let served = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
        let status =
            json!({"subresource": "status", "responseKind": served, "verbs": ["get", "patch", "update"]});
        json!({
            "resource": kind.plural,
            "responseKind": served,
            "subresources": if kind.status { vec![status] } else { Vec::new() },
            "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": kind.kind.to_lowercase(),
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        })
    };
    let versions: Vec<Value> = versions
        .into_iter()
        .map(|version| {
            let resources: Vec<Value> =
                of_group.iter().filter(|kind| kind.version == version).map(|kind| resource(kind)).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
    json!({"metadata": metadata, "versions": versions})
}
