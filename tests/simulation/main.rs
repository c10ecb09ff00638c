//! The simulated world: the real engine and the real client over an API server in memory, with
//! controllers, faults and a clock that stands still until all have done their work. One seed is one
//! story; the oracle holds it against the promises of the program.
//!
//! The same seed is the same story to the letter: one thread a world, tokio's paused clock, seeded noise, no
//! `select!` that is not `biased`, and no `tokio::sync::watch` with several who wait (`wesago::latest` says why).
//!
//! - `WESAGO_SIM_SEEDS=2000 cargo test --test simulation` lives through so many stories, and `-- --nocapture` counts
//!   the faults in them; `WESAGO_SIM_FIRST` is the first seed, `WESAGO_SIM_STOP_AFTER` how many broken ones are enough;
//! - `WESAGO_SIM_SEED=7 cargo test --test simulation every -- --nocapture` replays one and prints all that happened;
//! - `cargo test --features sandbox --test simulation conformance` holds the simulated server to a real one;
//! - `process` runs the real binary against the simulated server, with real signals and real time;
//! - `scenes` are stories written by hand: somebody else owns something, or a field cannot change;
//! - `tests/simulation/mutations` breaks the program on purpose and shows which of it is noticed;
//! - a seed that once failed stands in `seeds.txt` and is always run.

#[cfg(test)]
mod api_server;
#[cfg(test)]
mod causes;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod controllers;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod deadline;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod deployer;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod foreseen;
#[cfg(test)]
mod foresight;
#[cfg(test)]
mod hands;
#[cfg(test)]
mod held;
#[cfg(test)]
mod history;
#[cfg(test)]
mod home;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod liberties;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod many;
#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod network;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod process;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reaction;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod stopped;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod volumes;
#[cfg(test)]
mod weather;
#[cfg(test)]
mod world;
