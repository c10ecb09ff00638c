//! The plan as its files say it, typed, overlays laid over their base: stages, groups, patches, notes.

use std::time::Duration;

use indexmap::IndexMap;

use super::chain::PlanFile;
use super::conflicts::{self, ConflictDecl};
use super::decode::{Decoder, Text};
use super::readiness::RuleDecl;
use super::{paths, readiness, secrets};
use crate::plan::{HttpCheck, SecretSpec, StageId};
use crate::problem::{Place, Problem};
use crate::yaml::{Entry, Node};

/// The fields of a stage and of a group of stages.
const STAGE_FIELDS: [&str; 6] = ["needs", "apply", "configs", "deadline", "checks", "enabled"];
const GROUP_FIELDS: [&str; 3] = ["stages", "needs", "enabled"];

/// The plan's files, decoded and merged; base first, so that the last word wins.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) name: Option<Text>,
    pub(super) namespace: Option<Text>,
    pub(super) notes: Option<String>,
    pub(super) secrets: IndexMap<String, (SecretSpec, Place)>,
    pub(super) stages: IndexMap<StageId, StageDecl>,
    pub(super) groups: IndexMap<String, GroupDecl>,
    pub(super) readiness: IndexMap<String, RuleDecl>,
    pub(super) patches: Vec<PatchDecl>,
    pub(super) conflicts: Vec<ConflictDecl>,
}

/// A stage as written; what is left out is `None`, for an overlay to keep what its base says.
#[derive(Debug)]
pub(super) struct StageDecl {
    /// The key it is declared under.
    pub(super) place: Place,
    pub(super) needs: Option<Vec<Text>>,
    pub(super) apply: Option<Vec<PathDecl>>,
    pub(super) configs: Option<Vec<ConfigDecl>>,
    pub(super) deadline: Option<Duration>,
    pub(super) checks: Option<Vec<CheckDecl>>,
    pub(super) enabled: Option<bool>,
}

/// A group of stages: what its members have in common.
#[derive(Debug)]
pub(super) struct GroupDecl {
    pub(super) place: Place,
    pub(super) needs: Option<Vec<Text>>,
    pub(super) enabled: Option<bool>,
}

/// A path named in a plan file, seen from where the program looks for files.
#[derive(Clone, Debug)]
pub(super) struct PathDecl {
    pub(super) path: String,
    pub(super) place: Place,
}

/// A ConfigMap made of files.
#[derive(Debug)]
pub(super) struct ConfigDecl {
    pub(super) name: Text,
    pub(super) files: Vec<PathDecl>,
    /// Variables in the files are replaced.
    pub(super) substitute: bool,
}

/// A check with the place where it names its Service.
#[derive(Clone, Debug)]
pub(super) struct CheckDecl {
    pub(super) check: HttpCheck,
    pub(super) place: Place,
}

/// A change to one object.
#[derive(Debug)]
pub(super) struct PatchDecl {
    pub(super) target: Text,
    pub(super) merge: Option<Node>,
    pub(super) json: Option<Node>,
}

/// Returns what the files of `chain`, base first, say together.
pub(super) fn decode(chain: &[PlanFile], decoder: &mut Decoder) -> Document {
    let mut document = Document::default();
    for file in chain {
        let text =
            |name: &str, decoder: &mut Decoder| file.root.get(name).and_then(|node| decoder.text(node, name));
        document.name = text("name", decoder).or(document.name);
        document.namespace = text("namespace", decoder).or(document.namespace);
        document.notes = text("notes", decoder).map(|text| text.value).or(document.notes);
        if let Some(node) = file.root.get("secrets") {
            secrets::decode(node, &mut document.secrets, decoder);
        }
        if let Some(node) = file.root.get("stages") {
            for entry in decoder.entries(node, "stages") {
                stage_or_group(file, entry, &mut document, decoder);
            }
        }
        if let Some(node) = file.root.get("readiness") {
            readiness::decode(node, &mut document.readiness, decoder);
        }
        if let Some(node) = file.root.get("patches") {
            for item in decoder.items(node, "patches") {
                document.patches.extend(patch(item, decoder));
            }
        }
        if let Some(node) = file.root.get("conflicts") {
            for item in decoder.items(node, "conflicts") {
                document.conflicts.extend(conflicts::decode(item, decoder));
            }
        }
    }
    document
}

