//! The steps from a request to a plan. Each collects what is wrong and lets the next go on with what is
//! right, so that one run tells all.

use std::collections::BTreeSet;
use std::time::Duration;

use indexmap::IndexMap;

use super::chain::PlanFile;
use super::decode::{Decoder, Text};
use super::document::{Document, PatchDecl};
use super::manifest::Draft;
use super::stages::Needs;
use super::variables::Variables;
use super::{
    Composed, Request, chain, checked, configs, conflicts, document, fingerprint, manifest, names, patch,
    readiness, stages, variables,
};
use crate::plan::{Check, Plan, Stage, StageId};
use crate::problem::{Problem, Problems};
use crate::yaml::Substitution;

/// How long a stage may take when it does not say.
const DEADLINE: Duration = Duration::from_secs(600);

/// The fields of a plan file that hold no variables.
const WITHOUT_VARIABLES: [&str; 2] = ["extends", "variables"];

/// Returns the plan that `request` asks for.
pub(super) fn assemble(request: &Request<'_>) -> Result<Composed, Problems> {
    let mut decoder = Decoder::default();
    let mut warnings = Problems::new();
    let Some(mut chain) = chain::load(request.files, request.plan, &mut decoder, &mut warnings) else {
        return Err(sorted(decoder.problems));
    };
    let variables = variables::resolve(&chain, request, &mut decoder);
    let mut substitution = Substitution::new(&variables.values);
    for file in &mut chain {
        substitute(file, &mut substitution);
    }
    let document = document::decode(&chain, &mut decoder);
    let mut drafts = objects(request, &document, &mut substitution, &mut decoder, &mut warnings);
    let (used, problems) = substitution.finish();
    decoder.problems.extend(problems);
    unused(&variables, &used, &mut decoder);

    let needs = stages::needs(&document, &mut decoder);
    let enabled: Vec<bool> =
        document.stages.iter().map(|(id, stage)| stages::is_enabled(&document, id, stage)).collect();
    // A rule may be for what only another edition of the plan takes along.
    let rules = readiness::rules(&document.readiness, &drafts, &mut decoder);
    let left_out: Vec<Draft> = drafts.extract_if(.., |draft| !enabled[draft.stage]).collect();
    for patch in &document.patches {
        patched(patch, &mut drafts, &left_out, &mut decoder);
    }
    let plan = plan(&chain, &document, drafts, &left_out, &needs, &mut decoder, &mut warnings);
    match plan {
        Some(plan) if decoder.problems.is_empty() => {
            warnings.sort();
            let plan = plan.with_rules(rules);
            Ok(Composed { plan, warnings, variables: variables.values })
        }
        _ => Err(sorted(decoder.problems)),
    }
}

fn sorted(mut problems: Problems) -> Problems {
    problems.sort();
    problems
}

fn substitute(file: &mut PlanFile, substitution: &mut Substitution<'_>) {
    if let crate::yaml::Kind::Mapping(entries) = &mut file.root.kind {
        for entry in entries.iter_mut().filter(|entry| !WITHOUT_VARIABLES.contains(&entry.key.name.as_str()))
        {
            substitution.tree(&mut entry.value);
        }
    }
}

/// Returns every object of every stage, those of left-out stages too: they must be right as well.
fn objects(
    request: &Request<'_>,
    document: &Document,
    substitution: &mut Substitution<'_>,
    decoder: &mut Decoder,
    warnings: &mut Problems,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (at, stage) in document.stages.values().enumerate() {
        for config in stage.configs.iter().flatten() {
            if let Some(object) = configs::read(request.files, config, substitution, decoder) {
                drafts.push(Draft { object, place: config.name.place.clone(), node: None, stage: at });
            }
        }
        for path in stage.apply.iter().flatten() {
            for file in manifest::files(request.files, path, decoder) {
                let (objects, told) =
                    manifest::read(request.files, &file, &path.place, substitution, decoder);
                warnings.extend(told);
                for (object, node) in objects {
                    drafts.push(Draft { object, place: node.place.clone(), node: Some(node), stage: at });
                }
            }
        }
    }
    drafts
}

/// Tells the variables that nothing uses; not when a file could not be read that may have used them.
fn unused(variables: &Variables, used: &BTreeSet<String>, decoder: &mut Decoder) {
    if !decoder.problems.is_empty() {
        return;
    }
    for (name, place) in variables.places.iter().filter(|(name, _)| !used.contains(*name)) {
        decoder.problem(
            Problem::at(place, format!("nothing uses variable `{name}`"))
                .hint(format!("write `${{{name}}}` where it belongs, or take it out")),
        );
    }
}

