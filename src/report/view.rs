//! The state of a run, folded from its events. Every reporter reads it; none keeps books of its own.

use std::collections::BTreeMap;

use crate::event::{
    CancelReason, CauseFound, ChangeCounts, Event, EventKind, Finding, Forecast, LockAwaited, RunFinished,
    RunStarted, StageOutline, Verdict,
};
use crate::object::{Change, ObjectRef};
use crate::plan::StageId;
use crate::readiness::Readiness;

/// A run as its events tell it.
#[derive(Clone, Debug, Default)]
pub struct RunView {
    /// How it began; `None` before the first event.
    pub started: Option<RunStarted>,
    /// The stages in the order of the plan.
    pub stages: Vec<StageView>,
    /// What was foreseen before the first write; `None` until then.
    pub forecast: Option<Forecast>,
    /// What was done outside of any stage: the namespace, generated Secrets, what left the plan.
    pub beside: ChangeCounts,
    /// What stays on purpose, with the reason.
    pub kept: Vec<(ObjectRef, String)>,
    /// Warnings of the server and the plan.
    pub warnings: Vec<String>,
    /// What the preflight found.
    pub found: Vec<Finding>,
    /// The last request outside of any stage that failed and is tried again.
    pub trouble: Option<String>,
    /// Whose lock was waited for last.
    pub awaited: Option<LockAwaited>,
    /// Its number in the history, and the revision it brought back.
    pub revision: Option<(u32, Option<u32>)>,
    /// Why nothing new starts any more: the strongest reason told.
    pub cancel: Option<CancelReason>,
    /// How it ended; `None` before the last event.
    pub finished: Option<RunFinished>,
    /// Milliseconds from the start to the last event.
    pub elapsed_ms: u64,
}

/// A stage in a run.
#[derive(Clone, Debug)]
pub struct StageView {
    /// The stage.
    pub id: StageId,
    /// What it waits for.
    pub needs: Vec<StageId>,
    /// Where it is in its life.
    pub state: StageState,
    /// When it started, in milliseconds since the start of the run.
    pub started_ms: Option<u64>,
    /// How long it took from its start to its end.
    pub took_ms: u64,
    /// Its objects in the order of the plan, then those met on the way.
    pub objects: Vec<ObjectView>,
    /// Its checks that were not answered as wanted, with the answer.
    pub unanswered: BTreeMap<String, String>,
    /// The last of its requests that failed and is tried again.
    pub trouble: Option<String>,
    /// Why it failed.
    pub causes: Vec<CauseFound>,
    /// Its objects by what was done to them.
    pub changes: ChangeCounts,
}

/// The life of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageState {
    /// Something it needs has not settled.
    Waiting,
    /// Its objects are being written, or waited for.
    Running,
    /// It is at its end.
    Settled(Verdict),
}

/// An object in a run.
#[derive(Clone, Debug)]
pub struct ObjectView {
    /// The object.
    pub object: ObjectRef,
    /// What the last write did to it.
    pub change: Option<Change>,
    /// What it was when last seen.
    pub readiness: Option<Readiness>,
    /// Of a deletion: true once it is gone.
    pub gone: Option<bool>,
}

