//! Foreign hands: people and programs that touch the same cluster while faults last. They edit, scale,
//! mark and delete our objects, and the server forgets its history.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;
use wesago::inventory::PART_OF;

use crate::api_server::{ApiServer, DeleteOptions, Key, Writer};
use crate::journal::Journal;
use crate::random::Random;

/// The user agent and field manager of foreign hands.
pub(crate) const SOMEBODY: &str = "somebody";

/// An edit to be undone before peace: the object, where, and what was there.
#[derive(Clone, Debug)]
struct Edit {
    key: Key,
    pointer: &'static str,
    was: Value,
}

/// The hands of one world; clones are the same hands.
#[derive(Clone)]
pub(crate) struct Hands {
    server: ApiServer,
    journal: Journal,
    edits: Arc<Mutex<Vec<Edit>>>,
}

impl Hands {
    pub(crate) fn new(server: ApiServer, journal: Journal) -> Self {
        Self { server, journal, edits: Arc::default() }
    }

    /// Does something now and then until a moment.
    pub(crate) async fn meddle(self, mut random: Random, until: Instant) {
        loop {
            let pause = random.millis(50, 40_000);
            if Instant::now() + pause >= until {
                return;
            }
            tokio::time::sleep(pause).await;
            self.act(&mut random);
        }
    }

    /// Makes the server forget its history again and again until a moment.
    pub(crate) async fn forget(self, mut random: Random, until: Instant) {
        loop {
            let pause = random.millis(20, 2_000);
            if Instant::now() + pause >= until {
                return;
            }
            tokio::time::sleep(pause).await;
            self.journal.note("the server forgets its history");
            self.server.store().compact();
        }
    }

    /// Sets the server's wall clock after a while.
    pub(crate) async fn set_clock(self, after: Duration, by: SignedDuration) {
        tokio::time::sleep(after).await;
        self.journal.note(format!("clock set by {by:#}"));
        self.server.store().step_clock(by);
    }

    fn act(&self, random: &mut Random) {
        let owned: Vec<Key> = {
            let store = self.server.store();
            let ours = store.objects.iter().filter(|(_, stored)| {
                !stored.object["metadata"]["labels"][PART_OF].is_null() && stored.object["kind"] != "Secret"
            });
            ours.map(|(key, _)| key.clone()).collect()
        };
        let deed = random.between(0, 9);
        if deed < 4 || owned.is_empty() {
            self.journal.note("the server forgets its history");
            self.server.store().compact();
            return;
        }
        let key = random.pick(&owned).clone();
        match deed {
            4 | 5 => self.edit(&key, "/metadata/annotations", |annotations| {
                json_patch::merge(annotations, &json!({"somebody/was-here": "yes"}));
            }),
            6 | 7 if matches!(key.kind.as_str(), "Deployment" | "StatefulSet") => {
                self.edit(&key, "/spec/replicas", |replicas| *replicas = 4.into());
            }
            6 | 7 if key.kind == "ConfigMap" => {
                self.edit(&key, "/data/edition", |value| *value = "other".into());
            }
            8 if key.kind != "PersistentVolumeClaim" => {
                // With its dependents first it is there for a while, and nothing brings it back.
                let lasts = random.clone().chance(500);
                self.delete(&key, if lasts { "Foreground" } else { "Background" });
            }
            _ => {}
        }
    }

    fn edit(&self, key: &Key, pointer: &'static str, change: impl FnOnce(&mut Value)) {
        let mut store = self.server.store();
        let Some(mut object) = store.objects.get(key).map(|stored| stored.object.clone()) else { return };
        if pointer == "/metadata/annotations" && object.pointer(pointer).is_none() {
            object["metadata"]["annotations"] = json!({});
        }
        let Some(value) = object.pointer_mut(pointer) else { return };
        let was = value.clone();
        change(value);
        self.journal.note(format!("somebody edits {pointer} of {key}"));
        let kind = store.kind_of(key);
        let writer = Writer { agent: SOMEBODY, manager: "kubectl-edit" };
        store.update(&writer, &kind, key, object).unwrap();
        self.edits.lock().unwrap().push(Edit { key: key.clone(), pointer, was });
    }

    fn delete(&self, key: &Key, propagation: &str) {
        let mut store = self.server.store();
        let kind = store.kind_of(key);
        self.journal.note(format!("somebody deletes {key}"));
        let options = DeleteOptions { propagation: Some(propagation.into()), ..DeleteOptions::default() };
        store.delete(SOMEBODY, &kind, key, &options).unwrap();
    }

    /// Gives up what the edits made somebody own; puts some of the values back and leaves others as they
    /// are, for the next deploy to mend.
    pub(crate) fn make_good(&self, mut random: Random) {
        let edits = std::mem::take(&mut *self.edits.lock().unwrap());
        let writer = Writer { agent: SOMEBODY, manager: "kubectl-edit" };
        for edit in edits.into_iter().rev() {
            let mut store = self.server.store();
            let Some(stored) = store.objects.get(&edit.key) else { continue };
            let mut object = stored.object.clone();
            let kind = store.kind_of(&edit.key);
            if random.chance(500)
                && let Some(value) = object.pointer_mut(edit.pointer)
            {
                *value = edit.was;
                self.journal.note(format!("somebody undoes the edit of {} of {}", edit.pointer, edit.key));
                store.update(&writer, &kind, &edit.key, object).unwrap();
            }
            let Some(stored) = store.objects.get(&edit.key) else { continue };
            let (object, mut managers) = (stored.object.clone(), stored.managers.clone());
            managers.retain(|manager| manager.name != "kubectl-edit");
            self.journal.note(format!("somebody gives up the fields of {}", edit.key));
            store.update_managed(&writer, &kind, &edit.key, object, managers).unwrap();
        }
    }
}
