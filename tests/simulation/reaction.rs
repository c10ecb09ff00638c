//! How soon the program acts, and upon what: on a network that takes no time every request goes out in the
//! very instant of the news it follows from. Nothing is asked by the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use wesago::event::EventKind;

use crate::api_server::{Commit, Key};
use crate::deployer::{Command, Fate};
use crate::journal::{Entry, What};
use crate::oracle::judge;
use crate::plans::{Application, NAMESPACE};
use crate::stories::on_paused_clock;
use crate::weather::Weather;
use crate::world::World;

const STAGES: usize = 6;
const SEEDS: u64 = 20;

/// Deploys a chain of stages in a weather and returns the world after it. Every promise must hold.
async fn deployed(seed: u64, weather: Weather) -> World {
    let mut world = World::even(seed);
    let plan = Application::chain(STAGES).plan();
    let run = world.run(Command::Deploy, &plan, Fate { weather, ..Fate::default() }).await;
    assert!(run.ending.is_success(), "seed {seed}: {:?}", run.ending);
    let broken = judge(&world);
    assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
    world
}

async fn deployed_without_delay(seed: u64) -> World {
    deployed(seed, Weather { instant: true, ..Weather::default() }).await
}

fn deployment(index: usize) -> Key {
    let [group, kind, namespace] = ["apps", "Deployment", NAMESPACE].map(str::to_owned);
    Key { group, kind, namespace, name: format!("web-{index}") }
}

/// Returns true for a Deployment whose rollout is over, in the controller's own words.
fn is_rolled_out(commit: &Commit) -> bool {
    let Some(object) = &commit.after else { return false };
    let (wanted, status) = (&object["spec"]["replicas"], &object["status"]);
    status["observedGeneration"] == object["metadata"]["generation"]
        && [&status["updatedReplicas"], &status["availableReplicas"], &status["replicas"]]
            .iter()
            .all(|count| **count == *wanted)
}

/// Returns the requests sent that belong to no Lease: its renewal is what the clock is for.
fn sent(entries: &[Entry]) -> impl Iterator<Item = (Duration, &str, &str)> {
    entries.iter().filter_map(|entry| match &entry.what {
        What::Sent { request, .. } if !request.path.contains("/leases") => {
            Some((entry.at, request.method.as_str(), request.path.as_str()))
        }
        _ => None,
    })
}

#[test]
fn a_stage_starts_in_the_instant_its_need_is_ready() {
    for seed in 0..SEEDS {
        let world = on_paused_clock(deployed_without_delay(seed));
        let (entries, history) = (world.journal.entries().clone(), world.server.store().history.clone());
        for index in 1..STAGES {
            let need = deployment(index - 1);
            let mut of_need = history.iter().filter(|commit| commit.key == need);
            let ready = of_need.find(|commit| is_rolled_out(commit)).unwrap().at;
            let own = [format!("/web-{index}"), format!("/settings-{index}")];
            let mut writes = sent(&entries).filter(|(_, method, path)| {
                *method == "PATCH" && own.iter().any(|name| path.ends_with(name.as_str()))
            });
            let (first, last) = (writes.next().unwrap().0, writes.last().unwrap().0);
            assert_eq!((first, last), (ready, ready), "seed {seed}, stage {index}");
        }
    }
}

#[test]
fn no_request_is_sent_by_the_clock() {
    for seed in 0..SEEDS {
        let world = on_paused_clock(deployed_without_delay(seed));
        let (entries, history) = (world.journal.entries().clone(), world.server.store().history.clone());
        let changed = history.iter().filter(|commit| commit.agent == "kube-controller-manager");
        let mut news: BTreeSet<Duration> = changed.map(|commit| commit.at).collect();
        news.extend(
            entries.iter().find(|entry| matches!(entry.what, What::Began { .. })).map(|began| began.at),
        );
        for (at, method, path) in sent(&entries) {
            assert!(news.contains(&at), "seed {seed}: {method} {path} at {at:?} follows from nothing");
        }
        let took = entries.last().unwrap().at;
        assert!(took > Duration::from_secs(2), "seed {seed}: too short to tell: {took:?}");
    }
}

