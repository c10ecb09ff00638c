//! `diff` about what a deploy may do to what is not, or not only, the plan's: with the same options it says
//! what the deploy then does, and without them what the deploy refuses, in the deploy's own words.

use serde_json::{Value, json};
use wesago::engine::{Adopt, DeployOptions, EngineError, Set};
use wesago::event::{EventKind, Forecast, ObjectForecast, Prospect, Verdict};
use wesago::inventory::{Inventory, PART_OF};
use wesago::object::{Change, Object};
use wesago::plan::Plan;

use crate::api_server::Commit;
use crate::deployer::{Ending, Run};
use crate::journal::What;
use crate::oracle::judge;
use crate::plans::{NAMESPACE, PLAN};
use crate::scenes::{key, map, plan, scene, workload};
use crate::weather::Weather;
use crate::world::World;

/// Asks what a deploy would do, then deploys, with the same options; both must write what they may.
async fn both(world: &mut World, plan: &Plan, options: &DeployOptions) -> (Forecast, Run) {
    let before = world.server.store().history.len();
    let said = world.foresee_with(plan, options, Weather::default()).await.unwrap();
    let by_us = |commit: &&Commit| commit.agent.starts_with("wesago");
    let written = world.server.store().history[before..].iter().filter(by_us).count();
    assert_eq!(written, 0, "a diff writes nothing");
    let run = world.deploy(plan, options.clone()).await;
    assert_eq!(judge(world).iter().find(|broken| broken.starts_with("diff ")), None);
    (said, run)
}

#[track_caller]
fn only(forecast: &Forecast) -> ObjectForecast {
    let [object] = forecast.objects.as_slice() else { panic!("{forecast:?}") };
    object.clone()
}

/// Returns what a run did to an object.
fn change(world: &World, run: &Run, kind: &str) -> Change {
    let entries = world.journal.entries();
    let mut told = entries.iter().filter_map(|entry| match &entry.what {
        What::Told { run: by, event } if *by == run.id => match &event.event {
            EventKind::ObjectApplied { object, change, .. } if object.kind == kind => Some(*change),
            _ => None,
        },
        _ => None,
    });
    told.next().unwrap()
}

