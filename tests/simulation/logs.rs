//! The logs of Jobs, and what they must not do: hold up a verdict, get lost with the Job, or tell a secret.

use std::time::Duration;

use serde_json::{Value, json};
use wesago::engine::{LogTold, LogsWanted};
use wesago::event::{Event, EventKind, LogLine, Verdict};
use wesago::object::Object;
use wesago::plan::{Plan, SecretKey, SecretSource, SecretSpec, Stage, StageId};

use crate::api_server::{Key, Writer};
use crate::deployer::{Command, Fate};
use crate::journal::What;
use crate::oracle::judge;
use crate::plans::{NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::weather::Weather;
use crate::world::World;

/// The seeds of each test: controllers of every temper.
const SEEDS: std::ops::Range<u64> = 0..30;
/// Longer than any fault of these tests lasts.
const LONG: Duration = Duration::from_secs(60);

/// Returns a plan of one Job and what waits for it.
fn plan(image: &str, more: &Value) -> Plan {
    let reference = json!({"secretKeyRef": {"name": "passwords", "key": "password"}});
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "migrate", "namespace": NAMESPACE},
        "spec": {"template": {"metadata": {"labels": {"app": "migrate"}}, "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "main", "image": image, "env": [{"name": "PASSWORD", "valueFrom": reference}],
            }],
        }}},
    });
    json_patch::merge(&mut job, more);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after", "namespace": NAMESPACE},
    });
    let stage = |id: &str, needs: &[&str], object: Value| Stage {
        id: StageId::new(id).unwrap(),
        needs: needs.iter().map(|need| StageId::new(*need).unwrap()).collect(),
        objects: vec![Object::new(object).unwrap()],
        deadline: Duration::from_secs(600),
        checks: Vec::new(),
    };
    let stages = vec![stage("migrate", &[], job), stage("after", &["migrate"], map)];
    let key = SecretKey { key: "password".into(), sources: vec![SecretSource::Generate(16)] };
    let secrets = vec![SecretSpec { name: "passwords".into(), keys: vec![key] }];
    Plan::new(PLAN, NAMESPACE, stages).unwrap().with_secrets(secrets)
}

/// Deploys a plan in the world of a seed and returns what was told, and when, and the promises broken.
fn deployed(
    seed: u64,
    plan: &Plan,
    hang: bool,
    fate: impl FnOnce() -> Fate,
) -> (Vec<(Duration, Event)>, Vec<String>) {
    on_paused_clock(async {
        let mut world = World::new(seed);
        world.server.store().logs_hang = hang;
        world.run(Command::Deploy, plan, fate()).await;
        let broken = if hang { Vec::new() } else { judge(&world) };
        let entries = world.journal.entries().clone();
        let told = entries.into_iter().filter_map(|entry| match entry.what {
            What::Told { event, .. } => Some((entry.at, *event)),
            _ => None,
        });
        (told.collect(), broken)
    })
}

fn lines(told: &[(Duration, Event)]) -> Vec<&str> {
    let line = |(_, event): &'_ (Duration, Event)| matches!(event.event, EventKind::LogLine(_));
    let told = told.iter().filter(|event| line(event));
    told.filter_map(|(_, event)| match &event.event {
        EventKind::LogLine(LogLine { line, .. }) => Some(line.as_str()),
        _ => None,
    })
    .collect()
}

/// Returns when a stage ended, and how.
fn end(told: &[(Duration, Event)], id: &str) -> (Duration, Verdict) {
    let ended = told.iter().find_map(|(at, event)| match &event.event {
        EventKind::StageFinished { stage, verdict, .. } if stage.as_str() == id => {
            Some((*at, verdict.clone()))
        }
        _ => None,
    });
    ended.unwrap()
}

fn run_end(told: &[(Duration, Event)]) -> Duration {
    told.iter().find(|(_, event)| matches!(event.event, EventKind::RunFinished(_))).unwrap().0
}

#[test]
fn all_lines_are_told_though_the_job_goes_the_moment_it_is_complete() {
    let plan = plan("app:1", &json!({"spec": {"ttlSecondsAfterFinished": 0}}));
    for seed in SEEDS {
        let (told, broken) = deployed(seed, &plan, false, Fate::default);
        // That the Job is not there any more is what this is about.
        let about_logs =
            broken.iter().filter(|what| what.starts_with("logs:") || what.starts_with("secrets:"));
        assert_eq!(about_logs.collect::<Vec<_>>(), [""; 0], "seed {seed}");
        assert_eq!(end(&told, "migrate").1, Verdict::Succeeded, "seed {seed}");
        let told = lines(&told);
        assert_eq!(told.len(), 7, "seed {seed}: {told:?}");
        assert_eq!(told[2], "connects as app:***@db", "seed {seed}");
        assert!(told[6].ends_with("is done"), "seed {seed}");
    }
}

