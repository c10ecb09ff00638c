//! L4: the journal: the events of a run as JSON Lines, kept beyond it, and read back. Nothing a deploy does
//! needs it: the cluster alone says what is there. It is for people who want to know what happened.
//!
//! ```text
//! engine ─▶ Fanout ─▶ Journal ─▶ Sink   a file; brought to the disk at the start, at each stage's end, at the end
//!                                  └─▶ Record ─▶ `wesago report`
//! ```

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::event::{Event, EventKind, RunStarted, Verdict};
use crate::report::{Reporter, RunView};

/// Where a journal goes. `cli::context` has the one of files.
pub trait Sink {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they, or earlier ones, cannot be kept.
    fn append(&mut self, bytes: Vec<u8>) -> io::Result<()>;

    /// Asks for everything taken so far to be brought to the disk. Nobody waits for it: a run must not be
    /// slower than the cluster for the sake of its record.
    ///
    /// # Errors
    /// As [`Sink::append`].
    fn sync(&mut self) -> io::Result<()>;

    /// Fails when something taken earlier could not be kept.
    ///
    /// # Errors
    /// As [`Sink::append`].
    fn check(&mut self) -> io::Result<()>;

    /// Waits until everything taken is on the disk.
    ///
    /// # Errors
    /// As [`Sink::append`].
    fn close(&mut self) -> io::Result<()>;
}

/// Writes the events of a run into a sink.
pub struct Journal<S>(pub S);

impl<S: Sink> Reporter for Journal<S> {
    fn report(&mut self, event: &Event, _view: &RunView) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.0.append(line)?;
        if is_milestone(&event.event) { self.0.sync() } else { Ok(()) }
    }

    fn tick(&mut self, _view: &RunView, _elapsed: Duration) -> io::Result<()> {
        self.0.check()
    }

    fn finish(&mut self, _view: &RunView) -> io::Result<()> {
        self.0.close()
    }
}

/// Returns true for the events after which a killed machine must not lose what came before.
fn is_milestone(event: &EventKind) -> bool {
    matches!(event, EventKind::RunStarted(_) | EventKind::StageFinished { .. } | EventKind::RunFinished(_))
}

/// A journal as read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The events, up to where the journal ends.
    pub events: Vec<Event>,
    /// The bytes of these events' lines: what `-o json` printed live.
    pub lines: Vec<u8>,
    /// Lines that are no events at all.
    pub unreadable: usize,
}

/// What a list of runs tells of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// How it began.
    pub started: RunStarted,
    /// When it began.
    pub at: Timestamp,
    /// How it ended; `None` when the journal ends before the run did.
    pub verdict: Option<Verdict>,
    /// Milliseconds from its start to the last event.
    pub took_ms: u64,
}

impl Record {
    /// Reads a journal. A last line without an end was cut off and is left out; an event of a newer version
    /// is [`EventKind::Unknown`].
    pub fn read(bytes: &[u8]) -> Self {
        let mut record = Self::default();
        for line in complete_lines(bytes) {
            match event(line) {
                Some(event) => {
                    record.events.push(event);
                    record.lines.extend_from_slice(line);
                    record.lines.push(b'\n');
                }
                None => record.unreadable += 1,
            }
        }
        record
    }

    /// Returns true when the end of the run is in it.
    pub fn is_complete(&self) -> bool {
        self.events.iter().any(|event| matches!(event.event, EventKind::RunFinished(_)))
    }
}

impl Outline {
    /// Reads the first and the last event of a journal; `None` when the first is not a run's start.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let first = event(complete_lines(bytes).next()?)?;
        let last = complete_lines(bytes).rev().find_map(event)?;
        let EventKind::RunStarted(started) = first.event else { return None };
        let verdict = match last.event {
            EventKind::RunFinished(finished) => Some(finished.verdict),
            _ => None,
        };
        Some(Self { started, at: first.at, verdict, took_ms: last.elapsed_ms })
    }
}

