//! Fields we want to set and somebody else owns: who, since when, and what is done about it. Pure.
//!
//! ```text
//! before a write   live.managedFields + terms ─▶ what is not sent at all (yield)
//! a 409            causes + terms             ─▶ yield, take, or fail and say how to go on
//! ```

mod migration;

pub(super) use migration::{migrated, migration};

use serde_json::Value;

use crate::cluster::{Cause, Refusal};
use crate::difference::{Owner, Path, Step, owners};
use crate::inventory::FIELD_MANAGER;
use crate::object::{Object, ObjectRef};
use crate::plan::{ConflictPolicy, covers};

/// The field an autoscaler writes.
pub(super) const REPLICAS: &str = ".spec.replicas";

/// Values longer than this are cut in a message.
const VALUE_AT_MOST: usize = 60;

/// What may be done to one object beyond what is always right.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    /// Policies by path; the last one that covers a field counts.
    pub rules: Vec<(String, ConflictPolicy)>,
    /// An autoscaler targets it: its replicas are not the plan's to say.
    pub autoscaled: bool,
    /// It was somebody else's, and we were told to take it over.
    pub adopted: bool,
    /// It may be deleted and made anew where that costs something.
    pub recreate: bool,
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    /// The field, as the API server writes it.
    pub field: String,
    /// The field manager that owns it.
    pub manager: String,
    /// Through which subresource it was written; empty for the object itself.
    pub subresource: String,
    /// True when it was written by an update, false for a server-side apply.
    pub by_update: bool,
}

/// What a 409 comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Send again without these fields.
    Yield(Vec<String>),
    /// Send again by force.
    Take,
    /// These fields are nobody's to decide for us.
    Fail(Vec<Conflict>),
}

impl Conflict {
    /// Reads a cause of a 409, such as `conflict with "kubectl" with subresource "scale" using apps/v1 at
    /// 2026-01-01T00:00:00Z` (apimachinery `managedfields/internal/conflict.go`). Only an update names its
    /// version and time there.
    fn parse(cause: &Cause) -> Option<Self> {
        let (manager, rest) = quoted(cause.message.strip_prefix("conflict with ")?)?;
        let (subresource, rest) = match rest.strip_prefix(" with subresource ") {
            Some(rest) => quoted(rest)?,
            None => (String::new(), rest),
        };
        let by_update = rest.starts_with(" using ");
        Some(Self { field: cause.field.clone(), manager, subresource, by_update })
    }
}

/// Splits a text that begins with a quoted word.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            '\\' => {
                rest.next();
            }
            '"' => {
                let (word, rest) = text.split_at(at + 2);
                return Some((serde_json::from_str(word).ok()?, rest));
            }
            _ => {}
        }
    }
    None
}

impl Terms {
    /// Returns what is done about one field of somebody else's.
    pub(super) fn decide(&self, conflict: &Conflict) -> ConflictPolicy {
        let rule = self.rules.iter().rev().find(|(path, _)| covers(path, &conflict.field));
        if let Some((_, policy)) = rule {
            return *policy;
        }
        let is_autoscaler = conflict.manager == "kube-controller-manager" && conflict.subresource == "scale";
        if conflict.field == REPLICAS && (self.autoscaled || is_autoscaler) {
            return ConflictPolicy::Yield;
        }
        // Helpers of ours: what handed something over, or made it.
        if self.adopted || conflict.manager.starts_with(FIELD_MANAGER) {
            return ConflictPolicy::Take;
        }
        ConflictPolicy::Fail
    }

    /// Returns what is done about a refused write. Force takes all fields in conflict, so all of them must
    /// be ours to take; what is yielded goes first.
    pub(super) fn settle(&self, refusal: &Refusal) -> Settlement {
        let conflicts: Vec<Conflict> = refusal.causes.iter().filter_map(Conflict::parse).collect();
        let by =
            |policy: ConflictPolicy| conflicts.iter().filter(move |conflict| self.decide(conflict) == policy);
        let failing: Vec<Conflict> = by(ConflictPolicy::Fail).cloned().collect();
        if !failing.is_empty() || conflicts.len() < refusal.causes.len() {
            return Settlement::Fail(failing);
        }
        let yielded: Vec<String> = by(ConflictPolicy::Yield).map(|conflict| conflict.field.clone()).collect();
        if yielded.is_empty() { Settlement::Take } else { Settlement::Yield(yielded) }
    }