impl RunView {
    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        self.elapsed_ms = event.elapsed_ms;
        match &event.event {
            EventKind::RunStarted(started) => {
                self.stages = started.stages.iter().map(StageView::waiting).collect();
                self.started = Some(started.clone());
            }
            EventKind::Foreseen(forecast) => self.forecast = Some(forecast.clone()),
            EventKind::LockAwaited(awaited) => self.awaited = Some(awaited.clone()),
            EventKind::StageStarted { stage } => self.change_stage(stage, |stage| {
                stage.state = StageState::Running;
                stage.started_ms = Some(event.elapsed_ms);
            }),
            EventKind::ObjectApplied { stage: None, change, .. } => self.beside.count(*change),
            EventKind::ObjectApplied { stage: Some(stage), object, change } => {
                self.change_stage(stage, |stage| {
                    stage.trouble = None;
                    stage.changes.count(*change);
                    stage.change_object(object, |view| view.change = Some(*change));
                });
            }
            EventKind::ObjectObserved { stage, object, readiness } => self.change_stage(stage, |stage| {
                stage.change_object(object, |view| view.readiness = Some(readiness.clone()));
            }),
            EventKind::CheckAnswered { stage, check, passed, answer } => self.change_stage(stage, |stage| {
                if *passed {
                    stage.unanswered.remove(check);
                } else {
                    stage.unanswered.insert(check.clone(), answer.clone());
                }
            }),
            EventKind::AttemptFailed { stage, request, error, .. } => {
                let trouble = Some(format!("{request}: {error}"));
                match stage {
                    Some(stage) => self.change_stage(stage, |stage| stage.trouble = trouble),
                    None => self.trouble = trouble,
                }
            }
            EventKind::ObjectDeleted { stage, object, gone } => match stage {
                Some(stage) => self.change_stage(stage, |stage| {
                    stage.changes.deleted += usize::from(*gone);
                    stage.change_object(object, |view| view.gone = Some(*gone));
                }),
                None => self.beside.deleted += usize::from(*gone),
            },
            EventKind::ObjectKept { object, reason } => self.kept.push((object.clone(), reason.clone())),
            EventKind::Warned { message } => self.warnings.push(message.clone()),
            EventKind::PreflightFound(finding) => self.found.push(finding.clone()),
            EventKind::CauseFound(cause) => {
                self.change_stage(&cause.stage, |stage| stage.causes.push(cause.clone()));
            }
            EventKind::StageFinished { stage, verdict, took_ms } => self.change_stage(stage, |stage| {
                stage.state = StageState::Settled(verdict.clone());
                stage.took_ms = *took_ms;
            }),
            EventKind::RevisionKept { number, rollback_to } => self.revision = Some((*number, *rollback_to)),
            EventKind::CancelBegan { reason } => self.cancel = self.cancel.max(Some(*reason)),
            EventKind::RunFinished(finished) => self.finished = Some(finished.clone()),
            // Lines of logs are many, and change nothing of what the run is.
            EventKind::InterruptionFound(_)
            | EventKind::LogLine(_)
            | EventKind::LogCut { .. }
            | EventKind::Unknown => {}
        }
    }

    /// Returns the command, such as `deploy`; empty before the first event.
    pub fn command(&self) -> &str {
        self.started.as_ref().map_or("", |started| &started.command)
    }

    /// Returns the stage called `id`.
    pub fn stage(&self, id: &StageId) -> Option<&StageView> {
        self.stages.iter().find(|stage| stage.id == *id)
    }

    /// Returns the stages that run.
    pub fn running(&self) -> impl Iterator<Item = &StageView> {
        self.stages.iter().filter(|stage| stage.state == StageState::Running)
    }

    /// Returns the stages that wait for others.
    pub fn waiting(&self) -> impl Iterator<Item = &StageView> {
        self.stages.iter().filter(|stage| stage.state == StageState::Waiting)
    }

    /// Returns the stages that are at their end.
    pub fn settled(&self) -> impl Iterator<Item = (&StageView, &Verdict)> {
        self.stages.iter().filter_map(|stage| Some((stage, stage.verdict()?)))
    }

    /// Returns everything that was done, in and beside the stages.
    pub fn changes(&self) -> ChangeCounts {
        let mut sum = self.beside;
        for stage in &self.stages {
            sum.created += stage.changes.created;
            sum.configured += stage.changes.configured;
            sum.recreated += stage.changes.recreated;
            sum.unchanged += stage.changes.unchanged;
            sum.deleted += stage.changes.deleted;
            sum.kept += stage.changes.kept;
        }
        sum.kept += self.kept.len();
        sum
    }

    fn change_stage(&mut self, id: &StageId, change: impl FnOnce(&mut StageView)) {
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.id == *id) {
            change(stage);
        }
    }
}

