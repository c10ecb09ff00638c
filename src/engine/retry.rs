//! Trying a request again: as long as `cluster::outcome` says it makes sense, with growing pauses whose
//! noise comes from the run's seed, and never in silence.

use std::task::Poll;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{ApiError, Cluster, Outcome, outcome};
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

/// What whoever sends requests needs.
#[derive(Clone)]
pub(super) struct Tools {
    /// The cluster.
    pub cluster: Cluster,
    /// Where failed tries are told; the engine's loop reads the other end.
    pub attempts: mpsc::Sender<Attempt>,
    /// Becomes true when the run is cancelled: no pause and no wait is sat out after that.
    pub cancelled: watch::Receiver<bool>,
    /// The stage the requests are for.
    pub stage: Option<StageId>,
    /// Until when writes may go out: the life of the lock. `None` where no lock is held.
    pub writes_until: watch::Receiver<Option<Instant>>,
    /// The longest a request is tried for, whatever its error.
    pub patience: Duration,
    /// When the stage's time is up: no wait goes on after that.
    pub deadline: Option<Instant>,
    /// Feeds the noise of the pauses.
    pub seed: u64,
}

impl Tools {
    /// Sends a request until it succeeds, its error is final, its budget is used up or the run is
    /// cancelled: what is in flight then is waited for, and nothing further is sent.
    pub(super) async fn persist<T, F>(
        &self,
        request: &str,
        mut send: impl FnMut() -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .with_jitter()
            .with_jitter_seed(self.seed)
            .without_max_times()
            .build();
        let began = Instant::now();
        let mut number = 0;
        loop {
            if *self.cancelled.borrow() {
                return Err(ApiError::Interrupted);
            }
            let error = match send().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Outcome::Retry { at_least, for_at_most } = outcome(&error) else { return Err(error) };
            let retry_in = delays.next().unwrap_or(for_at_most).max(at_least);
            let too_long = began.elapsed() + retry_in > for_at_most.min(self.patience);
            if too_long || *self.cancelled.borrow() {
                return Err(error);
            }
            number += 1;
            self.tell(request, number, error, retry_in).await;
            self.unless_cancelled(tokio::time::sleep(retry_in)).await?;
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
            if is_over(*self.writes_until.borrow()) {
                return Poll::Ready(Err(ApiError::LockLost));
            }
            sending.as_mut().poll(context)
        })
        .await
    }

    /// Waits until the lock is surely ours, which ends with the loss of the lock.
    async fn until_ours(&self) -> Result<(), ApiError> {
        let mut until = self.writes_until.clone();
        if !is_over(*until.borrow()) {
            return Ok(());
        }
        let renewed = tokio::time::timeout(self.patience, until.wait_for(|until| !is_over(*until)));
        match self.unless_cancelled(renewed).await? {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::LockLost),
        }
    }

    /// Waits for `wait`, or for the run's cancellation or the stage's deadline.
    pub(super) async fn unless_cancelled<T>(&self, wait: impl Future<Output = T>) -> Result<T, ApiError> {
        let mut cancelled = self.cancelled.clone();
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
            _ = cancelled.wait_for(|cancelled| *cancelled) => Err(ApiError::Interrupted),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::sync::{mpsc, watch};
    use tokio::time::Instant;

    use super::{Attempt, Tools, UNTOLD};
    use crate::cluster::{ApiError, Cluster, Refusal};

    /// Tools whose cluster is never asked: the tests bring their own answers.
    fn tools(attempts: mpsc::Sender<Attempt>, cancelled: watch::Receiver<bool>) -> Tools {
        let (_, writes_until) = watch::channel(None);
        let patience = Duration::MAX;
        let cluster = Cluster::silent();
        Tools { cluster, attempts, cancelled, writes_until, patience, stage: None, deadline: None, seed: 1 }
    }

    fn refused(code: u16) -> ApiError {
        ApiError::Refused(Refusal { code, message: "no".into(), ..Refusal::default() })
    }

    async fn told(mut receiver: mpsc::Receiver<Attempt>) -> Vec<Attempt> {
        receiver.close();
        let mut all = Vec::new();
        while let Some(attempt) = receiver.recv().await {
            all.push(attempt);
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_fault_is_told_and_survived() {
        let (sender, receiver) = mpsc::channel(UNTOLD);
        let mut answers = vec![Ok(7), Err(refused(503)), Err(refused(503))];
        let (_cancel, cancelled) = watch::channel(false);
        let tools = tools(sender, cancelled);
        let result = tools.persist("apply x", || std::future::ready(answers.pop().unwrap())).await;
        assert_eq!(result, Ok(7));
        let told = told(receiver).await;
        assert_eq!(told.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_answer_is_not_asked_twice() {
        let (sender, receiver) = mpsc::channel(UNTOLD);
        let mut asked = 0;
        let (_cancel, cancelled) = watch::channel(false);
        let answer = || {
            asked += 1;
            std::future::ready(Err(refused(422)))
        };
        let result: Result<(), _> = tools(sender, cancelled).persist("apply x", answer).await;
        assert_eq!((result, asked), (Err(refused(422)), 1));
        assert!(told(receiver).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_fault_ends_with_its_budget() {
        let (sender, mut receiver) = mpsc::channel(UNTOLD);
        let began = Instant::now();
        let reader = async { while receiver.recv().await.is_some() {} };
        let (_cancel, cancelled) = watch::channel(false);
        let tools = tools(sender, cancelled);
        let send = async move {
            let result: Result<(), _> = tools.persist("x", || std::future::ready(Err(refused(503)))).await;
            drop(tools);
            result
        };
        let (result, ()) = futures::future::join(send, reader).await;
        assert_eq!(result, Err(refused(503)));
        let took = began.elapsed();
        assert!(took > Duration::from_secs(90) && took <= Duration::from_secs(120), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_outlasts_the_lock_is_sent_again_once_the_lock_is_renewed() {
        let (sender, _receiver) = mpsc::channel(UNTOLD);
        let (_cancel, cancelled) = watch::channel(false);
        let began = Instant::now();
        let (valid, writes_until) = watch::channel(Some(began + Duration::from_secs(10)));
        let tools = Tools { writes_until, ..tools(sender, cancelled) };
        let mut sent_at = Vec::new();
        // What a request does while nobody answers, or while its process is stopped.
        let write = tools.persist_write("x", || {
            sent_at.push(began.elapsed().as_secs());
            tokio::time::sleep(Duration::from_secs(12)).map(|()| Ok(7))
        });
        let renewal = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            valid.send_replace(Some(began + Duration::from_secs(60)));
        };
        let (result, ()) = futures::future::join(write, renewal).await;
        assert_eq!((result, sent_at), (Ok(7), vec![0, 30]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_waits_for_a_lost_lock_no_longer_than_its_patience() {
        let (sender, _receiver) = mpsc::channel(UNTOLD);
        let (_cancel, cancelled) = watch::channel(false);
        let (_valid, writes_until) = watch::channel(Some(Instant::now()));
        let tools = Tools { writes_until, patience: Duration::from_secs(20), ..tools(sender, cancelled) };
        let mut asked = 0;
        let answer = || {
            asked += 1;
            std::future::ready(Ok(()))
        };
        assert_eq!(tools.persist_write("x", answer).await, Err(ApiError::LockLost));
        assert_eq!(asked, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_run_begins_no_request() {
        let (sender, _receiver) = mpsc::channel(UNTOLD);
        let (_cancel, cancelled) = watch::channel(true);
        let mut asked = 0;
        let answer = || {
            asked += 1;
            std::future::ready(Ok(()))
        };
        let result = tools(sender, cancelled).persist("x", answer).await;
        assert_eq!((result, asked), (Err(ApiError::Interrupted), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_run_sits_out_no_pause() {
        let (sender, _receiver) = mpsc::channel(UNTOLD);
        let (cancel, cancelled) = watch::channel(false);
        let tools = tools(sender, cancelled);
        let began = Instant::now();
        let send = tools.persist("x", || std::future::ready(Err::<(), _>(refused(503))));
        let (result, ()) = futures::future::join(send, async { cancel.send(true).unwrap() }).await;
        assert_eq!(result, Err(ApiError::Interrupted));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
