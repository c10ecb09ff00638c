//! `wesago teardown`

use std::fmt::Write as _;

use super::arguments::Teardown;
use super::confirm::confirm;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::complain;
use super::reports::{conclude, reporters};
use super::session::open;
use crate::engine::{Emitter, Fate, Removal, TeardownOptions};

/// Runs the command.
pub(super) async fn run(arguments: &Teardown, context: &Context) -> Result<Exit, Failure> {
    // The one question below names plan and context: no second one for the current context.
    let ready = open(context, &arguments.target, false).await?;
    let plan = &ready.loaded.composed.plan;
    if !arguments.run.yes {
        let removal = ready.engine.removal(plan, arguments.delete_data).await?;
        complain(&overview(&removal));
        let question = format!("to remove this from `{}`", ready.context_name);
        confirm(context, plan.name(), &question, "nothing was removed")?;
    }
    let (mut fanout, cancels) = reporters(&arguments.run, context, &ready)?;
    let mut emitter = Emitter::new(context.clock, &mut fanout);
    let options = TeardownOptions { delete_data: arguments.delete_data, wait_lock: arguments.wait.wait_lock };
    let verdict = ready.engine.teardown(plan, &options, cancels, &mut emitter).await?;
    Ok(conclude(fanout, &arguments.run, &verdict, &ready))
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
