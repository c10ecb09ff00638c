//! L0: randomness. One seed a run, forked by label: a new stage does not change another stage's jitter,
//! and a run can be replayed from the seed in its first event.

/// A source of seeds derived from one.
#[derive(Clone, Copy, Debug)]
pub struct Entropy {
    seed: u64,
}

impl Entropy {
    /// Returns the source that grows from `seed`.
    pub fn from_seed(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the source for `label`: the same for the same seed and label, unrelated for others.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        // FNV-1a over the label, then the finisher of SplitMix64: enough to tell labels apart, and
        // stable between versions of the program (the standard library's hasher promises neither).
        let mut hash = self.seed ^ 0xcbf2_9ce4_8422_2325;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { seed: hash ^ (hash >> 31) }
    }

    /// Returns the seed, for a generator that wants one.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

#[cfg(test)]
mod tests {
    use super::Entropy;

    #[test]
    fn forks_are_stable_and_differ_by_label() {
        let root = Entropy::from_seed(7);
        assert_eq!(root.fork("web").seed(), root.fork("web").seed());
        assert_ne!(root.fork("web").seed(), root.fork("worker").seed());
        assert_ne!(root.fork("web").seed(), Entropy::from_seed(8).fork("web").seed());
    }
}
