//! One watch: LIST, then WATCH from where the list ended, for ever. A cut connection goes on at the last
//! resource version seen; a history that is gone (410) begins with a new LIST. Whoever may list and not
//! watch lists again and again. Errors are told, waited out, and never end the stream.
//!
//! ```text
//!          ┌──────── 410 / too old ────────┐
//!          ▼                               │
//!   LIST ─────▶ relisted ─▶ WATCH ─▶ seen / gone / bookmark
//!    ▲ │ every 2 s            │ ▲            │
//!    └─┴────── 403 ◀──────────┘ └── closed ──┘
//! ```

use std::pin::Pin;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::{Stream, StreamExt as _};
use http::Method;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::time::Instant;

use super::wire::{accepting, request, within};
use super::{ApiError, Cluster, Listing, Refusal, Scope};
use crate::entropy::Entropy;
use crate::object::Object;

/// The server closes a watch after this long; bookmarks keep the resource version fresh meanwhile.
const WATCH_FOR: Duration = Duration::from_secs(290);
/// Bookmarks come about once a minute (apiserver storage/cacher, `bookmarkFrequency`): a watch as silent
/// as this may be a dead connection. It is opened anew where it was, which costs one request and is no
/// failure.
const SILENT_FOR: Duration = Duration::from_secs(90);
/// How long the headers of a watch are waited for.
const OPENS_WITHIN: Duration = Duration::from_secs(30);
/// A watch that ends sooner, and told nothing, is a failure, or a server that hangs up at once would be
/// asked in a circle.
const LIVES_FOR: Duration = Duration::from_secs(5);
/// So many histories may be gone in a row before that is a failure, for the same reason.
const EXPIRIES: u32 = 3;
/// The pause between two LISTs of a scope that may not be watched: 2 s, a tenth of it noise either way.
const LIST_PAUSE: Duration = Duration::from_millis(1_800);
const LIST_NOISE_MS: u64 = 400;
/// When the right to watch is asked for again: it may have come meanwhile.
const WATCH_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Where a watch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With a LIST.
    List,
    /// Behind a resource version that is known.
    After(String),
    /// With the newest state, told as if it had just come to be: one request, no LIST before it
    /// (API concepts, "Get State and Start at Most Recent").
    Now,
}

/// What a watch told.
#[derive(Clone, Debug)]
pub enum Observation {
    /// The whole scope as of a resource version: whatever is not in it was not there then.
    Relisted(Listing),
    /// An object as it is now.
    Seen(Object),
    /// An object is gone; this is its last state. Another life of it may be there already.
    Gone(Object),
    /// The scope may be listed and not watched, and so it is listed every two seconds. Told once.
    Unwatchable {
        /// What the server says.
        error: ApiError,
    },
    /// The connection failed; it is tried again.
    Lost {
        /// Which failure in a row it is, from 1.
        attempt: u32,
        /// Why.
        error: ApiError,
        /// When it is tried again.
        retry_in: Duration,
    },
}

type Events = Pin<Box<dyn Stream<Item = Result<WatchEvent<Value>, kube::Error>> + Send>>;
pub(super) type Delays = <ExponentialBuilder as backon::BackoffBuilder>::Backoff;

struct Watch {
    cluster: Cluster,
    scope: Scope,
    /// Where to go on; empty for the newest state, `None` asks for a LIST.
    resource_version: Option<String>,
    events: Option<Events>,
    opened_at: Instant,
    seed: u64,
    delays: Delays,
    attempt: u32,
    /// Histories that were gone, in a row.
    expiries: u32,
    /// A pause before the next request, after a failure was told.
    pause: Option<Duration>,
    /// While the scope may not be watched: until when it is listed.
    list_until: Option<Instant>,
    /// Lists made instead of a watch.
    lists: u64,
    denied: Denied,
}

/// Whether the refusal of a watch has been told.
enum Denied {
    Never,
    /// It waits for a LIST that succeeds: without one nothing is seen at all, which is another failure.
    Untold(ApiError),
    Told,
}

impl Cluster {
    /// Watches a scope for ever. `seed` feeds the jitter of the pauses between failures.
    pub fn watch(
        &self,
        scope: Scope,
        start: Start,
        seed: u64,
    ) -> impl Stream<Item = Observation> + Send + use<> {
        let delays = delays(seed);
        let resource_version = match start {
            Start::List => None,
            Start::After(resource_version) => Some(resource_version),
            Start::Now => Some(String::new()),
        };
        let cluster = self.clone();
        let watch = Watch {
            cluster,
            scope,
            resource_version,
            events: None,
            opened_at: Instant::now(),
            seed,
            delays,
            attempt: 0,
            expiries: 0,
            pause: None,
            list_until: None,
            lists: 0,
            denied: Denied::Never,
        };
        futures::stream::unfold(watch, |mut watch| async move {
            let observation = watch.next().await;
            Some((observation, watch))
        })
    }

    async fn open(&self, scope: &Scope, resource_version: &str) -> Result<Events, ApiError> {
        let path = scope.resource.path(scope.namespace.as_deref(), None);
        let timeout = WATCH_FOR.as_secs().to_string();
        let mut query = scope.selectors();
        query.extend([("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", &timeout)]);
        if !resource_version.is_empty() {
            query.push(("resourceVersion", resource_version));
        }
        let mut request = request(Method::GET, &path, &query, None)?;
        if scope.metadata_only {
            accepting(&mut request, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
        }
        let open =
            |client: kube::Client| async move { Ok(client.request_events::<Value>(request).await?.boxed()) };
        within(OPENS_WITHIN, self.wire.with_client(open)).await?
    }
}

impl Watch {
    /// Returns what comes next; only a failure is followed by a pause.
    async fn next(&mut self) -> Observation {
        if let Some(pause) = self.pause.take() {
            tokio::time::sleep(pause).await;
        }
        loop {
            let step = self.step().await;
            match step {
                Ok(Some(observation)) => return observation,
                Ok(None) => {}
                Err(error) => return self.lost(error),
            }
        }
    }

