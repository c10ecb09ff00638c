//! Writing one object: server-side apply, and what it takes when the server refuses. Whatever is sent, a
//! field of somebody else's changes only by the terms, and nothing is deleted before its successor is
//! proven valid.
//!
//! ```text
//! adopt: make client-side ownership ours ─▶ hand replicas off ─▶ apply ─┬▶ done
//!                             409: yield | take | fail ◀── the same ◀───┤
//!                       422 immutable: trial, delete, wait, apply anew ◀┘
//! ```

use serde_json::json;

use super::conflict::{self, Settlement, Terms, migration, owns_replicas_alone};
use super::recreate::{self, Verdict, Way, trial, way};
use super::refused;
use super::retry::Tools;
use super::tasks::{Manner, apply_request};
use crate::cluster::{ApiError, Deletion, Propagation, Refusal, Resource, Written};
use crate::inventory::FIELD_MANAGER;
use crate::object::{Change, Object, ObjectRef};

/// The field manager that holds the replicas between us and an autoscaler that has not written yet.
const HANDOFF: &str = "wesago-handoff";
/// How often a conflict is looked at anew because the object had changed meanwhile.
const ROUNDS: usize = 5;

/// What a write came to.
#[derive(Debug)]
pub(super) struct Sent {
    /// The server's answer.
    pub written: Written,
    /// What it was sent in the end: without what was left to others. The record is made of it.
    pub object: Object,
    /// What the reader should know: fields taken, or left to others.
    pub notes: Vec<String>,
}

/// Why an object was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteError {
    /// A request failed for good.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The server refused, and what to do about it is for somebody to decide.
    #[error("{told}")]
    Undecided {
        /// The refusal.
        error: ApiError,
        /// What it means, and the ways on.
        told: String,
    },
}

impl WriteError {
    fn undecided(refusal: Refusal, told: String) -> Self {
        Self::Undecided { error: ApiError::Refused(refusal), told }
    }
}

/// One object on its way to the server.
struct Writing<'a> {
    tools: &'a Tools,
    resource: &'a Resource,
    name: ObjectRef,
    terms: &'a Terms,
    notes: Vec<String>,
}

impl Tools {
    /// Writes an object and returns what came of it. `live` is the object as the run found it.
    pub(super) async fn write(
        &self,
        resource: &Resource,
        wanted: &Object,
        live: Option<&Object>,
        manner: Manner,
        terms: &Terms,
    ) -> Result<Sent, WriteError> {
        let name = wanted.reference();
        let mut writing = Writing { tools: self, resource, name, terms, notes: Vec::new() };
        let mut live = live;
        let mut recreated = false;
        match (manner, live) {
            (Manner::Leave, Some(live)) => {
                let written =
                    Written { object: live.clone(), change: Change::Unchanged, warnings: Vec::new() };
                return Ok(Sent { written, object: wanted.clone(), notes: Vec::new() });
            }
            (Manner::Recreate, Some(old)) => {
                writing.replace(wanted, old, Propagation::Foreground).await?;
                (live, recreated) = (None, true);
            }
            _ => {}
        }
        if terms.adopted {
            writing.migrate().await?;
        }
        if let Some(live) = live.filter(|live| terms.autoscaled && owns_replicas_alone(live)) {
            writing.hand_off(live).await?;
        }
        let mut sent = writing.apply_by_terms(wanted, live).await;
        if let Err(WriteError::Api(ApiError::Refused(refusal))) = &sent
            && refusal.is_immutable_field()
            && let Some(present) = writing.get().await?
        {
            match way(wanted, &present, terms.recreate) {
                Way::No { hint } => {
                    let says = refused::text(wanted, &ApiError::Refused(refusal.clone()));
                    return Err(WriteError::undecided(refusal.clone(), format!("{says}; {hint}")));
                }
                Way::Anew(propagation) => writing.replace(wanted, &present, propagation).await?,
            }
            recreated = true;
            sent = writing.apply_by_terms(wanted, None).await;
        }
        let (mut written, mut object) = sent?;
        // A 200 for an object that is on its way out: the write is lost with it.
        if written.object.is_being_deleted()
            && let Some(uid) = written.object.uid()
        {
            self.until_gone(resource, &writing.name, &uid).await?;
            (written, object) = writing.apply_by_terms(wanted, None).await?;
        }
        if terms.autoscaled && object.get("/spec/replicas").is_some() {
            (written, object) = writing.leave_replicas(written, &object).await?;
        }
        if recreated {
            written.change = Change::Recreated;
        }
        Ok(Sent { written, object, notes: writing.notes })
    }
}

