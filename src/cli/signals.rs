//! Signals as interrupts of a run. The first Ctrl-C asks for a calm end, the second for one at once; SIGTERM
//! is like the first, and so is the SIGHUP of a terminal that was closed.

use std::io;

use futures::{Stream, stream};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::hangups_are_ignored;
use crate::event::CancelReason;

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` under `nohup`, whose word it is to go on.
    hangup: Option<Signal>,
    calm: bool,
}

/// Returns the interrupts of this process from now on. The default action of the signals is off as long as
/// the process lives.
///
/// # Errors
/// When the operating system takes no handler.
pub(crate) fn cancels() -> io::Result<impl Stream<Item = CancelReason> + Unpin> {
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let hangup = if hangups_are_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    let signals = Signals { interrupt, terminate, hangup, calm: true };
    Ok(Box::pin(stream::unfold(signals, |mut signals| async move {
        let reason = signals.next().await;
        signals.calm = false;
        Some((reason, signals))
    })))
}

impl Signals {
    async fn next(&mut self) -> CancelReason {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(()) = self.interrupt.recv() => {
                if self.calm { CancelReason::Interrupt } else { CancelReason::SecondInterrupt }
            }
            // Whoever stops a service sends both of these at once: neither is a second Ctrl-C.
            Some(()) = self.terminate.recv() => CancelReason::Terminate,
            Some(()) = hangup => CancelReason::Terminate,
            // tokio's signals never end.
            else => std::future::pending().await,
        }
    }
}
