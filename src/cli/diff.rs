//! `wesago diff`: what a deploy would do. Writes nothing; the exit code tells whether there is anything.

use serde_json::{Value, json};

use super::arguments::{Diff, DiffOutput};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::liberties::liberties;
use super::output::print;
use super::session::open;
use crate::engine::DeployOptions;
use crate::event::{Forecast, SCHEMA};
use crate::plan::Plan;
use crate::report::{Heading, forecast_markdown, forecast_text};

/// Runs the command.
pub(super) async fn run(arguments: &Diff, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, false).await?;
    let plan = &ready.loaded.composed.plan;
    let liberties = liberties(&arguments.liberties, plan)?;
    let options = DeployOptions { delete_data: arguments.delete_data, ..liberties };
    let forecast = ready.engine.diff(plan, &options).await?;
    let heading = Heading { plan: plan.name(), context: &ready.context_name };
    match arguments.output {
        DiffOutput::Text => print(&forecast_text(heading, &forecast))?,
        DiffOutput::Markdown => print(&forecast_markdown(heading, &forecast))?,
        DiffOutput::Json => print(&format!("{:#}\n", document(plan, &ready.context_name, &forecast)))?,
    }
    Ok(if forecast.is_nothing() { Exit::Done } else { Exit::Differences })
}

fn document(plan: &Plan, context: &str, forecast: &Forecast) -> Value {
    json!({
        "schema": SCHEMA,
        "plan": plan.name(),
        "context": context,
        "namespace": plan.namespace(),
        "changes": !forecast.is_nothing(),
        "objects": forecast.objects,
        "unchanged": forecast.unchanged,
    })
}
