//! Promises "idempotence" and "crash": a deploy in peace converges whatever came before, no finished Job
//! runs twice, nothing is orphaned; and one more deploy writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wesago::event::{EventKind, Verdict};
use wesago::inventory::PART_OF;
use wesago::object::Object;
use wesago::plan::StageIdx;

use super::history::is_revision;
use super::ownership::{labelled, members};
use super::preflight::is_preflight;
use super::truth::holds;
use super::{Evidence, is_peaceful, key_of};
use crate::api_server::{Commit, Key};
use crate::deployer::{Command, Run};
use crate::hands::SOMEBODY;
use crate::plans::NAMESPACE;

/// Returns what did not converge, and what was done again without need.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = jobs_twice(evidence);
    let mut before: Option<&Run> = None;
    for run in evidence.runs {
        match run.command {
            Command::Deploy if is_peaceful(run) => {
                broken.extend(converged(evidence, run));
                if before.is_some_and(|before| repeats(before, run)) {
                    broken.extend(idle(evidence, run));
                }
            }
            Command::Teardown { delete_data } if is_peaceful(run) => {
                broken.extend(cleared(evidence, run, delete_data));
            }
            _ => {}
        }
        before = Some(run);
    }
    broken
}

fn is_broken(run: &Run) -> bool {
    run.plan.objects().any(|(_, object)| object.value().to_string().contains("\"broken\""))
}

/// Returns true for a deploy of the same plan right after one that succeeded in peace.
fn repeats(before: &Run, run: &Run) -> bool {
    let contents = |run: &Run| run.plan.objects().map(|(_, object)| object.clone()).collect::<Vec<_>>();
    is_peaceful(before)
        && before.command == Command::Deploy
        && before.ending.is_success()
        && contents(before) == contents(run)
}

fn converged(evidence: &Evidence, run: &Run) -> Vec<String> {
    if is_broken(run) {
        return failed_where_broken(evidence, run);
    }
    if !run.ending.is_success() {
        return vec![format!("crash: run {}: a deploy in peace ended with {:?}", run.id, run.ending)];
    }
    let version = evidence.version_at_end(run.id);
    let mut broken = Vec::new();
    for (_, wanted) in run.plan.objects() {
        let key = key_of(&wanted.reference());
        match evidence.object_at(&key, version) {
            Some(_) if is_spared(run, wanted) => {}
            Some(live) if holds(live, wanted.value()) => {}
            Some(live) => broken.push(format!("crash: run {}: {key} is not what was wanted: {live}", run.id)),
            None => broken.push(format!("crash: run {}: {key} is not there", run.id)),
        }
    }
    let (members, labelled) = (members(evidence, version), labelled(evidence, version));
    for orphan in labelled.difference(&members) {
        broken.push(format!("crash: run {}: {orphan} is ours and not in the inventory", run.id));
    }
    let planned: BTreeSet<Key> = run.plan.objects().map(|(_, object)| key_of(&object.reference())).collect();
    for left in labelled.difference(&planned).filter(|left| !may_stay(evidence, run, left, version)) {
        broken.push(format!("prune: run {}: {left} has left the plan and is still there", run.id));
    }
    // A plan that holds nothing prunes nothing, and forgets nothing of what somebody else has deleted.
    for lost in members.difference(&labelled).filter(|_| !planned.is_empty()) {
        broken.push(format!("crash: run {}: {lost} is in the inventory and not there", run.id));
    }
    broken
}

/// Returns true for a Job of a rollback, which may stay as another revision has run it.
pub(super) fn is_spared(run: &Run, wanted: &Object) -> bool {
    run.fate.options.rollback.is_some() && wanted.kind() == "Job"
}

/// Returns true for what stays though it is not in the plan: data, a definition whose objects stay, and all
/// of it when the plan is empty.
fn may_stay(evidence: &Evidence, run: &Run, key: &Key, version: u64) -> bool {
    if run.plan.objects().next().is_none() {
        // An empty plan is a mistake more often than a wish.
        return true;
    }
    let needed = run.plan.objects().any(|(_, object)| object.kind() == "Widget");
    match key.kind.as_str() {
        "PersistentVolumeClaim" => true,
        "CustomResourceDefinition" => needed,
        "Secret" => evidence.object_at(key, version).is_some_and(|secret| is_generated(secret)),
        _ => false,
    }
}

/// A stage with something broken in it does not succeed, what needs it is skipped, all the rest is done.
fn failed_where_broken(evidence: &Evidence, run: &Run) -> Vec<String> {
    let mut verdicts = BTreeMap::new();
    for (_, event) in evidence.events(run.id) {
        if let EventKind::StageFinished { stage, verdict, .. } = &event.event {
            verdicts.insert(stage, verdict);
        }
    }
    let mut lost: BTreeSet<StageIdx> = BTreeSet::new();
    let mut wrong = Vec::new();
    for &index in run.plan.order() {
        let stage = run.plan.stage(index);
        let is_broken = stage.objects.iter().any(|object| object.value().to_string().contains("\"broken\""));
        let needs_lost = run.plan.needs(index).iter().any(|need| lost.contains(need));
        if is_broken || needs_lost {
            lost.insert(index);
        }
        let right = match verdicts.get(&stage.id) {
            Some(Verdict::Skipped { .. }) => needs_lost,
            Some(Verdict::Failed { .. } | Verdict::TimedOut { .. }) => is_broken && !needs_lost,
            Some(Verdict::Succeeded) => !is_broken && !needs_lost,
            Some(Verdict::Cancelled) | None => false,
        };
        if !right {
            let verdict = verdicts.get(&stage.id);
            wrong.push(format!("truth: run {}: {} ended with {verdict:?}", run.id, stage.id));
        }
    }
    wrong
}

