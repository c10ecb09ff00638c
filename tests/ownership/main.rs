//! What a plan owns, on the sandbox's real cluster and by the real binary: its history, what a rollback
//! brings back and leaves alone, and what a teardown leaves.
//!
//! ```text
//! sandbox/sandbox up && cargo test --features sandbox --test ownership -- --nocapture
//! ```
//!
//! The plan's namespace is removed first, and made as somebody else's: it stays whatever is torn down.

#![expect(clippy::print_stdout, reason = "this crate is a test")]

mod cluster;
mod history;
mod program;
#[path = "../sandbox/mod.rs"]
#[expect(dead_code, reason = "the tests of the forum and of the verdicts look at more")]
mod sandbox;
#[path = "../forum/story.rs"]
#[expect(unused_imports, reason = "the forum's story waits for more")]
mod story;

#[test]
fn what_was_deployed_can_be_brought_back() {
    history::play();
}
