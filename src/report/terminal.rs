//! The live view: every stage a line, with what the running ones still miss, drawn again on each tick and
//! on nothing else. At the end it vanishes and the summary takes its place.

use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::findings::finding_text;
use super::forecast::{forecast_notices, foreseen_headline};
use super::ink::Ink;
use super::log::Speakers;
use super::plain::{cause_text, interruption};
use super::view::{StageState, StageView};
use super::{Reporter, RunView, words};
use crate::event::{CancelReason, Event, EventKind, Verdict};

/// Returns the columns and rows of the terminal as they are now.
pub type Size = Box<dyn Fn() -> (usize, usize)>;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// One frame of the spinner.
const FRAME_MS: u128 = 200;
/// The most objects named under one stage.
const OBJECTS: usize = 4;

/// Draws the live view.
pub struct Terminal {
    bar: ProgressBar,
    size: Size,
    coloured: bool,
    /// Lines that stay above the view, not yet printed.
    above: Vec<String>,
    /// What is on the screen: the same is not drawn twice.
    drawn: String,
    speakers: Speakers,
}

impl Terminal {
    /// Returns a view drawn on `target`.
    pub fn new(target: ProgressDrawTarget, size: Size, coloured: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        // One message of several lines is drawn in one go: no line flickers on its own.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let (drawn, speakers) = (String::new(), Speakers::default());
        Self { bar, size, coloured, above: Vec::new(), drawn, speakers }
    }

    fn shown(&self, text: &str) -> String {
        if self.coloured { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() }
    }

    /// Prints what stays, above the view.
    fn print_above(&mut self) {
        if !self.above.is_empty() {
            let above: Vec<String> = self.above.drain(..).collect();
            self.bar.println(self.shown(&above.join("\n")));
        }
    }

    fn draw(&mut self, view: &RunView, elapsed: Duration) {
        self.print_above();
        let (columns, rows) = (self.size)();
        let lines = lines(view, elapsed, columns, rows.saturating_sub(1)).join("\n");
        if lines != self.drawn {
            self.bar.set_message(self.shown(&lines));
            self.drawn = lines;
        }
    }
}

impl Reporter for Terminal {
    fn report(&mut self, event: &Event, _view: &RunView) -> io::Result<()> {
        match &event.event {
            EventKind::Warned { message } => {
                self.above.push(format!("{} {message}", Ink::Notice.paint("warning:")));
            }
            EventKind::Foreseen(forecast) if !forecast.is_nothing() => {
                self.above.push(foreseen_headline(forecast));
                self.above.extend(forecast_notices(forecast));
            }
            EventKind::InterruptionFound(found) => self.above.push(interruption(found)),
            EventKind::PreflightFound(finding) => {
                self.above.extend(finding_text(finding).lines().map(str::to_owned));
            }
            _ => {}
        }
        if let Some((stage, text)) = self.speakers.told(&event.event) {
            let stage = Ink::Quiet.paint(stage.as_str());
            self.above.extend(text.lines().map(|line| format!("{stage} {line}")));
        }
        Ok(())
    }

    fn tick(&mut self, view: &RunView, elapsed: Duration) -> io::Result<()> {
        self.draw(view, elapsed);
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        self.print_above();
        self.bar.set_message("");
        self.drawn.clear();
        Ok(())
    }

    fn notice(&mut self, message: &str) -> io::Result<()> {
        self.above.push(format!("{} {message}", Ink::Notice.paint("warning:")));
        Ok(())
    }

