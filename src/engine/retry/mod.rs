//! Trying a request again: as long as `cluster::outcome` says it makes sense, with growing pauses whose
//! noise comes from the run's seed, and never in silence.

#[cfg(test)]
mod tests;

use std::task::Poll;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cluster::{ApiError, Budget, Circumstances, Cluster, Outcome, outcome};
use crate::latest::Reader;
use crate::plan::StageId;

/// One failed try, told before the pause that follows it.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// For which stage; `None` outside of any.
    pub stage: Option<StageId>,
    /// What was asked, such as `apply Deployment/web`.
    pub request: String,
    /// Which try it was, from 1.
    pub number: u32,
    /// Why it failed.
    pub error: ApiError,
    /// The pause before the next.
    pub retry_in: Duration,
}

/// How many untold tries there may be: so few that a flood of them slows the tries down instead of
/// filling memory.
pub(super) const UNTOLD: usize = 64;

/// The longest pause of our own; the server may ask for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a request outside of any stage is tried, whatever its errors say.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(300);

/// What whoever sends requests needs.
#[derive(Clone)]
pub(super) struct Tools {
    /// The cluster.
    pub cluster: Cluster,
    /// Where failed tries are told; the engine's loop reads the other end.
    pub attempts: mpsc::Sender<Attempt>,
    /// Becomes true when the run is cancelled: no pause and no wait is sat out after that.
    pub cancelled: Reader<bool>,
    /// The stage the requests are for.
    pub stage: Option<StageId>,
    /// Until when writes may go out: the life of the lock. `None` where no lock is held.
    pub writes_until: Reader<Option<Instant>>,
    /// The longest a request is tried for, whatever its error.
    pub patience: Duration,
    /// When the stage's time is up: no wait goes on after that.
    pub deadline: Option<Instant>,
    /// What is known of the plan that tells a passing error from a final one.
    pub circumstances: Circumstances,
    /// Feeds the noise of the pauses.
    pub seed: u64,
}

/// The tries of one request so far.
struct Tries {
    began: Instant,
    number: u32,
    delays: ExponentialBackoff,
    /// What the last tries failed of, since when, and how often: each cause has a budget of its own.
    cause: Option<(Budget, Instant, u32)>,
}

impl Tries {
    fn new(seed: u64) -> Self {
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .with_jitter_seed(seed)
            .without_max_times()
            .build();
        Self { began: Instant::now(), number: 0, delays, cause: None }
    }

    /// Returns the pause before the next try, or `None` when its budget, or `at_most` for all of them, is
    /// used up.
    fn pause(&mut self, at_least: Duration, budget: Budget, at_most: Duration) -> Option<Duration> {
        let (_, since, failures) = match self.cause {
            Some(cause) if cause.0 == budget => cause,
            _ => (budget, Instant::now(), 0),
        };
        self.cause = Some((budget, since, failures + 1));
        let own = if budget.at_once && failures == 0 {
            Duration::ZERO
        } else {
            // The delays never end (`without_max_times`), so the fallback is never taken.
            self.delays.next().unwrap_or(LONGEST_PAUSE)
        };
        let pause = own.max(at_least);
        let in_time = budget.time.is_none_or(|time| since.elapsed() + pause <= time)
            && self.began.elapsed() + pause <= at_most;
        let may = in_time && budget.tries.is_none_or(|tries| failures + 1 < tries);
        may.then_some(pause)
    }

    /// Returns the last error with what was tried before it.
    fn gave_up(&self, error: ApiError) -> ApiError {
        if self.number < 2 {
            return error;
        }
        ApiError::GaveUp { tries: self.number, took: self.began.elapsed(), error: Box::new(error) }
    }
}

impl Tools {
    /// Sends a request until it succeeds, its error is final, its budget is used up, the stage has no time
    /// for another try, or the run is cancelled: what is in flight then is waited for, and nothing further
    /// is sent.
    ///
    /// # Errors
    /// The last error, within [`ApiError::GaveUp`] when it was not the first one.
    pub(super) async fn persist<T, F>(
        &self,
        request: &str,
        mut send: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut tries = Tries::new(self.seed);
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(tries.began));
        let at_most = self.patience.min(left.unwrap_or(WITHOUT_DEADLINE));
        loop {
            if self.cancelled.get() {
                return Err(ApiError::Interrupted);
            }
            let error = match send().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tries.number += 1;
            let (at_least, budget, end_of) = match outcome(&error, self.circumstances) {
                Outcome::Fatal => return Err(error),
                Outcome::Retry { at_least, budget } => (at_least, budget, None),
                Outcome::WaitForEnd { namespace, budget } => (Duration::ZERO, budget, Some(namespace)),
            };
            if self.cancelled.get() {
                return Err(error);
            }
            let Some(pause) = tries.pause(at_least, budget, at_most) else {
                return Err(tries.gave_up(error));
            };
            self.tell(request, tries.number, error.clone(), pause).await;
            self.unless_cancelled(tokio::time::sleep(pause)).await?;
            if let Some(namespace) = end_of {
                self.until_namespace_gone(&namespace, budget.time.unwrap_or(WITHOUT_DEADLINE)).await?;
            }
        }
    }

    /// Sends a write as [`Tools::persist`] does, while the lock is surely ours: when its last renewal is too
    /// long ago the write waits for the next one.
    pub(super) async fn persist_write<T, F>(
        &self,
        request: &str,
        mut send: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        loop {
            self.until_ours().await?;
            match self.persist(request, || self.while_ours(send())).await {
                // What was in flight may be done or not; it can be repeated once the lock is ours again.
                Err(ApiError::LockLost) => {}
                result => return result,
            }
        }
    }

    /// Drives a write while the lock is surely ours. That is looked at before each of its steps: a process
    /// that was stopped while it connected must not send the request when it goes on.
    async fn while_ours<T>(&self, sending: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        let mut sending = std::pin::pin!(sending);
        std::future::poll_fn(|context| {
            if is_over(self.writes_until.get()) {
                return Poll::Ready(Err(ApiError::LockLost));
            }
            sending.as_mut().poll(context)
        })
        .await
    }

    /// Waits until the lock is surely ours, which ends with the loss of the lock.
    async fn until_ours(&self) -> Result<(), ApiError> {
        if !is_over(self.writes_until.get()) {
            return Ok(());
        }
        let renewed = tokio::time::timeout(self.patience, self.writes_until.until(|until| !is_over(until)));
        match self.unless_cancelled(renewed).await? {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::LockLost),
        }
    }

    /// Waits for `wait`, or for the run's cancellation or the stage's deadline.
    pub(super) async fn unless_cancelled<T>(&self, wait: impl Future<Output = T>) -> Result<T, ApiError> {
        let mut wait = std::pin::pin!(wait);
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // An error means that the run is over: nobody is left to cancel it.
            _ = self.cancelled.until(|cancelled| cancelled) => Err(ApiError::Interrupted),
            value = &mut wait => Ok(value),
            () = late => Err(ApiError::Interrupted),
        }
    }

    /// Tells of a failed try.
    pub(super) async fn tell(&self, request: &str, number: u32, error: ApiError, retry_in: Duration) {
        let stage = self.stage.clone();
        let attempt = Attempt { stage, request: request.to_owned(), number, error, retry_in };
        // The receiver is gone only when the run is being dropped; nobody is left to be told.
        let _gone = self.attempts.send(attempt).await;
    }
}

/// Returns true when no write may go out any more, for the time being.
fn is_over(writes_until: Option<Instant>) -> bool {
    writes_until.is_some_and(|until| Instant::now() >= until)
}