fn stage_or_group(file: &PlanFile, entry: &Entry, document: &mut Document, decoder: &mut Decoder) {
    if entry.value.get("stages").is_none() {
        return stage(file, None, entry, document, decoder);
    }
    let (name, place) = (&entry.key.name, &entry.key.place);
    let what = format!("group `{name}`");
    let Some(fields) = decoder.fields(&entry.value, &what, &GROUP_FIELDS) else { return };
    let needs = fields.get("needs").and_then(|node| decoder.texts(node, "needs"));
    let enabled = fields.get("enabled").and_then(|node| decoder.boolean(node, "enabled"));
    if let Some(group) = document.groups.get_mut(name) {
        group.needs = needs.or(group.needs.take());
        group.enabled = enabled.or(group.enabled);
    } else {
        document.groups.insert(name.clone(), GroupDecl { place: place.clone(), needs, enabled });
    }
    if let Some(members) = fields.get("stages") {
        let members = decoder.entries(members, "stages");
        if members.is_empty() {
            decoder.problem(Problem::at(place, format!("{what} has no stages")));
        }
        for member in members {
            if let Some(inner) = member.value.entry("stages") {
                let problem = Problem::at(&inner.key.place, "a group holds stages, not groups");
                decoder.problem(problem.hint("groups have one level; put the stages beside each other"));
            } else {
                stage(file, Some(name), member, document, decoder);
            }
        }
    }
}

fn stage(
    file: &PlanFile,
    group: Option<&str>,
    entry: &Entry,
    document: &mut Document,
    decoder: &mut Decoder,
) {
    let key = &entry.key;
    let name = group.map_or_else(|| key.name.clone(), |group| format!("{group}/{}", key.name));
    if key.name.contains('/') {
        let hint = "members of a group stand under its own `stages:`";
        decoder.problem(Problem::at(&key.place, format!("`{}` is no name for a stage", key.name)).hint(hint));
        return;
    }
    let id = match StageId::new(name) {
        Ok(id) => id,
        Err(error) => return decoder.problem(Problem::at(&key.place, error.to_string())),
    };
    let what = format!("stage `{id}`");
    let Some(fields) = decoder.fields(&entry.value, &what, &STAGE_FIELDS) else { return };
    let declared = StageDecl {
        place: key.place.clone(),
        needs: fields.get("needs").and_then(|node| decoder.texts(node, "needs")),
        // What is there and wrong was told; it must not look as if it were missing.
        apply: fields.get("apply").map(|node| paths_of(file, node, "apply", decoder).unwrap_or_default()),
        configs: fields.get("configs").map(|node| configs(file, node, decoder)),
        deadline: fields.get("deadline").and_then(|node| decoder.duration(node, "deadline")),
        checks: fields.get("checks").map(|node| checks(node, decoder)),
        enabled: fields.get("enabled").and_then(|node| decoder.boolean(node, "enabled")),
    };
    match document.stages.get_mut(&id) {
        None => {
            document.stages.insert(id, declared);
        }
        // An overlay replaces the fields it names; the stage keeps its place in the order and the place
        // where it was first declared.
        Some(base) => {
            base.needs = declared.needs.or(base.needs.take());
            base.apply = declared.apply.or(base.apply.take());
            base.configs = declared.configs.or(base.configs.take());
            base.deadline = declared.deadline.or(base.deadline);
            base.checks = declared.checks.or(base.checks.take());
            base.enabled = declared.enabled.or(base.enabled);
        }
    }
}

