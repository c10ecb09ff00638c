//! The loop of a deploy: one place that owns the state of the run, listens to everything at once and acts
//! in the same instant. Handling is plain code, never a wait: while something is handled nothing else is,
//! and nothing is missed.
//!
//! ```text
//! interrupts ─┐
//! tasks done ─┤                    ┌▶ tasks: write, check, look up a cause
//! watches ────┼─▶ stage ─▶ schedule┤
//! deadlines ──┘                    ├▶ events
//! logs ────────────────────────────┘
//! ```

mod follow;
mod hear;
mod send;

pub(super) use follow::JOB_LOG;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use futures::stream::{BoxStream, FuturesUnordered, SelectAll};
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::Clock;
use crate::cluster::{ApiError, Catalog, Observation, Scope};
use crate::engine::bringing::Bringing;
use crate::engine::emitter::Emitter;
use crate::engine::followers::Followers;
use crate::engine::prepare::{Prepared, Todo};
use crate::engine::refused::NotTaken;
use crate::engine::retry::{Attempt, Tools};
use crate::engine::run::{Interrupts, Loss};
use crate::engine::session::{Session, WIDTH};
use crate::engine::stage::{StageRun, Step};
use crate::engine::vigil::Vigil;
use crate::engine::warnings::Warnings;
use crate::engine::write::{Sent, WriteError};
use crate::entropy::Entropy;
use crate::event::{CancelReason, CauseFound, EventKind, Verdict};
use crate::latest::Latest;
use crate::object::{Change, Object, ObjectRef, Uid};
use crate::plan::{Plan, StageIdx};
use crate::readiness::Moment;
use crate::schedule::{Effect, Input, Schedule};

/// How often the reporters may draw.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// What a task came to.
enum Done {
    Written { stage: StageIdx, index: usize, result: Result<Sent, WriteError>, catalog: Option<Catalog> },
    Rediscovered { stage: StageIdx, result: Result<Catalog, ApiError> },
    Checked { stage: StageIdx, check: usize, tries: u32, passed: bool, answer: String },
    Explained { stage: StageIdx, verdict: Verdict, causes: Vec<CauseFound> },
    NodesTold { nodes: Option<Vec<Object>> },
}

type Task = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What waits for a free place among the tasks in flight. A write is only its place in the stage until then:
/// what it takes to send it is made when it goes, not thousands of times beforehand.
enum Queued {
    Write(usize),
    Other(Task),
}

/// What goes on after the loop.
pub(super) struct Outcome {
    /// The end of every stage, in the order of the plan.
    pub verdicts: Vec<Verdict>,
    /// Why the run was cancelled, if it was.
    pub cancelled: Option<CancelReason>,
    /// True when the inventory holds more than the cluster's copy of it.
    pub inventory_changed: bool,
    /// How the lock was lost, if it was: the run ended there and then.
    pub lock_lost: Option<String>,
}

/// One deploy.
pub(super) struct Deploy<'a, 'r> {
    plan: &'a Plan,
    session: &'a mut Session,
    tools: Tools,
    cancel: &'a Latest<bool>,
    clock: Clock,
    entropy: Entropy,
    emitter: &'a mut Emitter<'r>,
    stages: Vec<StageRun>,
    /// Where an object stands: its stage, and its place in it.
    places: BTreeMap<ObjectRef, (StageIdx, usize)>,
    verdicts: Vec<Option<Verdict>>,
    schedule: Schedule,
    effects: VecDeque<Effect>,
    /// Tasks that wait for a free place among those in flight.
    queue: VecDeque<(StageIdx, Queued)>,
    tasks: FuturesUnordered<Task>,
    watches: SelectAll<BoxStream<'static, (Scope, Observation)>>,
    watched: BTreeSet<Scope>,
    /// What the pods of workloads that are not ready say.
    vigil: Vigil,
    vigils: SelectAll<BoxStream<'static, (Scope, Observation)>>,
    /// The writes that were refused, or failed and are tried again.
    refusals: BTreeMap<(StageIdx, ObjectRef), NotTaken>,
    warnings: Warnings,
    bringing: Bringing,
    /// The logs of Jobs, each with the place of its Job.
    followers: Followers<(StageIdx, usize)>,
    /// The Jobs whose pods are followed.
    jobs: BTreeMap<Uid, (StageIdx, usize)>,
    /// Until when the end of the run waits for last lines, once it does.
    hears_until: Option<Instant>,
    cancelled: Option<CancelReason>,
    inventory_changed: bool,
    concluded: bool,
}

