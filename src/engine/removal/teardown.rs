//! Teardown: the DAG turned round. What needs others goes first, and only when it is really gone follows
//! what it needed. Data stays unless it is asked for: volumes, generated Secrets, the Namespace.

use std::collections::BTreeMap;

use super::{
    Facts, Fate, Group, Keep, Removal, Victim, fate, fate_of_labelled, instances, is_ours, kept_claims,
    makes_claims, mark_kept_claims, victim, volume_claims,
};
use crate::cluster::Propagation;
use crate::engine::EngineError;
use crate::engine::history;
use crate::engine::retry::Tools;
use crate::engine::session::{self, Session, ask, namespace_ref, resource};
use crate::history::Found;
use crate::object::{Object, ObjectRef, Uid};
use crate::plan::{Plan, StageIdx};

/// Works out what a teardown would do. Writes nothing.
pub(in crate::engine) async fn work_out(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    delete_data: bool,
) -> Result<Removal, EngineError> {
    let stage_of: BTreeMap<ObjectRef, usize> =
        plan.objects().map(|(stage, object)| (object.reference(), stage.0)).collect();
    let inventory = &session.inventory;
    let mut groups = groups(plan);
    let beside = plan.stages().len();
    let claims = claims(tools, session, plan, &stage_of).await?;
    let mut facts = Facts { delete_data, ..Facts::default() };
    let goes = |object: &Object| {
        is_ours(session, object) && fate_of_labelled(inventory, object, &facts) == Fate::Goes
    };
    facts.instances = instances(tools, session, session.live.values(), goes).await?;
    let namespace = namespace_ref(plan.namespace());
    let found = session.live.values().map(|object| (object, stage_of.get(&object.reference()).copied()));
    for (object, stage) in found.chain(claims.iter().map(|(object, stage)| (object, *stage))) {
        let name = object.reference();
        // The plan's own namespace goes after everything else: the lock lies in it.
        let stage = stage.filter(|_| name != namespace).unwrap_or(beside);
        let is_ours = is_ours(session, object);
        let fate = if is_ours { fate_of_labelled(inventory, object, &facts) } else { fate(object, &facts) };
        groups[stage].victims.extend(victim(session, object, fate)?);
    }
    if !groups.iter().flat_map(|group| &group.victims).any(|victim| victim.object == namespace) {
        let resource = resource(&session.catalog, &namespace.group_kind())?;
        let get = || tools.cluster.get(resource, &namespace);
        if let Some(live) = ask(tools, &format!("get {namespace}"), get).await? {
            groups[beside].victims.extend(victim(session, &live, fate(&live, &facts))?);
        }
    }
    groups[beside].victims.extend(revisions(tools, session, plan, delete_data).await?);
    let order = plan.order().iter().rev().map(|stage| stage.0).chain([beside]).collect();
    // Where volumes stay anyway nobody needs to know which are found.
    let is_gone = |member: &&ObjectRef| {
        delete_data && !stage_of.contains_key(*member) && !session.live.contains_key(*member)
    };
    let gone = inventory.members().map(|(member, _)| member).filter(is_gone).cloned().collect();
    let goes = |set: &&Object| {
        delete_data && makes_claims(set) && fate_of_labelled(inventory, set, &facts) == Fate::Goes
    };
    let sets = session.live.values().filter(goes).cloned().collect();
    Ok(Removal { groups, order, gone, sets, delete_data })
}

/// Marks what only the objects that have left the plan lead to: a later teardown finds it by that.
pub(in crate::engine) async fn mark_left_claims(
    tools: &Tools,
    session: &Session,
    removal: &Removal,
) -> Result<(), EngineError> {
    let beside = removal.groups.iter().filter(|group| group.stage.is_none());
    mark_kept_claims(tools, session, beside.flat_map(|group| &group.victims)).await
}

/// Returns the plan's revisions: they go with the data, else the newest stands for all that stay.
async fn revisions(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    delete_data: bool,
) -> Result<Vec<Victim>, EngineError> {
    let found = match history::list(tools, &session.catalog, plan).await {
        // What we may not see stays.
        Err(EngineError::Request { error, .. }) if error.is_forbidden() && !delete_data => Vec::new(),
        answer => answer?,
    };
    let count = found.len();
    let shown = if delete_data { 0 } else { count.saturating_sub(1) };
    let victim = |found: Found| {
        let resource = resource(&session.catalog, &found.object.group_kind())?.clone();
        let fate = if delete_data { Fate::Goes } else { Fate::Stays(Keep::History { count }) };
        Ok(Victim { object: found.object, uid: found.uid, resource, fate })
    };
    found.into_iter().skip(shown).map(victim).collect()
}

