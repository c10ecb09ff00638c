//! Stories written by hand: somebody else owns an object or a field, or a field cannot change. Each says what
//! must come of it, in the server's own state and in what was sent.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use wesago::engine::{Adopt, DeployOptions, EngineError};
use wesago::event::{EventKind, Verdict};
use wesago::inventory::{Inventory, PART_OF};
use wesago::object::Object;
use wesago::plan::{ConflictPolicy, ConflictRule, Plan, Stage, StageId};

use crate::api_server::{ApiServer, Key, Request, Writer};
use crate::deployer::{Command, Ending, Fate, Run};
use crate::journal::What;
use crate::plans::{NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::world::World;

/// A world in which nothing happens but what the scene says. The seed is one whose namespace is not there.
pub(crate) fn scene(play: impl AsyncFnOnce(&mut World)) {
    on_paused_clock(async {
        let mut world = World::new(3);
        play(&mut world).await;
    });
}

pub(crate) fn object(value: Value) -> Object {
    let mut value = value;
    value["metadata"]["namespace"] = NAMESPACE.into();
    Object::new(value).unwrap()
}

pub(crate) fn map(name: &str, data: &Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}))
}

pub(crate) fn workload(kind: &str, image: &str, more: &Value) -> Object {
    let container = json!({"name": "main", "image": image});
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    });
    json_patch::merge(&mut value, &json!({"spec": more}));
    object(value)
}

fn scaler() -> Object {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    object(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 9},
    }))
}

pub(crate) fn plan(objects: &[Object]) -> Plan {
    let id = StageId::new("all").unwrap();
    let (objects, deadline) = (objects.to_vec(), Duration::from_secs(600));
    Plan::new(PLAN, NAMESPACE, vec![Stage { id, needs: vec![], objects, deadline, checks: vec![] }]).unwrap()
}

pub(crate) fn key(kind: &str, name: &str) -> Key {
    let group = match kind {
        "Deployment" | "StatefulSet" => "apps",
        "Job" => "batch",
        "HorizontalPodAutoscaler" => "autoscaling",
        _ => "",
    };
    Key { group: group.into(), kind: kind.into(), namespace: NAMESPACE.into(), name: name.into() }
}

/// Changes an object as somebody does who is another field manager.
pub(crate) fn edit(server: &ApiServer, manager: &str, key: &Key, change: impl FnOnce(&mut Value)) {
    let mut store = server.store();
    let kind = store.kind_of(key);
    let mut object = store.objects[key].object.clone();
    change(&mut object);
    store.update(&Writer { agent: "somebody", manager }, &kind, key, object).unwrap();
}

impl World {
    pub(crate) async fn deploy(&mut self, plan: &Plan, options: DeployOptions) -> Run {
        self.run(Command::Deploy, plan, Fate { options, ..Fate::default() }).await
    }

    pub(crate) fn object(&self, key: &Key) -> Option<Arc<Value>> {
        self.server.store().objects.get(key).map(|stored| Arc::clone(&stored.rendered))
    }

    /// Does something as another field manager.
    pub(crate) fn act(&self, manager: &str, key: &Key, change: impl FnOnce(&mut Value)) {
        edit(&self.server, manager, key, change);
    }

    pub(crate) fn make(&self, manager: &str, object: &Object) {
        let mut store = self.server.store();
        let key = key(object.kind(), object.name());
        let kind = store.kind_of(&key);
        store.create(&Writer { agent: "somebody", manager }, &kind, &key, object.value().clone()).unwrap();
    }

    fn scale(&self, replicas: u64) {
        let mut store = self.server.store();
        let key = key("Deployment", "web");
        let kind = store.kind_of(&key);
        let writer = Writer { agent: "kube-controller-manager", manager: "kube-controller-manager" };
        store.scale(&writer, &kind, &key, replicas).unwrap();
    }

    /// Returns what a run changed, or tried to, the lock aside.
    pub(crate) fn writes(&self, run: &Run) -> Vec<Request> {
        let entries = self.journal.entries();
        let sent = entries.iter().filter_map(|entry| match &entry.what {
            What::Sent { run: by, request, .. } if *by == run.id => Some((**request).clone()),
            _ => None,
        });
        sent.filter(|request| request.method != Method::GET && !request.path.contains("/leases")).collect()
    }

    pub(crate) fn warnings(&self, run: &Run) -> Vec<String> {
        let entries = self.journal.entries();
        let told = entries.iter().filter_map(|entry| match &entry.what {
            What::Told { run: by, event } if *by == run.id => match &event.event {
                EventKind::Warned { message } => Some(message.clone()),
                _ => None,
            },
            _ => None,
        });
        told.collect()
    }
}

