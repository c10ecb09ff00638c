//! `wesago deploy`

use super::arguments::{Deploy, Output, RunArguments};
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
    let options = options(arguments, plan, context)?;
    let verdict = ready.engine.deploy(plan, &options, &ProcessSecrets, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
}

/// Returns what asks on the terminal before something goes. Off a terminal nobody is asked: what goes is
/// within `--max-deletions`.
fn confirm(telling: &RunArguments) -> Confirm {
    // What is foreseen is told by the reporters, unless there are none for a person.
    let is_told = !telling.quiet && telling.output == Output::Text;
    Confirm::new(move |forecast: &Forecast| {
        let mut lines = if is_told { Vec::new() } else { forecast_notices(forecast) };
        lines.push("what is marked `-` or `±` is deleted. go on? [y/N] ".to_owned());
        let question = lines.join("\n");
        Box::pin(async move { matches!(Context::answer(question).await.as_deref(), Ok("y" | "Y" | "yes")) })
    })
}

/// Returns what the deploy may do.
fn options(arguments: &Deploy, plan: &Plan, context: &Context) -> Result<DeployOptions, Failure> {
    Ok(DeployOptions {
        delete_data: arguments.delete_data,
        skip_preflight: arguments.skip_preflight,
        wait_lock: arguments.wait.wait_lock,
        max_deletions: Some(arguments.deletions.max_deletions),
        confirm: (context.can_ask && !arguments.run.yes).then(|| confirm(&arguments.run)),
        ..liberties(&arguments.liberties, plan)?
    })
}
