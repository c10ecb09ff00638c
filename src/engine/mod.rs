//! L4: the engine: what the commands do to a cluster. It owns the state of a run, sends what the schedule
//! allows, listens to what the cluster says, and tells everything as events.
//!
//! ```text
//! deploy:    session ▶ preflight ▶ foresee ▶ inventory, secrets ▶ the loop over the DAG ▶ inventory ▶ prune
//! teardown:  session ▶ the DAG turned round: delete, wait until gone ▶ inventory
//! status:    session ▶ assess
//! diff:      session ▶ dry runs of what is not proven equal
//! checkup:   preflight
//! ```

mod around;
mod begin;
mod deploy;
mod diff;
mod drift;
mod emitter;
mod error;
mod explain;
mod foresee;
mod identity;
mod lock;
mod options;
mod preflight;
mod prepare;
mod refused;
mod removal;
mod retry;
mod run;
mod secrets;
mod session;
mod stage;
mod survey;
mod tasks;
mod vigil;
mod watching;

use std::collections::BTreeMap;

use futures::Stream;

pub use drift::{Drift, Since};
pub use emitter::Emitter;
pub use error::EngineError;
pub use foresee::{Confirm, MAX_DELETIONS};
pub use identity::{Holder, Life, RunIdentity};
pub use options::DeployOptions;
pub use preflight::Checkup;
pub use removal::{Fate, Keep, Removal};
pub use secrets::SecretSources;
pub use survey::StatusRow;
pub use watching::Watched;

use crate::clock::Clock;
use crate::cluster::{Catalog, Cluster};
use crate::compose::CONFIG_ANNOTATION;
use crate::difference::Mask;
use crate::entropy::Entropy;
use crate::event::{
    CancelReason, EventKind, Forecast, RunFinished, RunStarted, SCHEMA, StageOutline, Verdict,
};
use crate::object::{Change, Object, ObjectRef};
use crate::plan::Plan;
use begin::Beginning;
use deploy::Deploy;
use lock::Lock;
use retry::{Attempt, Tools};
use run::Run;
use session::Session;

/// Does the commands' work on one cluster.
pub struct Engine {
    cluster: Cluster,
    clock: Clock,
    entropy: Entropy,
    identity: RunIdentity,
}

impl Engine {
    /// Returns the engine for a cluster.
    pub fn new(cluster: Cluster, clock: Clock, entropy: Entropy, identity: RunIdentity) -> Self {
        Self { cluster, clock, entropy, identity }
    }

