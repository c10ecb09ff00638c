//! Is there anything to do at all? Told from what was read, before anything further is asked. Pure.

use jiff::Timestamp;

use super::options::DeployOptions;
use super::prepare::{Basis, Prepared, Todo, prepare};
use super::session::Session;
use super::{removal, secrets};
use crate::object::Object;
use crate::plan::Plan;
use crate::readiness::{Moment, Readiness, Receipt, Sight, assess};

/// Returns what is prepared of every object when it proves that a deploy has nothing to write, nothing to wait for
/// and nothing to prune: the plan's checks are all that is left. `None` when there may be something to do.
pub(super) fn idle(
    plan: &Plan,
    session: &Session,
    options: &DeployOptions,
    now: Timestamp,
) -> Option<Vec<Vec<Prepared>>> {
    // Cheap, and the answer of every first deploy.
    let is_there = |object: &Object| session.live.contains_key(&object.reference());
    if !plan.objects().all(|(_, object)| is_there(object)) || removal::is_due(plan, session) {
        return None;
    }
    let secrets = secrets::listed(session, plan)?;
    let basis = Basis { options: options.clone(), ..Basis::of_plan(plan) };
    let prepared = prepare(plan, session, &secrets, &basis);
    prepared.iter().flatten().all(|prepared| is_done(prepared, session, now)).then_some(prepared)
}

fn is_done(prepared: &Prepared, session: &Session, now: Timestamp) -> bool {
    let Some(live) = prepared.live.as_ref().filter(|_| prepared.todo == Todo::Nothing) else { return false };
    let assessed = Receipt::of(live, false, Moment { ours: now, server: now })
        .map(|receipt| assess(Sight::Present(live), &receipt, &session.surroundings, now));
    assessed.is_some_and(|assessed| matches!(assessed.readiness, Readiness::Current { .. }))
}
