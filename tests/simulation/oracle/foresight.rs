//! Promises of `diff`: it writes nothing whatever happens, and a deploy that follows in peace does exactly
//! what it said, object by object.

use std::collections::BTreeMap;

use wesago::event::{Certainty, EventKind, Forecast, Prospect};
use wesago::object::{Change, ObjectRef};

use super::{Evidence, is_peaceful};
use crate::deployer::{Command, Run};
use crate::foresight::Foresight;

/// Returns where a diff wrote, and where a deploy did something else than was said.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for foresight in evidence.foresights {
        let mut say = |what: String| broken.push(format!("diff {}: {what}", foresight.id));
        for (_, request) in evidence.writes(foresight.id) {
            say(format!("{} {} was sent", request.method, request.path));
        }
        for commit in evidence.commits(foresight.id) {
            say(format!("{} was changed", commit.key));
        }
        match &foresight.said {
            Ok(forecast) => {
                if let Some(run) = followed_by(evidence, foresight) {
                    compare(evidence, forecast, run, &mut say);
                }
            }
            Err(error) if foresight.in_peace => say(format!("it ended with {error:?}")),
            Err(_) => {}
        }
    }
    broken
}

/// Returns the deploy of the same plan right after a diff, both in peace.
fn followed_by<'a>(evidence: &'a Evidence, foresight: &Foresight) -> Option<&'a Run> {
    let run = evidence.runs.get(foresight.runs_before)?;
    let contents = |plan: &wesago::plan::Plan| plan.objects().map(|(_, o)| o.clone()).collect::<Vec<_>>();
    let follows = foresight.in_peace
        && is_peaceful(run)
        && run.command == Command::Deploy
        && contents(&run.plan) == contents(&foresight.plan);
    follows.then_some(run)
}

fn compare(evidence: &Evidence, forecast: &Forecast, run: &Run, say: &mut impl FnMut(String)) {
    let mut said: BTreeMap<&ObjectRef, Prospect> = BTreeMap::new();
    for object in &forecast.objects {
        said.insert(&object.object, object.prospect);
        if matches!(object.certainty, Certainty::Unverified { .. }) && object.prospect != Prospect::Create {
            say(format!("{} is unverified in peace: {object:?}", object.object));
        }
    }
    let mut done: BTreeMap<&ObjectRef, Change> = BTreeMap::new();
    for (_, event) in evidence.events(run.id) {
        match &event.event {
            EventKind::ObjectApplied { object, change, .. } => {
                done.insert(object, *change);
            }
            EventKind::ObjectDeleted { object, gone: true, .. } => {
                done.insert(object, Change::Deleted);
            }
            _ => {}
        }
    }
    for (object, change) in &done {
        let forecast = said.get(object).copied();
        if expected(forecast) != Some(*change) {
            say(format!("{object} was said to be {forecast:?}, and run {} did {change:?}", run.id));
        }
    }
    if run.ending.is_success() {
        for (object, prospect) in &said {
            if expected(Some(*prospect)).is_some() && !done.contains_key(object) {
                say(format!("{object} was said to be {prospect:?}, and run {} did nothing", run.id));
            }
        }
    }
}

/// Returns what a deploy must tell of an object with this forecast; `None` for what it does not touch.
fn expected(prospect: Option<Prospect>) -> Option<Change> {
    match prospect {
        None => Some(Change::Unchanged),
        Some(Prospect::Create) => Some(Change::Created),
        Some(Prospect::Configure) => Some(Change::Configured),
        Some(Prospect::Recreate) => Some(Change::Recreated),
        Some(Prospect::Delete) => Some(Change::Deleted),
        Some(Prospect::Keep | Prospect::LetGo | Prospect::Fail | Prospect::Write) => None,
    }
}
