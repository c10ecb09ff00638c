//! The loop of a deploy: one place that owns the state of the run, listens to everything at once and acts
//! in the same instant. Handling is plain code, never a wait: while something is handled nothing else is,
//! and nothing is missed.
//!
//! ```text
//! interrupts ─┐
//! tasks done ─┤                    ┌▶ tasks: write, check, look up a cause
//! watches ────┼─▶ stage ─▶ schedule┤
//! deadlines ──┘                    └▶ events
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use futures::stream::{BoxStream, FuturesUnordered, SelectAll};
use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::emitter::Emitter;
use super::explain::{self, Explanation};
use super::prepare::{Prepared, Todo};
use super::retry::{Attempt, Tools};
use super::session::{Session, WIDTH, settles_at_once};
use super::stage::{StageRun, Step};
use super::tasks::{describe, pause_after_check};
use crate::clock::Clock;
use crate::cluster::{ApiError, Catalog, Observation, Scope, Written};
use crate::entropy::Entropy;
use crate::event::{CancelReason, EventKind, Verdict};
use crate::inventory::Inventory;
use crate::object::{Change, Object, ObjectRef};
use crate::plan::{Check, Plan, StageIdx};
use crate::schedule::{Effect, Input, Schedule};

/// How often the reporters may draw.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// What a task came to.
enum Done {
    Written { stage: StageIdx, index: usize, result: Result<Written, ApiError> },
    Rediscovered { stage: StageIdx, result: Result<Catalog, ApiError> },
    Checked { stage: StageIdx, check: usize, tries: u32, passed: bool, answer: String },
    Explained { stage: StageIdx, verdict: Verdict, explanations: Vec<Explanation> },
}

type Task = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What goes on after the loop.
pub(super) struct Outcome {
    /// The end of every stage, in the order of the plan.
    pub verdicts: Vec<Verdict>,
    /// Why the run was cancelled, if it was.
    pub cancelled: Option<CancelReason>,
    /// True when the inventory holds more than the cluster's copy of it.
    pub inventory_changed: bool,
}

