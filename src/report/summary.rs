//! What is told at the end of a run: how it ended, failures first with their cause, the stages with their
//! times, what was changed, and the next step.

use super::findings::finding_text;
use super::ink::Ink;
use super::plain::cause_text;
use super::view::{RunView, StageView};
use super::words;
use crate::event::Verdict;

/// Commands a reader may want next, ready to be typed.
#[derive(Clone, Debug)]
pub struct NextSteps {
    /// Shows what is there, such as `wesago status --context k3s`.
    pub status: String,
}

/// Returns the report about a run that has ended, painted; ends with a line end.
pub fn summary(view: &RunView, next: &NextSteps) -> String {
    let Some(finished) = &view.finished else { return String::new() };
    let mut parts = vec![headline(view, &finished.verdict)];
    parts.extend(view.stages.iter().filter_map(failure));
    parts.extend(failure_beside(view, &finished.verdict));
    parts.extend(proof(view, &finished.verdict));
    let settled_at_once = finished.verdict.is_success() && finished.changes.nothing_done();
    if !settled_at_once {
        parts.push(table(view));
    }
    if !view.kept.is_empty() {
        let kept = view.kept.iter().map(|(object, reason)| format!("{object} stays: {reason}"));
        parts.push(kept.collect::<Vec<_>>().join("\n"));
    }
    parts.extend(view.found.iter().map(finding_text));
    if !view.warnings.is_empty() {
        let warnings = view.warnings.iter();
        let lines = warnings.map(|warning| format!("{} {warning}", Ink::Notice.paint("warning:")));
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    parts.extend(view.revision.map(|(number, rollback_to)| words::kept(number, rollback_to)));
    parts.extend(what_next(view, &finished.verdict, next));
    parts.extend(finished.notes.as_ref().map(|notes| notes.trim_end().to_owned()));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

/// Returns the report about a run of which the end is not known, painted; ends with a line end.
/// `goes_on` says that it has none yet.
pub(super) fn unfinished(view: &RunView, goes_on: bool, next: &NextSteps) -> String {
    let (plan, command) =
        view.started.as_ref().map_or(("", ""), |run| (run.plan.as_str(), run.command.as_str()));
    let (word, why) = if goes_on {
        ("goes on", "the run goes on: this is what it told so far".to_owned())
    } else {
        let hint = Ink::Strong.paint("hint:");
        let why = "the record ends here: the run was cut off, by a kill or the end of its machine";
        let again = "run the same command again: it goes on from what the cluster holds";
        ("was cut off", format!("{why}\n{hint} {again}\n{hint} `{}` shows what is there", next.status))
    };
    let headline = Ink::Notice.paint(&format!("{command} of {plan} {word}"));
    let mut parts = vec![format!("{headline} after {}: {}", words::duration(view.elapsed_ms), tally(view))];
    parts.extend(view.stages.iter().filter_map(failure));
    parts.extend([table(view), why]);
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

/// Returns the first line: how it ended, in what time, with what changes.
pub(super) fn headline(view: &RunView, verdict: &Verdict) -> String {
    let (plan, command) =
        view.started.as_ref().map_or(("", ""), |run| (run.plan.as_str(), run.command.as_str()));
    let took = words::duration(view.elapsed_ms);
    let changes = view.changes();
    let done = words::changes(&changes);
    let done = if done.is_empty() { "nothing was changed".to_owned() } else { done };
    match verdict {
        Verdict::Succeeded if changes.nothing_done() => {
            let state = if command == "teardown" { "nothing is left to remove" } else { "all is ready" };
            let line = format!("{plan}: nothing to do, {state} ({done}, {took})");
            Ink::Good.paint(&line)
        }
        Verdict::Succeeded => {
            let word = match command {
                "teardown" => "removed",
                "rollback" => "rolled back",
                _ => "deployed",
            };
            format!("{} in {took}: {done}", Ink::Good.paint(&format!("{plan} {word}")))
        }
        Verdict::Failed { .. } | Verdict::Skipped { .. } => {
            format!(
                "{} after {took}: {}",
                Ink::Bad.paint(&format!("{command} of {plan} failed")),
                tally(view)
            )
        }
        Verdict::TimedOut { .. } => {
            let word = Ink::Bad.paint(&format!("{command} of {plan} ran out of time"));
            format!("{word} after {took}: {}", tally(view))
        }
        Verdict::Cancelled => {
            let reason = view.cancel.map_or_else(|| "cancelled".to_owned(), |reason| reason.to_string());
            let word = Ink::Notice.paint(&format!("{command} of {plan} {reason}"));
            format!("{word} after {took}: {}", tally(view))
        }
    }
}

/// Returns how it is known that there was nothing to do; `None` when something was, or nothing was proven.
fn proof(view: &RunView, verdict: &Verdict) -> Option<String> {
    let forecast = view.forecast.as_ref().filter(|forecast| forecast.unchanged > 0)?;
    let is_proven = verdict.is_success() && forecast.is_nothing() && view.changes().nothing_done();
    is_proven.then(|| {
        "nothing was sent: each object is the one we wrote, the plan says the same as then, and by the server's own\n\
         record of who owns which field nobody has touched a field of ours since"
            .to_owned()
    })
}

/// Returns `1 of 4 stages failed, 1 skipped, 2 settled`.
fn tally(view: &RunView) -> String {
    let number = |is: fn(&Verdict) -> bool| view.settled().filter(|(_, verdict)| is(verdict)).count();
    let counts = [
        (number(|verdict| matches!(verdict, Verdict::Failed { .. })), "failed"),
        (number(|verdict| matches!(verdict, Verdict::TimedOut { .. })), "not ready in time"),
        (number(|verdict| matches!(verdict, Verdict::Skipped { .. })), "skipped"),
        (number(|verdict| matches!(verdict, Verdict::Cancelled)), "cancelled"),
        (number(Verdict::is_success), "settled"),
        (view.running().count() + view.waiting().count(), "open"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    format!("of {}, {}", words::count(view.stages.len(), "stage"), told.join(", "))
}

/// Returns why a stage did not settle: the causes found, else the objects that are not ready.
fn failure(stage: &StageView) -> Option<String> {
    let (id, after) = (&stage.id, words::duration(stage.took_ms));
    let mut lines = Vec::new();
    match stage.verdict()? {
        Verdict::Failed { reason } => {
            lines.push(Ink::Strong.paint(&format!("stage {id} failed after {after}: {reason}")));
            let missing =
                stage.missing().map(|missing| format!("{}: {}", missing.object, words::missing(missing)));
            lines.extend(missing.filter(|_| stage.causes.is_empty()));
        }
        Verdict::TimedOut { waiting_for } => {
            lines.push(Ink::Strong.paint(&format!("stage {id} was not ready in time, after {after}")));
            lines.extend(waiting_for.iter().cloned());
        }
        Verdict::Succeeded | Verdict::Skipped { .. } | Verdict::Cancelled => return None,
    }
    lines.extend(stage.causes.iter().map(cause_text));
    Some(lines.join("\n").replace('\n', "\n  "))
}

/// Returns why a run failed all of whose stages settled: what left the plan does not go.
fn failure_beside(view: &RunView, verdict: &Verdict) -> Option<String> {
    if view.stages.iter().any(|stage| stage.verdict().is_some_and(|verdict| !verdict.is_success())) {
        return None;
    }
    match verdict {
        Verdict::Failed { reason } => Some(Ink::Strong.paint(reason)),
        Verdict::TimedOut { waiting_for } => Some(waiting_for.join("\n")),
        Verdict::Succeeded | Verdict::Skipped { .. } | Verdict::Cancelled => None,
    }
}

/// Returns the stages, one a line, with start, time and what was done.
fn table(view: &RunView) -> String {
    let rows = view.stages.iter().map(|stage| {
        let (state, ink, detail) = match stage.verdict() {
            Some(Verdict::Succeeded) => ("settled", Ink::Good, words::done(stage)),
            Some(Verdict::Failed { .. }) => ("failed", Ink::Bad, words::changes(&stage.changes)),
            Some(Verdict::TimedOut { .. }) => ("timed out", Ink::Bad, words::changes(&stage.changes)),
            Some(Verdict::Skipped { because }) => {
                ("skipped", Ink::Quiet, format!("{because} did not settle"))
            }
            Some(Verdict::Cancelled) => ("cancelled", Ink::Quiet, words::changes(&stage.changes)),
            None => ("open", Ink::Quiet, words::changes(&stage.changes)),
        };
        let start = stage.started_ms.map_or_else(|| "-".to_owned(), words::duration);
        let ended = stage.started_ms.filter(|_| stage.verdict().is_some());
        let took = ended.map_or_else(|| "-".to_owned(), |_| words::duration(stage.took_ms));
        (stage.id.as_str(), state, ink, start, took, detail)
    });
    let widest = view.stages.iter().map(|stage| stage.id.as_str().len()).max().unwrap_or(0).max(5);
    let mut lines = vec![Ink::Strong.paint(&format!(
        "{}  {:<9}  {:>7}  {:>7}  OBJECTS",
        words::padded("STAGE", widest),
        "STATE",
        "START",
        "TOOK"
    ))];
    for (name, state, ink, start, took, detail) in rows {
        let state = ink.paint(&format!("{state:<9}"));
        let line = format!("{}  {state}  {start:>7}  {took:>7}  {detail}", words::padded(name, widest));
        lines.push(line.trim_end().to_owned());
    }
    let beside = words::changes(&view.beside);
    if !beside.is_empty() {
        // Namespace, generated Secrets and what has left the plan belong to no stage.
        lines.push(format!("{}  {:<9}  {:>7}  {:>7}  {beside}", words::padded("-", widest), "-", "-", "-"));
    }
    lines.join("\n")
}

/// Returns what to do after a run that did not succeed.
fn what_next(view: &RunView, verdict: &Verdict, next: &NextSteps) -> Option<String> {
    let again = match verdict {
        Verdict::Succeeded => return None,
        Verdict::Cancelled => "run the same command again to go on where it stopped",
        Verdict::TimedOut { .. } => {
            "run the same command again to go on waiting: what is unchanged is not written again"
        }
        Verdict::Failed { .. } | Verdict::Skipped { .. } => {
            "mend the cause and run the same command again: what is unchanged is not written again"
        }
    };
    let done = words::changes(&view.changes());
    let done = if done.is_empty() { "nothing was changed".to_owned() } else { done };
    let hint = Ink::Strong.paint("hint:");
    Some(format!("{done}\n{hint} {again}\n{hint} `{}` shows what is there", next.status))
}

#[cfg(test)]
mod tests {
    use super::{NextSteps, summary, unfinished};
    use crate::report::RunView;
    use crate::report::script::{self, Script};

    fn told(script: &Script) -> String {
        let mut view = RunView::default();
        script.events().iter().for_each(|event| view.apply(event));
        let next = NextSteps { status: "wesago status --context sandbox".into() };
        anstream::adapter::strip_str(&summary(&view, &next)).to_string()
    }

    #[test]
    fn of_a_run_that_was_cut_off() {
        let mut view = RunView::default();
        script::success().events().iter().take(22).for_each(|event| view.apply(event));
        let next = NextSteps { status: "wesago status --context sandbox".into() };
        let told = [false, true].map(|goes_on| unfinished(&view, goes_on, &next));
        let told = anstream::adapter::strip_str(&told.join("----\n")).to_string();
        insta::assert_snapshot!(told);
    }

    #[test]
    fn of_a_success() {
        insta::assert_snapshot!(told(&script::success()), @"
        shop deployed in 15.4s: 4 created, 1 configured, 1 recreated, 1 unchanged

        STAGE               STATE        START     TOOK  OBJECTS
        databases/postgres  settled       0.0s     9.0s  2 created, 1 configured
        databases/redis     settled       0.0s     1.1s  1 unchanged
        migrate             settled       9.0s     2.9s  1 recreated
        web                 settled      12.0s     3.4s  1 created
        -                   -                -        -  1 created

        warning: Deployment/web: spec.x is deprecated

        the shop is at http://shop.example
        ");
    }

    #[test]
    fn of_nothing_to_do() {
        insta::assert_snapshot!(told(&script::nothing_to_do()), @"
        shop: nothing to do, all is ready (7 unchanged, 0.0s)

        nothing was sent: each object is the one we wrote, the plan says the same as then, and by the server's own
        record of who owns which field nobody has touched a field of ours since
        ");
    }

    #[test]
    fn of_a_failed_stage() {
        insta::assert_snapshot!(told(&script::failure()), @"
        deploy of shop failed after 13.1s: of 4 stages, 1 failed, 1 skipped, 2 settled

        stage migrate failed after 4.0s: Job/migrate: BackoffLimitExceeded
          Job/migrate > Pod/migrate-x7k2p > container migrate: Error: exited with code 1, 3 times
            | connecting to postgres
            | FATAL: password authentication failed
            next: kubectl --namespace shop logs migrate-x7k2p

        STAGE               STATE        START     TOOK  OBJECTS
        databases/postgres  settled       0.0s     9.0s  2 created, 1 configured
        databases/redis     settled       0.0s     1.1s  1 unchanged
        migrate             failed        9.0s     4.0s  1 recreated
        web                 skipped          -        -  migrate did not settle
        -                   -                -        -  1 created

        3 created, 1 configured, 1 recreated, 1 unchanged
        hint: mend the cause and run the same command again: what is unchanged is not written again
        hint: `wesago status --context sandbox` shows what is there
        ");
    }

    #[test]
    fn of_a_stage_that_was_not_ready_in_time() {
        insta::assert_snapshot!(told(&script::late()), @"
        deploy of shop ran out of time after 1m 09s: of 4 stages, 1 not ready in time, 1 skipped, 2 settled

        stage migrate was not ready in time, after 1m 00s
          Job/migrate: is running

        STAGE               STATE        START     TOOK  OBJECTS
        databases/postgres  settled       0.0s     9.0s  2 created, 1 configured
        databases/redis     settled       0.0s     1.1s  1 unchanged
        migrate             timed out     9.0s   1m 00s  1 recreated
        web                 skipped          -        -  migrate did not settle
        -                   -                -        -  1 created

        3 created, 1 configured, 1 recreated, 1 unchanged
        hint: run the same command again to go on waiting: what is unchanged is not written again
        hint: `wesago status --context sandbox` shows what is there
        ");
    }

    #[test]
    fn of_an_interrupt() {
        insta::assert_snapshot!(told(&script::interrupted()), @"
        deploy of shop interrupted after 10.0s: of 4 stages, 2 cancelled, 2 settled

        STAGE               STATE        START     TOOK  OBJECTS
        databases/postgres  settled       0.0s     9.0s  2 created, 1 configured
        databases/redis     settled       0.0s     1.1s  1 unchanged
        migrate             cancelled     9.0s     0.9s  1 recreated
        web                 cancelled        -        -
        -                   -                -        -  1 created

        3 created, 1 configured, 1 recreated, 1 unchanged
        hint: run the same command again to go on where it stopped
        hint: `wesago status --context sandbox` shows what is there
        ");
    }

    #[test]
    fn of_a_teardown() {
        insta::assert_snapshot!(told(&script::teardown()), @"
        shop removed in 4.0s: 5 deleted, 1 kept

        STAGE               STATE        START     TOOK  OBJECTS
        databases/postgres  settled       3.0s     0.8s  1 deleted
        databases/redis     settled       2.1s     0.8s  1 deleted
        migrate             settled       2.1s     0.8s  1 deleted
        web                 settled       0.0s     0.8s  1 deleted
        -                   -                -        -  1 deleted

        PersistentVolumeClaim/data-postgres-0 stays: a volume of 1Gi; --delete-data removes it
        ");
    }

    #[test]
    fn a_run_without_an_end_has_no_report() {
        let view = RunView::default();
        assert_eq!(summary(&view, &NextSteps { status: String::new() }), "");
    }
}
