//! L4: the engine: what the commands do to a cluster. It owns the state of a run, sends what the schedule
//! allows, listens to what the cluster says, and tells everything as events.
//!
//! ```text
//! deploy:    lock ▶ session ▶ preflight ▶ foresee ▶ inventory, secrets ▶ the loop over the DAG ▶ inventory ▶ prune
//!            ▶ history
//! rollback:  a revision ▶ deploy of its plan
//! teardown:  lock ▶ session ▶ the DAG turned round: delete, wait until gone ▶ inventory
//! status:    session ▶ assess
//! diff:      session ▶ dry runs of what is not proven equal
//! checkup:   preflight
//! ```

mod adopt;
mod around;
mod autoscaling;
mod begin;
mod bringing;
mod conflict;
mod deploy;
mod diff;
mod drift;
mod emitter;
mod error;
mod explain;
mod followers;
mod foresee;
mod frame;
mod gone;
mod history;
mod home;
mod identity;
mod idle;
mod lock;
mod logs;
mod options;
mod preflight;
mod prepare;
mod recreate;
mod redactor;
mod refused;
mod removal;
mod retry;
mod run;
mod secrets;
mod session;
mod stage;
mod survey;
mod tasks;
mod unlock;
mod vigil;
mod warnings;
mod watching;
mod write;

use std::borrow::Cow;
use std::ops::ControlFlow;

use futures::Stream;

pub use adopt::{Set, Stranger};
pub use drift::{Drift, Since};
pub use emitter::Emitter;
pub use error::EngineError;
pub use foresee::{Confirm, MAX_DELETIONS};
pub use history::Chosen;
pub use identity::{Holder, Life, RunIdentity};
pub use lock::{Interruption, LockState};
pub use logs::{LogTold, LogsWanted};
pub use options::{Adopt, DeployOptions, NotAName, ObjectName, TakenField, TeardownOptions};
pub use preflight::Checkup;
pub use removal::{Fate, Keep, Removal};
pub use secrets::SecretSources;
pub use survey::StatusRow;
pub use unlock::Unlocking;
pub use watching::Watched;