/// A repeated deploy sends no write and changes no object.
fn idle(evidence: &Evidence, run: &Run) -> Vec<String> {
    let writes = evidence.writes(run.id).filter(|(_, request)| !request.path.contains("/leases"));
    let mut broken: Vec<String> = writes
        .map(|(_, request)| {
            format!("idempotence: run {}: {} {} was sent again", run.id, request.method, request.path)
        })
        .collect();
    let lock: Vec<_> =
        evidence.requests(run.id).filter(|(_, request)| request.path.contains("/leases")).collect();
    if lock.len() != 2 {
        broken.push(format!("idempotence: run {}: {} requests about the lock", run.id, lock.len()));
    }
    let asked = evidence.requests(run.id).filter(|(_, request)| is_preflight(request));
    broken.extend(asked.map(|(_, request)| {
        format!("idempotence: run {}: {} was asked with nothing to write", run.id, request.path)
    }));
    let changed = evidence.commits(run.id).filter(|commit| commit.key.kind != "Lease");
    broken.extend(changed.map(|commit| format!("idempotence: run {}: {} was changed", run.id, commit.key)));
    broken
}

/// No two lives of a Job both come to their end with the same template.
fn jobs_twice(evidence: &Evidence) -> Vec<String> {
    let mut completed: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut broken = Vec::new();
    let mut last_template: BTreeMap<String, String> = BTreeMap::new();
    for commit in evidence.history.iter().filter(|commit| commit.key.kind == "Job") {
        let ends = |after: &Value| !after["metadata"]["deletionTimestamp"].is_null();
        let is_over = commit.after.as_deref().is_none_or(ends);
        if is_over && (commit.agent == SOMEBODY || (commit.after.is_none() && has_left(evidence, commit))) {
            // Somebody wanted it to run again, or not at all; or it has left the plan, and may come back.
            completed.retain(|(job, _), _| *job != commit.key.name);
        }
        let Some(after) = commit.after.as_deref().filter(|after| !ends(after)) else { continue };
        let template = after["spec"]["template"].to_string();
        let name = commit.key.name.clone();
        // Back to an earlier edition is a change, too.
        if last_template.insert(name.clone(), template.clone()).is_some_and(|last| last != template) {
            completed.retain(|(job, _), _| *job != name);
        }
        let uid = after["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let done = after["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Complete"));
        let before = if done {
            completed.insert((name.clone(), template), uid.clone())
        } else {
            completed.get(&(name.clone(), template)).cloned()
        };
        if before.is_some_and(|before| before != uid) && !torn_down(evidence, commit.version) {
            broken.push(format!("crash: Job {name} had completed and was made again"));
        }
    }
    broken
}

/// Returns true for the end of an object that was not in the plan of the run that had begun last.
fn has_left(evidence: &Evidence, commit: &Commit) -> bool {
    let begun = |run: &&Run| evidence.version_at_start(run.id) < commit.version;
    let last = evidence.runs.iter().rev().find(begun);
    last.is_some_and(|run| !run.plan.objects().any(|(_, object)| key_of(&object.reference()) == commit.key))
}

/// Returns true when a teardown began before a version: from then on Jobs may run again.
fn torn_down(evidence: &Evidence, version: u64) -> bool {
    let teardowns = evidence.runs.iter().filter(|run| run.command != Command::Deploy);
    teardowns.into_iter().any(|run| evidence.version_at_start(run.id) < version)
}

/// After a teardown in peace nothing of ours is left but data, and with `--delete-data` not even that.
fn cleared(evidence: &Evidence, run: &Run, delete_data: bool) -> Vec<String> {
    if !run.ending.is_success() {
        return vec![format!("end: run {}: a teardown in peace ended with {:?}", run.id, run.ending)];
    }
    let mut broken = Vec::new();
    for (key, object) in evidence.objects_at(evidence.version_at_end(run.id)) {
        let labelled = !object["metadata"]["labels"][PART_OF].is_null();
        let is_data = key.kind == "PersistentVolumeClaim" || is_generated(object);
        let claim = key.kind == "PersistentVolumeClaim" && key.namespace == NAMESPACE;
        let is_left = (labelled || claim) && (delete_data || !is_data) && !is_lost(evidence, run, key);
        if is_left || (delete_data && is_revision(object)) {
            broken.push(format!("end: run {}: {key} is left after the teardown", run.id));
        }
    }
    broken
}

fn is_generated(object: &Value) -> bool {
    !object["metadata"]["annotations"]["wesago/generated"].is_null()
}

/// Returns true for a volume of a StatefulSet that is not in the plan any more and that somebody has deleted:
/// nothing leads from the one to the other, and a name that looks alike is no proof.
fn is_lost(evidence: &Evidence, run: &Run, claim: &Key) -> bool {
    let has_made = |set: &Key| {
        let ordinal = claim.name.strip_prefix("data-").and_then(|rest| rest.strip_prefix(&set.name));
        claim.kind == "PersistentVolumeClaim"
            && set.kind == "StatefulSet"
            && ordinal.is_some_and(|ordinal| ordinal.starts_with('-'))
    };
    let is_planned = run.plan.objects().any(|(_, object)| has_made(&key_of(&object.reference())));
    // In the foreground its end is the garbage collector's, and only its beginning somebody's.
    let ends = |after: &Value| !after["metadata"]["deletionTimestamp"].is_null();
    let mut lives = evidence.history.iter().rev().filter(|commit| has_made(&commit.key));
    let is_gone = lives.clone().next().is_some_and(|commit| commit.after.is_none());
    let ended_by = lives.find(|commit| {
        commit.after.as_deref().is_none_or(ends) && !commit.before.as_deref().is_some_and(ends)
    });
    !is_planned && is_gone && ended_by.is_some_and(|commit| commit.agent == SOMEBODY)
}
