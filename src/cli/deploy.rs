//! `wesago deploy`

use super::arguments::Deploy;
use super::context::{Context, ProcessSecrets};
use super::exit::{Exit, Failure};
use super::reports::{conclude, reporters};
use super::session::open;
use crate::engine::{DeployOptions, Emitter};

/// Runs the command.
pub(super) async fn run(arguments: &Deploy, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, !arguments.run.yes).await?;
    let (mut fanout, cancels) = reporters(&arguments.run, context, &ready)?;
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let plan = &ready.loaded.composed.plan;
    let options = DeployOptions { delete_data: arguments.delete_data };
    let verdict = ready.engine.deploy(plan, &options, &ProcessSecrets, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
}
