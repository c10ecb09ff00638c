//! What a run tells of the one before it: it names a run that did not come to its end, and stages that had
//! begun in it; and after a run that was killed or interrupted it is told.

use wesago::event::{EventKind, InterruptionFound, Verdict};
use wesago::plan::StageId;

use super::ownership::lock_key;
use super::{Evidence, is_peaceful};
use crate::deployer::{Ending, Run};

/// Returns what was told of an earlier run and is not so, and what was not told.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for run in evidence.runs {
        let told: Vec<&InterruptionFound> = evidence
            .events(run.id)
            .filter_map(|(_, event)| match &event.event {
                EventKind::InterruptionFound(found) => Some(found),
                _ => None,
            })
            .collect();
        for found in &told {
            if let Some(wrong) = contradiction(evidence, run, found) {
                broken.push(format!("resume: run {}: {wrong}: {found:?}", run.id));
            }
        }
        let mut own = evidence.commits(run.id).filter(|commit| commit.key == lock_key());
        if run.ending == Ending::Ended(Ok(Verdict::Cancelled))
            && own.next_back().is_some_and(|last| last.after.is_none())
        {
            broken.push(format!("resume: run {}: it was interrupted, and its lock tells nobody", run.id));
        }
        if let Some(left) =
            left_behind(evidence, run).filter(|left| !told.iter().any(|found| found.run == *left))
        {
            broken.push(format!(
                "resume: run {}: {left} had left its lock, and nothing was told of it",
                run.id
            ));
        }
    }
    broken
}

/// Returns what is wrong with what was told.
fn contradiction(evidence: &Evidence, run: &Run, found: &InterruptionFound) -> Option<String> {
    let Some(named) = evidence.runs.iter().find(|other| format!("run-{}", other.id) == found.run) else {
        return Some("there is no such run".to_owned());
    };
    if named.id == run.id {
        return Some("it is that run itself".to_owned());
    }
    // One that has ended well may have been unable to give its lock back, in bad weather.
    if is_peaceful(named)
        && let Ending::Ended(Ok(verdict)) = &named.ending
        && *verdict != Verdict::Cancelled
    {
        return Some(format!("that one ended with {verdict:?}"));
    }
    let began = |stage: &StageId| {
        evidence.events(named.id).any(|(_, event)| match &event.event {
            EventKind::StageStarted { stage: begun } => begun == stage,
            _ => false,
        })
    };
    found.stages.iter().find(|stage| !began(stage)).map(|stage| format!("stage {stage} had not begun"))
}

/// Returns the run that had left its lock when a run in peace began.
fn left_behind(evidence: &Evidence, run: &Run) -> Option<String> {
    if !is_peaceful(run) || !matches!(run.ending, Ending::Ended(Ok(_))) {
        return None;
    }
    let lease = evidence.object_at(&lock_key(), evidence.version_at_start(run.id))?;
    let named = lease["metadata"]["annotations"]["wesago/run"].as_str()?;
    Some(named.to_owned()).filter(|named| !named.is_empty())
}
