//! Objects that the plan wants and that are there already, made by somebody else. They are not written
//! unless somebody names them: an apply without a conflict would silently own half of them.
//!
//! What stands in the inventory is ours, which is written before the object. So is what carries our label and
//! was written by us, whatever has become of the inventory; the label alone proves nothing, whoever copies an
//! object copies it. So only the others have to be asked for, and a redeploy asks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::options::Adopt;
use super::retry::Tools;
use super::session::{KindIn, Session, WIDTH, list_scope, namespace_ref};
use super::{EngineError, secrets};
use crate::cluster::Scope;
use crate::inventory::{PART_OF, owned_fields};
use crate::object::{Object, ObjectRef};
use crate::plan::Plan;

/// So many names of one kind are asked for one by one; of more, all that there is is listed.
const ONE_BY_ONE: usize = 2;

/// An object that the plan wants and that is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The object.
    pub object: ObjectRef,
    /// The set it says it belongs to; `None` for no set.
    pub set: Option<Set>,
    /// The field managers that wrote it.
    pub managers: BTreeSet<String>,
}

/// A set of objects that are applied together (KEP-3659).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// The plan's own, by the label alone.
    Ours,
    /// Another one, by its id.
    Another(String),
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is there", self.object)?;
        if !self.managers.is_empty() {
            let managers: Vec<&str> = self.managers.iter().map(String::as_str).collect();
            write!(f, ", written by {}", managers.join(", "))?;
        }
        match &self.set {
            Some(Set::Another(id)) => write!(f, ", and belongs to the set `{id}`"),
            Some(Set::Ours) => f.write_str(", and carries the plan's label, but wesago never wrote it"),
            None => Ok(()),
        }
    }
}

/// What the plan wants and somebody else has made.
pub(super) struct Found {
    /// What of it is to be taken over.
    pub adopted: BTreeSet<ObjectRef>,
    /// What nobody named.
    pub strangers: Vec<Stranger>,
}

impl Found {
    /// Returns what is to be taken over.
    ///
    /// # Errors
    /// [`EngineError::Strangers`] with all that nobody named.
    pub(super) fn unless_strangers(self) -> Result<BTreeSet<ObjectRef>, EngineError> {
        if self.strangers.is_empty() { Ok(self.adopted) } else { Err(EngineError::Strangers(self.strangers)) }
    }
}

/// Finds what the plan wants and somebody else has made.
pub(super) async fn find(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    adopt: &Adopt,
) -> Result<Found, EngineError> {
    let set = session.inventory.id();
    let mut found = Found { adopted: BTreeSet::new(), strangers: Vec::new() };
    let mut sort = |objects: &[Object], names: &BTreeSet<ObjectRef>| {
        for object in objects.iter().filter(|object| names.contains(&object.reference())) {
            if adopt.includes(&object.reference()) {
                found.adopted.insert(object.reference());
            } else {
                found.strangers.push(stranger(object, &set));
            }
        }
    };
    let mut questions = Vec::new();
    for (kind, names) in unknown(session, plan, adopt) {
        match session.neighbours.get(&kind) {
            Some(seen) => sort(seen, &names),
            None => questions.extend(questions_about(kind, names)),
        }
    }
    let lists = questions.iter().map(|(scope, _)| list_scope(tools, scope));
    let listings: Vec<_> = stream::iter(lists).buffered(WIDTH).try_collect().await?;
    for ((_, names), listing) in questions.iter().zip(listings) {
        sort(&listing.objects, names);
    }
    Ok(found)
}

/// Returns what the plan wants and is not known to be ours.
fn unknown(session: &Session, plan: &Plan, adopt: &Adopt) -> BTreeMap<KindIn, BTreeSet<ObjectRef>> {
    let mut unknown: BTreeMap<KindIn, BTreeSet<ObjectRef>> = BTreeMap::new();
    for name in secrets::wanted(plan) {
        // What was announced and never written may be what a run was cut off while it took it over.
        let announced = session.inventory.contains(&name)
            && (session.inventory.record(&name).is_some() || !adopt.includes(&name));
        let is_written = session.live.get(&name).is_some_and(|object| owned_fields(object).is_some());
        let is_ours = announced || is_written;
        if is_ours || is_given(&name, plan) {
            continue;
        }
        // A kind that is not served yet has no objects.
        let Some(resource) = session.catalog.preferred(&name.group_kind()) else { continue };
        unknown.entry((resource.clone(), name.namespace.clone())).or_default().insert(name);
    }
    unknown
}

/// Returns what has to be asked about objects of one kind: as few lists of metadata as possible.
fn questions_about(
    (resource, namespace): KindIn,
    names: BTreeSet<ObjectRef>,
) -> Vec<(Scope, BTreeSet<ObjectRef>)> {
    let scope = Scope { metadata_only: true, ..Scope::all(resource, namespace.as_deref()) };
    if names.len() > ONE_BY_ONE {
        return vec![(scope, names)];
    }
    let about = |name: ObjectRef| {
        let fields = Some(format!("metadata.name={}", name.name));
        (Scope { fields, ..scope.clone() }, BTreeSet::from([name]))
    };
    names.into_iter().map(about).collect()
}

/// Returns true for what is there because the namespace is: the plan's namespace itself, and the account
/// that Kubernetes makes in every one.
fn is_given(name: &ObjectRef, plan: &Plan) -> bool {
    *name == namespace_ref(plan.namespace())
        || (name.group.is_empty() && name.kind == "ServiceAccount" && name.name == "default")
}

fn stranger(object: &Object, ours: &str) -> Stranger {
    let entries = object.get("/metadata/managedFields").and_then(Value::as_array);
    let managers = entries.into_iter().flatten().filter(|entry| entry["subresource"].is_null());
    Stranger {
        object: object.reference(),
        set: object.label(PART_OF).map(|id| if id == ours { Set::Ours } else { Set::Another(id.to_owned()) }),
        managers: managers.filter_map(|entry| entry["manager"].as_str()).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::stranger;
    use crate::object::Object;

    #[test]
    fn a_stranger_is_told_with_who_wrote_it_and_its_set() {
        let object = |labels: &serde_json::Value| {
            Object::new(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "labels": labels, "managedFields": [
                    {"manager": "kubectl-client-side-apply", "operation": "Update"},
                    {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
                    {"manager": "helm", "operation": "Update"},
                ]},
            }))
            .unwrap()
        };
        let told = |labels: serde_json::Value| stranger(&object(&labels), "applyset-ours-v1").to_string();
        let member = |set: &str| told(json!({"applyset.kubernetes.io/part-of": set}));
        let lines = [told(json!({})), member("applyset-x-v1"), member("applyset-ours-v1")];
        insta::assert_snapshot!(lines.join("\n"), @r"
        Deployment/web is there, written by helm, kubectl-client-side-apply
        Deployment/web is there, written by helm, kubectl-client-side-apply, and belongs to the set `applyset-x-v1`
        Deployment/web is there, written by helm, kubectl-client-side-apply, and carries the plan's label, but wesago never wrote it
        ");
    }
}
