//! What a look at the cluster comes to, and the one way to wait for something, which is always bounded.

use std::time::{Duration, Instant};

/// What a step comes to; the error says what was seen instead of what was wanted.
pub(crate) type Seen<T = ()> = Result<T, String>;

/// Fails a step with a message when a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// How long to leave the cluster alone between two looks at it.
const PAUSE: Duration = Duration::from_millis(250);

/// Measures real time: these tests are about how long real things take.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    #[expect(clippy::disallowed_methods, reason = "an end-to-end test measures real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Looks again and again until there is a value, at most for `limit`. `look` returns `Ok(Err(seen))` while
/// the thing is not there yet and `Err` when it can never be.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Seen<Result<T, String>>,
) -> Seen<T> {
    let watch = Stopwatch::start();
    loop {
        match look()? {
            Ok(value) => return Ok(value),
            Err(seen) if watch.elapsed() > limit => {
                return Err(format!("no {what} within {} s; last seen: {seen}", limit.as_secs()));
            }
            Err(_) => pause(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process there is nothing to wait on"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
