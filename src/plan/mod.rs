//! L1: the plan: stages, what each needs, and what it holds. A [`Plan`] is always valid: its fields are
//! private and its graph has been checked.
//!
//! ```text
//! StageId          databases/postgres
//! Stage            id, needs, objects, deadline, checks
//! Graph            who waits for whom, by StageIdx; knows no objects
//! ConflictRule     whose value counts where others own a field, too
//! Plan             name, namespace, stages, graph, secrets, rules of readiness, notes, the place of every object
//! ```

mod conflicts;
mod graph;
mod stage_id;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use conflicts::{ConflictPolicy, ConflictRule, covers};
pub use graph::{Graph, GraphError};
pub use stage_id::{NotAStageId, StageId};

use crate::object::rule::Rule;
use crate::object::settings::{Reference, SourceKind, references};
use crate::object::{GroupKind, Object, ObjectRef};
use crate::problem::Place;

/// The place of a stage in one [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageIdx(pub usize);

/// A node of the graph: what is written together, and settles together.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub id: StageId,
    /// The stages that must have settled before anything of this one is written; groups are resolved
    /// to their members.
    pub needs: Vec<StageId>,
    /// What it writes.
    pub objects: Vec<Object>,
    /// How long it may take from its start to its settling.
    pub deadline: Duration,
    /// What must answer once every object is current.
    pub checks: Vec<Check>,
}

/// A question to the application itself, asked through the API server's service proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// A GET that must be answered as told.
    Http(HttpCheck),
}

/// A GET through `/api/v1/namespaces/N/services/SERVICE:PORT/proxy/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCheck {
    /// The Service asked.
    pub service: String,
    /// Its port, by number.
    pub port: u16,
    /// The path, with its leading slash.
    pub path: String,
    /// The `Host` header sent on, for servers that look at it.
    #[serde(default)]
    pub host: Option<String>,
    /// The status code that counts as well.
    pub status: u16,
    /// Text the body must hold.
    #[serde(default)]
    pub contains: Option<String>,
}

/// A Secret whose values are made once, in the cluster, and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSpec {
    /// The Secret's name.
    pub name: String,
    /// Its keys in the order of the file.
    pub keys: Vec<SecretKey>,
}

/// One key of a [`SecretSpec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey {
    /// The key.
    pub key: String,
    /// Where the value comes from: the first source that has one wins.
    pub sources: Vec<SecretSource>,
}

/// The key of the Secret that [`Plan::key_secret`] names.
pub const HASH_KEY: &str = "hash";
/// Letters and digits of it: more than 250 bits.
const KEY_LENGTH: u16 = 43;

/// Where a secret value can come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// An environment variable of the one who deploys.
    Env(String),
    /// The standard output of a program, without its last line end.
    Command(Vec<String>),
    /// So many random letters and digits.
    Generate(u16),
}

/// A whole application: what is written, in which order, with what it waits for.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    namespace: String,
    stages: Vec<Stage>,
    graph: Graph,
    secrets: Vec<SecretSpec>,
    notes: Option<String>,
    places: BTreeMap<ObjectRef, Place>,
    open_kinds: BTreeSet<GroupKind>,
    rules: BTreeMap<GroupKind, Rule>,
    conflicts: Vec<ConflictRule>,
}

impl Plan {
    /// Returns the plan of `stages`, in the order of the file.
    ///
    /// # Errors
    /// Everything that is wrong with the graph.
    pub fn new(
        name: impl Into<String>,
        namespace: impl Into<String>,
        stages: Vec<Stage>,
    ) -> Result<Self, Vec<GraphError>> {
        let nodes: Vec<(&StageId, &[StageId])> =
            stages.iter().map(|stage| (&stage.id, stage.needs.as_slice())).collect();
        let graph = Graph::new(&nodes)?;
        Ok(Self {
            name: name.into(),
            namespace: namespace.into(),
            stages,
            graph,
            secrets: Vec::new(),
            notes: None,
            places: BTreeMap::new(),
            open_kinds: BTreeSet::new(),
            rules: BTreeMap::new(),
            conflicts: Vec::new(),
        })
    }

