//! A recorded run, told again: the same lines as `--verbose` told live, then the same summary.

use std::io;

use super::summary::{NextSteps, summary, unfinished};
use super::{Plain, Reporter as _, RunView};
use crate::event::Event;

/// Returns what a run told, painted: every line, an empty one, the summary. `goes_on` says that a run
/// without an end is not over yet.
///
/// # Errors
/// Never: the lines go to memory.
pub fn replay(events: &[Event], goes_on: bool) -> io::Result<String> {
    let mut lines = Vec::new();
    let mut plain = Plain::new(&mut lines, true);
    let mut view = RunView::default();
    for event in events {
        view.apply(event);
        plain.report(event, &view)?;
    }
    plain.finish(&view)?;
    let again = view.started.as_ref().map_or("", |started| started.again.as_str());
    let next = NextSteps { status: format!("wesago status{again}") };
    let end = match &view.finished {
        Some(_) => summary(&view, &next),
        None => unfinished(&view, goes_on, &next),
    };
    Ok(format!("{}\n{end}", String::from_utf8_lossy(&lines)))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    use super::replay;
    use crate::clock::Clock;
    use crate::event::Event;
    use crate::report::script::{self, Script};
    use crate::report::{Fanout, Json, NextSteps, Plain, summary};

    /// Bytes that can still be read when their writer has been given away.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    /// Returns what a run tells live with `--verbose`, and the JSON it writes meanwhile.
    fn live(script: &Script) -> (String, String) {
        let (lines, json) = (Shared::default(), Shared::default());
        let mut fanout = Fanout::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH));
        fanout.add("plain", Plain::new(lines.clone(), true));
        fanout.add("json", Json(json.clone()));
        for event in script.events() {
            fanout.report(event);
            fanout.tick();
        }
        let view = fanout.finish();
        let again = &view.started.as_ref().unwrap().again;
        let end = summary(&view, &NextSteps { status: format!("wesago status{again}") });
        (format!("{}\n{end}", lines.text()), json.text())
    }

    #[tokio::test(start_paused = true)]
    async fn a_replay_tells_byte_for_byte_what_was_told_live() {
        let all = [
            script::success(),
            script::failure(),
            script::late(),
            script::interrupted(),
            script::nothing_to_do(),
            script::teardown(),
            script::logs(),
        ];
        for script in all {
            let (told, json) = live(&script);
            let read: Vec<Event> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(replay(&read, false).unwrap(), told);
        }
    }

    #[test]
    fn a_record_that_was_cut_says_so() {
        let script = script::failure();
        let told = replay(&script.events()[..12], false).unwrap();
        insta::assert_snapshot!(anstream::adapter::strip_str(&told).to_string());
    }
}
