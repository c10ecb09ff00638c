//! From a change to what may be shown of it. The values of a Secret become a keyed hash: one sees *that* a
//! value changes, and nobody who reads the output learns, or can test a guess, what it is.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::compare::{Edit, FieldChange};
use super::path::{Path, Step};
use crate::entropy::Entropy;
use crate::object::ObjectRef;

/// Where client-side apply of kubectl keeps a copy of the whole object, secret values with it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A change that may be shown to anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The field, such as `.spec.replicas`.
    pub field: String,
    /// The old value; `None` for a field that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The new value; `None` for a field that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What hides values. The key is of one run: hashes of two runs say nothing about each other.
#[derive(Clone, Copy)]
pub struct Mask {
    key: Option<[u8; 8]>,
    /// An annotation whose value was made from secret values.
    derived: &'static str,
}

impl Mask {
    /// Returns the mask of a run that does not tell its seed; `derived` names the annotation that is a hash
    /// over secret values: without a key, it would let a guess be tested.
    pub fn keyed(entropy: Entropy, derived: &'static str) -> Self {
        Self { key: Some(entropy.fork("mask").seed().to_le_bytes()), derived }
    }

    /// Returns the mask of a run whose seed is known to whoever reads its output: it shows no hash at all.
    pub fn blind(derived: &'static str) -> Self {
        Self { key: None, derived }
    }

    /// Returns a change as it may be shown.
    pub fn tell(&self, object: &ObjectRef, change: &FieldChange) -> Told {
        let path = &change.path;
        let shown = |value: &Value| Some(self.value(object, path, value));
        let order = |steps: &[Step]| Some(steps.iter().map(|step| Value::from(step.to_string())).collect());
        let (before, after) = match &change.edit {
            Edit::Added(after) => (None, shown(after)),
            Edit::Removed(before) => (shown(before), None),
            Edit::Changed { before, after } => (shown(before), shown(after)),
            Edit::Reordered { before, after } => (order(before), order(after)),
        };
        Told { field: path.to_string(), before, after }
    }

    /// Returns the value at `path` of an object as it may be shown.
    pub fn value(&self, object: &ObjectRef, path: &Path, value: &Value) -> Value {
        if self.hides(object, path, value) {
            return self.hidden(object, path, value);
        }
        match value {
            Value::Object(map) => {
                let mut path = path.clone();
                let entry = |(name, inner): (&String, &Value)| {
                    path.push(Step::Field(name.clone()));
                    let shown = self.value(object, &path, inner);
                    path.pop();
                    (name.clone(), shown)
                };
                Value::Object(map.iter().map(entry).collect())
            }
            // A list inside an object has no field of the object's own names in it.
            value => value.clone(),
        }
    }

    /// Returns true when the value at a path is secret as a whole.
    fn hides(&self, object: &ObjectRef, path: &Path, value: &Value) -> bool {
        let last = path.last_field();
        if last == Some(self.derived) || last == Some(LAST_APPLIED) {
            return true;
        }
        let is_secret = object.kind == "Secret" && object.group.is_empty();
        let in_data = path.begins_with(&["data"]) || path.begins_with(&["stringData"]);
        // The names of the keys may be seen.
        is_secret && in_data && (path.steps().len() > 1 || !value.is_object())
    }

    /// Returns 24 bits of a keyed hash over where the value stands and what it is: enough to see that it
    /// changes, too few and too well keyed to be found by trying. (The key comes first and only a part of
    /// the digest is shown, so nothing can be appended to what was hashed.)
    fn hidden(&self, object: &ObjectRef, path: &Path, value: &Value) -> Value {
        let Some(key) = self.key else { return "<hidden>".into() };
        let mut hash = Sha256::new();
        hash.update(key);
        let namespace = object.namespace.as_deref().unwrap_or_default();
        for part in [namespace, &object.name, &path.to_string(), &value.to_string()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        format!("<hidden {:02x}{:02x}{:02x}>", digest[0], digest[1], digest[2]).into()
    }
}
