//! The history of a plan in the cluster: a revision is kept after each deploy that changed something, read
//! for whoever asks, and brought back by a rollback. It is a help, and never fails a deploy.

use std::time::Duration;

use futures::Stream;

use super::emitter::millis;
use super::prepare::Prepared;
use super::retry::Tools;
use super::run::Run;
use super::session::{Session, ask, read_inventory, resource};
use super::{DeployOptions, Emitter, Engine, EngineError};
use crate::cluster::{Catalog, Propagation, Resource, Scope};
use crate::event::{CancelReason, EventKind, Verdict};
use crate::history::{self, Content, Found, LABEL, Origin, Revision};
use crate::inventory::FIELD_MANAGER;
use crate::object::Object;
use crate::plan::Plan;

/// How long each request about the history is tried: a deploy that is over does not wait long for it.
const EACH_WITHIN: Duration = Duration::from_secs(5);
/// How many numbers are tried: one that is taken was taken by somebody's own Secret.
const NUMBERS: u32 = 5;

/// A revision that is to be brought back.
pub struct Chosen {
    /// What is known of it.
    pub revision: Revision,
    /// Its plan.
    pub plan: Plan,
}

impl Engine {
    /// Returns the revisions of a plan, the oldest first. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be asked.
    pub async fn history(&self, plan: &Plan) -> Result<Vec<Revision>, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        let work = async {
            let catalog = Session::discover(&tools).await?;
            list(&tools, &catalog, plan).await
        };
        let found = run.quietly(work).await?;
        Ok(found.into_iter().map(|found| found.revision).collect())
    }

    /// Returns a revision with its plan; without a number, the one a rollback leads to. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError::NoRevision`] when there is none, [`EngineError::UnreadableRevision`] when its plan is
    /// not in it or cannot be read, others when the cluster could not be asked.
    pub async fn revision(&self, plan: &Plan, number: Option<u32>) -> Result<Chosen, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        run.quietly(choose(&tools, plan, number)).await
    }

    /// Keeps a revision of a deploy that has changed something. Only the loss of the lock is an error:
    /// whatever else goes wrong is a warning.
    pub(super) async fn keep_revision(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        session: &Session,
        verdict: &Verdict,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        emitter: &mut Emitter<'_>,
    ) -> Result<(), EngineError> {
        let changes = emitter.changes();
        if changes.nothing_done() || run.cancelled() == Some(CancelReason::SecondInterrupt) {
            return Ok(());
        }
        let revision = Revision {
            number: 0,
            run: self.identity.run.clone(),
            at: self.clock.now(),
            took_ms: millis(self.clock.elapsed()),
            origin: origin(&options.origin, options.rollback.as_ref()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            changes,
            rollback_to: options.rollback.as_ref().map(|target| target.number),
            verdict: verdict.clone(),
            applied: session.inventory.applied(),
            left_out: None,
        };
        let tools = Tools { patience: EACH_WITHIN, ..run.closing_tools() };
        let kept = run.finally(keep(&tools, &session.catalog, plan, revision), emitter).await;
        match kept {
            Ok(Revision { number, rollback_to, left_out, .. }) => {
                if let Some(why) = left_out {
                    let message = format!("revision {number} cannot be brought back: {why}");
                    emitter.emit(EventKind::Warned { message });
                }
                emitter.emit(EventKind::RevisionKept { number, rollback_to });
            }
            Err(lost @ EngineError::LockLost { .. }) => return Err(lost),
            Err(error) if error.is_interruption() => {}
            Err(error) => {
                let message = format!("no revision is kept of this deploy: {}", error.in_full());
                emitter.emit(EventKind::Warned { message });
            }
        }
        Ok(())
    }
}

/// Returns where what was deployed comes from: a rollback is somebody's, but what it brings back is of then.
fn origin(own: &Origin, target: Option<&Revision>) -> Origin {
    match target {
        None => own.clone(),
        Some(Revision { origin: Origin { from, commit, .. }, .. }) => {
            Origin { by: own.by.clone(), from: from.clone(), commit: commit.clone() }
        }
    }
}

fn secrets(catalog: &Catalog) -> Result<&Resource, EngineError> {
    resource(catalog, &super::secrets::kind())
}

/// Lists the revisions of a plan in the order of their numbers, without their plans.
pub(super) async fn list(tools: &Tools, catalog: &Catalog, plan: &Plan) -> Result<Vec<Found>, EngineError> {
    let scope = Scope {
        resource: secrets(catalog)?.clone(),
        namespace: Some(plan.namespace().to_owned()),
        labels: Some(format!("{LABEL}={}", plan.name())),
        fields: None,
        metadata_only: true,
    };
    let listing = ask(tools, "list the revisions", || tools.cluster.list(&scope)).await?;
    let found = listing.objects.iter().filter_map(|secret| Found::parse(plan.name(), secret));
    let mut found: Vec<Found> = found.collect();
    found.sort_by_key(|found| found.revision.number);
    Ok(found)
}

