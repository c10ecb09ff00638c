//! What is there, and is it ready? The plan held against the cluster, without a write.

use jiff::Timestamp;
use serde::Serialize;

use super::retry::Tools;
use super::session::Session;
use super::{EngineError, secrets};
use crate::object::ObjectRef;
use crate::plan::{Plan, StageId};
use crate::readiness::{Readiness, Receipt, Sight, assess};

/// One object of the plan, or of the inventory, as it is in the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusRow {
    /// Its stage; `None` for what the plan itself needs and for what has left the plan.
    pub stage: Option<StageId>,
    /// The object.
    pub object: ObjectRef,
    /// What it is.
    pub readiness: Readiness,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// What a reader should know beside, such as "no longer in the plan".
    pub note: Option<String>,
}

/// Returns a row per object: those of the plan in its order, then what the plan owns beside them.
pub(super) async fn survey(
    tools: &Tools,
    plan: &Plan,
    now: Timestamp,
) -> Result<Vec<StatusRow>, EngineError> {
    let catalog = Session::discover(tools).await?;
    let plan = &super::settled(plan, &catalog);
    let session = Session::read(tools, plan, catalog).await?;
    let mut rows = Vec::new();
    for (index, object) in plan.objects() {
        let id = plan.stage(index).id.clone();
        rows.push(row(&session, Some(id), object.reference(), now, None));
    }
    for spec in plan.secrets() {
        let name = secrets::reference(plan.namespace(), spec);
        rows.push(row(&session, None, name, now, Some("generated".to_owned())));
    }
    for (member, _) in session.inventory.members() {
        if !rows.iter().any(|row| row.object == *member) {
            rows.push(row(&session, None, member.clone(), now, Some("no longer in the plan".to_owned())));
        }
    }
    Ok(rows)
}

fn row(
    session: &Session,
    stage: Option<StageId>,
    object: ObjectRef,
    now: Timestamp,
    note: Option<String>,
) -> StatusRow {
    let live = session.live.get(&object);
    let readiness = live
        // Of an object nobody has just written, what it is now is the floor.
        .and_then(|live| Some((live, Receipt::of(live, false, now)?)))
        .map_or(Readiness::NotFound, |(live, receipt)| {
            assess(Sight::Present(live), &receipt, &session.surroundings, now).readiness
        });
    let created_at = live.and_then(|live| live.text("/metadata/creationTimestamp").parse().ok());
    StatusRow { stage, object, readiness, created_at, note }
}
