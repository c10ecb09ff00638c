//! The history of a plan, by hand: what is kept, what is brought back, what a rollback leaves alone, and
//! what a deploy that was killed on the way leaves behind.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use wesago::engine::{Chosen, DeployOptions, EngineError};
use wesago::event::{CancelReason, EventKind, Prospect, Verdict};
use wesago::history::{Found, KEPT, LABEL, Revision, Unreadable};
use wesago::object::Object;
use wesago::plan::{Plan, SecretKey, SecretSource, SecretSpec, Stage, StageId};

use crate::deployer::{Command, Death, Fate, Run, SECRET_PREFIX};
use crate::journal::{RunId, What};
use crate::plans::{NAMESPACE, PLAN};
use crate::scenes::{key, map, plan, scene, succeeded};
use crate::stories::on_paused_clock;
use crate::weather::Weather;
use crate::world::World;

/// The number of readings of the history, which are no runs.
const READER: RunId = 920_000;

fn job(image: &str, annotations: &Value) -> Object {
    let container = json!({"name": "main", "image": image});
    let value = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "migrate", "namespace": NAMESPACE, "annotations": annotations},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    });
    Object::new(value).unwrap()
}

/// Returns a plan of one Deployment, whose stage does not wait long.
fn web(image: &str) -> Plan {
    scaled(image, 1)
}

/// Returns [`web`] with so many replicas.
fn scaled(image: &str, replicas: u32) -> Plan {
    let labels = json!({"app": "web"});
    let container = json!({"name": "main", "image": image});
    let value = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    });
    let id = StageId::new("all").unwrap();
    let (objects, deadline) = (vec![Object::new(value).unwrap()], Duration::from_secs(60));
    Plan::new(PLAN, NAMESPACE, vec![Stage { id, needs: vec![], objects, deadline, checks: vec![] }]).unwrap()
}

fn settings(colour: &str) -> Plan {
    plan(&[map("settings", &json!({"colour": colour}))])
}

fn colour(world: &World) -> String {
    let map = world.object(&key("ConfigMap", "settings")).unwrap();
    map["data"]["colour"].as_str().unwrap().to_owned()
}

async fn history(world: &World) -> Vec<Revision> {
    Box::pin(world.engine(READER, Weather::default()).history(&settings("any"))).await.unwrap()
}

async fn numbers(world: &World) -> Vec<u32> {
    history(world).await.iter().map(|revision| revision.number).collect()
}

async fn choose(world: &World, number: Option<u32>) -> Result<Chosen, EngineError> {
    Box::pin(world.engine(READER, Weather::default()).revision(&settings("any"), number)).await
}

/// Rolls back in peace.
async fn roll_back(world: &mut World, number: Option<u32>) -> Run {
    let Chosen { revision, plan } = choose(world, number).await.unwrap();
    world.deploy(&plan, DeployOptions { rollback: Some(revision), ..DeployOptions::default() }).await
}

