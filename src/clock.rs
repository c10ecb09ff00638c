//! L0: time. The wall clock is read once, at the start (`cli::context`); from then on wall time is the
//! start plus what tokio's clock says has passed. A step of the system clock cannot bend a run, and a
//! paused clock makes a simulated one repeatable.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The time of a run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started_at: Timestamp,
    origin: Instant,
}

impl Clock {
    /// Returns a clock that reads `now` at this moment.
    pub fn starting_at(now: Timestamp) -> Self {
        Self { started_at: now, origin: Instant::now() }
    }

    /// Returns the wall time.
    pub fn now(&self) -> Timestamp {
        self.started_at.saturating_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// Returns the time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Returns the moment on tokio's clock that lies `after` the start of the run.
    pub fn instant(&self, after: Duration) -> Instant {
        self.origin + after
    }
}