fn paths_of(file: &PlanFile, node: &Node, what: &str, decoder: &mut Decoder) -> Option<Vec<PathDecl>> {
    let texts = decoder.texts(node, what)?;
    if node.as_sequence().is_some_and(<[Node]>::is_empty) {
        decoder
            .problem(Problem::at(&node.place, format!("`{what}` is empty")).hint("name a file or a folder"));
    }
    let seen = |text: Text| PathDecl { path: paths::joined(&file.path, &text.value), place: text.place };
    Some(texts.into_iter().map(seen).collect())
}

fn configs(file: &PlanFile, node: &Node, decoder: &mut Decoder) -> Vec<ConfigDecl> {
    let mut declared = Vec::new();
    for entry in decoder.entries(node, "configs") {
        let name = Text { value: entry.key.name.clone(), place: entry.key.place.clone() };
        let (files, substitute) = if entry.value.as_mapping().is_some() {
            let what = format!("config `{}`", name.value);
            let Some(fields) = decoder.fields(&entry.value, &what, &["files", "substitute"]) else {
                continue;
            };
            let files = decoder.required(fields, &what, "files");
            let substitute = fields.get("substitute").and_then(|node| decoder.boolean(node, "substitute"));
            (files.and_then(|node| paths_of(file, node, "files", decoder)), substitute.unwrap_or(false))
        } else {
            (paths_of(file, &entry.value, &entry.key.name, decoder), false)
        };
        if let Some(files) = files {
            declared.push(ConfigDecl { name, files, substitute });
        }
    }
    declared
}

fn checks(node: &Node, decoder: &mut Decoder) -> Vec<CheckDecl> {
    let items = decoder.items(node, "checks");
    items.iter().filter_map(|item| check(item, decoder)).collect()
}

fn check(node: &Node, decoder: &mut Decoder) -> Option<CheckDecl> {
    let what = "an HTTP check";
    let fields = decoder.fields(node, "a check", &["http"])?;
    let http = decoder.required(fields, "a check", "http")?;
    let known = ["service", "port", "path", "host", "status", "contains"];
    let fields = decoder.fields(http, what, &known)?;
    let service = decoder.required(fields, what, "service").and_then(|node| decoder.text(node, "service"));
    let port =
        decoder.required(fields, what, "port").and_then(|node| decoder.integer(node, "port", 1, 65535));
    let path = fields.get("path").map_or(Some("/".to_owned()), |node| {
        let text = decoder.text(node, "path")?;
        if !text.value.starts_with('/') {
            decoder.problem(
                Problem::at(&text.place, format!("the path `{}` does not begin with `/`", text.value))
                    .hint(format!("write `/{}`", text.value)),
            );
        }
        Some(text.value)
    });
    let mut optional = |name: &str| match fields.get(name) {
        Some(node) => decoder.text(node, name).map(|text| Some(text.value)),
        None => Some(None),
    };
    let (host, contains) = (optional("host"), optional("contains"));
    let status = fields.get("status").map_or(Some(200), |node| decoder.integer(node, "status", 100, 599));
    let Text { value: service, place } = service?;
    let check = HttpCheck {
        service,
        port: u16::try_from(port?).ok()?,
        path: path?,
        host: host?,
        status: u16::try_from(status?).ok()?,
        contains: contains?,
    };
    Some(CheckDecl { check, place })
}

fn patch(node: &Node, decoder: &mut Decoder) -> Option<PatchDecl> {
    let fields = decoder.fields(node, "a patch", &["target", "merge", "json"])?;
    let target =
        decoder.required(fields, "a patch", "target").and_then(|node| decoder.text(node, "target"))?;
    let (merge, json) = (fields.get("merge"), fields.get("json"));
    if merge.is_none() && json.is_none() {
        decoder.problem(
            Problem::at(&fields.place, format!("the patch of `{}` changes nothing", target.value))
                .hint("give it `merge: {…}` or `json: [{ op: …, path: …, value: … }]`"),
        );
    }
    Some(PatchDecl { target, merge: merge.cloned(), json: json.cloned() })
}
