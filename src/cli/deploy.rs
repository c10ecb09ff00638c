//! `wesago deploy`, and what `wesago rollback` shares with it.

use super::arguments::{Deploy, Output, RunArguments, WriteArguments};
use super::context::{Context, ProcessSecrets, origin};
use super::exit::{Exit, Failure};
use super::liberties::liberties;
use super::reports::{conclude, reporters};
use super::session::{Ready, open};
use crate::engine::{Confirm, DeployOptions, Emitter};
use crate::event::Forecast;
use crate::history::Revision;
use crate::plan::Plan;
use crate::report::forecast_notices;

/// Runs the command.
pub(super) async fn run(arguments: &Deploy, context: &Context) -> Result<Exit, Failure> {
    let Deploy { target, delete_data, writing } = arguments;
    let ready = open(context, target, !writing.run.yes).await?;
    carry_out(
        context,
        &ready,
        &ready.loaded.composed.plan,
        writing,
        Intent::Deploy { delete_data: *delete_data },
    )
    .await
}

/// What a plan is written for.
pub(super) enum Intent {
    /// It is what is wanted now.
    Deploy {
        /// Volumes, generated Secrets and namespaces that left it may go.
        delete_data: bool,
    },
    /// It is what this revision held.
    Rollback(Box<Revision>),
}

/// Writes a plan, with all that is told of it.
pub(super) async fn carry_out(
    context: &Context,
    ready: &Ready,
    plan: &Plan,
    arguments: &WriteArguments,
    intent: Intent,
) -> Result<Exit, Failure> {
    let (mut fanout, cancels) = reporters(&arguments.run, context, ready)?;
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let (delete_data, rollback) = match intent {
        Intent::Deploy { delete_data } => (delete_data, None),
        Intent::Rollback(revision) => (false, Some(*revision)),
    };
    let target = rollback.as_ref().map(|revision| revision.number);
    let options = DeployOptions {
        delete_data,
        rollback,
        origin: origin(ready.loaded.file.as_deref()),
        skip_preflight: arguments.skip_preflight,
        wait_lock: arguments.wait.wait_lock,
        max_deletions: Some(arguments.deletions.max_deletions),
        confirm: (context.can_ask && !arguments.run.yes).then(|| confirm(&arguments.run, target)),
        ..liberties(&arguments.liberties, plan)?
    };
    let verdict = ready.engine.deploy(plan, &options, &ProcessSecrets, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, ready))
}

/// Returns what asks on the terminal before something goes, or before it is rolled back to a revision. Off a
/// terminal nobody is asked: what goes is within `--max-deletions`.
fn confirm(telling: &RunArguments, target: Option<u32>) -> Confirm {
    // What is foreseen is told by the reporters, unless there are none for a person.
    let is_told = !telling.quiet && telling.output == Output::Text;
    Confirm::new(move |forecast: &Forecast| {
        let mut lines = if is_told { Vec::new() } else { forecast_notices(forecast) };
        let question =
            target.map_or_else(|| "go on?".to_owned(), |number| format!("roll back to revision {number}?"));
        lines.push(format!("what is marked `-` or `±` is deleted. {question} [y/N] "));
        let question = lines.join("\n");
        Box::pin(async move { matches!(Context::answer(question).await.as_deref(), Ok("y" | "Y" | "yes")) })
    })
}
