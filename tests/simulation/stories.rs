//! The tests: many seeds, each one story, held against the oracle; the same seed twice is the same story.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use wesago::engine::EngineError;
use wesago::event::{CancelReason, EventKind, Verdict};
use wesago::object::GroupKind;
use wesago::object::rule::Rule;
use wesago::readiness::Readiness;

use crate::deployer::{Command, Death, Ending, Fate};
use crate::journal::What;
use crate::many::{Stories, Story};
use crate::oracle::judge;
use crate::plans::{Application, rule_for_widgets};
use crate::random::Random;
use crate::weather::Weather;
use crate::world::World;

/// How many stories `cargo test` lives through when nobody says otherwise.
const STORIES: u64 = 60;
/// After so many stories that broke a promise no further one is begun.
const SHOWN: usize = 10;
/// Seeds that once failed, one a line; `#` begins a remark.
const KEPT: &str = include_str!("seeds.txt");

/// Runs a piece of work on a clock that is paused: time passes when nothing else is left to do.
pub(crate) fn on_paused_clock<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// Lives through the story of a seed and returns the world and the promises it broke.
fn live(seed: u64) -> (World, Vec<String>) {
    on_paused_clock(async {
        let mut world = World::new(seed);
        world.live().await;
        let broken = judge(&world);
        (world, broken)
    })
}

#[expect(clippy::disallowed_methods, reason = "how many seeds, and which, is said by the environment")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn kept() -> impl Iterator<Item = u64> {
    KEPT.lines().filter_map(|line| line.split('#').next()?.trim().parse().ok())
}

#[test]
fn every_promise_holds_in_every_story() {
    if let Some(seed) = variable("WESAGO_SIM_SEED") {
        let (world, broken) = live(seed);
        println!("{}", world.journal.transcript());
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        return;
    }
    let first = variable("WESAGO_SIM_FIRST").unwrap_or(0);
    let count = variable("WESAGO_SIM_SEEDS").unwrap_or(STORIES);
    let all: BTreeSet<u64> = kept().chain(first..first + count).collect();
    let all: Vec<u64> = all.into_iter().collect();
    let most = variable("WESAGO_SIM_STOP_AFTER").map_or(SHOWN, |most| usize::try_from(most).unwrap());
    let Stories { faults, broken, lived, .. } = Stories::live(&all, most, |seed| {
        let (world, broken) = live(seed);
        Story { faults: world.journal.tally(), broken }
    });
    println!("{lived} stories, {faults:#?}");
    assert!(broken.is_empty(), "{} stories broke a promise:\n{}", broken.len(), shown(&broken));
}

