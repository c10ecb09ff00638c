//! How much goes wrong between a run of the program and the server, and for how long.

use std::time::Duration;

use tokio::time::Instant;

use crate::random::Random;

/// How often each fault happens, in a thousand requests, and until when.
#[derive(Clone, Default)]
pub(crate) struct Weather {
    pub(crate) slow: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) unanswered: u64,
    pub(crate) too_many: u64,
    pub(crate) server_error: u64,
    pub(crate) gateway_timeout: u64,
    pub(crate) cut_watch: u64,
    pub(crate) silent_watch: u64,
    pub(crate) late_watch: u64,
    pub(crate) small_pages: u64,
    /// Refusals for want of a permission.
    pub(crate) forbidden: u64,
    /// Nothing may be watched.
    pub(crate) unwatchable: bool,
    /// What has failed twice is spared for so long: the faults pass before a run gives up.
    pub(crate) respite: Option<Duration>,
    /// The way takes no time.
    pub(crate) instant: bool,
    /// Between these moments nobody answers.
    pub(crate) outage: Option<(Instant, Instant)>,
    /// No fault begins after this moment.
    pub(crate) ends: Option<Instant>,
}

impl std::fmt::Debug for Weather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ends.is_none() {
            return f.write_str("fair");
        }
        let shares = [
            ("slow", self.slow),
            ("refused", self.refused),
            ("lost", self.lost),
            ("unanswered", self.unanswered),
            ("too many", self.too_many),
            ("server error", self.server_error),
            ("gateway timeout", self.gateway_timeout),
            ("cut watch", self.cut_watch),
            ("silent watch", self.silent_watch),
            ("late watch", self.late_watch),
            ("small pages", self.small_pages),
            ("forbidden", self.forbidden),
            ("outages", u64::from(self.outage.is_some())),
        ];
        f.debug_map()
            .entries(shares.iter().filter(|(_, share)| *share > 0).map(|(name, share)| (name, share)))
            .finish()
    }
}

impl Weather {
    /// Returns faults that every run must survive: each passes, and none takes long.
    pub(crate) fn bearable(ends: Instant) -> Self {
        Self {
            refused: 20,
            lost: 20,
            too_many: 10,
            server_error: 20,
            gateway_timeout: 20,
            cut_watch: 600,
            late_watch: 300,
            small_pages: 500,
            respite: Some(Duration::from_secs(30)),
            ends: Some(ends),
            ..Self::default()
        }
    }

    /// Returns how much of each fault there is, for a seed.
    pub(crate) fn random(random: &mut Random, ends: Instant) -> Self {
        let outage = random.chance(200).then(|| {
            let begins = Instant::now() + random.millis(0, 30_000);
            (begins, (begins + random.millis(1_000, 90_000)).min(ends))
        });
        let mut some = |most: u64| if random.chance(400) { random.between(1, most) } else { 0 };
        Self {
            slow: some(200),
            refused: some(150),
            lost: some(150),
            unanswered: some(40),
            too_many: some(150),
            server_error: some(100),
            gateway_timeout: some(100),
            cut_watch: some(700),
            silent_watch: some(200),
            late_watch: some(700),
            small_pages: some(1000),
            forbidden: some(15),
            outage,
            ends: Some(ends),
            ..Self::default()
        }
    }
}
