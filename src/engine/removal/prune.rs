//! Prune: what has left the plan goes after everything else has succeeded, the deepest of its former stages
//! first. An object that is not a member of the set, or has lost its label, is not ours to remove.

use std::collections::BTreeSet;

use futures::Stream;

use super::late::settle_late_claims;
use super::left::{Left, Live, depth, grouped, in_use, left};
use super::remove::remove;
use super::{
    Facts, Fate, Removal, fate, fate_of_labelled, instances, is_ours, makes_claims, mark_kept_claims,
    still_there, victim, volume_claims,
};
use crate::cluster::Scope;
use crate::engine::EngineError;
use crate::engine::emitter::Emitter;
use crate::engine::options::DeployOptions;
use crate::engine::retry::Tools;
use crate::engine::run::Run;
use crate::engine::session::{Session, ask, list_all};
use crate::event::{CancelReason, EventKind, Verdict};
use crate::object::{GroupKind, Object, ObjectRef, settles_at_once};
use crate::plan::Plan;

/// Removes what has left the plan, after everything else has succeeded.
pub(in crate::engine) async fn prune(
    plan: &Plan,
    options: &DeployOptions,
    session: &mut Session,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    emitter: &mut Emitter<'_>,
) -> Result<Verdict, EngineError> {
    let tools = run.tools();
    let work_out = async {
        let removal = work_out(&tools, session, &session.live, plan, options.delete_data).await?;
        if removal.is_idle() {
            return Ok(removal);
        }
        // Since the run began minutes may have passed, and whoever took the label off meanwhile wants to keep
        // the object.
        let live = read_anew(&tools, session, plan).await?;
        work_out(&tools, session, &live, plan, options.delete_data).await
    };
    let Some(mut removal) = run.attend(work_out, emitter).await? else { return Ok(run.stopped()) };
    if run.attend(mark_kept_claims(&tools, session, removal.victims()), emitter).await?.is_none() {
        return Ok(run.stopped());
    }
    for message in removal.lost_volumes() {
        emitter.emit(EventKind::Warned { message });
    }
    let outcome = remove(run, &session.catalog, &removal, emitter).await?;
    let mut verdict = outcome.of_prune();
    if removal.is_idle() || outcome.cancelled == Some(CancelReason::SecondInterrupt) {
        return Ok(verdict);
    }
    if verdict.is_success()
        && let Some(late) = settle_late_claims(session, &mut removal, run, emitter).await?
    {
        verdict = late.of_prune();
    }
    let tools = run.closing_tools();
    let left = run.finally(close(&tools, session, &removal), emitter).await?;
    session.tell_warnings(emitter);
    Ok(still_there(verdict, &left))
}

/// Returns true when something may have to be pruned, as far as the run knew when it began.
pub(in crate::engine) fn is_due(plan: &Plan, session: &Session) -> bool {
    left(plan, &session.inventory, &session.live) != Left::default()
}

/// Works out what a deploy of the plan prunes, given the owned objects as they are. Writes nothing.
pub(in crate::engine) async fn work_out(
    tools: &Tools,
    session: &Session,
    live: &Live,
    plan: &Plan,
    delete_data: bool,
) -> Result<Removal, EngineError> {
    let Left { there, gone } = left(plan, &session.inventory, live);
    let doubtful = doubtful(tools, session, &gone).await?;
    let gone = gone.into_iter().filter(|member| !doubtful.contains(&member.group)).collect();
    let mut facts = Facts { delete_data, ..Facts::default() };
    let goes = |object: &Object| {
        let name = object.reference();
        is_ours(session, object)
            && there.iter().any(|left| left.reference() == name)
            && fate_of_labelled(&session.inventory, object, &facts) == Fate::Goes
    };
    facts.instances = instances(tools, session, there.iter().copied(), goes).await?;
    facts.in_use = in_use(plan, &session.inventory, &there, &facts);
    let (mut victims, mut sets) = (Vec::new(), Vec::new());
    for object in there {
        let depth = depth(&session.inventory, object);
        let fate_of_object = fate_of_labelled(&session.inventory, object, &facts);
        if fate_of_object == Fate::Goes {
            sets.extend(makes_claims(object).then(|| object.clone()));
            for claim in volume_claims(tools, session, object).await? {
                victims.push((depth, victim(session, &claim, fate(&claim, &facts))?));
            }
        }
        victims.push((depth, victim(session, object, fate_of_object)?));
    }
    let victims = victims.into_iter().filter_map(|(depth, victim)| Some((depth, victim?)));
    Ok(Removal { sets, delete_data, ..grouped(victims.collect(), gone) })
}

