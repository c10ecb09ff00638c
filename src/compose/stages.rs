//! Stages of the document to nodes of the graph: groups resolved to their members, left-out stages left
//! out, and every name that leads nowhere told where it stands.

use std::collections::BTreeMap;

use super::decode::{Decoder, Text};
use super::document::{Document, StageDecl};
use crate::plan::{GraphError, StageId};
use crate::problem::{Place, Problem};

/// What a stage waits for, with the place that says so.
pub(super) type Needs = BTreeMap<StageId, Place>;

/// Returns true when a stage takes part.
pub(super) fn is_enabled(document: &Document, id: &StageId, stage: &StageDecl) -> bool {
    let group = document.groups.get(id.group()).filter(|_| id.is_member());
    stage.enabled.unwrap_or(true) && group.and_then(|group| group.enabled).unwrap_or(true)
}

/// Returns what each stage that takes part waits for, in the order of the file.
pub(super) fn needs(document: &Document, decoder: &mut Decoder) -> Vec<(StageId, Needs)> {
    let mut resolved = Vec::new();
    for (id, stage) in &document.stages {
        is_sound(document, id, stage, decoder);
        if !is_enabled(document, id, stage) {
            continue;
        }
        let group = document.groups.get(id.group()).filter(|_| id.is_member());
        let common = group.and_then(|group| group.needs.as_ref());
        let mut needs = Needs::new();
        for need in common.into_iter().chain(&stage.needs).flatten() {
            for (found, place) in named(document, id, need, decoder) {
                needs.entry(found).or_insert(place);
            }
        }
        resolved.push((id.clone(), needs));
    }
    resolved
}

/// Checks what does not depend on other stages' needs.
fn is_sound(document: &Document, id: &StageId, stage: &StageDecl, decoder: &mut Decoder) {
    if let Some(group) = document.groups.get(id.as_str()) {
        decoder.problem(
            Problem::at(&stage.place, format!("`{id}` is a stage and a group"))
                .labelled("a stage here")
                .mark(&group.place, "a group here"),
        );
    }
    if stage.apply.is_none() && stage.configs.is_none() && stage.checks.is_none() {
        let others = names(document).into_iter().filter(|name| *name != id.as_str());
        let problem = Problem::at(&stage.place, format!("stage `{id}` does nothing"))
            .labelled("no `apply`, `configs` or `checks`")
            .did_you_mean(id.as_str(), others);
        decoder.problem(if problem.hints().is_empty() {
            problem.hint("give it `apply: [path]`, or leave it out")
        } else {
            problem
        });
    }
}

/// Returns the stages that one entry of `needs` means.
fn named(document: &Document, id: &StageId, need: &Text, decoder: &mut Decoder) -> Vec<(StageId, Place)> {
    let name = need.value.as_str();
    let found: Vec<(&StageId, &StageDecl)> = if document.groups.contains_key(name) {
        document.stages.iter().filter(|(stage, _)| stage.is_member() && stage.group() == name).collect()
    } else {
        document.stages.iter().filter(|(stage, _)| stage.as_str() == name).collect()
    };
    if found.is_empty() {
        if !document.groups.contains_key(name) {
            decoder.problem(unknown(document, id, need));
        }
        return Vec::new();
    }
    if found.len() > 1 && id.is_member() && id.group() == name {
        decoder.problem(
            Problem::at(&need.place, format!("stage `{id}` needs its own group `{name}`, and so itself"))
                .hint(format!("name the members it waits for: `{name}/…`")),
        );
        return Vec::new();
    }
    let enabled: Vec<(StageId, Place)> = found
        .iter()
        .filter(|(stage, declared)| is_enabled(document, stage, declared))
        .map(|(stage, _)| ((*stage).clone(), need.place.clone()))
        .collect();
    if let (true, Some((_, first))) = (enabled.is_empty(), found.first()) {
        decoder.problem(
            Problem::at(&need.place, format!("stage `{id}` needs `{name}`, which is left out"))
                .mark(&first.place, "`enabled` is false here or for its group")
                .hint(format!("leave `{id}` out too, or do not let it need `{name}`")),
        );
    }
    enabled
}

fn unknown(document: &Document, id: &StageId, need: &Text) -> Problem {
    let name = &need.value;
    let problem = Problem::at(&need.place, format!("stage `{id}` needs `{name}`, which is not a stage"))
        .labelled("unknown stage");
    let sibling = format!("{}/{name}", id.group());
    // A member is named in full everywhere; the short name is the likeliest slip inside a group.
    let member = names(document)
        .into_iter()
        .find(|known| *known == sibling)
        .or_else(|| names(document).into_iter().find(|known| known.ends_with(&format!("/{name}"))));
    match member {
        Some(member) => problem.hint(format!("a member is named with its group: `{member}`")),
        None => problem.did_you_mean(name, names(document)),
    }
}

fn names(document: &Document) -> Vec<&str> {
    let stages = document.stages.keys().map(StageId::as_str);
    stages.chain(document.groups.keys().map(String::as_str)).collect()
}

/// Returns what is wrong with the graph as a problem with the places of the needs that make it so.
pub(super) fn problem(error: &GraphError, needs: &[(StageId, Needs)], document: &Document) -> Problem {
    let place = |from: &StageId, to: &StageId| {
        needs.iter().find(|(id, _)| id == from).and_then(|(_, needs)| needs.get(to))
    };
    let problem = Problem::new(error.to_string());
    match error {
        GraphError::Cycle { path } => {
            let problem = path.windows(2).fold(problem, |problem, pair| match place(&pair[0], &pair[1]) {
                Some(place) => problem.mark(place, format!("`{}` needs `{}`", pair[0], pair[1])),
                None => problem,
            });
            problem.hint("one of them must start first: take one of these needs out")
        }
        GraphError::NeedsItself { stage } => match place(stage, stage) {
            Some(place) => problem.mark(place, ""),
            None => problem,
        },
        GraphError::Duplicate { stage } | GraphError::Unknown { stage, .. } => {
            match document.stages.get(stage) {
                Some(declared) => problem.mark(&declared.place, ""),
                None => problem,
            }
        }
    }
}
