//! The sandbox's cluster as the tests on it see it from outside, and the program under test on it. Each test
//! binary that runs there takes this folder in as a module of its own.
//!
//! ```text
//! audit      the API server's audit log: who asked for what, and when it was answered
//! command    the sandbox's command, kubectl included
//! process    one run of the real binary, its events as they come
//! seen       what a look at the cluster comes to, and the one way to wait for something
//! ```

#![expect(dead_code, reason = "each test binary needs a part of it")]

pub(crate) mod audit;
pub(crate) mod command;
pub(crate) mod process;
pub(crate) mod seen;