/// Returns the groups whose kinds are not served at the moment and yet may be there: those of an extension
/// server that does not answer. The kinds of a definition are gone when the definition is.
async fn doubtful(
    tools: &Tools,
    session: &Session,
    gone: &[ObjectRef],
) -> Result<BTreeSet<String>, EngineError> {
    let unserved = |member: &&ObjectRef| session.catalog.preferred(&member.group_kind()).is_none();
    let groups: BTreeSet<&String> = gone.iter().filter(unserved).map(|member| &member.group).collect();
    let kind = GroupKind { group: "apiregistration.k8s.io".to_owned(), kind: "APIService".to_owned() };
    let Some(resource) = session.catalog.preferred(&kind).filter(|_| !groups.is_empty()) else {
        return Ok(BTreeSet::new());
    };
    let scope = Scope::all(resource.clone(), None);
    let services = ask(tools, "list apiservices", || tools.cluster.list(&scope)).await?;
    let extended = services.objects.iter().filter(|service| service.get("/spec/service").is_some());
    let extended: BTreeSet<&str> = extended.map(|service| service.text("/spec/group")).collect();
    Ok(groups.into_iter().filter(|group| extended.contains(group.as_str())).cloned().collect())
}

/// Reads anew what may have left the plan.
async fn read_anew(tools: &Tools, session: &Session, plan: &Plan) -> Result<Live, EngineError> {
    let Left { there, gone } = left(plan, &session.inventory, &session.live);
    let names = there.iter().map(|object| object.reference()).chain(gone);
    let scopes = scopes(session, names, |kind| settles_at_once(kind, plan.rules()));
    let listings = list_all(tools, &scopes).await?;
    let objects = listings.into_iter().flat_map(|listing| listing.objects);
    Ok(objects.map(|object| (object.reference(), object)).collect())
}

/// Returns the label-narrowed scopes that hold these objects.
fn scopes(
    session: &Session,
    names: impl Iterator<Item = ObjectRef>,
    metadata_only: impl Fn(&GroupKind) -> bool,
) -> BTreeSet<Scope> {
    let set = session.inventory.id();
    let scope = |name: ObjectRef| {
        let kind = name.group_kind();
        let resource = session.catalog.preferred(&kind)?.clone();
        Some(Scope::owned(resource, name.namespace.as_deref(), &set, metadata_only(&kind)))
    };
    names.filter_map(scope).collect()
}

/// Ends a prune: forgets what is gone by now, saves the inventory, and returns what should be gone and is
/// not.
async fn close(
    tools: &Tools,
    session: &mut Session,
    removal: &Removal,
) -> Result<Vec<ObjectRef>, EngineError> {
    let names = removal.victims().filter(|victim| !matches!(victim.fate, Fate::Stays(_)));
    let scopes = scopes(session, names.map(|victim| victim.object.clone()), |_| true);
    let listings = list_all(tools, &scopes).await?;
    let present: BTreeSet<ObjectRef> =
        listings.iter().flat_map(|listing| &listing.objects).map(Object::reference).collect();
    let mut left = Vec::new();
    for victim in removal.victims() {
        let object = &victim.object;
        match &victim.fate {
            Fate::Stays(keep) if keep.is_member() => {}
            Fate::Goes | Fate::IsLetGo { .. } if present.contains(object) => left.push(object.clone()),
            Fate::Goes | Fate::IsLetGo { .. } | Fate::Stays(_) => session.inventory.forget(object),
        }
    }
    for member in &removal.gone {
        session.inventory.forget(member);
    }
    session.save_inventory(tools).await?;
    Ok(left)
}
