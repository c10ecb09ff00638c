//! What every run holds while it lasts: the line on which failed tries are told, the switch that ends all
//! waits, the interrupts, the plan's lock, and the ways to do a piece of work with an ear on all of them.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::Fuse as FusedFuture;
use futures::stream::Fuse;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lock::{Lock, Stages};
use super::retry::{Attempt, Tools, UNTOLD};
use super::{Emitter, Engine, EngineError, attempt_event, deploy};
use crate::cluster::Circumstances;
use crate::event::{CancelReason, EventKind, Verdict};
use crate::latest::Latest;

/// How long the last requests of a run may be tried for.
const CLOSING_WITHIN: Duration = Duration::from_secs(20);
/// How long the lock's release may take after the second interrupt, which is to end the run at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Ends with the reason once the lock is lost; pending while it is ours, and when none is held.
pub(super) type Loss = FusedFuture<Pin<Box<dyn Future<Output = String>>>>;

/// The lines of one run.
pub(super) struct Run<C> {
    tools: Tools,
    /// Interrupts of the user.
    pub interrupts: Interrupts<C>,
    /// Failed tries of all tasks.
    pub attempts: mpsc::Receiver<Attempt>,
    /// True once the plan was held against the cluster, and when it need not be.
    pub is_checked: bool,
    /// Ends all waits.
    pub cancel: Latest<bool>,
    /// Renews the lock while it is polled.
    pub lost: Loss,
    held: Option<(Rc<Lock>, Stages)>,
    // Kept so that the tools of the closing requests never see a cancel.
    never: Latest<bool>,
    _no_lock: Latest<Option<Instant>>,
}

/// The interrupts of a run, of which the strongest is remembered.
pub(super) struct Interrupts<C> {
    stream: Fuse<C>,
    heard: Option<CancelReason>,
}

impl<C: Stream<Item = CancelReason> + Unpin> Interrupts<C> {
    /// Waits for the next one, for ever when there will be none.
    pub(super) async fn next(&mut self) -> CancelReason {
        let Some(reason) = self.stream.next().await else { return std::future::pending().await };
        self.heard = self.heard.max(Some(reason));
        reason
    }
}

impl<C: Stream<Item = CancelReason> + Unpin> Run<C> {
    /// Returns the lines of a run that has not begun.
    pub(super) fn new(engine: &Engine, cancels: C) -> Self {
        let (sender, attempts) = mpsc::channel(UNTOLD);
        let (cancel, no_lock) = (Latest::new(false), Latest::new(None));
        let tools = Tools {
            cluster: engine.cluster.clone(),
            attempts: sender,
            cancelled: cancel.reader(),
            writes_until: no_lock.reader(),
            patience: Duration::MAX,
            stage: None,
            deadline: None,
            circumstances: Circumstances::default(),
            seed: engine.entropy.fork("session").seed(),
        };
        let interrupts = Interrupts { stream: cancels.fuse(), heard: None };
        let (never, lost) = (Latest::new(false), FusedFuture::terminated());
        let is_checked = false;
        Self { tools, interrupts, attempts, is_checked, cancel, lost, held: None, never, _no_lock: no_lock }
    }

    /// Returns what whoever sends requests needs.
    pub(super) fn tools(&self) -> Tools {
        self.tools.clone()
    }

    /// Returns the tools for the last requests: a cancelled run sends them all the same, for a short time.
    pub(super) fn closing_tools(&self) -> Tools {
        Tools { cancelled: self.never.reader(), patience: CLOSING_WITHIN, ..self.tools.clone() }
    }

    /// Returns the strongest interrupt heard so far.
    pub(super) fn cancelled(&self) -> Option<CancelReason> {
        self.interrupts.heard
    }

    /// Returns the end of a run whose work was ended before the DAG began.
    pub(super) fn stopped(&self) -> Verdict {
        match self.cancelled() {
            Some(CancelReason::Deadline) => {
                Verdict::TimedOut { waiting_for: vec!["the cluster was still being read".to_owned()] }
            }
            _ => Verdict::Cancelled,
        }
    }

