//! Promise "order": no object of a stage is written before every stage it needs has settled, and nothing
//! that has left the plan goes before all of it is there.

use super::history::is_path;
use super::{Evidence, names, succeeded};
use crate::deployer::{Command, Run};

/// Returns the writes that came too early.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    evidence.runs.iter().flat_map(|run| of_run(evidence, run)).collect()
}

fn of_run(evidence: &Evidence, run: &Run) -> Vec<String> {
    let mut broken = Vec::new();
    for (at, request) in evidence.writes(run.id) {
        let found = run.plan.objects().find(|(_, object)| names(request, object));
        let Some((stage, object)) = found else {
            let all = run.plan.stages().iter().all(|stage| {
                evidence.events(run.id).any(|(told, event)| told < at && succeeded(event) == Some(&stage.id))
            });
            let is_prune = request.method == http::Method::DELETE
                && !request.path.contains("/leases/")
                && !is_path(&request.path);
            if is_prune && run.command == Command::Deploy && !all {
                broken.push(format!("order: run {}: {} was pruned too early", run.id, request.path));
            }
            continue;
        };
        let before = match run.command {
            Command::Deploy => run.plan.needs(stage),
            Command::Teardown { .. } => run.plan.dependents(stage),
        };
        for need in before {
            let need = &run.plan.stage(*need).id;
            let settled =
                evidence.events(run.id).any(|(told, event)| told < at && succeeded(event) == Some(need));
            if !settled {
                let (method, name) = (&request.method, object.reference());
                broken.push(format!("order: run {}: {method} {name} was sent before {need} settled", run.id));
            }
        }
    }
    broken
}
