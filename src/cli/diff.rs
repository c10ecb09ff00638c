//! `wesago diff`: what a deploy would do. Writes nothing; the exit code tells whether there is anything.

use std::borrow::Cow;

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
    let ready = open(context, &arguments.target, false).await?;
    let mut plan = Cow::Borrowed(&ready.loaded.composed.plan);
    let (mut name, mut rollback) = (plan.name().to_owned(), None);
    if arguments.revision.is_some() {
        let chosen = ready.engine.revision(&plan, arguments.revision).await?;
        name = format!("{name}, revision {}", chosen.revision.number);
        (plan, rollback) = (Cow::Owned(chosen.plan), Some(chosen.revision));
    }
    let liberties = liberties(&arguments.liberties, &plan)?;
    let options = DeployOptions { delete_data: arguments.delete_data, rollback, ..liberties };
    let forecast = ready.engine.diff(&plan, &options).await?;
    let heading = Heading { plan: &name, context: &ready.context_name };
    match arguments.output {
        DiffOutput::Text => print(&forecast_text(heading, &forecast))?,
        DiffOutput::Markdown => print(&forecast_markdown(heading, &forecast))?,
        DiffOutput::Json => {
            let document = document(&plan, arguments.revision, &ready.context_name, &forecast);
            print(&format!("{document:#}\n"))?;
        }
    }
    Ok(if forecast.is_nothing() { Exit::Done } else { Exit::Differences })
}

fn document(plan: &Plan, revision: Option<u32>, context: &str, forecast: &Forecast) -> Value {
    json!({
        "schema": SCHEMA,
        "plan": plan.name(),
        "revision": revision,
        "context": context,
        "namespace": plan.namespace(),
        "changes": !forecast.is_nothing(),
        "objects": forecast.objects,
        "unchanged": forecast.unchanged,
    })
}
