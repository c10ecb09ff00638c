//! The tests: many seeds, each one story, held against the oracle; the same seed twice is the same story.

use std::collections::BTreeSet;

use crate::oracle::judge;
use crate::world::World;

/// How many stories `cargo test` lives through when nobody says otherwise.
const STORIES: u64 = 60;
/// Seeds that once failed, one a line; `#` begins a remark.
const KEPT: &str = include_str!("seeds.txt");

/// Lives through the story of a seed and returns its transcript and the promises it broke.
fn live(seed: u64) -> (String, Vec<String>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed);
        world.live().await;
        (world.journal.transcript(), judge(&world))
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
        let (transcript, broken) = live(seed);
        println!("{transcript}");
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        return;
    }
    let count = variable("WESAGO_SIM_SEEDS").unwrap_or(STORIES);
    let seeds: BTreeSet<u64> = kept().chain(0..count).collect();
    let mut failed = Vec::new();
    for seed in seeds {
        let (_, broken) = live(seed);
        if !broken.is_empty() {
            failed.push(format!(
                "WESAGO_SIM_SEED={seed} cargo test --test simulation\n    {}",
                broken.join("\n    ")
            ));
        }
    }
    let (count, shown) = (failed.len(), failed.iter().take(10).cloned().collect::<Vec<_>>());
    assert!(failed.is_empty(), "{count} stories broke a promise:\n{}", shown.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 0..8 {
        let (first, _) = live(seed);
        let (second, _) = live(seed);
        let differs = first.lines().zip(second.lines()).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}
