//! Trying a request again: as long as `cluster::outcome` says it makes sense, with growing pauses whose
//! noise comes from the run's seed, and never in silence.

use std::task::Poll;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{ApiError, Budget, Circumstances, Cluster, Outcome, outcome};
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
    pub cancelled: watch::Receiver<bool>,
    /// The stage the requests are for.
    pub stage: Option<StageId>,
    /// Until when writes may go out: the life of the lock. `None` where no lock is held.
    pub writes_until: watch::Receiver<Option<Instant>>,
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
            if *self.cancelled.borrow() {
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
            if *self.cancelled.borrow() {
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
    use crate::cluster::{ApiError, Circumstances, Cluster, Refusal};

    /// Tools whose cluster is never asked: the tests bring their own answers.
    fn tools(attempts: mpsc::Sender<Attempt>, cancelled: watch::Receiver<bool>) -> Tools {
        Tools {
            cluster: Cluster::silent(),
            attempts,
            cancelled,
            stage: None,
            writes_until: watch::channel(None).1,
            patience: Duration::MAX,
            deadline: None,
            circumstances: Circumstances::default(),
            seed: 1,
        }
    }

    fn refused(code: u16) -> ApiError {
        ApiError::Refused(Refusal { code, message: "no".into(), ..Refusal::default() })
    }

    /// Returns what came of a request that is answered by `answers`, one after the other and the last one
    /// again and again, and what was told of its tries.
    async fn persist(
        answers: Vec<Result<u8, ApiError>>,
        change: impl FnOnce(&mut Tools),
    ) -> (Result<u8, ApiError>, Vec<Attempt>, Duration) {
        let (sender, mut receiver) = mpsc::channel(UNTOLD);
        let (_cancel, cancelled) = watch::channel(false);
        let mut tools = tools(sender, cancelled);
        change(&mut tools);
        let began = Instant::now();
        let mut tries = 0;
        let send = async move {
            let answer = || {
                tries += 1;
                std::future::ready(answers[(tries - 1).min(answers.len() - 1)].clone())
            };
            let result = tools.persist("apply x", answer).await;
            drop(tools);
            result
        };
        let listen = async {
            let mut told = Vec::new();
            while let Some(attempt) = receiver.recv().await {
                told.push(attempt);
            }
            told
        };
        let (result, told) = futures::future::join(send, listen).await;
        (result, told, began.elapsed())
    }

    fn gave_up(result: Result<u8, ApiError>) -> (u32, Duration, ApiError) {
        match result {
            Err(ApiError::GaveUp { tries, took, error }) => (tries, took, *error),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_fault_is_told_and_survived() {
        let (result, told, _) = persist(vec![Err(refused(503)), Err(refused(503)), Ok(7)], |_| {}).await;
        assert_eq!(result, Ok(7));
        assert_eq!(told.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
        assert!(told[0].retry_in < told[1].retry_in, "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_answer_is_not_asked_twice() {
        let (result, told, _) = persist(vec![Err(refused(422))], |_| {}).await;
        assert_eq!((result, told.len()), (Err(refused(422)), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_answer_after_a_passing_fault_is_told_as_it_is() {
        let (result, told, _) = persist(vec![Err(refused(503)), Err(refused(422))], |_| {}).await;
        assert_eq!((result, told.len()), (Err(refused(422)), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_fault_ends_with_its_budget_and_tells_what_was_tried() {
        let (result, told, elapsed) = persist(vec![Err(refused(503))], |_| {}).await;
        let (tries, took, error) = gave_up(result);
        assert_eq!((error, took), (refused(503), elapsed));
        assert_eq!(tries as usize, told.len() + 1);
        assert!(took > Duration::from_secs(90) && took <= Duration::from_secs(120), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_tried_stands_behind_the_cause() {
        let after = Duration::from_millis(4_250);
        let error = ApiError::GaveUp { tries: 5, took: after, error: Box::new(refused(503)) };
        assert_eq!(error.to_string(), "no (5 tries in 4.2 s)");
        let error = ApiError::GaveUp { tries: 15, took: after * 20, error: Box::new(refused(503)) };
        assert_eq!(error.to_string(), "no (15 tries in 85 s)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_of_tries_ends_them_too() {
        let (result, _, took) = persist(vec![Err(refused(500))], |_| {}).await;
        assert_eq!(gave_up(result).0, 3);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_cause_has_a_budget_of_its_own() {
        let mishap = || Err(refused(500));
        let answers =
            vec![mishap(), mishap(), Err(refused(503)), mishap(), mishap(), Err(refused(409)), Ok(1)];
        assert_eq!(persist(answers, |_| {}).await.0, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_race_is_tried_again_without_a_pause() {
        let (result, told, took) = persist(vec![Err(refused(409)), Ok(1)], |_| {}).await;
        assert_eq!((result, told.len(), took), (Ok(1), 1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wish_outranks_our_own_pause() {
        let wish = Duration::from_secs(40);
        let busy = ApiError::Refused(Refusal { code: 429, retry_after: Some(wish), ..Refusal::default() });
        let (result, told, took) = persist(vec![Err(busy), Ok(1)], |_| {}).await;
        assert_eq!((result, told[0].retry_in, took), (Ok(1), wish, wish));
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_server_is_asked_until_the_stage_has_no_time_left() {
        let busy = || vec![Err(refused(429))];
        let limit = Duration::from_secs(900);
        let (result, _, took) = persist(busy(), |tools| tools.deadline = Some(Instant::now() + limit)).await;
        assert_eq!(gave_up(result).2, refused(429));
        assert!(took <= limit && took + Duration::from_secs(30) > limit, "{took:?}");
        let (result, _, took) = persist(busy(), |_| {}).await;
        assert_eq!(gave_up(result).2, refused(429));
        assert!(took <= Duration::from_secs(300), "without a stage there is a limit, too: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_this_run_brings_is_waited_for() {
        let unknown =
            || ApiError::UnknownKind { api_version: "example.org/v1".into(), kind: "Widget".into() };
        let answers = || vec![Err(unknown()), Err(unknown()), Ok(1)];
        assert_eq!(persist(answers(), |_| {}).await.0, Err(unknown()));
        let brings = Circumstances { brings_kind: true, ..Circumstances::default() };
        assert_eq!(persist(answers(), |tools| tools.circumstances = brings).await.0, Ok(1));
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