fn told<T>(world: &World, run: &Run, pick: impl Fn(&EventKind) -> Option<T>) -> Vec<T> {
    let entries = world.journal.entries();
    let told = entries.iter().filter_map(|entry| match &entry.what {
        What::Told { run: by, event } if *by == run.id => pick(&event.event),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_rollback_brings_back_what_was_and_is_a_revision_itself() {
    scene(async |world| {
        let with_more = |colour: &str| {
            plan(&[map("settings", &json!({"colour": colour})), map("more", &json!({"a": "1"}))])
        };
        succeeded(&world.deploy(&settings("blue"), DeployOptions::default()).await);
        succeeded(&world.deploy(&with_more("green"), DeployOptions::default()).await);
        let [first, second] = &history(world).await[..] else { panic!("{:?}", history(world).await) };
        assert_eq!((first.number, first.run.as_str(), first.changes.created), (1, "run-1", 1));
        assert_eq!((second.number, second.changes.created, second.changes.configured), (2, 1, 1));
        assert!(first.at < second.at && first.verdict.is_success() && first.rollback_to.is_none());

        let back = roll_back(world, None).await;
        succeeded(&back);
        assert_eq!(colour(world), "blue");
        assert_eq!(world.object(&key("ConfigMap", "more")), None);
        let all = history(world).await;
        assert_eq!((all.len(), all[2].rollback_to), (3, Some(1)));
        let commands = told(world, &back, |event| match event {
            EventKind::RunStarted(started) => Some(started.command.clone()),
            EventKind::RevisionKept { number: 3, rollback_to: Some(1) } => Some("kept".to_owned()),
            _ => None,
        });
        assert_eq!(commands, ["rollback", "kept"]);

        let again = roll_back(world, Some(1)).await;
        succeeded(&again);
        assert!(world.writes(&again).is_empty(), "{:?}", world.writes(&again));
        assert_eq!(numbers(world).await, [1, 2, 3]);
        // What is there is revision 3; before it was 2.
        succeeded(&roll_back(world, None).await);
        assert_eq!(colour(world), "green");
    });
}

#[test]
fn a_deploy_that_does_nothing_does_not_even_ask_for_the_history() {
    scene(async |world| {
        succeeded(&world.deploy(&settings("blue"), DeployOptions::default()).await);
        let again = world.deploy(&settings("blue"), DeployOptions::default()).await;
        succeeded(&again);
        let entries = world.journal.entries().clone();
        let asked = entries.iter().filter(|entry| {
            matches!(&entry.what, What::Sent { run, request, .. }
                if *run == again.id && request.path.contains("/secrets"))
        });
        assert_eq!(asked.count(), 0);
        assert_eq!(numbers(world).await, [1]);
    });
}

#[test]
fn ten_are_kept_and_the_oldest_goes_by_its_uid() {
    scene(async |world| {
        for edition in 0..13 {
            let run = world.deploy(&settings(&edition.to_string()), DeployOptions::default()).await;
            succeeded(&run);
            let writes = world.writes(&run);
            let deletions = writes.iter().filter(|request| request.method == Method::DELETE);
            for deletion in deletions {
                assert!(deletion.body["preconditions"]["uid"].is_string(), "{deletion:?}");
            }
        }
        assert_eq!(numbers(world).await, (4..=13).collect::<Vec<u32>>());
        assert_eq!(KEPT, 10);
    });
}

#[test]
fn a_failed_deploy_is_kept_and_a_rollback_leads_past_it() {
    scene(async |world| {
        succeeded(&world.deploy(&web("app:1"), DeployOptions::default()).await);
        let broken = world.deploy(&web("broken"), DeployOptions::default()).await;
        assert!(!broken.ending.is_success(), "{:?}", broken.ending);
        let all = history(world).await;
        assert_eq!(all.len(), 2);
        assert!(matches!(all[1].verdict, Verdict::Failed { .. } | Verdict::TimedOut { .. }), "{all:?}");
        let back = roll_back(world, None).await;
        succeeded(&back);
        let web = world.object(&key("Deployment", "web")).unwrap();
        assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "app:1");
    });
}

#[test]
fn the_last_good_revision_stays_however_many_have_failed_since() {
    scene(async |world| {
        succeeded(&world.deploy(&web("app:1"), DeployOptions::default()).await);
        let kept = u32::try_from(KEPT).unwrap();
        for replicas in 1..=kept + 2 {
            let run = world.deploy(&scaled("broken", replicas), DeployOptions::default()).await;
            assert!(!run.ending.is_success(), "{:?}", run.ending);
        }
        let newest = kept + 3;
        let last: Vec<u32> = [1].into_iter().chain(newest - kept + 2..=newest).collect();
        assert_eq!(numbers(world).await, last);
        succeeded(&roll_back(world, None).await);
        let web = world.object(&key("Deployment", "web")).unwrap();
        assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "app:1");
    });
}

#[test]
fn a_job_that_has_run_is_named_and_not_run_backwards() {
    scene(async |world| {
        let edition = |edition: &str| {
            plan(&[map("settings", &json!({"colour": edition})), job(&format!("app:{edition}"), &json!({}))])
        };
        let uid = |world: &World| world.object(&key("Job", "migrate")).unwrap()["metadata"]["uid"].clone();
        succeeded(&world.deploy(&edition("1"), DeployOptions::default()).await);
        succeeded(&world.deploy(&edition("2"), DeployOptions::default()).await);
        let ran = uid(world);
        let Chosen { revision, plan } = choose(world, None).await.unwrap();
        let options = DeployOptions { rollback: Some(revision), ..DeployOptions::default() };
        let engine = world.engine(READER, Weather::default());
        let foreseen = Box::pin(engine.diff(&plan, &options)).await.unwrap();
        let kept: Vec<String> =
            foreseen.with(Prospect::Keep).map(|object| object.object.to_string()).collect();
        assert_eq!(kept, ["Job/migrate"]);
        let back = world.deploy(&plan, options).await;
        succeeded(&back);
        assert_eq!((colour(world), uid(world)), ("1".to_owned(), ran.clone()));
        let warned = world.warnings(&back);
        assert_eq!(warned, ["a rollback does not undo what Job/migrate did (it is not run again)"]);
        let again = roll_back(world, Some(1)).await;
        assert!(world.writes(&again).is_empty(), "{:?}", world.writes(&again));
        // A deploy of the same is another matter.
        succeeded(&world.deploy(&edition("1"), DeployOptions::default()).await);
        assert_ne!(uid(world), ran);
    });
}

#[test]
fn a_job_that_says_so_is_run_by_a_rollback() {
    scene(async |world| {
        let copies =
            |edition: &str| plan(&[job(&format!("app:{edition}"), &json!({"wesago/rollback": "run"}))]);
        succeeded(&world.deploy(&copies("1"), DeployOptions::default()).await);
        succeeded(&world.deploy(&copies("2"), DeployOptions::default()).await);
        succeeded(&roll_back(world, None).await);
        let job = world.object(&key("Job", "migrate"));
        assert_eq!(job.unwrap()["spec"]["template"]["spec"]["containers"][0]["image"], "app:1");
    });
}

#[test]
fn a_revision_that_cannot_be_read_is_told_as_what_it_is() {
    scene(async |world| {
        succeeded(&world.deploy(&settings("blue"), DeployOptions::default()).await);
        let none = choose(world, None).await.err();
        assert_eq!(none, Some(EngineError::NoRevision { wanted: None, known: vec![1] }));
        let none = choose(world, Some(7)).await.err();
        assert_eq!(none, Some(EngineError::NoRevision { wanted: Some(7), known: vec![1] }));
        let name = wesago::history::name(PLAN, NAMESPACE, 1);
        let mut value = (*world.object(&key("Secret", &name.name)).unwrap()).clone();
        value["metadata"] = json!({
            "name": "wesago-shop.v2", "namespace": NAMESPACE, "labels": {LABEL: PLAN},
            "annotations": value["metadata"]["annotations"],
        });
        value["data"] = json!({"plan": "bm90aGluZw=="});
        world.make("kubectl-create", &Object::new(value).unwrap());
        let broken = choose(world, Some(2)).await.err();
        let Some(EngineError::UnreadableRevision { number: 2, cause: Unreadable::Broken(_) }) = broken else {
            panic!("{broken:?}")
        };
    });
}

#[test]
fn a_name_that_somebody_else_has_taken_is_passed_over() {
    scene(async |world| {
        succeeded(&world.deploy(&settings("blue"), DeployOptions::default()).await);
        let theirs = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "wesago-shop.v2", "namespace": NAMESPACE}, "data": {},
        });
        world.make("kubectl-create", &Object::new(theirs).unwrap());
        succeeded(&world.deploy(&settings("green"), DeployOptions::default()).await);
        assert_eq!(numbers(world).await, [1, 3]);
        for number in 4..9 {
            let theirs = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": format!("wesago-shop.v{number}"), "namespace": NAMESPACE}, "data": {},
            });
            world.make("kubectl-create", &Object::new(theirs).unwrap());
        }
        let run = world.deploy(&settings("red"), DeployOptions::default()).await;
        succeeded(&run);
        let warned = world.warnings(&run);
        assert!(
            warned.iter().any(|told| told.starts_with("no revision is kept of this deploy")),
            "{warned:?}"
        );
    });
}