impl<'a, 'r> Deploy<'a, 'r> {
    /// Returns a deploy that has not begun.
    #[expect(clippy::too_many_arguments, reason = "the owner of a run's state takes all of it")]
    pub(super) fn new(
        plan: &'a Plan,
        prepared: Vec<Vec<Prepared>>,
        session: &'a mut Session,
        tools: Tools,
        cancel: &'a Latest<bool>,
        clock: Clock,
        entropy: Entropy,
        followers: Followers<(StageIdx, usize)>,
        emitter: &'a mut Emitter<'r>,
    ) -> Self {
        let mut places = BTreeMap::new();
        for (stage, objects) in prepared.iter().enumerate() {
            for (index, object) in objects.iter().enumerate() {
                places.insert(object.wanted.reference(), (StageIdx(stage), index));
            }
        }
        let runs = plan.stages().iter().zip(prepared);
        let stages = runs.map(|(stage, objects)| StageRun::new(objects, stage.deadline, stage.checks.len()));
        let needs: Vec<Vec<StageIdx>> =
            (0..plan.stages().len()).map(|stage| plan.needs(StageIdx(stage)).to_vec()).collect();
        Self {
            plan,
            session,
            tools,
            cancel,
            clock,
            entropy,
            emitter,
            stages: stages.collect(),
            places,
            verdicts: vec![None; plan.stages().len()],
            schedule: Schedule::new(&needs),
            effects: VecDeque::new(),
            queue: VecDeque::new(),
            tasks: FuturesUnordered::new(),
            watches: SelectAll::new(),
            watched: BTreeSet::new(),
            vigil: Vigil::default(),
            vigils: SelectAll::new(),
            refusals: BTreeMap::new(),
            warnings: Warnings::default(),
            bringing: Bringing::of(plan),
            followers,
            jobs: BTreeMap::new(),
            hears_until: None,
            cancelled: None,
            inventory_changed: false,
            concluded: false,
        }
    }

    /// Runs to the end: every stage settled, every request in flight answered and ended Jobs heard out, or
    /// the second interrupt.
    pub(super) async fn run(
        mut self,
        interrupts: &mut Interrupts<impl Stream<Item = CancelReason> + Unpin>,
        attempts: &mut mpsc::Receiver<Attempt>,
        lost: &mut Loss,
    ) -> Outcome {
        let mut lock_lost = None;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.feed(&Input::Begin);
        loop {
            self.fill();
            if self.concluded && self.tasks.is_empty() && self.has_heard_all() {
                break;
            }
            let stages = self.stages.iter().filter_map(StageRun::wakes_at);
            let wakes_at = stages.chain(self.vigil.wakes_at()).chain(self.hears_until).min();
            tokio::select! {
                biased;
                why = &mut *lost => {
                    // Dropping the tasks ends every request in flight.
                    lock_lost = Some(why);
                    break;
                }
                reason = interrupts.next() => {
                    if self.cancel(reason) { break; }
                }
                Some(attempt) = attempts.recv() => self.attempt_failed(attempt),
                Some(done) = self.tasks.next(), if !self.tasks.is_empty() => self.task_done(done),
                Some((scope, observation)) = self.watches.next(), if !self.watches.is_empty() => {
                    self.observed(&scope, observation);
                }
                Some((scope, observation)) = self.vigils.next(), if !self.vigils.is_empty() => {
                    self.follow(&observation);
                    self.overheard(&scope, observation);
                }
                () = until(wakes_at) => self.time_passed(),
                _ = tick.tick() => self.emitter.tick(),
                // Last: a program that floods its log keeps nothing else from being heard.
                Some(told) = self.followers.next(), if self.followers.is_active() => self.told(told),
            }
        }
        let unsettled = Verdict::Cancelled;
        Outcome {
            verdicts: self.verdicts.into_iter().map(|verdict| verdict.unwrap_or(unsettled.clone())).collect(),
            cancelled: self.cancelled,
            inventory_changed: self.inventory_changed,
            lock_lost,
        }
    }

    /// Returns this moment by our clock and by the server's, which is ours until it has told its own.
    fn moment(&self) -> Moment {
        let ours = self.clock.now();
        Moment { ours, server: self.tools.cluster.server_time().unwrap_or(ours) }
    }

    /// Lets waiting tasks take the free places.
    fn fill(&mut self) {
        while self.tasks.len() < WIDTH {
            let Some((stage, queued)) = self.queue.pop_front() else { break };
            if self.stages[stage.0].is_running() {
                let task = match queued {
                    Queued::Write(index) => self.write(stage, index),
                    Queued::Other(task) => task,
                };
                self.tasks.push(task);
            }
        }
    }

