//! The loop of a removal: group after group, inside a group rank after rank; each object is deleted and
//! waited for until it is really gone.

use std::collections::VecDeque;

use futures::stream::{self, FuturesUnordered};
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::rank::{LAST_RANK, propagation, removal_rank};
use super::stuck::Stuck;
use super::{Fate, Removal, Victim};
use crate::cluster::{ApiError, Catalog, Deletion};
use crate::engine::emitter::Emitter;
use crate::engine::retry::Tools;
use crate::engine::run::Run;
use crate::engine::session::WIDTH;
use crate::engine::{EngineError, attempt_event, deploy};
use crate::event::{CancelReason, EventKind, Verdict};
use crate::object::ObjectRef;
use crate::plan::{StageId, StageIdx};
use crate::schedule::{Effect, Input, Schedule};

/// How a removal went.
pub(in crate::engine) struct Outcome {
    /// The end of every group.
    pub verdicts: Vec<Verdict>,
    /// Why the run was cancelled, if it was.
    pub cancelled: Option<CancelReason>,
}

impl Outcome {
    /// Returns the end of a prune: the first that did not succeed speaks for all.
    pub(in crate::engine) fn of_prune(&self) -> Verdict {
        let worst = self.verdicts.iter().find(|verdict| !verdict.is_success());
        match worst {
            Some(Verdict::Failed { reason }) => Verdict::Failed { reason: format!("prune: {reason}") },
            Some(verdict) => verdict.clone(),
            None => Verdict::Succeeded,
        }
    }
}

/// What a task tells on its way.
enum News {
    /// The server was asked for an object's deletion, or found it gone.
    Deleted { group: usize, object: ObjectRef, gone: bool },
    /// An object does not go, and this is why.
    Stuck { object: ObjectRef, why: String },
}

/// What a task came to.
struct Done {
    group: usize,
    result: Result<(), NotGone>,
}

/// An object that is not gone.
struct NotGone {
    object: ObjectRef,
    error: ApiError,
    /// What holds it, as far as it was found out.
    why: Option<String>,
}

type Progress = mpsc::Sender<News>;

/// Where a removal stands.
struct State<'a> {
    removal: &'a Removal,
    schedule: Schedule,
    effects: VecDeque<Effect>,
    verdicts: Vec<Verdict>,
    cancelled: Option<CancelReason>,
    concluded: bool,
    /// The Lease goes with its namespace: its loss is then no loss.
    lock_goes: bool,
}

/// Deletes what goes, lets go what is marked, and tells what stays.
///
/// # Errors
/// [`EngineError::LockLost`]: the run ended there and then.
pub(in crate::engine) async fn remove(
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    catalog: &Catalog,
    removal: &Removal,
    emitter: &mut Emitter<'_>,
) -> Result<Outcome, EngineError> {
    let mut state = State::new(removal, emitter);
    let (progress, mut news) = mpsc::channel(WIDTH);
    let mut tasks = FuturesUnordered::new();
    let mut tick = tokio::time::interval(deploy::TICK);
    loop {
        for group in state.drain(emitter) {
            let of_group = &removal.groups[group];
            let deadline = of_group.deadline.map(|deadline| Instant::now() + deadline);
            let tools = Tools { stage: of_group.stage.clone(), deadline, ..run.tools() };
            tasks.push(remove_group(tools, catalog, group, &of_group.victims, progress.clone()));
        }
        if state.concluded && tasks.is_empty() {
            return Ok(state.outcome());
        }
        tokio::select! {
            biased;
            why = &mut run.lost => {
                if !state.lock_goes {
                    return Err(EngineError::LockLost { why });
                }
                // The Lease goes with its namespace, which is the last thing that was to be deleted.
                let _gone = run.let_lock_go();
            }
            reason = run.interrupts.next() => {
                emitter.emit(EventKind::CancelBegan { reason });
                state.cancelled = state.cancelled.max(Some(reason));
                if reason == CancelReason::SecondInterrupt {
                    return Ok(state.outcome());
                }
                run.cancel.set(true);
                state.feed(&Input::Cancel);
            }
            Some(attempt) = run.attempts.recv() => emitter.emit(attempt_event(attempt)),
            Some(told) = news.recv() => state.tell(told, emitter),
            Some(done) = tasks.next(), if !tasks.is_empty() => {
                // The task is over, but what it told may still lie in the channel.
                while let Ok(told) = news.try_recv() {
                    state.tell(told, emitter);
                }
                state.done(done, emitter);
            }
            _ = tick.tick() => emitter.tick(),
        }
    }
}

impl<'a> State<'a> {
    fn new(removal: &'a Removal, emitter: &mut Emitter<'_>) -> Self {
        for victim in removal.victims() {
            let reason = match &victim.fate {
                Fate::Goes => continue,
                Fate::Stays(keep) => keep.reason(),
                Fate::IsLetGo { mark } => format!("`{mark}` says so; it no longer belongs to the plan"),
            };
            emitter.emit(EventKind::ObjectKept { object: victim.object.clone(), reason });
        }
        let needs: Vec<_> = removal.groups.iter().map(|group| group.waits_for.clone()).collect();
        let mut state = Self {
            removal,
            schedule: Schedule::new(&needs),
            effects: VecDeque::new(),
            verdicts: vec![Verdict::Cancelled; needs.len()],
            cancelled: None,
            concluded: false,
            lock_goes: false,
        };
        state.feed(&Input::Begin);
        state
    }

