//! Removal: what a teardown takes apart, and what a deploy prunes because it has left the plan. Both go
//! the same way: in groups, each of which begins when those that stand on it are really gone.
//!
//! ```text
//! teardown  the stages of the plan, turned round; then what belongs to none
//! prune     what has left the plan, the deepest of its former stages first
//! left      what that is
//! fate      does an object go, stay, or is it let go?
//! rank      which kinds go first inside a group
//! remove    the loop: delete, wait until gone, tell
//! late      volumes that were made while their set was still there
//! stuck     why an object does not go
//! ```

mod fate;
mod late;
mod left;
mod prune;
mod rank;
mod remove;
mod stuck;
mod teardown;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

pub use fate::{Fate, Keep};

pub(super) use late::settle_late_claims;
pub(super) use prune::{is_due, prune, work_out as work_out_prune};
pub(super) use remove::remove;
pub(super) use stuck::Stuck;
pub(super) use teardown::{close, mark_left_claims, work_out};

use super::EngineError;
use super::retry::Tools;
use super::session::{Session, ask, list_all, resource};
use crate::cluster::{Resource, Scope};
use crate::event::Verdict;
use crate::inventory::{Inventory, PART_OF, owned_fields};
use crate::object::{GroupKind, Object, ObjectRef, Uid};
use crate::plan::{Plan, StageId, StageIdx};
use fate::{Facts, fate};

/// The label of a claim whose set was pruned and whose data stayed; its value is the id of our set.
const KEPT_FOR: &str = "wesago/kept-for";

/// One object of a removal.
#[derive(Clone, Debug)]
struct Victim {
    object: ObjectRef,
    uid: Uid,
    resource: Resource,
    fate: Fate,
}

/// Objects that go together.
#[derive(Clone, Debug, Default)]
struct Group {
    /// The stage they belong to, if to one.
    stage: Option<StageId>,
    /// The groups that must be gone first.
    waits_for: Vec<StageIdx>,
    /// How long their end may take.
    deadline: Option<Duration>,
    victims: Vec<Victim>,
}

/// What is removed, and what stays.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    groups: Vec<Group>,
    /// The groups in the order in which a person reads them: what goes first, first.
    order: Vec<usize>,
    /// Members that are neither in the plan nor there: nothing is left to do but to forget them.
    gone: Vec<ObjectRef>,
    /// StatefulSets that go: as long as one is there it can make another claim.
    sets: Vec<Object>,
    /// Data goes, too.
    delete_data: bool,
}

impl Removal {
    /// Returns every object with what happens to it, in the order of the deletion.
    pub fn fates(&self) -> impl Iterator<Item = (&ObjectRef, &Fate)> {
        let groups = self.order.iter().filter_map(|&group| self.groups.get(group));
        groups.flat_map(|group| &group.victims).map(|victim| (&victim.object, &victim.fate))
    }

    /// Returns what the reader must know: of a StatefulSet that is neither in the plan nor there only the name is
    /// left, which does not tell its volumes from those of another set.
    pub(super) fn lost_volumes(&self) -> impl Iterator<Item = String> {
        self.gone.iter().filter(|member| member.kind == "StatefulSet").map(|set| {
            let namespace = set.namespace.as_deref().unwrap_or_default();
            format!(
                "{set} is not in the plan, and it is gone: volumes it has left, if any, are not known and stay; \
                 `kubectl --namespace {namespace} get persistentvolumeclaims` lists them"
            )
        })
    }

    fn victims(&self) -> impl Iterator<Item = &Victim> {
        self.groups.iter().flat_map(|group| &group.victims)
    }

    /// Returns true when nothing is there to delete.
    pub fn is_empty(&self) -> bool {
        !self.fates().any(|(_, fate)| *fate == Fate::Goes)
    }

    /// Returns true when nothing is to be done, not even in the inventory: what there is stays.
    fn is_idle(&self) -> bool {
        let stays = |(_, fate): (&ObjectRef, &Fate)| matches!(fate, Fate::Stays(keep) if keep.is_member());
        self.gone.is_empty() && self.fates().all(stays)
    }
}

/// Returns the verdict of a removal, given what should be gone and is not.
pub(super) fn still_there(verdict: Verdict, left: &[ObjectRef]) -> Verdict {
    if left.is_empty() || !verdict.is_success() {
        return verdict;
    }
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    Verdict::Failed { reason: format!("still there: {}", left.join(", ")) }
}

/// Returns an object as a victim; `None` for one that has no life.
fn victim(session: &Session, object: &Object, fate: Fate) -> Result<Option<Victim>, EngineError> {
    let Some(uid) = object.uid() else { return Ok(None) };
    let resource = resource(&session.catalog, &object.reference().group_kind())?.clone();
    Ok(Some(Victim { object: object.reference(), uid, resource, fate }))
}

