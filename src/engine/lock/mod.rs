//! One run at a time: a Lease `wesago-<plan>` beside the plan's inventory.
//!
//! The holder renews it every third of its life. A Lease is no fence, so the holder watches itself: once
//! two thirds of the life have passed without a renewal it sends no write, whatever it was about to do,
//! until a renewal succeeds after all, which proves that nobody else had it meanwhile. Whether another holder is alive is judged on our own monotonic clock, by watching its Lease for
//! a whole life; no two machines' wall clocks are compared (client-go, `tools/leaderelection`).
//!
//! The Lease names its run and, with each renewal, the stages under way. A run that comes to its end
//! deletes it; one that is interrupted leaves it without a holder, and one that dies leaves it as it was:
//! so the next run knows what it goes on from, and a run with nothing to do pays no request for it.
//!
//! ```text
//! claim: POST ─▶ 201 ours
//!             └▶ 409 ─▶ nobody's, or its process is known to be dead: PUT, ours
//!                    └▶ watch ─▶ given back: claim again ─▶ silent for a life: PUT, ours
//!                             └▶ renewed, and the time to wait is over: locked
//! ```

mod claim;
mod lease;

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub(super) use claim::{Claim, Claimed, Fate};
pub(super) use lease::{Claimant, Stages};
pub use lease::{Interruption, LockState};

use super::EngineError;
use super::retry::Tools;
use super::session::ask;
use crate::cluster::{ApiError, Resource};
use crate::latest::{Latest, Reader};
use crate::object::Object;

/// How long a Lease lives without a renewal.
const LIFE: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How long after the last renewal writes may still go out.
const WRITES_FOR: Duration = Duration::from_secs(10);
/// How long a renewal is waited for: one that hangs must leave time for another.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The pause after a renewal that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a server that cannot be asked is asked all the same, as for any other request.
const GIVES_UP_AFTER: Duration = Duration::from_secs(120);
const DELETED: &str = "its Lease was deleted";
/// How often a Lease that is still ours, in a state we have not seen, is tried to be given back.
const RELEASES: u32 = 3;

/// The Lease, while it is ours.
pub(super) struct Lock {
    resource: Resource,
    /// The Lease as it was written last.
    seen: watch::Sender<Object>,
    /// Until when writes may go out.
    valid_until: Latest<Option<Instant>>,
    claimant: Claimant,
}

/// What a renewal came to.
enum Renewal {
    Done,
    /// The Lease is ours, in a state that was not known: at once again.
    Again,
    Lost(String),
    Failed(ApiError),
}

/// What the server holds.
enum Found {
    Renewed(Object),
    /// Not the state that was to be renewed; perhaps nothing.
    Other(Option<Object>),
}

impl Lock {
    fn new(resource: Resource, seen: Object, written_at: Instant, claimant: Claimant) -> Self {
        let valid_until = Latest::new(Some(written_at + WRITES_FOR));
        Self { resource, seen: watch::Sender::new(seen), valid_until, claimant }
    }

    /// Returns until when writes may go out; whoever sends one looks at it first.
    pub(super) fn valid_until(&self) -> Reader<Option<Instant>> {
        self.valid_until.reader()
    }

    /// Keeps the Lease for as long as it is polled, with the stages under way in it; returns why, once it
    /// is lost. While the server cannot be asked nothing is written, and the Lease is still ours when the
    /// next renewal succeeds: it is bound to the state we wrote last.
    pub(super) async fn keep(self: Rc<Self>, tools: Tools, stages: Stages) -> String {
        let (mut renewed_at, mut failures, mut wait) = (Instant::now(), 0, RENEW_EVERY);
        loop {
            tokio::time::sleep(wait).await;
            let sent_at = Instant::now();
            let error = match self.renew(&tools, &stages).await {
                Renewal::Done => {
                    (renewed_at, failures, wait) = (sent_at, 0, RENEW_EVERY);
                    self.valid_until.set(Some(sent_at + WRITES_FOR));
                    continue;
                }
                Renewal::Again => {
                    wait = Duration::ZERO;
                    continue;
                }
                Renewal::Lost(why) => return why,
                Renewal::Failed(error) => error,
            };
            if renewed_at.elapsed() >= GIVES_UP_AFTER {
                return format!("its Lease could not be renewed for {} s: {error}", GIVES_UP_AFTER.as_secs());
            }
            failures += 1;
            wait = AGAIN_AFTER;
            tools.tell("renew the lock", failures, error, wait).await;
        }
    }

