//! The way to a field, written as the API server writes it in conflicts
//! (`structured-merge-diff/fieldpath`): `.spec.template.spec.containers[name="a"].image`.

use std::fmt;

use serde_json::Value;

/// One step on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field of a mapping.
    Field(String),
    /// The item of a list with these values of its keys, sorted by key.
    Item(Vec<(String, Value)>),
    /// A value of a set.
    Value(Value),
    /// The item at a place in a list.
    Index(usize),
}

/// The way from an object to one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// How a list is compared and merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListShape {
    /// One value: it changes as a whole.
    Atomic,
    /// Its items are mappings told apart by these fields.
    Keyed(&'static [&'static str]),
    /// Values, each once.
    Set,
}

impl Step {
    /// Returns the step as `fieldsV1` writes it: `f:name`, `k:{…}`, `v:…`, `i:0`.
    pub(super) fn parse(edge: &str) -> Option<Self> {
        let (kind, rest) = edge.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "v" => serde_json::from_str(rest).ok().map(Self::Value),
            "i" => rest.parse().ok().map(Self::Index),
            "k" => {
                let Value::Object(keys) = serde_json::from_str(rest).ok()? else { return None };
                let mut keys: Vec<(String, Value)> = keys.into_iter().collect();
                keys.sort_by(|(left, _), (right, _)| left.cmp(right));
                Some(Self::Item(keys))
            }
            _ => None,
        }
    }

    /// Returns the step to an item of a keyed list; `None` when the item lacks a key.
    pub(super) fn to_item(item: &Value, keys: &[&str]) -> Option<Self> {
        let mut found = Vec::new();
        for key in keys {
            let value = match item.get(*key) {
                Some(Value::Object(_) | Value::Array(_)) => return None,
                Some(value) => value.clone(),
                None => Value::from(default_of(key)?),
            };
            found.push(((*key).to_owned(), value));
        }
        found.sort_by(|(left, _), (right, _)| left.cmp(right));
        Some(Self::Item(found))
    }

    /// Returns what the step leads to.
    pub(super) fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.as_object()?.get(name),
            _ => value.as_array()?.get(self.place_in(value)?),
        }
    }

    /// Returns the place of the item the step leads to.
    pub(super) fn place_in(&self, list: &Value) -> Option<usize> {
        let items = list.as_array()?;
        match self {
            Self::Field(_) => None,
            Self::Index(at) => (*at < items.len()).then_some(*at),
            Self::Value(wanted) => items.iter().position(|item| item == wanted),
            Self::Item(keys) => items.iter().position(|item| {
                keys.iter().all(|(key, wanted)| match item.get(key) {
                    Some(value) => value == wanted,
                    None => default_of(key).is_some_and(|default| wanted == default),
                })
            }),
        }
    }
}

/// Returns the value of a list key that is left out (`x-kubernetes-list-map-keys` with a default).
fn default_of(key: &str) -> Option<&'static str> {
    (key == "protocol").then_some("TCP")
}

impl Path {
    /// Returns the path of these field names.
    pub fn of_fields(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Step::Field((*name).to_owned())).collect())
    }

    /// Returns the steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns what the path leads to.
    pub fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| step.of(value))
    }

    /// Returns the path in `value` that the API server would write as `text`. Only the value tells where a name
    /// ends: those of labels and annotations have dots themselves.
    pub fn find(text: &str, value: &Value) -> Option<Self> {
        let mut path = Self::default();
        path.follow(text, value).then_some(path)
    }

    fn follow(&mut self, text: &str, value: &Value) -> bool {
        if text.is_empty() {
            return true;
        }
        for (step, inner) in self.steps_into(value) {
            let Some(rest) = text.strip_prefix(step.to_string().as_str()) else { continue };
            if !rest.is_empty() && !rest.starts_with(['.', '[']) {
                continue;
            }
            self.push(step);
            if self.follow(rest, inner) {
                return true;
            }
            self.pop();
        }
        false
    }

    fn steps_into<'a>(&self, value: &'a Value) -> Vec<(Step, &'a Value)> {
        match (value, self.list_shape()) {
            (Value::Object(map), _) => {
                map.iter().map(|(name, inner)| (Step::Field(name.clone()), inner)).collect()
            }
            (Value::Array(items), ListShape::Keyed(keys)) => {
                items.iter().filter_map(|item| Some((Step::to_item(item, keys)?, item))).collect()
            }
            (Value::Array(items), ListShape::Set) => {
                items.iter().map(|item| (Step::Value(item.clone()), item)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Takes what the path leads to out of `value`, with the mappings that it leaves empty.
    pub fn cut(&self, value: &mut Value) {
        cut(value, &self.0);
    }

    /// Returns true when the path begins with these field names.
    pub fn begins_with(&self, names: &[&str]) -> bool {
        self.0.len() >= names.len()
            && self.0.iter().zip(names).all(|(step, name)| matches!(step, Step::Field(own) if own == name))
    }

    /// Returns the name of the last field on the way.
    pub fn last_field(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Field(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Returns how the list at this path is merged: the markers of the API's types, by name
    /// (`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`). A list of another kind that has such a
    /// name is shown item by item, too; only how a change is told depends on it.
    pub(super) fn list_shape(&self) -> ListShape {
        let Some(Step::Field(name)) = self.0.last() else { return ListShape::Atomic };
        match name.as_str() {
            "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env" => {
                ListShape::Keyed(&["name"])
            }
            // A pod's list, not the ServiceAccount's, which is atomic.
            "imagePullSecrets" if self.0.len() > 1 => ListShape::Keyed(&["name"]),
            "ports" if self.0.iter().any(|step| matches!(step, Step::Item(_))) => {
                ListShape::Keyed(&["containerPort", "protocol"])
            }
            "ports" if self.begins_with(&["spec", "ports"]) => ListShape::Keyed(&["port", "protocol"]),
            "volumeMounts" => ListShape::Keyed(&["mountPath"]),
            "volumeDevices" => ListShape::Keyed(&["devicePath"]),
            "hostAliases" => ListShape::Keyed(&["ip"]),
            "topologySpreadConstraints" => ListShape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
            "ownerReferences" => ListShape::Keyed(&["uid"]),
            "conditions" => ListShape::Keyed(&["type"]),
            "finalizers" => ListShape::Set,
            _ => ListShape::Atomic,
        }
    }

    /// Returns true for a mapping with one owner for the whole of it (`x-kubernetes-map-type: atomic`).
    pub(super) fn is_atomic_map(&self) -> bool {
        matches!(
            self.last_field(),
            Some("selector" | "nodeSelector" | "roleRef" | "secretKeyRef" | "configMapKeyRef" | "fieldRef")
        )
    }
}

fn cut(value: &mut Value, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else { return };
    match (step, value) {
        (Step::Field(name), Value::Object(map)) => {
            if let Some(inner) = map.get_mut(name).filter(|_| !rest.is_empty()) {
                cut(inner, rest);
                if inner.as_object().is_none_or(|inner| !inner.is_empty()) {
                    return;
                }
            }
            map.shift_remove(name);
        }
        (step, list) => {
            let Some(at) = step.place_in(list) else { return };
            let Some(items) = list.as_array_mut() else { return };
            if rest.is_empty() {
                items.remove(at);
            } else if let Some(item) = items.get_mut(at) {
                cut(item, rest);
            }
        }
    }
}

/// Prints `.spec.containers[name="a"].image`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| step.fmt(f))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Item(keys) => {
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}
