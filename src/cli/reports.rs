//! Which reporters a run gets, and what the command must know of its end.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use super::arguments::Output;
use super::context::Context;
use crate::event::{CancelReason, Event, EventKind};
use crate::report::{Fanout, Json, Plain, Reporter};

/// Remembers which signal cancelled the run, for its exit code.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended(Rc<Cell<Option<CancelReason>>>);

impl Ended {
    /// Returns the signal.
    pub(super) fn cancel(&self) -> Option<CancelReason> {
        self.0.get()
    }
}

impl Reporter for Ended {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::CancelBegan { reason } = event.event
            && self.0.get().is_none()
        {
            self.0.set(Some(reason));
        }
        Ok(())
    }
}

/// Returns the reporters for an output format.
pub(super) fn reporters(output: Output, _context: &Context, ended: &Ended) -> Fanout {
    let mut fanout = Fanout::default();
    fanout.add("exit code", ended.clone());
    match output {
        Output::Json => fanout.add("json", Json(io::stdout())),
        Output::Text => fanout.add("terminal", Plain(anstream::stderr())),
    }
    fanout
}
