//! One page of a list, read item by item: a page of a thousand objects as one JSON tree would take several
//! times the memory of what is kept of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{ApiError, Scope};
use crate::object::Object;

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Its objects.
    pub objects: Vec<Object>,
    /// Where a watch goes on.
    pub resource_version: String,
    /// What asks for the next page; empty for the last one.
    pub next: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(rename = "continue")]
    next: String,
}

impl Page {
    /// Reads the answer to a LIST of a scope.
    ///
    /// # Errors
    /// [`ApiError::Unreadable`] when it is no list.
    pub(super) fn read(body: &[u8], scope: &Scope) -> Result<Self, ApiError> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let page = Whole(scope).deserialize(&mut reader);
        page.map_err(|cause| ApiError::Unreadable { cause: cause.to_string() })
    }
}

struct Whole<'a>(&'a Scope);

struct Items<'a>(&'a Scope);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Page, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metadata" => {
                    let metadata: Metadata = map.next_value()?;
                    (page.resource_version, page.next) = (metadata.resource_version, metadata.next);
                }
                "items" => page.objects = map.next_value_seed(Items(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(page)
    }
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Object>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Vec<Object>, D::Error> {
        // Go writes an empty list as `null` when nobody has made one.
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Object>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<Object>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Object>, A::Error> {
        let mut objects = Vec::new();
        while let Some(item) = items.next_element::<Value>()? {
            objects.extend(self.0.complete(item));
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Page;
    use crate::cluster::{Resource, Scope};
    use crate::inventory::Inventory;
    use crate::object::Object;

    fn maps() -> Resource {
        let [version, kind, plural] = ["v1", "ConfigMap", "configmaps"].map(str::to_owned);
        Resource { group: String::new(), version, kind, plural, namespaced: true }
    }

    #[test]
    fn a_page_is_its_objects_and_where_it_goes_on() {
        let body = json!({
            "kind": "ConfigMapList", "apiVersion": "v1",
            "metadata": {"resourceVersion": "7", "continue": "more", "remainingItemCount": 3},
            "items": [{"metadata": {"name": "a"}, "data": {"b": "c"}}, {"metadata": {}}],
        });
        let page = Page::read(body.to_string().as_bytes(), &Scope::all(maps(), Some("shop"))).unwrap();
        assert_eq!((page.resource_version.as_str(), page.next.as_str()), ("7", "more"));
        let [only] = page.objects.as_slice() else { panic!("{page:?}") };
        assert_eq!((only.kind(), only.name(), only.text("/data/b")), ("ConfigMap", "a", "c"));
        let empty = Page::read(br#"{"items": null, "metadata": {}}"#, &Scope::all(maps(), None)).unwrap();
        assert!(empty.objects.is_empty() && empty.next.is_empty());
        assert!(Page::read(b"[]", &Scope::all(maps(), None)).is_err());
        assert!(Page::read(b"<html>", &Scope::all(maps(), None)).is_err());
    }

    #[test]
    fn of_the_fields_we_own_the_hash_proves_as_much() {
        let ours = json!({"manager": "wesago", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}});
        let theirs = json!({"manager": "helm", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}});
        let metadata = json!({"name": "a", "namespace": "shop", "uid": "u", "managedFields": [theirs, ours]});
        let answer =
            Object::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})).unwrap();
        let wanted = Object::new(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}),
        );
        let wanted = wanted.unwrap();
        let mut inventory = Inventory::new("shop", "shop");
        inventory.remember(answer.reference(), Inventory::record_of(&wanted, &answer).unwrap());
        let listed = |metadata: &serde_json::Value| {
            let body = json!({"items": [{"metadata": metadata}]}).to_string();
            let scope = Scope::owned(maps(), Some("shop"), "set", true);
            Page::read(body.as_bytes(), &scope).unwrap().objects.remove(0)
        };
        let live = listed(&metadata);
        assert!(live.get("/metadata/managedFields/1/fieldsV1").unwrap().is_string(), "{live:?}");
        assert!(live.get("/metadata/managedFields/0/fieldsV1").unwrap().is_object(), "{live:?}");
        assert!(inventory.proves_unchanged(&wanted, &live));
        let mut other = metadata.clone();
        other["managedFields"][1]["fieldsV1"] = json!({"f:data": {}});
        assert!(!inventory.proves_unchanged(&wanted, &listed(&other)));
    }
}
