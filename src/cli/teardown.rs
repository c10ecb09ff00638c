//! `wesago teardown`

use std::fmt::Write as _;

use super::arguments::Teardown;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::complain;
use super::reports::{conclude, reporters};
use super::session::{Ready, open};
use crate::engine::{Emitter, Fate, Removal};

/// Runs the command.
pub(super) async fn run(arguments: &Teardown, context: &Context) -> Result<Exit, Failure> {
    // The one question below names plan and context: no second one for the current context.
    let ready = open(context, &arguments.plan, &arguments.cluster, false).await?;
    let plan = &ready.loaded.composed.plan;
    if !arguments.run.yes {
        let removal = ready.engine.removal(plan, arguments.delete_data).await?;
        confirm(context, &ready, &removal)?;
    }
    let (mut fanout, cancels) = reporters(&arguments.run, context, &ready)?;
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let verdict = ready.engine.teardown(plan, arguments.delete_data, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
}

/// Shows what goes and what stays, and asks by the plan's name.
fn confirm(context: &Context, ready: &Ready, removal: &Removal) -> Result<(), Failure> {
    let plan = &ready.loaded.composed.plan;
    complain(&overview(removal));
    if !context.can_ask {
        return Err(Failure::new(Exit::Usage, "nobody can be asked: this is not a terminal")
            .hint("say `--yes` to remove without a question"));
    }
    let question = format!("type `{}` to remove this from `{}`: ", plan.name(), ready.context_name);
    let answer = Context::ask(&question)
        .map_err(|cause| Failure::new(Exit::Internal, "the terminal cannot be read").caused_by(&cause))?;
    if answer == plan.name() {
        Ok(())
    } else {
        Err(Failure::new(Exit::Usage, "not confirmed; nothing was removed"))
    }
}

/// Returns what goes and what stays, one line an object.
fn overview(removal: &Removal) -> String {
    let mut text = String::new();
    for (object, fate) in removal.fates() {
        let _infallible = match fate {
            Fate::Goes => writeln!(text, "  goes   {object}"),
            Fate::Stays(keep) => writeln!(text, "  stays  {object}: {}", keep.reason()),
            Fate::IsLetGo { mark } => writeln!(text, "  stays  {object}: `{mark}` says so"),
        };
    }
    if removal.is_empty() {
        text.push_str("there is nothing to remove\n");
    }
    text
}
