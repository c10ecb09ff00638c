//! What becomes of the volumes of StatefulSets: they carry no label of ours, and outlive their set.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use wesago::engine::DeployOptions;
use wesago::event::Verdict;
use wesago::object::Object;
use wesago::plan::{Plan, Stage, StageId};

use crate::api_server::{DeleteOptions, Request};
use crate::deployer::{Command, Ending, Fate};
use crate::meanwhile::once_sent;
use crate::plans::{NAMESPACE, PLAN};
use crate::scenes::{edit, key, map, plan, scene, succeeded, workload};
use crate::world::World;

/// Returns a StatefulSet whose one pod has a volume.
fn set() -> Object {
    let template = json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let more = json!({"replicas": 1, "serviceName": "web", "volumeClaimTemplates": [template]});
    workload("StatefulSet", "db:1", &more)
}

/// Returns the claim of the set's pod with this number.
fn claim(world: &World, ordinal: usize) -> Option<Value> {
    world.object(&key("PersistentVolumeClaim", &format!("data-web-{ordinal}"))).map(|claim| (*claim).clone())
}

#[test]
fn a_set_that_left_the_plan_before_a_teardown_leads_a_later_one_to_its_volumes() {
    scene(async |world| {
        let base = map("base", &json!({}));
        succeeded(&world.deploy(&plan(&[base.clone(), set()]), DeployOptions::default()).await);
        let rest = plan(&[base]);
        succeeded(&world.run(Command::Teardown { delete_data: false }, &rest, Fate::default()).await);
        assert!(world.object(&key("StatefulSet", "web")).is_none());
        assert!(claim(world, 0).is_some(), "a teardown keeps data");
        succeeded(&world.run(Command::Teardown { delete_data: true }, &rest, Fate::default()).await);
        assert_eq!(claim(world, 0), None, "a volume is left");
    });
}

#[test]
fn volumes_that_nothing_leads_to_any_more_are_told_of() {
    // An empty plan prunes nothing: what is left is found by a teardown.
    for (rest, command) in [
        (plan(&[map("base", &json!({}))]), Command::Deploy),
        (plan(&[]), Command::Teardown { delete_data: true }),
    ] {
        scene(async |world| {
            succeeded(&world.deploy(&plan(&[set()]), DeployOptions::default()).await);
            let (server, name) = (world.server.clone(), key("StatefulSet", "web"));
            let kind = server.store().kind_of(&name);
            server.store().delete("somebody", &kind, &name, &DeleteOptions::default()).unwrap();
            let run = world.run(command, &rest, Fate::default()).await;
            succeeded(&run);
            let told = world.warnings(&run);
            let is_told =
                |told: &String| told.starts_with("StatefulSet/web is not in the plan, and it is gone");
            assert!(told.iter().any(is_told), "{command:?}: {told:?}");
        });
    }
}

/// Returns a plan in which a ConfigMap needs the set.
fn with_app() -> Plan {
    let stage = |id: &str, needs: &[&str], object: Object| Stage {
        id: StageId::new(id).unwrap(),
        needs: needs.iter().map(|need| StageId::new(*need).unwrap()).collect(),
        objects: vec![object],
        deadline: Duration::from_secs(600),
        checks: vec![],
    };
    let stages = [stage("db", &[], set()), stage("app", &["db"], map("app", &json!({})))];
    Plan::new(PLAN, NAMESPACE, stages.into()).unwrap()
}

/// Lets the ConfigMap take a minute to go, in which somebody scales the set to three pods.
fn scaled_while_it_goes(world: &World) {
    const FINALIZER: &str = "example.org/archive";
    world.act("somebody", &key("ConfigMap", "app"), |object| {
        object["metadata"]["finalizers"] = json!([FINALIZER]);
    });
    let is_deletion =
        |request: &Request| request.method == Method::DELETE && request.path.ends_with("/configmaps/app");
    let server = world.server.clone();
    once_sent(world, is_deletion, move |_| {
        edit(&server, "kubectl-scale", &key("StatefulSet", "web"), |set| {
            set["spec"]["replicas"] = 3.into();
        });
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            server.store().drop_finalizer("archivist", &key("ConfigMap", "app"), FINALIZER);
        });
    });
}

#[test]
fn a_volume_made_while_its_set_goes_is_no_volume_left_behind() {
    for (after, command) in [
        (plan(&[map("base", &json!({}))]), Command::Deploy),
        (with_app(), Command::Teardown { delete_data: true }),
    ] {
        scene(async |world| {
            succeeded(&world.deploy(&with_app(), DeployOptions::default()).await);
            scaled_while_it_goes(world);
            succeeded(&world.run(command, &after, Fate::default()).await);
            assert!(world.object(&key("StatefulSet", "web")).is_none());
            for claim in [0, 1, 2].map(|ordinal| claim(world, ordinal)) {
                match (command, claim) {
                    (Command::Deploy, Some(claim)) => {
                        let mark = &claim["metadata"]["labels"]["wesago/kept-for"];
                        assert!(mark.is_string(), "no mark: {claim}");
                    }
                    (Command::Deploy, None) => panic!("a prune keeps data"),
                    (Command::Teardown { .. }, claim) => assert_eq!(claim, None, "a volume is left"),
                }
            }
        });
    }
}

#[test]
fn the_volumes_of_a_set_that_does_not_go_are_left_alone() {
    scene(async |world| {
        succeeded(&world.deploy(&with_app(), DeployOptions::default()).await);
        scaled_while_it_goes(world);
        world.act("somebody", &key("StatefulSet", "web"), |set| {
            set["metadata"]["finalizers"] = json!(["example.org/never"]);
        });
        let run = world.run(Command::Teardown { delete_data: true }, &with_app(), Fate::default()).await;
        assert!(matches!(run.ending, Ending::Ended(Ok(Verdict::TimedOut { .. }))), "{:?}", run.ending);
        for claim in [0, 1, 2].map(|ordinal| claim(world, ordinal)) {
            let claim = claim.expect("a set that is there uses its volumes");
            assert_eq!(claim["metadata"]["deletionTimestamp"], Value::Null, "{claim}");
        }
    });
}
