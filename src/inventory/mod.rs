//! L2: the inventory: what a plan owns in the cluster, and the proof that there is nothing to write.
//!
//! It is an ApplySet (KEP-3659): a parent ConfigMap `wesago-<plan>` that names the kinds and namespaces
//! of its members, and a label on each member. Keys and annotations are those of kubectl's code, whose
//! prefix is `applyset.kubernetes.io/` (the KEP's text says `applyset.k8s.io/`). Beside that, the
//! parent's data holds a record per object, one line each.
//!
//! The proof: the API server keeps the `fieldsV1` of our Apply entry in `metadata.managedFields` byte for
//! byte the same across re-applies and foreign additions, and changes it the moment anybody changes,
//! removes or takes a field we own. So *same content applied ∧ same fields entry ∧ same uid* means that
//! a write would change nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::object::{GroupKind, Object, ObjectRef, Uid};

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "wesago";
/// The label of a member; its value is the set's id.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
const RECORDS: &str = "objects";
const NONE: &str = "-";

/// A short content hash: 128 bits of SHA-256, base64url. It tells contents apart; it hides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hash(String);

impl Hash {
    /// Returns the hash of a JSON value as it would be sent.
    pub fn of(value: &Value) -> Self {
        let digest = Sha256::digest(value.to_string().as_bytes());
        Self(URL_SAFE_NO_PAD.encode(&digest[..16]))
    }
}

/// What is remembered of one object we wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The life of the object we wrote.
    pub uid: Uid,
    /// Hash of what we sent; of a member in doubt it fits no content.
    pub applied: Hash,
    /// Hash of our `managedFields` entry after the write.
    pub fields: Hash,
}

/// What a plan owns in the cluster. An object without a record is about to be written, or was when a run
/// was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    plan: String,
    namespace: String,
    members: BTreeMap<ObjectRef, Member>,
}

/// What is known of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    record: Option<Record>,
    /// How many stages deep in the DAG it was last written; `None` when an older version wrote it.
    depth: Option<u32>,
}

/// Why a ConfigMap in the cluster is not our inventory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// Another tool, or nobody, made it.
    #[error("ConfigMap `{name}` is not wesago's: its tooling annotation is {tooling}")]
    Tooling {
        /// The ConfigMap.
        name: String,
        /// What the annotation says.
        tooling: String,
    },
    /// Its id is not the one its name gives.
    #[error("ConfigMap `{name}` carries the set id `{found}`, its name gives `{expected}`")]
    Id {
        /// The ConfigMap.
        name: String,
        /// The id it carries.
        found: String,
        /// The id it should carry.
        expected: String,
    },
    /// A line of its data cannot be read.
    #[error("ConfigMap `{name}`, line {line} of `{RECORDS}`: `{text}` is not a record")]
    Record {
        /// The ConfigMap.
        name: String,
        /// From 1.
        line: usize,
        /// The line.
        text: String,
    },
}

impl Inventory {
    /// Returns the inventory of a plan that owns nothing yet.
    pub fn new(plan: &str, namespace: &str) -> Self {
        Self { plan: plan.to_owned(), namespace: namespace.to_owned(), members: BTreeMap::new() }
    }

    /// Returns the name of the parent ConfigMap.
    pub fn parent_name(plan: &str) -> String {
        format!("wesago-{plan}")
    }

