//! Promise "truth": a stage succeeds only if the server itself held every object of it ready, with the
//! content that was applied.

use std::sync::Arc;

use serde_json::Value;
use wesago::event::EventKind;
use wesago::plan::Stage;

use super::repeat::is_spared;
use super::{Evidence, key_of, succeeded};
use crate::api_server::Key;
use crate::deployer::{Command, Run};
use crate::journal::What;

/// Returns the successes that were none.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for run in evidence.runs {
        for (at, event) in evidence.events(run.id) {
            let Some(stage) = succeeded(event) else { continue };
            let Some(stage) = run.plan.stages().iter().find(|candidate| candidate.id == *stage) else {
                continue;
            };
            let untrue = match run.command {
                Command::Deploy => not_ready(evidence, run, stage, at),
                Command::Teardown { .. } => not_gone(evidence, run, stage, at),
            };
            broken.extend(
                untrue.into_iter().map(|what| format!("truth: run {}: {}: {what}", run.id, stage.id)),
            );
        }
    }
    broken
}

/// Returns the objects of which no version was ready with our content while the stage ran.
fn not_ready(evidence: &Evidence, run: &Run, stage: &Stage, at: usize) -> Vec<String> {
    let until = evidence.entries[at].version;
    let from = evidence
        .events(run.id)
        .find(|(_, event)| matches!(&event.event, EventKind::StageStarted { stage: id } if *id == stage.id))
        .map_or(0, |(at, _)| evidence.entries[at].version);
    // What a run read at its start may stand for a stage that has nothing to write.
    let from = from.min(evidence.version_at_start(run.id));
    let mut untrue = Vec::new();
    for wanted in &stage.objects {
        let key = key_of(&wanted.reference());
        let versions = versions(evidence, &key, from, until);
        // From the state on that held our content, the same life of the object, whoever edited it since. There
        // may be several lives: one of an earlier run that somebody deletes, and the one made for it.
        let spared = is_spared(run, wanted);
        let uid = |version: &Value| version["metadata"]["uid"].clone();
        let held = versions.chunk_by(|one, next| uid(one) == uid(next)).any(|life| {
            let applied = life.iter().position(|version| spared || holds(version, wanted.value()));
            let since = applied.map(|at| &life[at..]).unwrap_or_default();
            let is_settled =
                |version: &Value| is_ready(evidence, version) || may_wait_for_its_pod(evidence, run, version);
            since.iter().any(|version| is_settled(version) && is_up(run, version))
        });
        if !held {
            let last =
                versions.last().map_or_else(|| "nothing".to_owned(), |last| last["status"].to_string());
            untrue.push(format!("{key} was never ready with our content: {last}"));
        }
    }
    untrue
}

fn not_gone(evidence: &Evidence, run: &Run, stage: &Stage, at: usize) -> Vec<String> {
    let until = evidence.entries[at].version;
    let of_stage = stage.objects.iter().filter(|object| object.kind() != "PersistentVolumeClaim");
    of_stage
        .map(|object| key_of(&object.reference()))
        .filter(|key| {
            let (before, now) =
                (evidence.object_at(key, evidence.version_at_start(run.id)), evidence.object_at(key, until));
            let uid = |object: Option<&Arc<Value>>| object.map(|object| object["metadata"]["uid"].clone());
            now.is_some() && uid(before) == uid(now)
        })
        .map(|key| format!("{key} was still there"))
        .collect()
}

/// Returns the states of an object between two versions, with the one it had at the first.
fn versions<'w>(evidence: &Evidence<'w>, key: &Key, from: u64, until: u64) -> Vec<&'w Arc<Value>> {
    let changes = evidence.changes(key, from, until).iter().filter_map(|commit| commit.after.as_ref());
    evidence.object_at(key, from).into_iter().chain(changes).collect()
}

/// Returns true when the server's own object is what a user would call ready.
fn is_ready(evidence: &Evidence, object: &Value) -> bool {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let replicas = number("/spec/replicas");
    let seen = number("/status/observedGeneration") == number("/metadata/generation");
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return false;
    }
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" => {
            let counts = ["replicas", "updatedReplicas", "availableReplicas"];
            seen && counts.iter().all(|count| number(&format!("/status/{count}")) == replicas)
        }
        "StatefulSet" => {
            let counts = ["replicas", "updatedReplicas", "availableReplicas", "readyReplicas"];
            let closed = object["status"]["currentRevision"] == object["status"]["updateRevision"];
            seen && closed && counts.iter().all(|count| number(&format!("/status/{count}")) == replicas)
        }
        "DaemonSet" => {
            let desired = number("/status/desiredNumberScheduled");
            let counts = ["updatedNumberScheduled", "numberAvailable"];
            seen && desired > 0 && counts.iter().all(|count| number(&format!("/status/{count}")) == desired)
        }
        "Job" => object["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Complete" && one["status"] == "True")),
        "PersistentVolumeClaim" => object["status"]["phase"] == "Bound" || binds_late(evidence),
        "Service" => object["spec"]["clusterIP"].is_string(),
        _ => true,
    }
}

/// Returns false for a widget that is not in the phase the plan's rule asks for.
fn is_up(run: &Run, object: &Value) -> bool {
    let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    object["kind"] != "Widget" || run.plan.rules().is_empty() || (seen && object["status"]["phase"] == "Up")
}

fn binds_late(evidence: &Evidence) -> bool {
    let class = evidence.history.iter().find(|commit| commit.key.kind == "StorageClass");
    let class = class.and_then(|commit| commit.after.as_ref());
    class.is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer")
}

/// Returns true for a claim that is pending while the run may not see whether its class waits for the first pod:
/// it is taken to wait, after a time and with a note.
fn may_wait_for_its_pod(evidence: &Evidence, run: &Run, object: &Value) -> bool {
    let is_refused = |id: u64| {
        let note = format!("#{id} answered 403");
        evidence.entries.iter().any(|entry| matches!(&entry.what, What::Note(text) if *text == note))
    };
    let may_not_see_classes = || {
        evidence.entries.iter().any(|entry| match &entry.what {
            What::Sent { run: by, id, request } => {
                *by == run.id && request.path.ends_with("/storageclasses") && is_refused(*id)
            }
            _ => false,
        })
    };
    object["kind"] == "PersistentVolumeClaim"
        && object["status"]["phase"] == "Pending"
        && may_not_see_classes()
}

/// Returns true when everything in `wanted` is in `live`, however much more there is.
pub(super) fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| live.get(name).is_some_and(|live| holds(live, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() >= wanted.len()
                && wanted.iter().all(|value| live.iter().any(|live| holds(live, value)))
        }
        (live, wanted) => live == wanted,
    }
}
