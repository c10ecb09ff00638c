//! The ends of objects: who waits for whom, and who goes with whom.

use serde_json::Value;

use super::Step;
use crate::api_server::{DeleteOptions, Key};

/// Brings an object that is being deleted one step nearer to its end.
pub(super) fn end(step: &mut Step<'_>) {
    let finalizers: Vec<String> = ["/metadata/finalizers", "/spec/finalizers"]
        .iter()
        .filter_map(|pointer| step.object.pointer(pointer)?.as_array())
        .flatten()
        .filter_map(|finalizer| finalizer.as_str().map(str::to_owned))
        .collect();
    for finalizer in finalizers {
        let may_go = match finalizer.as_str() {
            "foregroundDeletion" => dependents_gone(step),
            "kubernetes.io/pvc-protection" => !is_mounted(step),
            "kubernetes" => namespace_empty(step),
            "customresourcecleanup.apiextensions.k8s.io" => instances_gone(step),
            "orphan" => true,
            _ => false,
        };
        if may_go {
            step.store.drop_finalizer(Step::AGENT, step.key, &finalizer);
            return;
        }
    }
}

/// Deletes an object whose owner is gone, and returns true when it did.
pub(super) fn collect(step: &mut Step<'_>) -> bool {
    let owners = step.object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    if owners.is_empty() {
        return false;
    }
    let lives = |owner: &Value| {
        step.store.objects.values().any(|stored| stored.object["metadata"]["uid"] == owner["uid"])
    };
    let gone = !owners.iter().any(lives);
    if gone {
        delete(step, &step.key.clone());
    }
    gone
}

/// Deletes what the object owns and returns true when nothing of it is left.
fn dependents_gone(step: &mut Step<'_>) -> bool {
    let uid = step.object["metadata"]["uid"].clone();
    let owned = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
    };
    let dependents: Vec<Key> = step
        .store
        .objects
        .iter()
        .filter(|(_, stored)| owned(&stored.object))
        .map(|(key, _)| key.clone())
        .collect();
    for key in &dependents {
        delete(step, key);
    }
    !step.store.objects.values().any(|stored| owned(&stored.object))
}

/// Deletes the objects of a definition's kind and returns true when none is left.
fn instances_gone(step: &mut Step<'_>) -> bool {
    let group = step.object["spec"]["group"].as_str().unwrap_or_default().to_owned();
    let instances: Vec<Key> = step.store.objects.keys().filter(|key| key.group == group).cloned().collect();
    for key in &instances {
        delete(step, key);
    }
    !step.store.objects.keys().any(|key| key.group == group)
}

/// Deletes what is in the namespace and returns true when nothing is left.
fn namespace_empty(step: &mut Step<'_>) -> bool {
    let name = step.key.name.clone();
    let inside: Vec<Key> = step.store.objects.keys().filter(|key| key.namespace == name).cloned().collect();
    for key in &inside {
        delete(step, key);
    }
    !step.store.objects.keys().any(|key| key.namespace == name)
}

/// Returns true while a workload mounts the claim.
fn is_mounted(step: &Step<'_>) -> bool {
    let (namespace, claim) = (&step.key.namespace, &step.key.name);
    step.store.objects.iter().filter(|(key, _)| key.namespace == *namespace).any(|(key, stored)| {
        let spec = &stored.object["spec"];
        let volumes = spec["template"]["spec"]["volumes"].as_array();
        let by_name = volumes
            .into_iter()
            .flatten()
            .any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim.as_str());
        let templates = spec["volumeClaimTemplates"].as_array();
        let by_template = templates.into_iter().flatten().any(|template| {
            let prefix =
                format!("{}-{}-", template["metadata"]["name"].as_str().unwrap_or_default(), key.name);
            claim.starts_with(&prefix)
        });
        by_name || by_template
    })
}

fn delete(step: &mut Step<'_>, key: &Key) {
    let kind = step.store.kind_of(key);
    let options = DeleteOptions { propagation: Some("Background".into()), ..DeleteOptions::default() };
    // It may be gone already, which is all that was wanted.
    let _gone = step.store.delete(Step::AGENT, &kind, key, &options);
}