/// Returns how to see each broken promise again.
fn shown(broken: &BTreeMap<u64, Vec<String>>) -> String {
    let replay = |(seed, broken): (&u64, &Vec<String>)| {
        format!(
            "WESAGO_SIM_SEED={seed} cargo test --test simulation every -- --nocapture\n    {}",
            broken.join("\n    ")
        )
    };
    broken.iter().map(replay).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_same_seed_is_the_same_story() {
    // In the last two many wait for one thing: a lock, a server's next version.
    for seed in (0..8).chain([50_018, 50_235]) {
        let [first, second] = [(); 2].map(|()| live(seed).0.journal.transcript());
        let differs = first.lines().zip(second.lines()).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

/// Lives through one deploy that is interrupted or killed at a moment, and returns the moments at which it
/// told something, and the promises it broke.
fn live_aimed(seed: u64, aim: Option<(Duration, bool)>) -> (Vec<Duration>, Vec<String>) {
    on_paused_clock(async {
        let mut world = World::new(seed);
        let ends = Instant::now() + Duration::from_secs(60);
        let mut fate =
            Fate { weather: Weather::random(&mut Random::from_seed(seed), ends), ..Fate::default() };
        match aim {
            Some((moment, true)) => fate.death = Some(Death::At(moment)),
            Some((moment, false)) => fate.interrupts.push((moment, CancelReason::Interrupt)),
            None => {}
        }
        world.live_once(fate).await;
        let entries = world.journal.entries().clone();
        let told = entries.iter().filter_map(|entry| match &entry.what {
            What::Told { run: 1, event } if !matches!(event.event, EventKind::RunFinished(_)) => {
                Some(entry.at)
            }
            _ => None,
        });
        (told.collect(), judge(&world))
    })
}

#[test]
fn a_mistake_of_the_program_gives_the_lock_back() {
    for seed in 0..10 {
        let broken = on_paused_clock(async {
            let mut world = World::new(seed);
            world.live_once(Fate { death: Some(Death::OfMistake), ..Fate::default() }).await;
            let ending = &world.runs[0].ending;
            let panicked =
                matches!(ending, Ending::Ended(Err(EngineError::Panicked { run, .. })) if run == "run-1");
            assert!(panicked, "seed {seed}: {ending:?}");
            judge(&world)
        });
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
    }
}

#[test]
fn an_interrupt_in_the_very_instant_of_an_event_breaks_no_promise() {
    let count = variable("WESAGO_SIM_SEEDS").unwrap_or(STORIES) / 2;
    let all: Vec<u64> = (0..count).collect();
    let Stories { broken, .. } = Stories::live(&all, SHOWN, |seed| {
        let faults = BTreeMap::new();
        let mut random = Random::from_seed(seed).fork("aim");
        let (moments, broken) = live_aimed(seed, None);
        if !broken.is_empty() {
            return Story { faults, broken };
        }
        let aim = Some((*random.pick(&moments), random.chance(300)));
        let (_, broken) = live_aimed(seed, aim);
        let broken = broken.into_iter().map(|promise| format!("{promise} (aimed at {aim:?})")).collect();
        Story { faults, broken }
    });
    let told: Vec<String> =
        broken.iter().map(|(seed, broken)| format!("seed {seed}:\n    {}", broken.join("\n    "))).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// Deploys one widget whose plan says when it is current, and returns how that ended, what it was told to be,
/// and the promises that were broken.
fn deploy_a_widget(rules: BTreeMap<GroupKind, Rule>) -> (Ending, Vec<Readiness>, Vec<String>) {
    on_paused_clock(async {
        let mut world = World::new(7);
        let plan = Application::of_a_widget().plan().with_rules(rules);
        let run = world.run(Command::Deploy, &plan, Fate::default()).await;
        let told = |what: &What| match what {
            What::Told { event, .. } => match &event.event {
                EventKind::ObjectObserved { object, readiness, .. } if object.kind == "Widget" => {
                    Some(readiness.clone())
                }
                _ => None,
            },
            _ => None,
        };
        let entries = world.journal.entries().clone();
        (run.ending, entries.iter().filter_map(|entry| told(&entry.what)).collect(), judge(&world))
    })
}

#[test]
fn a_plans_own_rule_says_when_a_custom_resource_is_current() {
    let (ending, told, broken) = deploy_a_widget(rule_for_widgets("Up", None));
    assert!(ending.is_success() && broken.is_empty(), "{ending:?} {broken:?}");
    let reasons: Vec<_> = told
        .iter()
        .filter_map(|readiness| match readiness {
            Readiness::InProgress { reason } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    // Its condition said `Ready` all the while.
    assert!(
        reasons.contains(&"not current by the plan's rule: status.phase is Making"),
        "it was waited for: {told:?}"
    );
}

#[test]
fn a_plans_own_rule_says_when_a_custom_resource_has_failed() {
    // A deploy in peace that fails is one of the broken promises, and wanted here.
    let (ending, told, _) = deploy_a_widget(rule_for_widgets("Up", Some("Making")));
    let Ending::Ended(Ok(Verdict::Failed { reason })) = ending else { panic!("{ending:?}: {told:?}") };
    assert_eq!(reason, "stage s0: Widget/widget: status.phase is Making");
}
