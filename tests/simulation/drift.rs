//! `status` after somebody else's hands: each way of touching an object of ours is told with the field, both
//! values and who it was, and a deploy of our own is never taken for somebody else's.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use wesago::engine::{Since, StatusRow, Watched};
use wesago::event::CancelReason;
use wesago::object::Object;
use wesago::plan::{Plan, Stage, StageId};

use crate::api_server::{DeleteOptions, Key, Writer};
use crate::deployer::{Command, Fate};
use crate::hands::SOMEBODY;
use crate::journal::What;
use crate::plans::{NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::weather::Weather;
use crate::world::World;

/// The number of whoever asks for the status.
const ASKER: u32 = 2001;

fn plan(replicas: u64) -> Plan {
    let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE});
    let template = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "app:1", "args": ["-v"]}]},
    });
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("settings"), "data": {"a": "1", "b": "2"}}),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("web"),
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        }),
    ];
    let stage = Stage {
        id: StageId::new("web").unwrap(),
        needs: Vec::new(),
        objects: objects.into_iter().map(|object| Object::new(object).unwrap()).collect(),
        deadline: Duration::from_secs(600),
        checks: Vec::new(),
    };
    Plan::new(PLAN, NAMESPACE, vec![stage]).unwrap()
}

fn key(group: &str, kind: &str, name: &str) -> Key {
    Key { group: group.into(), kind: kind.into(), namespace: NAMESPACE.into(), name: name.into() }
}

fn settings() -> Key {
    key("", "ConfigMap", "settings")
}

fn web() -> Key {
    key("apps", "Deployment", "web")
}

/// A world in which the plan is deployed and ready.
struct Deployed(World);

impl Deployed {
    async fn new() -> Self {
        let mut world = World::new(7);
        let run = world.run(Command::Deploy, &plan(2), Fate::default()).await;
        assert!(run.ending.is_success(), "{:?}", run.ending);
        Self(world)
    }

    /// Changes an object by hand.
    fn edit(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        let mut store = self.0.server.store();
        let kind = store.kind_of(key);
        let mut object = store.objects[key].object.clone();
        change(&mut object);
        let writer = Writer { agent: SOMEBODY, manager: "kubectl-edit" };
        store.update(&writer, &kind, key, object).unwrap();
    }

    /// Applies something by force, as another tool would.
    fn take(&self, key: &Key, config: &Value) {
        let mut store = self.0.server.store();
        let kind = store.kind_of(key);
        let writer = Writer { agent: SOMEBODY, manager: "thief" };
        store.apply(&writer, &kind, key, config, true).unwrap();
    }

    fn delete(&self, key: &Key) {
        let mut store = self.0.server.store();
        let kind = store.kind_of(key);
        let options = DeleteOptions { propagation: Some("Background".into()), ..DeleteOptions::default() };
        store.delete(SOMEBODY, &kind, key, &options).unwrap();
    }

    fn create(&self, key: &Key, object: Value) {
        let mut store = self.0.server.store();
        let kind = store.kind_of(key);
        let writer = Writer { agent: SOMEBODY, manager: "kubectl-create" };
        store.create(&writer, &kind, key, object).unwrap();
    }

    async fn status(&self, replicas: u64) -> Vec<StatusRow> {
        let engine = self.0.engine(ASKER, Weather::default());
        Box::pin(engine.status(&plan(replicas))).await.unwrap()
    }

    /// Returns what has become of an object.
    async fn since(&self, key: &Key) -> Option<Since> {
        let rows = self.status(2).await;
        rows.into_iter().find(|row| row.object.kind == key.kind && row.object.name == key.name)?.since
    }

    /// Returns the touched fields of an object, a line each.
    async fn touched(&self, key: &Key) -> Vec<String> {
        let show = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        let line = |drift: wesago::engine::Drift| {
            let manager = drift.manager.as_deref().unwrap_or("nobody");
            assert_eq!(drift.time.is_some(), drift.manager.is_some());
            format!("{} {} {} {manager}", drift.field, show(&drift.ours), show(&drift.theirs))
        };
        self.since(key).await.unwrap().fields.into_iter().map(line).collect()
    }
}

#[test]
fn a_field_of_a_workload_is_told_with_both_values_and_whose_it_is() {
    on_paused_clock(async {
        let world = Deployed::new().await;
        assert_eq!(world.since(&web()).await, Some(Since::default()));
        world.edit(&web(), |object| object["spec"]["replicas"] = 5.into());
        world.edit(&web(), |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = "app:9".into();
        });
        assert_eq!(
            world.touched(&web()).await,
            [
                ".spec.replicas 2 5 kubectl-edit",
                r#".spec.template.spec.containers[name="main"].image "app:1" "app:9" kubectl-edit"#,
            ]
        );
    });
}

