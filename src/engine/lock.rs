//! One deploy at a time: a Lease `wesago-<plan>` beside the plan's inventory.
//!
//! The holder renews it every third of its life. A Lease is no fence, so the holder watches itself: once
//! two thirds of the life have passed without a renewal it sends no write any more, whatever it was about
//! to do. Whether another holder is alive is judged on our own monotonic clock, by watching its Lease for
//! a whole life; no two machines' wall clocks are compared (client-go, `tools/leaderelection`).
//!
//! ```text
//! POST ─▶ 201 ours
//!      └▶ 409 ─▶ watch it for one life ─▶ changed: its holder lives, give up
//!                                      └▶ unchanged, or its process is known to be dead: PUT, ours
//! ```

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::retry::Tools;
use super::session::{ask, resource};
use super::{EngineError, Holder, Life};
use crate::clock::Clock;
use crate::cluster::{ApiError, Catalog, Observation, Resource, Scope, Start, Written};
use crate::inventory::{FIELD_MANAGER, Inventory};
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::Plan;

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
/// The annotation that tells which process holds the Lease, for whoever can look at it.
const PROCESS: &str = "wesago/process";

/// The Lease, while it is ours.
pub(super) struct Lock {
    resource: Resource,
    /// The Lease as it was written last.
    seen: watch::Sender<Object>,
    /// Until when writes may go out.
    valid_until: watch::Sender<Option<Instant>>,
    holder: Holder,
    clock: Clock,
}

impl Lock {
    /// Takes the Lease; `None` when the namespace it should lie in is not there.
    ///
    /// # Errors
    /// [`EngineError::Locked`] when its holder lives.
    pub(super) async fn acquire(
        tools: &Tools,
        catalog: &Catalog,
        plan: &Plan,
        holder: &Holder,
        clock: Clock,
    ) -> Result<Option<Self>, EngineError> {
        let kind = GroupKind { group: "coordination.k8s.io".to_owned(), kind: "Lease".to_owned() };
        let resource = resource(catalog, &kind)?.clone();
        let name = ObjectRef {
            group: kind.group,
            kind: kind.kind,
            namespace: Some(plan.namespace().to_owned()),
            name: Inventory::parent_name(plan.name()),
        };
        let wanted = object(&name, holder, clock.now(), None)?;
        let create = || tools.cluster.create(FIELD_MANAGER, &resource, &wanted);
        let (seen, sent_at) = match attempt(tools, &format!("take the lock {name}"), create).await? {
            Taken::Ours(seen, sent_at) => (seen, sent_at),
            Taken::Nowhere => return Ok(None),
            Taken::Held => take_over(tools, &resource, &name, holder, clock).await?,
        };
        let valid_until = watch::Sender::new(Some(sent_at + WRITES_FOR));
        Ok(Some(Self {
            resource,
            seen: watch::Sender::new(seen),
            valid_until,
            holder: holder.clone(),
            clock,
        }))
    }

    /// Returns until when writes may go out; whoever sends one looks at it first.
    pub(super) fn valid_until(&self) -> watch::Receiver<Option<Instant>> {
        self.valid_until.subscribe()
    }

    /// Keeps the Lease for as long as it is polled; returns why, once it is lost.
    pub(super) async fn keep(&self, tools: &Tools) -> String {
        let mut renewed_at = Instant::now();
        let mut wait = RENEW_EVERY;
        loop {
            tokio::time::sleep(wait).await;
            let sent_at = Instant::now();
            let seen = self.seen.borrow().clone();
            let wanted = match object(&seen.reference(), &self.holder, self.clock.now(), Some(&seen)) {
                Ok(wanted) => wanted,
                Err(error) => return error.to_string(),
            };
            let answer =
                tokio::time::timeout(ANSWER_WITHIN, tools.cluster.replace(&self.resource, &wanted)).await;
            let renewal = answer.unwrap_or(Err(ApiError::NoAnswer { after: ANSWER_WITHIN }));
            match renewal {
                Ok(written) => {
                    renewed_at = sent_at;
                    wait = RENEW_EVERY;
                    self.seen.send_replace(written.object);
                    self.valid_until.send_replace(Some(sent_at + WRITES_FOR));
                }
                Err(error) if error.is_not_found() => return "its Lease was deleted".to_owned(),
                // The answer to an earlier renewal may have been lost: then the Lease is still ours.
                Err(error) if is_conflict(&error) => {
                    match tools.cluster.get(&self.resource, &seen.reference()).await {
                        Ok(Some(found)) if self.is_ours(&found) => {
                            self.seen.send_replace(found);
                            wait = Duration::ZERO;
                        }
                        Ok(Some(_)) => return "its Lease was taken by somebody else".to_owned(),
                        Ok(None) => return "its Lease was deleted".to_owned(),
                        Err(error) if renewed_at.elapsed() + AGAIN_AFTER >= WRITES_FOR => {
                            return format!("its Lease could not be renewed: {error}");
                        }
                        Err(_) => wait = AGAIN_AFTER,
                    }
                }
                Err(error) if renewed_at.elapsed() + AGAIN_AFTER >= WRITES_FOR => {
                    return format!("its Lease could not be renewed: {error}");
                }
                Err(_) => wait = AGAIN_AFTER,
            }
        }
    }

