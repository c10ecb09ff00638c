//! Two JSON trees, held against each other. Lists whose items have keys are aligned by them, so that an
//! inserted container is one change and not as many as there are containers after it.

use serde_json::{Map, Value};

use super::path::{ListShape, Path, Step};

/// One field that differs. It may hold a secret value: what is shown to anybody goes through
/// [`Mask`](super::Mask) first.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The field.
    pub path: Path,
    /// How it differs.
    pub edit: Edit,
}

/// How a field differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// It is new.
    Added(Value),
    /// It is no longer there.
    Removed(Value),
    /// It has another value.
    Changed {
        /// The old value.
        before: Value,
        /// The new value.
        after: Value,
    },
    /// The items of a list are the same, in another order.
    Reordered {
        /// The old order.
        before: Vec<Step>,
        /// The new order.
        after: Vec<Step>,
    },
}

/// What the server keeps in an object's metadata by itself.
const SERVER_METADATA: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Returns the part of an object that somebody asked for: without its status and what the server itself
/// keeps in its metadata.
pub fn desired(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(root) = object.as_object_mut() {
        root.shift_remove("status");
        if let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| !SERVER_METADATA.contains(&field.as_str()));
        }
    }
    object
}

/// Returns how `after` differs from `before`, in the order of their fields; empty when they are equal.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(before, after, &mut Path::default(), &mut found);
    found
}

fn compare(before: &Value, after: &Value, path: &mut Path, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => compare_maps(before, after, path, found),
        (Value::Array(old), Value::Array(new)) => match (keyed(path, old), keyed(path, new)) {
            (Some(old), Some(new)) => compare_lists(&old, &new, path, found),
            _ => tell(found, path, Edit::Changed { before: before.clone(), after: after.clone() }),
        },
        _ => tell(found, path, Edit::Changed { before: before.clone(), after: after.clone() }),
    }
}

fn compare_maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &mut Path,
    found: &mut Vec<FieldChange>,
) {
    for (name, old) in before {
        path.push(Step::Field(name.clone()));
        match after.get(name) {
            Some(new) => compare(old, new, path, found),
            None => tell(found, path, Edit::Removed(old.clone())),
        }
        path.pop();
    }
    for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        path.push(Step::Field(name.clone()));
        tell(found, path, Edit::Added(new.clone()));
        path.pop();
    }
}

type Items<'a> = Vec<(Step, &'a Value)>;

/// Returns the items of a list with their keys; `None` when it is one value as a whole, or two of its
/// items have the same keys.
fn keyed<'a>(path: &Path, items: &'a [Value]) -> Option<Items<'a>> {
    let ListShape::Keyed(keys) = path.list_shape() else { return None };
    let mut found: Items<'a> = Vec::new();
    for item in items {
        let step = Step::to_item(item, keys)?;
        if found.iter().any(|(other, _)| *other == step) {
            return None;
        }
        found.push((step, item));
    }
    Some(found)
}

fn compare_lists(before: &Items<'_>, after: &Items<'_>, path: &mut Path, found: &mut Vec<FieldChange>) {
    let get = |items: &Items<'_>, step: &Step| {
        items.iter().find(|(other, _)| other == step).map(|(_, item)| (*item).clone())
    };
    for (step, old) in before {
        path.push(step.clone());
        match get(after, step) {
            Some(new) => compare(old, &new, path, found),
            None => tell(found, path, Edit::Removed((*old).clone())),
        }
        path.pop();
    }
    for (step, new) in after.iter().filter(|(step, _)| get(before, step).is_none()) {
        path.push(step.clone());
        tell(found, path, Edit::Added((*new).clone()));
        path.pop();
    }
    // What removing in place and adding at the end come to.
    let stay = before.iter().filter(|(step, _)| get(after, step).is_some());
    let come = after.iter().filter(|(step, _)| get(before, step).is_none());
    let edited: Vec<&Step> = stay.chain(come).map(|(step, _)| step).collect();
    let wanted: Vec<&Step> = after.iter().map(|(step, _)| step).collect();
    if edited != wanted {
        let steps = |items: &Items<'_>| items.iter().map(|(step, _)| step.clone()).collect();
        tell(found, path, Edit::Reordered { before: steps(before), after: steps(after) });
    }
}

fn tell(found: &mut Vec<FieldChange>, path: &Path, edit: Edit) {
    found.push(FieldChange { path: path.clone(), edit });
}
