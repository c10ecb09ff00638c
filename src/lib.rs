//! wesago puts a whole application on Kubernetes in the right order, as fast as the cluster allows, and
//! tells the truth about it.
//!
//! A module imports only modules of a lower level; `tests/architecture.rs` is the wall.
//!
//! ```text
//! L0 object clock entropy latest problem arbitrary   objects; time; chance; what many wait for; places in text
//! L1 plan yaml readiness diagnosis difference   the DAG; YAML; is it ready; why not; how do two differ?
//! L2 compose inventory event         plan + manifests + variables; what we own; what happens
//! L3 schedule cluster report preflight history   who may start; the only module that knows kube; views
//!                                    of events; what is wrong before anything is written; revisions
//! L4 engine journal                  the loop: write, observe, settle, remove; the events kept on disk
//! L5 cli                             arguments, context, signals, one command a file, exit codes
//! ```

#[cfg(test)]
mod arbitrary;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod compose;
pub mod diagnosis;
pub mod difference;
pub mod engine;
pub mod entropy;
pub mod event;
pub mod history;
pub mod inventory;
pub mod journal;
pub mod latest;
pub mod object;
pub mod plan;
pub mod preflight;
pub mod problem;
pub mod readiness;
pub mod report;
pub mod schedule;
pub mod yaml;
