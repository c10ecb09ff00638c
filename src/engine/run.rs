//! What every run holds while it lasts: the line on which failed tries are told, the switch that ends all
//! waits, the interrupts, and the ways to do a piece of work with an ear on all of them.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::lock::Lock;
use super::retry::{Attempt, Tools, UNTOLD};
use super::{Emitter, Engine, EngineError, attempt_event, deploy};
use crate::cluster::Circumstances;
use crate::event::{CancelReason, EventKind, Verdict};

/// How long the last requests of a run may be tried for.
const CLOSING_WITHIN: Duration = Duration::from_secs(20);

/// The lines of one run.
pub(super) struct Run<C> {
    tools: Tools,
    /// Interrupts of the user.
    pub cancels: C,
    /// Failed tries of all tasks.
    pub attempts: mpsc::Receiver<Attempt>,
    /// What ended the work before its end, if anything did.
    stopped_by: Option<CancelReason>,
    /// Ends all waits.
    pub cancel: watch::Sender<bool>,
    // Kept so that the tools of the closing requests never see a cancel.
    never: watch::Sender<bool>,
    _no_lock: watch::Sender<Option<Instant>>,
}

impl<C: Stream<Item = CancelReason> + Unpin> Run<C> {
    /// Returns the lines of a run that has not begun.
    pub(super) fn new(engine: &Engine, cancels: C) -> Self {
        let (sender, attempts) = mpsc::channel(UNTOLD);
        let (cancel, cancelled) = watch::channel(false);
        let (no_lock, writes_until) = watch::channel(None);
        let tools = Tools {
            cluster: engine.cluster.clone(),
            attempts: sender,
            cancelled,
            writes_until,
            patience: Duration::MAX,
            stage: None,
            deadline: None,
            circumstances: Circumstances::default(),
            seed: engine.entropy.fork("session").seed(),
        };
        let never = watch::Sender::new(false);
        Self { tools, cancels, attempts, stopped_by: None, cancel, never, _no_lock: no_lock }
    }

    /// Returns what whoever sends requests needs.
    pub(super) fn tools(&self) -> Tools {
        self.tools.clone()
    }

    /// Returns the tools for the last requests: a cancelled run sends them all the same, for a short time.
    pub(super) fn closing_tools(&self) -> Tools {
        Tools { cancelled: self.never.subscribe(), patience: CLOSING_WITHIN, ..self.tools.clone() }
    }

    /// Binds all writes from here on to the life of the lock.
    pub(super) fn hold(&mut self, lock: &Lock) {
        self.tools.writes_until = lock.valid_until();
    }

    /// Returns the end of a run whose work was ended before the DAG began.
    pub(super) fn stopped(&self) -> Verdict {
        match self.stopped_by {
            Some(CancelReason::Deadline) => {
                Verdict::TimedOut { waiting_for: vec!["the cluster was still being read".to_owned()] }
            }
            _ => Verdict::Cancelled,
        }
    }

    /// Does a piece of work while telling its failed tries; an interrupt ends it, and it gives `None`.
    pub(super) async fn attend<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Option<T>, EngineError> {
        self.attend_held(work, &mut futures::future::pending(), emitter).await
    }

    /// As [`Run::attend`], while the lock is held; `lost` gives the reason once it is not.
    pub(super) async fn attend_held<T>(
        &mut self,
        work: impl Future<Output = Result<T, EngineError>>,
        lost: &mut (impl Future<Output = String> + Unpin),
        emitter: &mut Emitter<'_>,
    ) -> Result<Option<T>, EngineError> {
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval(deploy::TICK);
        loop {
            tokio::select! {
                biased;
                why = &mut *lost => return Err(EngineError::LockLost { why }),
                Some(reason) = self.cancels.next() => {
                    emitter.emit(EventKind::CancelBegan { reason });
                    self.stopped_by = Some(reason);
                    return Ok(None);
                }
                Some(attempt) = self.attempts.recv() => emitter.emit(attempt_event(attempt)),
                result = &mut work => return result.map(Some),
                _ = tick.tick() => emitter.tick(),
            }
        }
    }

    /// Does the last piece of work of a run: interrupts no longer count, it is bounded by its tools.
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
                result = &mut work => return result,
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