#[track_caller]
fn failed(run: &Run) -> String {
    match &run.ending {
        Ending::Ended(Ok(Verdict::Failed { reason })) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn succeeded(run: &Run) {
    assert!(run.ending.is_success(), "{:?}", run.ending);
}

fn replicas(world: &World) -> Value {
    world.object(&key("Deployment", "web")).unwrap()["spec"]["replicas"].clone()
}

fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let own = entries.iter().filter(|entry| entry["subresource"].is_null());
    own.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_marked_leaves_the_plan_and_stays_in_the_cluster() {
    scene(async |world| {
        let kept = {
            let mut value = map("kept", &json!({"a": "1"})).into_value();
            value["metadata"]["annotations"] = json!({"wesago/on-delete": "keep"});
            Object::new(value).unwrap()
        };
        let base = map("base", &json!({}));
        succeeded(
            &world
                .deploy(&plan(&[kept, map("gone", &json!({})), base.clone()]), DeployOptions::default())
                .await,
        );
        succeeded(&world.deploy(&plan(std::slice::from_ref(&base)), DeployOptions::default()).await);
        assert_eq!(world.object(&key("ConfigMap", "gone")), None);
        let kept = world.object(&key("ConfigMap", "kept")).unwrap();
        assert!(kept["metadata"]["labels"][PART_OF].is_null(), "{kept}");
        let again = world.deploy(&plan(&[base]), DeployOptions::default()).await;
        assert!(world.writes(&again).is_empty());
    });
}

#[test]
fn an_empty_plan_prunes_nothing() {
    scene(async |world| {
        succeeded(&world.deploy(&plan(&[map("a", &json!({}))]), DeployOptions::default()).await);
        let empty = world.deploy(&plan(&[]), DeployOptions::default()).await;
        succeeded(&empty);
        assert!(world.writes(&empty).is_empty());
        assert!(world.object(&key("ConfigMap", "a")).is_some());
    });
}

#[test]
fn what_is_pruned_goes_in_the_reverse_order_of_its_stages() {
    scene(async |world| {
        let stage = |name: &str, needs: &[&str], objects: Vec<Object>| Stage {
            id: StageId::new(name).unwrap(),
            needs: needs.iter().map(|need| StageId::new(*need).unwrap()).collect(),
            objects,
            deadline: Duration::from_secs(600),
            checks: vec![],
        };
        let stages = |all: bool| {
            let mut stages = vec![stage("rest", &[], vec![map("rest", &json!({}))])];
            if all {
                stages.push(stage("c", &["b"], vec![map("m-c", &json!({}))]));
                stages.push(stage("a", &[], vec![map("z-a", &json!({}))]));
                stages.push(stage("b", &["a"], vec![map("a-b", &json!({}))]));
            }
            Plan::new(PLAN, NAMESPACE, stages).unwrap()
        };
        succeeded(&world.deploy(&stages(true), DeployOptions::default()).await);
        let run = world.deploy(&stages(false), DeployOptions::default()).await;
        succeeded(&run);
        let deletions = world.writes(&run).into_iter().filter(|request| request.method == Method::DELETE);
        let names: Vec<String> =
            deletions.filter_map(|request| request.path.rsplit('/').next().map(str::to_owned)).collect();
        assert_eq!(names, ["m-c", "a-b", "z-a"]);
    });
}

#[test]
fn strangers_are_refused_before_anything_is_written() {
    scene(async |world| {
        let web = workload("Deployment", "app:1", &json!({"replicas": 1}));
        succeeded(&world.deploy(&plan(&[map("base", &json!({}))]), DeployOptions::default()).await);
        world.make(
            "kubectl-client-side-apply",
            &workload("Deployment", "theirs:1", &json!({"replicas": 2, "paused": false})),
        );
        let mut theirs = map("settings", &json!({"a": "1"})).into_value();
        theirs["metadata"]["labels"] = json!({PART_OF: "applyset-of-somebody-else"});
        world.make("kubectl-applyset", &Object::new(theirs).unwrap());
        let objects =
            [map("base", &json!({})), map("settings", &json!({"a": "2"})), map("new", &json!({})), web];
        let run = world.deploy(&plan(&objects), DeployOptions::default()).await;
        let Ending::Ended(Err(EngineError::Strangers(strangers))) = &run.ending else {
            panic!("{:?}", run.ending)
        };
        let told: Vec<String> = strangers.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "ConfigMap/settings is there, written by kubectl-applyset, and belongs to the set `applyset-of-somebody-else`",
                "Deployment/web is there, written by kubectl-client-side-apply",
            ]
        );
        assert!(world.writes(&run).is_empty());

        let adopt = Adopt::Named(vec!["Deployment/web".parse().unwrap()]);
        let run = world.deploy(&plan(&objects), DeployOptions { adopt, ..DeployOptions::default() }).await;
        let Ending::Ended(Err(EngineError::Strangers(strangers))) = &run.ending else {
            panic!("{:?}", run.ending)
        };
        assert_eq!(strangers.len(), 1, "one that was named is taken over, the other is not: {strangers:?}");

        let adopt =
            Adopt::Named(vec!["Deployment/web".parse().unwrap(), "ConfigMap/settings".parse().unwrap()]);
        succeeded(&world.deploy(&plan(&objects), DeployOptions { adopt, ..DeployOptions::default() }).await);
        let web = world.object(&key("Deployment", "web")).unwrap();
        let set = Inventory::new(PLAN, NAMESPACE).id();
        assert_eq!(web["metadata"]["labels"][PART_OF], set);
        assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "app:1");
        assert!(web["spec"]["paused"].is_null(), "what kubectl owned and the plan has not is gone: {web}");
        assert_eq!(managers(&web), ["wesago"]);
        assert_eq!(world.object(&key("ConfigMap", "settings")).unwrap()["data"]["a"], "2");
        let again = world.deploy(&plan(&objects), DeployOptions::default()).await;
        succeeded(&again);
        assert!(world.writes(&again).is_empty());
    });
}