/// Returns an empty group per stage, and one for what belongs to none: it waits for all of them, since it
/// may be what they stand on.
fn groups(plan: &Plan) -> Vec<Group> {
    let of_stage = |(index, stage): (usize, &crate::plan::Stage)| Group {
        stage: Some(stage.id.clone()),
        waits_for: plan.dependents(StageIdx(index)).to_vec(),
        deadline: Some(stage.deadline),
        victims: Vec::new(),
    };
    let mut groups: Vec<Group> = plan.stages().iter().enumerate().map(of_stage).collect();
    let waits_for = (0..groups.len()).map(StageIdx).collect();
    groups.push(Group { waits_for, ..Group::default() });
    groups
}

/// Returns the claims that StatefulSets of the plan, and of ours that have left it, have made, those that are
/// gone by now among them.
async fn claims(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    stage_of: &BTreeMap<ObjectRef, usize>,
) -> Result<Vec<(Object, Option<usize>)>, EngineError> {
    let planned = plan.objects().map(|(stage, set)| (set, Some(stage.0)));
    let left = session.live.values().filter(|object| !stage_of.contains_key(&object.reference()));
    let mut claims = BTreeMap::new();
    for (set, stage) in planned.chain(left.map(|set| (set, None))) {
        let found = volume_claims(tools, session, set).await?;
        claims.extend(found.into_iter().map(|claim| (claim.reference(), (claim, stage))));
    }
    for claim in kept_claims(tools, session, plan).await? {
        claims.entry(claim.reference()).or_insert((claim, None));
    }
    Ok(claims.into_values().collect())
}

/// Ends a teardown: brings the inventory up to date, or removes it when nothing is left, and returns what
/// should be gone and is not.
pub(in crate::engine) async fn close(
    tools: &Tools,
    session: &mut Session,
    plan: &Plan,
    removal: &Removal,
) -> Result<Vec<ObjectRef>, EngineError> {
    let scopes = session::scopes(&session.catalog, plan, &session.inventory);
    let listings = session::list_all(tools, &scopes).await?;
    let mut present: BTreeMap<ObjectRef, Option<Uid>> = listings
        .into_iter()
        .flat_map(|listing| listing.objects)
        .map(|object| (object.reference(), object.uid()))
        .collect();
    // The proof that nothing is left is about the history, too, where that was to go.
    if removal.delete_data {
        let revisions = history::list(tools, &session.catalog, plan).await?;
        present.extend(revisions.into_iter().map(|found| (found.object, Some(found.uid))));
    }
    let members: Vec<ObjectRef> = session.inventory.members().map(|(member, _)| member.clone()).collect();
    for member in members.iter().filter(|member| !present.contains_key(*member)) {
        session.inventory.forget(member);
    }
    for victim in removal.victims() {
        if matches!(&victim.fate, Fate::Stays(keep) if !keep.is_member()) {
            session.inventory.forget(&victim.object);
        }
    }
    let parent = session.inventory.parent();
    let maps = resource(&session.catalog, &parent.group_kind())?;
    // With its namespace gone, or never there, the inventory is gone too.
    let found = ask(tools, &format!("get {parent}"), || tools.cluster.get(maps, &parent)).await?;
    if let Some(uid) = found.and_then(|found| found.uid()) {
        if session.inventory.is_empty() {
            let request = format!("delete {parent}");
            let send = || tools.cluster.delete(maps, &parent, &uid, Propagation::Background);
            let deleted = tools.persist_write(&request, send).await;
            deleted.map_err(|error| EngineError::request(request, error))?;
        } else {
            session.save_inventory(tools).await?;
        }
    }
    let left = removal.victims().filter(|victim| {
        victim.fate == Fate::Goes
            && present.get(&victim.object).is_some_and(|uid| uid.as_ref() == Some(&victim.uid))
    });
    Ok(left.map(|victim| victim.object.clone()).collect())
}
