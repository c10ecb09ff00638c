//! The longest chain of real waits of a deploy: how long it must take at least, when every stage starts the
//! moment its needs are met. Told twice: by the program's own events, and by the API server's audit log,
//! which knows when the first write of a stage came in and when a controller wrote the status that made
//! its last object ready.

use std::collections::BTreeMap;
use std::time::Duration;

use wesago::event::{EventKind, StageOutline};
use wesago::object::ObjectRef;
use wesago::plan::StageId;

use crate::program::Run;
use crate::sandbox::audit::Request;
use crate::story::{Seen, ensure};

/// What a stage took.
pub(crate) struct Wait {
    /// The stage.
    pub(crate) stage: StageId,
    /// What it waited for.
    pub(crate) needs: Vec<StageId>,
    /// When it started, since the start of the run.
    pub(crate) started: Duration,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Returns what each stage took by the events, in the order of the plan.
pub(crate) fn told(run: &Run) -> Seen<Vec<Wait>> {
    let wait = |outline: &StageOutline| {
        let (started, finished, verdict) = run.stage(&outline.stage)?;
        ensure!(verdict.is_success(), "stage {} ended with {verdict:?}", outline.stage);
        Ok(Wait {
            stage: outline.stage.clone(),
            needs: outline.needs.clone(),
            started: Duration::from_millis(started.elapsed_ms),
            took: Duration::from_millis(finished.elapsed_ms - started.elapsed_ms),
        })
    };
    run.outline()?.stages.iter().map(wait).collect()
}

/// Returns what each stage took by the audit log: from the first write of one of its objects to the last
/// thing the server was told, or told us, that made it ready.
pub(crate) fn seen(run: &Run, all: &[Request]) -> Seen<Vec<Wait>> {
    let wait = |outline: &StageOutline| {
        let (started, finished, _) = run.stage(&outline.stage)?;
        let writes = || {
            let of_stage =
                |write: &&Request| write.subresource.is_empty() && concerns(write, &outline.objects);
            run.writes().filter(of_stage)
        };
        let first = writes().map(|write| write.received).min();
        let first = first.ok_or_else(|| format!("no write of stage {} in the audit log", outline.stage))?;
        let is_checked = run.events.iter().any(|event| match &event.event {
            EventKind::CheckAnswered { stage, .. } => *stage == outline.stage,
            _ => false,
        });
        let makes_ready = |request: &&Request| match request.subresource.as_str() {
            "status" => concerns(request, &outline.objects),
            "proxy" => is_checked && request.received >= started.at,
            _ => false,
        };
        // A watch tells of a write a moment before its answer is complete: what came in before the stage's
        // end counts, up to that end.
        let last = all
            .iter()
            .filter(makes_ready)
            .chain(writes())
            .filter(|request| (first..=finished.at).contains(&request.received))
            .map(|request| request.answered.min(finished.at))
            .max();
        let last = last.unwrap_or(first).max(first);
        let took = Duration::try_from(last.duration_since(first)).map_err(|error| error.to_string())?;
        let since = Duration::from_millis(started.elapsed_ms);
        Ok(Wait { stage: outline.stage.clone(), needs: outline.needs.clone(), started: since, took })
    };
    run.outline()?.stages.iter().map(wait).collect()
}

fn concerns(request: &Request, objects: &[ObjectRef]) -> bool {
    objects.iter().any(|object| {
        let kind = object.kind.to_lowercase();
        let plural = if kind.ends_with('s') { kind + "es" } else { kind + "s" };
        request.resource == plural && request.name == object.name
    })
}

/// Returns the longest chain of waits along the needs: its length, and its stages. `waits` has every stage
/// after those it needs.
pub(crate) fn longest(waits: &[Wait]) -> (Duration, Vec<StageId>) {
    let mut ends: BTreeMap<&StageId, (Duration, Vec<StageId>)> = BTreeMap::new();
    for wait in waits {
        let before = wait.needs.iter().filter_map(|need| ends.get(need)).max_by_key(|(length, _)| *length);
        let (length, mut chain) = before.cloned().unwrap_or_default();
        chain.push(wait.stage.clone());
        ends.insert(&wait.stage, (length + wait.took, chain));
    }
    ends.into_values().max_by_key(|(length, _)| *length).unwrap_or_default()
}

#[test]
fn the_longest_chain_follows_the_needs() {
    let wait = |stage: &str, needs: &[&str], seconds| Wait {
        stage: StageId::new(stage).unwrap(),
        needs: needs.iter().map(|need| StageId::new(*need).unwrap()).collect(),
        started: Duration::ZERO,
        took: Duration::from_secs(seconds),
    };
    let waits = [wait("a", &[], 5), wait("b", &[], 9), wait("c", &["a"], 7), wait("d", &["a", "b"], 1)];
    let (length, chain) = longest(&waits);
    assert_eq!(length, Duration::from_secs(12));
    assert_eq!(chain.iter().map(StageId::as_str).collect::<Vec<_>>(), ["a", "c"]);
}
