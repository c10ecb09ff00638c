//! Manifests to objects: documents, lists flattened, and what a server would refuse told with its line.

use serde_json::Value;

use super::decode::Decoder;
use super::document::PathDecl;
use super::{Entry, Files, names, paths};
use crate::object::Object;
use crate::object::rollout::{REQUIRED_ROLLOUT, Required, WAIT_TERMINATING};
use crate::problem::{Place, Problem};
use crate::yaml::{Keys, Node, Substitution, parse};

/// An object on its way into the plan.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The object, with variables replaced.
    pub(super) object: Object,
    /// Where it stands.
    pub(super) place: Place,
    /// Its tree, for the place of each value; `None` for one that was not written as YAML or was patched.
    pub(super) node: Option<Node>,
    /// The position of its stage among the declared ones.
    pub(super) stage: usize,
}

impl Draft {
    /// Returns the place of the value at a JSON pointer; of the object when it has none of its own.
    pub(super) fn place_of(&self, pointer: &str) -> &Place {
        self.node.as_ref().and_then(|node| node.at(pointer)).map_or(&self.place, |node| &node.place)
    }
}

/// Returns the manifest files at a path: itself, or what is directly in the folder, by name.
pub(super) fn files(files: &dyn Files, path: &PathDecl, decoder: &mut Decoder) -> Vec<String> {
    match paths::open(files, &path.path, Some(&path.place)) {
        Err(problem) => {
            decoder.problem(problem);
            Vec::new()
        }
        Ok(Entry::File(_)) => vec![path.path.clone()],
        Ok(Entry::Folder(mut listed)) => {
            listed.sort();
            let is_manifest = |name: &str| {
                let extension = name.rsplit_once('.').map(|(_, extension)| extension);
                !name.starts_with('.') && matches!(extension, Some("yaml" | "yml" | "json"))
            };
            let found: Vec<String> = listed
                .iter()
                .filter(|entry| !entry.is_folder && is_manifest(&entry.name))
                .map(|entry| paths::joined("", &format!("{}/{}", path.path, entry.name)))
                .collect();
            if found.is_empty() {
                let message = format!("the folder `{}` holds no manifest", path.path);
                let hint = "a manifest is a file `*.yaml`, `*.yml` or `*.json` directly in the folder";
                decoder.problem(Problem::at(&path.place, message).hint(hint));
            }
            found
        }
    }
}

/// Returns the objects of one manifest file.
pub(super) fn read(
    files: &dyn Files,
    path: &str,
    named_at: &Place,
    substitution: &mut Substitution<'_>,
    decoder: &mut Decoder,
) -> (Vec<(Object, Node)>, crate::problem::Problems) {
    let source = match paths::text(files, path, Some(named_at)) {
        Ok(source) => source,
        Err(problem) => {
            decoder.problem(problem);
            return (Vec::new(), crate::problem::Problems::new());
        }
    };
    let parsed = parse(&source, Keys::AsKubectl);
    decoder.problems.extend(parsed.problems);
    let mut objects = Vec::new();
    for mut document in parsed.documents {
        substitution.tree(&mut document);
        object_or_list(document, &mut objects, decoder);
    }
    (objects, parsed.warnings)
}

fn object_or_list(node: Node, objects: &mut Vec<(Object, Node)>, decoder: &mut Decoder) {
    let is_list = node.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    match node.get("items").and_then(Node::as_sequence) {
        Some(items) if is_list => {
            for item in items {
                object_or_list(item.clone(), objects, decoder);
            }
        }
        _ => {
            if let Some(object) = object(&node, decoder) {
                objects.push((object, node));
            }
        }
    }
}

fn object(node: &Node, decoder: &mut Decoder) -> Option<Object> {
    if node.as_mapping().is_none() {
        let problem =
            Problem::at(&node.place, format!("a manifest holds objects, and this is {}", node.described()));
        decoder.problem(problem.hint("an object has `apiVersion`, `kind` and `metadata`"));
        return None;
    }
    let before = decoder.problems.len();
    let api_version = string_at(node, "/apiVersion", "apiVersion", decoder);
    let kind = string_at(node, "/kind", "kind", decoder);
    let generated = node.at("/metadata/generateName");
    if let (Some(generated), None) = (generated, node.at("/metadata/name")) {
        decoder.problem(
            Problem::at(&generated.place, "an object of a plan needs a name of its own")
                .hint("write `name` instead of `generateName`: what is applied again must be found again"),
        );
    } else if let (Some(version), Some(kind), Some(name)) =
        (api_version, kind, string_at(node, "/metadata/name", "metadata.name", decoder))
    {
        let group = version.split_once('/').map_or("", |(group, _)| group);
        if let Err(why) = names::object(group, kind, name) {
            let place = node.at("/metadata/name").map_or(&node.place, |name| &name.place);
            decoder.problem(Problem::at(place, format!("`{name}` is no name for a {kind}: {why}")));
        }
        namespace(node, group, kind, decoder);
        words(node, kind, decoder);
    }
    strings(node, decoder);
    if decoder.problems.len() > before {
        return None;
    }
    Object::new(node.to_json()).ok()
}

fn string_at<'n>(node: &'n Node, pointer: &str, name: &str, decoder: &mut Decoder) -> Option<&'n str> {
    let Some(value) = node.at(pointer) else {
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or("object");
        decoder.problem(Problem::at(&node.place, format!("this {kind} has no `{name}`")));
        return None;
    };
    match value.as_str() {
        Some("") => decoder.problem(Problem::at(&value.place, format!("`{name}` is empty"))),
        Some(text) => return Some(text),
        None => {
            let problem = Problem::at(&value.place, format!("`{name}` is {}", value.described()));
            decoder.problem(problem.labelled("expected a string").maybe_hint(string_hint(value)));
        }
    }
    None
}

