//! Writes: create, server-side apply, update of the whole object or of its status, delete.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::fields::{self, FieldSet};
use super::kinds::Kind;
use super::lifecycle::{born, check_immutable, defaults, desired_differs};
use super::store::{Key, Manager, Store};

/// What comes of a write: 201 with the new object, or 200 with the changed one.
pub(crate) type Written = Result<(u16, Arc<Value>), Refusal>;

/// Who writes, and how.
pub(crate) struct Writer<'a> {
    /// The user agent, for the history.
    pub(crate) agent: &'a str,
    /// The field manager.
    pub(crate) manager: &'a str,
}

/// What a DELETE asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Option<String>,
}

impl Store {
    /// POST.
    pub(crate) fn create(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        mut object: Value,
    ) -> Written {
        self.check_namespace(kind, key)?;
        if self.objects.contains_key(key) {
            return Err(Refusal::already_exists(kind, &key.name));
        }
        object["metadata"]["name"] = key.name.clone().into();
        let fields = FieldSet::of_object(&object);
        born(self, kind, &mut object);
        let manager = self.entry(writer.manager, "Update", fields);
        Ok((201, self.put(writer.agent, key, object, vec![manager])))
    }

    /// POST that keeps nothing: it is checked and completed as ever.
    pub(crate) fn try_create(
        &mut self,
        kind: &Kind,
        key: &Key,
        mut object: Value,
    ) -> Result<Answer, Refusal> {
        self.check_namespace(kind, key)?;
        if self.objects.contains_key(key) {
            return Err(Refusal::already_exists(kind, &key.name));
        }
        born(self, kind, &mut object);
        Ok(Answer::Json(201, object.into()))
    }

    /// PATCH with `application/apply-patch+yaml`.
    pub(crate) fn apply(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        config: &Value,
        force: bool,
    ) -> Written {
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        if config["apiVersion"] != kind.api_version() {
            return Err(Refusal::bad_request("Incorrect version specified in apply patch"));
        }
        let applied = FieldSet::of_object(config);
        let Some(stored) = self.objects.get(key) else {
            self.check_namespace(kind, key)?;
            if !config["metadata"]["uid"].is_null() {
                let message =
                    "uid mismatch: the provided object specified uid, and no existing object was found";
                return Err(Refusal::wrong_life(kind, &key.name, "uid", message, "none"));
            }
            let mut object = config.clone();
            born(self, kind, &mut object);
            let manager = self.entry(writer.manager, "Apply", applied);
            return Ok((201, self.put(writer.agent, key, object, vec![manager])));
        };
        let (live, mut managers) = (stored.object.clone(), stored.managers.clone());
        let mut object = live.clone();
        fields::merge(&mut object, config, &mut Vec::new());
        let changed = FieldSet::changed(&live, &object);
        let is_me = |manager: &Manager| manager.name == writer.manager && manager.operation == "Apply";
        let mut conflicts = Vec::new();
        for manager in managers.iter_mut().filter(|manager| !is_me(manager)) {
            let taken = manager.fields.intersection(&changed);
            if force {
                manager.fields = manager.fields.difference(&taken);
            } else {
                let by = conflict_text(manager, kind);
                conflicts.extend(taken.paths().into_iter().map(|path| (by.clone(), path)));
            }
        }
        if !conflicts.is_empty() {
            return Err(Refusal::field_conflicts(kind, &key.name, &conflicts));
        }
        let others = managers.iter().filter(|manager| !is_me(manager));
        let kept = others.fold(applied.clone(), |kept, manager| kept.union(&manager.fields));
        if let Some(mine) = managers.iter().find(|manager| is_me(manager)) {
            let dropped = mine.fields.difference(&kept);
            fields::remove(&mut object, &dropped, &kept, &[]);
        }
        let told = config["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !told.is_empty() && live["metadata"]["resourceVersion"] != told {
            return Err(Refusal::modified(kind, &key.name));
        }
        object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        let mut entry = self.entry(writer.manager, "Apply", applied);
        match managers.iter().position(is_me) {
            Some(at) => {
                entry.time = managers[at].time;
                managers[at] = entry;
            }
            None => managers.push(entry),
        }
        self.replace(writer, kind, key, object, managers, true)
    }

