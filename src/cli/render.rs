//! `wesago render`: the objects as they would be sent, as YAML. No cluster is asked; generated secrets are
//! named, never shown.

use std::fmt::Write as _;

use serde_json::Value;

use super::arguments::Render;
use super::exit::{Exit, Failure};
use super::load::load;
use super::output::print;
use crate::object::Object;
use crate::plan::{Plan, SecretSource, Stage};
use crate::problem::nearest;
use crate::yaml::to_yaml;

/// Runs the command.
pub(super) fn run(arguments: &Render, coloured: bool) -> Result<Exit, Failure> {
    let loaded = load(&arguments.plan, None, coloured)?;
    let plan = &loaded.composed.plan;
    let chosen = choose(plan, arguments.stage.as_deref())?;
    let mut text = String::new();
    if arguments.stage.is_none() {
        text.push_str(&secrets(plan));
    }
    for stage in chosen {
        for object in &stage.objects {
            text.push_str("---\n# stage ");
            text.push_str(stage.id.as_str());
            if let Some(place) = plan.place(&object.reference()) {
                text.push_str(", ");
                text.push_str(&place.file_line());
            }
            text.push('\n');
            text.push_str(&to_yaml(&without_secrets(object)));
        }
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// Returns the stages asked for: all, one, or the members of a group.
fn choose<'a>(plan: &'a Plan, wanted: Option<&str>) -> Result<Vec<&'a Stage>, Failure> {
    let Some(wanted) = wanted else { return Ok(plan.stages().iter().collect()) };
    let is_wanted = |stage: &&Stage| stage.id.as_str() == wanted || stage.id.group() == wanted;
    let chosen: Vec<&Stage> = plan.stages().iter().filter(is_wanted).collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let failure = Failure::new(Exit::Usage, format!("the plan has no stage `{wanted}`"));
    let names = plan.stages().iter().map(|stage| stage.id.as_str());
    Err(match nearest(wanted, names) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`wesago graph` lists the stages"),
    })
}

/// Returns an object as it would be sent, but for the values of a Secret: they are counted, not shown.
fn without_secrets(object: &Object) -> Value {
    let mut value = object.value().clone();
    if (object.group(), object.kind()) != ("", "Secret") {
        return value;
    }
    for field in ["data", "stringData"] {
        let Some(entries) = value.get_mut(field).and_then(Value::as_object_mut) else { continue };
        for entry in entries.values_mut() {
            let length = entry.as_str().map_or(0, str::len);
            *entry = format!("<hidden: {length} characters>").into();
        }
    }
    value
}

/// Returns the generated Secrets as comments: their names and sources, no value.
fn secrets(plan: &Plan) -> String {
    let mut text = String::new();
    for secret in plan.secrets() {
        text.push_str("# Secret ");
        text.push_str(&secret.name);
        text.push_str(", made once and kept:");
        for key in &secret.keys {
            let sources: Vec<String> = key.sources.iter().map(source).collect();
            let _infallible = write!(text, "\n#   {}: {}", key.key, sources.join(", else "));
        }
        text.push('\n');
    }
    text
}

fn source(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("from ${name}"),
        SecretSource::Command(words) => format!("from `{}`", words.first().map_or("", String::as_str)),
        SecretSource::Generate(length) => format!("{length} random letters and digits"),
    }
}