    fn is_ours(&self, lease: &Object) -> bool {
        lease.text("/spec/holderIdentity") == self.holder.identity
    }

    /// Gives the Lease back: deletes it if it is still as we wrote it last.
    ///
    /// # Errors
    /// When the server cannot be asked; the Lease then ends by itself.
    pub(super) async fn release(&self, tools: &Tools) -> Result<(), EngineError> {
        let seen = self.seen.borrow().clone();
        let send = || tools.cluster.delete_unchanged(&self.resource, &seen);
        ask(tools, &format!("release the lock {}", seen.reference()), send).await?;
        Ok(())
    }
}

/// Returns true when the server holds another object, or another state of it, than the one meant.
fn is_conflict(error: &ApiError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.code == 409)
}

/// Takes the Lease of a holder that is dead, or of nobody.
async fn take_over(
    tools: &Tools,
    resource: &Resource,
    name: &ObjectRef,
    holder: &Holder,
    clock: Clock,
) -> Result<(Object, Instant), EngineError> {
    let found = ask(tools, &format!("get {name}"), || tools.cluster.get(resource, name)).await?;
    let Some(found) = found else { return create_anew(tools, resource, name, holder, clock).await };
    let other = found.text("/spec/holderIdentity").to_owned();
    let life = match found.annotation(PROCESS) {
        // Ours: the answer to its creation was lost.
        _ if other.is_empty() || other == holder.identity => Life::Dead,
        Some(process) => (holder.life_of)(process),
        None => Life::Unknown,
    };
    let fate = match life {
        Life::Dead => Fate::Expired,
        Life::Alive => Fate::Renewed,
        Life::Unknown => watch_one_life(tools, resource, &found).await?,
    };
    match fate {
        Fate::Renewed => return Err(locked(other, found.text("/spec/acquireTime").parse().ok())),
        Fate::Released => return create_anew(tools, resource, name, holder, clock).await,
        Fate::Expired => {}
    }
    let wanted = object(name, holder, clock.now(), Some(&found))?;
    let began = Instant::now();
    let replace = || tools.cluster.replace(resource, &wanted);
    let taken = attempt(tools, &format!("take over the lock {name}"), replace).await?;
    ours_after_all(tools, resource, name, holder, (taken, began)).await
}

/// Takes a Lease that was given back between two looks; whoever is faster still has it.
async fn create_anew(
    tools: &Tools,
    resource: &Resource,
    name: &ObjectRef,
    holder: &Holder,
    clock: Clock,
) -> Result<(Object, Instant), EngineError> {
    let wanted = object(name, holder, clock.now(), None)?;
    let began = Instant::now();
    let create = || tools.cluster.create(FIELD_MANAGER, resource, &wanted);
    let taken = attempt(tools, &format!("take the lock {name}"), create).await?;
    ours_after_all(tools, resource, name, holder, (taken, began)).await
}

/// What came of a try to write the Lease.
enum Taken {
    /// It is ours; the request was sent at this moment.
    Ours(Object, Instant),
    /// Somebody's write came first, or an earlier one of our own whose answer was lost.
    Held,
    /// Its namespace is not there.
    Nowhere,
}

/// Writes the Lease, again and again while the server cannot be asked.
async fn attempt<F>(tools: &Tools, request: &str, send: impl Fn() -> F) -> Result<Taken, EngineError>
where
    F: Future<Output = Result<Written, ApiError>>,
{
    let once = || {
        let (sent_at, sending) = (Instant::now(), send());
        async move {
            match sending.await {
                Ok(written) => Ok(Taken::Ours(written.object, sent_at)),
                Err(error) if error.is_not_found() => Ok(Taken::Nowhere),
                Err(error) if is_conflict(&error) => Ok(Taken::Held),
                Err(error) => Err(error),
            }
        }
    };
    ask(tools, request, once).await
}