    /// PATCH as [`Store::apply`], of which nothing is kept: the answer carries the version that stays.
    pub(crate) fn dry_run(
        &self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        config: &Value,
        force: bool,
    ) -> Written {
        let (code, answer) = self.scratch().apply(writer, kind, key, config, force)?;
        let mut answer = (*answer).clone();
        match self.objects.get(key) {
            Some(stored) => {
                answer["metadata"]["resourceVersion"] = stored.object["metadata"]["resourceVersion"].clone();
            }
            None => {
                answer["metadata"].as_object_mut().unwrap().shift_remove("resourceVersion");
            }
        }
        Ok((code, Arc::new(answer)))
    }

    /// PUT, or any other change by hand: the writer comes to own what it changed, and whoever owned that
    /// before owns it no longer.
    pub(crate) fn update(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        mut object: Value,
    ) -> Written {
        let Some(stored) = self.objects.get(key) else {
            // The storage looks at the preconditions first.
            return Err(match object["metadata"]["uid"].as_str() {
                Some(uid) => Refusal::ended_life(kind, &key.name, uid),
                None => Refusal::not_found(kind, &key.name),
            });
        };
        let live = &stored.object;
        let told =
            |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let wanted = told(&object, "resourceVersion");
        if !wanted.is_empty() && wanted != told(live, "resourceVersion") {
            return Err(Refusal::modified(kind, &key.name));
        }
        let uid = told(&object, "uid");
        if !uid.is_empty() && uid != told(live, "uid") {
            return Err(Refusal::wrong_life(kind, &key.name, "UID", &uid, &told(live, "uid")));
        }
        object["status"] = live["status"].clone();
        for field in ["uid", "generation", "creationTimestamp", "deletionTimestamp", "name", "namespace"] {
            object["metadata"][field] = live["metadata"][field].clone();
        }
        tidy(&mut object);
        let changed = FieldSet::changed(live, &object);
        let gone = FieldSet::of_object(live).difference(&FieldSet::of_object(&object));
        let mut managers = stored.managers.clone();
        let is_me = |manager: &Manager| {
            manager.name == writer.manager && manager.operation == "Update" && manager.subresource.is_empty()
        };
        for manager in managers.iter_mut().filter(|manager| !is_me(manager)) {
            manager.fields = manager.fields.difference(&changed).difference(&gone);
        }
        let mine = managers.iter().position(is_me);
        let before = mine.map(|at| managers[at].fields.difference(&gone)).unwrap_or_default();
        let entry = self.entry(writer.manager, "Update", before.union(&changed));
        match mine {
            Some(at) => managers[at] = entry,
            None if !entry.fields.is_empty() => managers.push(entry),
            None => {}
        }
        self.replace(writer, kind, key, object, managers, false)
    }

    /// PATCH with `application/json-patch+json`: all of it or nothing. It may say itself who owns what, by
    /// the whole list of `managedFields`.
    pub(crate) fn patch(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        operations: &Value,
    ) -> Written {
        let Some(stored) = self.objects.get(key) else { return Err(Refusal::not_found(kind, &key.name)) };
        let mut object = (*stored.rendered).clone();
        let before = object["metadata"]["managedFields"].clone();
        let operations: json_patch::Patch = serde_json::from_value(operations.clone())
            .map_err(|cause| Refusal::bad_request(format!("error decoding patch: {cause}")))?;
        json_patch::patch(&mut object, &operations)
            .map_err(|cause| Refusal::unprocessable(format!("the server rejected our request: {cause}")))?;
        let entries = object["metadata"]["managedFields"].clone();
        if entries == before {
            return self.update(writer, kind, key, object);
        }
        let told = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if told != stored.object["metadata"]["resourceVersion"].as_str().unwrap_or_default() {
            return Err(Refusal::modified(kind, &key.name));
        }
        let managers = entries.as_array().into_iter().flatten().map(Manager::from_entry).collect();
        tidy(&mut object);
        self.replace(writer, kind, key, object, managers, false)
    }