impl Writing<'_> {
    /// Applies an object. A conflict is settled by the terms, against one state of the object: if that
    /// changes meanwhile, it is looked at anew.
    async fn apply_by_terms(
        &mut self,
        wanted: &Object,
        live: Option<&Object>,
    ) -> Result<(Written, Object), WriteError> {
        let mut object = wanted.clone();
        let mut pinned_to: Option<Object> = None;
        let mut last = None;
        for _ in 0..ROUNDS {
            let refusal = match self.apply(&object, live).await {
                Err(ApiError::Refused(refusal)) if refusal.is_field_conflict() => refusal,
                answer => return Ok((answer?, object)),
            };
            let settlement = self.terms.settle(&refusal);
            last = Some(refusal.clone());
            let Some(present) = self.get().await? else { continue };
            match settlement {
                Settlement::Yield(fields) => {
                    self.notes.push(format!("{} is left to its owner", fields.join(", ")));
                    object = conflict::without(&object, &fields);
                }
                Settlement::Fail(conflicts) if conflicts.is_empty() => {
                    return Err(ApiError::Refused(refusal).into());
                }
                Settlement::Fail(conflicts) => {
                    let told = conflict::explain(wanted, &present, &conflicts);
                    return Err(WriteError::undecided(refusal, told));
                }
                Settlement::Take => {
                    let fields: Vec<&str> = refusal.causes.iter().map(|cause| cause.field.as_str()).collect();
                    // The refusal may be older than the state just read: only one of exactly that state counts.
                    let is_seen = pinned_to
                        .as_ref()
                        .is_some_and(|seen| seen.resource_version() == present.resource_version());
                    if !is_seen {
                        pinned_to = Some(present);
                        continue;
                    }
                    if let Some(written) = self.take(&object, &present).await? {
                        self.notes.push(format!("{} was taken from its owner", fields.join(", ")));
                        return Ok((written, object));
                    }
                }
            }
        }
        Err(self.never_still(last.unwrap_or_default()))
    }

    fn never_still(&self, refusal: Refusal) -> WriteError {
        let told = format!("{} is changed by somebody else all the time", self.name);
        WriteError::undecided(refusal, told)
    }

    async fn apply(&self, wanted: &Object, live: Option<&Object>) -> Result<Written, ApiError> {
        let request = apply_request(&self.name);
        let send = || self.tools.cluster.apply(self.resource, wanted);
        let mut written = self.tools.persist_write(&request, send).await?;
        let before = live.map(Object::resource_version);
        if before == Some(written.object.resource_version()) {
            written.change = Change::Unchanged;
        }
        Ok(written)
    }

    /// Applies an object by force, as long as it is as it was seen; `None` when it no longer is.
    async fn take(&self, wanted: &Object, seen: &Object) -> Result<Option<Written>, ApiError> {
        let mut pinned = wanted.value().clone();
        pinned["metadata"]["resourceVersion"] = seen.resource_version().into();
        let pinned =
            Object::new(pinned).map_err(|cause| ApiError::Unreadable { cause: cause.to_string() })?;
        let send = || async {
            match self.tools.cluster.apply_by_force(self.resource, &pinned).await {
                Err(error) if error.is_conflict() => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.tools.persist_write(&format!("apply {} by force", self.name), send).await
    }

    async fn get(&self) -> Result<Option<Object>, ApiError> {
        let send = || self.tools.cluster.get(self.resource, &self.name);
        self.tools.persist(&format!("get {}", self.name), send).await
    }

    /// Makes ours what client-side managers own of the object.
    async fn migrate(&mut self) -> Result<(), WriteError> {
        let mut last = None;
        for _ in 0..ROUNDS {
            let Some(operations) = self.get().await?.as_ref().and_then(migration) else { return Ok(()) };
            let send = || async {
                match self.tools.cluster.patch(FIELD_MANAGER, self.resource, &self.name, &operations).await {
                    // It has changed since, or is gone: look again.
                    Err(ApiError::Refused(no)) if matches!(no.code, 404 | 409 | 422) => Ok(Some(no)),
                    answer => answer.map(|_| None),
                }
            };
            let request = format!("take over what kubectl owns of {}", self.name);
            last = self.tools.persist_write(&request, send).await?;
            if last.is_none() {
                self.notes.push("what client-side tools owned of it is the plan's now".to_owned());
                return Ok(());
            }
        }
        Err(self.never_still(last.unwrap_or_default()))
    }

    /// Lets a manager of its own hold the replicas as they are. If somebody else has written them meanwhile,
    /// all the better: then they need nobody to hold them.
    async fn hand_off(&self, live: &Object) -> Result<(), ApiError> {
        let Some(replicas) = live.get("/spec/replicas") else { return Ok(()) };
        let held = Object::new(json!({
            "apiVersion": live.api_version(), "kind": live.kind(),
            "metadata": {"name": live.name(), "namespace": live.namespace()},
            "spec": {"replicas": replicas},
        }));
        let held = held.map_err(|cause| ApiError::Unreadable { cause: cause.to_string() })?;
        let request = format!("hand off the replicas of {}", self.name);
        let send = || self.tools.cluster.apply_as(HANDOFF, self.resource, &held);
        match self.tools.persist_write(&request, send).await {
            Err(ApiError::Refused(refusal)) if refusal.is_field_conflict() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Leaves the replicas of a workload that was just written to its autoscaler.
    async fn leave_replicas(
        &mut self,
        first: Written,
        object: &Object,
    ) -> Result<(Written, Object), WriteError> {
        if owns_replicas_alone(&first.object) {
            self.hand_off(&first.object).await?;
        }
        let object = conflict::without(object, &[conflict::REPLICAS.to_owned()]);
        let (mut written, object) = self.apply_by_terms(&object, None).await?;
        written.change = first.change;
        written.warnings.extend(first.warnings);
        Ok((written, object))
    }

    /// Deletes a life of the object and waits until it is gone, once it is proven that the manifest can be
    /// created.
    async fn replace(
        &self,
        wanted: &Object,
        live: &Object,
        propagation: Propagation,
    ) -> Result<(), WriteError> {
        self.prove_valid(wanted).await?;
        let Some(uid) = live.uid() else { return Ok(()) };
        // Nothing that was not begun begins after an interrupt.
        self.unless_interrupted()?;
        match self.tools.delete(self.resource, &self.name, &uid, propagation).await? {
            Deletion::Gone => Ok(()),
            Deletion::Begun => Ok(self.tools.until_gone(self.resource, &self.name, &uid).await?),
        }
    }

    /// Tries to create the manifest under another name, without keeping it.
    async fn prove_valid(&self, wanted: &Object) -> Result<(), WriteError> {
        let Some(trial) = trial(wanted, self.tools.seed) else { return Ok(()) };
        self.unless_interrupted()?;
        let send = || self.tools.cluster.try_create(self.resource, &trial);
        let refusal = match self.tools.persist_write(&format!("try to create {}", self.name), send).await {
            Err(ApiError::Refused(refusal)) => refusal,
            answer => return Ok(answer?),
        };
        let disposable = matches!(wanted.kind(), "Job" | "Pod");
        let says = refused::text(wanted, &ApiError::Refused(refusal.clone()));
        let told = match recreate::verdict(&refusal) {
            Verdict::Valid => return Ok(()),
            Verdict::Unverifiable if disposable => return Ok(()),
            Verdict::Unverifiable => {
                format!(
                    "it cannot be proven that {} could be made anew, so it is not deleted: {says}",
                    self.name
                )
            }
            Verdict::Invalid => {
                format!("{} has to be made anew, but its manifest is invalid: {says}", self.name)
            }
            Verdict::Unrelated => return Err(ApiError::Refused(refusal).into()),
        };
        Err(WriteError::undecided(refusal, told))
    }

    fn unless_interrupted(&self) -> Result<(), ApiError> {
        if self.tools.cancelled.get() { Err(ApiError::Interrupted) } else { Ok(()) }
    }
}