#[test]
fn news_wake_only_what_they_are_about() {
    for seed in 0..SEEDS {
        let world = on_paused_clock(deployed_without_delay(seed));
        let (entries, history) = (world.journal.entries().clone(), world.server.store().history.clone());
        let mut told = 0;
        for entry in &entries {
            let What::Told { event, .. } = &entry.what else { continue };
            let EventKind::ObjectObserved { object, .. } = &event.event else { continue };
            let its_own = |commit: &Commit| {
                commit.at == entry.at && commit.key.kind == object.kind && commit.key.name == object.name
            };
            assert!(history.iter().any(its_own), "seed {seed}: {object} at {:?}", entry.at);
            told += 1;
        }
        assert!(told >= STAGES, "seed {seed}: only {told} observations were told");
    }
}

/// Whoever may list and not watch is served, more slowly, and told so once for each kind.
#[test]
fn what_may_not_be_watched_is_listed() {
    for seed in 0..SEEDS {
        let world = on_paused_clock(deployed(seed, Weather { unwatchable: true, ..Weather::default() }));
        let entries = world.journal.entries().clone();
        let warned: Vec<String> = entries
            .iter()
            .filter_map(|entry| match &entry.what {
                What::Told { event, .. } => match &event.event {
                    EventKind::Warned { message } => Some(message.clone()),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let wanted = "deployments of namespace shop may not be watched, and so are listed every 2 s: deployments is \
                      forbidden: User \"ci\" cannot watch resource \"deployments\" in the namespace \"shop\"";
        assert_eq!(warned.iter().filter(|message| *message == wanted).count(), 1, "seed {seed}: {warned:#?}");
        let different: BTreeSet<&String> = warned.iter().collect();
        assert_eq!(different.len(), warned.len(), "seed {seed}: {warned:#?}");
        let is_list = |path: &str, method: &str| method == "GET" && path.ends_with("/deployments");
        let lists: Vec<Duration> = entries
            .iter()
            .filter_map(|entry| match &entry.what {
                What::Sent { request, .. }
                    if is_list(&request.path, request.method.as_str())
                        && !request.query.contains("watch=true") =>
                {
                    Some(entry.at)
                }
                _ => None,
            })
            .collect();
        // Two are those a first run begins with: of what is owned, and of what is there already.
        assert!(lists.len() > 4, "seed {seed}: {lists:?}");
        let pauses = lists[2..].windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        let slow = pauses.filter(|pause| *pause >= Duration::from_millis(1_800)).count();
        // Once a minute a watch is tried, and the list that follows its refusal comes at once.
        let minutes = usize::try_from(entries.last().unwrap().at.as_secs() / 60).unwrap();
        assert!(slow + 1 + minutes >= lists.len() - 2, "seed {seed}: {lists:?}");
    }
}

/// A connection that dies without a word costs a minute and a half a stage, and is no failure to tell.
#[test]
fn a_watch_that_falls_silent_is_opened_anew() {
    let mut anew = 0;
    for seed in 0..SEEDS {
        let world = on_paused_clock(async {
            let ends = Some(Instant::now() + Duration::from_secs(3_600));
            deployed(seed, Weather { silent_watch: 1_000, ends, ..Weather::default() }).await
        });
        let entries = world.journal.entries().clone();
        let is_failure = |entry: &Entry| match &entry.what {
            What::Told { event, .. } => matches!(event.event, EventKind::AttemptFailed { .. }),
            _ => false,
        };
        assert!(!entries.iter().any(is_failure), "seed {seed}");
        let is_watch = |entry: &&Entry| match &entry.what {
            What::Sent { request, .. } => request.query.contains("watch=true"),
            _ => false,
        };
        anew += entries.iter().filter(is_watch).count() - 1;
        let took = entries.last().unwrap().at;
        assert!(took < Duration::from_secs(95) * u32::try_from(STAGES).unwrap(), "seed {seed}: {took:?}");
    }
    assert!(anew > 3, "no watch fell silent");
}

/// The statuses the tests above look for are those of the simulated controller.
#[test]
fn a_rollout_is_seen_by_its_counts() {
    let commit = |status: Value| Commit {
        version: 1,
        at: Duration::ZERO,
        agent: String::new(),
        key: deployment(0),
        before: None,
        after: Some(std::sync::Arc::new(serde_json::json!({
            "metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status,
        }))),
        last_words: None,
    };
    let ready = serde_json::json!({
        "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
    });
    assert!(is_rolled_out(&commit(ready.clone())));
    for field in ["observedGeneration", "replicas", "updatedReplicas", "availableReplicas"] {
        let mut stale = ready.clone();
        stale[field] = 0.into();
        assert!(!is_rolled_out(&commit(stale)), "{field}");
    }
}
