//! Secrets that are made once and kept for ever. A key that is there stays as it is; a missing one comes
//! from the first source that has a value. Values live in memory and in the cluster, nowhere else.
//!
//! What a lost password locks up no second deploy brings back, so a write of one never relies on the lock: a
//! request of a run that was killed may arrive long after another run has the lock.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::EngineError;
use super::retry::Tools;
use super::session::{Session, ask, resource};
use crate::cluster::Catalog;
use crate::compose::Contents as SecretContents;
use crate::inventory::{FIELD_MANAGER, PART_OF};
use crate::object::{Change, GroupKind, Object, ObjectRef};
use crate::plan::{Plan, SecretSource, SecretSpec};

/// The annotation of a Secret made here; such a one is data, and stays at a teardown.
pub(super) const GENERATED: &str = "wesago/generated";

/// Where secret values come from. The outside world answers (`cli::context`): environment, programs,
/// randomness.
pub trait SecretSources {
    /// Returns the value of a source; `None` when it has none, such as a variable that is not set.
    ///
    /// # Errors
    /// Why a source that should have a value gave none. The text must not hold the value.
    fn value(&self, source: &SecretSource) -> Result<Option<Vec<u8>>, String>;
}

/// Stands for the values that are still to be made, where nothing is written: only their names count.
pub(super) struct NotMade;

impl SecretSources for NotMade {
    fn value(&self, _: &SecretSource) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(b"not made yet".to_vec()))
    }
}

/// The plan's Secrets as they are, and as they will be.
#[derive(Default)]
pub(super) struct Secrets {
    /// Contents by name and key, with what is still to be written.
    pub contents: SecretContents,
    /// What has to be written.
    pub missing: Vec<(Object, Change)>,
    /// The keys among it that were made just now, by the Secret's name.
    pub made: BTreeMap<String, Vec<String>>,
    /// What is there already.
    pub complete: Vec<ObjectRef>,
}

/// Reads the plan's Secrets and works out values for the keys that are missing. Writes nothing.
pub(super) async fn read(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    sources: &dyn SecretSources,
) -> Result<Secrets, EngineError> {
    let mut secrets = Secrets::default();
    if plan.secrets().is_empty() {
        return Ok(secrets);
    }
    let resource = resource(&session.catalog, &kind())?;
    for spec in plan.secrets() {
        let name = reference(plan.namespace(), spec);
        let live = match session.live.get(&name) {
            Some(live) => Some(live.clone()),
            None => ask(tools, &format!("get {name}"), || tools.cluster.get(resource, &name)).await?,
        };
        let mut values = live.as_ref().map(contents_of).unwrap_or_default();
        let made = fill(spec, &mut values, sources)?;
        match (made.is_empty(), live) {
            (true, Some(_)) => secrets.complete.push(name),
            (_, live) => {
                secrets.made.insert(spec.name.clone(), made);
                let change = if live.is_some() { Change::Configured } else { Change::Created };
                let wanted = object(&session.inventory.id(), &name, &values, live.as_ref())?;
                secrets.missing.push((wanted, change));
            }
        }
        secrets.contents.insert(spec.name.clone(), values);
    }
    Ok(secrets)
}

/// Returns what the plan's Secrets hold, by what was listed; `None` when something of it is missing there.
pub(super) fn listed(session: &Session, plan: &Plan) -> Option<SecretContents> {
    let content = |spec: &SecretSpec| {
        let values = contents_of(session.live.get(&reference(plan.namespace(), spec))?);
        let has_all = spec.keys.iter().all(|key| values.contains_key(&key.key));
        has_all.then(|| (spec.name.clone(), values))
    };
    plan.secrets().iter().map(content).collect()
}