/// Counts, for each of the definitions, the objects of its kind that are not among those that go: nobody
/// may erase them by the way (readiness.md 4.1).
async fn instances(
    tools: &Tools,
    session: &Session,
    definitions: impl Iterator<Item = &Object>,
    goes: impl Fn(&Object) -> bool,
) -> Result<BTreeMap<ObjectRef, usize>, EngineError> {
    let mut counts = BTreeMap::new();
    for definition in definitions.filter(|object| object.kind() == "CustomResourceDefinition") {
        let kind = GroupKind {
            group: definition.text("/spec/group").to_owned(),
            kind: definition.text("/spec/names/kind").to_owned(),
        };
        // A kind that is not served has no objects.
        let Some(resource) = session.catalog.preferred(&kind) else { continue };
        let scope = Scope { metadata_only: true, ..Scope::all(resource.clone(), None) };
        let listing =
            match ask(tools, &format!("list {}", resource.plural), || tools.cluster.list(&scope)).await {
                Err(EngineError::Request { error, .. }) if error.is_not_found() => continue,
                answer => answer?,
            };
        let others = listing.objects.iter().filter(|object| !goes(object)).count();
        counts.insert(definition.reference(), others);
    }
    Ok(counts)
}

/// Returns true for an object that carries the label of the plan's set.
fn is_ours(session: &Session, object: &Object) -> bool {
    object.label(PART_OF) == Some(session.inventory.id().as_str())
}

/// Returns what happens to an object that carries our label. One that nobody remembers writing, and that
/// has no entry of ours, is a copy of one of ours: whoever copied it copied the label, too.
fn fate_of_labelled(inventory: &Inventory, object: &Object, facts: &Facts) -> Fate {
    let is_copy = !inventory.contains(&object.reference()) && owned_fields(object).is_none();
    match fate(object, facts) {
        Fate::Goes | Fate::IsLetGo { .. } if is_copy => Fate::Stays(Keep::NeverWritten),
        fate => fate,
    }
}

/// Marks the claims of sets that go and are not in the plan: they stay, and once their set is gone only the mark leads a teardown with
/// `--delete-data` to them. They do not become members: the set may come back, and with it their use.
async fn mark_kept_claims(
    tools: &Tools,
    session: &Session,
    victims: impl Iterator<Item = &Victim>,
) -> Result<(), EngineError> {
    let set = session.inventory.id();
    let is_kept = |victim: &&Victim| {
        matches!(victim.fate, Fate::Stays(Keep::Volume { .. })) && !session.inventory.contains(&victim.object)
    };
    for claim in victims.filter(is_kept) {
        let marked = tools.mark(&claim.resource, &claim.object, &claim.uid, (KEPT_FOR, &set)).await;
        marked.map_err(|error| EngineError::request(format!("mark {}", claim.object), error))?;
    }
    Ok(())
}

/// Returns the claims that stayed when their StatefulSet was pruned, in the namespaces of the plan.
async fn kept_claims(tools: &Tools, session: &Session, plan: &Plan) -> Result<Vec<Object>, EngineError> {
    let mut namespaces: BTreeSet<&str> = [plan.namespace()].into();
    namespaces.extend(plan.objects().filter_map(|(_, object)| object.namespace()));
    namespaces.extend(session.inventory.members().filter_map(|(member, _)| member.namespace.as_deref()));
    let labels = format!("{KEPT_FOR}={}", session.inventory.id());
    list_claims(tools, session, namespaces.into_iter().map(Some), &labels).await
}

/// Returns the claims of these namespaces that a selector of labels selects.
async fn list_claims(
    tools: &Tools,
    session: &Session,
    namespaces: impl Iterator<Item = Option<&str>>,
    labels: &str,
) -> Result<Vec<Object>, EngineError> {
    let kind = GroupKind { group: String::new(), kind: "PersistentVolumeClaim".to_owned() };
    let resource = resource(&session.catalog, &kind)?;
    let scope =
        |namespace| Scope { labels: Some(labels.to_owned()), ..Scope::all(resource.clone(), namespace) };
    let listings = list_all(tools, &namespaces.map(scope).collect()).await?;
    Ok(listings.into_iter().flat_map(|listing| listing.objects).collect())
}

/// Returns true for a StatefulSet whose pods have volumes of their own.
fn makes_claims(set: &Object) -> bool {
    !claim_prefixes(set).is_empty()
}

/// Returns how the names of the claims of a StatefulSet begin; nothing for one that makes none.
fn claim_prefixes(set: &Object) -> Vec<String> {
    let templates = set.get("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let templates = templates.filter(|_| set.kind() == "StatefulSet").into_iter().flatten();
    let name = |template: &Value| Some(format!("{}-{}-", template["metadata"]["name"].as_str()?, set.name()));
    templates.filter_map(name).collect()
}

/// Returns the claims that a StatefulSet has made: they carry no label of ours, outlive their set, and are
/// found by the set's selector and their name (`TEMPLATE-SET-ORDINAL`,
/// `controller/statefulset/stateful_set_utils.go`).
async fn volume_claims(tools: &Tools, session: &Session, set: &Object) -> Result<Vec<Object>, EngineError> {
    let prefixes = claim_prefixes(set);
    let labels = set.get("/spec/selector/matchLabels").and_then(Value::as_object);
    let selector = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let labels = selector.collect::<Vec<_>>().join(",");
    if prefixes.is_empty() || labels.is_empty() {
        return Ok(Vec::new());
    }
    let found = list_claims(tools, session, std::iter::once(set.namespace()), &labels).await?;
    let made_by_set = |claim: &Object| {
        prefixes.iter().any(|prefix| {
            let ordinal = claim.name().strip_prefix(prefix.as_str()).unwrap_or_default();
            !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    Ok(found.into_iter().filter(made_by_set).collect())
}
