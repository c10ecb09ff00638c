//! L4: the engine: what the commands do to a cluster. It owns the state of a run, sends what the schedule
//! allows, listens to what the cluster says, and tells everything as events.
//!
//! ```text
//! deploy:    session ▶ namespace, inventory, secrets ▶ the loop over the DAG ▶ inventory
//! teardown:  session ▶ the DAG turned round: delete, wait until gone ▶ inventory
//! status:    session ▶ assess
//! ```

mod deploy;
mod emitter;
mod explain;
mod prepare;
mod removal;
mod retry;
mod secrets;
mod session;
mod stage;
mod survey;
mod tasks;

use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};

pub use emitter::Emitter;
pub use removal::{Fate, Keep, Removal};
pub use secrets::SecretSources;
pub use survey::StatusRow;

use crate::clock::Clock;
use crate::cluster::{ApiError, Cluster};
use crate::entropy::Entropy;
use crate::event::{CancelReason, EventKind, RunFinished, RunStarted, SCHEMA, StageOutline, Verdict};
use crate::inventory::NotOurs;
use crate::object::{Change, Object};
use crate::plan::Plan;
use deploy::Deploy;
use retry::{Attempt, Tools, UNTOLD};
use session::Session;

/// Why a command could not do its work at all. A stage that fails is a [`Verdict`], not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A request outside of any stage failed for good.
    #[error("could not {request}")]
    Request {
        /// What was asked, such as `list deployments`.
        request: String,
        /// Why it failed.
        #[source]
        error: Box<ApiError>,
    },
    /// The inventory is not ours.
    #[error("the plan's inventory belongs to somebody else")]
    Inventory(#[from] NotOurs),
    /// A secret value could not be had.
    #[error("secret `{secret}` has no value for `{key}`")]
    NoSecret {
        /// The Secret.
        secret: String,
        /// Its key.
        key: String,
        /// Why.
        cause: String,
    },
    /// The program contradicts itself.
    #[error("internal error: {0}")]
    Internal(String),
}

impl EngineError {
    fn request(request: String, error: ApiError) -> Self {
        Self::Request { request, error: Box::new(error) }
    }
}

/// What a run is told about itself, for its first event.
#[derive(Clone, Debug)]
pub struct RunIdentity {
    /// Short name of the run.
    pub run: String,
    /// The kubeconfig context.
    pub context: String,
    /// The API server's address.
    pub server: String,
}

/// Does the commands' work on one cluster.
pub struct Engine {
    cluster: Cluster,
    clock: Clock,
    entropy: Entropy,
    identity: RunIdentity,
}

/// The two ends through which a run hears of failed tries and tells its tasks to stop.
struct Lines {
    attempts: mpsc::Receiver<Attempt>,
    cancel: watch::Sender<bool>,
}

impl Engine {
    /// Returns the engine for a cluster.
    pub fn new(cluster: Cluster, clock: Clock, entropy: Entropy, identity: RunIdentity) -> Self {
        Self { cluster, clock, entropy, identity }
    }

    /// Writes a plan's objects in the order of its DAG and waits until every stage has settled.
    ///
    /// # Errors
    /// [`EngineError`] when the run could not begin, or its inventory could not be saved.
    pub async fn deploy(
        &self,
        plan: &Plan,
        sources: &dyn SecretSources,
        mut cancels: impl Stream<Item = CancelReason> + Unpin,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        emitter.emit(self.run_started("deploy", plan));
        let (tools, mut lines) = self.lines();
        let begun = attended(self.begin(&tools, plan, sources), &mut cancels, &mut lines, emitter).await?;
        let Attended::Done((mut session, prepared, changes)) = begun else {
            return Ok(finish(emitter, Verdict::Cancelled, None));
        };
        for (object, change) in changes {
            emitter.emit(EventKind::ObjectApplied { stage: None, object, change });
        }
        let entropy = self.entropy.fork("deploy");
        let run = Deploy::new(
            plan,
            prepared,
            &mut session,
            tools.clone(),
            &lines.cancel,
            self.clock,
            entropy,
            emitter,
        );
        let outcome = run.run(&mut cancels, &mut lines.attempts).await;
        let verdict = overall(plan, &outcome.verdicts, outcome.cancelled);
        if outcome.inventory_changed && outcome.cancelled != Some(CancelReason::SecondInterrupt) {
            // The one write that still goes out after a cancel: without it the next deploy only has more
            // to prove.
            let (tools, mut lines) = self.lines();
            let saved = session.save_inventory(&tools);
            attended(saved, &mut futures::stream::pending(), &mut lines, emitter).await?;
        }
        let notes = plan.notes().filter(|_| verdict.is_success()).map(str::to_owned);
        Ok(finish(emitter, verdict, notes))
    }