    /// Returns the reference of the parent ConfigMap.
    pub fn parent(&self) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: Some(self.namespace.clone()),
            name: Self::parent_name(&self.plan),
        }
    }

    /// Returns the set's id, the value of [`PART_OF`] on every member.
    pub fn id(&self) -> String {
        applyset_id(&self.parent())
    }

    /// Reads the inventory from its parent.
    ///
    /// # Errors
    /// [`NotOurs`] when another tool's set, or something else, lives under that name.
    pub fn parse(plan: &str, namespace: &str, parent: &Object) -> Result<Self, NotOurs> {
        let mut inventory = Self::new(plan, namespace);
        let name = parent.name().to_owned();
        let tooling = parent.annotation(TOOLING);
        if tooling.and_then(|tooling| tooling.rsplit_once('/')).map(|(tool, _)| tool) != Some("wesago") {
            let tooling = tooling.map_or_else(|| "missing".to_owned(), |tooling| format!("`{tooling}`"));
            return Err(NotOurs::Tooling { name, tooling });
        }
        let (found, expected) = (parent.label(ID).unwrap_or_default(), inventory.id());
        if found != expected {
            return Err(NotOurs::Id { name, found: found.to_owned(), expected });
        }
        let data = parent.get("/data").and_then(|data| data.get(RECORDS)).and_then(Value::as_str);
        for (index, line) in data.unwrap_or_default().lines().enumerate() {
            let Some((member, known)) = parse_line(line) else {
                return Err(NotOurs::Record { name, line: index + 1, text: line.to_owned() });
            };
            inventory.members.insert(member, known);
        }
        Ok(inventory)
    }

    /// Returns the parent as it is to be applied.
    pub fn to_value(&self) -> Value {
        let kinds: BTreeSet<String> = self.members.keys().map(|m| m.group_kind().to_string()).collect();
        let namespaces: BTreeSet<&str> = self
            .members
            .keys()
            .filter_map(|member| member.namespace.as_deref())
            .filter(|namespace| *namespace != self.namespace)
            .collect();
        let parent = self.parent();
        let mut annotations = serde_json::Map::new();
        annotations.insert(TOOLING.into(), concat!("wesago/v", env!("CARGO_PKG_VERSION")).into());
        annotations.insert(GROUP_KINDS.into(), Vec::from_iter(kinds).join(",").into());
        if !namespaces.is_empty() {
            annotations.insert(NAMESPACES.into(), Vec::from_iter(namespaces).join(",").into());
        }
        let lines: String = self.members.iter().map(|(member, known)| line(member, known)).collect();
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": parent.name,
                "namespace": self.namespace,
                "labels": { ID: self.id() },
                "annotations": annotations,
            },
            "data": { RECORDS: lines },
        })
    }

    /// Returns the members with what is remembered of each.
    pub fn members(&self) -> impl Iterator<Item = (&ObjectRef, Option<&Record>)> {
        self.members.iter().map(|(member, known)| (member, known.record.as_ref()))
    }

    /// Returns what is remembered of an object.
    pub fn record(&self, member: &ObjectRef) -> Option<&Record> {
        self.members.get(member)?.record.as_ref()
    }

    /// Returns true when the object is a member, written or about to be.
    pub fn contains(&self, member: &ObjectRef) -> bool {
        self.members.contains_key(member)
    }

    /// Adds an object that is about to be written; what is remembered of it stays.
    pub fn announce(&mut self, member: ObjectRef) {
        self.members.entry(member).or_default();
    }

    /// Remembers a write.
    pub fn remember(&mut self, member: ObjectRef, record: Record) {
        self.members.entry(member).or_default().record = Some(record);
    }

    /// Notes that a member is about to be written: until the write is remembered, nothing is known of what
    /// it holds. Without that, whoever deploys the content of before after a run that was killed would be
    /// told that there is nothing to do. Returns true when it was known until now.
    pub fn doubt(&mut self, member: &ObjectRef) -> bool {
        let Some(record) = self.members.get_mut(member).and_then(|known| known.record.as_mut()) else {
            return false;
        };
        let is_known = record.applied.0 != NONE;
        record.applied = Hash(NONE.to_owned());
        is_known
    }

    /// Returns a hash of what was sent to all members: two states of an inventory have the same one when
    /// nothing else was applied in between.
    pub fn applied(&self) -> Hash {
        let sent = |(member, known): (&ObjectRef, &Member)| {
            Some(format!("{} {}", serde_json::to_string(member).ok()?, known.record.as_ref()?.applied.0))
        };
        Hash::of(&self.members.iter().filter_map(sent).collect())
    }

    /// Returns how deep in the DAG the object was when it was last written: the number of stages on the
    /// longest way to its own. What left the plan is removed in the order this gives, deepest first.
    pub fn depth(&self, member: &ObjectRef) -> Option<u32> {
        self.members.get(member)?.depth
    }

    /// Notes how deep in the DAG a member is. Not worth a write of its own: it goes with the next one.
    pub fn set_depth(&mut self, member: &ObjectRef, depth: u32) {
        if let Some(known) = self.members.get_mut(member) {
            known.depth = Some(depth);
        }
    }

    /// Forgets an object that is gone.
    pub fn forget(&mut self, member: &ObjectRef) {
        self.members.remove(member);
    }

    /// Returns true when nothing is owned.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns true when the last write of the object sent exactly this.
    pub fn was_applied(&self, wanted: &Object) -> bool {
        self.record(&wanted.reference()).is_some_and(|record| record.applied == Hash::of(wanted.value()))
    }

    /// Returns true when sending `wanted` would change nothing of `live`: the three equalities of the
    /// module's header.
    pub fn proves_unchanged(&self, wanted: &Object, live: &Object) -> bool {
        let Some(record) = self.record(&wanted.reference()) else { return false };
        live.uid().as_ref() == Some(&record.uid)
            && !live.is_being_deleted()
            && Hash::of(wanted.value()) == record.applied
            && fields_hash(live).is_some_and(|fields| fields == record.fields)
    }

    /// Returns the record of a write: `sent` is what we sent, `answer` the server's answer. `None` when
    /// the answer carries no uid or no entry of ours, which leaves the object without a proof.
    pub fn record_of(sent: &Object, answer: &Object) -> Option<Record> {
        Some(Record { uid: answer.uid()?, applied: Hash::of(sent.value()), fields: fields_hash(answer)? })
    }
}

