//! Volumes that come late. A StatefulSet that goes may be scaled until it is gone, and so have more claims by then
//! than when the removal was worked out; once it is gone nothing leads to them any more.

use std::collections::BTreeSet;

use futures::Stream;

use super::left::GOES_WITHIN;
use super::remove::{Outcome, remove};
use super::{Facts, Group, Removal, Victim, fate, mark_kept_claims, victim, volume_claims};
use crate::engine::EngineError;
use crate::engine::emitter::Emitter;
use crate::engine::retry::Tools;
use crate::engine::run::Run;
use crate::engine::session::{Session, ask, resource};
use crate::event::CancelReason;
use crate::object::Uid;

/// Does with the claims that have come since what is done with the others: they go, or stay with a mark. Only of a
/// removal that has succeeded, since the claims of a set that is still there are in use. `None` when there are
/// none, or the run was interrupted.
pub(in crate::engine) async fn settle_late_claims(
    session: &Session,
    removal: &mut Removal,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    emitter: &mut Emitter<'_>,
) -> Result<Option<Outcome>, EngineError> {
    if removal.sets.is_empty() || run.cancelled().is_some() {
        return Ok(None);
    }
    let tools = run.tools();
    let work_out = async {
        let victims = late_claims(&tools, session, removal).await?;
        let groups = vec![Group { victims, deadline: Some(GOES_WITHIN), ..Group::default() }];
        let rest = Removal { groups, delete_data: removal.delete_data, ..Removal::default() };
        mark_kept_claims(&tools, session, rest.victims()).await?;
        Ok(rest)
    };
    let Some(rest) = run.attend(work_out, emitter).await? else { return Ok(None) };
    if rest.victims().next().is_none() {
        return Ok(None);
    }
    let outcome = remove(run, &session.catalog, &rest, emitter).await?;
    removal.groups.extend(rest.groups);
    Ok(Some(outcome))
}

/// Returns the claims that sets of a removal have made since it was worked out.
async fn late_claims(
    tools: &Tools,
    session: &Session,
    removal: &Removal,
) -> Result<Vec<Victim>, EngineError> {
    let facts = Facts { delete_data: removal.delete_data, ..Facts::default() };
    let known: BTreeSet<&Uid> = removal.victims().map(|victim| &victim.uid).collect();
    let mut late = Vec::new();
    for set in &removal.sets {
        // Whoever has made it anew meanwhile uses its volumes.
        let (name, resource) = (set.reference(), resource(&session.catalog, &set.reference().group_kind())?);
        if ask(tools, &format!("get {name}"), || tools.cluster.get(resource, &name)).await?.is_some() {
            continue;
        }
        for claim in volume_claims(tools, session, set).await? {
            late.extend(victim(session, &claim, fate(&claim, &facts))?);
        }
    }
    late.retain(|claim| !known.contains(&claim.uid));
    Ok(late)
}
