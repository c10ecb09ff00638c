//! Sets of fields as `fieldsV1` writes them, and what server-side apply does with them: which leaves a
//! value has, which of them differ between two values, and how to merge and to remove.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::{Shape, key_of, shape};

/// A set of fields: a tree whose edges are the elements of `fieldsV1` (`f:name`, `k:{…}`, `v:…`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// Returns the leaves of a whole object, without what names it and what the server itself keeps.
    pub(crate) fn of_object(object: &Value) -> Self {
        let mut set = of(object, &mut Vec::new());
        set.member = false;
        set
    }

    /// Returns the leaves that `new` has and `old` has not, or has with another value.
    pub(crate) fn changed(old: &Value, new: &Value) -> Self {
        changed(Some(old), new, &mut Vec::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Returns what is in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(edge, child)| {
            let both = child.intersection(other.children.get(edge)?);
            (!both.is_empty()).then(|| (edge.clone(), both))
        });
        Self { member: self.member && other.member, children: children.collect() }
    }

    /// Returns what is in this one only.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(edge, child)| {
            let left =
                other.children.get(edge).map_or_else(|| child.clone(), |other| child.difference(other));
            (!left.is_empty()).then(|| (edge.clone(), left))
        });
        Self { member: self.member && !other.member, children: children.collect() }
    }

    /// Returns what is in either.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.member |= other.member;
        for (edge, child) in &other.children {
            let mine = union.children.entry(edge.clone()).or_default();
            *mine = mine.union(child);
        }
        union
    }

    /// Returns `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        map.extend(self.children.iter().map(|(edge, child)| (edge.clone(), child.to_json())));
        Value::Object(map)
    }

    /// Returns the set that `fieldsV1` tells.
    pub(crate) fn from_json(fields: &Value) -> Self {
        let map = fields.as_object().cloned().unwrap_or_default();
        let member = map.is_empty() || map.contains_key(".");
        let children = map.into_iter().filter(|(edge, _)| edge != ".");
        let children = children.map(|(edge, child)| (edge, Self::from_json(&child)));
        let mut set = Self { member, children: children.collect() };
        set.member |= set.children.is_empty();
        set
    }

    /// Returns the paths of the members, as conflicts name them: `.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (edge, child) in &self.children {
            let (kind, rest) = edge.split_at(2);
            let step = match kind {
                "f:" => format!(".{rest}"),
                "k:" => {
                    let keys: Map<String, Value> = serde_json::from_str(rest).unwrap();
                    let keys: Vec<String> =
                        keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    format!("[{}]", keys.join(","))
                }
                _ => format!("[={rest}]"),
            };
            child.collect_paths(&format!("{prefix}{step}"), paths);
        }
    }
}

/// Returns true for what no manager can own: the field `name` found under `path`.
fn is_identity(path: &[&str], name: &str) -> bool {
    match path {
        [] => matches!(name, "apiVersion" | "kind"),
        ["metadata"] => matches!(
            name,
            "name"
                | "namespace"
                | "uid"
                | "resourceVersion"
                | "generation"
                | "creationTimestamp"
                | "deletionTimestamp"
                | "deletionGracePeriodSeconds"
                | "managedFields"
        ),
        _ => false,
    }
}

fn of<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> FieldSet {
    let mut set = FieldSet::default();
    match (shape(path, value), value) {
        (Shape::Granular, Value::Object(map)) if !map.is_empty() => {
            for (name, child) in map {
                if is_identity(path, name) {
                    continue;
                }
                path.push(name);
                let child = of(child, path);
                path.pop();
                // Metadata of an identity alone are nobody's.
                if name != "metadata" || !child.is_empty() {
                    set.children.insert(format!("f:{name}"), child);
                }
            }
        }
        (Shape::Keyed(keys), Value::Array(items)) if !items.is_empty() => {
            for item in items {
                let mut child = of(item, path);
                child.member = true;
                set.children.insert(key_of(item, keys), child);
            }
        }
        (Shape::Set, Value::Array(items)) if !items.is_empty() => {
            set.children.extend(items.iter().map(|item| (format!("v:{item}"), FieldSet::leaf())));
        }
        _ => set.member = true,
    }
    set
}

