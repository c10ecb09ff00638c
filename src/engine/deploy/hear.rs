//! What a deploy hears: answers, observations, the passing of time, interrupts. Each is taken in at once,
//! and the stage it concerns goes on in the same instant.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{Deploy, Done};
use crate::cluster::{ApiError, Catalog, Listing, Observation, Scope};
use crate::engine::refused::NotTaken;
use crate::engine::retry::Attempt;
use crate::engine::stage::{News, Tracked};
use crate::engine::tasks::{apply_request, describe};
use crate::engine::vigil::{Accused, Judgement, makes_pods};
use crate::engine::write::{Sent, WriteError};
use crate::engine::{attempt_event, refused};
use crate::event::{CancelReason, EventKind};
use crate::inventory::Inventory;
use crate::object::{Change, Object, ObjectRef, is_built_in_group};
use crate::plan::{Check, StageIdx};
use crate::schedule::Input;

impl Deploy<'_, '_> {
    pub(super) fn task_done(&mut self, done: Done) {
        match done {
            Done::Written { stage, index, result, catalog } => {
                if let Some(catalog) = catalog {
                    self.discovered(catalog);
                }
                self.written(stage, index, result);
            }
            Done::Rediscovered { stage, result } => match result {
                Ok(catalog) => self.discovered(catalog),
                Err(error) => self.fail(stage, format!("discover the served kinds: {error}")),
            },
            Done::Checked { stage, check, tries, passed, answer } => {
                self.checked(stage, check, tries, passed, answer);
            }
            Done::Explained { stage, verdict, causes } => {
                for cause in causes {
                    let cause = self.masked(cause);
                    self.emitter.emit(EventKind::CauseFound(cause));
                }
                let step = self.stages[stage.0].settle(verdict);
                self.act(stage, Some(step));
                self.drain();
            }
            Done::NodesTold { nodes } => self.vigil.hear_nodes(nodes),
        }
    }

    pub(super) fn written(&mut self, stage: StageIdx, index: usize, result: Result<Sent, WriteError>) {
        let prepared = &self.stages[stage.0].objects[index].prepared;
        let object = prepared.wanted.reference();
        let Sent { written, object: sent, notes } = match result {
            Ok(sent) => sent,
            Err(WriteError::Api(ApiError::Interrupted)) => return self.advance(stage),
            Err(error) => {
                let wanted = prepared.wanted.clone();
                return self.refused(stage, &wanted, &error);
            }
        };
        self.refusals.remove(&(stage, object.clone()));
        let spared = prepared.spared;
        let left = prepared.left.iter().map(|(field, owner)| format!("{field} is left to {owner}"));
        let warned = self.warnings.news(&object, written.warnings);
        let told = left.chain(notes).map(|told| format!("{object}: {told}")).chain(warned);
        for message in told.collect::<Vec<_>>() {
            self.emitter.emit(EventKind::Warned { message });
        }
        match Inventory::record_of(&sent, &written.object) {
            // It is as it was, and that is remembered.
            _ if spared => {}
            Some(record) if self.session.inventory.record(&object) == Some(&record) => {}
            Some(record) => {
                self.session.inventory.remember(object.clone(), record);
                self.inventory_changed = true;
            }
            None => {}
        }
        self.session.learn(&written.object);
        let change = written.change;
        self.emitter.emit(EventKind::ObjectApplied { stage: Some(self.name(stage)), object, change });
        let changed = change != Change::Unchanged;
        let now = self.moment();
        let news =
            self.stages[stage.0].accepted(index, written.object, changed, &self.session.surroundings, now);
        if news {
            self.tell_readiness(stage, index);
        }
        self.keep_watching(stage, index);
        self.advance(stage);
    }

    /// Fails a stage for a write that was refused, with its cause.
    fn refused(&mut self, stage: StageIdx, wanted: &Object, error: &WriteError) {
        if self.stages[stage.0].is_running() && !self.stages[stage.0].is_explaining() {
            let (refusal, told) = match error {
                WriteError::Api(error) => (error, refused::text(wanted, error)),
                WriteError::Undecided { error, told } => (error, told.clone()),
            };
            self.not_taken(stage, wanted, refusal);
            if let WriteError::Undecided { .. } = error
                && let Some(not_taken) = self.refusals.get_mut(&(stage, wanted.reference()))
            {
                not_taken.cause.message.clone_from(&told);
            }
            let request = apply_request(&wanted.reference());
            self.fail(stage, format!("{request}: {told}"));
        }
    }

