//! What happens to a deploy on a real cluster when its process dies, is stopped, meets another one, or
//! loses the API server or etcd: promises "crash", "exclusion" and "end", by the real binary.
//!
//! ```text
//! sandbox/sandbox up && cargo test --features sandbox --test faults -- --nocapture
//! WESAGO_FAULTS_FULL=1   50 kills of the whole forum, and a process stopped for two minutes: hours
//! WESAGO_FAULTS_KILLS=5  so many kills of the whole forum, and nothing else
//! WESAGO_FAULTS_SEED=7   the same random moments again
//! ```
//!
//! One story after the other, since there is one cluster. The namespaces of both plans are removed first.

#![expect(clippy::print_stdout, reason = "this crate is a test")]

mod cluster;
mod kills;
mod outages;
mod run;
#[path = "../sandbox/mod.rs"]
mod sandbox;
#[path = "../forum/story.rs"]
#[expect(unused_imports, reason = "the forum's story waits for more")]
mod story;
mod subject;
mod together;

use story::{Stopwatch, step};
use subject::Subject;

/// Returns a number from the environment.
#[expect(clippy::disallowed_methods, reason = "how much is tried, and when, is said by the environment")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn a_deploy_survives_what_happens_to_it() {
    let watch = Stopwatch::start();
    if let Some(times) = variable("WESAGO_FAULTS_KILLS").and_then(|times| u32::try_from(times).ok()) {
        return kills::of_the_forum(times);
    }
    let is_full = variable("WESAGO_FAULTS_FULL").is_some_and(|full| full != 0);
    let mut small = Subject::small();
    step("an earlier story is cleared away", || cluster::clear_away(small.namespace));
    let usual = step("a deploy that nothing happens to", || small.deploy_in_peace());
    kills::again_and_again(&mut small, 3, usual);
    together::two_at_once(&mut small);
    outages::of("apiserver", &mut small);
    outages::of("etcd", &mut small);
    together::one_is_stopped(&mut small, if is_full { 120 } else { 0 });
    step("nothing is left", || small.tear_down());
    if is_full {
        kills::of_the_forum(50);
    }
    println!("all faults: {:.0} s", watch.elapsed().as_secs_f64());
}
