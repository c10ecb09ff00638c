//! Changes of a plan to single objects: a merge patch (RFC 7386) or a list of operations (RFC 6902).

use serde_json::Value;

use super::decode::{Decoder, Text, listed};
use super::document::PatchDecl;
use super::manifest::Draft;
use crate::object::Object;
use crate::problem::{Problem, nearest};
use crate::yaml::Node;

/// Changes the object that `patch` targets.
pub(super) fn apply(patch: &PatchDecl, drafts: &mut [Draft], decoder: &mut Decoder) {
    let Some(at) = target(&patch.target, drafts, decoder) else { return };
    let draft = &mut drafts[at];
    let mut value = draft.object.value().clone();
    if let Some(merge) = &patch.merge {
        if merge.as_mapping().is_none() {
            let problem = Problem::at(&merge.place, format!("`merge` is {}", merge.described()));
            return decoder.problem(problem.labelled("expected a mapping"));
        }
        json_patch::merge(&mut value, &merge.to_json());
    }
    if let Some(json) = &patch.json {
        for node in decoder.items(json, "json") {
            if let Some(problem) = operation(node, &mut value).err() {
                return decoder.problem(problem);
            }
        }
    }
    let name = draft.object.reference();
    match Object::new(value) {
        Ok(object) if object.reference() == name => {
            draft.object = object;
            draft.node = None;
        }
        Ok(object) => decoder.problem(
            Problem::at(&patch.target.place, format!("the patch makes `{}` of `{name}`", object.reference()))
                .hint("a patch may not change `kind`, `metadata.name` or `metadata.namespace`"),
        ),
        Err(error) => decoder.problem(Problem::at(
            &patch.target.place,
            format!("after the patch `{name}` is no object: {error}"),
        )),
    }
}

/// Returns the one object a target such as `Deployment/django` or `Deployment.apps/django` names.
pub(super) fn target(text: &Text, drafts: &[Draft], decoder: &mut Decoder) -> Option<usize> {
    let Some((kind, name)) = text.value.split_once('/') else {
        decoder.problem(
            Problem::at(&text.place, format!("`{}` names no object", text.value))
                .hint("a target is `Kind/name`, such as `Deployment/django`"),
        );
        return None;
    };
    let fits = |draft: &Draft| {
        let reference = draft.object.reference();
        reference.name == name && (reference.kind == kind || reference.group_kind().to_string() == kind)
    };
    let found: Vec<usize> = (0..drafts.len()).filter(|at| fits(&drafts[*at])).collect();
    match found.as_slice() {
        [at] => Some(*at),
        [] => {
            let names: Vec<String> =
                drafts.iter().map(|draft| draft.object.reference().to_string()).collect();
            let problem = Problem::at(&text.place, format!("no object is called `{}`", text.value));
            decoder.problem(problem.did_you_mean(&text.value, names.iter().map(String::as_str)));
            None
        }
        several => {
            let message = format!("`{}` names {} objects", text.value, several.len());
            let problem = several.iter().fold(Problem::at(&text.place, message), |problem, at| {
                problem.mark(&drafts[*at].place, "one")
            });
            decoder.problem(problem.hint("name the group too: `Kind.group/name`"));
            None
        }
    }
}

/// Carries out one operation of RFC 6902.
fn operation(node: &Node, value: &mut Value) -> Result<(), Problem> {
    const WORDS: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];
    let word = node.get("op").and_then(Node::as_str).unwrap_or_default();
    if !WORDS.contains(&word) {
        let place = node.get("op").map_or(&node.place, |op| &op.place);
        let problem = Problem::at(place, format!("`{word}` is no operation"));
        return Err(problem
            .maybe_hint(nearest(word, WORDS).map(|found| format!("did you mean `{found}`?")))
            .hint(format!("the operations are {}", listed(&WORDS))));
    }
    let parsed: json_patch::PatchOperation = serde_json::from_value(node.to_json()).map_err(|error| {
        Problem::at(&node.place, format!("`{word}` cannot be read: {error}"))
            .hint("write `{ op: add, path: /spec/replicas, value: 3 }`")
    })?;
    let path = parsed.path().to_string();
    json_patch::patch(value, std::slice::from_ref(&parsed)).map_err(|error| {
        let place = node.get("path").map_or(&node.place, |path| &path.place);
        Problem::at(place, format!("cannot {word} `{path}`: {}", error.kind)).maybe_hint(there(value, &path))
    })
}

/// Returns the hint for a path that leads nowhere: how far it leads, and what is there.
fn there(value: &Value, path: &str) -> Option<String> {
    let mut known = "";
    for (at, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
        if value.pointer(&path[..at]).is_none() {
            break;
        }
        known = &path[..at];
    }
    if known == path {
        return None;
    }
    match value.pointer(known)? {
        Value::Object(map) => {
            let names: Vec<&str> = map.keys().map(String::as_str).collect();
            let at = if known.is_empty() { "the object" } else { known };
            Some(format!("`{at}` has {}", listed(&names)).replace("`the object`", "the object"))
        }
        Value::Array(items) => {
            Some(format!("`{known}` is a list of {}; `-` stands for its end", items.len()))
        }
        _ => Some(format!("`{known}` is a single value")),
    }
}
