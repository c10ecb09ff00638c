//! Who owns which fields of an object, from its `metadata.managedFields`. An entry describes itself:
//! `f:` a field, `k:` the item of a list with these keys, `v:` a value of a set, `.` the thing itself.

use serde_json::Value;

use super::path::{Path, Step};

/// A set of fields, as a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSet {
    /// True when the thing itself is owned, not only something in it.
    member: bool,
    children: Vec<(Step, FieldSet)>,
}

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// The field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The subresource the fields were written through; empty for the object itself.
    pub subresource: String,
    /// When it last changed anything, as the server wrote it.
    pub time: Option<String>,
    /// What it owns.
    pub fields: FieldSet,
}

/// Returns the entries of an object's `managedFields`.
pub fn owners(object: &Value) -> Vec<Owner> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let owner = |entry: &Value| Owner {
        manager: text(entry, "manager"),
        operation: text(entry, "operation"),
        subresource: text(entry, "subresource"),
        time: entry["time"].as_str().map(str::to_owned),
        fields: FieldSet::parse(&entry["fieldsV1"]),
    };
    entries.into_iter().flatten().map(owner).collect()
}

impl FieldSet {
    /// Reads `fieldsV1`. What cannot be read is left out: it is owned in some way of a newer server.
    pub fn parse(fields: &Value) -> Self {
        let Some(map) = fields.as_object() else { return Self::default() };
        let mut set = Self { member: map.is_empty() || map.contains_key("."), children: Vec::new() };
        for (edge, child) in map {
            if let Some(step) = Step::parse(edge) {
                set.children.push((step, Self::parse(child)));
            }
        }
        set
    }

    /// Returns true when the field at `path`, something in it, or the whole it is a part of is in the set.
    pub fn holds(&self, path: &Path) -> bool {
        let mut set = self;
        for step in path.steps() {
            if set.children.is_empty() {
                // One owner for the whole value.
                return set.member;
            }
            match set.children.iter().find(|(own, _)| own == step) {
                Some((_, child)) => set = child,
                None => return false,
            }
        }
        true
    }

    /// Returns the paths of all members, the inner ones first.
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect(&mut Path::default(), &|set| set.member, &mut found);
        found
    }

    /// Returns the paths of the members that hold nothing else: the values themselves.
    pub fn leaves(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect(&mut Path::default(), &|set| set.member && set.children.is_empty(), &mut found);
        found
    }

    fn collect(&self, path: &mut Path, choose: &dyn Fn(&Self) -> bool, found: &mut Vec<Path>) {
        for (step, child) in &self.children {
            path.push(step.clone());
            child.collect(path, choose, found);
            path.pop();
        }
        if choose(self) && !path.steps().is_empty() {
            found.push(path.clone());
        }
    }
}
