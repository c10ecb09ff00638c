//! One line per event that matters, without redrawing: what a log shows.

use std::io::{self, Write};

use super::Reporter;
use crate::event::{Event, EventKind, Verdict};
use crate::readiness::Readiness;

/// Writes plain lines.
pub struct Plain<W>(pub W);

impl<W: Write> Reporter for Plain<W> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let Some(text) = line(&event.event) else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "tenths of a second of one run")]
        let seconds = event.elapsed_ms as f64 / 1000.0;
        writeln!(self.0, "{seconds:>7.1}s  {text}")
    }
}

fn line(event: &EventKind) -> Option<String> {
    Some(match event {
        EventKind::StageStarted { stage } => format!("stage {stage} started"),
        EventKind::ObjectApplied { object, change, .. } => format!("{object} {change}"),
        EventKind::ObjectObserved { object, readiness, .. } => match readiness {
            Readiness::InProgress { reason } | Readiness::Failed { reason } => format!("{object}: {reason}"),
            Readiness::Current { .. } => format!("{object} is ready"),
            Readiness::Terminating { .. } => format!("{object} is being deleted"),
            Readiness::NotFound => format!("{object} is gone"),
        },
        EventKind::ObjectDeleted { object, gone: true, .. } => format!("{object} deleted"),
        EventKind::ObjectKept { object, reason } => format!("{object} stays: {reason}"),
        EventKind::Warned { message } => format!("warning: {message}"),
        EventKind::AttemptFailed { request, attempt, error, retry_in_ms, .. } => {
            format!("{request}: {error} (try {attempt}, again in {retry_in_ms} ms)")
        }
        EventKind::StageFinished { stage, verdict, took_ms } => match verdict {
            Verdict::Succeeded => format!("stage {stage} settled after {took_ms} ms"),
            other => format!("stage {stage}: {other:?}"),
        },
        EventKind::CauseFound(cause) => {
            format!(
                "{}: {}: {}\n{}",
                cause.chain.join(" → "),
                cause.reason,
                cause.message,
                cause.log.join("\n")
            )
        }
        EventKind::RunFinished(end) => {
            format!("{:?} {:?}\n{}", end.verdict, end.changes, end.notes.clone().unwrap_or_default())
        }
        _ => return None,
    })
}