impl StageView {
    fn waiting(outline: &StageOutline) -> Self {
        let objects = outline.objects.iter().map(|object| ObjectView::unseen(object.clone()));
        Self {
            id: outline.stage.clone(),
            needs: outline.needs.clone(),
            state: StageState::Waiting,
            started_ms: None,
            took_ms: 0,
            objects: objects.collect(),
            unanswered: BTreeMap::new(),
            trouble: None,
            causes: Vec::new(),
            changes: ChangeCounts::default(),
        }
    }

    /// Returns how it ended; `None` before its end.
    pub fn verdict(&self) -> Option<&Verdict> {
        match &self.state {
            StageState::Settled(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// Returns the objects that are written and not as they should be.
    pub fn missing(&self) -> impl Iterator<Item = &ObjectView> {
        self.objects.iter().filter(|view| view.is_missing())
    }

    /// Returns how many objects have not been written yet.
    pub fn unwritten(&self) -> usize {
        self.objects.iter().filter(|view| view.change.is_none() && view.gone.is_none()).count()
    }

    fn change_object(&mut self, object: &ObjectRef, change: impl FnOnce(&mut ObjectView)) {
        let at = self.objects.iter().position(|view| view.object == *object).unwrap_or_else(|| {
            self.objects.push(ObjectView::unseen(object.clone()));
            self.objects.len() - 1
        });
        change(&mut self.objects[at]);
    }
}

impl ObjectView {
    fn unseen(object: ObjectRef) -> Self {
        Self { object, change: None, readiness: None, gone: None }
    }

    /// Returns true when it was touched and is not as it should be: written and not current, or deleted
    /// and not gone.
    pub fn is_missing(&self) -> bool {
        match self.gone {
            Some(gone) => !gone,
            None => !matches!(self.readiness, None | Some(Readiness::Current { .. })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RunView, StageState};
    use crate::event::{CancelReason, ChangeCounts, EventKind, Verdict};
    use crate::report::script::{self, Script, object, stage};

    fn folded(script: &Script) -> RunView {
        let mut view = RunView::default();
        script.events().iter().for_each(|event| view.apply(event));
        view
    }

    #[test]
    fn a_whole_run_folds_to_the_counts_of_its_last_event() {
        for script in [script::success(), script::failure(), script::nothing_to_do(), script::teardown()] {
            let view = folded(&script);
            let finished = view.finished.clone().unwrap();
            assert_eq!(view.changes(), finished.changes);
            assert_eq!(view.settled().count(), view.stages.len());
        }
    }

    #[test]
    fn an_object_is_missing_from_its_write_until_it_is_current() {
        let view = folded(&script::midway());
        let web = view.stage(&stage("databases/postgres")).unwrap();
        assert_eq!(web.state, StageState::Running);
        let missing: Vec<String> = web.missing().map(|view| view.object.to_string()).collect();
        assert_eq!(missing, ["StatefulSet/postgres"]);
        assert_eq!(web.changes, ChangeCounts { created: 2, ..ChangeCounts::default() });
    }

    #[test]
    fn the_strongest_reason_to_cancel_stays() {
        let mut script = Script::new("deploy", &[("web", &[], &[])]);
        script.add(100, EventKind::CancelBegan { reason: CancelReason::SecondInterrupt });
        script.add(110, EventKind::CancelBegan { reason: CancelReason::Interrupt });
        assert_eq!(folded(&script).cancel, Some(CancelReason::SecondInterrupt));
    }

    #[test]
    fn an_event_of_an_unknown_stage_changes_nothing() {
        let mut script = Script::new("deploy", &[("web", &[], &[])]);
        let (stage, object) = (stage("other"), object("ConfigMap", "x"));
        script.add(5, EventKind::ObjectDeleted { stage: Some(stage.clone()), object, gone: true });
        script.add(9, EventKind::StageFinished { stage, verdict: Verdict::Succeeded, took_ms: 4 });
        let view = folded(&script);
        assert_eq!(view.changes(), ChangeCounts::default());
        assert_eq!(view.waiting().count(), 1);
        assert_eq!(view.elapsed_ms, 9);
    }
}
