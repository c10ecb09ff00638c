//! What comes before the DAG of a deploy: the cluster is read, the plan is checked against it, what will be
//! done is told, and only then come the first writes, the inventory's superset and the generated Secrets.

use std::collections::{BTreeMap, BTreeSet};

use futures::Stream;
use jiff::Timestamp;

use super::autoscaling::prepare_beside;
use super::diff::expected;
use super::foresee::foresee;
use super::history::not_undone;
use super::idle::idle;
use super::prepare::{Basis, Prepared};
use super::redactor::Redactor;
use super::retry::Tools;
use super::run::Run;
use super::secrets::{self, SecretSources, Secrets};
use super::session::Session;
use super::{DeployOptions, Emitter, Engine, EngineError, adopt, preflight};
use crate::cluster::Catalog;
use crate::event::{CancelReason, EventKind, Finding, Forecast};
use crate::object::{Change, Object, ObjectRef};
use crate::plan::Plan;

/// What is known before the DAG is gone through.
pub(super) struct Beginning {
    /// The cluster as it was.
    pub session: Session,
    /// The objects of every stage.
    pub prepared: Vec<Vec<Prepared>>,
    /// What was done to the generated Secrets.
    pub changes: Vec<(ObjectRef, Change)>,
    /// Masks the Secrets' values.
    pub redactor: Redactor,
}

/// How often the cluster is read anew because somebody else wrote the plan's Secrets meanwhile.
const READINGS: usize = 5;

/// What the first writes came to.
enum Commit {
    /// Everything is there that must be there before the first object of a stage.
    Done(Box<Beginning>),
    /// Somebody else has written a generated Secret since it was read.
    Overtaken,
}

/// What was read, before anything is written.
struct Reading {
    session: Session,
    prepared: Vec<Vec<Prepared>>,
    secrets: Secrets,
    forecast: Forecast,
}

impl Engine {
    /// Does everything that comes before the DAG; `None` after an interrupt. Where there is nothing to write
    /// the plan is not checked: it works already.
    pub(super) async fn begin(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        sources: &dyn SecretSources,
        catalog: Catalog,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        emitter: &mut Emitter<'_>,
    ) -> Result<Option<Beginning>, EngineError> {
        let tools = run.tools();
        for _ in 0..READINGS {
            let reading = read(&tools, plan, options, sources, catalog.clone(), self.clock.now());
            let Some(reading) = run.attend(reading, emitter).await? else { return Ok(None) };
            let Reading { session, prepared, secrets, forecast } = reading;
            let has_work = !secrets.missing.is_empty() || prepared.iter().flatten().any(Prepared::is_sent);
            if has_work && !run.is_checked {
                let known = preflight::known(&session);
                if !check(plan, &session.catalog, known, run, emitter).await? {
                    return Ok(None);
                }
            }
            if options.rollback.is_some()
                && let Some(message) = not_undone(plan, &session, &prepared)
            {
                emitter.emit(EventKind::Warned { message });
            }
            if foresee(forecast, options, run, emitter).await?.is_none() {
                return Ok(None);
            }
            let commit = commit(&tools, plan, session, prepared, secrets);
            match run.attend(commit, emitter).await? {
                None => return Ok(None),
                Some(Commit::Done(beginning)) => return Ok(Some(*beginning)),
                // What the pods will read is not what was reckoned with: all of it is looked at anew.
                Some(Commit::Overtaken) => {}
            }
        }
        Err(EngineError::SecretsInMotion)
    }
}

async fn read(
    tools: &Tools,
    plan: &Plan,
    options: &DeployOptions,
    sources: &dyn SecretSources,
    catalog: Catalog,
    now: Timestamp,
) -> Result<Reading, EngineError> {
    let mut session = Session::read(tools, plan, catalog).await?;
    let idle = idle(plan, &session, options, now);
    if idle.is_none() {
        session = session.confirmed(tools, plan).await?;
    }
    let adopted = adopt::find(tools, &session, plan, &options.adopt).await?.unless_strangers()?;
    let (secrets, prepared) = match idle {
        Some(prepared) => (secrets::read(tools, &session, plan, sources).await?, prepared),
        None => decide(tools, &session, plan, options, adopted, sources).await?,
    };
    let forecast = expected(tools, plan, options, &session, &prepared, &secrets).await?;
    Ok(Reading { session, prepared, secrets, forecast })
}

/// Works out what a deploy writes, given what it takes over.
pub(super) async fn decide(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    options: &DeployOptions,
    adopted: BTreeSet<ObjectRef>,
    sources: &dyn SecretSources,
) -> Result<(Secrets, Vec<Vec<Prepared>>), EngineError> {
    let secrets = secrets::read(tools, session, plan, sources).await?;
    let basis = Basis { options: options.clone(), adopted, ..Basis::of_plan(plan) };
    let prepared = prepare_beside(tools, session, plan, &secrets.contents, basis).await?;
    Ok((secrets, prepared))
}

/// Checks a plan against its cluster, once a run, and tells what is found; false when it was interrupted.
///
/// # Errors
/// [`EngineError::Preflight`] when there is an error among the findings.
pub(super) async fn check(
    plan: &Plan,
    catalog: &Catalog,
    known: BTreeMap<ObjectRef, Option<Object>>,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    emitter: &mut Emitter<'_>,
) -> Result<bool, EngineError> {
    let tools = run.tools();
    let examine = async { Ok(preflight::examine(&tools, plan, catalog, known).await) };
    let Some(checkup) = run.attend(examine, emitter).await? else { return Ok(false) };
    for finding in &checkup.findings {
        emitter.emit(EventKind::PreflightFound(finding.clone()));
    }
    let errors: Vec<_> = checkup.findings.into_iter().filter(Finding::is_error).collect();
    run.is_checked = true;
    if errors.is_empty() { Ok(true) } else { Err(EngineError::Preflight { errors }) }
}

/// Writes what must be there before the first object of a stage.
async fn commit(
    tools: &Tools,
    plan: &Plan,
    mut session: Session,
    prepared: Vec<Vec<Prepared>>,
    secrets: Secrets,
) -> Result<Commit, EngineError> {
    let mut changes = Vec::new();
    let redactor = Redactor::of(&secrets.contents);
    let wanted = prepared.iter().flatten().map(|prepared| prepared.wanted.reference());
    let made = secrets.missing.iter().map(|(object, _)| object.reference());
    let members: Vec<_> = wanted.chain(made).collect();
    // Superset first: whatever is written from here on is already known to be ours.
    let mut is_new = members.iter().any(|member| !session.inventory.contains(member));
    for member in members {
        session.inventory.announce(member);
    }
    // Of what is written from here on the inventory must not say that it holds what it held.
    for sent in prepared.iter().flatten().filter(|prepared| prepared.is_sent()) {
        is_new |= session.inventory.doubt(&sent.wanted.reference());
    }
    session.note_depths(plan);
    if is_new {
        session.save_inventory(tools).await?;
    }
    for missing in &secrets.missing {
        if !secrets::write(tools, &mut session, missing).await? {
            return Ok(Commit::Overtaken);
        }
        let (object, change) = missing;
        changes.push((object.reference(), *change));
    }
    changes.extend(secrets.complete.into_iter().map(|name| (name, Change::Unchanged)));
    Ok(Commit::Done(Box::new(Beginning { session, prepared, changes, redactor })))
}