    /// Writes a plan's objects in the order of its DAG and waits until every stage has settled. Where there
    /// is something to write, the plan is checked against the cluster first.
    ///
    /// # Errors
    /// [`EngineError`] when the run could not begin, was locked out, or its inventory could not be saved;
    /// [`EngineError::Preflight`] when the check found an error: nothing was written then.
    pub async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        sources: &dyn SecretSources,
        cancels: impl Stream<Item = CancelReason> + Unpin,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        emitter.emit(self.run_started("deploy", plan));
        let mut run = Run::new(self, cancels);
        let result = self.deploy_locked(plan, options, sources, &mut run, emitter).await;
        conclude(emitter, result, plan.notes())
    }

    async fn deploy_locked(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        sources: &dyn SecretSources,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        let Some((catalog, lock)) = run.attend(self.take_lock(&run.tools(), plan), emitter).await? else {
            return Ok(Verdict::Cancelled);
        };
        let plan = &settled(plan, &catalog);
        let mut is_checked = options.skip_preflight;
        let lock = if let Some(lock) = lock {
            lock
        } else {
            // The lock lies in the plan's namespace, and that is still to be made: the first write.
            let home = BTreeMap::from([(session::namespace_ref(plan.namespace()), None)]);
            let nobody = &mut futures::future::pending();
            if !is_checked && !begin::check(plan, &catalog, home, run, nobody, emitter).await? {
                return Ok(Verdict::Cancelled);
            }
            is_checked = true;
            let tools = run.tools();
            let building = self.make_home(&tools, plan, &catalog);
            let Some((lock, made)) = run.attend(building, emitter).await? else {
                return Ok(Verdict::Cancelled);
            };
            if let Some(object) = made {
                emitter.emit(EventKind::ObjectApplied { stage: None, object, change: Change::Created });
            }
            lock
        };
        run.hold(&lock);
        let tools = run.tools();
        let result = {
            let mut lost = std::pin::pin!(lock.keep(&tools));
            let begun = self.begin(plan, options, is_checked, sources, catalog, run, &mut lost, emitter);
            match begun.await {
                Ok(Some(beginning)) => {
                    self.go_through(plan, options, beginning, run, &mut lost, emitter).await
                }
                Ok(None) => Ok(Verdict::Cancelled),
                Err(error) => Err(error),
            }
        };
        give_back(&lock, run, result, emitter).await
    }

    /// Goes through the DAG, saves what was written, and prunes what has left the plan.
    async fn go_through(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        beginning: Beginning,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        lost: &mut (impl Future<Output = String> + Unpin),
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        let Beginning { mut session, prepared, changes } = beginning;
        for (object, change) in changes {
            emitter.emit(EventKind::ObjectApplied { stage: None, object, change });
        }
        let tools = run.tools();
        let entropy = self.entropy.fork("deploy");
        let deploy =
            Deploy::new(plan, prepared, &mut session, tools, &run.cancel, self.clock, entropy, emitter);
        let outcome = deploy.run(&mut run.cancels, &mut run.attempts, lost).await;
        if let Some(why) = outcome.lock_lost {
            return Err(EngineError::LockLost { why });
        }
        if outcome.inventory_changed && outcome.cancelled != Some(CancelReason::SecondInterrupt) {
            // The one write that still goes out after a cancel: without it the next deploy only has more
            // to prove.
            run.finally(session.save_inventory(&run.closing_tools()), emitter).await?;
        }
        match (overall(plan, &outcome.verdicts, outcome.cancelled), outcome.cancelled) {
            (Verdict::Succeeded, None) => {
                removal::prune(plan, options, &mut session, run, lost, emitter).await
            }
            (Verdict::Succeeded, Some(_)) if removal::is_due(plan, &session) => Ok(Verdict::Cancelled),
            (verdict, _) => Ok(verdict),
        }
    }

    /// Asks what kinds are served and takes the plan's lock, in its namespace. No lock means: there is no
    /// namespace, and so nothing to lock.
    async fn take_lock(&self, tools: &Tools, plan: &Plan) -> Result<(Catalog, Option<Lock>), EngineError> {
        let catalog = Session::discover(tools).await?;
        let lock = Lock::acquire(tools, &catalog, plan, &self.identity.holder, self.clock).await?;
        Ok((catalog, lock))
    }

    /// Makes the plan's namespace, and takes the lock in it; with the namespace, when it was made here.
    async fn make_home(
        &self,
        tools: &Tools,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<(Lock, Option<ObjectRef>), EngineError> {
        let made = Session::ensure_namespace(tools, catalog, plan).await?;
        let lock = Lock::acquire(tools, catalog, plan, &self.identity.holder, self.clock).await?;
        let lock = lock.ok_or_else(|| EngineError::Internal("no lock was taken".to_owned()))?;
        Ok((lock, made.then(|| session::namespace_ref(plan.namespace()))))
    }

    /// Returns what a teardown would do. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be read.
    pub async fn removal(&self, plan: &Plan, delete_data: bool) -> Result<Removal, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        let work = async {
            let catalog = Session::discover(&tools).await?;
            let plan = settled(plan, &catalog);
            let session = Session::read(&tools, &plan, catalog).await?;
            removal::work_out(&tools, &session, &plan, delete_data).await
        };
        run.quietly(work).await
    }

    /// Removes what a plan owns, in the reverse order of its DAG, and waits until it is gone. Volumes,
    /// generated Secrets and the Namespace stay unless `delete_data`.
    ///
    /// # Errors
    /// [`EngineError`] when the run could not begin, or its inventory could not be saved.
    pub async fn teardown(
        &self,
        plan: &Plan,
        delete_data: bool,
        cancels: impl Stream<Item = CancelReason> + Unpin,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        emitter.emit(self.run_started("teardown", plan));
        let mut run = Run::new(self, cancels);
        let result = self.teardown_locked(plan, delete_data, &mut run, emitter).await;
        conclude(emitter, result, None)
    }

    async fn teardown_locked(
        &self,
        plan: &Plan,
        delete_data: bool,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        let Some((catalog, lock)) = run.attend(self.take_lock(&run.tools(), plan), emitter).await? else {
            return Ok(Verdict::Cancelled);
        };
        // Without a namespace there is nothing of ours.
        let Some(lock) = lock else { return Ok(Verdict::Succeeded) };
        run.hold(&lock);
        let (tools, plan) = (run.tools(), &settled(plan, &catalog));
        let result = {
            let mut lost = std::pin::pin!(lock.keep(&tools));
            let begin = async {
                let session = Session::read(&tools, plan, catalog).await?;
                let removal = removal::work_out(&tools, &session, plan, delete_data).await?;
                Ok((session, removal))
            };
            match run.attend_held(begin, &mut lost, emitter).await {
                Ok(Some((session, removal))) => {
                    self.take_apart(plan, session, &removal, run, &mut lost, emitter).await
                }
                Ok(None) => Ok(Verdict::Cancelled),
                Err(error) => Err(error),
            }
        };
        give_back(&lock, run, result, emitter).await
    }

    /// Goes through the DAG backwards, and proves that what should be gone is gone.
    async fn take_apart(
        &self,
        plan: &Plan,
        mut session: Session,
        removal: &Removal,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        lost: &mut (impl Future<Output = String> + Unpin),
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        let outcome = removal::remove(run, lost, &session.catalog, removal, emitter).await;
        if let Some(why) = outcome.lock_lost {
            return Err(EngineError::LockLost { why });
        }
        let verdict = overall(plan, &outcome.verdicts, outcome.cancelled);
        if outcome.cancelled == Some(CancelReason::SecondInterrupt) {
            return Ok(verdict);
        }
        let tools = run.closing_tools();
        let left = run.finally(removal::close(&tools, &mut session, plan, removal), emitter).await?;
        Ok(removal::still_there(verdict, &left))
    }

    /// Returns what is there of a plan, and whether it is ready. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be read.
    pub async fn status(&self, plan: &Plan) -> Result<Vec<StatusRow>, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        let mask = Mask::keyed(self.entropy, CONFIG_ANNOTATION);
        let survey = run.quietly(survey::Survey::read(&tools, plan)).await?;
        Ok(survey.rows(&mask, self.clock.now()).0)
    }

    /// Returns what a deploy of the plan with these options would do. Writes nothing, and needs no lock.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be read.
    pub async fn diff(&self, plan: &Plan, options: &DeployOptions) -> Result<Forecast, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        let mask = Mask::keyed(self.entropy, CONFIG_ANNOTATION);
        run.quietly(diff::diff(&tools, plan, options, &mask)).await
    }

    /// Returns what is found about a plan and this cluster before anything is written. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster does not even tell what kinds it serves.
    pub async fn checkup(&self, plan: &Plan) -> Result<Checkup, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        run.quietly(preflight::checkup(&tools, plan)).await
    }

    fn run_started(&self, command: &str, plan: &Plan) -> EventKind {
        let stages = plan.stages().iter().map(|stage| StageOutline {
            stage: stage.id.clone(),
            needs: stage.needs.clone(),
            objects: stage.objects.iter().map(Object::reference).collect(),
        });
        EventKind::RunStarted(RunStarted {
            schema: SCHEMA,
            run: self.identity.run.clone(),
            command: command.to_owned(),
            plan: plan.name().to_owned(),
            context: self.identity.context.clone(),
            server: self.identity.server.clone(),
            namespace: plan.namespace().to_owned(),
            seed: self.entropy.seed(),
            stages: stages.collect(),
        })
    }
}