    /// Binds all writes from here on to the life of the lock, which is renewed while work is attended.
    /// With each renewal it tells the stages under way.
    pub(super) fn hold(&mut self, lock: Lock, stages: Stages) {
        let lock = Rc::new(lock);
        self.tools.writes_until = lock.valid_until();
        let keep = Rc::clone(&lock).keep(self.tools(), stages.clone());
        let keep: Pin<Box<dyn Future<Output = String>>> = Box::pin(keep);
        self.lost = keep.fuse();
        self.held = Some((lock, stages));
    }

    /// Holds the lock no longer: a write that waits for its renewal waits in vain.
    pub(super) fn let_lock_go(&mut self) -> Option<(Rc<Lock>, Stages)> {
        self.lost = FusedFuture::terminated();
        self.held.take()
    }

    /// Gives the lock back, if one is held; one of a run that was `interrupted` goes on telling of it.
    pub(super) async fn give_back(
        &mut self,
        interrupted: bool,
        emitter: &mut Emitter<'_>,
    ) -> Result<(), EngineError> {
        // No renewal may come after the release.
        let Some((lock, stages)) = self.let_lock_go() else { return Ok(()) };
        let tools = self.closing_tools();
        let release = lock.release(&tools, interrupted.then_some(stages));
        if self.cancelled() != Some(CancelReason::SecondInterrupt) {
            return self.finally(release, emitter).await;
        }
        // Unreleased it ends by itself; whoever asked twice does not want to wait.
        tokio::time::timeout(AT_ONCE, self.finally(release, emitter)).await.unwrap_or(Ok(()))
    }

    /// As [`Run::give_back`] of a run that failed in its own code: nobody is told anything.
    pub(super) async fn give_back_quietly(&mut self) -> Result<(), EngineError> {
        let Some((lock, stages)) = self.let_lock_go() else { return Ok(()) };
        let tools = self.closing_tools();
        self.quietly(lock.release(&tools, Some(stages))).await
    }

    /// Does a piece of work while telling its failed tries. After an interrupt it begins no further request,
    /// what is in flight ends, and it gives `None`.
    pub(super) async fn attend<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Option<T>, EngineError> {
        let result = self.attend_to_end(work, emitter).await?;
        Ok(result.filter(|_| self.cancelled().is_none()))
    }

    /// As [`Run::attend`], but gives what the work came to even when it was interrupted in its last
    /// request.
    pub(super) async fn attend_to_end<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Option<T>, EngineError> {
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval(deploy::TICK);
        loop {
            tokio::select! {
                biased;
                why = &mut self.lost => return Err(EngineError::LockLost { why }),
                reason = self.interrupts.next() => {
                    emitter.emit(EventKind::CancelBegan { reason });
                    self.cancel.set(true);
                    if reason == CancelReason::SecondInterrupt {
                        return Ok(None);
                    }
                }
                Some(attempt) = self.attempts.recv() => emitter.emit(attempt_event(attempt)),
                result = &mut work => {
                    return match result {
                        Err(error) if error.is_interruption() && self.cancelled().is_some() => Ok(None),
                        result => result.map(Some),
                    };
                }
                _ = tick.tick() => emitter.tick(),
            }
        }
    }

    /// Does the last piece of work of a run, bounded by its tools: only a second interrupt ends it sooner.
    pub(super) async fn finally<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
        emitter: &mut Emitter<'_>,
    ) -> Result<T, EngineError> {
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval(deploy::TICK);
        loop {
            tokio::select! {
                biased;
                why = &mut self.lost => return Err(EngineError::LockLost { why }),
                result = &mut work => return result,
                reason = self.interrupts.next() => {
                    emitter.emit(EventKind::CancelBegan { reason });
                    if reason == CancelReason::SecondInterrupt {
                        return Err(EngineError::interruption());
                    }
                }
                Some(attempt) = self.attempts.recv() => emitter.emit(attempt_event(attempt)),
                _ = tick.tick() => emitter.tick(),
            }
        }
    }

    /// Does a piece of work whose failed tries nobody is told of: a question, not a run.
    pub(super) async fn quietly<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                Some(_) = self.attempts.recv() => {}
            }
        }
    }
}
