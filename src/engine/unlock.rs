//! Looking at a plan's lock, and taking it away from a run that will not give it back.

use tokio::time::Instant;

use super::lock::{Claim, Claimant, Fate};
use super::run::Run;
use super::{Engine, EngineError, LockState};
use crate::plan::Plan;

/// How often a lock whose living holder renews it meanwhile is tried to be removed.
const TRIES: u32 = 5;

/// What became of a lock that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlocking {
    /// It is gone.
    Unlocked,
    /// Its holder renews it, so it was left alone.
    Renewed(Box<LockState>),
    /// Another run holds it by now; `None` when it kept changing hands.
    TakenOver(Option<Box<LockState>>),
}

impl Engine {
    /// Returns what the plan's lock says; `None` when there is none. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be asked.
    pub async fn lock(&self, plan: &Plan) -> Result<Option<LockState>, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let claim = Claim::new(run.tools(), plan, self.claimant("status"));
        run.quietly(claim.look()).await
    }

    /// Returns true when the holder is seen to renew the lock within its life. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be asked.
    pub async fn is_renewed(&self, plan: &Plan, lock: &LockState) -> Result<bool, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let claim = Claim::new(run.tools(), plan, self.claimant("unlock"));
        let fate = run.quietly(claim.watch(lock.clone(), Instant::now())).await?;
        Ok(matches!(fate, Fate::Lives(_)))
    }

    /// Removes the lock of the holder seen in `lock`, and of no other. One that was renewed since is left
    /// alone unless `force`: its run then stops, since it finds its lock gone.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be asked.
    pub async fn unlock(&self, plan: &Plan, lock: &LockState, force: bool) -> Result<Unlocking, EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let claim = Claim::new(run.tools(), plan, self.claimant("unlock"));
        let work = async {
            let mut seen = lock.clone();
            for _ in 0..TRIES {
                if claim.remove(&seen).await? {
                    return Ok(Unlocking::Unlocked);
                }
                let Some(now) = claim.look().await? else { return Ok(Unlocking::Unlocked) };
                if now.holder != lock.holder {
                    return Ok(Unlocking::TakenOver(Some(Box::new(now))));
                }
                if !force {
                    return Ok(Unlocking::Renewed(Box::new(now)));
                }
                seen = now;
            }
            Ok(Unlocking::TakenOver(None))
        };
        run.quietly(work).await
    }

    pub(super) fn claimant(&self, command: &'static str) -> Claimant {
        let (holder, run) = (self.identity.holder.clone(), self.identity.run.clone());
        Claimant { holder, run, command, clock: self.clock }
    }
}
