//! Which pods would be replaced, and why: because the template says something else, or because a setting
//! they read has another value. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::compose::{CONFIG_ANNOTATION, SourceKind, settings};
use crate::difference::{Edit, FieldChange, Step};
use crate::engine::secrets::Secrets;
use crate::object::Object;
use crate::plan::Plan;

/// The most fields named in one reason.
const NAMED: usize = 3;

/// The keys that would change, by the ConfigMap or Secret they are in; no key where it is not known which.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangedKeys {
    keys: BTreeMap<(SourceKind, String), BTreeSet<String>>,
    /// The key of the hashes is made.
    is_rekeyed: bool,
}

impl ChangedKeys {
    /// Returns the keys of generated Secrets that get a value.
    pub(super) fn made(secrets: &Secrets, plan: &Plan) -> Self {
        let mut keys = Self { is_rekeyed: secrets.made.contains_key(&plan.key_secret()), ..Self::default() };
        for (secret, made) in &secrets.made {
            for key in made {
                keys.add(SourceKind::Secret, secret, key);
            }
        }
        keys
    }

    /// Takes in the changes of an object, if pods can read settings from its kind.
    pub(super) fn learn(&mut self, object: &Object, changes: &[FieldChange]) {
        let Some(kind) = source_kind(object) else { return };
        for change in changes {
            let [Step::Field(section), rest @ ..] = change.path.steps() else { continue };
            if !matches!(section.as_str(), "data" | "binaryData" | "stringData") {
                continue;
            }
            match (rest.first(), &change.edit) {
                (Some(Step::Field(key)), _) => self.add(kind, object.name(), key),
                (None, Edit::Added(Value::Object(map)) | Edit::Removed(Value::Object(map))) => {
                    map.keys().for_each(|key| self.add(kind, object.name(), key));
                }
                _ => {}
            }
        }
    }

    /// Notes that an object would change, of which only the metadata was read.
    pub(super) fn suspect(&mut self, object: &Object) {
        if let Some(kind) = source_kind(object) {
            self.keys.entry((kind, object.name().to_owned())).or_default();
        }
    }

    /// Notes that a key has another value.
    pub(super) fn add(&mut self, kind: SourceKind, name: &str, key: &str) {
        self.keys.entry((kind, name.to_owned())).or_default().insert(key.to_owned());
    }

    /// Returns the changed keys among those that the pods of `object` read, such as
    /// "ConfigMap/settings changes in `host`".
    fn read_by(&self, object: &Object) -> Vec<String> {
        let mut found: BTreeMap<(SourceKind, &str), BTreeSet<&str>> = BTreeMap::new();
        let read = settings(object);
        for setting in &read {
            let Some(keys) = self.keys.get(&(setting.kind, setting.name.clone())) else { continue };
            let is_read = |key: &&String| setting.key.as_ref().is_none_or(|read| read == *key);
            let mut read = keys.iter().filter(is_read).map(String::as_str).peekable();
            if keys.is_empty() || read.peek().is_some() {
                found.entry((setting.kind, &setting.name)).or_default().extend(read);
            }
        }
        let told = found.into_iter().map(|((kind, name), keys)| {
            let keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
            let which = if keys.is_empty() { String::new() } else { format!(" in {}", keys.join(", ")) };
            format!("{}/{name} changes{which}", word(kind))
        });
        told.collect()
    }
}

/// Returns why what a workload runs would be another thing: empty when its template stays the same.
pub(super) fn template_reasons(wanted: &Object, changes: &[FieldChange], keys: &ChangedKeys) -> Vec<String> {
    let in_template: Vec<&FieldChange> =
        changes.iter().filter(|change| change.path.begins_with(&["spec", "template"])).collect();
    let is_settings = |change: &&FieldChange| match &change.edit {
        // The first annotation of all.
        Edit::Added(Value::Object(map)) => map.len() == 1 && map.contains_key(CONFIG_ANNOTATION),
        _ => change.path.last_field() == Some(CONFIG_ANNOTATION),
    };
    let mut reasons = Vec::new();
    let fields: Vec<String> = in_template
        .iter()
        .copied()
        .filter(|change| !is_settings(change))
        .map(|change| change.path.to_string().replacen(".spec.template", "", 1))
        .collect();
    if !fields.is_empty() {
        let more = fields.len().saturating_sub(NAMED);
        let named = fields[..fields.len().min(NAMED)].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        reasons.push(format!("its template changes: {named}{more}"));
    }
    if in_template.iter().any(is_settings) {
        let known = keys.read_by(wanted);
        if keys.is_rekeyed {
            reasons.push("the hash of what its pods read of Secrets gets a key, once and for all".to_owned());
        } else if known.is_empty() {
            let read: BTreeSet<String> = settings(wanted)
                .into_iter()
                .map(|setting| format!("{}/{}", word(setting.kind), setting.name))
                .collect();
            let read = read.into_iter().collect::<Vec<_>>().join(", ");
            reasons.push(format!("what its pods read is not what they started with: {read}"));
        }
        reasons.extend(known);
    }
    reasons
}