fn patched(patch: &PatchDecl, drafts: &mut [Draft], left_out: &[Draft], decoder: &mut Decoder) {
    let names = |draft: &Draft| draft.object.reference().to_string() == patch.target.value;
    // An object that is left out on purpose needs no change.
    if !drafts.iter().any(names) && left_out.iter().any(names) {
        return;
    }
    patch::apply(patch, drafts, decoder);
}

fn plan(
    chain: &[PlanFile],
    document: &Document,
    mut drafts: Vec<Draft>,
    left_out: &[Draft],
    needs: &[(StageId, Needs)],
    decoder: &mut Decoder,
    warnings: &mut Problems,
) -> Option<Plan> {
    let name = named(chain, "name", document.name.as_ref(), decoder);
    let namespace = named(chain, "namespace", document.namespace.as_ref(), decoder);
    if document.stages.is_empty() && decoder.problems.is_empty() {
        let whole = &chain.last()?.root.place;
        decoder.problem(Problem::at(whole, "the plan has no stages").hint("write them under `stages:`"));
    }
    let namespace = namespace?;
    let open_kinds = checked::settle_namespaces(&mut drafts, &namespace);
    let places = checked::places(&drafts, &document.secrets, &namespace, decoder);
    checked::services(document, &drafts, &namespace, decoder);
    checked::references(&drafts, &document.secrets, &namespace, decoder);
    let configs = checked::contents(&drafts, "ConfigMap", &namespace);
    let manifest_secrets = checked::contents(&drafts, "Secret", &namespace);
    for draft in drafts.iter_mut().filter(|draft| draft.object.namespace() == Some(&namespace)) {
        fingerprint::fold_configs(&mut draft.object, &configs);
        fingerprint::fold_manifest_secrets(&mut draft.object, &manifest_secrets);
    }
    let conflicts = conflicts::resolve(&document.conflicts, &drafts, left_out, decoder, warnings);
    let stages = built(document, drafts, needs);
    match Plan::new(name?, namespace, stages) {
        Ok(plan) => {
            let secrets = document.secrets.values().map(|(spec, _)| spec.clone()).collect();
            let notes = document.notes.clone();
            let plan = plan.with_places(places);
            let plan = plan.with_secrets(secrets).with_notes(notes).with_open_kinds(open_kinds);
            Some(plan.with_conflicts(conflicts))
        }
        Err(errors) => {
            for error in &errors {
                decoder.problem(stages::problem(error, needs, document));
            }
            None
        }
    }
}

/// Returns a required name of the plan that becomes part of names in the cluster.
fn named(chain: &[PlanFile], field: &str, text: Option<&Text>, decoder: &mut Decoder) -> Option<String> {
    let Some(text) = text else {
        let last = chain.last()?;
        if last.root.get(field).is_none() {
            let place = &last.root.place;
            decoder.problem(
                Problem::at(place, format!("the plan has no `{field}`"))
                    .hint(format!("write `{field}: my-forum`")),
            );
        }
        return None;
    };
    // What is made in the cluster for a plan is called `wesago-<name>`, and a label holds 63 characters.
    let checked = match text.value.len() {
        51.. if field == "name" => Err(format!("it has {} characters; 50 are allowed", text.value.len())),
        _ => names::label(&text.value),
    };
    match checked {
        Ok(()) => Some(text.value.clone()),
        Err(why) => {
            let message = format!("`{}` is no {field} for a plan: {why}", text.value);
            decoder.problem(Problem::at(&text.place, message));
            None
        }
    }
}

/// Returns the stages that take part, with their objects.
fn built(document: &Document, drafts: Vec<Draft>, needs: &[(StageId, Needs)]) -> Vec<Stage> {
    let mut stages: IndexMap<&StageId, Stage> = IndexMap::new();
    for (id, needs) in needs {
        let Some(declared) = document.stages.get(id) else { continue };
        let checks = declared.checks.iter().flatten();
        stages.insert(
            id,
            Stage {
                id: id.clone(),
                needs: needs.keys().cloned().collect(),
                objects: Vec::new(),
                deadline: declared.deadline.unwrap_or(DEADLINE),
                checks: checks.map(|declared| Check::Http(declared.check.clone())).collect(),
            },
        );
    }
    for draft in drafts {
        let id = document.stages.get_index(draft.stage).map(|(id, _)| id);
        if let Some(stage) = id.and_then(|id| stages.get_mut(id)) {
            stage.objects.push(draft.object);
        }
    }
    stages.into_values().collect()
}