    /// Keeps in mind why a write is not taken: that is the cause when the stage ends before it is.
    fn not_taken(&mut self, stage: StageIdx, wanted: &Object, error: &ApiError) {
        let name = wanted.reference();
        let place = self.plan.place(&name).map(crate::problem::Place::file_line);
        let definer = self.plan.objects().find(|(definer, object)| {
            object.kind() == "CustomResourceDefinition"
                && object.text("/spec/group") == name.group
                && object.text("/spec/names/kind") == name.kind
                && *definer != stage
                && !self.plan.graph().reaches(stage, *definer)
        });
        let definer = definer.map(|(definer, _)| self.name(definer));
        let cause = refused::cause(&self.name(stage), wanted, error, place, definer.as_ref());
        let ending = refused::ending_namespace(wanted, error);
        self.refusals.insert((stage, name), NotTaken { cause, ending });
    }

    pub(super) fn checked(
        &mut self,
        stage: StageIdx,
        check: usize,
        tries: u32,
        passed: bool,
        answer: String,
    ) {
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

    pub(super) fn fail(&mut self, stage: StageIdx, reason: String) {
        if self.stages[stage.0].is_running() && !self.stages[stage.0].is_explaining() {
            let step = self.stages[stage.0].fail(reason);
            self.act(stage, Some(step));
        }
    }

    pub(super) fn observed(&mut self, scope: &Scope, observation: Observation) {
        match observation {
            Observation::Seen(object) => self.saw(&object.reference(), News::Seen(object)),
            Observation::Gone(object) => self.saw_end(object),
            Observation::Relisted(listing) => self.relisted(scope, listing),
            Observation::Unwatchable { error } => self.unwatchable(scope, &error),
            Observation::Lost { attempt, error, retry_in } => self.attempt_failed(Attempt {
                stage: None,
                request: format!("watch {}", scope.resource.plural),
                number: attempt,
                error,
                retry_in,
            }),
        }
    }

    /// Takes in what surrounds the workloads. That it may not be read is told once: failures are then seen in
    /// the objects themselves only.
    pub(super) fn overheard(&mut self, scope: &Scope, observation: Observation) {
        match &observation {
            Observation::Unwatchable { error } => self.unwatchable(scope, error),
            Observation::Lost { attempt: 1, error, .. } if error.is_forbidden() => {
                let what = &scope.resource.plural;
                let message = format!("{what} may not be read, so that failures are told later: {error}");
                self.emitter.emit(EventKind::Warned { message });
            }
            _ => {}
        }
        self.vigil.hear(scope, observation);
    }

    /// Tells that news of a scope come late.
    pub(super) fn unwatchable(&mut self, scope: &Scope, error: &ApiError) {
        self.emitter.emit(EventKind::Warned { message: scope.is_listed_instead(error) });
    }

    /// Takes in a whole scope: what is not in it is gone.
    pub(super) fn relisted(&mut self, scope: &Scope, listing: Listing) {
        let mut present = BTreeSet::new();
        for object in listing.objects {
            let name = object.reference();
            present.insert(name.clone());
            self.saw(&name, News::Seen(object));
        }
        let kind = scope.resource.group_kind();
        let in_scope = |name: &&ObjectRef| {
            name.group_kind() == kind && (scope.namespace.is_none() || name.namespace == scope.namespace)
        };
        let absent: Vec<ObjectRef> =
            self.places.keys().filter(in_scope).filter(|name| !present.contains(*name)).cloned().collect();
        for name in absent {
            self.saw(&name, News::Absent { as_of: listing.resource_version.clone() });
        }
    }

    /// Takes in the end of one life of an object; the end of an earlier one is no news.
    fn saw_end(&mut self, object: Object) {
        let name = object.reference();
        let known = self.places.get(&name).and_then(|&(stage, index)| self.stages[stage.0].life(index));
        if known.is_none_or(|known| object.uid().is_none_or(|ended| ended == known)) {
            self.saw(&name, News::Ended(object));
        }
    }

    fn saw(&mut self, name: &ObjectRef, news: News) {
        let Some(&(stage, index)) = self.places.get(name) else { return };
        if !self.stages[stage.0].is_running() {
            return;
        }
        let now = self.clock.now();
        if self.stages[stage.0].observed(index, news, &self.session.surroundings, now) {
            self.tell_readiness(stage, index);
            self.advance(stage);
        }
    }

    /// Judges every workload that is not ready, when there is news of pods or a grace is over.
    fn judge(&mut self) {
        if self.vigil.wakes_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.vigil.begin();
        let makers = self.pending_makers();
        for stage in (0..self.stages.len()).map(StageIdx) {
            if !self.stages[stage.0].is_running() || self.stages[stage.0].is_explaining() {
                continue;
            }
            let doomed: Vec<String> = self.stages[stage.0]
                .unready()
                .filter_map(|tracked| {
                    let (workload, receipt) = (tracked.live()?, tracked.receipt()?);
                    if !makes_pods(workload.kind()) {
                        return None;
                    }
                    let is_helped = makers.iter().any(|maker| *maker != workload.reference());
                    let accused = Accused { workload, since: receipt.applied_at, is_helped };
                    match self.vigil.judge(accused) {
                        Judgement::Doomed(diagnosis) => {
                            Some(format!("{}: {diagnosis}", workload.reference()))
                        }
                        Judgement::Hope(_) => None,
                    }
                })
                .collect();
            if !doomed.is_empty() {
                self.fail(stage, doomed.join("; "));
            }
            if self.vigil.asks_for_nodes() {
                self.ask_for_nodes(stage);
            }
        }
    }

    /// Returns what is being waited for and may make objects of its own: Jobs and custom resources.
    fn pending_makers(&self) -> Vec<ObjectRef> {
        let running = self.stages.iter().filter(|stage| stage.is_running());
        let unready = running.flat_map(|stage| stage.objects.iter()).filter(|tracked| !tracked.is_current());
        unready
            .map(|tracked| tracked.prepared.wanted.reference())
            .filter(|object| object.kind == "Job" || !is_built_in_group(&object.group))
            .collect()
    }

    pub(super) fn time_passed(&mut self) {
        self.judge();
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
            if self.stages[stage.0].needs_discovery() {
                self.advance(stage);
            }
        }
    }

