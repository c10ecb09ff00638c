//! The one source of chance: `SplitMix64`, forked by label, so that one part that draws more does not
//! change what another part draws.

use std::time::Duration;

use wesago::entropy::Entropy;

/// A generator of numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Returns the generator of a seed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        let seed = Entropy::from_seed(seed).fork("simulation").seed();
        Self { seed, state: seed }
    }

    /// Returns a generator that depends on the seed and the label only, not on what was drawn before.
    pub(crate) fn fork(&self, label: &str) -> Self {
        let seed = Entropy::from_seed(self.seed).fork(label).seed();
        Self { seed, state: seed }
    }

    /// Returns any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.any() % (high - low + 1)
    }

    /// Returns an index below `length`.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.any() % u64::try_from(length).unwrap()).unwrap()
    }

    /// Returns true so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.any() % 1000 < per_mille
    }

    /// Returns one of `all`.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.index(all.len())]
    }

    /// Returns a duration of so many milliseconds.
    pub(crate) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }
}
