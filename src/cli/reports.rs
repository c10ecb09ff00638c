//! Which reporters a run gets, and what is told at its end.

use std::io;

use indicatif::ProgressDrawTarget;

use super::arguments::{Output, RunArguments};
use super::context::{Context, terminal_size};
use super::exit::Exit;
use super::output::{print, stderr_is_coloured};
use super::session::Ready;
use crate::event::Verdict;
use crate::report::{Fanout, Json, NextSteps, Plain, Terminal, summary};

/// Returns the reporters of a run. Progress goes to standard error: a live view on a terminal, else plain
/// lines; with JSON events on standard output there are none, unless somebody watches.
pub(super) fn reporters(telling: &RunArguments, context: &Context) -> Fanout {
    let mut fanout = Fanout::new(context.clock);
    let is_json = telling.output == Output::Json;
    if is_json {
        fanout.add("json", Json(io::stdout()));
    }
    let is_seen = context.stderr_is_terminal && !(is_json && context.stdout_is_terminal);
    if telling.quiet {
    } else if is_seen && !telling.verbose {
        let size = Box::new(|| terminal_size().unwrap_or((80, 24)));
        fanout.add("terminal", Terminal::new(ProgressDrawTarget::stderr(), size, stderr_is_coloured()));
    } else if !is_json || telling.verbose {
        fanout.add("plain", Plain::new(anstream::stderr(), telling.verbose));
    }
    fanout
}

/// Tells the end of a run and returns how the program ends.
pub(super) fn conclude(fanout: Fanout, telling: &RunArguments, verdict: &Verdict, ready: &Ready) -> Exit {
    let view = fanout.finish();
    if telling.output == Output::Text {
        let next = NextSteps { status: format!("wesago status{}", ready.again) };
        // The run is over and its exit code tells the end: an output that is lost changes nothing of it.
        let _reader_is_gone = print(&summary(&view, &next));
    }
    Exit::of_run(verdict, view.cancel)
}