#[test]
fn a_log_that_hangs_delays_no_verdict_and_nothing_that_waits_for_it() {
    let plan = plan("app:1", &json!({}));
    for seed in SEEDS {
        let (calm, broken) = deployed(seed, &plan, false, Fate::default);
        assert_eq!(broken, [""; 0], "seed {seed}");
        let (hung, _) = deployed(seed, &plan, true, Fate::default);
        assert_eq!(lines(&hung), [""; 0], "seed {seed}");
        for stage in ["migrate", "after"] {
            // The requests of the two worlds do not travel equally long; a second would be a wait.
            let (calm, hung) = (end(&calm, stage).0, end(&hung, stage).0);
            let apart = calm.abs_diff(hung);
            assert!(apart < Duration::from_millis(200), "seed {seed}: {stage} {calm:?} {hung:?}");
        }
        let waited = run_end(&hung).checked_sub(end(&hung, "after").0).unwrap();
        assert!(waited <= Duration::from_millis(1_200), "seed {seed}: the run waited {waited:?}");
    }
}

#[test]
fn the_last_lines_of_a_job_that_fails_are_told() {
    let plan = plan("broken", &json!({}));
    let mut shown = 0;
    for seed in SEEDS {
        let (told, _) = deployed(seed, &plan, false, Fate::default);
        assert!(matches!(end(&told, "migrate").1, Verdict::Failed { .. }), "seed {seed}");
        let lines = lines(&told);
        assert!(lines.last().is_some_and(|line| line.ends_with("gives up")), "seed {seed}: {lines:?}");
        let causes: Vec<_> = told
            .iter()
            .filter_map(|(_, event)| match &event.event {
                EventKind::CauseFound(cause) => Some(cause.log.join("\n")),
                _ => None,
            })
            .collect();
        shown += usize::from(causes.iter().any(|log| log.contains("app:***@db")));
    }
    // Now and then the Job's own end is all that is known of the cause.
    assert!(shown > 20, "the log is in the cause of {shown} of 30 failures");
}

#[test]
fn connections_that_are_cut_lose_no_line_and_tell_none_twice() {
    let plan = plan("app:1", &json!({}));
    let mut cut = 0;
    for seed in SEEDS {
        let (told, broken) = deployed(seed, &plan, false, || {
            let ends = Some(tokio::time::Instant::now() + LONG);
            Fate { weather: Weather { cut_watch: 1000, ends, ..Weather::default() }, ..Fate::default() }
        });
        assert_eq!(broken, [""; 0], "seed {seed}");
        cut += usize::from(lines(&told).len() == 7);
    }
    assert!(cut > 20, "only {cut} of 30 logs were told to the end");
}

/// Returns the plan's Job as its pods' log is asked for.
fn wanted(plan: &Plan, follow: bool, tail: Option<u32>) -> LogsWanted {
    let job = plan.objects().find(|(_, object)| object.kind() == "Job").unwrap().1.reference();
    LogsWanted { workloads: vec![job], follow, tail, previous: false }
}

fn told_lines(told: &[LogTold]) -> Vec<&str> {
    let line = |told: &'_ LogTold| matches!(told, LogTold::Line { .. });
    told.iter()
        .filter(|told| line(told))
        .filter_map(|told| match told {
            LogTold::Line { line, .. } => Some(line.as_str()),
            LogTold::Note(_) => None,
        })
        .collect()
}

#[test]
fn the_logs_of_what_was_deployed_can_be_asked_for_without_its_secrets() {
    let plan = plan("app:1", &json!({}));
    on_paused_clock(async {
        let mut world = World::new(1);
        let nothing = world.logs(&plan, &wanted(&plan, false, None), LONG).await;
        assert_eq!(nothing, [LogTold::Note("no pod of Job/migrate is there".into())]);
        world.run(Command::Deploy, &plan, Fate::default()).await;
        let all = world.logs(&plan, &wanted(&plan, false, None), LONG).await;
        assert_eq!(told_lines(&all).len(), 7, "{all:?}");
        assert_eq!(told_lines(&all)[1..3], ["with a colour", "connects as app:***@db"]);
        let last = world.logs(&plan, &wanted(&plan, false, Some(2)), LONG).await;
        assert_eq!(told_lines(&last), &told_lines(&all)[5..]);
    });
}

#[test]
fn a_followed_log_goes_on_with_pods_that_come_later() {
    let plan = plan("app:1", &json!({}));
    for seed in SEEDS {
        on_paused_clock(async {
            let mut world = World::new(seed);
            world.run(Command::Deploy, &plan, Fate::default()).await;
            let server = world.server.clone();
            let again = async {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let mut store = server.store();
                let keys: Vec<Key> = store.objects.keys().filter(|key| key.kind == "Job").cloned().collect();
                let (key, kind) = (keys[0].clone(), store.kind_of(&keys[0]));
                let mut job = store.objects[&key].object.clone();
                store.remove("somebody", &key);
                job.as_object_mut().unwrap().remove("status");
                let writer = Writer { agent: "somebody", manager: "kubectl-create" };
                store.create(&writer, &kind, &key, job).unwrap();
            };
            let wanted = wanted(&plan, true, None);
            let (told, ()) = futures::future::join(world.logs(&plan, &wanted, LONG * 10), again).await;
            let told = told_lines(&told);
            assert_eq!(told.len(), 14, "seed {seed}: {told:?}");
            assert!(told[6].ends_with("is done") && told[13].ends_with("is done"), "seed {seed}: {told:?}");
        });
    }
}