    fn outcome(self) -> Outcome {
        Outcome { verdicts: self.verdicts, cancelled: self.cancelled }
    }

    fn feed(&mut self, input: &Input) {
        self.effects.extend(self.schedule.step(input));
    }

    fn name(&self, group: usize) -> Option<StageId> {
        self.removal.groups[group].stage.clone()
    }

    /// Does what the schedule asked for, and returns the groups to begin with.
    fn drain(&mut self, emitter: &mut Emitter<'_>) -> Vec<usize> {
        let mut started = Vec::new();
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                Effect::Start(StageIdx(group)) => {
                    if let Some(stage) = self.name(group) {
                        emitter.emit(EventKind::StageStarted { stage });
                    }
                    let goes =
                        |victim: &Victim| victim.fate == Fate::Goes && victim.object.kind == "Namespace";
                    self.lock_goes |= self.removal.groups[group].victims.iter().any(goes);
                    started.push(group);
                }
                Effect::Skip { stage: StageIdx(group), because } => {
                    let cause = because.and_then(|cause| self.name(cause.0));
                    let skipped = cause.map_or(Verdict::Cancelled, |because| Verdict::Skipped { because });
                    self.finish(group, skipped, emitter);
                }
                Effect::Conclude => self.concluded = true,
            }
        }
        started
    }

    fn tell(&self, news: News, emitter: &mut Emitter<'_>) {
        emitter.emit(match news {
            News::Deleted { group, object, gone } => {
                EventKind::ObjectDeleted { stage: self.name(group), object, gone }
            }
            News::Stuck { object, why } => {
                EventKind::Warned { message: format!("{object} is being deleted and does not go: {why}") }
            }
        });
    }

    fn done(&mut self, Done { group, result }: Done, emitter: &mut Emitter<'_>) {
        let verdict = match result {
            Ok(()) => Verdict::Succeeded,
            Err(NotGone { error: ApiError::Interrupted, .. })
                if self.cancelled > Some(CancelReason::Deadline) =>
            {
                Verdict::Cancelled
            }
            Err(NotGone { object, error: ApiError::Interrupted, why }) => {
                let why = why.unwrap_or_else(|| "is being deleted".to_owned());
                Verdict::TimedOut { waiting_for: vec![format!("{object}: {why}")] }
            }
            Err(NotGone { object, error, .. }) => {
                Verdict::Failed { reason: format!("delete {object}: {error}") }
            }
        };
        let succeeded = verdict.is_success();
        self.finish(group, verdict, emitter);
        self.feed(&Input::Settled { stage: StageIdx(group), succeeded });
    }

    fn finish(&mut self, group: usize, verdict: Verdict, emitter: &mut Emitter<'_>) {
        if let Some(stage) = self.name(group) {
            let took_ms = emitter.since_start(&stage);
            emitter.emit(EventKind::StageFinished { stage, verdict: verdict.clone(), took_ms });
        }
        self.verdicts[group] = verdict;
    }
}

/// Removes one group, rank after rank.
async fn remove_group(
    tools: Tools,
    catalog: &Catalog,
    group: usize,
    victims: &[Victim],
    progress: Progress,
) -> Done {
    for rank in 0..=LAST_RANK {
        let of_rank = victims.iter().filter(|victim| removal_rank(&victim.object.group_kind()) == rank);
        let ends = of_rank.map(|victim| end(&tools, catalog, group, victim, &progress));
        let mut ends = stream::iter(ends).buffer_unordered(WIDTH);
        let mut failed = None;
        while let Some(result) = ends.next().await {
            failed = failed.or(result.err());
        }
        if let Some(failed) = failed {
            return Done { group, result: Err(failed) };
        }
    }
    Done { group, result: Ok(()) }
}

/// Does with one object what its fate says.
async fn end(
    tools: &Tools,
    catalog: &Catalog,
    group: usize,
    victim: &Victim,
    progress: &Progress,
) -> Result<(), NotGone> {
    let Victim { object, uid, resource, fate } = victim;
    let failed = |error, why| NotGone { object: object.clone(), error, why };
    if matches!(fate, Fate::Stays(_)) {
        return Ok(());
    }
    // What has not begun does not begin after an interrupt: the next rank, or one that waited for its turn.
    if tools.cancelled.get() {
        return Err(failed(ApiError::Interrupted, None));
    }
    if matches!(fate, Fate::IsLetGo { .. }) {
        return tools.let_go(resource, object, uid).await.map_err(|error| failed(error, None));
    }
    let deletion = tools.delete(resource, object, uid, propagation(&object.kind)).await;
    if deletion.map_err(|error| failed(error, None))? == Deletion::Begun {
        tell(progress, News::Deleted { group, object: object.clone(), gone: false }).await;
        let mut why = None;
        let gone = async {
            let mut gone = std::pin::pin!(tools.until_gone(resource, object, uid));
            let mut stuck = Stuck::new(tools, catalog, object, uid, resource);
            loop {
                tokio::select! {
                    biased;
                    gone = &mut gone => return gone,
                    found = stuck.next() => if let Some(found) = found {
                        why = Some(found.clone());
                        tell(progress, News::Stuck { object: object.clone(), why: found }).await;
                    },
                }
            }
        };
        let gone = gone.await;
        gone.map_err(|error| failed(error, why))?;
    }
    tell(progress, News::Deleted { group, object: object.clone(), gone: true }).await;
    Ok(())
}

async fn tell(progress: &Progress, news: News) {
    // The receiver lives as long as the loop that drives this task.
    let _told = progress.send(news).await;
}