#[test]
fn a_teardown_keeps_the_history_until_the_data_goes() {
    scene(async |world| {
        // The namespace was there before: it stays whatever is said of the data.
        for colour in ["blue", "green"] {
            succeeded(&world.deploy(&settings(colour), DeployOptions::default()).await);
        }
        let plain = Command::Teardown { delete_data: false };
        let run = world.run(plain, &settings("green"), Fate::default()).await;
        succeeded(&run);
        assert_eq!(numbers(world).await, [1, 2]);
        let kept = told(world, &run, |event| match event {
            EventKind::ObjectKept { object, reason } if object.kind == "Secret" => {
                Some(format!("{object}: {reason}"))
            }
            _ => None,
        });
        let wanted = "Secret/wesago-shop.v2: the newest of 2 revisions kept for `wesago rollback`; --delete-data removes them";
        assert_eq!(kept, [wanted]);
        // Nothing is there any more: the newest is what a rollback brings back.
        succeeded(&roll_back(world, None).await);
        assert_eq!(colour(world), "green");
        let with_data = Command::Teardown { delete_data: true };
        succeeded(&world.run(with_data, &settings("green"), Fate::default()).await);
        assert_eq!(numbers(world).await, [0; 0]);
    });
}

/// Deploys one edition, then the next one with this death, and rolls back to wherever that leads.
async fn killed_and_rolled_back(world: &mut World, requests: u64) -> bool {
    succeeded(&world.deploy(&settings("blue"), DeployOptions::default()).await);
    let fate = Fate { death: Some(Death::AfterRequests(requests)), ..Fate::default() };
    let run = world.run(Command::Deploy, &settings("green"), fate).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    match choose(world, None).await {
        // Nothing had been begun.
        Err(EngineError::NoRevision { wanted: None, .. }) => assert_eq!(colour(world), "blue"),
        Err(error) => panic!("after {requests} requests: {error:?}"),
        Ok(Chosen { revision, plan }) => {
            assert_eq!(revision.number, 1, "after {requests} requests");
            let options = DeployOptions { rollback: Some(revision), ..DeployOptions::default() };
            succeeded(&world.deploy(&plan, options).await);
            assert_eq!(colour(world), "blue", "after {requests} requests");
        }
    }
    // Whatever there was, the next one that changes something is kept.
    let before = numbers(world).await;
    succeeded(&world.deploy(&settings("red"), DeployOptions::default()).await);
    assert_eq!(numbers(world).await.len(), before.len() + 1);
    run.ending.is_success()
}

