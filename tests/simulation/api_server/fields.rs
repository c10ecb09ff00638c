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
        let mut object = object.clone();
        strip_identity(&mut object);
        let mut set = of(&object, &mut Vec::new());
        set.member = false;
        set
    }

    /// Returns the leaves that `new` has and `old` has not, or has with another value.
    pub(crate) fn changed(old: &Value, new: &Value) -> Self {
        let (mut old, mut new) = (old.clone(), new.clone());
        strip_identity(&mut old);
        strip_identity(&mut new);
        changed(Some(&old), &new, &mut Vec::new())
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

/// Takes out what no manager can own.
fn strip_identity(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    for field in ["apiVersion", "kind"] {
        root.shift_remove(field);
    }
    if let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
        ] {
            metadata.shift_remove(field);
        }
        if metadata.is_empty() {
            root.shift_remove("metadata");
        }
    }
}

fn of<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> FieldSet {
    let mut set = FieldSet::default();
    match (shape(path, value), value) {
        (Shape::Granular, Value::Object(map)) if !map.is_empty() => {
            for (name, child) in map {
                path.push(name);
                set.children.insert(format!("f:{name}"), of(child, path));
                path.pop();
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

/// Returns `live` with the fields of `config` put in.
pub(crate) fn merged<'a>(live: Option<&'a Value>, config: &'a Value, path: &mut Vec<&'a str>) -> Value {
    let Some(live) = live else { return config.clone() };
    match (shape(path, config), live, config) {
        (Shape::Granular, Value::Object(live), Value::Object(config)) => {
            let mut result = live.clone();
            for (name, child) in config {
                path.push(name);
                let child = merged(live.get(name), child, path);
                path.pop();
                result.insert(name.clone(), child);
            }
            Value::Object(result)
        }
        (Shape::Keyed(keys), Value::Array(live), Value::Array(config)) => {
            let mut result = live.clone();
            for item in config {
                let key = key_of(item, keys);
                match live.iter().position(|before| key_of(before, keys) == key) {
                    Some(at) => result[at] = merged(Some(&live[at]), item, path),
                    None => result.push(item.clone()),
                }
            }
            Value::Array(result)
        }
        (Shape::Set, Value::Array(live), Value::Array(config)) => {
            let new = config.iter().filter(|item| !live.contains(item));
            Value::Array(live.iter().chain(new).cloned().collect())
        }
        _ => config.clone(),
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