fn namespace(node: &Node, group: &str, kind: &str, decoder: &mut Decoder) {
    let Some(value) = node.at("/metadata/namespace") else { return };
    if names::scope(group, kind) == names::Scope::Cluster {
        let problem = Problem::at(&value.place, format!("a {kind} lives outside of namespaces"));
        return decoder.problem(problem.hint("leave `namespace` out"));
    }
    let name = string_at(node, "/metadata/namespace", "metadata.namespace", decoder);
    if let Some((name, why)) = name.and_then(|name| Some((name, names::label(name).err()?))) {
        decoder.problem(Problem::at(&value.place, format!("`{name}` is no name for a namespace: {why}")));
    }
}

/// An annotation of ours: for which kinds it is, and what it may say.
struct Word {
    annotation: &'static str,
    kinds: &'static [&'static str],
    is_known: fn(&str) -> bool,
    /// What may be written, for a person.
    expected: &'static str,
    /// What one may have meant.
    words: &'static [&'static str],
}

const RERUN: &[&str] = &["on-change", "always", "once"];
const ROLLBACK: &[&str] = &["run", "leave"];

const WORDS: [Word; 4] = [
    Word {
        annotation: "wesago/rerun",
        kinds: &["Job"],
        is_known: |word| RERUN.contains(&word),
        expected: "`on-change`, `always` or `once`",
        words: RERUN,
    },
    Word {
        annotation: "wesago/rollback",
        kinds: &["Job"],
        is_known: |word| ROLLBACK.contains(&word),
        expected: "`run` or `leave`",
        words: ROLLBACK,
    },
    Word {
        annotation: REQUIRED_ROLLOUT,
        kinds: &["Deployment", "StatefulSet", "DaemonSet"],
        is_known: |word| Required::parse(word).is_some(),
        expected: Required::WORDS,
        words: &[],
    },
    Word {
        annotation: WAIT_TERMINATING,
        kinds: &["Deployment"],
        is_known: |word| matches!(word, "true" | "false"),
        expected: "\"true\" or \"false\"",
        words: &[],
    },
];

/// Checks the annotations that say when a Job runs again, and when a rollout is far enough.
fn words(node: &Node, kind: &str, decoder: &mut Decoder) {
    for Word { annotation, kinds, is_known, expected, words } in WORDS {
        let pointer = format!("/metadata/annotations/{}", annotation.replace('/', "~1"));
        let Some(value) = node.at(&pointer) else { continue };
        let Some(word) = value.as_str() else { continue };
        if !kinds.contains(&kind) {
            let what = format!("`{annotation}` is for a {}, and this is a {kind}", kinds.join(" or "));
            decoder.problem(Problem::at(&value.place, what));
        } else if !is_known(word) {
            let problem = Problem::at(&value.place, format!("`{annotation}` is `{word}`"));
            let problem = problem.labelled(format!("expected {expected}"));
            decoder.problem(problem.did_you_mean(word, words.iter().copied()));
        }
    }
}

/// Checks the values that a server wants as strings and people write as numbers: labels, annotations,
/// environment variables, the data of a ConfigMap.
fn strings(node: &Node, decoder: &mut Decoder) {
    let mut maps = vec!["/metadata/labels", "/metadata/annotations"];
    let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
    let templates = if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
    let (labels, annotations) =
        (format!("{templates}/metadata/labels"), format!("{templates}/metadata/annotations"));
    maps.extend([labels.as_str(), annotations.as_str(), "/spec/selector/matchLabels"]);
    match kind {
        "Service" => maps.push("/spec/selector"),
        "ConfigMap" => maps.push("/data"),
        "Secret" => maps.extend(["/data", "/stringData"]),
        _ => {}
    }
    for pointer in maps {
        let Some(entries) = node.at(pointer).and_then(Node::as_mapping) else { continue };
        for entry in entries {
            want_string(&entry.value, &entry.key.name, decoder);
        }
    }
    let pod = if kind == "Pod" { "/spec".to_owned() } else { format!("{templates}/spec") };
    for list in ["initContainers", "containers"] {
        let containers = node.at(&format!("{pod}/{list}")).and_then(Node::as_sequence).unwrap_or_default();
        for variable in containers.iter().filter_map(|one| one.get("env")?.as_sequence()).flatten() {
            if let Some(value) = variable.get("value") {
                let name = variable.get("name").and_then(Node::as_str).unwrap_or("value");
                want_string(value, name, decoder);
            }
        }
    }
}

fn want_string(value: &Node, name: &str, decoder: &mut Decoder) {
    if value.as_str().is_none() && !value.is_null() {
        decoder.problem(
            Problem::at(&value.place, format!("`{name}` is {}", value.described()))
                .labelled("expected a string")
                .maybe_hint(string_hint(value)),
        );
    }
}

/// Returns how to make a string of a scalar.
fn string_hint(value: &Node) -> Option<String> {
    let scalar =
        value.as_scalar().filter(|scalar| !matches!(scalar.value, Value::Null | Value::String(_)))?;
    if scalar.text.starts_with("${") {
        Some(format!("write `!!str {}`: a value that is exactly a variable takes its type", scalar.text))
    } else {
        Some(format!("quote it: \"{}\"", scalar.text))
    }
}
