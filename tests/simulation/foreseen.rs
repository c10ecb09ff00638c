//! What a deploy tells before its first write, and what it costs to find that there is nothing to do.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use serde_json::{Value, json};
use wesago::clock::Clock;
use wesago::engine::{Confirm, DeployOptions, Emitter, EngineError, SecretSources};
use wesago::event::{CancelReason, EventKind, Forecast, Prospect, Verdict};
use wesago::object::Object;
use wesago::plan::{Plan, SecretSource, Stage, StageId};
use wesago::report::Fanout;

use crate::deployer::{Command, Fate, Run};
use crate::journal::{RunId, What};
use crate::plans::{NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::weather::Weather;
use crate::world::World;

/// Requests of a deploy that finds nothing to do: two for the lock, the inventory, and a list of each of the
/// three kinds. (Design, section 7, allows 12.)
const IDLE: usize = 6;

fn object(kind: &str, name: &str, rest: &Value) -> Object {
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut value = json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE},
    });
    json_patch::merge(&mut value, rest);
    Object::new(value).unwrap()
}

/// Returns a chain of stages, each with so many ConfigMaps, a Service and a Deployment.
pub(crate) fn chain(stages: usize, maps: usize, edition: &str) -> Plan {
    let stage = |index: usize| {
        let name = format!("s{index}");
        let labels = json!({"app": name});
        let template = json!({
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": format!("app:{edition}")}]},
        });
        let mut objects: Vec<Object> = (0..maps)
            .map(|map| object("ConfigMap", &format!("{name}-{map}"), &json!({"data": {"a": edition}})))
            .collect();
        objects.push(object(
            "Service",
            &name,
            &json!({"spec": {"selector": labels, "ports": [{"port": 80}]}}),
        ));
        objects.push(object(
            "Deployment",
            &name,
            &json!({"spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}),
        ));
        let needs = index.checked_sub(1).map(|before| StageId::new(format!("s{before}")).unwrap());
        Stage {
            id: StageId::new(name).unwrap(),
            needs: needs.into_iter().collect(),
            objects,
            deadline: Duration::from_secs(600),
            checks: Vec::new(),
        }
    };
    Plan::new(PLAN, NAMESPACE, (0..stages).map(stage).collect()).unwrap()
}

/// Deploys in peace, and must succeed.
async fn deploy(world: &mut World, plan: &Plan) -> Run {
    let run = world.run(Command::Deploy, plan, Fate::default()).await;
    assert!(run.ending.is_success(), "{:?}", run.ending);
    run
}

fn requests(world: &World, run: &Run) -> Vec<String> {
    let entries = world.journal.entries();
    let sent = entries.iter().filter_map(|entry| match &entry.what {
        What::Sent { run: sent_by, request, .. } if *sent_by == run.id => {
            Some(format!("{} {}?{}", request.method, request.path, request.query))
        }
        _ => None,
    });
    sent.collect()
}

fn foreseen(world: &World, run: &Run) -> Forecast {
    let entries = world.journal.entries();
    let told = entries.iter().find_map(|entry| match &entry.what {
        What::Told { run: told_by, event } if *told_by == run.id => match &event.event {
            EventKind::Foreseen(forecast) => Some(forecast.clone()),
            _ => None,
        },
        _ => None,
    });
    told.unwrap()
}

#[test]
fn nothing_to_do_costs_a_handful_of_requests_however_many_objects_there_are() {
    on_paused_clock(async {
        for (stages, maps) in [(6, 1), (3, 300)] {
            let plan = chain(stages, maps, "1");
            // A Deployment that flaps in between would be watched, and that is not what is counted here.
            let mut world = World::even(7);
            deploy(&mut world, &plan).await;
            let run = deploy(&mut world, &plan).await;
            let sent = requests(&world, &run);
            assert_eq!(sent.len(), IDLE, "{} requests:\n{}", sent.len(), sent.join("\n"));
            let forecast = foreseen(&world, &run);
            assert!(forecast.is_nothing());
            assert_eq!(forecast.unchanged, stages * (maps + 2));
        }
    });
}

#[test]
fn a_deploy_tells_what_it_will_do_without_a_request_of_its_own() {
    on_paused_clock(async {
        let mut world = World::new(7);
        let run = deploy(&mut world, &chain(2, 1, "1")).await;
        let cold = foreseen(&world, &run);
        assert_eq!((cold.objects.len(), cold.unchanged), (6, 0));
        assert!(cold.objects.iter().all(|object| object.prospect == Prospect::Create));
        let run = deploy(&mut world, &chain(2, 1, "2")).await;
        assert!(requests(&world, &run).iter().all(|request| !request.contains("dryRun")));
        let warm = foreseen(&world, &run);
        assert_eq!((warm.with(Prospect::Write).count(), warm.unchanged), (4, 2));
        let web = warm.objects.iter().find(|object| object.object.kind == "Deployment").unwrap();
        assert_eq!(web.fields[0].field, r#".spec.template.spec.containers[name="main"].image"#);
        assert_eq!(web.rolls, [r#"its template changes: .spec.containers[name="main"].image"#]);
    });
}

/// The number of deploys with options of their own.
const OTHER: RunId = 3001;

struct NoSecrets;

impl SecretSources for NoSecrets {
    fn value(&self, _: &SecretSource) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// Deploys with options, in peace.
async fn deploy_with(
    world: &World,
    plan: &Plan,
    options: &DeployOptions,
    cancels: impl Stream<Item = CancelReason> + Unpin,
) -> Result<Verdict, EngineError> {
    let engine = world.engine(OTHER, Weather::default());
    let clock = Clock::starting_at(world.now());
    let mut fanout = Fanout::new(clock);
    let mut emitter = Emitter::new(clock, &mut fanout);
    Box::pin(engine.deploy(plan, options, &NoSecrets, cancels, &mut emitter)).await
}

/// Returns what gives this answer, and what it was asked about.
fn answering(answer: Option<bool>) -> (Confirm, Rc<RefCell<Vec<Forecast>>>) {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&asked);
    let confirm = Confirm::new(move |forecast| {
        heard.borrow_mut().push(forecast.clone());
        match answer {
            Some(answer) => async move { answer }.boxed_local(),
            None => futures::future::pending().boxed_local(),
        }
    });
    (confirm, asked)
}

fn maps(world: &World) -> usize {
    let store = world.server.store();
    store.objects.keys().filter(|key| key.kind == "ConfigMap" && key.name.starts_with("s0-")).count()
}

#[test]
fn a_prune_that_runs_away_is_stopped_before_the_first_write() {
    on_paused_clock(async {
        let mut world = World::new(7);
        deploy(&mut world, &chain(1, 12, "1")).await;
        let before = world.server.store().history.len();
        let smaller = chain(1, 1, "2");
        let stopped =
            deploy_with(&world, &smaller, &DeployOptions::default(), futures::stream::pending()).await;
        let Err(EngineError::TooManyDeletions { objects, limit: 10 }) = stopped else {
            panic!("{stopped:?}")
        };
        assert_eq!(objects.len(), 11);
        let changed: Vec<_> = world.server.store().history[before..]
            .iter()
            .filter(|commit| commit.key.kind != "Lease" && commit.agent.starts_with("wesago"))
            .map(|commit| commit.key.to_string())
            .collect();
        assert_eq!(changed, [""; 0]);
        let options = DeployOptions { max_deletions: Some(11), ..DeployOptions::default() };
        let done = deploy_with(&world, &smaller, &options, futures::stream::pending()).await;
        assert_eq!(done, Ok(Verdict::Succeeded));
        assert_eq!(maps(&world), 1);
    });
}

#[test]
fn whoever_sits_there_is_asked_before_something_goes_and_not_otherwise() {
    on_paused_clock(async {
        let mut world = World::new(7);
        deploy(&mut world, &chain(1, 2, "1")).await;
        let ask = async |plan: &Plan, answer| {
            let (confirm, asked) = answering(answer);
            let options = DeployOptions { confirm: Some(confirm), ..DeployOptions::default() };
            let ended = deploy_with(&world, plan, &options, futures::stream::pending()).await;
            let asked =
                asked.borrow().iter().map(|forecast| forecast.with(Prospect::Delete).count()).collect();
            (ended, asked)
        };
        let (changed, smaller) = (chain(1, 2, "2"), chain(1, 1, "2"));
        assert_eq!(ask(&changed, Some(false)).await, (Ok(Verdict::Succeeded), Vec::<usize>::new()));
        assert_eq!(ask(&smaller, Some(false)).await, (Err(EngineError::NotConfirmed), vec![1]));
        assert_eq!(maps(&world), 2);
        assert_eq!(ask(&smaller, Some(true)).await, (Ok(Verdict::Succeeded), vec![1]));
        assert_eq!(maps(&world), 1);
    });
}

#[test]
fn an_interrupt_ends_a_question_and_gives_the_lock_back() {
    on_paused_clock(async {
        let mut world = World::new(7);
        deploy(&mut world, &chain(1, 2, "1")).await;
        let smaller = chain(1, 1, "1");
        let (confirm, asked) = answering(None);
        let options = DeployOptions { confirm: Some(confirm), ..DeployOptions::default() };
        let interrupt = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            CancelReason::Interrupt
        };
        let interrupts = Box::pin(interrupt.into_stream().chain(futures::stream::pending()));
        let ended = deploy_with(&world, &smaller, &options, interrupts).await;
        assert_eq!(ended, Ok(Verdict::Cancelled));
        assert_eq!(asked.borrow().len(), 1);
        assert_eq!(maps(&world), 2);
        deploy(&mut world, &smaller).await;
        assert_eq!(maps(&world), 1);
    });
}
