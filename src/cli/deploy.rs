//! `wesago deploy`

use super::arguments::Deploy;
use super::context::{Context, ProcessSecrets};
use super::exit::{Exit, Failure};
use super::reports::{conclude, reporters};
use super::session::open;
use super::signals::cancels;
use crate::engine::{DeployOptions, Emitter};

/// Runs the command.
pub(super) async fn run(arguments: &Deploy, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, !arguments.run.yes).await?;
    let cancels = cancels()
        .map_err(|cause| Failure::new(Exit::Internal, "signals cannot be handled").caused_by(&cause))?;
    let mut fanout = reporters(&arguments.run, context);
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let plan = &ready.loaded.composed.plan;
    let (delete_data, wait_lock) = (arguments.delete_data, arguments.wait.wait_lock);
    let options = DeployOptions { delete_data, wait_lock };
    let verdict = ready.engine.deploy(plan, &options, &ProcessSecrets, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
}