#[test]
fn wherever_a_deploy_was_killed_a_rollback_leads_to_the_one_before() {
    let mut requests = 1;
    loop {
        let has_ended = on_paused_clock(async {
            let mut world = World::new(3);
            killed_and_rolled_back(&mut world, requests).await
        });
        if has_ended {
            break;
        }
        requests += 1;
    }
    assert!(requests > 8, "{requests}");
}

#[test]
fn an_interrupted_deploy_is_kept_so_that_a_rollback_leads_past_it() {
    scene(async |world| {
        succeeded(&world.deploy(&web("app:1"), DeployOptions::default()).await);
        let interrupts = vec![(Duration::from_millis(700), CancelReason::Interrupt)];
        let fate = Fate { interrupts, ..Fate::default() };
        let run = world.run(Command::Deploy, &web("broken"), fate).await;
        assert!(!run.ending.is_success(), "{:?}", run.ending);
        let all = history(world).await;
        assert_eq!((all.len(), &all[1].verdict), (2, &Verdict::Cancelled));
        assert_eq!(choose(world, None).await.unwrap().revision.number, 1);
    });
}

#[test]
fn a_revision_tells_nothing_of_generated_secrets() {
    scene(async |world| {
        let key_of = |key: &str| SecretKey { key: key.to_owned(), sources: vec![SecretSource::Generate(16)] };
        let spec = SecretSpec { name: "passwords".into(), keys: vec![key_of("user")] };
        let plan = settings("blue").with_secrets(vec![spec]);
        succeeded(&world.deploy(&plan, DeployOptions::default()).await);
        let secret = world.object(&key("Secret", "wesago-shop.v1")).unwrap();
        let secret = Object::new((*secret).clone()).unwrap();
        let content = Found::parse(PLAN, &secret).unwrap().content(&secret).unwrap().plan().unwrap();
        assert!(!format!("{content:?}").contains(SECRET_PREFIX));
        assert_eq!(content.secrets(), plan.secrets());
        let Chosen { plan: read, .. } = choose(world, Some(1)).await.unwrap();
        assert_eq!(read.secrets(), plan.secrets());
    });
}