    /// Takes what is left to others out of an object that is to be sent, and returns the fields with their
    /// owners. Only the owners that the live object names count: a field nobody else owns is sent.
    pub(super) fn leave_to_others(&self, wanted: &mut Object, live: &Object) -> Vec<(String, String)> {
        let mut left = Vec::new();
        for owner in owners(live.value()).iter().filter(|owner| !is_ours(owner)) {
            for path in owner.fields.paths().into_iter().filter(is_plain_field) {
                let conflict = Conflict {
                    field: path.to_string(),
                    manager: owner.manager.clone(),
                    subresource: owner.subresource.clone(),
                    by_update: owner.operation == "Update",
                };
                if self.decide(&conflict) == ConflictPolicy::Yield && take_out(wanted, &path) {
                    left.push((conflict.field, conflict.manager));
                }
            }
        }
        if self.autoscaled && take_out(wanted, &replicas()) {
            left.push((REPLICAS.to_owned(), "the autoscaler".to_owned()));
        }
        left
    }
}

/// Returns the path of the replicas.
fn replicas() -> Path {
    Path::of_fields(&["spec", "replicas"])
}

/// Returns true for our own entry of `managedFields`.
fn is_ours(owner: &Owner) -> bool {
    owner.manager == FIELD_MANAGER && owner.operation == "Apply" && owner.subresource.is_empty()
}

/// Returns true when nobody but us owns the replicas of an object, so that they would fall back to their
/// default, 1, if we left them out (readiness.md 3.2).
pub(super) fn owns_replicas_alone(live: &Object) -> bool {
    let holders: Vec<Owner> =
        owners(live.value()).into_iter().filter(|owner| owner.fields.holds(&replicas())).collect();
    !holders.is_empty() && holders.iter().all(is_ours)
}

/// Returns true for a field of a mapping that can be left out: not for an item of a list, and not for the
/// key of one.
fn is_plain_field(path: &Path) -> bool {
    match path.steps() {
        [.., Step::Item(keys), Step::Field(name)] => !keys.iter().any(|(key, _)| key == name),
        [.., Step::Field(_)] => true,
        _ => false,
    }
}

/// Takes a field out of an object, with the mappings that it leaves empty. Returns false when it is not
/// there.
fn take_out(object: &mut Object, path: &Path) -> bool {
    if path.of(object.value()).is_none() {
        return false;
    }
    let mut value = object.value().clone();
    path.cut(&mut value);
    // Without what names it, it would be no object.
    Object::new(value).map(|without| *object = without).is_ok()
}

/// Takes fields, named as the server names them, out of an object.
pub(super) fn without(object: &Object, fields: &[String]) -> Object {
    let mut without = object.clone();
    for field in fields {
        if let Some(path) = Path::find(field, object.value()) {
            take_out(&mut without, &path);
        }
    }
    without
}

/// Returns why an object was not written, and how to go on: each field, whose it is, since when, and both
/// values. Values of a Secret are not shown.
pub(super) fn explain(wanted: &Object, live: &Object, conflicts: &[Conflict]) -> String {
    let name = wanted.reference();
    let told = conflicts.iter().map(|conflict| told(wanted, live, conflict));
    let first = conflicts.first().map_or("", |conflict| conflict.field.as_str());
    format!(
        "{}; take it with `--take {name}:{first}`, or leave it to them with `conflicts: [{{ target: {name}, \
         path: {}, policy: yield }}]` in the plan",
        told.collect::<Vec<_>>().join("; "),
        in_yaml(first)
    )
}

fn told(wanted: &Object, live: &Object, conflict: &Conflict) -> String {
    let Conflict { field, manager, subresource, by_update } = conflict;
    let entry = owners(live.value()).into_iter().find(|owner| {
        owner.manager == *manager
            && owner.subresource == *subresource
            && (owner.operation == "Update") == *by_update
    });
    let how = match (subresource.is_empty(), by_update) {
        (false, _) => format!("update of `{subresource}`"),
        (true, true) => "update".to_owned(),
        (true, false) => "apply".to_owned(),
    };
    let when = entry.and_then(|owner| owner.time).map(|time| format!(", {time}")).unwrap_or_default();
    let value = |object: &Object| {
        let path = Path::find(field, object.value());
        path.and_then(|path| path.of(object.value()).cloned())
            .map_or("nothing".to_owned(), |value| shown(&value))
    };
    let values = if is_secret(&wanted.reference()) {
        String::new()
    } else {
        format!(": {} there, {} in the plan", value(live), value(wanted))
    };
    format!("`{field}` belongs to {manager} ({how}{when}){values}")
}

fn is_secret(object: &ObjectRef) -> bool {
    object.group.is_empty() && object.kind == "Secret"
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_AT_MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Returns a path as a flow mapping of YAML takes it.
fn in_yaml(path: &str) -> String {
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte));
    if plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "''")) }
}

#[cfg(test)]
mod tests;
