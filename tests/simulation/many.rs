//! Many stories at once, as many as there are cores. No life shares anything with another one: each has a
//! clock, a runtime and a world of its own, so a seed tells the same story alone and in company.

use std::any::Any;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// The futures of a run, unoptimised, want more than the two megabytes a thread has by itself.
const STACK: usize = 16 << 20;
/// After so many stories it is told how far it is.
const TOLD_EVERY: usize = 5_000;

/// What came of one story.
pub(crate) struct Story {
    /// How often each fault happened in it.
    pub(crate) faults: BTreeMap<String, u64>,
    /// The promises that were broken.
    pub(crate) broken: Vec<String>,
}

/// What came of many stories.
#[derive(Default)]
pub(crate) struct Stories {
    pub(crate) lived: usize,
    pub(crate) faults: BTreeMap<String, u64>,
    /// The promises that were broken, by seed.
    pub(crate) broken: BTreeMap<u64, Vec<String>>,
    begun: usize,
}

impl Stories {
    /// Lives through the stories of the seeds, in their order. After `most_broken` of them that broke a promise no
    /// further one is begun.
    pub(crate) fn live(seeds: &[u64], most_broken: usize, live: impl Fn(u64) -> Story + Sync) -> Self {
        let stories = Mutex::new(Self::default());
        let next = || {
            let mut stories = stories.lock().unwrap();
            let seed = seeds.get(stories.begun).filter(|_| stories.broken.len() < most_broken)?;
            stories.begun += 1;
            Some(*seed)
        };
        let work = || {
            while let Some(seed) = next() {
                let story = catch_unwind(AssertUnwindSafe(|| live(seed))).unwrap_or_else(|panic| {
                    let broken = vec![format!("the simulation panicked: {}", words_of(&*panic))];
                    Story { faults: BTreeMap::new(), broken }
                });
                stories.lock().unwrap().add(seed, story, seeds.len());
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
                let worker = std::thread::Builder::new().stack_size(STACK);
                worker.spawn_scoped(scope, work).unwrap();
            }
        });
        stories.into_inner().unwrap()
    }

    fn add(&mut self, seed: u64, story: Story, of: usize) {
        self.lived += 1;
        for (fault, count) in story.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        if !story.broken.is_empty() {
            println!("after {} stories seed {seed} broke a promise", self.lived);
            self.broken.insert(seed, story.broken);
        }
        if self.lived.is_multiple_of(TOLD_EVERY) {
            println!("{} of {of} stories, {} broke a promise", self.lived, self.broken.len());
        }
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