    /// Makes one request, or takes one event; `None` when there is nothing to tell.
    async fn step(&mut self) -> Result<Option<Observation>, ApiError> {
        if let Some(told) = self.tell_denial() {
            return Ok(Some(told));
        }
        let Some(resource_version) = self.resource_version.clone() else {
            let listing = self.cluster.list(&self.scope).await?;
            self.listed(&listing.resource_version);
            return Ok(Some(Observation::Relisted(listing)));
        };
        let Some(events) = &mut self.events else {
            match self.cluster.open(&self.scope, &resource_version).await {
                Ok(events) => (self.events, self.opened_at) = (Some(events), Instant::now()),
                Err(error) if error.is_expired() => self.expired(error)?,
                Err(error) if is_denied(&error) => self.denied(error),
                Err(error) => return Err(error),
            }
            return Ok(None);
        };
        match within(SILENT_FOR, events.next()).await {
            Ok(Some(event)) => self.take(event?),
            // Closed in the ordinary way: go on where we were.
            Ok(None) => {
                self.events = None;
                self.closed()?;
                Ok(None)
            }
            Err(_silence) => {
                self.events = None;
                Ok(None)
            }
        }
    }

    /// Notes that the scope may not be watched, or not by this server: it is listed from now on.
    fn denied(&mut self, error: ApiError) {
        self.resource_version = None;
        self.list_until = Some(Instant::now() + WATCH_AGAIN_AFTER);
        if matches!(self.denied, Denied::Never) {
            self.denied = Denied::Untold(error);
        }
    }

    /// Returns the refusal of the watch once a LIST has made up for it.
    fn tell_denial(&mut self) -> Option<Observation> {
        if self.lists == 0 || !matches!(self.denied, Denied::Untold(_)) {
            return None;
        }
        match std::mem::replace(&mut self.denied, Denied::Told) {
            Denied::Untold(error) => Some(Observation::Unwatchable { error }),
            Denied::Never | Denied::Told => None,
        }
    }

    /// Goes on after a LIST: with a watch from there, or with another LIST after a while.
    fn listed(&mut self, resource_version: &str) {
        match self.list_until {
            Some(until) if Instant::now() < until => {
                self.recovered();
                self.lists += 1;
                let noise =
                    Entropy::from_seed(self.seed).fork(&self.lists.to_string()).seed() % LIST_NOISE_MS;
                self.pause = Some(LIST_PAUSE + Duration::from_millis(noise));
            }
            _ => (self.list_until, self.resource_version) = (None, Some(resource_version.to_owned())),
        }
    }

    /// Begins anew with a LIST, unless that has led nowhere again and again.
    fn expired(&mut self, error: ApiError) -> Result<(), ApiError> {
        self.resource_version = None;
        self.expiries += 1;
        if self.expiries > EXPIRIES { Err(error) } else { Ok(()) }
    }

    /// Tells an end that came too soon, the second time in a row.
    fn closed(&mut self) -> Result<(), ApiError> {
        if self.opened_at.elapsed() >= LIVES_FOR {
            return Ok(());
        }
        self.attempt += 1;
        if self.attempt == 1 {
            Ok(())
        } else {
            Err(ApiError::Unreachable { cause: "the watch was closed".into() })
        }
    }

    fn take(&mut self, event: WatchEvent<Value>) -> Result<Option<Observation>, ApiError> {
        let observation = match event {
            WatchEvent::Bookmark(bookmark) => {
                self.resource_version = Some(bookmark.metadata.resource_version);
                None
            }
            WatchEvent::Added(value) | WatchEvent::Modified(value) => {
                self.object(value).map(Observation::Seen)
            }
            WatchEvent::Deleted(value) => self.object(value).map(Observation::Gone),
            WatchEvent::Error(status) => {
                self.events = None;
                let error = ApiError::Refused(Refusal::from_status(status.code, *status, None));
                return if error.is_expired() { self.expired(error).map(|()| None) } else { Err(error) };
            }
        };
        self.expiries = 0;
        self.recovered();
        Ok(observation)
    }

    fn object(&mut self, value: Value) -> Option<Object> {
        let object = self.scope.complete(value)?;
        self.resource_version = Some(object.resource_version().to_owned());
        Some(object)
    }

    fn recovered(&mut self) {
        if self.attempt > 0 {
            self.attempt = 0;
            self.delays = delays(self.seed);
        }
    }

    fn lost(&mut self, error: ApiError) -> Observation {
        self.events = None;
        self.attempt = self.attempt.saturating_add(1);
        // The delays never end (`without_max_times`), so the fallback is never taken.
        let told = error.refusal().and_then(|refusal| refusal.retry_after).unwrap_or_default();
        let retry_in = self.delays.next().unwrap_or(LONGEST_PAUSE).max(told);
        self.pause = Some(retry_in);
        Observation::Lost { attempt: self.attempt, error, retry_in }
    }
}

pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Scope {
    /// Returns how a person is told of [`Observation::Unwatchable`].
    pub fn is_listed_instead(&self, error: &ApiError) -> String {
        format!("{self} may not be watched, and so are listed every 2 s: {error}")
    }
}

/// Returns true when a watch is refused for want of the permission, or of the verb.
fn is_denied(error: &ApiError) -> bool {
    error.refusal().is_some_and(|refusal| matches!(refusal.code, 403 | 405))
}

pub(super) fn delays(seed: u64) -> Delays {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
}
