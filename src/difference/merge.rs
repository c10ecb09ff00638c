//! What a server-side apply would make of an object, worked out here: for a summary that must not cost a
//! request. The server's own answer (a dry run) also knows its defaults and what webhooks do.

use serde_json::Value;

use super::owners::FieldSet;
use super::path::{ListShape, Path, Step};

/// Returns `live` with the fields of `wanted` put in, and without those that are in `ours` and not wanted
/// any more, unless one of `others` owns them, too (structured-merge-diff, `merge/update.go`).
pub fn merged(live: &Value, wanted: &Value, ours: &FieldSet, others: &[&FieldSet]) -> Value {
    let mut result = put_in(live, wanted, &mut Path::default());
    let mut paths = ours.paths();
    // The outer ones first: an item goes as a whole while its keys still tell which it is.
    paths.sort_by_key(|path| path.steps().len());
    for path in paths {
        let is_wanted = path.of(wanted).is_some();
        if !is_wanted && !is_key(path.steps()) && !others.iter().any(|other| other.holds(&path)) {
            remove(&mut result, path.steps());
        }
    }
    result
}

/// Returns true for a field that tells an item of a list from the others: it stays as long as the item.
fn is_key(steps: &[Step]) -> bool {
    match steps {
        [.., Step::Item(keys), Step::Field(name)] => keys.iter().any(|(key, _)| key == name),
        _ => false,
    }
}

fn put_in(live: &Value, wanted: &Value, path: &mut Path) -> Value {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) if !path.is_atomic_map() => {
            let mut result = live.clone();
            for (name, value) in wanted {
                path.push(Step::Field(name.clone()));
                let value = match live.get(name) {
                    Some(live) => put_in(live, value, path),
                    None => value.clone(),
                };
                path.pop();
                result.insert(name.clone(), value);
            }
            Value::Object(result)
        }
        (Value::Object(live), Value::Object(wanted)) => {
            let mut result = wanted.clone();
            // The one default that the server puts into such a mapping (`SetDefaults_ObjectFieldSelector`).
            if let ("fieldRef", Some(version)) =
                (path.last_field().unwrap_or_default(), live.get("apiVersion"))
            {
                result.entry("apiVersion").or_insert_with(|| version.clone());
            }
            Value::Object(result)
        }
        (Value::Array(live), Value::Array(items)) => match path.list_shape() {
            ListShape::Atomic => wanted.clone(),
            ListShape::Set => {
                let new = items.iter().filter(|item| !live.contains(item));
                live.iter().chain(new).cloned().collect()
            }
            ListShape::Keyed(keys) => {
                let steps: Option<Vec<Step>> = items.iter().map(|item| Step::to_item(item, keys)).collect();
                let Some(steps) = steps.filter(|steps| are_different(steps)) else { return wanted.clone() };
                let mut result = live.clone();
                for (item, step) in items.iter().zip(steps) {
                    let place = step.place_in(&Value::Array(result.clone()));
                    path.push(step);
                    match place {
                        Some(at) => result[at] = put_in(&result[at], item, path),
                        None => result.push(item.clone()),
                    }
                    path.pop();
                }
                Value::Array(result)
            }
        },
        _ => wanted.clone(),
    }
}

fn are_different(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(at, step)| !steps[..at].contains(step))
}

fn remove(value: &mut Value, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else { return };
    if rest.is_empty() {
        match step {
            Step::Field(name) => {
                if let Some(map) = value.as_object_mut() {
                    map.shift_remove(name);
                }
            }
            _ => {
                if let (Some(at), Some(items)) = (step.place_in(value), value.as_array_mut()) {
                    items.remove(at);
                }
            }
        }
        return;
    }
    let inner = match step {
        Step::Field(name) => value.get_mut(name),
        _ => step.place_in(value).and_then(|at| value.get_mut(at)),
    };
    if let Some(inner) = inner {
        remove(inner, rest);
    }
}