/// One deploy.
pub(super) struct Deploy<'a, 'r> {
    plan: &'a Plan,
    session: &'a mut Session,
    tools: Tools,
    cancel: &'a watch::Sender<bool>,
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
    queue: VecDeque<(StageIdx, Task)>,
    tasks: FuturesUnordered<Task>,
    watches: SelectAll<BoxStream<'static, (Scope, Observation)>>,
    watched: BTreeSet<Scope>,
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
        cancel: &'a watch::Sender<bool>,
        clock: Clock,
        entropy: Entropy,
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
            cancelled: None,
            inventory_changed: false,
            concluded: false,
        }
    }

    /// Runs to the end: every stage settled and every request in flight answered, or the second
    /// interrupt.
    pub(super) async fn run(
        mut self,
        cancels: &mut (impl Stream<Item = CancelReason> + Unpin),
        attempts: &mut mpsc::Receiver<Attempt>,
    ) -> Outcome {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.feed(&Input::Begin);
        while !(self.concluded && self.tasks.is_empty()) {
            let wakes_at = self.stages.iter().filter_map(StageRun::wakes_at).min();
            tokio::select! {
                biased;
                Some(reason) = cancels.next() => {
                    if self.cancel(reason) { break; }
                }
                Some(attempt) = attempts.recv() => self.attempt_failed(attempt),
                Some(done) = self.tasks.next(), if !self.tasks.is_empty() => self.task_done(done),
                Some((scope, observation)) = self.watches.next(), if !self.watches.is_empty() => {
                    self.observed(&scope, observation);
                }
                () = until(wakes_at) => self.time_passed(),
                _ = tick.tick() => self.emitter.tick(),
            }
            self.fill();
        }
        let unsettled = Verdict::Cancelled;
        Outcome {
            verdicts: self.verdicts.into_iter().map(|verdict| verdict.unwrap_or(unsettled.clone())).collect(),
            cancelled: self.cancelled,
            inventory_changed: self.inventory_changed,
        }
    }

    /// Lets waiting tasks take the free places.
    fn fill(&mut self) {
        while self.tasks.len() < WIDTH {
            let Some((stage, task)) = self.queue.pop_front() else { break };
            if self.stages[stage.0].is_running() {
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
                    let step = self.stages[stage.0].start(&self.session.surroundings, self.clock.now());
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
            Some(Step::Write(indices)) => indices.into_iter().for_each(|index| self.write(stage, index)),
            Some(Step::Rediscover) => {
                self.stages[stage.0].rediscovered();
                let tools = self.tools_for(stage, "discovery");
                let task =
                    async move { Done::Rediscovered { stage, result: Session::rediscover(&tools).await } };
                self.queue.push_back((stage, Box::pin(task)));
            }
            Some(Step::Check) => {
                (0..self.plan.stages()[stage.0].checks.len()).for_each(|check| self.check(stage, check, 0))
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

    fn write(&mut self, stage: StageIdx, index: usize) {
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = tracked.prepared.wanted.clone();
        let live = tracked.prepared.live.clone();
        let manner = self.stages[stage.0].manner(index);
        let resource = self.session.resource(&wanted);
        let tools = self.tools_for(stage, &wanted.reference().to_string());
        let task = async move {
            let result = match resource {
                Ok(resource) => tools.write(&resource, &wanted, live.as_ref(), manner).await,
                Err(error) => Err(error),
            };
            Done::Written { stage, index, result }
        };
        self.queue.push_back((stage, Box::pin(task)));
    }

    fn check(&mut self, stage: StageIdx, check: usize, tries: u32) {
        let Check::Http(question) = self.plan.stages()[stage.0].checks[check].clone();
        let namespace = self.plan.namespace().to_owned();
        let tools = self.tools_for(stage, "check");
        let task = async move {
            if tries > 0 {
                tokio::time::sleep(pause_after_check(tries)).await;
            }
            let (passed, answer) = tools.check(&namespace, &question).await;
            Done::Checked { stage, check, tries: tries + 1, passed, answer }
        };
        self.queue.push_back((stage, Box::pin(task)));
    }

    fn explain(&mut self, stage: StageIdx, verdict: Verdict) {
        let unready: Vec<Object> = self.stages[stage.0].unready().cloned().collect();
        let tools = self.tools_for(stage, "explain");
        let catalog = self.session.catalog.clone();
        let task = async move {
            let explanations = explain::explain(&tools, &catalog, &unready).await;
            Done::Explained { stage, verdict, explanations }
        };
        self.queue.push_back((stage, Box::pin(task)));
    }

    fn task_done(&mut self, done: Done) {
        match done {
            Done::Written { stage, index, result } => self.written(stage, index, result),
            Done::Rediscovered { stage, result } => match result {
                Ok(catalog) => {
                    self.session.surroundings.served = catalog.served().collect();
                    self.session.catalog = catalog;
                    self.advance(stage);
                }
                Err(error) => self.fail(stage, format!("discover the served kinds: {error}")),
            },
            Done::Checked { stage, check, tries, passed, answer } => {
                self.checked(stage, check, tries, passed, answer)
            }
            Done::Explained { stage, verdict, explanations } => {
                let name = self.name(stage);
                for explanation in explanations {
                    self.emitter.emit(explanation.into_event(name.clone()));
                }
                let step = self.stages[stage.0].settle(verdict);
                self.act(stage, Some(step));
                self.drain();
            }
        }
    }

    fn written(&mut self, stage: StageIdx, index: usize, result: Result<Written, ApiError>) {
        let wanted = self.stages[stage.0].objects[index].prepared.wanted.clone();
        let object = wanted.reference();
        let written = match result {
            Ok(written) => written,
            Err(ApiError::Interrupted) => return self.advance(stage),
            Err(error) => return self.fail(stage, format!("apply {object}: {}", refusal_text(&error))),
        };
        for message in written.warnings {
            self.emitter.emit(EventKind::Warned { message: format!("{object}: {message}") });
        }
        match Inventory::record_of(&wanted, &written.object) {
            Some(record) if self.session.inventory.record(&object) == Some(&record) => {}
            Some(record) => {
                self.session.inventory.remember(object.clone(), record);
                self.inventory_changed = true;
            }
            None => {}
        }
        let change = written.change;
        self.emitter.emit(EventKind::ObjectApplied { stage: Some(self.name(stage)), object, change });
        let changed = change != Change::Unchanged;
        let now = self.clock.now();
        let news =
            self.stages[stage.0].accepted(index, written.object, changed, &self.session.surroundings, now);
        if news {
            self.tell_readiness(stage, index);
        }
        self.keep_watching(stage, index);
        self.advance(stage);
    }

    fn checked(&mut self, stage: StageIdx, check: usize, tries: u32, passed: bool, answer: String) {
        if !self.stages[stage.0].is_checking() {
            return self.advance(stage);
        }
        let Check::Http(question) = &self.plan.stages()[stage.0].checks[check];
        let asked = describe(question);
        self.emitter.emit(EventKind::CheckAnswered { stage: self.name(stage), check: asked, passed, answer });
        if passed {
            self.stages[stage.0].check_passed();
        }
        if passed || self.cancelled.is_some() {
            self.advance(stage);
        } else {
            self.check(stage, check, tries);
        }
    }

    fn fail(&mut self, stage: StageIdx, reason: String) {
        if self.stages[stage.0].is_running() && !self.stages[stage.0].is_explaining() {
            let step = self.stages[stage.0].fail(reason);
            self.act(stage, Some(step));
        }
    }

    /// Opens the watch an object that is not current needs, once per kind and namespace, from the state
    /// the run began with: nothing that happened since is missed.
    fn keep_watching(&mut self, stage: StageIdx, index: usize) {
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = &tracked.prepared.wanted;
        if tracked.is_current() || settles_at_once(&wanted.reference().group_kind()) {
            return;
        }
        let Some(resource) = self.session.catalog.preferred(&wanted.reference().group_kind()) else { return };
        let scope = self.session.scope(resource, wanted.namespace());
        if !self.watched.insert(scope.clone()) {
            return;
        }
        let from = self.session.resource_versions.get(&scope).cloned();
        let seed = self.entropy.fork(&scope.resource.plural).seed();
        let stream = self.tools.cluster.watch(scope.clone(), from, seed);
        self.watches.push(stream.map(move |observation| (scope.clone(), observation)).boxed());
    }

    fn observed(&mut self, scope: &Scope, observation: Observation) {
        match observation {
            Observation::Seen(object) => self.saw(&object.reference(), Some(object)),
            Observation::Gone(name) => self.saw(&name, None),
            Observation::Relisted(objects) => self.relisted(scope, objects),
            Observation::Lost { attempt, error, retry_in } => self.attempt_failed(Attempt {
                stage: None,
                request: format!("watch {}", scope.resource.plural),
                number: attempt,
                error,
                retry_in,
            }),
        }
    }

    /// Takes in a whole scope: what is not in it is gone.
    fn relisted(&mut self, scope: &Scope, objects: Vec<Object>) {
        let mut present = BTreeSet::new();
        for object in objects {
            let name = object.reference();
            present.insert(name.clone());
            self.saw(&name, Some(object));
        }
        let kind = scope.resource.group_kind();
        let in_scope = |name: &&ObjectRef| {
            name.group_kind() == kind && (scope.namespace.is_none() || name.namespace == scope.namespace)
        };
        let absent: Vec<ObjectRef> =
            self.places.keys().filter(in_scope).filter(|name| !present.contains(*name)).cloned().collect();
        for name in absent {
            self.saw(&name, None);
        }
    }

    fn saw(&mut self, name: &ObjectRef, object: Option<Object>) {
        let Some(&(stage, index)) = self.places.get(name) else { return };
        if !self.stages[stage.0].is_running() {
            return;
        }
        let now = self.clock.now();
        if self.stages[stage.0].observed(index, object, &self.session.surroundings, now) {
            self.tell_readiness(stage, index);
            self.advance(stage);
        }
    }

    fn time_passed(&mut self) {
        let (instant, now) = (Instant::now(), self.clock.now());
        for stage in (0..self.stages.len()).map(StageIdx) {
            if self.stages[stage.0].deadline().is_some_and(|deadline| deadline <= instant) {
                let step = self.stages[stage.0].time_out();
                self.act(stage, Some(step));
                continue;
            }
            for index in self.stages[stage.0].on_time(&self.session.surroundings, now) {
                self.tell_readiness(stage, index);
                self.advance(stage);
            }
        }
    }

    /// Takes an interrupt and returns true when the loop is to end at once.
    fn cancel(&mut self, reason: CancelReason) -> bool {
        if self.cancelled.is_some_and(|earlier| earlier >= reason) && reason != CancelReason::SecondInterrupt
        {
            return false;
        }
        self.emitter.emit(EventKind::CancelBegan { reason });
        self.cancelled = Some(reason);
        if reason == CancelReason::SecondInterrupt {
            return true;
        }
        // Waits and pauses inside tasks end; requests in flight are answered.
        let _nobody_waits = self.cancel.send(true);
        self.queue.clear();
        self.feed(&Input::Cancel);
        for stage in (0..self.stages.len()).map(StageIdx) {
            if self.stages[stage.0].is_running() {
                self.advance(stage);
            }
        }
        false
    }

    fn attempt_failed(&mut self, attempt: Attempt) {
        self.emitter.emit(super::attempt_event(attempt));
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
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Returns what a refusal says, with the owners of a conflict.
fn refusal_text(error: &ApiError) -> String {
    let Some(refusal) = error.refusal().filter(|refusal| refusal.is_field_conflict()) else {
        return error.to_string();
    };
    let owned = refusal.causes.iter().map(|cause| format!("{} ({})", cause.field, cause.message));
    format!("somebody else owns {}", owned.collect::<Vec<_>>().join(", "))
}
