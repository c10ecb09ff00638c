//! `wesago deploy`

use super::arguments::{Deploy, Output, RunArguments, WaitArguments, WriteArguments};
use super::context::{Context, ProcessSecrets};
use super::exit::{Exit, Failure};
use super::liberties::liberties;
use super::reports::{conclude, reporters};
use super::session::open;
use crate::engine::{Confirm, DeployOptions, Emitter};
use crate::event::Forecast;
use crate::plan::Plan;
use crate::report::forecast_notices;

/// Runs the command.
pub(super) async fn run(arguments: &Deploy, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, !arguments.run.yes).await?;
    let (mut fanout, cancels) = reporters(&arguments.run, context, &ready)?;
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let plan = &ready.loaded.composed.plan;
    let Deploy { writing, wait, run, .. } = arguments;
    let options = options(writing, *wait, run, plan, context, Question::Deploy)?;
    let options = DeployOptions { delete_data: arguments.delete_data, ..options };
    let verdict = ready.engine.deploy(plan, &options, &ProcessSecrets, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
}

/// What is asked about.
#[derive(Clone, Copy)]
pub(super) enum Question {
    /// What goes in a deploy.
    Deploy,
    /// A rollback to this revision.
    Rollback(u32),
}

/// Returns what asks on the terminal before something goes. Off a terminal nobody is asked: what goes is
/// within `--max-deletions`.
fn confirm(telling: &RunArguments, question: Question) -> Confirm {
    // What is foreseen is told by the reporters, unless there are none for a person.
    let is_told = !telling.quiet && telling.output == Output::Text;
    Confirm::new(move |forecast: &Forecast| {
        let mut lines = if is_told { Vec::new() } else { forecast_notices(forecast) };
        lines.push(match question {
            Question::Deploy => "what is marked `-` or `±` is deleted. go on? [y/N] ".to_owned(),
            Question::Rollback(number) => {
                format!("what is marked `-` or `±` is deleted. roll back to revision {number}? [y/N] ")
            }
        });
        let question = lines.join("\n");
        Box::pin(async move { matches!(Context::answer(question).await.as_deref(), Ok("y" | "Y" | "yes")) })
    })
}

/// Returns what a deploy may do; what is named must be in the plan.
pub(super) fn options(
    writing: &WriteArguments,
    wait: WaitArguments,
    run: &RunArguments,
    plan: &Plan,
    context: &Context,
    question: Question,
) -> Result<DeployOptions, Failure> {
    Ok(DeployOptions {
        skip_preflight: writing.skip_preflight,
        wait_lock: wait.wait_lock,
        max_deletions: Some(writing.deletions.max_deletions),
        confirm: (context.can_ask && !run.yes).then(|| confirm(run, question)),
        ..liberties(&writing.liberties, plan)?
    })
}