#[test]
fn somebody_elses_object_is_refused_or_taken_over() {
    scene(async |world| {
        let wanted = |object: Object| plan(&[map("base", &json!({})), object]);
        world.deploy(&plan(&[map("base", &json!({}))]), DeployOptions::default()).await;
        world.make(
            "kubectl-client-side-apply",
            &workload("Deployment", "theirs:1", &json!({"replicas": 2, "minReadySeconds": 7})),
        );
        let wanted = wanted(workload("Deployment", "app:1", &json!({"replicas": 1})));

        let (said, run) = both(world, &wanted, &DeployOptions::default()).await;
        assert!(matches!(run.ending, Ending::Ended(Err(EngineError::Strangers(_)))), "{:?}", run.ending);
        let told = only(&said);
        assert_eq!((told.prospect, said.unchanged), (Prospect::Fail, 1));
        insta::assert_snapshot!(told.why.join("\n"), @"Deployment/web is there, written by kubectl-client-side-apply; a deploy writes nothing as long as nobody says what is to become of it: `--adopt Deployment/web` takes it over");

        let adopt = Adopt::Named(vec!["Deployment/web".parse().unwrap()]);
        let (said, run) = both(world, &wanted, &DeployOptions { adopt, ..DeployOptions::default() }).await;
        assert_eq!(run.ending, Ending::Ended(Ok(Verdict::Succeeded)));
        let told = only(&said);
        assert_eq!(
            (told.prospect, change(world, &run, "Deployment")),
            (Prospect::Configure, Change::Configured)
        );
        let fields: Vec<String> =
            told.fields.iter().map(|told| format!("{} {:?}", told.field, told.after)).collect();
        insta::assert_snapshot!(fields.join("\n"), @r#"
        .metadata.labels Some(Object {"applyset.kubernetes.io/part-of": String("applyset-Ofz-ceBwUEmNa3tc2BaUho7cXXWlmoiYQ-J1P5j87B0-v1")})
        .spec.template.spec.containers[name="main"].image Some(String("app:1"))
        .spec.replicas Some(Number(1))
        .spec.minReadySeconds None
        "#);
        let web = world.object(&key("Deployment", "web")).unwrap();
        assert!(web["spec"]["minReadySeconds"].is_null(), "{web}");
    });
}

#[test]
fn what_only_carries_the_plans_label_is_a_strangers() {
    scene(async |world| {
        world.deploy(&plan(&[map("base", &json!({}))]), DeployOptions::default()).await;
        // Somebody copied an object of ours under another name, label and all.
        let mut copy = map("settings", &json!({"colour": "theirs"})).into_value();
        copy["metadata"]["labels"] = json!({PART_OF: Inventory::new(PLAN, NAMESPACE).id()});
        world.make("kubectl-create", &Object::new(copy).unwrap());
        let wanted = plan(&[map("base", &json!({})), map("settings", &json!({"colour": "ours"}))]);
        let colour =
            |world: &World| world.object(&key("ConfigMap", "settings")).unwrap()["data"]["colour"].clone();

        let (said, run) = both(world, &wanted, &DeployOptions::default()).await;
        let Ending::Ended(Err(EngineError::Strangers(strangers))) = run.ending else {
            panic!("{:?}", run.ending)
        };
        assert_eq!(
            strangers.iter().map(|stranger| stranger.set.clone()).collect::<Vec<_>>(),
            [Some(Set::Ours)]
        );
        assert_eq!((only(&said).prospect, colour(world)), (Prospect::Fail, json!("theirs")));

        let adopt = Adopt::Named(vec!["ConfigMap/settings".parse().unwrap()]);
        let (said, run) = both(world, &wanted, &DeployOptions { adopt, ..DeployOptions::default() }).await;
        assert_eq!(run.ending, Ending::Ended(Ok(Verdict::Succeeded)));
        assert_eq!((only(&said).prospect, colour(world)), (Prospect::Configure, json!("ours")));
    });
}

#[test]
fn somebody_elses_field_is_refused_or_taken() {
    scene(async |world| {
        let settings = |value: &str| plan(&[map("settings", &json!({"colour": value, "size": "1"}))]);
        world.deploy(&settings("blue"), DeployOptions::default()).await;
        world.act("kubectl-edit", &key("ConfigMap", "settings"), |object| {
            object["data"]["colour"] = "red".into();
        });

        let (said, run) = both(world, &settings("green"), &DeployOptions::default()).await;
        let Ending::Ended(Ok(Verdict::Failed { reason })) = run.ending else { panic!("{:?}", run.ending) };
        let told = only(&said);
        assert_eq!(told.prospect, Prospect::Fail);
        assert!(reason.contains(&told.why[0]), "said {:?}, did {reason}", told.why);

        let take = vec!["ConfigMap/settings:.data.colour".parse().unwrap()];
        let (said, run) =
            both(world, &settings("green"), &DeployOptions { take, ..DeployOptions::default() }).await;
        let told = only(&said);
        assert_eq!(
            (told.prospect, change(world, &run, "ConfigMap")),
            (Prospect::Configure, Change::Configured)
        );
        let values: Vec<(Option<Value>, Option<Value>)> =
            told.fields.into_iter().map(|told| (told.before, told.after)).collect();
        assert_eq!(values, [(Some(json!("red")), Some(json!("green")))]);
    });
}

#[test]
fn a_field_that_cannot_change_is_refused_or_costs_the_object() {
    scene(async |world| {
        let web = |tier: &str| {
            let labels = json!({"app": "web", "tier": tier});
            let more = json!({
                "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}},
            });
            plan(&[workload("Deployment", "app:1", &more)])
        };
        world.deploy(&web("a"), DeployOptions::default()).await;

        let (said, run) = both(world, &web("b"), &DeployOptions::default()).await;
        let Ending::Ended(Ok(Verdict::Failed { reason })) = run.ending else { panic!("{:?}", run.ending) };
        let told = only(&said);
        assert_eq!(told.prospect, Prospect::Fail);
        assert!(reason.contains(&told.why[0]), "said {:?}, did {reason}", told.why);

        let recreate = vec!["Deployment/web".parse().unwrap()];
        let (said, run) =
            both(world, &web("b"), &DeployOptions { recreate, ..DeployOptions::default() }).await;
        assert_eq!(only(&said).prospect, Prospect::Recreate);
        assert_eq!(change(world, &run, "Deployment"), Change::Recreated);
    });
}
