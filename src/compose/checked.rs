//! What only shows when all objects are known: two with one name, settings that pods read and nobody
//! writes, and where objects of each kind live.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use indexmap::IndexMap;
use serde_json::Value;

use super::decode::{Decoder, listed};
use super::document::Document;
use super::fingerprint::Contents;
use super::manifest::Draft;
use super::names::{self, Scope};
use crate::object::settings::{self, SourceKind};
use crate::object::{GroupKind, ObjectRef};
use crate::plan::SecretSpec;
use crate::problem::{Place, Problem};

/// Gives objects that name no namespace the plan's, as far as it is known that they live in one. Returns
/// the kinds of which only the cluster knows.
pub(super) fn settle_namespaces(drafts: &mut [Draft], namespace: &str) -> BTreeSet<GroupKind> {
    let mut own: BTreeMap<GroupKind, bool> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.object.kind() == "CustomResourceDefinition") {
        let text = |pointer| draft.object.text(pointer).to_owned();
        let kind = GroupKind { group: text("/spec/group"), kind: text("/spec/names/kind") };
        own.insert(kind, draft.object.text("/spec/scope") == "Namespaced");
    }
    let mut open = BTreeSet::new();
    for draft in drafts.iter_mut().filter(|draft| draft.object.namespace().is_none()) {
        let kind = draft.object.reference().group_kind();
        let namespaced = match (names::scope(&kind.group, &kind.kind), own.get(&kind)) {
            (Scope::Namespaced, _) | (Scope::Unknown, Some(true)) => true,
            (Scope::Cluster, _) | (Scope::Unknown, Some(false)) => false,
            (Scope::Unknown, None) => {
                open.insert(kind);
                false
            }
        };
        if namespaced {
            draft.object.set_namespace(namespace);
        }
    }
    open
}

/// Checks that each object is there once, and is not one of the generated Secrets. Returns their places.
pub(super) fn places(
    drafts: &[Draft],
    secrets: &IndexMap<String, (SecretSpec, Place)>,
    namespace: &str,
    decoder: &mut Decoder,
) -> BTreeMap<ObjectRef, Place> {
    let mut places: BTreeMap<ObjectRef, Place> = BTreeMap::new();
    for draft in drafts {
        let reference = draft.object.reference();
        let here = draft.place_of("/metadata/name");
        if let Some(first) = places.get(&reference) {
            let problem = if first == here {
                Problem::at(here, format!("`{reference}` is applied by two stages"))
                    .hint("name its manifest in one of them only")
            } else {
                Problem::at(here, format!("`{reference}` is there twice"))
                    .labelled("second")
                    .mark(first, "first")
            };
            decoder.problem(problem);
            continue;
        }
        let declared = secrets.get(&reference.name).filter(|_| {
            reference.kind == "Secret"
                && reference.group.is_empty()
                && reference.namespace.as_deref() == Some(namespace)
        });
        if let Some((_, place)) = declared {
            decoder.problem(
                Problem::at(here, format!("secret `{}` is generated, and a manifest too", reference.name))
                    .labelled("a manifest here")
                    .mark(place, "generated here")
                    .hint("keep one of them; a manifest would overwrite what was generated"),
            );
        }
        places.insert(reference, here.clone());
    }
    places
}

/// Returns the content of the plan's own ConfigMaps or Secrets in its namespace.
pub(super) fn contents(drafts: &[Draft], kind: &str, namespace: &str) -> Contents {
    let engine = base64::engine::general_purpose::STANDARD;
    let mut contents = Contents::new();
    for draft in drafts {
        let object = &draft.object;
        if object.kind() != kind || !object.group().is_empty() || object.namespace() != Some(namespace) {
            continue;
        }
        let keys = contents.entry(object.name().to_owned()).or_default();
        for (pointer, is_base64) in
            [("/data", kind == "Secret"), ("/binaryData", true), ("/stringData", false)]
        {
            for (key, value) in object.get(pointer).and_then(Value::as_object).into_iter().flatten() {
                let text = value.as_str().unwrap_or_default();
                // What is not base64 is the server's to refuse; here it only has to differ when it differs.
                let bytes = if is_base64 { engine.decode(text).ok() } else { None };
                keys.insert(key.clone(), bytes.unwrap_or_else(|| text.as_bytes().to_vec()));
            }
        }
    }
    contents
}

/// Checks that what pods read is there: a key that a ConfigMap or Secret of the plan does not have can
/// never work. What is not of the plan may be in the cluster: the preflight looks there.
pub(super) fn references(
    drafts: &[Draft],
    secrets: &IndexMap<String, (SecretSpec, Place)>,
    namespace: &str,
    decoder: &mut Decoder,
) {
    let keys = |contents: Contents| -> BTreeMap<String, BTreeSet<String>> {
        contents.into_iter().map(|(name, keys)| (name, keys.into_keys().collect())).collect()
    };
    let configs = keys(contents(drafts, "ConfigMap", namespace));
    let mut known = keys(contents(drafts, "Secret", namespace));
    for (name, (spec, _)) in secrets {
        known.insert(name.clone(), spec.keys.iter().map(|key| key.key.clone()).collect());
    }
    for draft in drafts.iter().filter(|draft| draft.object.namespace() == Some(namespace)) {
        for reference in settings::references(&draft.object).iter().filter(|reference| !reference.optional) {
            let owned = match reference.kind {
                SourceKind::ConfigMap => &configs,
                SourceKind::Secret => &known,
            };
            let Some(keys) = owned.get(&reference.name) else { continue };
            if let Some(key) = reference.key.as_ref().filter(|key| !keys.contains(*key)) {
                let place = draft.place_of(&reference.pointer);
                let message = format!("{} `{}` has no key `{key}`", reference.kind.kind(), reference.name);
                let problem = Problem::at(place, message).did_you_mean(key, keys.iter().map(String::as_str));
                decoder.problem(problem);
            }
        }
    }
}

/// Checks that what a stage asks is there: a Service of the plan has the port. One that is not of the
/// plan may be in the cluster: the preflight looks there.
pub(super) fn services(document: &Document, drafts: &[Draft], namespace: &str, decoder: &mut Decoder) {
    let owned: BTreeMap<&str, &Draft> = drafts
        .iter()
        .filter(|draft| draft.object.kind() == "Service" && draft.object.namespace() == Some(namespace))
        .map(|draft| (draft.object.name(), draft))
        .collect();
    for declared in document.stages.values().flat_map(|stage| stage.checks.iter().flatten()) {
        let (name, port) = (declared.check.service.as_str(), declared.check.port);
        let Some(service) = owned.get(name) else { continue };
        let ports = service.object.get("/spec/ports").and_then(Value::as_array);
        let ports: Vec<u64> =
            ports.into_iter().flatten().filter_map(|port| port.get("port")?.as_u64()).collect();
        if !ports.contains(&u64::from(port)) {
            let texts: Vec<String> = ports.iter().map(ToString::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let problem = Problem::at(&declared.place, format!("Service `{name}` has no port {port}"));
            decoder.problem(
                problem.mark(service.place_of("/spec/ports"), format!("its ports: {}", listed(&texts))),
            );
        }
    }
}
