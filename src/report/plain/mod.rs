//! One line per event that matters, never redrawn: what a log of a build server shows. An object that
//! changes its mind many times a second is told once a second; its last word is never lost.
//!
//! ```text
//!   12.3s  stage databases/postgres  StatefulSet/postgres created
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::findings::finding_text;
use super::forecast::{forecast_lines, forecast_notices, foreseen_headline};
use super::log::Speakers;
use super::words;
use super::{Reporter, RunView};
use crate::event::{CancelReason, CauseFound, Event, EventKind, Forecast, InterruptionFound, Verdict};
use crate::object::{Change, ObjectRef};
use crate::plan::StageId;
use crate::readiness::Readiness;

/// The least time between two lines about the readiness of one object.
const APART_MS: u64 = 1_000;

/// Writes plain lines.
pub struct Plain<W> {
    output: W,
    /// True to tell of unchanged objects and every change of mind too.
    verbose: bool,
    told: BTreeMap<ObjectRef, Told>,
    speakers: Speakers,
}

/// What was told of an object's readiness.
#[derive(Default)]
struct Told {
    /// When the last line was written.
    at_ms: Option<u64>,
    /// What came since.
    held_back: Option<String>,
}

impl<W: Write> Plain<W> {
    /// Returns a reporter that writes to `output`; a verbose one leaves nothing out.
    pub fn new(output: W, verbose: bool) -> Self {
        Self { output, verbose, told: BTreeMap::new(), speakers: Speakers::default() }
    }

    fn line(
        &mut self,
        elapsed_ms: u64,
        view: &RunView,
        stage: Option<&StageId>,
        text: &str,
    ) -> io::Result<()> {
        let widest = view.stages.iter().map(|stage| stage.id.as_str().len()).max().unwrap_or(0);
        let who = stage.map_or_else(|| "run".to_owned(), |stage| format!("stage {stage}"));
        let who = words::padded(&who, "stage ".len() + widest);
        let (seconds, tenths) = (elapsed_ms / 1000, elapsed_ms % 1000 / 100);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(self.output, "{seconds:>5}.{tenths}s  {who}  {first}")?;
        for line in lines {
            writeln!(self.output, "          {}{line}", " ".repeat(who.len() + 2))?;
        }
        self.output.flush()
    }

    /// Tells what an object is, or keeps it for later when the last line about it is too fresh.
    fn observed(
        &mut self,
        now_ms: u64,
        view: &RunView,
        stage: &StageId,
        object: &ObjectRef,
        readiness: &Readiness,
    ) -> io::Result<()> {
        let text = format!("{object}: {}", words::readiness(object, readiness));
        let told = self.told.entry(object.clone()).or_default();
        let is_ready = matches!(readiness, Readiness::Current { .. });
        if is_ready {
            let was_waited_for = told.at_ms.is_some() || told.held_back.is_some();
            self.told.remove(object);
            // What is ready the moment it is written needs no second line.
            return if was_waited_for || self.verbose {
                self.line(now_ms, view, Some(stage), &text)
            } else {
                Ok(())
            };
        }
        let is_urgent = self.verbose || matches!(readiness, Readiness::Failed { .. });
        let is_fresh = told.at_ms.is_some_and(|at| now_ms < at + APART_MS);
        if is_fresh && !is_urgent {
            told.held_back = Some(text);
            return Ok(());
        }
        *told = Told { at_ms: Some(now_ms), held_back: None };
        self.line(now_ms, view, Some(stage), &text)
    }

