//! What has left the plan, and in which order it goes. Pure: the prune asks, and so does a diff.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Facts, Fate, Group, Removal, Victim, fate_of_labelled};
use crate::engine::secrets;
use crate::engine::session::namespace_ref;
use crate::inventory::Inventory;
use crate::object::{Object, ObjectRef};
use crate::plan::{Plan, StageIdx};

/// How long the objects of one former depth may take to go.
pub(super) const GOES_WITHIN: Duration = Duration::from_secs(600);

/// Owned objects by name.
pub(super) type Live = BTreeMap<ObjectRef, Object>;

/// What has left the plan.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Left<'a> {
    /// What is still there.
    pub there: Vec<&'a Object>,
    /// Members that are not: nothing is left to do but to forget them.
    pub gone: Vec<ObjectRef>,
}

/// Returns what has left the plan: members of the inventory, and labelled objects that an inventory which
/// was lost would have named. An empty plan says nothing about what should be there: it is a mistake more
/// often than a wish, and `teardown` is the word for the wish.
pub(super) fn left<'a>(plan: &Plan, inventory: &Inventory, live: &'a Live) -> Left<'a> {
    if plan.objects().next().is_none() {
        return Left::default();
    }
    let wanted: BTreeSet<ObjectRef> =
        secrets::wanted(plan).chain([namespace_ref(plan.namespace())]).collect();
    let there = live.iter().filter(|(name, _)| !wanted.contains(*name)).map(|(_, object)| object);
    let members = inventory.members().map(|(member, _)| member);
    let gone = members.filter(|member| !wanted.contains(*member) && !live.contains_key(*member));
    // What a controller made has inherited the label (an EndpointSlice from its Service): no news at all.
    let inherited = |object: &&Object| {
        !inventory.contains(&object.reference()) && object.get("/metadata/ownerReferences").is_some()
    };
    Left { there: there.filter(|object| !inherited(object)).collect(), gone: gone.cloned().collect() }
}

/// Returns the namespaces in which something stays.
pub(super) fn in_use(
    plan: &Plan,
    inventory: &Inventory,
    left: &[&Object],
    facts: &Facts,
) -> BTreeSet<String> {
    let planned = plan.objects().filter_map(|(_, object)| object.namespace());
    let staying = left.iter().filter(|object| fate_of_labelled(inventory, object, facts) != Fate::Goes);
    let staying = staying.filter_map(|object| object.namespace());
    planned.chain(staying).chain([plan.namespace()]).map(str::to_owned).collect()
}

/// Returns how deep in the DAG an object was when it was last written. A Namespace goes last, as does what
/// is remembered without its depth: it may be what the rest stands on.
pub(super) fn depth(inventory: &Inventory, object: &Object) -> Option<u32> {
    if object.kind() == "Namespace" { None } else { inventory.depth(&object.reference()) }
}

/// Makes a chain of groups, the deepest first.
pub(super) fn grouped(victims: Vec<(Option<u32>, Victim)>, gone: Vec<ObjectRef>) -> Removal {
    let mut by_depth: BTreeMap<Option<u32>, Vec<Victim>> = BTreeMap::new();
    for (depth, victim) in victims {
        by_depth.entry(depth).or_default().push(victim);
    }
    let groups: Vec<Group> = by_depth
        .into_values()
        .rev()
        .enumerate()
        .map(|(index, victims)| Group {
            stage: None,
            waits_for: index.checked_sub(1).map(StageIdx).into_iter().collect(),
            deadline: Some(GOES_WITHIN),
            victims,
        })
        .collect();
    Removal { order: (0..groups.len()).collect(), groups, gone, ..Removal::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Left, Live, grouped, left};
    use crate::cluster::Resource;
    use crate::engine::removal::{Fate, Victim};
    use crate::inventory::Inventory;
    use crate::object::{Object, ObjectRef, Uid};
    use crate::plan::{Plan, SecretSpec, Stage, StageId};

    fn map(name: &str) -> Object {
        let metadata = json!({"name": name, "namespace": "shop", "uid": name});
        Object::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})).unwrap()
    }

    fn plan(names: &[&str]) -> Plan {
        let stage = Stage {
            id: StageId::new("one").unwrap(),
            needs: Vec::new(),
            objects: names.iter().map(|name| map(name)).collect(),
            deadline: Duration::from_secs(60),
            checks: Vec::new(),
        };
        let secret = SecretSpec { name: "passwords".into(), keys: Vec::new() };
        Plan::new("shop", "shop", vec![stage]).unwrap().with_secrets(vec![secret])
    }

    fn inventory(members: &[ObjectRef]) -> Inventory {
        let mut inventory = Inventory::new("shop", "shop");
        for member in members {
            inventory.announce(member.clone());
        }
        inventory
    }

    fn live(objects: &[Object]) -> Live {
        objects.iter().map(|object| (object.reference(), object.clone())).collect()
    }

    #[test]
    fn what_is_in_the_inventory_and_not_in_the_plan_has_left_it() {
        let members = ["kept", "left", "vanished"].map(|name| map(name).reference());
        let live = live(&[map("kept"), map("left")]);
        let found = left(&plan(&["kept"]), &inventory(&members), &live);
        assert_eq!(found.there, [&map("left")]);
        assert_eq!(found.gone, [map("vanished").reference()]);
    }

    #[test]
    fn nothing_has_left_an_unchanged_plan() {
        let mut secret = map("passwords").into_value();
        secret["kind"] = "Secret".into();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let [secret, namespace] = [secret, namespace].map(|value| Object::new(value).unwrap());
        let live = live(&[map("kept"), secret.clone(), namespace.clone()]);
        let members = [map("kept").reference(), secret.reference(), namespace.reference()];
        assert_eq!(left(&plan(&["kept"]), &inventory(&members), &live), Left::default());
    }

    #[test]
    fn an_empty_plan_prunes_nothing() {
        let members = [map("left").reference()];
        assert_eq!(left(&plan(&[]), &inventory(&members), &live(&[map("left")])), Left::default());
    }

    #[test]
    fn a_lost_inventory_loses_no_labelled_object() {
        let mut inherited = map("slice").into_value();
        inherited["metadata"]["ownerReferences"] =
            json!([{"kind": "Service", "name": "web", "controller": true}]);
        let live = live(&[map("left"), Object::new(inherited).unwrap()]);
        assert_eq!(left(&plan(&["kept"]), &inventory(&[]), &live).there, [&map("left")]);
    }

    #[test]
    fn the_deepest_go_first_and_the_unknown_last() {
        let victim = |name: &str| Victim {
            object: map(name).reference(),
            uid: Uid(name.into()),
            resource: Resource {
                group: String::new(),
                version: "v1".into(),
                kind: "ConfigMap".into(),
                plural: "configmaps".into(),
                namespaced: true,
            },
            fate: Fate::Goes,
        };
        let victims =
            [(Some(0), "base"), (None, "unknown"), (Some(2), "web"), (Some(2), "worker"), (Some(1), "db")];
        let removal = grouped(victims.map(|(depth, name)| (depth, victim(name))).into(), Vec::new());
        let order: Vec<&str> = removal.fates().map(|(object, _)| object.name.as_str()).collect();
        assert_eq!(order, ["web", "worker", "db", "base", "unknown"]);
        let waits: Vec<Vec<usize>> =
            removal.groups.iter().map(|group| group.waits_for.iter().map(|at| at.0).collect()).collect();
        assert_eq!(waits, [vec![], vec![0], vec![1], vec![2]]);
    }
}
