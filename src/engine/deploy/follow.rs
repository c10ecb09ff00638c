//! The logs of Jobs while they run: whoever waits for a migration wants to see it. The logs have no say in
//! anything: no verdict waits for a line. Only the very end of a run waits, for a moment, for what ended Jobs
//! have said last.

use std::time::Duration;

use tokio::time::Instant;

use super::Deploy;
use crate::cluster::{LogWanted, Observation};
use crate::engine::followers::Told;
use crate::event::{CauseFound, EventKind, LogLine, LogSource};
use crate::object::{Object, Uid};
use crate::plan::StageIdx;
use crate::readiness::Readiness;

/// How much of the log of each container of a Job is told: all of what any Job should have to say.
pub(in crate::engine) const JOB_LOG: LogWanted = LogWanted { tail: None, at_most: 5_000 };

/// How long the end of a run may wait for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Deploy<'_, '_> {
    /// Follows the pods of a Job that was written, from the ones seen already on.
    pub(super) fn follow_job(&mut self, stage: StageIdx, index: usize) {
        let run = &self.stages[stage.0];
        let tracked = &run.objects[index];
        if tracked.is_current() || tracked.prepared.wanted.kind() != "Job" {
            return;
        }
        let Some(uid) = run.life(index) else { return };
        for pod in self.vigil.pods().filter(|pod| controller(pod).as_ref() == Some(&uid)) {
            self.followers.see(pod, &(stage, index));
        }
        self.jobs.insert(uid, (stage, index));
    }

    /// Takes in what a watch told of pods.
    pub(super) fn follow(&mut self, observation: &Observation) {
        match observation {
            Observation::Seen(object) => self.follow_pod(object),
            Observation::Relisted(listing) => {
                listing.objects.iter().for_each(|object| self.follow_pod(object));
            }
            Observation::Gone(object) => {
                self.follow_pod(object);
                if let Some(uid) = object.uid() {
                    self.followers.gone(&uid);
                }
            }
            Observation::Lost { .. } => {}
        }
    }

    fn follow_pod(&mut self, object: &Object) {
        if object.kind() == "Pod"
            && let Some(job) = controller(object).and_then(|uid| self.jobs.get(&uid))
        {
            self.followers.see(object, job);
        }
    }

    /// Tells a line.
    pub(super) fn told(&mut self, told: Told<(StageIdx, usize)>) {
        let (stage, index) = told.tag;
        let source = LogSource {
            stage: self.name(stage),
            object: self.stages[stage.0].objects[index].prepared.wanted.reference(),
            pod: told.container.pod,
            container: told.container.name,
        };
        self.emitter.emit(match told.line {
            Ok(line) => EventKind::LogLine(LogLine { source, line }),
            Err(reason) => EventKind::LogCut { source, reason },
        });
    }

    /// Returns true when nothing more is to be waited for at the end of the run: all of the ended Jobs' lines
    /// are told, or the time for them is over.
    pub(super) fn has_heard_all(&mut self) -> bool {
        let has_ended = |&(stage, index): &(StageIdx, usize)| {
            let readiness = &self.stages[stage.0].objects[index].readiness;
            matches!(readiness, Readiness::Current { .. } | Readiness::Failed { .. })
        };
        if !self.followers.owes(has_ended) {
            return true;
        }
        let until = *self.hears_until.get_or_insert_with(|| Instant::now() + LAST_WORDS);
        Instant::now() >= until
    }

    /// Returns a cause with the run's secrets masked.
    pub(super) fn masked(&self, mut cause: CauseFound) -> CauseFound {
        let mask = |text: &mut String| *text = self.followers.redactor().redacted(text).into_owned();
        mask(&mut cause.message);
        cause.log.iter_mut().for_each(mask);
        cause
    }
}

/// Returns the uid of the object that controls a pod.
fn controller(pod: &Object) -> Option<Uid> {
    let owners = pod.get("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner["controller"] == true)?;
    controller["uid"].as_str().map(|uid| Uid(uid.to_owned()))
}
