//! The frame of every run that writes: the plan's lock is taken, kept while the run's body does its work,
//! and given back however the body went.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt as _, Stream};
use tokio::time::Instant;

use super::begin::check;
use super::emitter::millis;
use super::lock::{Claim, Claimed, Fate, Lock};
use super::run::Run;
use super::session::{Session, namespace_ref};
use super::{Emitter, Engine, EngineError, Interruption, LockState, home, settled};
use crate::cluster::Catalog;
use crate::event::{CancelReason, EventKind, InterruptionFound, LockAwaited, RunFinished, Verdict};
use crate::plan::Plan;

/// How often the lock is claimed at most: it may change hands while it is waited for.
const TURNS: u32 = 64;

/// The commands that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Deploy { skip_preflight: bool, is_rollback: bool },
    Teardown,
}

impl Command {
    /// Returns the command as it is typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deploy { is_rollback: false, .. } => "deploy",
            Self::Deploy { is_rollback: true, .. } => "rollback",
            Self::Teardown => "teardown",
        }
    }
}

impl Engine {
    /// Runs `body` under the plan's lock, between the first and the last event of the run. The body gets
    /// the plan as the cluster's kinds settle it. A run that was interrupted before its body has none.
    pub(super) async fn under_lock<C, B>(
        &self,
        command: Command,
        plan: &Plan,
        wait_lock: Duration,
        cancels: C,
        emitter: &mut Emitter<'_>,
        body: B,
    ) -> Result<Verdict, EngineError>
    where
        C: Stream<Item = CancelReason> + Unpin,
        B: AsyncFnOnce(&Plan, Catalog, &mut Run<C>, &mut Emitter<'_>) -> Result<Verdict, EngineError>,
    {
        emitter.emit(self.run_started(command.name(), plan));
        let mut run = Run::new(self, cancels);
        run.is_checked = !matches!(command, Command::Deploy { skip_preflight: false, .. });
        let result = self.locked(command, plan, wait_lock, &mut run, emitter, body).await;
        let notes = plan.notes().filter(|_| command != Command::Teardown);
        conclude(emitter, result, notes)
    }

    async fn locked<C, B>(
        &self,
        command: Command,
        plan: &Plan,
        wait_lock: Duration,
        run: &mut Run<C>,
        emitter: &mut Emitter<'_>,
        body: B,
    ) -> Result<Verdict, EngineError>
    where
        C: Stream<Item = CancelReason> + Unpin,
        B: AsyncFnOnce(&Plan, Catalog, &mut Run<C>, &mut Emitter<'_>) -> Result<Verdict, EngineError>,
    {
        let tools = run.tools();
        let kinds = async {
            match command {
                Command::Deploy { .. } => Session::kinds(&tools, plan).await,
                Command::Teardown => Session::discover(&tools).await,
            }
        };
        let Some(mut catalog) = run.attend(kinds, emitter).await? else { return Ok(run.stopped()) };
        match self.take_lock(command, plan, wait_lock, &mut catalog, run, emitter).await? {
            Taking::Ours(lock) => run.hold(*lock, emitter.under_way()),
            Taking::Interrupted => return Ok(run.stopped()),
            // Without a namespace there is nothing of ours.
            Taking::NoNamespace => return Ok(Verdict::Succeeded),
        }
        let result = if run.cancelled().is_some() {
            Ok(run.stopped())
        } else {
            let plan = settled(plan, &catalog);
            // Nothing the body knew is looked at again after a panic: only the lock is given back.
            let body = AssertUnwindSafe(body(&plan, catalog, run, emitter)).catch_unwind();
            match body.await {
                // After an interrupt the run is cancelled, even when its last word could not be saved.
                Ok(Err(error @ EngineError::Request { .. })) if run.cancelled().is_some() => {
                    if !error.is_interruption() {
                        let message = format!("{}; the next run has more to prove", error.in_full());
                        emitter.emit(EventKind::Warned { message });
                    }
                    Ok(run.stopped())
                }
                Ok(result) => result,
                Err(panic) => {
                    let (run, cause) = (self.identity.run.clone(), words_of(&*panic));
                    Err(EngineError::Panicked { run, cause })
                }
            }
        };
        give_back(run, result, emitter).await
    }

    /// Takes the plan's lock, in its namespace, which a deploy makes first when it is missing. A holder that
    /// lives is waited for as long as was asked for.
    async fn take_lock<C>(
        &self,
        command: Command,
        plan: &Plan,
        wait_lock: Duration,
        catalog: &mut Catalog,
        run: &mut Run<C>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Taking, EngineError>
    where
        C: Stream<Item = CancelReason> + Unpin,
    {
        let tools = run.tools();
        let claim = Claim::new(tools.clone(), plan, self.claimant(command.name()));
        let until = Instant::now() + wait_lock;
        let mut awaited = None;
        // Each turn but the last one needs a change made by somebody else, so there are not many.
        for turn in 0..TURNS {
            let is_first_question = turn == 0 && catalog.is_assumed();
            let held = match run.attend_to_end(claim.make(is_first_question), emitter).await? {
                None => return Ok(Taking::Interrupted),
                Some(Claimed::Ours(lock, left)) => return Ok(taken(lock, left, emitter)),
                Some(Claimed::Ending) => {
                    if home::sit_out(plan, catalog, run, emitter).await?.is_none() {
                        return Ok(Taking::Interrupted);
                    }
                    continue;
                }
                Some(Claimed::Nowhere) if command == Command::Teardown => return Ok(Taking::NoNamespace),
                Some(Claimed::Nowhere) => {
                    if !settle_down(plan, catalog, run, emitter).await? {
                        return Ok(Taking::Interrupted);
                    }
                    continue;
                }
                Some(Claimed::Held(held)) => *held,
            };
            if !wait_lock.is_zero() && awaited.as_ref() != Some(&held.holder) {
                emitter.emit(EventKind::LockAwaited(told(&held, until)));
                awaited = Some(held.holder.clone());
            }
            match run.attend_to_end(claim.watch(held, until), emitter).await? {
                None => return Ok(Taking::Interrupted),
                Some(Fate::Changed) => {}
                Some(Fate::Lives(held)) => return Err(EngineError::Locked(held)),
                Some(Fate::Expired(held)) => match run.attend_to_end(claim.seize(&held), emitter).await? {
                    None => return Ok(Taking::Interrupted),
                    Some(Some((lock, left))) => return Ok(taken(lock, left, emitter)),
                    Some(None) => {}
                },
            }
        }
        Err(EngineError::locked(LockState::unknown("other runs, which were faster each time")))
    }
}

/// What became of the wish for the plan's lock.
enum Taking {
    Ours(Box<Lock>),
    Interrupted,
    NoNamespace,
}

/// Makes the plan's namespace, the first write of a first deploy, once the checks before it have passed.
/// Returns false after an interrupt.
async fn settle_down<C>(
    plan: &Plan,
    catalog: &mut Catalog,
    run: &mut Run<C>,
    emitter: &mut Emitter<'_>,
) -> Result<bool, EngineError>
where
    C: Stream<Item = CancelReason> + Unpin,
{
    if catalog.is_assumed() {
        let told = run.attend(Session::discover(&run.tools()), emitter).await?;
        let Some(told) = told else { return Ok(false) };
        *catalog = told;
    }
    let home = BTreeMap::from([(namespace_ref(plan.namespace()), None)]);
    if !run.is_checked && !check(&settled(plan, catalog), catalog, home, run, emitter).await? {
        return Ok(false);
    }
    Ok(home::make(plan, catalog, run, emitter).await?.is_some())
}

/// Returns the lock that is ours now, having told of the run that left it behind.
fn taken(lock: Box<Lock>, left: Option<Interruption>, emitter: &mut Emitter<'_>) -> Taking {
    if let Some(Interruption { run, command, stages, ago }) = left {
        let found = InterruptionFound { run, command, stages, ago_ms: millis(ago) };
        emitter.emit(EventKind::InterruptionFound(found));
    }
    Taking::Ours(lock)
}

/// Returns what is told of a holder that is waited for.
fn told(held: &LockState, until: Instant) -> LockAwaited {
    LockAwaited {
        holder: held.holder.clone(),
        run: held.run.clone(),
        command: held.command.clone(),
        held_ms: held.held_for.map(millis),
        at_most_ms: millis(until.saturating_duration_since(Instant::now())),
    }
}

/// Ends a locked run however it went: gives the lock back, unless somebody else has it.
async fn give_back(
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    result: Result<Verdict, EngineError>,
    emitter: &mut Emitter<'_>,
) -> Result<Verdict, EngineError> {
    let released = match &result {
        Err(EngineError::LockLost { .. }) => Ok(()),
        // The reporters are not asked to tell anything more: one of them may have been the cause.
        Err(EngineError::Panicked { .. }) => run.give_back_quietly().await,
        Ok(Verdict::Cancelled) => run.give_back(true, emitter).await,
        _ => run.give_back(false, emitter).await,
    };
    if let Err(error) = released {
        let message = format!("{}; it ends by itself within seconds", error.in_full());
        emitter.emit(EventKind::Warned { message });
    }
    result
}

/// Returns what a panic said.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

/// Tells the end of a run, whatever it was.
fn conclude(
    emitter: &mut Emitter<'_>,
    result: Result<Verdict, EngineError>,
    notes: Option<&str>,
) -> Result<Verdict, EngineError> {
    let verdict = result.clone().unwrap_or_else(|error| Verdict::Failed { reason: error.in_full() });
    let notes = notes.filter(|_| verdict.is_success()).map(str::to_owned);
    let changes = emitter.changes();
    emitter.emit(EventKind::RunFinished(RunFinished { verdict, changes, notes }));
    result
}
