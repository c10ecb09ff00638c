//! Taking the Lease: at once when it is free, after a watch when its holder may be dead or is waited for.

use futures::StreamExt as _;
use tokio::time::Instant;

use super::Lock;
use super::lease::{self, Claimant, Interruption, LockState};
use crate::cluster::{ApiError, Observation, Resource, Scope, Start, Written};
use crate::engine::retry::Tools;
use crate::engine::session::{ask, first_asked};
use crate::engine::{EngineError, Life};
use crate::inventory::FIELD_MANAGER;
use crate::object::{Object, ObjectRef};
use crate::plan::Plan;

/// How often a Lease that changes hands between two looks is looked at again.
const LOOKS: u32 = 5;

/// A wish for a plan's Lease.
pub(in crate::engine) struct Claim {
    tools: Tools,
    resource: Resource,
    name: ObjectRef,
    claimant: Claimant,
}

/// What a claim came to.
pub(in crate::engine) enum Claimed {
    /// The Lease is ours; a run that did not come to its end had left it behind.
    Ours(Box<Lock>, Option<Interruption>),
    /// Its namespace is not there.
    Nowhere,
    /// Its namespace is being deleted, and takes nothing new.
    Ending,
    /// Somebody has it who is not known to be dead.
    Held(Box<LockState>),
}

/// What became of somebody else's Lease while it was watched.
pub(in crate::engine) enum Fate {
    /// Its holder renews it, and the time to wait is over.
    Lives(Box<LockState>),
    /// It was given back, or changed hands: it can be claimed again.
    Changed,
    /// Its holder has let a whole life pass.
    Expired(Box<LockState>),
}

/// What one write of the Lease came to.
enum Write {
    /// It is ours; the request was sent at this moment.
    Ours(Box<Object>, Instant),
    /// Somebody's write came first, or an earlier one of our own whose answer was lost.
    Held,
    /// Its namespace is not there.
    Nowhere,
    /// Its namespace is being deleted.
    Ending,
}

impl Claim {
    /// Returns a claim that was not made yet.
    pub(in crate::engine) fn new(tools: Tools, plan: &Plan, claimant: Claimant) -> Self {
        Self { tools, resource: Resource::lease(), name: lease::name(plan), claimant }
    }

    /// Takes the Lease if it is free, or its holder known to be dead. The first question of a run finds out
    /// whether the cluster is there at all.
    ///
    /// # Errors
    /// [`EngineError::Locked`] when others were faster again and again.
    pub(in crate::engine) async fn make(&self, is_first_question: bool) -> Result<Claimed, EngineError> {
        let created = if is_first_question {
            first_asked(&self.tools, async |tools| self.create(&tools).await).await
        } else {
            self.create(&self.tools).await
        };
        if let Some(claimed) = self.unless_held(created?) {
            return Ok(claimed);
        }
        let mut left = None;
        for _ in 0..LOOKS {
            let Some(found) = self.find().await? else {
                match self.unless_held(self.create(&self.tools).await?) {
                    Some(claimed) => return Ok(claimed),
                    None => continue,
                }
            };
            let state = self.claimant.look_at(&found);
            // In our name: the answer to our write was lost. It is written again, since it lives from then.
            let is_ours = state.holder == self.claimant.holder.identity;
            if state.is_held() && !is_ours && state.life != Life::Dead {
                return Ok(Claimed::Held(Box::new(state)));
            }
            if !is_ours {
                left = state.interruption();
            }
            if let Write::Ours(lease, sent_at) = self.replace(&found).await? {
                return Ok(self.ours(*lease, sent_at, left));
            }
        }
        Err(EngineError::locked(LockState::unknown("other runs, which were faster each time")))
    }

    /// Takes the Lease of a holder that has let a whole life pass, if nobody else has done so meanwhile.
    pub(in crate::engine) async fn seize(
        &self,
        expired: &LockState,
    ) -> Result<Option<(Box<Lock>, Option<Interruption>)>, EngineError> {
        let Some(lease) = &expired.lease else { return Ok(None) };
        Ok(match self.replace(lease).await? {
            Write::Ours(lease, sent_at) => Some((self.lock(*lease, sent_at), expired.interruption())),
            Write::Held | Write::Nowhere | Write::Ending => None,
        })
    }

