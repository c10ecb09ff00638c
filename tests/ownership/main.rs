//! What a plan owns, on the sandbox's real cluster and by the real binary: which objects are its own, how it
//! is known that nothing is to do, what a diff foresees, whose a field is, what goes and what stays, what
//! somebody else has changed, and how an earlier revision comes back.
//!
//! ```text
//! sandbox/sandbox up && cargo test --features sandbox --test ownership -- --nocapture
//! ```
//!
//! Each story has a namespace of its own, which is removed first and made as somebody else's: it stays
//! whatever is torn down.

#![expect(clippy::print_stdout, reason = "this crate is a test")]

mod cluster;
mod conflicts;
mod drift;
mod foresight;
mod history;
mod immutable;
mod place;
mod program;
mod proof;
mod removal;
#[path = "../sandbox/mod.rs"]
mod sandbox;
mod sets;
#[path = "../forum/story.rs"]
#[expect(unused_imports, reason = "the forum's story waits for more")]
mod story;

#[test]
fn what_was_deployed_can_be_brought_back() {
    history::play();
}