    /// Tells the schedule what happened and does what follows from it.
    fn feed(&mut self, input: &Input) {
        self.effects.extend(self.schedule.step(input));
        self.drain();
    }

    /// Does what the schedule asked for; a stage that settles as it starts asks for more.
    fn drain(&mut self) {
        while let Some(effect) = self.effects.pop_front() {
            match effect {
                Effect::Start(stage) => {
                    self.emitter.emit(EventKind::StageStarted { stage: self.name(stage) });
                    let now = self.moment();
                    let step = self.stages[stage.0].start(&self.session.surroundings, now);
                    self.tell_unchanged(stage);
                    self.act(stage, step);
                }
                Effect::Skip { stage, because } => {
                    let skipped = |cause| Verdict::Skipped { because: self.name(cause) };
                    let verdict = because.map_or(Verdict::Cancelled, skipped);
                    let _step = self.stages[stage.0].settle(verdict.clone());
                    self.finish(stage, verdict);
                }
                Effect::Conclude => self.concluded = true,
            }
        }
    }

    /// Tells of the objects that are proven to need no write, and watches those not current all the same.
    fn tell_unchanged(&mut self, stage: StageIdx) {
        for index in 0..self.stages[stage.0].objects.len() {
            let tracked = &self.stages[stage.0].objects[index];
            if tracked.prepared.todo != Todo::Nothing {
                continue;
            }
            let object = tracked.prepared.wanted.reference();
            let is_current = tracked.is_current();
            let change = Change::Unchanged;
            self.emitter.emit(EventKind::ObjectApplied { stage: Some(self.name(stage)), object, change });
            if !is_current {
                self.tell_readiness(stage, index);
                self.keep_watching(stage, index);
            }
        }
    }

    /// Does what a stage asks for.
    fn act(&mut self, stage: StageIdx, step: Option<Step>) {
        match step {
            None => {}
            Some(Step::Write(indices)) => {
                self.queue.extend(indices.into_iter().map(|index| (stage, Queued::Write(index))));
            }
            Some(Step::Rediscover) => {
                self.stages[stage.0].asked_discovery();
                let tools = self.tools_for(stage, "discovery");
                let task =
                    async move { Done::Rediscovered { stage, result: Session::rediscover(&tools).await } };
                self.queue.push_back((stage, Queued::Other(Box::pin(task))));
            }
            Some(Step::Check) => {
                (0..self.plan.stages()[stage.0].checks.len()).for_each(|check| self.check(stage, check, 0));
            }
            Some(Step::Explain(verdict)) => self.explain(stage, verdict),
            Some(Step::Settle(verdict)) => {
                let succeeded = verdict.is_success();
                self.finish(stage, verdict);
                self.effects.extend(self.schedule.step(&Input::Settled { stage, succeeded }));
            }
        }
    }

    /// Lets a stage go on after something changed, and all that follows from it.
    fn advance(&mut self, stage: StageIdx) {
        let run = &mut self.stages[stage.0];
        let step = if self.cancelled.is_some() && run.is_running() && !run.is_explaining() {
            Some(run.settle(Verdict::Cancelled))
        } else {
            run.advance()
        };
        self.act(stage, step);
        self.drain();
    }

    fn tell_readiness(&mut self, stage: StageIdx, index: usize) {
        let tracked = &self.stages[stage.0].objects[index];
        let (object, readiness) = (tracked.prepared.wanted.reference(), tracked.readiness.clone());
        self.emitter.emit(EventKind::ObjectObserved { stage: self.name(stage), object, readiness });
    }

    fn finish(&mut self, stage: StageIdx, verdict: Verdict) {
        self.verdicts[stage.0] = Some(verdict.clone());
        let stage = self.name(stage);
        let took_ms = self.emitter.since_start(&stage);
        self.emitter.emit(EventKind::StageFinished { stage, verdict, took_ms });
    }

    fn name(&self, stage: StageIdx) -> crate::plan::StageId {
        self.plan.stages()[stage.0].id.clone()
    }

    fn tools_for(&self, stage: StageIdx, label: &str) -> Tools {
        let name = self.name(stage);
        let seed = self.entropy.fork(name.as_str()).fork(label).seed();
        let deadline = self.stages[stage.0].deadline();
        Tools { stage: Some(name), seed, deadline, ..self.tools.clone() }
    }
}

/// Waits until a moment, or for ever.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