    fn finish(&mut self, _view: &RunView) -> io::Result<()> {
        self.print_above();
        self.bar.finish_and_clear();
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns the whole view: at most `rows` lines of at most `columns` columns.
fn lines(view: &RunView, elapsed: Duration, columns: usize, rows: usize) -> Vec<String> {
    let sketch = Sketch { elapsed, columns, widest: widest(view) };
    let foot = sketch.foot(view);
    let room = rows.saturating_sub(1);
    // From the full picture to the shortest, until one fits.
    let plain = |stage: &StageView| sketch.stage(view, stage, 1);
    let full: Vec<String> = view.stages.iter().flat_map(|stage| sketch.stage(view, stage, OBJECTS)).collect();
    let few: Vec<String> = view.stages.iter().flat_map(plain).collect();
    let mut body = full;
    if body.len() > room {
        body = few;
    }
    if body.len() > room {
        let active = |stage: &&StageView| !matches!(stage.state, StageState::Waiting);
        body = view.stages.iter().filter(active).flat_map(plain).collect();
        body.extend(sketch.waiting_together(view));
    }
    if body.len() > room {
        body = sketch.settled_together(view);
        let open = |stage: &&StageView| {
            stage.state == StageState::Running || stage.verdict().is_some_and(|verdict| !verdict.is_success())
        };
        body.extend(view.stages.iter().filter(open).flat_map(plain));
        body.extend(sketch.waiting_together(view));
    }
    if body.len() > room {
        let hidden = body.len() + 1 - room.max(1);
        body.truncate(room.saturating_sub(1));
        body.push(Ink::Quiet.paint(&format!("  … {}", words::count(hidden, "more line"))));
    }
    body.push(foot);
    body
}

fn widest(view: &RunView) -> usize {
    view.stages.iter().map(|stage| stage.id.as_str().len()).max().unwrap_or(0)
}

/// What all lines of one picture share.
struct Sketch {
    elapsed: Duration,
    columns: usize,
    widest: usize,
}

impl Sketch {
    /// Returns the lines of a stage: one, and for a running one those of the objects it misses.
    fn stage(&self, view: &RunView, stage: &StageView, objects: usize) -> Vec<String> {
        match &stage.state {
            StageState::Waiting => vec![self.line("·", Ink::Quiet, stage, "", &waits_for(view, stage))],
            StageState::Running => self.running(stage, objects),
            StageState::Settled(verdict) => {
                let took = stage.started_ms.map_or_else(String::new, |_| words::duration(stage.took_ms));
                let (sign, ink, text) = match verdict {
                    Verdict::Succeeded => ("✓", Ink::Good, words::done(stage)),
                    Verdict::Failed { .. } | Verdict::TimedOut { .. } => {
                        ("✗", Ink::Bad, words::verdict(verdict))
                    }
                    Verdict::Skipped { .. } | Verdict::Cancelled => {
                        ("·", Ink::Quiet, words::verdict(verdict))
                    }
                };
                let causes = stage.causes.iter().map(cause_text).take(objects.saturating_sub(1));
                let mut lines = vec![self.line(sign, ink, stage, &took, &text)];
                lines.extend(causes.map(|cause| self.below(cause.lines().next().unwrap_or_default())));
                lines
            }
        }
    }

    fn running(&self, stage: &StageView, objects: usize) -> Vec<String> {
        let now = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let took = words::running(now.saturating_sub(stage.started_ms.unwrap_or(now)));
        let mut told: Vec<String> = stage
            .missing()
            .map(|missing| format!("{}: {}", missing.object, words::missing(missing)))
            .chain(stage.unanswered.iter().map(|(check, answer)| format!("check {check}: {answer}")))
            .collect();
        if let Some(trouble) = &stage.trouble {
            told.insert(0, format!("could not {trouble}; trying again"));
        }
        if told.is_empty() {
            let writing = stage.changes.created + stage.changes.configured + stage.changes.unchanged;
            told.push(if writing == 0 { "begins".to_owned() } else { "goes on".to_owned() });
        }
        let hidden = told.len().saturating_sub(objects);
        told.truncate(objects);
        if hidden > 0
            && let Some(last) = told.last_mut()
        {
            *last = format!("{last}, and {hidden} more");
        }
        let frame = usize::try_from(self.elapsed.as_millis() / FRAME_MS).unwrap_or(0) % SPINNER.len();
        let mut told = told.into_iter();
        let first = told.next().unwrap_or_default();
        let mut lines = vec![self.line(SPINNER[frame], Ink::Strong, stage, &took, &first)];
        lines.extend(told.map(|text| self.below(&text)));
        lines
    }

    /// Returns a further line of a stage, under the text of its first.
    fn below(&self, text: &str) -> String {
        let indent = " ".repeat(4 + self.widest + 2 + 7 + 2);
        words::cut(&format!("{indent}{text}"), self.columns)
    }

    /// Returns one line of a stage: sign, name, time, text.
    fn line(&self, sign: &str, ink: Ink, stage: &StageView, took: &str, text: &str) -> String {
        let name = words::padded(stage.id.as_str(), self.widest);
        let rest = words::cut(&format!("{name}  {took:>7}  {text}"), self.columns.saturating_sub(4));
        let rest = if ink == Ink::Quiet { ink.paint(rest.trim_end()) } else { rest.trim_end().to_owned() };
        format!("  {} {rest}", ink.paint(sign))
    }

    fn waiting_together(&self, view: &RunView) -> Vec<String> {
        let names: Vec<&str> = view.waiting().map(|stage| stage.id.as_str()).collect();
        let text = format!("{} wait: {}", words::count(names.len(), "stage"), names.join(", "));
        let text = words::cut(&text, self.columns.saturating_sub(4));
        if names.is_empty() { Vec::new() } else { vec![Ink::Quiet.paint(&format!("  · {text}"))] }
    }

    fn settled_together(&self, view: &RunView) -> Vec<String> {
        let settled = view.settled().filter(|(_, verdict)| verdict.is_success()).count();
        let text = words::cut(&format!("{} settled", words::count(settled, "stage")), self.columns);
        if settled == 0 { Vec::new() } else { vec![format!("  {} {text}", Ink::Good.paint("✓"))] }
    }

    /// Returns the last line: time, progress, changes, and what else a watcher must know.
    fn foot(&self, view: &RunView) -> String {
        let mut parts = Vec::new();
        match (view.cancel, &view.trouble) {
            (Some(CancelReason::Deadline), _) => {
                parts.push("out of time: requests in flight end".to_owned());
            }
            (Some(reason), _) => {
                parts.push(format!("{reason}: requests in flight end; Ctrl-C again stops at once"));
            }
            (None, Some(trouble)) if view.settled().count() == 0 && view.running().count() == 0 => {
                parts.push(format!("could not {trouble}; trying again"));
            }
            (None, _) => {}
        }
        if view.stages.is_empty() || (view.settled().count() == 0 && view.running().count() == 0) {
            let waits = view.awaited.as_ref().map(words::awaited);
            parts.push(waits.unwrap_or_else(|| "reading the cluster".to_owned()));
        } else {
            let settled = view.settled().filter(|(_, verdict)| verdict.is_success()).count();
            parts.push(format!("{settled} of {} settled", words::count(view.stages.len(), "stage")));
        }
        parts.push(words::changes(&view.changes()));
        parts.retain(|part| !part.is_empty());
        let elapsed = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        words::cut(&format!("  {}  {}", words::running(elapsed), parts.join(" · ")), self.columns)
    }
}

/// Returns what a waiting stage waits for: its needs that have not settled.
fn waits_for(view: &RunView, stage: &StageView) -> String {
    let open: Vec<&str> = stage
        .needs
        .iter()
        .filter(|need| view.stage(need).is_none_or(|need| need.verdict().is_none()))
        .map(crate::plan::StageId::as_str)
        .collect();
    match (view.command(), open.is_empty()) {
        // A teardown waits the other way round; the needs say nothing about it.
        ("deploy" | "rollback", false) => format!("waits for {}", open.join(", ")),
        _ => "waits".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::Terminal;
    use crate::report::script::{self, Script};
    use crate::report::{Reporter as _, RunView};

    /// Plays a script up to a moment and returns what is then on a terminal of that size.
    fn screen(script: &Script, at_ms: u64, (columns, rows): (u16, u16)) -> String {
        let terminal = InMemoryTerm::new(rows, columns);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut live =
            Terminal::new(target, Box::new(move || (usize::from(columns), usize::from(rows))), false);
        let mut view = RunView::default();
        for event in script.events().iter().take_while(|event| event.elapsed_ms <= at_ms) {
            view.apply(event);
            live.report(event, &view).unwrap();
        }
        live.tick(&view, Duration::from_millis(at_ms)).unwrap();
        terminal.contents()
    }

    #[test]
    fn a_pause_leaves_what_is_foreseen_and_clears_the_rest() {
        let terminal = InMemoryTerm::new(20, 80);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut live = Terminal::new(target, Box::new(|| (80, 20)), false);
        let mut view = RunView::default();
        for event in script::foreseen().events() {
            view.apply(event);
            live.report(event, &view).unwrap();
        }
        live.tick(&view, Duration::from_millis(100)).unwrap();
        assert!(terminal.contents().contains("reading the cluster"));
        live.pause().unwrap();
        insta::assert_snapshot!(terminal.contents(), @"
        1 to delete, 1 to recreate, 2 to write, 4 unchanged
        ~ StatefulSet/postgres written
            its pods roll: ConfigMap/postgres-conf changes
        ± Job/migrate recreated
            runs again: it failed
        - Service/old deleted
            it has left the plan
        ");
    }

    #[test]
    fn nothing_is_drawn_but_on_a_tick() {
        let terminal = InMemoryTerm::new(20, 80);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut live = Terminal::new(target, Box::new(|| (80, 20)), false);
        let mut view = RunView::default();
        for event in script::success().events() {
            view.apply(event);
            live.report(event, &view).unwrap();
        }
        assert_eq!(terminal.contents(), "");
        live.tick(&view, Duration::from_millis(15_500)).unwrap();
        assert_ne!(terminal.contents(), "");
        live.finish(&view).unwrap();
        assert_eq!(terminal.contents(), "warning: Deployment/web: spec.x is deprecated");
    }

    #[test]
    fn before_the_first_stage() {
        insta::assert_snapshot!(screen(&script::success(), 10, (80, 20)), @"
        · databases/postgres           waits
        · databases/redis              waits
        · migrate                      waits for databases/postgres
        · web                          waits for databases/redis, migrate
        0s  reading the cluster
        ");
    }

    #[test]
    fn while_a_lock_is_waited_for() {
        insta::assert_snapshot!(screen(&script::waiting(), 5_000, (110, 20)), @"
        · databases/postgres           waits
        · databases/redis              waits
        · migrate                      waits for databases/postgres
        · web                          waits for databases/redis, migrate
        5s  waits up to 5m 00s for the lock of bob@build/42/81b2c3 (deploy, run 81b2c3), who has held it for 4m
        ");
    }

    #[test]
    fn after_a_run_that_was_interrupted() {
        insta::assert_snapshot!(screen(&script::waiting(), 12_100, (120, 20)), @"
        run 81b2c3 (deploy) was interrupted in stages databases/redis, migrate 17s ago; what it did is read from the cluster
          ⠋ databases/postgres       0s  begins
          · databases/redis              waits
          · migrate                      waits for databases/postgres
          · web                          waits for databases/redis, migrate
          12s  0 of 4 stages settled
        ");
    }

    #[test]
    fn while_the_databases_start() {
        insta::assert_snapshot!(screen(&script::success(), 4_400, (80, 20)), @"
        ⠹ databases/postgres       4s  StatefulSet/postgres: 2 of 3 replicas ready
        ✓ databases/redis        1.1s  1 unchanged
        · migrate                      waits for databases/postgres
        · web                          waits for migrate
        4s  1 of 4 stages settled · 3 created, 1 configured, 1 unchanged
        ");
    }

    #[test]
    fn while_a_request_is_tried_again() {
        insta::assert_snapshot!(screen(&script::success(), 12_200, (80, 20)), @"
        ✓ databases/postgres     9.0s  2 created, 1 configured
        ✓ databases/redis        1.1s  1 unchanged
        ✓ migrate                2.9s  1 recreated
        ⠙ web                      0s  could not apply Deployment/web: the API server…
        12s  3 of 4 stages settled · 3 created, 1 configured, 1 recreated, 1 unchanged
        ");
    }

    #[test]
    fn while_a_check_is_not_answered_as_wanted() {
        insta::assert_snapshot!(screen(&script::success(), 15_100, (80, 20)), @"
        warning: Deployment/web: spec.x is deprecated
          ✓ databases/postgres     9.0s  2 created, 1 configured
          ✓ databases/redis        1.1s  1 unchanged
          ✓ migrate                2.9s  1 recreated
          ⠴ web                      3s  check GET web:80/: 502 Bad Gateway
          15s  3 of 4 stages settled · 4 created, 1 configured, 1 recreated, 1 unchanged
        ");
    }

    #[test]
    fn lines_of_logs_stay_above_the_view() {
        insta::assert_snapshot!(screen(&script::logs(), 11_100, (80, 24)));
    }

    #[test]
    fn after_a_failure() {
        insta::assert_snapshot!(screen(&script::failure(), 13_110, (80, 20)), @"
        ✓ databases/postgres     9.0s  2 created, 1 configured
        ✓ databases/redis        1.1s  1 unchanged
        ✗ migrate                4.0s  failed: Job/migrate: BackoffLimitExceeded
                                       Job/migrate > Pod/migrate-x7k2p > container mi…
        · web                          skipped: migrate did not settle
        13s  2 of 4 stages settled · 3 created, 1 configured, 1 recreated, 1 unchanged
        ");
    }

    #[test]
    fn after_an_interrupt() {
        insta::assert_snapshot!(screen(&script::interrupted(), 10_010, (100, 20)), @"
        ✓ databases/postgres     9.0s  2 created, 1 configured
        ✓ databases/redis        1.1s  1 unchanged
        ⠋ migrate                  0s  Job/migrate: is running
        · web                          cancelled
        10s  interrupted: requests in flight end; Ctrl-C again stops at once · 2 of 4 stages settled · 3 …
        ");
    }

    #[test]
    fn in_a_teardown() {
        insta::assert_snapshot!(screen(&script::teardown(), 2_500, (80, 20)), @"
        · databases/postgres           waits
        · databases/redis              waits
        ⠹ migrate                  0s  Job/migrate: is being deleted
        ✓ web                    0.8s  1 deleted
        2s  1 of 4 stages settled · 1 deleted, 1 kept
        ");
    }

    #[test]
    fn a_small_terminal_gets_a_short_view() {
        insta::assert_snapshot!(screen(&script::success(), 4_400, (40, 5)), @"
        ⠹ databases/postgres       4s  Statef…
        ✓ databases/redis        1.1s  1 unch…
        · 2 stages wait: migrate, web
        4s  1 of 4 stages settled · 3 created…
        ");
        insta::assert_snapshot!(screen(&script::success(), 12_200, (40, 4)), @"
        ✓ 3 stages settled
        ⠙ web                      0s  could …
        12s  3 of 4 stages settled · 3 create…
        ");
    }

    #[test]
    fn colours_are_there_when_asked_for_and_only_then() {
        let view = RunView::default();
        for coloured in [true, false] {
            let terminal = InMemoryTerm::new(20, 80);
            let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
            let mut live = Terminal::new(target, Box::new(|| (80, 20)), coloured);
            live.notice("a thing").unwrap();
            live.tick(&view, Duration::ZERO).unwrap();
            let formatted = String::from_utf8(terminal.contents_formatted()).unwrap();
            assert_eq!(formatted.contains("[33m"), coloured, "{formatted:?}");
        }
    }
}