/// Returns the lines that have an end, without it.
fn complete_lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    bytes[..end].split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// Reads one line. What a newer version says in words this one does not know is an unknown event, not a
/// broken line.
fn event(line: &[u8]) -> Option<Event> {
    /// The stamp alone.
    #[derive(Deserialize)]
    struct Stamp {
        seq: u64,
        at: Timestamp,
        elapsed_ms: u64,
    }
    if let Ok(event) = serde_json::from_slice(line) {
        return Some(event);
    }
    let Stamp { seq, at, elapsed_ms } = serde_json::from_slice(line).ok()?;
    Some(Event { seq, at, elapsed_ms, event: EventKind::Unknown })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::{Journal, Outline, Record, Sink};
    use crate::event::{Event, EventKind, RunStarted, SCHEMA, StageOutline, Verdict};
    use crate::plan::StageId;
    use crate::report::{Reporter as _, RunView};

    /// What a sink was asked, and the bytes it took; it can be full.
    #[derive(Clone, Default)]
    struct Paper {
        bytes: Rc<RefCell<Vec<u8>>>,
        syncs: Rc<RefCell<Vec<usize>>>,
        room: Option<usize>,
    }

    impl Sink for Paper {
        fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
            let mut all = self.bytes.borrow_mut();
            if self.room.is_some_and(|room| all.len() + bytes.len() > room) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            all.extend(bytes);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.syncs.borrow_mut().push(self.bytes.borrow().len());
            Ok(())
        }

        fn check(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn close(&mut self) -> io::Result<()> {
            self.sync()
        }
    }

    fn stage() -> StageId {
        StageId::new("web").unwrap()
    }

    fn event(seq: u64, event: EventKind) -> Event {
        let at = "2026-11-23T20:00:00Z".parse().unwrap();
        Event { seq, at, elapsed_ms: seq * 100, event }
    }

    fn events() -> Vec<Event> {
        let started = RunStarted {
            schema: SCHEMA,
            run: "7f3a90".into(),
            command: "deploy".into(),
            plan: "shop".into(),
            context: "k3s".into(),
            server: "https://198.18.0.1:6443".into(),
            namespace: "shop".into(),
            seed: 7,
            again: " --context k3s".into(),
            stages: vec![StageOutline { stage: stage(), needs: Vec::new(), objects: Vec::new() }],
        };
        let finished = crate::event::RunFinished {
            verdict: Verdict::Succeeded,
            changes: crate::event::ChangeCounts::default(),
            notes: None,
        };
        vec![
            event(0, EventKind::RunStarted(started)),
            event(1, EventKind::StageStarted { stage: stage() }),
            event(2, EventKind::Warned { message: "spec.x is \n old".into() }),
            event(3, EventKind::StageFinished { stage: stage(), verdict: Verdict::Succeeded, took_ms: 200 }),
            event(4, EventKind::RunFinished(finished)),
        ]
    }

    fn written(paper: &Paper) -> Vec<u8> {
        let mut journal = Journal(paper.clone());
        for event in events() {
            journal.report(&event, &RunView::default()).unwrap();
        }
        journal.finish(&RunView::default()).unwrap();
        paper.bytes.borrow().clone()
    }

    #[test]
    fn it_is_on_the_disk_at_the_start_at_a_stages_end_and_at_the_end() {
        let paper = Paper::default();
        let bytes = written(&paper);
        let ends: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
        assert_eq!(ends.len(), 5, "one line an event, whatever is in it");
        assert_eq!(*paper.syncs.borrow(), [ends[0], ends[3], ends[4], ends[4]]);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut journal = Journal(Paper { room: Some(700), ..Paper::default() });
        let results: Vec<bool> =
            events().iter().map(|event| journal.report(event, &RunView::default()).is_ok()).collect();
        assert!(results[0] && !results[4], "{results:?}");
    }

    #[test]
    fn what_was_written_reads_back() {
        let bytes = written(&Paper::default());
        let record = Record::read(&bytes);
        assert_eq!((&record.events, record.unreadable), (&events(), 0));
        assert_eq!(record.lines, bytes);
        assert!(record.is_complete());
        let outline = Outline::read(&bytes).unwrap();
        assert_eq!((outline.verdict, outline.took_ms), (Some(Verdict::Succeeded), 400));
        assert_eq!(outline.started.run, "7f3a90");
    }

    #[test]
    fn what_a_newer_version_wrote_is_tolerated() {
        let newer = br#"{"seq":5,"at":"2026-11-23T20:00:00Z","elapsed_ms":9,"event":{"type":"planet-moved","to":["x"]}}
{"seq":6,"at":"2026-11-23T20:00:00Z","elapsed_ms":9,"event":{"type":"cancel-began","reason":"eclipse"},"mood":"fine"}
not an event
"#;
        let record = Record::read(newer);
        let told: Vec<(u64, &EventKind)> =
            record.events.iter().map(|event| (event.seq, &event.event)).collect();
        assert_eq!(told, [(5, &EventKind::Unknown), (6, &EventKind::Unknown)]);
        assert_eq!(record.unreadable, 1);
    }

    proptest! {
        /// Wherever a killed run left off, what was written before reads back, and nothing else.
        #[test]
        fn a_journal_that_was_cut_reads_back_up_to_the_cut(cut in any::<prop::sample::Index>()) {
            let bytes = written(&Paper::default());
            let cut = cut.index(bytes.len());
            let whole = bytes[..cut].split(|byte| *byte == b'\n').count() - 1;
            let record = Record::read(&bytes[..cut]);
            prop_assert_eq!(&record.events[..], &events()[..whole]);
            prop_assert_eq!(record.unreadable, 0);
            prop_assert!(!record.is_complete());
            prop_assert_eq!(Outline::read(&bytes[..cut]).is_some(), whole > 0);
        }
    }
}
