//! The steps of the story: each has a name, is timed, and prints what was seen when it fails.

use crate::cluster;
pub(crate) use crate::sandbox::seen::{Seen, Stopwatch, ensure, wait_for};

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