#[test]
fn a_field_of_what_is_listed_by_its_metadata_only_is_told_too() {
    on_paused_clock(async {
        let world = Deployed::new().await;
        world.edit(&settings(), |object| object["data"]["a"] = "other".into());
        assert_eq!(world.touched(&settings()).await, [r#".data.a "1" "other" kubectl-edit"#]);
        world.edit(&settings(), |object| object["data"]["a"] = "1".into());
        assert_eq!(world.touched(&settings()).await, [r#".data.a "1" "1" kubectl-edit"#], "put back");
    });
}

#[test]
fn a_field_that_was_removed_leaves_no_name() {
    on_paused_clock(async {
        let world = Deployed::new().await;
        world.edit(&settings(), |object| {
            object["data"].as_object_mut().unwrap().shift_remove("b");
        });
        assert_eq!(world.touched(&settings()).await, [r#".data.b "2" - nobody"#]);
    });
}

#[test]
fn what_another_tool_takes_is_told_and_what_it_adds_is_not() {
    on_paused_clock(async {
        let world = Deployed::new().await;
        let config = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data});
        world.take(&settings(), &config(json!({"c": "3"})));
        assert_eq!(world.since(&settings()).await, Some(Since::default()), "an addition beside ours");
        world.take(&settings(), &config(json!({"a": "1"})));
        assert_eq!(world.since(&settings()).await, Some(Since::default()), "the same value, owned together");
        world.take(&settings(), &config(json!({"a": "stolen"})));
        assert_eq!(world.touched(&settings()).await, [r#".data.a "1" "stolen" thief"#]);
    });
}

#[test]
fn what_is_missing_or_made_anew_is_told() {
    on_paused_clock(async {
        let world = Deployed::new().await;
        world.delete(&settings());
        assert_eq!(world.since(&settings()).await, None, "missing: its readiness says so");
        let metadata = json!({"name": "settings", "namespace": NAMESPACE});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1", "b": "2"}});
        world.create(&settings(), object);
        assert!(world.since(&settings()).await.unwrap().is_another_life);
    });
}

/// Watches for so long while something is done, and returns what was shown.
async fn watched(
    world: &mut Deployed,
    replicas: u64,
    deeds: impl AsyncFnOnce(&mut Deployed),
) -> Vec<Watched> {
    const WATCHED_FOR: Duration = Duration::from_secs(600);
    let engine = world.0.engine(ASKER + 1, Weather::default());
    let interrupt = async {
        tokio::time::sleep(WATCHED_FOR).await;
        CancelReason::Interrupt
    };
    let interrupts = Box::pin(interrupt.into_stream().chain(futures::stream::pending()));
    let (mut shown, plan) = (Vec::new(), plan(replicas));
    let watching = Box::pin(engine.watch(&plan, interrupts, |watched| shown.push(watched.clone())));
    let (ended, ()) = futures::future::join(watching, deeds(world)).await;
    assert_eq!(ended, Ok(()));
    shown
}

/// Returns the fields touched of all objects.
fn fields(watched: &Watched) -> Vec<&str> {
    let since = watched.rows.iter().filter_map(|row| row.since.as_ref());
    since.flat_map(|since| &since.fields).map(|drift| drift.field.as_str()).collect()
}

#[test]
fn a_watched_status_is_shown_at_every_change_and_sends_nothing_meanwhile() {
    on_paused_clock(async {
        let mut world = Deployed::new().await;
        let shown = watched(&mut world, 2, async |world| {
            tokio::time::sleep(Duration::from_secs(100)).await;
            world.edit(&web(), |object| object["spec"]["paused"] = true.into());
            world.edit(&web(), |object| object["spec"]["replicas"] = 5.into());
            tokio::time::sleep(Duration::from_secs(100)).await;
            world.edit(&settings(), |object| object["data"]["a"] = "other".into());
        })
        .await;
        assert_eq!(fields(&shown[0]), [""; 0]);
        assert_eq!(fields(shown.last().unwrap()), [".data.a", ".spec.replicas"]);
        let steps: Vec<usize> = shown.iter().map(|watched| fields(watched).len()).collect();
        assert!(steps.is_sorted() && steps.contains(&1), "{steps:?}");
        let entries = world.0.journal.entries();
        let sent = entries.iter().filter_map(|entry| match &entry.what {
            What::Sent { run, request, .. } if *run == ASKER + 1 => Some(request),
            _ => None,
        });
        let lists: Vec<_> = sent.filter(|request| !request.query.contains("watch=true")).collect();
        assert!(lists.iter().all(|request| request.method == http::Method::GET));
        assert!(lists.len() <= 8, "asked on a timer: {} requests", lists.len());
    });
}

#[test]
fn a_watched_status_takes_a_deploy_for_ours() {
    on_paused_clock(async {
        let mut world = Deployed::new().await;
        let shown = watched(&mut world, 3, async |world| {
            tokio::time::sleep(Duration::from_secs(100)).await;
            let run = world.0.run(Command::Deploy, &plan(3), Fate::default()).await;
            assert!(run.ending.is_success());
        })
        .await;
        let since = |watched: &Watched| {
            watched.rows.iter().find(|row| row.object.name == "web").unwrap().since.clone().unwrap()
        };
        assert!(since(&shown[0]).plan_changed);
        assert!(shown.iter().all(|watched| !since(watched).is_drift()));
        assert_eq!(since(shown.last().unwrap()), Since::default());
    });
}

#[test]
fn a_plan_that_was_changed_and_not_deployed_is_no_drift() {
    on_paused_clock(async {
        let world = Deployed::new().await;
        let rows = world.status(3).await;
        let web = rows.iter().find(|row| row.object.name == "web").unwrap().since.clone().unwrap();
        assert!(web.plan_changed && !web.is_drift(), "{web:?}");
    });
}
