//! The live view: every stage a line, with what the running ones still miss, drawn again on each tick and
//! on nothing else. At the end it vanishes and the summary takes its place.

#[cfg(test)]
mod tests;

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
