//! Promises "data", "others", "exclusion" and the first half of "crash": what is written is in the inventory before,
//! what is deleted is one life of one object, and nothing foreign is touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use wesago::engine::EngineError;
use wesago::inventory::{Inventory, PART_OF};
use wesago::object::Object;

use super::history::is_revision;
use super::{Evidence, is_peaceful, key_of, names};
use crate::api_server::{Commit, Key};
use crate::deployer::{Command, Death, Ending, Run, holder_name};
use crate::network::{AGENT, agent_of};
use crate::plans::{NAMESPACE, PLAN};

/// Returns what was touched that must not be.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for run in evidence.runs {
        let mut say = |what: String| broken.push(format!("ownership: run {}: {what}", run.id));
        for (_, request) in evidence.writes(run.id) {
            if request.query.contains("force=true") {
                say(format!("{} takes fields by force", request.path));
            }
            if request.method == http::Method::DELETE && !request.path.contains("/leases/") {
                let body = &request.body;
                if !body["preconditions"]["uid"].is_string() || !body["propagationPolicy"].is_string() {
                    say(format!("DELETE {} without a uid or a policy: {body}", request.path));
                }
                let stays = run.command == Command::Deploy
                    && run.plan.objects().any(|(_, o)| o.kind() == "StatefulSet" && names(request, o));
                if stays && body["propagationPolicy"] != "Orphan" {
                    say(format!("{} is made anew, and its pods go with it", request.path));
                }
            }
        }
        locked_out(evidence, run, &mut say);
        for commit in evidence.commits(run.id) {
            foreign(commit, &mut say);
            announced(evidence, commit, &mut say);
            data(run, commit, &mut say);
        }
    }
    broken
}

/// Returns the name of the plan's lock.
pub(super) fn lock_key() -> Key {
    Key {
        group: "coordination.k8s.io".into(),
        kind: "Lease".into(),
        namespace: NAMESPACE.into(),
        name: Inventory::parent_name(PLAN),
    }
}

/// No write is sent while the lock is somebody else's.
fn locked_out(evidence: &Evidence, run: &Run, say: &mut impl FnMut(String)) {
    let key = lock_key();
    if let Ending::Ended(Err(EngineError::LockLost { why })) = &run.ending
        && why.contains("taken over")
        && evidence
            .object_at(&key, evidence.version_at_end(run.id))
            .is_some_and(|lease| lease["spec"]["holderIdentity"] == holder_name(run.id))
    {
        say("it gave up a lock that was its own".to_owned());
    }
    let left = evidence.object_at(&key, evidence.version_at_end(run.id));
    let gives_back = is_peaceful(run) || matches!(run.fate.death, Some(Death::OfMistake));
    if gives_back && left.is_some_and(|lease| lease["spec"]["holderIdentity"] == holder_name(run.id)) {
        say("it did not give the lock back".to_owned());
    }
    for (at, request) in evidence.writes(run.id).filter(|(_, request)| !request.path.contains("/leases")) {
        // The lock lies in the namespace, which whoever comes first makes.
        if request.path == "/api/v1/namespaces" {
            continue;
        }
        let Some(last) = evidence.changes(&key, 0, evidence.entries[at].version).last() else { continue };
        let Some(lease) = &last.after else {
            // Another run had it meanwhile, and has given it back.
            if last.agent.starts_with(AGENT) && last.agent != agent_of(run.id) {
                say(format!(
                    "{} {} was sent after {} had the lock",
                    request.method, request.path, last.agent
                ));
            }
            continue;
        };
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        if holder != holder_name(run.id) {
            say(format!("{} {} was sent while {holder} held the lock", request.method, request.path));
        }
    }
}

fn set_id() -> String {
    Inventory::new(PLAN, NAMESPACE).id()
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"][PART_OF] == set_id()
}

fn is_parent(key: &Key) -> bool {
    key.kind == "ConfigMap" && key.name == Inventory::parent_name(PLAN)
}

/// Nothing of somebody else is changed, and no field is taken from anybody.
fn foreign(commit: &Commit, say: &mut impl FnMut(String)) {
    let Some(before) = &commit.before else { return };
    let key = &commit.key;
    let made_by_us =
        matches!(key.kind.as_str(), "Namespace" | "PersistentVolumeClaim" | "Lease") || is_parent(key);
    if !made_by_us && !is_ours(before) && !is_revision(before) {
        say(format!("{key} is not ours and was changed"));
    }
    let Some(after) = &commit.after else { return };
    let entries =
        |object: &Arc<Value>| object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let now = entries(after);
    for entry in entries(before) {
        let ours = entry["manager"].as_str().is_some_and(|manager| manager.starts_with("wesago"));
        let kept = now.iter().any(|other| {
            other["manager"] == entry["manager"]
                && other["operation"] == entry["operation"]
                && other["fieldsV1"] == entry["fieldsV1"]
        });
        if !ours && !kept {
            say(format!("{key}: fields of {} were taken", entry["manager"]));
        }
    }
}

/// An object is in the inventory before it comes to be.
fn announced(evidence: &Evidence, commit: &Commit, say: &mut impl FnMut(String)) {
    let Some(after) = commit.after.as_ref().filter(|_| commit.before.is_none()) else { return };
    if is_ours(after) && !members(evidence, commit.version).contains(&commit.key) {
        say(format!("{} was written before it was in the inventory", commit.key));
    }
}

/// Volumes, generated secrets and the namespace go only when that was asked for.
fn data(run: &Run, commit: &Commit, say: &mut impl FnMut(String)) {
    let begins_to_end = |after: &Arc<Value>| !after["metadata"]["deletionTimestamp"].is_null();
    if !commit.after.as_ref().is_none_or(begins_to_end) {
        return;
    }
    let Some(before) = &commit.before else { return };
    let generated = !before["metadata"]["annotations"]["wesago/generated"].is_null();
    let is_data = generated || matches!(commit.key.kind.as_str(), "PersistentVolumeClaim" | "Namespace");
    if is_data && run.command != (Command::Teardown { delete_data: true }) {
        say(format!("{} was deleted, and nobody asked for that", commit.key));
    }
}

/// Returns the members the inventory has at a version.
pub(super) fn members(evidence: &Evidence, version: u64) -> BTreeSet<Key> {
    let parent = key_of(&Inventory::new(PLAN, NAMESPACE).parent());
    let Some(found) = evidence.object_at(&parent, version) else { return BTreeSet::new() };
    let object = Object::new((**found).clone()).unwrap();
    let inventory = Inventory::parse(PLAN, NAMESPACE, &object).unwrap();
    inventory.members().map(|(member, _)| key_of(member)).collect()
}

/// Returns the objects that carry our label at a version.
pub(super) fn labelled(evidence: &Evidence, version: u64) -> BTreeSet<Key> {
    let objects = evidence.objects_at(version);
    objects.into_iter().filter(|(_, object)| is_ours(object)).map(|(key, _)| key.clone()).collect()
}
