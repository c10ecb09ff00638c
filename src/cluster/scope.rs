//! What a list or a watch is about.

use std::fmt;

use serde_json::Value;

use super::Resource;
use crate::inventory::{PART_OF, condense};
use crate::object::Object;

/// What is listed or watched: one kind, in one namespace or in all, with or without a label selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The kind.
    pub resource: Resource,
    /// The namespace; `None` for all, and for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// A label selector, such as `app=web`.
    pub labels: Option<String>,
    /// A field selector, such as `involvedObject.uid=…`.
    pub fields: Option<String>,
    /// True to ask for metadata only (`PartialObjectMetadataList`).
    pub metadata_only: bool,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource.plural)?;
        match &self.namespace {
            Some(namespace) => write!(f, " of namespace {namespace}"),
            None => Ok(()),
        }
    }
}

impl Scope {
    /// Returns the scope of everything of a kind, in a namespace or in all of them.
    pub fn all(resource: Resource, namespace: Option<&str>) -> Self {
        let namespace = namespace.filter(|_| resource.namespaced).map(str::to_owned);
        Self { resource, namespace, labels: None, fields: None, metadata_only: false }
    }

    /// Returns the scope of all objects of a kind that carry our set's label.
    pub fn owned(resource: Resource, namespace: Option<&str>, set: &str, metadata_only: bool) -> Self {
        let labels = Some(format!("{PART_OF}={set}"));
        Self { labels, metadata_only, ..Self::all(resource, namespace) }
    }

    /// Returns the scope of the one object of a kind that bears a name.
    pub fn named(resource: Resource, namespace: Option<&str>, name: &str) -> Self {
        Self { fields: Some(format!("metadata.name={name}")), ..Self::all(resource, namespace) }
    }

    /// Returns the selectors as a query has them.
    pub(super) fn selectors(&self) -> Vec<(&'static str, &str)> {
        let labels = self.labels.as_deref().map(|labels| ("labelSelector", labels));
        let fields = self.fields.as_deref().map(|fields| ("fieldSelector", fields));
        labels.into_iter().chain(fields).collect()
    }

    /// Returns an item of a list, or of a watch, as an object: lists leave `apiVersion` and `kind` out of their
    /// items, and metadata-only ones say `PartialObjectMetadata`.
    pub(super) fn complete(&self, mut item: Value) -> Option<Object> {
        let map = item.as_object_mut()?;
        map.insert("apiVersion".into(), self.resource.api_version().into());
        map.insert("kind".into(), self.resource.kind.clone().into());
        let mut object = Object::new(item).ok()?;
        // Of what is ours, and nothing but its being there matters, only the proof is asked for.
        if self.metadata_only && self.labels.is_some() {
            condense(&mut object);
        }
        Some(object)
    }
}
