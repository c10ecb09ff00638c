//! The journal of a run: what is on the disk reads back as what was told, and a run without one ends.

use wesago::event::{Event, EventKind};
use wesago::journal::Record;

use super::Evidence;

/// Returns what is wrong with the journals of the runs.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for run in evidence.runs {
        let mut say = |what: String| broken.push(format!("journal: run {}: {what}", run.id));
        let told: Vec<&Event> = evidence.events(run.id).map(|(_, event)| event).collect();
        let record = Record::read(&run.record);
        if record.unreadable > 0 || record.lines != run.record {
            say("it does not read back".to_owned());
        }
        let room = run.fate.disk.unwrap_or(usize::MAX).min(told.len());
        if record.events.iter().collect::<Vec<_>>() != told[..room] {
            say(format!(
                "{} of {} events are in it, or others than were told",
                record.events.len(),
                told.len()
            ));
        }
        let Some(lost) = told.get(room).filter(|_| run.fate.disk.is_some()) else { continue };
        // What began in the very instant of the loss began before anybody could know of it.
        let begins = |event: &&&Event| matches!(event.event, EventKind::StageStarted { .. });
        let late = told.iter().filter(begins).filter(|event| event.elapsed_ms > lost.elapsed_ms).count();
        if late > 0 {
            say(format!("{late} stages began without it"));
        }
    }
    broken
}
