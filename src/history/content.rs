//! The plan inside a revision: all that a deploy needs of it, as compressed JSON with the number of its
//! format in front.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::object::rule::Rule;
use crate::object::{GroupKind, Object};
use crate::plan::{Check, ConflictRule, Plan, SecretSpec, Stage, StageId};

/// The format written here. It grows when a reader of an older one would be misled.
pub const FORMAT: u32 = 1;

/// Most of what is unpacked: a revision of a megabyte cannot hold more, unless somebody made it to.
const UNPACKED_AT_MOST: u64 = 256 << 20;

/// A plan as it is kept: compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(Vec<u8>);

/// Why a revision cannot be brought back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its plan was not kept.
    #[error("its plan is not in it: {0}")]
    LeftOut(String),
    /// A version of wesago wrote it that this one does not know.
    #[error("it is in format {0}, and this wesago reads format {FORMAT}")]
    Format(u32),
    /// It is damaged.
    #[error("its content cannot be read: {0}")]
    Broken(String),
}

/// The format alone, which is read before anything else.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    name: String,
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    stages: Vec<StageDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<SecretSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    readiness: Vec<(GroupKind, Rule)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<ConflictRule>,
    /// Kinds that the cluster did not serve: whether they live in a namespace is not known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open_kinds: Vec<GroupKind>,
}

#[derive(Serialize, Deserialize)]
struct StageDocument {
    id: StageId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<StageId>,
    deadline_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
    objects: Vec<Object>,
}

impl Content {
    /// Returns the content that is kept of a plan.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which no plan comes to.
    pub fn of(plan: &Plan) -> io::Result<Self> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut packed, &Document::of(plan))?;
        packed.finish().map(Self)
    }

    /// Returns what was found in a Secret.
    pub fn found(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to be kept.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the plan.
    ///
    /// # Errors
    /// [`Unreadable`] when it is damaged, or written by a version that this one does not know.
    pub fn plan(&self) -> Result<Plan, Unreadable> {
        let broken = |cause: &dyn std::fmt::Display| Unreadable::Broken(cause.to_string());
        let mut text = Vec::new();
        let unpacked = GzDecoder::new(self.0.as_slice()).take(UNPACKED_AT_MOST).read_to_end(&mut text);
        unpacked.map_err(|cause| broken(&cause))?;
        let Versioned { format } = serde_json::from_slice(&text).map_err(|cause| broken(&cause))?;
        if format != FORMAT {
            return Err(Unreadable::Format(format));
        }
        let document: Document = serde_json::from_slice(&text).map_err(|cause| broken(&cause))?;
        document.plan().map_err(|cause| broken(&cause))
    }
}

impl Document {
    fn of(plan: &Plan) -> Self {
        let stage = |stage: &Stage| StageDocument {
            id: stage.id.clone(),
            needs: stage.needs.clone(),
            deadline_ms: u64::try_from(stage.deadline.as_millis()).unwrap_or(u64::MAX),
            checks: stage.checks.clone(),
            objects: stage.objects.clone(),
        };
        Self {
            format: FORMAT,
            name: plan.name().to_owned(),
            namespace: plan.namespace().to_owned(),
            notes: plan.notes().map(str::to_owned),
            stages: plan.stages().iter().map(stage).collect(),
            secrets: plan.secrets().to_vec(),
            readiness: plan.rules().iter().map(|(kind, rule)| (kind.clone(), rule.clone())).collect(),
            conflicts: plan.conflicts().to_vec(),
            open_kinds: plan.open_kinds().iter().cloned().collect(),
        }
    }

    fn plan(self) -> Result<Plan, String> {
        let stage = |stage: StageDocument| Stage {
            id: stage.id,
            needs: stage.needs,
            objects: stage.objects,
            deadline: Duration::from_millis(stage.deadline_ms),
            checks: stage.checks,
        };
        let stages = self.stages.into_iter().map(stage).collect();
        let plan = Plan::new(self.name, self.namespace, stages)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let rules: BTreeMap<GroupKind, Rule> = self.readiness.into_iter().collect();
        let plan = plan.with_secrets(self.secrets).with_notes(self.notes).with_rules(rules);
        Ok(plan.with_conflicts(self.conflicts).with_open_kinds(self.open_kinds.into_iter().collect()))
    }
}