    /// Tells what was held back of objects that `choose` picks.
    fn catch_up(
        &mut self,
        now_ms: u64,
        view: &RunView,
        choose: impl Fn(&StageId, Option<u64>) -> bool,
    ) -> io::Result<()> {
        for stage in &view.stages {
            for object in &stage.objects {
                let Some(told) = self.told.get_mut(&object.object) else { continue };
                if !choose(&stage.id, told.at_ms) {
                    continue;
                }
                let Some(text) = told.held_back.take() else { continue };
                told.at_ms = Some(now_ms);
                self.line(now_ms, view, Some(&stage.id), &text)?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn report(&mut self, event: &Event, view: &RunView) -> io::Result<()> {
        let now = event.elapsed_ms;
        match &event.event {
            EventKind::ObjectObserved { stage, object, readiness } => {
                return self.observed(now, view, stage, object, readiness);
            }
            EventKind::ObjectApplied { change: Change::Unchanged, .. }
            | EventKind::ObjectDeleted { gone: false, .. }
                if !self.verbose =>
            {
                return Ok(());
            }
            EventKind::Foreseen(forecast) => {
                return self.line(now, view, None, &foreseen(forecast, self.verbose));
            }
            EventKind::StageFinished { stage, .. } => {
                self.catch_up(now, view, |held, _| held == stage)?;
            }
            _ => {}
        }
        if let Some((stage, text)) = self.speakers.told(&event.event) {
            return self.line(now, view, Some(stage), &text);
        }
        match told(&event.event, view) {
            Some((stage, text)) => self.line(now, view, stage, &text),
            None => Ok(()),
        }
    }

    fn tick(&mut self, view: &RunView, elapsed: Duration) -> io::Result<()> {
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.catch_up(now, view, |_, at| at.is_none_or(|at| now >= at + APART_MS))
    }

    fn notice(&mut self, message: &str) -> io::Result<()> {
        writeln!(self.output, "warning: {message}")
    }

    fn finish(&mut self, view: &RunView) -> io::Result<()> {
        self.catch_up(view.elapsed_ms, view, |_, _| true)
    }
}

/// Returns the line about an event, with the stage it is about; `None` for what needs no line.
pub(super) fn told<'a>(event: &'a EventKind, view: &RunView) -> Option<(Option<&'a StageId>, String)> {
    Some(match event {
        EventKind::RunStarted(run) => {
            let (stages, run) = (words::count(run.stages.len(), "stage"), &run.run);
            (None, format!("{} begins: {stages}, run {run}", view.command()))
        }
        EventKind::LockAwaited(awaited) => (None, words::awaited(awaited)),
        EventKind::InterruptionFound(found) => (None, interruption(found)),
        EventKind::StageStarted { stage } => (Some(stage), "started".to_owned()),
        EventKind::ObjectApplied { stage, object, change } => (stage.as_ref(), format!("{object} {change}")),
        EventKind::CheckAnswered { stage, check, passed, answer } => {
            let word = if *passed { "passed" } else { "not yet" };
            (Some(stage), format!("check {check} {word}: {answer}"))
        }
        EventKind::AttemptFailed { stage, request, attempt, error, retry_in_ms } => {
            let again = words::duration(*retry_in_ms);
            (stage.as_ref(), format!("could not {request}: {error} (try {attempt}, again in {again})"))
        }
        EventKind::ObjectDeleted { stage, object, gone } => {
            let word = if *gone { "deleted" } else { "is being deleted" };
            (stage.as_ref(), format!("{object} {word}"))
        }
        EventKind::ObjectKept { object, reason } => (None, format!("{object} stays: {reason}")),
        EventKind::Warned { message } => (None, format!("warning: {message}")),
        EventKind::PreflightFound(finding) => (None, finding_text(finding)),
        EventKind::CauseFound(cause) => (Some(&cause.stage), cause_text(cause)),
        EventKind::StageFinished { stage, verdict, took_ms } => {
            (Some(stage), stage_end(stage, verdict, *took_ms, view))
        }
        EventKind::RevisionKept { number, rollback_to } => (None, words::kept(*number, *rollback_to)),
        EventKind::CancelBegan { reason: CancelReason::SecondInterrupt } => {
            (None, "interrupted twice: stops at once, whatever is in flight".to_owned())
        }
        EventKind::CancelBegan { reason } => {
            (None, format!("{reason}: nothing new starts, requests in flight end"))
        }
        // The summary tells the end; observations and logs have rules of their own.
        EventKind::RunFinished(_)
        | EventKind::Foreseen(_)
        | EventKind::ObjectObserved { .. }
        | EventKind::LogLine(_)
        | EventKind::LogCut { .. }
        | EventKind::Unknown => return None,
    })
}

/// Returns what is about to be done: the numbers, and what goes; a verbose one names all of it.
fn foreseen(forecast: &Forecast, verbose: bool) -> String {
    let mut lines = vec![foreseen_headline(forecast)];
    lines.extend(if verbose { forecast_lines(forecast, true) } else { forecast_notices(forecast) });
    let lines = lines.into_iter().filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns which run before this one was interrupted.
pub(super) fn interruption(found: &InterruptionFound) -> String {
    let told = words::interruption(&found.run, &found.command, &found.stages, found.ago_ms / 1000);
    format!("{told}; what it did is read from the cluster")
}

fn stage_end(stage: &StageId, verdict: &Verdict, took_ms: u64, view: &RunView) -> String {
    let took = words::duration(took_ms);
    match (verdict, view.stage(stage)) {
        (Verdict::Succeeded, Some(stage)) => format!("settled after {took}: {}", words::done(stage)),
        (Verdict::Succeeded, None) => format!("settled after {took}"),
        (Verdict::Failed { .. } | Verdict::TimedOut { .. }, _) => {
            format!("after {took} {}", words::verdict(verdict))
        }
        (Verdict::Skipped { .. } | Verdict::Cancelled, _) => words::verdict(verdict),
    }
}

/// Returns a cause from the object down to the last lines of the log and the next command.
pub(super) fn cause_text(cause: &CauseFound) -> String {
    let mut text = cause.chain.join(" > ");
    for part in [&cause.reason, &cause.message] {
        if !part.is_empty() {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(part);
        }
    }
    if let Some(place) = &cause.place {
        text.push_str("\n  written in ");
        text.push_str(place);
    }
    for line in &cause.log {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    for command in &cause.next {
        text.push_str("\n  next: ");
        text.push_str(command);
    }
    text
}
