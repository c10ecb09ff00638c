//! Promise "history": a deploy that changed something is in it, with the plan it deployed and without a
//! secret value; there are never more than ten; the last good one stays; and a rollback runs no Job again
//! that has completed.

use std::collections::BTreeMap;

use serde_json::Value;
use wesago::event::{EventKind, Verdict};
use wesago::history::{Content, Found, KEPT, LABEL, TYPE};
use wesago::object::{Change, Object};

use super::ownership::lock_key;
use super::{Evidence, is_peaceful};
use crate::api_server::Commit;
use crate::deployer::{Command, Ending, Run, SECRET_PREFIX, holder_name};
use crate::network::agent_of;
use crate::plans::PLAN;

/// Returns what is wrong with the history.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = kept(evidence);
    for run in evidence.runs {
        let mut say = |what: String| broken.push(format!("history: run {}: {what}", run.id));
        let made: Vec<&Commit> = made_by(evidence, run).collect();
        if made.len() > 1 || (run.command != Command::Deploy && !made.is_empty()) {
            say(format!("it has made {} revisions", made.len()));
        }
        for commit in &made {
            is_whole(run, commit, &mut say);
        }
        under_lock(evidence, run, &mut say);
        if is_peaceful(run)
            && run.command == Command::Deploy
            && let Ending::Ended(Ok(verdict)) = &run.ending
        {
            is_told(evidence, run, verdict, &made, &mut say);
        }
        if run.fate.options.rollback.is_some() {
            backwards(evidence, run, &mut say);
        }
    }
    broken
}

/// Returns true for the Secret of a revision.
pub(super) fn is_revision(object: &Value) -> bool {
    object["type"] == TYPE && object["metadata"]["labels"][LABEL] == PLAN
}

/// Returns true for the path of a revision, or of all Secrets where one is created.
pub(super) fn is_path(path: &str) -> bool {
    path.ends_with("/secrets") || path.contains(&format!("/secrets/wesago-{PLAN}.v"))
}

fn found(object: &Value) -> Option<Found> {
    Found::parse(PLAN, &Object::new(object.clone()).ok()?)
}

fn made_by<'w>(evidence: &Evidence<'w>, run: &Run) -> impl Iterator<Item = &'w Commit> {
    let is_made = |commit: &&Commit| {
        commit.before.is_none() && commit.after.as_ref().is_some_and(|after| is_revision(after))
    };
    evidence.commits(run.id).filter(is_made)
}

/// Never more than so many, none is changed, numbers count up, and the last good one goes only with the data.
fn kept(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    let mut there: BTreeMap<u32, Found> = BTreeMap::new();
    for commit in evidence.history {
        match (&commit.before, &commit.after) {
            (None, Some(after)) if is_revision(after) => {
                let Some(found) = found(after) else {
                    broken.push(format!("history: {} cannot be read: {after}", commit.key));
                    continue;
                };
                let number = found.revision.number;
                if there.last_key_value().is_some_and(|(newest, _)| *newest >= number) {
                    broken.push(format!("history: {} comes after {:?}", commit.key, there.keys()));
                }
                there.insert(number, found);
                if there.len() > KEPT {
                    broken.push(format!("history: there are {} of them", there.len()));
                }
            }
            (Some(before), None) if is_revision(before) => {
                let Some(gone) = found(before) else { continue };
                let good = there.values().rfind(|found| found.revision.verdict.is_success());
                let is_last_good = good.is_some_and(|good| good.revision.number == gone.revision.number);
                let by = evidence.runs.iter().find(|run| agent_of(run.id) == commit.agent);
                let with_data = Some(Command::Teardown { delete_data: true });
                let is_surplus = by.is_some_and(|run| run.command == Command::Deploy)
                    && there.len() == KEPT
                    && !is_last_good;
                if by.map(|run| run.command) != with_data && !is_surplus {
                    broken.push(format!("history: {} was deleted by {}", commit.key, commit.agent));
                }
                there.remove(&gone.revision.number);
            }
            (Some(before), Some(_)) if is_revision(before) => {
                broken.push(format!("history: {} was changed by {}", commit.key, commit.agent));
            }
            _ => {}
        }
    }
    broken
}

