//! `wesago rollback`: deploys what an earlier revision held.

use super::arguments::Rollback;
use super::context::{Context, ProcessSecrets};
use super::deploy::{Question, options};
use super::exit::{Exit, Failure};
use super::history::line;
use super::output::complain;
use super::reports::{conclude, reporters};
use super::session::open;
use crate::engine::{Chosen, DeployOptions, Emitter};

/// Runs the command.
pub(super) async fn run(arguments: &Rollback, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, !arguments.run.yes).await?;
    let present = &ready.loaded.composed.plan;
    let Chosen { revision, plan } = ready.engine.revision(present, arguments.revision).await?;
    complain(&format!("to {}\n", line(&revision)));
    let (mut fanout, cancels) = reporters(&arguments.run, context, &ready)?;
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let question = Question::Rollback(revision.number);
    let options = options(&arguments.writing, arguments.wait, &arguments.run, &plan, context, question)?;
    let options = DeployOptions { rollback: Some(revision), ..options };
    let verdict = ready.engine.deploy(&plan, &options, &ProcessSecrets, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
}