/// Reads the plan's Secrets as they are; `None` when we may not.
pub(super) async fn present(
    tools: &Tools,
    catalog: &Catalog,
    plan: &Plan,
) -> Result<Option<SecretContents>, EngineError> {
    let mut contents = SecretContents::new();
    for spec in plan.secrets() {
        let name = reference(plan.namespace(), spec);
        let resource = resource(catalog, &kind())?;
        match ask(tools, &format!("get {name}"), || tools.cluster.get(resource, &name)).await {
            Ok(live) => {
                contents.insert(spec.name.clone(), live.as_ref().map(contents_of).unwrap_or_default());
            }
            Err(EngineError::Request { error, .. }) if error.is_forbidden() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(contents))
}

/// Writes one of the missing Secrets; false when it is no longer as it was read. What is new is created, and
/// what gets more keys is changed only in the state that was seen: neither replaces a value that came first.
pub(super) async fn write(
    tools: &Tools,
    session: &mut Session,
    (wanted, change): &(Object, Change),
) -> Result<bool, EngineError> {
    let resource = resource(&session.catalog, &kind())?;
    let name = wanted.reference();
    let request = format!("write {name}");
    let send = || async {
        let written = match change {
            Change::Created => tools.cluster.create(FIELD_MANAGER, resource, wanted).await,
            _ => tools.cluster.apply(resource, wanted).await,
        };
        match written {
            Err(error) if error.is_conflict() => Ok(None),
            answer => answer.map(Some),
        }
    };
    let written = tools.persist_write(&request, send).await;
    if let Some(written) = written.map_err(|error| EngineError::request(request, error))? {
        session.warned(&name, written);
        return Ok(true);
    }
    // It may be our own write, of an earlier try whose answer was lost.
    let found = ask(tools, &format!("get {name}"), || tools.cluster.get(resource, &name)).await?;
    Ok(found.is_some_and(|found| contents_of(&found) == contents_of(wanted)))
}

/// Returns the reference of a generated Secret.
pub(super) fn reference(namespace: &str, spec: &SecretSpec) -> ObjectRef {
    let GroupKind { group, kind } = kind();
    ObjectRef { group, kind, namespace: Some(namespace.to_owned()), name: spec.name.clone() }
}

/// Returns the names of all that a plan wants: its objects, and the Secrets that are generated for it.
pub(super) fn wanted(plan: &Plan) -> impl Iterator<Item = ObjectRef> {
    let objects = plan.objects().map(|(_, object)| object.reference());
    objects.chain(plan.secrets().iter().map(|spec| reference(plan.namespace(), spec)))
}

/// Returns the kind of a Secret.
pub(super) fn kind() -> GroupKind {
    GroupKind { group: String::new(), kind: "Secret".to_owned() }
}

/// Puts in what is missing and returns its keys.
fn fill(
    spec: &SecretSpec,
    values: &mut BTreeMap<String, Vec<u8>>,
    sources: &dyn SecretSources,
) -> Result<Vec<String>, EngineError> {
    let mut made = Vec::new();
    for key in &spec.keys {
        if values.contains_key(&key.key) {
            continue;
        }
        let no_value =
            |cause: String| EngineError::NoSecret { secret: spec.name.clone(), key: key.key.clone(), cause };
        let mut found = None;
        for source in &key.sources {
            found = sources.value(source).map_err(no_value)?;
            if found.is_some() {
                break;
            }
        }
        let found = found.ok_or_else(|| no_value("none of its sources has a value".to_owned()))?;
        values.insert(key.key.clone(), found);
        made.push(key.key.clone());
    }
    Ok(made)
}

fn contents_of(secret: &Object) -> BTreeMap<String, Vec<u8>> {
    let data = secret.get("/data").and_then(Value::as_object);
    let decode =
        |(key, value): (&String, &Value)| Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?));
    data.into_iter().flatten().filter_map(decode).collect()
}

/// Returns the Secret to be written; one that is there already is named by its life and state.
fn object(
    set: &str,
    name: &ObjectRef,
    values: &BTreeMap<String, Vec<u8>>,
    live: Option<&Object>,
) -> Result<Object, EngineError> {
    let data: Map<String, Value> =
        values.iter().map(|(key, value)| (key.clone(), STANDARD.encode(value).into())).collect();
    let mut value = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": name.name, "namespace": name.namespace,
            "labels": {PART_OF: set}, "annotations": {GENERATED: "true"},
        },
        "data": data,
    });
    if let Some(live) = live {
        value["metadata"]["uid"] = live.text("/metadata/uid").into();
        value["metadata"]["resourceVersion"] = live.resource_version().into();
    }
    Object::new(value).map_err(|cause| EngineError::Internal(cause.to_string()))
}