use crate::clock::Clock;
use crate::cluster::{Catalog, Cluster};
use crate::compose::CONFIG_ANNOTATION;
use crate::difference::Mask;
use crate::entropy::Entropy;
use crate::event::{CancelReason, EventKind, Forecast, RunStarted, SCHEMA, StageOutline, Verdict};
use crate::object::Object;
use crate::plan::Plan;
use begin::Beginning;
use deploy::Deploy;
use followers::{Extent, Followers};
use frame::Command;
use retry::Attempt;
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
        let body =
            async |plan: &Plan, catalog: Catalog, run: &mut Run<_>, emitter: &mut Emitter<'_>| match self
                .begin(plan, options, sources, catalog, run, emitter)
                .await?
            {
                Some(beginning) => self.go_through(plan, options, beginning, run, emitter).await,
                None => Ok(run.stopped()),
            };
        let (skip_preflight, is_rollback) = (options.skip_preflight, options.rollback.is_some());
        let command = Command::Deploy { skip_preflight, is_rollback };
        self.under_lock(command, plan, options.wait_lock, cancels, emitter, body).await
    }

    /// Goes through the DAG, saves what was written, prunes what has left the plan, and keeps a revision.
    async fn go_through(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        beginning: Beginning,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        let Beginning { mut session, prepared, changes, redactor } = beginning;
        session.tell_warnings(emitter);
        for (object, change) in changes {
            emitter.emit(EventKind::ObjectApplied { stage: None, object, change });
        }
        let tools = run.tools();
        let entropy = self.entropy.fork("deploy");
        let extent = Extent { wanted: deploy::JOB_LOG, earlier_lives: true };
        let followers = Followers::new(self.cluster.clone(), redactor, entropy.fork("logs"), extent);
        let (clock, session_now) = (self.clock, &mut session);
        let deploy =
            Deploy::new(plan, prepared, session_now, tools, &run.cancel, clock, entropy, followers, emitter);
        let outcome = deploy.run(&mut run.interrupts, &mut run.attempts, &mut run.lost).await;
        if let Some(why) = outcome.lock_lost {
            return Err(EngineError::LockLost { why });
        }
        if outcome.inventory_changed && outcome.cancelled != Some(CancelReason::SecondInterrupt) {
            // The one write that still goes out after a cancel: without it the next deploy only has more
            // to prove.
            run.finally(session.save_inventory(&run.closing_tools()), emitter).await?;
            session.tell_warnings(emitter);
        }
        let verdict = match (overall(plan, &outcome.verdicts, outcome.cancelled), run.cancelled()) {
            (Verdict::Succeeded, None) => removal::prune(plan, options, &mut session, run, emitter).await?,
            (Verdict::Succeeded, Some(reason)) if removal::is_due(plan, &session) => match reason {
                CancelReason::Deadline => {
                    Verdict::TimedOut { waiting_for: vec!["the prune: not begun".to_owned()] }
                }
                _ => Verdict::Cancelled,
            },
            (verdict, _) => verdict,
        };
        // On the heap: a run holds it from its first moment on, and needs it once, at the end.
        Box::pin(self.keep_revision(plan, options, &session, &verdict, run, emitter)).await?;
        Ok(verdict)
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
    /// generated Secrets and the Namespace stay unless the options say otherwise.
    ///
    /// # Errors
    /// [`EngineError`] when the run could not begin, or its inventory could not be saved.
    pub async fn teardown(
        &self,
        plan: &Plan,
        options: &TeardownOptions,
        cancels: impl Stream<Item = CancelReason> + Unpin,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        let body = async |plan: &Plan, catalog: Catalog, run: &mut Run<_>, emitter: &mut Emitter<'_>| {
            let tools = run.tools();
            let begin = async {
                let session = Session::read(&tools, plan, catalog).await?;
                let removal = removal::work_out(&tools, &session, plan, options.delete_data).await?;
                removal::mark_left_claims(&tools, &session, &removal).await?;
                Ok((session, removal))
            };
            match run.attend(begin, emitter).await? {
                Some((session, removal)) => self.take_apart(plan, session, removal, run, emitter).await,
                None => Ok(run.stopped()),
            }
        };
        self.under_lock(Command::Teardown, plan, options.wait_lock, cancels, emitter, body).await
    }

    /// Goes through the DAG backwards, and proves that what should be gone is gone.
    async fn take_apart(
        &self,
        plan: &Plan,
        mut session: Session,
        mut removal: Removal,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        for message in removal.lost_volumes() {
            emitter.emit(EventKind::Warned { message });
        }
        let outcome = removal::remove(run, &session.catalog, &removal, emitter).await?;
        let mut verdict = overall(plan, &outcome.verdicts, outcome.cancelled);
        if outcome.cancelled == Some(CancelReason::SecondInterrupt) {
            return Ok(verdict);
        }
        if verdict.is_success()
            && let Some(late) = removal::settle_late_claims(&session, &mut removal, run, emitter).await?
        {
            verdict = late.verdicts.into_iter().find(|late| !late.is_success()).unwrap_or(verdict);
        }
        let tools = run.closing_tools();
        let left = run.finally(removal::close(&tools, &mut session, plan, &removal), emitter).await?;
        session.tell_warnings(emitter);
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

    /// Tells the logs of workloads; followed ones until `cancels` has an interrupt, which is returned, or
    /// `tell` breaks off. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster, or its pods, could not be read.
    pub async fn logs(
        &self,
        plan: &Plan,
        wanted: &LogsWanted,
        cancels: impl Stream<Item = CancelReason> + Unpin,
        tell: impl FnMut(&LogTold) -> ControlFlow<()>,
    ) -> Result<Option<CancelReason>, EngineError> {
        let mut run = Run::new(self, cancels);
        let tools = run.tools();
        let entropy = self.entropy.fork("logs");
        let mut work = std::pin::pin!(logs::tell(&tools, plan, wanted, entropy, tell));
        loop {
            tokio::select! {
                biased;
                reason = run.interrupts.next() => return Ok(Some(reason)),
                Some(_) = run.attempts.recv() => {}
                result = &mut work => return result.map(|()| None),
            }
        }
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
            again: self.identity.again.clone(),
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
    let open: Vec<String> = named()
        .filter(|(_, verdict)| !verdict.is_success())
        .map(|(id, _)| format!("stage {id}: not begun"))
        .collect();
    if cancelled == Some(CancelReason::Deadline) && !open.is_empty() {
        return Verdict::TimedOut { waiting_for: open };
    }
    if cancelled.is_some() && !open.is_empty() { Verdict::Cancelled } else { Verdict::Succeeded }
}

/// Returns the plan with the namespaces of its custom kinds, which only the cluster knows to be
/// namespaced.
fn settled<'p>(plan: &'p Plan, catalog: &Catalog) -> Cow<'p, Plan> {
    let mut settled = Cow::Borrowed(plan);
    for kind in plan.open_kinds() {
        if let Some(resource) = catalog.preferred(kind) {
            settled.to_mut().settle_kind(kind, resource.namespaced);
        }
    }
    settled
}