#[test]
fn a_conflict_fails_with_both_values_and_the_way_on() {
    scene(async |world| {
        let settings = |value: &str| plan(&[map("settings", &json!({"colour": value, "size": "1"}))]);
        succeeded(&world.deploy(&settings("blue"), DeployOptions::default()).await);
        world.act("kubectl-edit", &key("ConfigMap", "settings"), |object| {
            object["data"]["colour"] = "red".into();
        });
        let reason = failed(&world.deploy(&settings("green"), DeployOptions::default()).await);
        insta::assert_snapshot!(reason);
        assert_eq!(world.object(&key("ConfigMap", "settings")).unwrap()["data"]["colour"], "red");

        let take = vec!["ConfigMap/settings:.data.colour".parse().unwrap()];
        let taken =
            world.deploy(&settings("green"), DeployOptions { take, ..DeployOptions::default() }).await;
        succeeded(&taken);
        assert_eq!(world.object(&key("ConfigMap", "settings")).unwrap()["data"]["colour"], "green");
        let again = world.deploy(&settings("green"), DeployOptions::default()).await;
        assert!(world.writes(&again).is_empty());
    });
}

#[test]
fn force_takes_nothing_that_was_not_named() {
    scene(async |world| {
        let settings = plan(&[map("settings", &json!({"colour": "blue", "size": "1"}))]);
        succeeded(&world.deploy(&settings, DeployOptions::default()).await);
        world.act("an-operator", &key("ConfigMap", "settings"), |object| {
            object["data"] = json!({"colour": "red", "size": "2"});
        });
        let take = vec![".data.colour".parse().unwrap()];
        let run = world.deploy(&settings, DeployOptions { take, ..DeployOptions::default() }).await;
        assert!(failed(&run).contains("`.data.size` belongs to an-operator"), "{}", failed(&run));
        assert!(!world.writes(&run).iter().any(|request| request.query.contains("force=true")));
        let take = vec![".data".parse().unwrap()];
        let run = world.deploy(&settings, DeployOptions { take, ..DeployOptions::default() }).await;
        succeeded(&run);
        let forced: Vec<Request> =
            world.writes(&run).into_iter().filter(|request| request.query.contains("force=true")).collect();
        assert_eq!(forced.len(), 1);
        assert!(forced[0].body["metadata"]["resourceVersion"].is_string(), "force without a state");
        let data = world.object(&key("ConfigMap", "settings")).unwrap()["data"].clone();
        assert_eq!(data, json!({"colour": "blue", "size": "1"}));
    });
}