    /// Returns what a teardown would do. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be read.
    pub async fn removal(&self, plan: &Plan, delete_data: bool) -> Result<Removal, EngineError> {
        let (tools, mut lines) = self.lines();
        let work = async {
            let session = Session::open(&tools, plan).await?;
            removal::work_out(&tools, &session, plan, delete_data).await
        };
        quietly(work, &mut lines).await
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
        mut cancels: impl Stream<Item = CancelReason> + Unpin,
        emitter: &mut Emitter<'_>,
    ) -> Result<Verdict, EngineError> {
        emitter.emit(self.run_started("teardown", plan));
        let (tools, mut lines) = self.lines();
        let begin = async {
            let session = Session::open(&tools, plan).await?;
            let removal = removal::work_out(&tools, &session, plan, delete_data).await?;
            Ok((session, removal))
        };
        let Attended::Done((mut session, removal)) =
            attended(begin, &mut cancels, &mut lines, emitter).await?
        else {
            return Ok(finish(emitter, Verdict::Cancelled, None));
        };
        let (verdicts, cancelled) = removal::remove(
            &tools,
            plan,
            &removal,
            &mut cancels,
            (&mut lines.attempts, &lines.cancel),
            emitter,
        )
        .await;
        let mut verdict = overall(plan, &verdicts, cancelled);
        if cancelled != Some(CancelReason::SecondInterrupt) {
            let (tools, mut lines) = self.lines();
            let close = removal::close(&tools, &mut session, plan, &removal);
            if let Attended::Done(left) =
                attended(close, &mut futures::stream::pending(), &mut lines, emitter).await?
                && !left.is_empty()
                && verdict.is_success()
            {
                let left: Vec<String> = left.iter().map(ToString::to_string).collect();
                verdict = Verdict::Failed { reason: format!("still there: {}", left.join(", ")) };
            }
        }
        Ok(finish(emitter, verdict, None))
    }

    /// Returns what is there of a plan, and whether it is ready. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be read.
    pub async fn status(&self, plan: &Plan) -> Result<Vec<StatusRow>, EngineError> {
        let (tools, mut lines) = self.lines();
        quietly(survey::survey(&tools, plan, self.clock.now()), &mut lines).await
    }

    /// Does everything that comes before the DAG.
    async fn begin(
        &self,
        tools: &Tools,
        plan: &Plan,
        sources: &dyn SecretSources,
    ) -> Result<Beginning, EngineError> {
        let mut session = Session::open(tools, plan).await?;
        let mut changes = Vec::new();
        if !session.known && session.ensure_namespace(tools, plan).await? {
            changes.push((session::namespace_ref(plan.namespace()), Change::Created));
        }
        let secrets = secrets::read(tools, &session, plan, sources).await?;
        let prepared = prepare::prepare(plan, &session, &secrets.contents);
        let wanted = prepared.iter().flatten().map(|prepared| prepared.wanted.reference());
        let made = secrets.missing.iter().map(|(object, _)| object.reference());
        let members: Vec<_> = wanted.chain(made).collect();
        // Superset first: whatever is written from here on is already known to be ours.
        if !session.known || members.iter().any(|member| !session.inventory.contains(member)) {
            for member in members {
                session.inventory.announce(member);
            }
            session.save_inventory(tools).await?;
        }
        for (object, change) in &secrets.missing {
            secrets::write(tools, &session, object).await?;
            changes.push((object.reference(), *change));
        }
        changes.extend(secrets.complete.into_iter().map(|name| (name, Change::Unchanged)));
        Ok((session, prepared, changes))
    }

    fn lines(&self) -> (Tools, Lines) {
        let (sender, attempts) = mpsc::channel(UNTOLD);
        let (cancel, cancelled) = watch::channel(false);
        let seed = self.entropy.fork("session").seed();
        let tools = Tools {
            cluster: self.cluster.clone(),
            attempts: sender,
            cancelled,
            stage: None,
            deadline: None,
            seed,
        };
        (tools, Lines { attempts, cancel })
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

type Beginning = (Session, Vec<Vec<prepare::Prepared>>, Vec<(crate::object::ObjectRef, Change)>);

/// How a piece of work that can be interrupted ended.
enum Attended<T> {
    Done(T),
    Cancelled,
}

/// Does a piece of work while telling its failed tries; an interrupt ends it.
async fn attended<T>(
    work: impl Future<Output = Result<T, EngineError>>,
    cancels: &mut (impl Stream<Item = CancelReason> + Unpin),
    lines: &mut Lines,
    emitter: &mut Emitter<'_>,
) -> Result<Attended<T>, EngineError> {
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(deploy::TICK);
    loop {
        tokio::select! {
            biased;
            Some(reason) = cancels.next() => {
                emitter.emit(EventKind::CancelBegan { reason });
                return Ok(Attended::Cancelled);
            }
            Some(attempt) = lines.attempts.recv() => emitter.emit(attempt_event(attempt)),
            result = &mut work => return result.map(Attended::Done),
            _ = tick.tick() => emitter.tick(),
        }
    }
}

/// Does a piece of work whose failed tries nobody is told of: a question, not a run.
async fn quietly<T>(
    work: impl Future<Output = Result<T, EngineError>>,
    lines: &mut Lines,
) -> Result<T, EngineError> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            Some(_) = lines.attempts.recv() => {}
        }
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

fn finish(emitter: &mut Emitter<'_>, verdict: Verdict, notes: Option<String>) -> Verdict {
    let changes = emitter.changes();
    emitter.emit(EventKind::RunFinished(RunFinished { verdict: verdict.clone(), changes, notes }));
    verdict
}
