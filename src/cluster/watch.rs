//! One watch: LIST, then WATCH from where the list ended, for ever. A cut connection goes on at the last
//! resource version seen; a history that is gone (410) begins with a new LIST. Errors are told, waited
//! out, and never end the stream.
//!
//! ```text
//!          ┌──────── 410 / too old ────────┐
//!          ▼                               │
//!   LIST ─────▶ relisted ─▶ WATCH ─▶ seen / gone / bookmark
//!                             ▲            │
//!                             └── closed ──┘
//! ```

use std::pin::Pin;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::{Stream, StreamExt as _};
use http::Method;
use kube::core::WatchEvent;
use serde_json::Value;

use super::{ApiError, Cluster, Listing, Refusal, Scope, request, within};
use crate::object::Object;

/// The server closes a watch after this long; bookmarks keep the resource version fresh meanwhile.
const WATCH_FOR: Duration = Duration::from_secs(290);
/// A watch as silent as this beyond its own end is a dead connection.
const SILENT_FOR: Duration = Duration::from_secs(305);
/// How long the headers of a watch are waited for.
const OPENS_WITHIN: Duration = Duration::from_secs(30);

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
    seed: u64,
    delays: Delays,
    attempt: u32,
    /// A pause before the next request, after a failure was told.
    pause: Option<Duration>,
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
        let watch =
            Watch { cluster, scope, resource_version, events: None, seed, delays, attempt: 0, pause: None };
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
        let request = request(Method::GET, &path, &query, None)?;
        let events = within(OPENS_WITHIN, self.client.request_events::<Value>(request)).await??;
        Ok(events.boxed())
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
        let Some(resource_version) = self.resource_version.clone() else {
            let listing = self.cluster.list(&self.scope).await?;
            self.resource_version = Some(listing.resource_version.clone());
            return Ok(Some(Observation::Relisted(listing)));
        };
        let Some(events) = &mut self.events else {
            match self.cluster.open(&self.scope, &resource_version).await {
                Ok(events) => self.events = Some(events),
                Err(error) if error.is_expired() => self.resource_version = None,
                Err(error) => return Err(error),
            }
            return Ok(None);
        };
        if let Ok(Some(event)) = within(SILENT_FOR, events.next()).await {
            return self.take(event?);
        }
        // Closed in the ordinary way, or silent: go on where we were.
        self.events = None;
        self.closed_early()
    }

    /// A connection that ends before it told anything is a failure, or a server that hangs up at once
    /// would be asked in a circle.
    fn closed_early(&mut self) -> Result<Option<Observation>, ApiError> {
        self.attempt += 1;
        if self.attempt == 1 {
            Ok(None)
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
                if !error.is_expired() {
                    return Err(error);
                }
                self.resource_version = None;
                None
            }
        };
        self.recovered();
        Ok(observation)
    }

    fn object(&mut self, value: Value) -> Option<Object> {
        let object = Object::new(value).ok()?;
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

pub(super) fn delays(seed: u64) -> Delays {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
}
