//! `wesago graph`: the stages and what each waits for, as text or for Graphviz.

use std::fmt::Write as _;

use super::arguments::{Graph, GraphOutput};
use super::exit::{Exit, Failure};
use super::load::load;
use super::output::print;
use crate::plan::{Plan, StageIdx};

/// Runs the command.
pub(super) fn run(arguments: &Graph, coloured: bool) -> Result<Exit, Failure> {
    let loaded = load(&arguments.plan, None, coloured)?;
    let plan = &loaded.composed.plan;
    print(&match arguments.output {
        GraphOutput::Text => text(plan),
        GraphOutput::Dot => dot(plan),
    })?;
    Ok(Exit::Done)
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for &index in plan.order() {
        let stage = plan.stage(index);
        let needs: Vec<&str> = stage.needs.iter().map(crate::plan::StageId::as_str).collect();
        let needs = if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
        let _infallible = writeln!(text, "{}  {} objects{needs}", stage.id, stage.objects.len());
    }
    text
}

fn dot(plan: &Plan) -> String {
    let mut text = format!("digraph {:?} {{\n  rankdir=LR;\n", plan.name());
    for (index, stage) in plan.stages().iter().enumerate() {
        let _infallible = writeln!(text, "  {:?};", stage.id.as_str());
        for need in plan.needs(StageIdx(index)) {
            let _infallible =
                writeln!(text, "  {:?} -> {:?};", plan.stage(*need).id.as_str(), stage.id.as_str());
        }
    }
    text.push_str("}\n");
    text
}