/// A revision holds the plan that was deployed, says who and which run, and holds no secret value.
fn is_whole(run: &Run, commit: &Commit, say: &mut impl FnMut(String)) {
    let Some(secret) = commit.after.as_ref().and_then(|after| Object::new((**after).clone()).ok()) else {
        return;
    };
    let Some(found) = Found::parse(PLAN, &secret) else { return };
    let content = found.content(&secret).and_then(|content| Ok((content.plan()?, content)));
    let Ok((plan, content)) = content else { return say(format!("{} cannot be read", commit.key)) };
    let objects = |plan: &wesago::plan::Plan| {
        let stages = plan.stages().iter();
        stages.map(|stage| (stage.id.clone(), stage.needs.clone(), stage.objects.clone())).collect::<Vec<_>>()
    };
    if objects(&plan) != objects(&run.plan) || plan.secrets() != run.plan.secrets() {
        say(format!("{} holds another plan", commit.key));
    }
    if found.revision.run != format!("run-{}", run.id) {
        say(format!("{} is of {}", commit.key, found.revision.run));
    }
    if unpacked(&content).contains(SECRET_PREFIX) {
        say(format!("a value is in {}", commit.key));
    }
}

fn unpacked(content: &Content) -> String {
    // What a plan is read from is what is in it, but for spaces.
    content.plan().map(|plan| format!("{plan:?}")).unwrap_or_default()
}

/// Whatever is written of the history is written under the lock.
fn under_lock(evidence: &Evidence, run: &Run, say: &mut impl FnMut(String)) {
    for (at, request) in evidence.writes(run.id).filter(|(_, request)| is_path(&request.path)) {
        let lease = evidence.object_at(&lock_key(), evidence.entries[at].version);
        let holder = lease.map(|lease| lease["spec"]["holderIdentity"].clone());
        if holder != Some(holder_name(run.id).into()) {
            say(format!("{} {} was sent while {holder:?} held the lock", request.method, request.path));
        }
    }
}

/// A deploy in peace that changed something has made a revision that says so, and any other none.
fn is_told(
    evidence: &Evidence,
    run: &Run,
    verdict: &Verdict,
    made: &[&Commit],
    say: &mut impl FnMut(String),
) {
    let has_changed = evidence.events(run.id).any(|(_, event)| match &event.event {
        EventKind::ObjectApplied { change, .. } => {
            matches!(change, Change::Created | Change::Configured | Change::Recreated)
        }
        EventKind::ObjectDeleted { gone, .. } => *gone,
        _ => false,
    });
    let kept = made.first().and_then(|commit| found(commit.after.as_ref()?));
    if kept.is_some() != has_changed {
        return say(format!("it has changed something: {has_changed}, and made {kept:?}"));
    }
    let Some(Found { revision, .. }) = kept else { return };
    let target = run.fate.options.rollback.as_ref().map(|target| target.number);
    if revision.verdict != *verdict || revision.rollback_to != target {
        say(format!("it ended with {verdict:?}, and its revision says {revision:?}"));
    }
    let told = evidence.events(run.id).any(|(_, event)| match &event.event {
        EventKind::RevisionKept { number, rollback_to } => {
            *number == revision.number && *rollback_to == target
        }
        _ => false,
    });
    if !told {
        say(format!("revision {} was not told of", revision.number));
    }
}

/// A Job of the plan that has completed is neither deleted nor made again by a rollback.
fn backwards(evidence: &Evidence, run: &Run, say: &mut impl FnMut(String)) {
    let planned = |name: &str| run.plan.objects().any(|(_, o)| o.kind() == "Job" && o.name() == name);
    for commit in evidence.commits(run.id).filter(|commit| commit.key.kind == "Job") {
        let conditions = commit.before.as_ref().and_then(|before| before["status"]["conditions"].as_array());
        let done = conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Complete"));
        if done && planned(&commit.key.name) {
            say(format!("{} had completed, and was run again", commit.key));
        }
    }
}
