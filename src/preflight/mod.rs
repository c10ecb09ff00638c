//! L3: what can be known before anything is written: a plan held against itself and against what a cluster
//! says of itself. Pure: the engine asks the [`Questions`], here the answers are judged.
//!
//! ```text
//! plan ─▶ Questions::of ─▶ (engine asks) ─▶ Facts ─▶ Questions::then ─▶ (engine asks) ─▶ judge ─▶ Findings
//! ```
//!
//! An error is told only on evidence: the deploy fails, or what it makes cannot do what the plan says. What
//! may work all the same is a warning, and so is what could not be checked.
//!
//! ```text
//! versions      is the server too old or too new; does it serve what the manifests are written in
//! rights        may this user send what the plan needs
//! uses          what each object uses of others
//! references    is it there; order: is it written before
//! services      selectors and ports; Ingress backends
//! storage       storage classes, access modes
//! ingress       IngressClasses and their controllers
//! quota         is it allowed (counted: what a quota counts);  capacity: is there room
//! pod_security  does the namespace's level allow the pods
//! ```

mod capacity;
mod counted;
mod facts;
mod ingress;
mod order;
mod pod_security;
mod questions;
mod quota;
mod references;
mod rights;
mod services;
mod storage;
#[cfg(test)]
mod tests;
mod uses;
mod versions;
mod workloads;

use std::collections::BTreeSet;

pub use facts::{Answer, Facts, List, Served};
pub use questions::Questions;

use crate::event::{Check, Finding};
use crate::plan::Plan;

/// Returns what a plan alone shows to be wrong, in the order of the errors first; `facts` are not needed.
pub fn references(plan: &Plan) -> Vec<Finding> {
    let mut findings = order::check(plan);
    findings.extend(references::inside(plan));
    findings.extend(services::check(plan));
    sorted(plan, findings)
}

/// Returns everything found about a plan and the cluster it is meant for, errors first.
pub fn judge(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = references(plan);
    findings.extend(references::outside(plan, facts));
    findings.extend(services::outside(plan, facts));
    findings.extend(versions::check(plan, facts));
    findings.extend(rights::check(plan, facts));
    findings.extend(storage::check(plan, facts));
    findings.extend(ingress::check(plan, facts));
    findings.extend(quota::check(plan, facts));
    findings.extend(capacity::check(plan, facts));
    findings.extend(pod_security::check(plan, facts));
    sorted(plan, findings)
}

/// Returns what is good to know of a cluster for this plan, and is neither right nor wrong: one line each.
pub fn remarks(plan: &Plan, facts: &Facts) -> Vec<String> {
    let mut remarks = versions::remarks(facts);
    remarks.extend(capacity::remarks(facts));
    remarks.extend(storage::remarks(plan, facts));
    remarks.extend(ingress::remarks(plan, facts));
    remarks
}

/// Adds the places, and puts errors first, each once, then by check and object.
fn sorted(plan: &Plan, findings: Vec<Finding>) -> Vec<Finding> {
    let placed = findings.into_iter().map(|finding| {
        let place = finding.object.as_ref().and_then(|object| plan.place(object));
        Finding { place: place.map(crate::problem::Place::file_line), ..finding }
    });
    placed.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns the warning that a check could not be made.
fn unchecked(check: Check, why: &str) -> Finding {
    Finding::warning(check, format!("could not be checked: {why}"))
}
