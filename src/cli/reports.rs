//! Which reporters a run gets, what ends it, and what is told at its end.

use std::io;

use futures::{Stream, StreamExt as _, stream};
use indicatif::ProgressDrawTarget;
use tokio::sync::mpsc;

use super::arguments::{Output, RunArguments};
use super::context::{Context, JournalFile, Journals, terminal_size};
use super::exit::{Exit, Failure};
use super::output::{complain, print, stderr_is_coloured};
use super::session::Ready;
use super::signals::cancels;
use crate::event::{CancelReason, Verdict};
use crate::journal::Journal;
use crate::report::{Fanout, Json, NextSteps, Plain, Terminal, summary};

/// Returns the reporters of a run, and what cancels it: the user, or the loss of the journal. Progress goes
/// to standard error: a live view on a terminal, else plain lines; with JSON events on standard output there
/// are none, unless somebody watches.
pub(super) fn reporters(
    telling: &RunArguments,
    context: &Context,
    ready: &Ready,
) -> Result<(Fanout, impl Stream<Item = CancelReason> + Unpin + use<>), Failure> {
    let signals = cancels()
        .map_err(|cause| Failure::new(Exit::Internal, "signals cannot be handled").caused_by(&cause))?;
    let mut fanout = Fanout::new(context.clock);
    let (lost, losses) = mpsc::channel(1);
    if !telling.no_journal
        && let Some(file) = journal_file(context, ready)
    {
        // One loss is all there can be.
        fanout.add_vital("journal", Journal(file), move || {
            let _nobody_listens = lost.try_send(CancelReason::JournalFailed);
        });
    }
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
    let losses = stream::unfold(losses, |mut losses| async move { Some((losses.recv().await?, losses)) });
    Ok((fanout, stream::select(signals, losses.boxed_local())))
}

/// Makes the journal of a run; `None`, with a word about it, where none can be kept, as in a pod.
fn journal_file(context: &Context, ready: &Ready) -> Option<JournalFile> {
    let without = |why: String| {
        complain(&format!("warning: this run keeps no journal: {why}; `--no-journal` goes without a word\n"));
    };
    let Some(journals) = Journals::of_user() else {
        without("neither XDG_STATE_HOME nor HOME is set".to_owned());
        return None;
    };
    let made = journals.create(context.clock.now(), &ready.run);
    made.inspect_err(|error| without(format!("{}: {error}", journals.folder().display()))).ok()
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
