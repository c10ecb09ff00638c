//! What a pod reads of ConfigMaps and Secrets, hashed into its template: a changed setting rolls exactly
//! the pods that read it, and the diff says why.
//!
//! The plan's ConfigMaps are known when it is composed. The values of Secrets are known only to the
//! run; it calls [`fold_secrets`] on each object before the write.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::object::Object;
use crate::object::settings::{Reference, SourceKind, references};

/// The annotation of a pod template that holds the hash.
pub const CONFIG_ANNOTATION: &str = "wesago/config";

/// What a pod reads: all of a ConfigMap or Secret, or one key of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// What it is read from.
    pub kind: SourceKind,
    /// The name of the ConfigMap or Secret.
    pub name: String,
    /// The key, or all of them.
    pub key: Option<String>,
}

/// Returns what the pods of `object` read, each once.
pub fn settings(object: &Object) -> BTreeSet<Setting> {
    let references = references(object).into_iter();
    references.map(|Reference { kind, name, key, .. }| Setting { kind, name, key }).collect()
}

/// The content of ConfigMaps or Secrets by name and key.
pub type Contents = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// Folds the values of the Secrets that the pods of `object` read into its `wesago/config` annotation.
/// Call it once for an object of a composed plan. Secrets that are neither in `generated` nor among the
/// plan's `manifests`, whose values are folded in already, do not count: they are not the plan's. A pod that
/// reads one key is not changed by another.
///
/// Whoever may read pods may read the annotation, and a weak password is found by trying: so nothing of a
/// Secret is hashed without `key`, which nobody can guess.
pub fn fold_secrets(object: &mut Object, generated: &Contents, manifests: &BTreeSet<&str>, key: &[u8]) {
    fold(object, SourceKind::Secret, generated, Some(Keyed { key, manifests }));
}

/// Folds the content of the ConfigMaps that the pods of `object` read into its annotation.
pub(super) fn fold_configs(object: &mut Object, configs: &Contents) {
    fold(object, SourceKind::ConfigMap, configs, None);
}

/// Folds the content of Secrets that are written in the plan itself. The hash goes nowhere before
/// [`fold_secrets`] has put the key to it.
pub(super) fn fold_manifest_secrets(object: &mut Object, secrets: &Contents) {
    fold(object, SourceKind::Secret, secrets, None);
}

/// What makes a hash one that cannot be tried out.
#[derive(Clone, Copy)]
struct Keyed<'a> {
    key: &'a [u8],
    /// The Secrets whose values are in the hash already.
    manifests: &'a BTreeSet<&'a str>,
}

fn fold(object: &mut Object, kind: SourceKind, contents: &Contents, keyed: Option<Keyed<'_>>) {
    // The name, the key and the value of all that is read, each once, in a fixed order.
    let mut read: BTreeSet<(&str, &str, &[u8])> = BTreeSet::new();
    let mut is_due = false;
    let references = references(object);
    for reference in references.iter().filter(|reference| reference.kind == kind) {
        is_due |= keyed.as_ref().is_some_and(|keyed| keyed.manifests.contains(reference.name.as_str()));
        let Some((name, keys)) = contents.get_key_value(&reference.name) else { continue };
        for (key, value) in keys {
            if reference.key.as_ref().is_none_or(|wanted| wanted == key) {
                read.insert((name, key, value));
            }
        }
    }
    if read.is_empty() && !is_due {
        return;
    }
    let mut hash = Sha256::new();
    // Lengths first, or `ab` + `c` would be `a` + `bc`.
    let mut add = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(bytes);
    };
    // First, and only a part of the digest is shown: nothing can be appended to what was hashed.
    if let Some(Keyed { key, .. }) = keyed {
        add(key);
    }
    for (name, key, value) in read {
        add(name.as_bytes());
        add(key.as_bytes());
        add(value);
    }
    let Some(metadata) = object.template_metadata() else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
    let Some(annotations) = annotations.as_object_mut() else { return };
    // What was folded before is part of it: ConfigMaps and Secrets share one annotation.
    if let Some(before) = annotations.get(CONFIG_ANNOTATION).and_then(Value::as_str) {
        add(before.as_bytes());
    }
    annotations.insert(CONFIG_ANNOTATION.into(), short_hex(&hash.finalize()).into());
}

/// Returns the first 64 bits as hexadecimal digits: enough to tell versions apart, short enough to read.
fn short_hex(digest: &[u8]) -> String {
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