    /// Adds the Secrets whose values are made once. Where pods read Secrets of the plan there is one more: it
    /// holds the key of the hash that rolls those pods.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Vec<SecretSpec>) -> Self {
        let generated = secrets.iter().map(|spec| spec.name.as_str());
        let own: BTreeSet<&str> = self.manifest_secrets().into_iter().chain(generated).collect();
        let is_own = |read: &Reference| read.kind == SourceKind::Secret && own.contains(read.name.as_str());
        let is_read = self.objects().any(|(_, object)| references(object).iter().any(is_own));
        self.secrets = secrets;
        // The plan of a revision has it already.
        let has_key = self.secrets.iter().any(|spec| spec.name == self.key_secret());
        if is_read && !has_key {
            let key =
                SecretKey { key: HASH_KEY.to_owned(), sources: vec![SecretSource::Generate(KEY_LENGTH)] };
            self.secrets.push(SecretSpec { name: self.key_secret(), keys: vec![key] });
        }
        self
    }

    /// Returns the name of the Secret that holds the key of the hashes.
    pub fn key_secret(&self) -> String {
        format!("wesago-{}-key", self.name)
    }

    /// Returns the names of the Secrets that are written in the plan itself, beside its inventory.
    pub fn manifest_secrets(&self) -> BTreeSet<&str> {
        let objects = self.objects().map(|(_, object)| object);
        let secrets = objects.filter(|object| {
            object.kind() == "Secret"
                && object.group().is_empty()
                && object.namespace() == Some(self.namespace.as_str())
        });
        secrets.map(Object::name).collect()
    }

    /// Adds what is told at the end of a deploy that succeeded.
    #[must_use]
    pub fn with_notes(mut self, notes: Option<String>) -> Self {
        self.notes = notes;
        self
    }

    /// Adds where each object stands in the source.
    #[must_use]
    pub fn with_places(mut self, places: BTreeMap<ObjectRef, Place>) -> Self {
        self.places = places;
        self
    }

    /// Adds the kinds of which only the cluster knows whether they live in a namespace.
    #[must_use]
    pub fn with_open_kinds(mut self, kinds: BTreeSet<GroupKind>) -> Self {
        self.open_kinds = kinds;
        self
    }

    /// Adds what the plan itself says of when an object of a kind is current.
    #[must_use]
    pub fn with_rules(mut self, rules: BTreeMap<GroupKind, Rule>) -> Self {
        self.rules = rules;
        self
    }

    /// Adds what is done about fields that others own, too.
    #[must_use]
    pub fn with_conflicts(mut self, conflicts: Vec<ConflictRule>) -> Self {
        self.conflicts = conflicts;
        self
    }

    /// Returns the plan's name; what it owns in a cluster is marked with it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace of everything that names no other; created when missing.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the stages in the order of the file.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Returns a stage.
    pub fn stage(&self, stage: StageIdx) -> &Stage {
        &self.stages[stage.0]
    }

    /// Returns the place of the stage called `id`.
    pub fn index_of(&self, id: &StageId) -> Option<StageIdx> {
        self.stages.iter().position(|stage| stage.id == *id).map(StageIdx)
    }

    /// Returns who waits for whom.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the stages that must have settled before `stage` starts.
    pub fn needs(&self, stage: StageIdx) -> &[StageIdx] {
        self.graph.needs(stage)
    }

    /// Returns the stages that wait for `stage`; in a teardown it waits for them.
    pub fn dependents(&self, stage: StageIdx) -> &[StageIdx] {
        self.graph.dependents(stage)
    }

    /// Returns all stages, each after those it needs; otherwise in the order of the file.
    pub fn order(&self) -> &[StageIdx] {
        self.graph.order()
    }

    /// Returns the Secrets whose values are made once, in the order of the file.
    pub fn secrets(&self) -> &[SecretSpec] {
        &self.secrets
    }

    /// Returns what is told at the end of a deploy that succeeded.
    pub fn notes(&self) -> Option<&str> {
        self.notes.as_deref()
    }

    /// Returns what the plan itself says of when an object of a kind is current.
    pub fn rules(&self) -> &BTreeMap<GroupKind, Rule> {
        &self.rules
    }

    /// Returns what is done about fields that others own, too, in the order of the file; of two rules for
    /// one field the last one counts.
    pub fn conflicts(&self) -> &[ConflictRule] {
        &self.conflicts
    }

    /// Returns every object with its stage, in the order of the file.
    pub fn objects(&self) -> impl Iterator<Item = (StageIdx, &Object)> {
        self.stages
            .iter()
            .enumerate()
            .flat_map(|(at, stage)| stage.objects.iter().map(move |object| (StageIdx(at), object)))
    }

    /// Returns where an object stands in the source; its `file_line()` fits the end of a message.
    pub fn place(&self, object: &ObjectRef) -> Option<&Place> {
        self.places.get(object)
    }

    /// Returns the kinds of which only the cluster knows whether they live in a namespace: neither
    /// built-in nor defined by a CRD of this plan. Their objects have no default namespace yet; tell
    /// the answer to [`Self::settle_kind`].
    pub fn open_kinds(&self) -> &BTreeSet<GroupKind> {
        &self.open_kinds
    }

    /// Takes the cluster's answer about one of [`Self::open_kinds`]: objects of a namespaced kind that
    /// name no namespace get the plan's.
    pub fn settle_kind(&mut self, kind: &GroupKind, namespaced: bool) {
        if !self.open_kinds.remove(kind) || !namespaced {
            return;
        }
        for object in self.stages.iter_mut().flat_map(|stage| &mut stage.objects) {
            let before = object.reference();
            if before.group_kind() == *kind && before.namespace.is_none() {
                object.set_namespace(&self.namespace);
                for rule in self.conflicts.iter_mut().filter(|rule| rule.target == before) {
                    rule.target = object.reference();
                }
                if let Some(place) = self.places.remove(&before) {
                    self.places.insert(object.reference(), place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
