//! The steps of the story: each has a name, is timed, and prints what was seen when it fails; and the one
//! way to wait for something, which is always bounded.

use std::time::{Duration, Instant};

use crate::cluster;

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

/// Does a step and prints how it went.
///
/// # Panics
/// With what was seen, and with the state of the cluster, when the step fails.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Seen<T>) -> T {
    let watch = Stopwatch::start();
    let result = work();
    let took = watch.elapsed().as_secs_f64();
    match result {
        Ok(value) => {
            println!("step {name} ok ({took:.1} s)");
            value
        }
        Err(seen) => {
            println!("step {name} FAILED ({took:.1} s)\n{seen}\n\n{}", cluster::picture());
            panic!("step {name}: {seen}");
        }
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