fn changed<'a>(old: Option<&'a Value>, new: &'a Value, path: &mut Vec<&'a str>) -> FieldSet {
    let Some(old) = old else { return of(new, path) };
    if old == new {
        return FieldSet::default();
    }
    let mut set = FieldSet::default();
    let mut add = |edge: String, child: FieldSet| {
        if !child.is_empty() {
            set.children.insert(edge, child);
        }
    };
    match (shape(path, new), old, new) {
        (Shape::Granular, Value::Object(old), Value::Object(new)) => {
            for (name, child) in new {
                if is_identity(path, name) {
                    continue;
                }
                path.push(name);
                add(format!("f:{name}"), changed(old.get(name), child, path));
                path.pop();
            }
        }
        (Shape::Keyed(keys), Value::Array(old), Value::Array(new)) => {
            for item in new {
                let key = key_of(item, keys);
                let before = old.iter().find(|before| key_of(before, keys) == key);
                let mut child = changed(before, item, path);
                child.member = before.is_none();
                add(key, child);
            }
        }
        (Shape::Set, Value::Array(old), Value::Array(new)) => {
            for item in new.iter().filter(|item| !old.contains(item)) {
                add(format!("v:{item}"), FieldSet::leaf());
            }
        }
        _ => return of(new, path),
    }
    set
}

/// Puts the fields of `config` into `live`.
pub(crate) fn merge<'a>(live: &mut Value, config: &'a Value, path: &mut Vec<&'a str>) {
    match (shape(path, config), live, config) {
        (Shape::Granular, Value::Object(live), Value::Object(config)) => {
            for (name, child) in config {
                let Some(present) = live.get_mut(name) else {
                    live.insert(name.clone(), child.clone());
                    continue;
                };
                path.push(name);
                merge(present, child, path);
                path.pop();
            }
        }
        (Shape::Keyed(keys), Value::Array(live), Value::Array(config)) => {
            for item in config {
                let key = key_of(item, keys);
                match live.iter_mut().find(|present| key_of(present, keys) == key) {
                    Some(present) => merge(present, item, path),
                    None => live.push(item.clone()),
                }
            }
        }
        (Shape::Set, Value::Array(live), Value::Array(config)) => {
            let new: Vec<Value> = config.iter().filter(|item| !live.contains(item)).cloned().collect();
            live.extend(new);
        }
        (_, live, config) => live.clone_from(config),
    }
}

/// Removes the fields of `gone` from `value`, but nothing that holds a field of `kept`.
pub(crate) fn remove(value: &mut Value, gone: &FieldSet, kept: &FieldSet, path: &[&str]) {
    let shape = shape(path, value);
    match (shape, value) {
        (Shape::Granular, Value::Object(map)) => {
            for (edge, child) in &gone.children {
                let name = edge.trim_start_matches("f:");
                let kept = kept.children.get(edge).cloned().unwrap_or_default();
                let Some(present) = map.get_mut(name) else { continue };
                let path: Vec<&str> = path.iter().copied().chain([name]).collect();
                remove(present, child, &kept, &path);
                let emptied = present.as_object().is_some_and(Map::is_empty)
                    || present.as_array().is_some_and(Vec::is_empty);
                if kept.is_empty() && (child.member || emptied) {
                    map.shift_remove(name);
                }
            }
        }
        (Shape::Keyed(keys), Value::Array(items)) => {
            items.retain_mut(|item| {
                let key = key_of(item, keys);
                let Some(child) = gone.children.get(&key) else { return true };
                let kept = kept.children.get(&key).cloned().unwrap_or_default();
                if child.member && kept.is_empty() {
                    return false;
                }
                remove(item, child, &kept, path);
                true
            });
        }
        (Shape::Set, Value::Array(items)) => items.retain(|item| {
            let edge = format!("v:{item}");
            !gone.children.contains_key(&edge) || kept.children.contains_key(&edge)
        }),
        _ => {}
    }
}