    /// Renews the Lease once.
    async fn renew(&self, tools: &Tools, stages: &Stages) -> Renewal {
        let seen = self.seen.borrow().clone();
        let wanted = match self.claimant.renewal(&seen, &stages.borrow()) {
            Ok(wanted) => wanted,
            Err(error) => return Renewal::Lost(error.to_string()),
        };
        let ask = async {
            match tools.cluster.replace(&self.resource, &wanted).await {
                // The answer to an earlier renewal may have been lost: then the Lease is still ours.
                Err(error) if error.is_conflict() => {
                    tools.cluster.get(&self.resource, &seen.reference()).await.map(Found::Other)
                }
                answer => answer.map(|written| Found::Renewed(written.object)),
            }
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, ask).await;
        match answer.unwrap_or(Err(ApiError::NoAnswer { after: ANSWER_WITHIN })) {
            Ok(Found::Renewed(lease)) => {
                self.seen.send_replace(lease);
                Renewal::Done
            }
            Ok(Found::Other(Some(found))) if self.is_ours(&found) => {
                self.seen.send_replace(found);
                Renewal::Again
            }
            Ok(Found::Other(Some(found))) => {
                Renewal::Lost(format!("its Lease was taken over by {}", whose(&found)))
            }
            Ok(Found::Other(None)) => Renewal::Lost(DELETED.to_owned()),
            Err(error) if error.is_not_found() => Renewal::Lost(DELETED.to_owned()),
            Err(error) => Renewal::Failed(error),
        }
    }

    fn is_ours(&self, lease: &Object) -> bool {
        lease::holder(lease) == self.claimant.holder.identity
    }

    /// Gives the Lease back. A run that was interrupted leaves it without a holder, for the next one to
    /// find; any other deletes it.
    ///
    /// # Errors
    /// When the server cannot be asked; the Lease then ends by itself.
    pub(super) async fn release(
        &self,
        tools: &Tools,
        interrupted_in: Option<Stages>,
    ) -> Result<(), EngineError> {
        for _ in 0..RELEASES {
            let seen = self.seen.borrow().clone();
            let request = format!("release the lock {}", seen.reference());
            let unchanged = match &interrupted_in {
                None => {
                    let send = || tools.cluster.delete_unchanged(&self.resource, &seen);
                    ask(tools, &request, send).await?.is_some()
                }
                Some(stages) => {
                    let wanted = self.claimant.farewell(&seen, &stages.borrow())?;
                    let send = || tools.cluster.replace(&self.resource, &wanted);
                    match ask(tools, &request, send).await {
                        Ok(_) => true,
                        Err(EngineError::Request { error, .. }) if error.is_conflict() => false,
                        // Gone with its namespace, or unlocked: nothing is left to be given back.
                        Err(EngineError::Request { error, .. }) if error.is_not_found() => true,
                        Err(error) => return Err(error),
                    }
                }
            };
            if unchanged {
                return Ok(());
            }
            // A renewal whose answer never came, or somebody else's Lease by now.
            let name = seen.reference();
            let found =
                ask(tools, &format!("get {name}"), || tools.cluster.get(&self.resource, &name)).await?;
            match found {
                Some(found) if self.is_ours(&found) => self.seen.send_replace(found),
                _ => return Ok(()),
            };
        }
        Ok(())
    }
}

/// Returns the holder of a Lease in words.
fn whose(lease: &Object) -> &str {
    match lease::holder(lease) {
        "" => "nobody",
        holder => holder,
    }
}
