//! Promise "input" as far as a cluster is asked: before the first write the plan is checked, once; what is
//! found wrong ends the run with nothing written; and a deploy with nothing to write asks nothing.

use wesago::engine::EngineError;
use wesago::event::EventKind;

use super::Evidence;
use crate::api_server::Request;
use crate::deployer::{Command, Ending, Run};

/// Returns the checks that came too late, for nothing, or without effect.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    evidence.runs.iter().flat_map(|run| of_run(evidence, run)).collect()
}

/// Returns true for a question that only the preflight asks.
pub(super) fn is_preflight(request: &Request) -> bool {
    request.path == "/version" || request.path.ends_with("/selfsubjectrulesreviews")
}

fn of_run(evidence: &Evidence, run: &Run) -> Vec<String> {
    let mut broken = Vec::new();
    let mut say = |what: &str| broken.push(format!("preflight: run {}: {what}", run.id));
    let asked: Vec<usize> =
        evidence.requests(run.id).filter(|(_, request)| is_preflight(request)).map(|(at, _)| at).collect();
    let is_deploy = run.command == Command::Deploy;
    if !asked.is_empty() && (!is_deploy || run.fate.options.skip_preflight) {
        say("it was made though nobody wanted it");
    }
    let writes: Vec<_> =
        evidence.writes(run.id).filter(|(_, request)| !request.path.contains("/leases")).collect();
    let first_write = writes.first().map(|(at, _)| *at);
    // To prune what has left the plan, to mark or let go of what stays, and to note that in the inventory,
    // needs no check.
    let inventory = format!("/configmaps/wesago-{}", run.plan.name());
    let applies = writes.iter().any(|(_, request)| {
        request.content_type == "application/apply-patch+yaml" && !request.path.ends_with(&inventory)
    });
    match (first_write, asked.first(), asked.last()) {
        (_, None, _) if is_deploy && applies && !run.fate.options.skip_preflight => {
            say("it was not made before a write");
        }
        (Some(write), _, Some(last)) if *last > write => say("it went on after the first write"),
        _ => {}
    }
    let found_error = evidence
        .events(run.id)
        .any(|(_, event)| matches!(&event.event, EventKind::PreflightFound(finding) if finding.is_error()));
    let stopped = matches!(run.ending, Ending::Ended(Err(EngineError::Preflight { .. })));
    if stopped && !found_error {
        say("it ended the run without telling why");
    }
    if found_error && first_write.is_some() {
        say("an error was found, and all the same something was written");
    }
    broken
}
