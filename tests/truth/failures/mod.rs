//! The ways in which a deploy fails, each with the evidence, the time within which the verdict must follow
//! it, and what the verdict must tell.

mod admission;
mod images;
mod jobs;
mod kinds;
mod placement;
mod programs;
mod settings;
mod storage;

use libtest_mimic::Trial;

use crate::trial::Failure;

/// Returns the failure of this name.
pub(crate) fn named(name: &str) -> Option<Failure> {
    groups().into_iter().flat_map(|(_, failures)| failures).find(|failure| failure.name() == name)
}

/// Returns all of them as tests; those that take longest first.
pub(crate) fn all() -> impl Iterator<Item = Trial> {
    groups().into_iter().flat_map(|(group, failures)| {
        failures.into_iter().map(move |failure| {
            Trial::test(format!("{group}::{}", failure.name()), move || Ok(failure.prove()?))
        })
    })
}

fn groups() -> [(&'static str, Vec<Failure>); 8] {
    [
        ("storage", storage::all()),
        ("programs", programs::all()),
        ("placement", placement::all()),
        ("images", images::all()),
        ("admission", admission::all()),
        ("kinds", kinds::all()),
        ("jobs", jobs::all()),
        ("settings", settings::all()),
    ]
}