#[test]
fn a_yielded_field_is_left_and_the_next_deploy_has_nothing_to_do() {
    scene(async |world| {
        let settings = map("settings", &json!({"colour": "blue", "size": "1"}));
        let rule = ConflictRule {
            target: settings.reference(),
            path: ".data.colour".to_owned(),
            policy: ConflictPolicy::Yield,
        };
        let plan = plan(&[settings]).with_conflicts(vec![rule]);
        succeeded(&world.deploy(&plan, DeployOptions::default()).await);
        let colour =
            |world: &World| world.object(&key("ConfigMap", "settings")).unwrap()["data"]["colour"].clone();
        assert_eq!(colour(world), "blue", "nobody else owns it yet");
        world.act("painter", &key("ConfigMap", "settings"), |object| object["data"]["colour"] = "red".into());
        let run = world.deploy(&plan, DeployOptions::default()).await;
        succeeded(&run);
        assert_eq!(colour(world), "red");
        assert_eq!(world.warnings(&run), ["ConfigMap/settings: .data.colour is left to painter"]);
        let again = world.deploy(&plan, DeployOptions::default()).await;
        succeeded(&again);
        assert!(world.writes(&again).is_empty());
    });
}

#[test]
fn replicas_under_an_autoscaler_are_never_reset() {
    scene(async |world| {
        let web = |image: &str| plan(&[workload("Deployment", image, &json!({"replicas": 3})), scaler()]);
        succeeded(&world.deploy(&web("app:1"), DeployOptions::default()).await);
        assert_eq!(replicas(world), 3, "a new workload begins with what the plan says");
        let again = world.deploy(&web("app:1"), DeployOptions::default()).await;
        succeeded(&again);
        assert!(world.writes(&again).is_empty(), "{:?}", world.writes(&again));
        world.scale(7);
        succeeded(&world.deploy(&web("app:2"), DeployOptions::default()).await);
        assert_eq!(replicas(world), 7);
        let again = world.deploy(&web("app:2"), DeployOptions::default()).await;
        assert!(world.writes(&again).is_empty());
    });
}

#[test]
fn replicas_are_handed_off_when_an_autoscaler_comes() {
    scene(async |world| {
        let web = |image: &str| workload("Deployment", image, &json!({"replicas": 3}));
        succeeded(&world.deploy(&plan(&[web("app:1")]), DeployOptions::default()).await);
        // Somebody makes an autoscaler that has not scaled anything yet.
        world.make("kubectl-create", &scaler());
        succeeded(&world.deploy(&plan(&[web("app:2")]), DeployOptions::default()).await);
        assert_eq!(replicas(world), 3, "left out by their only owner, they would be 1");
        let lowest = world
            .server
            .store()
            .history
            .iter()
            .filter(|commit| commit.key.kind == "Deployment")
            .filter_map(|commit| commit.after.as_ref()?["spec"]["replicas"].as_u64())
            .min();
        assert_eq!(lowest, Some(3), "at no moment");
        world.scale(5);
        succeeded(&world.deploy(&plan(&[web("app:2")]), DeployOptions::default()).await);
        assert_eq!(replicas(world), 5);
    });
}

#[test]
fn a_set_whose_service_changes_is_made_anew_around_its_pods() {
    scene(async |world| {
        let set = |service: &str| {
            plan(&[workload("StatefulSet", "db:1", &json!({"serviceName": service, "replicas": 2}))])
        };
        succeeded(&world.deploy(&set("old"), DeployOptions::default()).await);
        let before = world.object(&key("StatefulSet", "web")).unwrap()["metadata"]["uid"].clone();
        let run = world.deploy(&set("new"), DeployOptions::default()).await;
        succeeded(&run);
        let after = world.object(&key("StatefulSet", "web")).unwrap();
        assert_eq!(after["spec"]["serviceName"], "new");
        assert_ne!(after["metadata"]["uid"], before);
        let writes = world.writes(&run);
        let trial = writes.iter().position(|request| request.query.contains("dryRun=All")).unwrap();
        let deletion = writes.iter().position(|request| request.method == Method::DELETE).unwrap();
        assert!(trial < deletion, "the manifest is proven before anything is deleted");
        assert_eq!(writes[deletion].body["propagationPolicy"], "Orphan");
        assert_eq!(writes[deletion].body["preconditions"]["uid"], before);
    });
}

#[test]
fn a_selector_changes_only_with_a_word() {
    scene(async |world| {
        let web = |tier: &str| {
            let labels = json!({"app": "web", "tier": tier});
            plan(&[workload(
                "Deployment",
                "app:1",
                &json!({
                    "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}},
                }),
            )])
        };
        succeeded(&world.deploy(&web("a"), DeployOptions::default()).await);
        let run = world.deploy(&web("b"), DeployOptions::default()).await;
        assert!(failed(&run).contains("`--recreate Deployment/web`"), "{}", failed(&run));
        assert!(!world.writes(&run).iter().any(|request| request.method == Method::DELETE));
        let recreate = vec!["Deployment/web".parse().unwrap()];
        succeeded(&world.deploy(&web("b"), DeployOptions { recreate, ..DeployOptions::default() }).await);
    });
}