/// Returns the Lease if it bears our name, whatever the last answer was.
async fn ours_after_all(
    tools: &Tools,
    resource: &Resource,
    name: &ObjectRef,
    holder: &Holder,
    (taken, began): (Taken, Instant),
) -> Result<(Object, Instant), EngineError> {
    if let Taken::Ours(seen, sent_at) = taken {
        return Ok((seen, sent_at));
    }
    let found = ask(tools, &format!("get {name}"), || tools.cluster.get(resource, name)).await?;
    match found {
        Some(found) if found.text("/spec/holderIdentity") == holder.identity => Ok((found, began)),
        _ => Err(locked("another deploy, which was a moment faster".to_owned(), None)),
    }
}

/// What became of somebody else's Lease.
enum Fate {
    /// Its holder lives.
    Renewed,
    /// Its holder gave it back.
    Released,
    /// Its holder has let a whole life pass.
    Expired,
}

/// Watches a Lease for one life.
async fn watch_one_life(tools: &Tools, resource: &Resource, found: &Object) -> Result<Fate, EngineError> {
    let scope = Scope {
        resource: resource.clone(),
        namespace: found.namespace().map(str::to_owned),
        labels: None,
        fields: Some(format!("metadata.name={}", found.name())),
        metadata_only: false,
    };
    let from = Start::After(found.resource_version().to_owned());
    let mut watch = std::pin::pin!(tools.cluster.watch(scope, from, tools.seed));
    let is_news = |object: &Object| object.resource_version() != found.resource_version();
    let news = async {
        loop {
            match watch.next().await {
                Some(Observation::Seen(object)) if is_news(&object) => return Fate::Renewed,
                Some(Observation::Gone(_)) | None => return Fate::Released,
                Some(Observation::Relisted(listing)) => match listing.objects.first() {
                    None => return Fate::Released,
                    Some(object) if is_news(object) => return Fate::Renewed,
                    Some(_) => {}
                },
                Some(Observation::Seen(_) | Observation::Unwatchable { .. } | Observation::Lost { .. }) => {}
            }
        }
    };
    let waited = tools.unless_cancelled(tokio::time::timeout(life(found), news)).await;
    let waited = waited.map_err(|error| EngineError::request("wait for the lock".to_owned(), error))?;
    Ok(waited.unwrap_or(Fate::Expired))
}

/// Returns how long the Lease lives by its own word, within reason.
fn life(lease: &Object) -> Duration {
    let told = lease.get("/spec/leaseDurationSeconds").and_then(Value::as_u64);
    Duration::from_secs(told.unwrap_or(LIFE.as_secs()).clamp(1, 120))
}

fn locked(holder: String, since: Option<Timestamp>) -> EngineError {
    EngineError::Locked { holder, since }
}

/// Returns the Lease as we want it; with `seen` as the next state of that one.
fn object(
    name: &ObjectRef,
    holder: &Holder,
    now: Timestamp,
    seen: Option<&Object>,
) -> Result<Object, EngineError> {
    let text = |pointer: &str| seen.map(|seen| seen.text(pointer).to_owned()).filter(|text| !text.is_empty());
    let ours = text("/spec/holderIdentity").as_deref() == Some(holder.identity.as_str());
    let micro = |time: Timestamp| format!("{time:.6}");
    let acquired = text("/spec/acquireTime").filter(|_| ours).unwrap_or_else(|| micro(now));
    let transitions = seen.and_then(|seen| seen.get("/spec/leaseTransitions")).and_then(Value::as_u64);
    let transitions = transitions.unwrap_or(0) + u64::from(seen.is_some() && !ours);
    let value = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name.name, "namespace": name.namespace,
            "resourceVersion": text("/metadata/resourceVersion"), "uid": text("/metadata/uid"),
            "annotations": {PROCESS: holder.process},
        },
        "spec": {
            "holderIdentity": holder.identity, "leaseDurationSeconds": LIFE.as_secs(),
            "acquireTime": acquired, "renewTime": micro(now), "leaseTransitions": transitions,
        },
    });
    Object::new(without_nulls(value)).map_err(|cause| EngineError::Internal(cause.to_string()))
}

/// Leaves out what a new Lease has not got yet.
fn without_nulls(mut value: Value) -> Value {
    if let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, field| !field.is_null());
    }
    value
}
