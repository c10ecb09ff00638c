//! Interrupts as a stream: the first Ctrl-C asks for a calm end, the second for one at once; SIGTERM is
//! like the first.

use std::io;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;
use crate::event::CancelReason;

/// Returns interrupts with the end of the run's time among them, if it has one.
pub(super) fn with_deadline(
    cancels: impl Stream<Item = CancelReason> + Unpin,
    clock: Clock,
    deadline: Option<Duration>,
) -> impl Stream<Item = CancelReason> + Unpin {
    let end = stream::iter(deadline.map(|after| clock.instant(after)));
    let end = end.then(|at| async move {
        tokio::time::sleep_until(at).await;
        CancelReason::Deadline
    });
    stream::select(cancels, Box::pin(end))
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    interrupts: u32,
}

/// Returns the interrupts of this process from now on. The default action of both signals is off as long
/// as the process lives.
///
/// # Errors
/// When the operating system takes no handler.
pub(crate) fn cancels() -> io::Result<impl Stream<Item = CancelReason> + Unpin> {
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let signals = Signals { interrupt, terminate, interrupts: 0 };
    Ok(Box::pin(stream::unfold(signals, |mut signals| async move {
        let reason = tokio::select! {
            biased;
            Some(()) = signals.interrupt.recv() => {
                signals.interrupts += 1;
                if signals.interrupts == 1 { CancelReason::Interrupt } else { CancelReason::SecondInterrupt }
            }
            Some(()) = signals.terminate.recv() => CancelReason::Terminate,
            else => return None,
        };
        Some((reason, signals))
    })))
}