    /// PUT that says itself who owns what, as the API allows.
    pub(crate) fn update_managed(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        object: Value,
        managers: Vec<Manager>,
    ) -> Written {
        self.replace(writer, kind, key, object, managers, false)
    }

    /// PUT to the subresource `scale`: the writer comes to own the replicas alone.
    pub(crate) fn scale(&mut self, writer: &Writer<'_>, kind: &Kind, key: &Key, replicas: u64) -> Written {
        let Some(stored) = self.objects.get(key) else { return Err(Refusal::not_found(kind, &key.name)) };
        let mut object = stored.object.clone();
        object["spec"]["replicas"] = replicas.into();
        let fields = FieldSet::of_object(&json!({"spec": {"replicas": replicas}}));
        let mut managers = stored.managers.clone();
        for manager in &mut managers {
            manager.fields = manager.fields.difference(&fields);
        }
        let mut entry = self.entry(writer.manager, "Update", fields);
        entry.subresource = "scale";
        managers.retain(|manager| manager.name != writer.manager || manager.subresource != "scale");
        managers.push(entry);
        self.replace(writer, kind, key, object, managers, false)
    }

    /// PUT to the subresource `status`.
    pub(crate) fn update_status(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        status: &Value,
    ) -> Written {
        let Some(stored) = self.objects.get(key) else { return Err(Refusal::not_found(kind, &key.name)) };
        let mut object = stored.object.clone();
        object["status"] = status.clone();
        let mut managers = stored.managers.clone();
        let fields = FieldSet::of_object(&json!({"status": status}));
        let mut entry = self.entry(writer.manager, "Update", fields);
        entry.subresource = "status";
        match managers.iter().position(|m| m.name == writer.manager && m.subresource == "status") {
            Some(at) => managers[at] = entry,
            None => managers.push(entry),
        }
        self.replace(writer, kind, key, object, managers, false)
    }