/// Returns the fields we own of an object by our own Apply entry; their hash, after [`condense`].
pub fn owned_fields(object: &Object) -> Option<&Value> {
    let entries = object.get("/metadata/managedFields")?.as_array()?;
    entries.iter().find(|entry| is_ours(entry))?.get("fieldsV1")
}

/// Puts the hash of the fields we own of an object in their place: it proves as much, in a fraction of the
/// memory.
pub fn condense(object: &mut Object) {
    let Some(hash) = fields_hash(object) else { return };
    for entry in object.managers() {
        if is_ours(entry) {
            entry["fieldsV1"] = hash.0.clone().into();
        }
    }
}

fn fields_hash(object: &Object) -> Option<Hash> {
    Some(match owned_fields(object)? {
        Value::String(hash) => Hash(hash.clone()),
        fields => Hash::of(fields),
    })
}

fn is_ours(entry: &Value) -> bool {
    entry["manager"] == FIELD_MANAGER
        && entry["operation"] == "Apply"
        && entry["subresource"].as_str().unwrap_or_default().is_empty()
}

/// Returns the id of the set with this parent: `applyset-` + base64url(sha256(`name.namespace.kind.group`))
/// + `-v1`, as kubectl computes it.
fn applyset_id(parent: &ObjectRef) -> String {
    let namespace = parent.namespace.as_deref().unwrap_or_default();
    let text = format!("{}.{namespace}.{}.{}", parent.name, parent.kind, parent.group);
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes())))
}

/// Writes `Deployment.apps shop web UID APPLIED FIELDS DEPTH` and a line end; `-` stands for nothing.
fn line(member: &ObjectRef, known: &Member) -> String {
    let namespace = member.namespace.as_deref().unwrap_or(NONE);
    let (uid, applied, fields) = known.record.as_ref().map_or((NONE, NONE, NONE), |record| {
        (&record.uid.0, record.applied.0.as_str(), record.fields.0.as_str())
    });
    let depth = known.depth.map_or_else(|| NONE.to_owned(), |depth| depth.to_string());
    format!("{} {namespace} {} {uid} {applied} {fields} {depth}\n", member.group_kind(), member.name)
}

fn parse_line(line: &str) -> Option<(ObjectRef, Member)> {
    let mut words = line.split(' ');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let (kind, namespace, name) = (word()?, word()?, word()?);
    let (uid, applied, fields) = (word()?, word()?, word()?);
    // Versions before the first prune wrote no depth.
    let depth = match word() {
        None | Some(NONE) => None,
        Some(depth) => Some(depth.parse().ok()?),
    };
    if word().is_some() {
        return None;
    }
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let GroupKind { group, kind } = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
    let namespace = (namespace != NONE).then(|| namespace.to_owned());
    let record = (uid != NONE).then(|| Record {
        uid: Uid(uid.to_owned()),
        applied: Hash(applied.to_owned()),
        fields: Hash(fields.to_owned()),
    });
    Some((ObjectRef { group, kind, namespace, name: name.to_owned() }, Member { record, depth }))
}
