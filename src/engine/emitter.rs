//! The only place that stamps an event: sequence, wall time, time since the start.

use crate::clock::Clock;
use crate::event::{ChangeCounts, Event, EventKind};
use crate::report::Fanout;

/// Stamps events and hands them to the reporters, and counts what was changed.
pub struct Emitter<'r> {
    clock: Clock,
    next: u64,
    reporters: &'r mut Fanout,
    changes: ChangeCounts,
}

impl<'r> Emitter<'r> {
    /// Returns an emitter whose first event has number 0.
    pub fn new(clock: Clock, reporters: &'r mut Fanout) -> Self {
        Self { clock, next: 0, reporters, changes: ChangeCounts::default() }
    }

    /// Stamps one event and hands it on.
    pub fn emit(&mut self, event: EventKind) {
        match &event {
            EventKind::ObjectApplied { change, .. } => self.changes.count(*change),
            EventKind::ObjectDeleted { gone: true, .. } => self.changes.deleted += 1,
            EventKind::ObjectKept { .. } => self.changes.kept += 1,
            _ => {}
        }
        let elapsed_ms = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let stamped = Event { seq: self.next, at: self.clock.now(), elapsed_ms, event };
        self.next += 1;
        self.reporters.report(&stamped);
    }

    /// Lets the reporters draw again.
    pub fn tick(&mut self) {
        self.reporters.tick();
    }

    /// Returns what was changed so far.
    pub fn changes(&self) -> ChangeCounts {
        self.changes
    }
}
