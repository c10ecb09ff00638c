//! `wesago graph`: the stages and what each waits for, as text or for Graphviz.

use std::fmt::Write as _;

use super::arguments::{Graph, GraphOutput};
use super::exit::{Exit, Failure};
use super::load::load;
use super::output::print;
use crate::plan::{Plan, StageId, StageIdx};
use crate::report::{Ink, padded};

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

/// Returns, per stage, the longest chain of needs that ends in it; the stage itself is the last.
fn chains(plan: &Plan) -> Vec<Vec<StageIdx>> {
    let mut chains: Vec<Vec<StageIdx>> = vec![Vec::new(); plan.stages().len()];
    for &stage in plan.order() {
        let longest = plan.needs(stage).iter().map(|need| &chains[need.0]).max_by_key(|chain| chain.len());
        let mut chain = longest.cloned().unwrap_or_default();
        chain.push(stage);
        chains[stage.0] = chain;
    }
    chains
}

/// Returns the groups with their stages, what each needs, and the longest chain.
fn text(plan: &Plan) -> String {
    let chains = chains(plan);
    let mut lines = Vec::new();
    let widest = plan.stages().iter().map(|stage| shown(&stage.id).len()).max().unwrap_or(0).max(5);
    lines.push(Ink::Strong.paint(&format!("{}  LEVEL  OBJECTS  NEEDS", padded("STAGE", widest))));
    let mut group = "";
    for (stage, chain) in plan.stages().iter().zip(&chains) {
        if stage.id.group() != group {
            group = stage.id.group();
            if stage.id.is_member() {
                lines.push(group.to_owned());
            }
        }
        let needs: Vec<&str> = stage.needs.iter().map(StageId::as_str).collect();
        let name = padded(&shown(&stage.id), widest);
        let (level, objects, needs) = (chain.len(), stage.objects.len(), needs.join(", "));
        lines.push(format!("{name}  {level:>5}  {objects:>7}  {needs}").trim_end().to_owned());
    }
    let longest = chains.iter().max_by_key(|chain| chain.len()).cloned().unwrap_or_default();
    let names: Vec<&str> = longest.iter().map(|&stage| plan.stage(stage).id.as_str()).collect();
    let objects: usize = plan.stages().iter().map(|stage| stage.objects.len()).sum();
    lines.push(String::new());
    let (stages, levels) = (plan.stages().len(), longest.len());
    lines.push(format!("{}: {stages} stages, {objects} objects, {levels} levels", plan.name()));
    lines.push(format!("longest chain: {}", names.join(" > ")));
    lines.join("\n") + "\n"
}

/// Returns the name under its group's: a member of a group is indented and loses the group.
fn shown(id: &StageId) -> String {
    id.as_str().split_once('/').map_or_else(|| id.to_string(), |(_, member)| format!("  {member}"))
}

/// Returns the graph in Graphviz' language: groups as boxes, arrows from a need to who needs it. Needs
/// that follow from others are left out.
fn dot(plan: &Plan) -> String {
    let mut text = format!("digraph {} {{\n", quoted(plan.name()));
    text.push_str("  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    let mut groups: Vec<&str> = Vec::new();
    for stage in plan.stages() {
        if !stage.id.is_member() {
            let _infallible = writeln!(text, "  {};", quoted(stage.id.as_str()));
        } else if !groups.contains(&stage.id.group()) {
            groups.push(stage.id.group());
        }
    }
    for group in groups {
        let _infallible = writeln!(text, "  subgraph {} {{", quoted(&format!("cluster_{group}")));
        let _infallible = writeln!(text, "    label={};", quoted(group));
        for stage in plan.stages().iter().filter(|stage| stage.id.is_member() && stage.id.group() == group) {
            let label = shown(&stage.id);
            let _infallible =
                writeln!(text, "    {} [label={}];", quoted(stage.id.as_str()), quoted(label.trim()));
        }
        text.push_str("  }\n");
    }
    for (index, stage) in plan.stages().iter().enumerate() {
        for &need in direct(plan, StageIdx(index)) {
            let from = quoted(plan.stage(need).id.as_str());
            let _infallible = writeln!(text, "  {from} -> {};", quoted(stage.id.as_str()));
        }
    }
    text.push_str("}\n");
    text
}

/// Returns the needs of a stage that do not follow from another of its needs.
fn direct(plan: &Plan, stage: StageIdx) -> impl Iterator<Item = &StageIdx> {
    let needs = plan.needs(stage);
    needs
        .iter()
        .filter(move |&&need| !needs.iter().any(|&other| other != need && plan.graph().reaches(other, need)))
}

/// Returns a string of Graphviz' language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{dot, text};
    use crate::plan::{Plan, Stage, StageId};

    fn plan() -> Plan {
        let stage = |name: &str, needs: &[&str]| Stage {
            id: StageId::new(name).unwrap(),
            needs: needs.iter().map(|need| StageId::new(*need).unwrap()).collect(),
            objects: Vec::new(),
            deadline: Duration::from_secs(60),
            checks: Vec::new(),
        };
        let stages = vec![
            stage("databases/postgres", &[]),
            stage("databases/redis", &[]),
            stage("migrate", &["databases/postgres"]),
            stage("web", &["databases/postgres", "databases/redis", "migrate"]),
        ];
        Plan::new("shop", "shop", stages).unwrap()
    }

    #[test]
    fn as_text() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&plan())), @"
        STAGE       LEVEL  OBJECTS  NEEDS
        databases
          postgres      1        0
          redis         1        0
        migrate         2        0  databases/postgres
        web             3        0  databases/postgres, databases/redis, migrate

        shop: 4 stages, 0 objects, 3 levels
        longest chain: databases/postgres > migrate > web
        ");
    }

    #[test]
    fn for_graphviz() {
        insta::assert_snapshot!(dot(&plan()), @r#"
        digraph "shop" {
          rankdir=LR;
          node [shape=box, style=rounded, fontname="sans-serif"];
          "migrate";
          "web";
          subgraph "cluster_databases" {
            label="databases";
            "databases/postgres" [label="postgres"];
            "databases/redis" [label="redis"];
          }
          "databases/postgres" -> "migrate";
          "databases/redis" -> "web";
          "migrate" -> "web";
        }
        "#);
    }
}
