//! `wesago status`: what is there of a plan, and is it ready.

use std::fmt::Write as _;

use super::arguments::{Output, Status};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::print;
use super::session::open;
use crate::engine::StatusRow;
use crate::readiness::Readiness;

/// Runs the command.
pub(super) async fn run(arguments: &Status, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, false).await?;
    let rows = ready.engine.status(&ready.loaded.composed.plan).await?;
    match arguments.output {
        Output::Text => print(&table(&rows))?,
        Output::Json => {
            let text = serde_json::to_string_pretty(&rows).map_err(|cause| {
                Failure::new(Exit::Internal, "the status cannot be written").caused_by(&cause)
            })?;
            print(&(text + "\n"))?;
        }
    }
    let all_current = rows.iter().all(|row| matches!(row.readiness, Readiness::Current { .. }));
    Ok(if all_current { Exit::Done } else { Exit::Differences })
}

fn table(rows: &[StatusRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let stage = row.stage.as_ref().map_or("", |stage| stage.as_str());
        let _infallible = writeln!(text, "{stage:<24} {:<40} {:?}", row.object.to_string(), row.readiness);
    }
    text
}