    /// Watches somebody else's Lease. One that was not seen to be renewed is watched for a whole life; a
    /// holder that lives is waited for until `until`.
    pub(in crate::engine) async fn watch(
        &self,
        held: LockState,
        until: Instant,
    ) -> Result<Fate, EngineError> {
        let Some(lease) = held.lease.clone() else { return Ok(Fate::Changed) };
        let scope = Scope::named(self.resource.clone(), lease.namespace(), lease.name());
        let from = Start::After(lease.resource_version().to_owned());
        let mut watch = std::pin::pin!(self.tools.cluster.watch(scope, from, self.tools.seed));
        let (mut held, mut lease, mut lives) = (held.clone(), lease, held.life == Life::Alive);
        let mut renewed_at = Instant::now();
        loop {
            let expires = renewed_at + lease::life(&lease);
            if lives && Instant::now() >= until {
                return Ok(Fate::Lives(Box::new(held)));
            }
            let wake = if lives { until.min(expires) } else { expires };
            let seen = self.tools.unless_cancelled(tokio::time::timeout_at(wake, watch.next())).await;
            let seen = seen.map_err(|error| EngineError::request("wait for the lock".to_owned(), error))?;
            let news = match seen {
                Err(_) if Instant::now() >= expires => return Ok(Fate::Expired(Box::new(held))),
                Ok(None | Some(Observation::Gone(_))) => return Ok(Fate::Changed),
                Ok(Some(Observation::Relisted(listing))) => match listing.objects.into_iter().next() {
                    None => return Ok(Fate::Changed),
                    Some(object) => object,
                },
                Ok(Some(Observation::Seen(object))) => object,
                Err(_) | Ok(Some(Observation::Unwatchable { .. } | Observation::Lost { .. })) => continue,
            };
            if news.resource_version() == lease.resource_version() {
                continue;
            }
            if lease::holder(&news) != held.holder {
                return Ok(Fate::Changed);
            }
            (held, lease, lives) = (self.claimant.look_at(&news), news, true);
            renewed_at = Instant::now();
        }
    }

    /// Returns what the plan's Lease says; `None` when there is none.
    pub(in crate::engine) async fn look(&self) -> Result<Option<LockState>, EngineError> {
        Ok(self.find().await?.map(|lease| self.claimant.look_at(&lease)))
    }

    /// Deletes somebody's Lease if it is still as it was seen; false when it has changed.
    pub(in crate::engine) async fn remove(&self, seen: &LockState) -> Result<bool, EngineError> {
        let Some(lease) = &seen.lease else { return Ok(false) };
        let send = || self.tools.cluster.delete_unchanged(&self.resource, lease);
        Ok(ask(&self.tools, &format!("delete {}", self.name), send).await?.is_some())
    }

    /// Returns what the creation of the Lease came to; `None` when somebody has it already.
    fn unless_held(&self, created: Write) -> Option<Claimed> {
        match created {
            Write::Ours(lease, sent_at) => Some(self.ours(*lease, sent_at, None)),
            Write::Nowhere => Some(Claimed::Nowhere),
            Write::Ending => Some(Claimed::Ending),
            Write::Held => None,
        }
    }

    fn ours(&self, lease: Object, sent_at: Instant, left: Option<Interruption>) -> Claimed {
        Claimed::Ours(self.lock(lease, sent_at), left)
    }

    fn lock(&self, lease: Object, sent_at: Instant) -> Box<Lock> {
        Box::new(Lock::new(self.resource.clone(), lease, sent_at, self.claimant.clone()))
    }

    async fn find(&self) -> Result<Option<Object>, EngineError> {
        let send = || self.tools.cluster.get(&self.resource, &self.name);
        ask(&self.tools, &format!("get {}", self.name), send).await
    }

    async fn create(&self, tools: &Tools) -> Result<Write, EngineError> {
        let wanted = self.claimant.first(&self.name)?;
        let send = || tools.cluster.create(FIELD_MANAGER, &self.resource, &wanted);
        self.write(tools, "take the lock", send).await
    }

    async fn replace(&self, found: &Object) -> Result<Write, EngineError> {
        let wanted = self.claimant.renewal(found, &[])?;
        let send = || self.tools.cluster.replace(&self.resource, &wanted);
        self.write(&self.tools, "take over the lock", send).await
    }

    /// Writes the Lease, again and again while the server cannot be asked.
    async fn write<F>(&self, tools: &Tools, what: &str, send: impl Fn() -> F) -> Result<Write, EngineError>
    where
        F: Future<Output = Result<Written, ApiError>>,
    {
        let once = || {
            let (sent_at, sending) = (Instant::now(), send());
            async move {
                match sending.await {
                    Ok(written) => Ok(Write::Ours(Box::new(written.object), sent_at)),
                    Err(error) if error.is_not_found() => Ok(Write::Nowhere),
                    Err(error) if is_of_ending_namespace(&error) => Ok(Write::Ending),
                    Err(error) if error.is_conflict() => Ok(Write::Held),
                    Err(error) => Err(error),
                }
            }
        };
        ask(tools, &format!("{what} {}", self.name), once).await
    }
}

fn is_of_ending_namespace(error: &ApiError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.terminating_namespace().is_some())
}
