//! YAML as a tree in which everything knows its place.

use serde_json::{Map, Value};

use crate::problem::Place;

/// One value with its place. The place of an alias or of a merged entry is where it is defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, each key once.
    Mapping(Vec<Entry>),
}

/// A single value.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// As JSON: null, a boolean, a number or a string.
    pub value: Value,
    /// As written, after quotes and escapes.
    pub text: String,
    /// How it is written.
    pub style: Style,
    /// Marked `!!str`: whatever is put into it stays a string.
    pub is_string: bool,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// Quoted, or as a block.
    Quoted,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// The key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its text, as kubectl reads it.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// Returns the value as JSON.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.clone(),
            Kind::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Kind::Mapping(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.name.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<String, Value>>())
            }
        }
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.as_str(),
            _ => None,
        }
    }

    /// Returns the scalar.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entries of a mapping.
    pub fn as_mapping(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// Returns true for null, written or left out.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.value.is_null())
    }

    /// Returns what this is called in a message: "a list", "the number 3".
    pub fn described(&self) -> String {
        match &self.kind {
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar(scalar) => match &scalar.value {
                Value::Null => "nothing".to_owned(),
                Value::Bool(value) => format!("the boolean {value}"),
                Value::Number(value) => format!("the number {value}"),
                _ => "a string".to_owned(),
            },
        }
    }

    /// Returns the entry of a mapping called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.as_mapping()?.iter().find(|entry| entry.key.name == name)
    }

    /// Returns the value of a mapping's key.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// Returns the node at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        pointer.split('/').skip(1).try_fold(self, |node, part| match &node.kind {
            Kind::Mapping(_) => node.get(&part.replace("~1", "/").replace("~0", "~")),
            Kind::Sequence(items) => items.get(part.parse::<usize>().ok()?),
            Kind::Scalar(_) => None,
        })
    }

    /// Returns how many nodes this is, with all below it.
    pub fn count(&self) -> usize {
        match &self.kind {
            Kind::Scalar(_) => 1,
            Kind::Sequence(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Kind::Mapping(entries) => 1 + entries.iter().map(|entry| 1 + entry.value.count()).sum::<usize>(),
        }
    }
}