/// Finds a revision and reads its plan.
async fn choose(tools: &Tools, plan: &Plan, number: Option<u32>) -> Result<Chosen, EngineError> {
    let catalog = Session::discover(tools).await?;
    let mut all = list(tools, &catalog, plan).await?;
    let wanted = if number.is_some() {
        number
    } else {
        let applied = read_inventory(tools, &catalog, plan).await?.applied();
        history::target(&all, &applied).map(|target| target.revision.number)
    };
    let Some(chosen) = all.iter().position(|found| Some(found.revision.number) == wanted) else {
        let known = all.iter().map(|found| found.revision.number).collect();
        return Err(EngineError::NoRevision { wanted: number, known });
    };
    let found = all.swap_remove(chosen);
    let secrets = secrets(&catalog)?;
    let get = || tools.cluster.get(secrets, &found.object);
    let secret = ask(tools, &format!("get {}", found.object), get).await?;
    let number = found.revision.number;
    let secret = secret.ok_or(EngineError::NoRevision { wanted: Some(number), known: Vec::new() })?;
    let plan = found.content(&secret).and_then(|content| content.plan());
    let plan = plan.map_err(|cause| EngineError::UnreadableRevision { number, cause })?;
    Ok(Chosen { revision: found.revision, plan })
}

/// Makes room for a revision and writes it under the next number.
async fn keep(
    tools: &Tools,
    catalog: &Catalog,
    plan: &Plan,
    mut revision: Revision,
) -> Result<Revision, EngineError> {
    let internal = |cause: &dyn std::fmt::Display| EngineError::Internal(cause.to_string());
    let secrets = secrets(catalog)?;
    let content = Content::of(plan).map_err(|cause| internal(&cause))?;
    let found = list(tools, catalog, plan).await?;
    for old in history::surplus(&found) {
        let request = format!("delete {}", old.object);
        let send = || tools.cluster.delete(secrets, &old.object, &old.uid, Propagation::Background);
        let deleted = tools.persist_write(&request, send).await;
        deleted.map_err(|error| EngineError::request(request, error))?;
    }
    let first = found.last().map_or(1, |newest| newest.revision.number.saturating_add(1));
    for number in first..first.saturating_add(NUMBERS) {
        revision.number = number;
        let wanted = history::secret(plan.name(), plan.namespace(), &mut revision, &content)
            .map_err(|cause| internal(&cause))?;
        if create(tools, secrets, &wanted).await? {
            return Ok(revision);
        }
    }
    Err(EngineError::Internal(format!("the numbers {first} to {} are taken", revision.number)))
}

/// Creates a revision's Secret; false when its name is taken. One that is there already is ours when the
/// answer to an earlier try was lost.
async fn create(tools: &Tools, secrets: &Resource, wanted: &Object) -> Result<bool, EngineError> {
    let name = wanted.reference();
    let request = format!("create {name}");
    let send = || tools.cluster.create(FIELD_MANAGER, secrets, wanted);
    match tools.persist_write(&request, send).await {
        Ok(_) => Ok(true),
        Err(error) if error.refusal().is_some_and(|refusal| refusal.reason == "AlreadyExists") => {
            let found = ask(tools, &format!("get {name}"), || tools.cluster.get(secrets, &name)).await?;
            Ok(found.is_some_and(|found| {
                found.get("/metadata/annotations") == wanted.get("/metadata/annotations")
            }))
        }
        Err(error) => Err(EngineError::request(request, error)),
    }
}

/// Returns what a rollback does not undo, in words; `None` when there is nothing of the kind.
pub(super) fn not_undone(plan: &Plan, session: &Session, prepared: &[Vec<Prepared>]) -> Option<String> {
    let spared = prepared.iter().flatten().filter(|prepared| prepared.spared);
    let mut jobs: Vec<String> = spared.map(|prepared| prepared.wanted.reference().to_string()).collect();
    let planned = |object: &Object| plan.objects().any(|(_, other)| other.reference() == object.reference());
    let left = session.live.values().filter(|object| object.group() == "batch" && object.kind() == "Job");
    jobs.extend(left.filter(|job| !planned(job)).map(|job| job.reference().to_string()));
    let mut parts = Vec::new();
    if !jobs.is_empty() {
        let word = if jobs.len() == 1 { "it is" } else { "they are" };
        parts.push(format!("what {} did ({word} not run again)", jobs.join(", ")));
    }
    let has_volumes = |object: &Object| {
        object.kind() == "PersistentVolumeClaim" || object.get("/spec/volumeClaimTemplates").is_some()
    };
    if plan.objects().any(|(_, object)| has_volumes(object)) {
        parts.push("what lies in volumes".to_owned());
    }
    (!parts.is_empty()).then(|| format!("a rollback does not undo {}", parts.join(", nor ")))
}