fn attempt_event(attempt: Attempt) -> EventKind {
    EventKind::AttemptFailed {
        stage: attempt.stage,
        request: attempt.request,
        attempt: attempt.number,
        error: attempt.error.to_string(),
        retry_in_ms: u64::try_from(attempt.retry_in.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Returns the end of a run from the ends of its stages: a failure outranks a timeout, both outrank an
/// interrupt.
fn overall(plan: &Plan, verdicts: &[Verdict], cancelled: Option<CancelReason>) -> Verdict {
    let named = || plan.stages().iter().map(|stage| stage.id.as_str()).chain(["the rest"]).zip(verdicts);
    let failed: Vec<String> = named()
        .filter_map(|(id, verdict)| match verdict {
            Verdict::Failed { reason } => Some(format!("stage {id}: {reason}")),
            _ => None,
        })
        .collect();
    if !failed.is_empty() {
        return Verdict::Failed { reason: failed.join("; ") };
    }
    let late: Vec<String> = named()
        .filter_map(|(id, verdict)| match verdict {
            Verdict::TimedOut { waiting_for } => Some(format!("stage {id}: {}", waiting_for.join("; "))),
            _ => None,
        })
        .collect();
    if !late.is_empty() {
        return Verdict::TimedOut { waiting_for: late };
    }
    let undone = verdicts.iter().any(|verdict| !verdict.is_success());
    if cancelled.is_some() && undone { Verdict::Cancelled } else { Verdict::Succeeded }
}

/// Ends a locked run however it went: gives the lock back, unless somebody else has it.
async fn give_back(
    lock: &Lock,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    result: Result<Verdict, EngineError>,
    emitter: &mut Emitter<'_>,
) -> Result<Verdict, EngineError> {
    if matches!(result, Err(EngineError::LockLost { .. })) {
        return result;
    }
    let released = run.finally(lock.release(&run.closing_tools()), emitter).await;
    result.and_then(|verdict| released.map(|()| verdict))
}

/// Returns the plan with the namespaces of its custom kinds, which only the cluster knows to be
/// namespaced.
fn settled(plan: &Plan, catalog: &Catalog) -> Plan {
    let mut plan = plan.clone();
    for kind in plan.open_kinds().clone() {
        if let Some(resource) = catalog.preferred(&kind) {
            plan.settle_kind(&kind, resource.namespaced);
        }
    }
    plan
}

/// Tells the end of a run, whatever it was.
fn conclude(
    emitter: &mut Emitter<'_>,
    result: Result<Verdict, EngineError>,
    notes: Option<&str>,
) -> Result<Verdict, EngineError> {
    let verdict = result.clone().unwrap_or_else(|error| Verdict::Failed { reason: error.to_string() });
    let notes = notes.filter(|_| verdict.is_success()).map(str::to_owned);
    let changes = emitter.changes();
    emitter.emit(EventKind::RunFinished(RunFinished { verdict, changes, notes }));
    result
}
