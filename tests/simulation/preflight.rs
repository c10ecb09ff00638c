//! The preflight in a world: what it finds stops a deploy before the first write, what it cannot find out
//! does not, and a deploy with nothing to write never asks.

use std::time::Duration;

use serde_json::{Value, json};
use wesago::engine::{DeployOptions, EngineError};
use wesago::event::{Check, EventKind, Finding, Level, Verdict};
use wesago::object::Object;
use wesago::plan::{Plan, Stage, StageId};

use crate::deployer::{Command, Ending, Fate};
use crate::journal::{RunId, What};
use crate::oracle::judge;
use crate::plans::{NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::world::World;

/// Returns a plan of one stage.
fn plan(objects: Vec<Value>) -> Plan {
    let objects = objects.into_iter().map(|mut object| {
        object["metadata"]["namespace"] = NAMESPACE.into();
        Object::new(object).unwrap()
    });
    let stage = Stage {
        id: StageId::new("web").unwrap(),
        needs: Vec::new(),
        objects: objects.collect(),
        deadline: Duration::from_secs(600),
        checks: Vec::new(),
    };
    Plan::new(PLAN, NAMESPACE, vec![stage]).unwrap()
}

fn map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "blue"}})
}

fn deployment(container: &Value) -> Value {
    let mut main =
        json!({"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8000}]});
    for (field, value) in container.as_object().unwrap() {
        main[field] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [main]}},
        },
    })
}

/// Returns what the last run told of its preflight.
fn found(world: &World) -> Vec<Finding> {
    let last = RunId::try_from(world.runs.len()).unwrap();
    let entries = world.journal.entries();
    let told = entries.iter().filter_map(|entry| match &entry.what {
        What::Told { run, event } if *run == last => match &event.event {
            EventKind::PreflightFound(finding) => Some(finding.clone()),
            _ => None,
        },
        _ => None,
    });
    told.collect()
}

/// Returns the method and path of every request of the last run that may change something.
fn sent(world: &World) -> Vec<String> {
    let last = RunId::try_from(world.runs.len()).unwrap();
    let entries = world.journal.entries();
    let sent = entries.iter().filter_map(|entry| match &entry.what {
        What::Sent { run, request, .. } if *run == last && request.method != http::Method::GET => {
            Some(format!("{} {}", request.method, request.path))
        }
        _ => None,
    });
    sent.collect()
}

async fn deploy(world: &mut World, plan: &Plan, fate: Fate) -> Ending {
    world.run(Command::Deploy, plan, fate).await.ending
}

/// Returns a world without the plan's namespace, or with it.
fn world_with(namespace: bool) -> World {
    let has = |world: &World| world.server.store().objects.keys().any(|key| key.name == NAMESPACE);
    (0..100).map(World::new).find(|world| has(world) == namespace).unwrap()
}

#[test]
fn an_error_stops_a_deploy_before_anything_is_written_even_the_namespace() {
    let broken = plan(vec![
        map(),
        deployment(&json!({
            "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}],
            "livenessProbe": {"httpGet": {"port": "htp"}},
        })),
    ]);
    for namespace in [false, true] {
        on_paused_clock(async {
            let mut world = world_with(namespace);
            let ending = deploy(&mut world, &broken, Fate::default()).await;
            let Ending::Ended(Err(EngineError::Preflight { errors })) = ending else { panic!("{ending:?}") };
            assert_eq!(found(&world).iter().filter(|one| one.is_error()).count(), errors.len());
            let checks: Vec<Check> = errors.iter().map(|error| error.check).collect();
            assert_eq!(checks, [Check::Reference, Check::Port]);
            let written: Vec<String> = sent(&world)
                .into_iter()
                .filter(|one| !one.contains("/leases") && !one.ends_with("selfsubjectrulesreviews"))
                .collect();
            assert!(written.is_empty(), "{written:?}");
            let leases = world.server.store().objects.keys().filter(|key| key.kind == "Lease").count();
            assert_eq!(leases, 0, "the lock was given back");
            let broken = judge(&world);
            assert!(broken.iter().all(|one| one.contains("a deploy in peace")), "{broken:?}");
        });
    }
}

#[test]
fn nothing_is_asked_when_it_is_not_wanted() {
    on_paused_clock(async {
        let mut world = world_with(false);
        let plan = plan(vec![map(), deployment(&json!({}))]);
        let options = DeployOptions { skip_preflight: true, ..DeployOptions::default() };
        let fate = Fate { options, ..Fate::default() };
        assert_eq!(deploy(&mut world, &plan, fate).await, Ending::Ended(Ok(Verdict::Succeeded)));
        assert_eq!(judge(&world), Vec::<String>::new());
    });
}

#[test]
fn a_deploy_with_nothing_to_write_asks_nothing() {
    on_paused_clock(async {
        let mut world = world_with(true);
        let plan = plan(vec![map(), deployment(&json!({}))]);
        for _ in 0..2 {
            let ending = deploy(&mut world, &plan, Fate::default()).await;
            assert_eq!(ending, Ending::Ended(Ok(Verdict::Succeeded)));
        }
        // The lock is taken and given back, and that is all.
        let leases = sent(&world).iter().filter(|one| one.contains("/leases")).count();
        assert_eq!(sent(&world).len(), leases);
        assert_eq!(judge(&world), Vec::<String>::new());
    });
}

#[test]
fn rights_that_are_missing_are_told_all_at_once() {
    on_paused_clock(async {
        let mut world = world_with(true);
        world.server.store().rules = json!([
            {"verbs": ["*"], "apiGroups": ["", "coordination.k8s.io"], "resources": ["*"]},
            {"verbs": ["get", "list", "watch"], "apiGroups": ["apps"], "resources": ["deployments"]},
        ]);
        let ending = deploy(&mut world, &plan(vec![map(), deployment(&json!({}))]), Fate::default()).await;
        let Ending::Ended(Err(EngineError::Preflight { errors })) = ending else { panic!("{ending:?}") };
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @"Deployment/web: this user may not create, patch deployments.apps in namespace `shop`");
    });
}

#[test]
fn what_cannot_be_found_out_is_a_warning() {
    on_paused_clock(async {
        let mut world = world_with(true);
        world.server.store().rules = Value::Null;
        world.server.store().kinds.retain(|kind| kind.kind != "Node");
        let ending = deploy(&mut world, &plan(vec![map(), deployment(&json!({}))]), Fate::default()).await;
        // The rules are known to be none: then nothing may be sent.
        assert!(matches!(ending, Ending::Ended(Err(EngineError::Preflight { .. }))), "{ending:?}");
        world.server.store().rules = json!("?");
        let ending = deploy(&mut world, &plan(vec![map(), deployment(&json!({}))]), Fate::default()).await;
        assert_eq!(ending, Ending::Ended(Ok(Verdict::Succeeded)));
        let findings = found(&world);
        assert!(findings.iter().all(|finding| finding.level == Level::Warning), "{findings:?}");
        assert!(findings.iter().any(|finding| finding.check == Check::Rights), "{findings:?}");
    });
}