    /// Puts a changed object in the place of the old one, unless nothing is different.
    fn replace(
        &mut self,
        writer: &Writer<'_>,
        kind: &Kind,
        key: &Key,
        mut object: Value,
        mut managers: Vec<Manager>,
        by_apply: bool,
    ) -> Written {
        let Some(stored) = self.objects.get(key) else { return Err(Refusal::not_found(kind, &key.name)) };
        let live = &stored.object;
        defaults(kind, &mut object);
        check_immutable(kind, &key.name, live, &object)?;
        managers.retain(|manager| !manager.fields.is_empty());
        let same_managers = managers.len() == stored.managers.len()
            && managers
                .iter()
                .zip(&stored.managers)
                .all(|(new, old)| new.fields == old.fields && new.name == old.name);
        if object == *live && same_managers {
            return Ok((200, Arc::clone(&stored.rendered)));
        }
        if kind.generation && desired_differs(live, &object) {
            object["metadata"]["generation"] =
                (live["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
        }
        if by_apply {
            let now = self.now();
            for manager in managers.iter_mut().filter(|m| m.name == writer.manager && m.operation == "Apply")
            {
                manager.time = now;
            }
        }
        let rendered = self.put(writer.agent, key, object, managers);
        self.finish_deletion(writer.agent, key);
        Ok((200, rendered))
    }

    /// DELETE. Returns the object while something holds it, and `None` once it is gone.
    pub(crate) fn delete(
        &mut self,
        agent: &str,
        kind: &Kind,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Option<Arc<Value>>, Refusal> {
        let Some(stored) = self.objects.get(key) else { return Err(Refusal::not_found(kind, &key.name)) };
        let metadata = &stored.object["metadata"];
        for (wanted, field, what) in
            [(&options.uid, "uid", "UID"), (&options.resource_version, "resourceVersion", "ResourceVersion")]
        {
            if let Some(wanted) = wanted
                && metadata[field] != wanted.as_str()
            {
                let found = metadata[field].as_str().unwrap_or_default();
                return Err(Refusal::wrong_life(kind, &key.name, what, wanted, found));
            }
        }
        if !metadata["deletionTimestamp"].is_null() {
            return Ok(Some(Arc::clone(&stored.rendered)));
        }
        let (mut object, managers) = (stored.object.clone(), stored.managers.clone());
        let propagation = options.propagation.as_deref().unwrap_or(default_propagation(kind));
        let holder = match propagation {
            "Foreground" => Some("foregroundDeletion"),
            "Orphan" => Some("orphan"),
            _ => None,
        };
        if let Some(holder) = holder {
            let finalizers = &mut object["metadata"]["finalizers"];
            if finalizers.is_null() {
                *finalizers = json!([]);
            }
            finalizers.as_array_mut().unwrap().push(holder.into());
        }
        if !is_held(&object) {
            self.remove(agent, key);
            return Ok(None);
        }
        object["metadata"]["deletionTimestamp"] = self.now().to_string().into();
        if let Some(generation) = object["metadata"]["generation"].as_i64() {
            object["metadata"]["generation"] = (generation + 1).into();
        }
        if key.kind == "Namespace" {
            object["status"]["phase"] = "Terminating".into();
        }
        Ok(Some(self.put(agent, key, object, managers)))
    }

    /// Takes a finalizer off; the last one lets the object go.
    pub(crate) fn drop_finalizer(&mut self, agent: &str, key: &Key, finalizer: &str) {
        let Some(stored) = self.objects.get(key) else { return };
        let (mut object, managers) = (stored.object.clone(), stored.managers.clone());
        for pointer in ["/metadata/finalizers", "/spec/finalizers"] {
            if let Some(list) = object.pointer_mut(pointer).and_then(Value::as_array_mut) {
                list.retain(|held| held != finalizer);
            }
        }
        tidy(&mut object);
        if object != stored.object {
            self.put(agent, key, object, managers);
            self.finish_deletion(agent, key);
        }
    }

    fn finish_deletion(&mut self, agent: &str, key: &Key) {
        let Some(stored) = self.objects.get(key) else { return };
        if !stored.object["metadata"]["deletionTimestamp"].is_null() && !is_held(&stored.object) {
            self.remove(agent, key);
        }
    }

    /// Refuses new content where its namespace is missing or on its way out.
    fn check_namespace(&self, kind: &Kind, key: &Key) -> Result<(), Refusal> {
        if !kind.namespaced {
            return Ok(());
        }
        let name = &key.namespace;
        let namespace = self.objects.get(&namespace_key(name)).ok_or_else(|| Refusal::no_namespace(name))?;
        if namespace.object["metadata"]["deletionTimestamp"].is_null() {
            Ok(())
        } else {
            Err(Refusal::namespace_terminating(kind, &key.name, name))
        }
    }

    fn entry(&self, name: &str, operation: &'static str, fields: FieldSet) -> Manager {
        Manager { name: name.to_owned(), operation, subresource: "", time: self.now(), fields }
    }
}

/// Returns the key of a namespace.
pub(crate) fn namespace_key(name: &str) -> Key {
    Key { group: String::new(), kind: "Namespace".into(), namespace: String::new(), name: name.to_owned() }
}

/// Returns the server's choice where a DELETE names no policy (registry/batch/job/strategy.go).
fn default_propagation(kind: &Kind) -> &'static str {
    if kind.kind == "Job" && kind.group == "batch" { "Orphan" } else { "Background" }
}

fn is_held(object: &Value) -> bool {
    let holds = |pointer: &str| {
        object.pointer(pointer).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    };
    holds("/metadata/finalizers") || (object["kind"] == "Namespace" && holds("/spec/finalizers"))
}

/// Takes out fields that are there without a value.
fn tidy(object: &mut Value) {
    let empty = |value: &Value| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    if object["status"].is_null() {
        object.as_object_mut().unwrap().shift_remove("status");
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.shift_remove("managedFields");
    metadata.retain(|_, value| !empty(value));
}

/// Returns whom a conflict is with: only an update tells its version
/// (apimachinery `managedfields/internal/conflict.go`).
fn conflict_text(manager: &Manager, kind: &Kind) -> String {
    let subresource = match manager.subresource {
        "" => String::new(),
        subresource => format!(" with subresource \"{subresource}\""),
    };
    let version = match manager.operation {
        "Update" => format!(" using {}", kind.api_version()),
        _ => String::new(),
    };
    format!("\"{}\"{subresource}{version}", manager.name)
}
