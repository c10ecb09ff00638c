//! What comes before the DAG of a deploy: the cluster is read, the plan is checked against it, what will be
//! done is told, and only then come the first writes, the inventory's superset and the generated Secrets.

use std::collections::BTreeMap;

use futures::Stream;

use super::diff::expected;
use super::foresee::foresee;
use super::prepare::{Prepared, prepare};
use super::retry::Tools;
use super::run::Run;
use super::secrets::{self, SecretSources, Secrets};
use super::session::Session;
use super::{DeployOptions, Emitter, Engine, EngineError, preflight};
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
    #[expect(clippy::too_many_arguments, reason = "a deploy's whole surroundings")]
    pub(super) async fn begin(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        is_checked: bool,
        sources: &dyn SecretSources,
        catalog: Catalog,
        run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
        lost: &mut (impl Future<Output = String> + Unpin),
        emitter: &mut Emitter<'_>,
    ) -> Result<Option<Beginning>, EngineError> {
        let tools = run.tools();
        let reading = read(&tools, plan, options, sources, catalog);
        let Some(reading) = run.attend_held(reading, lost, emitter).await? else { return Ok(None) };
        let Reading { session, prepared, secrets, forecast } = reading;
        let has_work = !secrets.missing.is_empty() || prepared.iter().flatten().any(Prepared::is_written);
        if has_work && !is_checked {
            let known = preflight::known(&session);
            if !check(plan, &session.catalog, known, run, lost, emitter).await? {
                return Ok(None);
            }
        }
        if foresee(forecast, options, run, lost, emitter).await?.is_none() {
            return Ok(None);
        }
        run.attend_held(commit(&tools, plan, session, prepared, secrets), lost, emitter).await
    }
}

async fn read(
    tools: &Tools,
    plan: &Plan,
    options: &DeployOptions,
    sources: &dyn SecretSources,
    catalog: Catalog,
) -> Result<Reading, EngineError> {
    let session = Session::read(tools, plan, catalog).await?;
    let secrets = secrets::read(tools, &session, plan, sources).await?;
    let prepared = prepare(plan, &session, &secrets.contents);
    let forecast = expected(tools, plan, options, &session, &prepared, &secrets).await?;
    Ok(Reading { session, prepared, secrets, forecast })
}

/// Checks a plan against its cluster and tells what is found; false when it was interrupted.
///
/// # Errors
/// [`EngineError::Preflight`] when there is an error among the findings.
pub(super) async fn check(
    plan: &Plan,
    catalog: &Catalog,
    known: BTreeMap<ObjectRef, Option<Object>>,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    lost: &mut (impl Future<Output = String> + Unpin),
    emitter: &mut Emitter<'_>,
) -> Result<bool, EngineError> {
    let tools = run.tools();
    let examine = async { Ok(preflight::examine(&tools, plan, catalog, known).await) };
    let Some(checkup) = run.attend_held(examine, lost, emitter).await? else { return Ok(false) };
    for finding in &checkup.findings {
        emitter.emit(EventKind::PreflightFound(finding.clone()));
    }
    let errors: Vec<_> = checkup.findings.into_iter().filter(Finding::is_error).collect();
    if errors.is_empty() { Ok(true) } else { Err(EngineError::Preflight { errors }) }
}

/// Writes what must be there before the first object of a stage.
async fn commit(
    tools: &Tools,
    plan: &Plan,
    mut session: Session,
    prepared: Vec<Vec<Prepared>>,
    secrets: Secrets,
) -> Result<Beginning, EngineError> {
    let mut changes = Vec::new();
    let wanted = prepared.iter().flatten().map(|prepared| prepared.wanted.reference());
    let made = secrets.missing.iter().map(|(object, _)| object.reference());
    let members: Vec<_> = wanted.chain(made).collect();
    // Superset first: whatever is written from here on is already known to be ours.
    let is_new = members.iter().any(|member| !session.inventory.contains(member));
    for member in members {
        session.inventory.announce(member);
    }
    session.note_depths(plan);
    if is_new {
        session.save_inventory(tools).await?;
    }
    for (object, change) in &secrets.missing {
        secrets::write(tools, &session, object).await?;
        changes.push((object.reference(), *change));
    }
    changes.extend(secrets.complete.into_iter().map(|name| (name, Change::Unchanged)));
    Ok(Beginning { session, prepared, changes })
}