    /// Takes in what kinds are served by now: definitions may be ready with it, in whatever stage.
    fn discovered(&mut self, catalog: Catalog) {
        self.session.learn_kinds(catalog);
        let now = self.clock.now();
        for stage in (0..self.stages.len()).map(StageIdx) {
            for index in self.stages[stage.0].discovered(&self.session.surroundings, now) {
                self.tell_readiness(stage, index);
            }
            if self.stages[stage.0].is_running() {
                self.advance(stage);
            }
        }
    }

    /// Takes an interrupt and returns true when the loop is to end at once.
    pub(super) fn cancel(&mut self, reason: CancelReason) -> bool {
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
        self.cancel.set(true);
        self.queue.clear();
        self.feed(&Input::Cancel);
        for stage in (0..self.stages.len()).map(StageIdx) {
            let run = &mut self.stages[stage.0];
            if reason == CancelReason::Deadline && run.is_running() && !run.is_explaining() {
                let step = run.time_out();
                self.act(stage, Some(step));
            } else if run.is_running() {
                self.advance(stage);
            }
        }
        false
    }

    pub(super) fn attempt_failed(&mut self, attempt: Attempt) {
        let asked =
            |tracked: &&Tracked| apply_request(&tracked.prepared.wanted.reference()) == attempt.request;
        let wanted = (0..self.stages.len()).map(StageIdx).find_map(|stage| {
            let tracked = self.stages[stage.0].objects.iter().find(asked)?;
            Some((stage, tracked.prepared.wanted.clone()))
        });
        if let Some((stage, wanted)) = wanted {
            self.not_taken(stage, &wanted, &attempt.error);
        }
        self.emitter.emit(attempt_event(attempt));
    }
}