/// Returns true for a workload that replaces its pods by itself when its template changes.
pub(super) fn replaces_pods(wanted: &Object) -> bool {
    let by_itself = wanted.text("/spec/updateStrategy/type") != "OnDelete"
        && wanted.get("/spec/paused").and_then(Value::as_bool) != Some(true);
    wanted.group() == "apps"
        && matches!(wanted.kind(), "Deployment" | "StatefulSet" | "DaemonSet")
        && by_itself
}

fn source_kind(object: &Object) -> Option<SourceKind> {
    match (object.group(), object.kind()) {
        ("", "ConfigMap") => Some(SourceKind::ConfigMap),
        ("", "Secret") => Some(SourceKind::Secret),
        _ => None,
    }
}

fn word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::ConfigMap => "ConfigMap",
        SourceKind::Secret => "Secret",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ChangedKeys, replaces_pods, template_reasons};
    use crate::compose::SourceKind;
    use crate::difference::changes;
    use crate::object::Object;

    /// Returns a workload that reads one key of a ConfigMap and all of a Secret.
    fn workload(image: &str, hash: &str) -> Object {
        let env =
            json!([{"name": "HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "host"}}}]);
        let container = json!({
            "name": "web", "image": image, "env": env, "envFrom": [{"secretRef": {"name": "env"}}],
        });
        Object::new(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {
                "metadata": {"annotations": {"wesago/config": hash}}, "spec": {"containers": [container]},
            }},
        }))
        .unwrap()
    }

    fn map(data: &Value) -> Object {
        Object::new(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data,
        }))
        .unwrap()
    }

    fn reasons(before: &Object, after: &Object, keys: &ChangedKeys) -> Vec<String> {
        template_reasons(after, &changes(before.value(), after.value()), keys)
    }

    #[test]
    fn only_the_keys_that_are_read_are_a_reason() {
        let mut keys = ChangedKeys::default();
        let before = map(&json!({"host": "a", "other": "1"}));
        let after = map(&json!({"host": "b", "other": "2", "third": "3"}));
        keys.learn(&after, &changes(before.value(), after.value()));
        keys.add(SourceKind::Secret, "env", "PASSWORD");
        keys.add(SourceKind::Secret, "env", "USER");
        keys.add(SourceKind::Secret, "foreign", "x");
        assert_eq!(
            reasons(&workload("shop:1", "1"), &workload("shop:1", "2"), &keys),
            ["ConfigMap/settings changes in `host`", "Secret/env changes in `PASSWORD`, `USER`"]
        );
    }

    #[test]
    fn a_whole_new_map_changes_all_its_keys() {
        let mut keys = ChangedKeys::default();
        let mut before = map(&json!({})).into_value();
        before.as_object_mut().unwrap().shift_remove("data");
        keys.learn(&map(&json!({})), &changes(&before, map(&json!({"host": "b"})).value()));
        assert_eq!(
            reasons(&workload("shop:1", "1"), &workload("shop:1", "2"), &keys),
            ["ConfigMap/settings changes in `host`"]
        );
    }

    #[test]
    fn a_map_that_was_not_read_is_a_reason_as_a_whole() {
        let mut keys = ChangedKeys::default();
        keys.suspect(&map(&json!({})));
        assert_eq!(
            reasons(&workload("shop:1", "1"), &workload("shop:1", "2"), &keys),
            ["ConfigMap/settings changes"]
        );
    }

    #[test]
    fn a_template_that_changes_is_told_with_its_fields() {
        let keys = ChangedKeys::default();
        assert_eq!(
            reasons(&workload("shop:1", "1"), &workload("shop:2", "1"), &keys),
            [r#"its template changes: .spec.containers[name="web"].image"#]
        );
        assert_eq!(reasons(&workload("shop:1", "1"), &workload("shop:1", "1"), &keys), [""; 0]);
    }

    #[test]
    fn settings_that_were_changed_before_are_told_as_such() {
        assert_eq!(
            reasons(&workload("shop:1", "1"), &workload("shop:1", "2"), &ChangedKeys::default()),
            ["what its pods read is not what they started with: ConfigMap/settings, Secret/env"]
        );
    }

    #[test]
    fn what_waits_for_somebody_does_not_roll() {
        let with = |more: Value| {
            let mut value = workload("shop:1", "1").into_value();
            json_patch::merge(&mut value, &more);
            Object::new(value).unwrap()
        };
        assert!(replaces_pods(&with(json!({}))));
        assert!(!replaces_pods(&with(json!({"spec": {"paused": true}}))));
        assert!(!replaces_pods(&with(
            json!({"kind": "DaemonSet", "spec": {"updateStrategy": {"type": "OnDelete"}}})
        )));
        assert!(!replaces_pods(&with(json!({"kind": "Job", "apiVersion": "batch/v1"}))));
    }
}
