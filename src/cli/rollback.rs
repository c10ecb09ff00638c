//! `wesago rollback`: deploys what an earlier revision held.

use super::arguments::Rollback;
use super::context::Context;
use super::deploy::{Intent, carry_out};
use super::exit::{Exit, Failure};
use super::history::line;
use super::output::complain;
use super::session::open;
use crate::engine::Chosen;

/// Runs the command.
pub(super) async fn run(arguments: &Rollback, context: &Context) -> Result<Exit, Failure> {
    let Rollback { revision: wanted, target, writing } = arguments;
    let ready = open(context, target, !writing.run.yes).await?;
    let Chosen { revision, plan } = ready.engine.revision(&ready.loaded.composed.plan, *wanted).await?;
    complain(&format!("to {}\n", line(&revision)));
    carry_out(context, &ready, &plan, writing, Intent::Rollback(Box::new(revision))).await
}
