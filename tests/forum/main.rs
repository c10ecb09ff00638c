//! The whole forum on the sandbox's real cluster, from nothing to nothing, by the real binary: deployed,
//! used through the ingress as people use it, broken, healed, taken down. Nothing here is simulated.
//!
//! ```text
//! sandbox/sandbox up && cargo test --features sandbox --test forum -- --nocapture
//! ```
//!
//! One story, since its steps stand on each other: a second forum beside the first would fight for its
//! host names, and starting anew for each step would take an hour. The cluster is the sandbox's own, which
//! exists to be broken: whatever is in the forum's namespace is deleted first.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "this crate is a test")]

mod browser;
mod chain;
mod cluster;
mod data;
mod deploying;
mod ending;
mod forum;
mod png;
mod program;
#[path = "../sandbox/mod.rs"]
mod sandbox;
mod story;
mod using;

use program::Program;
use story::{Stopwatch, step};

#[test]
fn the_whole_forum_from_nothing_to_nothing() {
    let watch = Stopwatch::start();
    let mut program = Program::new(step("the sandbox's cluster is up", sandbox::command::audit_log));
    deploying::from_nothing(&mut program);
    let mut traces = using::first_visit();
    let secrets = step("the generated secrets", using::generated_secrets);
    data::databases(&mut traces);
    deploying::again(&mut program);
    ending::end(&mut program, &mut traces);
    step("no secret value was ever printed", || program.never_wrote(&secrets));
    println!("the whole story: {:.0} s", watch.elapsed().as_secs_f64());
}
