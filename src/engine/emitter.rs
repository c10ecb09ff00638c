//! The only place that stamps an event: sequence, wall time, time since the start.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::event::{ChangeCounts, Event, EventKind, Verdict};
use crate::plan::StageId;
use crate::report::Fanout;

/// Stamps events and hands them to the reporters, and counts what was changed.
pub struct Emitter<'r> {
    clock: Clock,
    next: u64,
    reporters: &'r mut Fanout,
    changes: ChangeCounts,
    is_paused: bool,
    /// When each stage started, since the start of the run.
    started: BTreeMap<StageId, Duration>,
    /// The stages that have begun and are not at an end of their own: one that was cancelled stays.
    under_way: watch::Sender<Vec<StageId>>,
}

impl<'r> Emitter<'r> {
    /// Returns an emitter whose first event has number 0.
    pub fn new(clock: Clock, reporters: &'r mut Fanout) -> Self {
        let (changes, started) = (ChangeCounts::default(), BTreeMap::new());
        let under_way = watch::Sender::default();
        Self { clock, next: 0, reporters, changes, is_paused: false, started, under_way }
    }

    /// Stamps one event and hands it on.
    pub fn emit(&mut self, event: EventKind) {
        match &event {
            EventKind::ObjectApplied { change, .. } => self.changes.count(*change),
            EventKind::ObjectDeleted { gone: true, .. } => self.changes.deleted += 1,
            EventKind::ObjectKept { .. } => self.changes.kept += 1,
            EventKind::StageStarted { stage } => {
                self.started.insert(stage.clone(), self.clock.elapsed());
                self.under_way.send_modify(|stages| stages.push(stage.clone()));
            }
            EventKind::StageFinished { stage, verdict, .. } if *verdict != Verdict::Cancelled => {
                self.under_way.send_modify(|stages| stages.retain(|other| other != stage));
            }
            _ => {}
        }
        let elapsed_ms = millis(self.clock.elapsed());
        let stamped = Event { seq: self.next, at: self.clock.now(), elapsed_ms, event };
        self.next += 1;
        self.reporters.report(&stamped);
    }

    /// Takes what is drawn off the terminal, for a question.
    pub fn pause(&mut self) {
        self.is_paused = true;
        self.reporters.pause();
    }

    /// Lets the reporters draw again after a pause.
    pub fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Lets the reporters draw again.
    pub fn tick(&mut self) {
        if !self.is_paused {
            self.reporters.tick();
        }
    }

    /// Returns the milliseconds since a stage started; 0 when it never did.
    pub fn since_start(&self, stage: &StageId) -> u64 {
        self.started.get(stage).map_or(0, |started| millis(self.clock.elapsed().saturating_sub(*started)))
    }

    /// Returns the stages under way, as they change.
    pub fn under_way(&self) -> watch::Receiver<Vec<StageId>> {
        self.under_way.subscribe()
    }

    /// Returns what was changed so far.
    pub fn changes(&self) -> ChangeCounts {
        self.changes
    }
}

/// Returns whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
