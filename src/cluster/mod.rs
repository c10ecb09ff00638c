//! L3: the cluster. The only module that knows kube: requests, their answers, discovery and watches.
//!
//! A [`Cluster`] takes no decision and knows nothing but its credentials: it sends one request at a time and
//! tells what came. Trying again is the engine's business (`outcome` says when), since every try is an event.

mod about;
mod assumed;
mod catalog;
mod error;
mod log;
mod outcome;
mod page;
#[cfg(test)]
mod properties;
mod scope;
mod special;
mod warning;
mod watch;
mod wire;

use std::sync::Arc;

use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};

pub use catalog::{Catalog, Resource};
pub use error::{ApiError, Cause, Refusal};
pub use log::{Container, Ended, LogCut, LogNews, LogText, LogWanted};
pub use outcome::{Budget, Circumstances, Outcome, outcome};
pub use scope::Scope;
pub use watch::{Observation, Start};

use crate::inventory::FIELD_MANAGER;
use crate::object::{Change, Object, ObjectRef, Uid};
use page::Page;
use wire::{ANSWER_WITHIN, Received, Wire, accepting, request, within};

/// Objects asked for in one page of a LIST: large enough for 5,000 of a kind in five requests, small enough
/// for a server that keeps a page in memory.
const PAGE: u32 = 1_000;
/// Most of a body that is read from a check.
const BODY_AT_MOST: usize = 1 << 20;

/// A connection to one cluster.
#[derive(Clone)]
pub struct Cluster {
    wire: Wire,
}

/// What a LIST answered.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Object>,
    /// Where a watch goes on.
    pub resource_version: String,
}

/// What a write was answered.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as the server holds it now.
    pub object: Object,
    /// `Created`, or `Configured`: whether a write changed anything is for the caller to tell, who knows
    /// the resource version of before.
    pub change: Change,
    /// The server's `Warning` headers.
    pub warnings: Vec<String>,
}

/// How the dependents of a deleted object go. Always said: the server's default differs by kind
/// (`Orphan` for a Job, registry/batch/job/strategy.go).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The object stays until its dependents are gone.
    Foreground,
    /// The object goes at once, its dependents later.
    Background,
    /// The object goes, its dependents stay and belong to nobody.
    Orphan,
}

/// What a DELETE was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The server has begun: finalizers or dependents hold the object. A watch tells the end.
    Begun,
    /// It is gone: at once, or before we asked, or another object bears its name by now.
    Gone,
}

/// What a service answered through the API server's proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// The body, at most 1 MiB of it.
    pub body: String,
}

impl Cluster {
    /// Returns the cluster behind a client. kube's own retry must be off.
    pub fn new(client: kube::Client) -> Self {
        Self { wire: Wire::new(client) }
    }

    /// Returns the cluster with a way to get a client with other credentials: it is asked when the server
    /// says 401, for an exec plugin's or a file's token may end before it said it would.
    #[must_use]
    pub fn with_renewal(
        self,
        renew: impl Fn() -> Result<kube::Client, kube::Error> + Send + Sync + 'static,
    ) -> Self {
        Self { wire: self.wire.renewed_by(Arc::new(renew)) }
    }

    /// Returns what the server's clock reads now, as far as its answers tell; whole seconds. The stamps of
    /// objects are its own, and no two machines' clocks agree.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.wire.server_time()
    }

    /// Asks what kinds are served: two requests at once.
    ///
    /// # Errors
    /// [`ApiError`] when either fails.
    pub async fn discover(&self) -> Result<Catalog, ApiError> {
        let both = self.wire.with_client(|client| async move {
            let core = client.list_core_api_versions_aggregated();
            Ok(futures::future::try_join(core, client.list_api_groups_aggregated()).await?)
        });
        let (core, groups) = within(ANSWER_WITHIN, both).await??;
        Ok(Catalog::from_discovery([core, groups]))
    }

    /// Asks for one object; `None` when it is not there.
    ///
    /// # Errors
    /// [`ApiError`] for any other answer, or none.
    pub async fn get(&self, resource: &Resource, name: &ObjectRef) -> Result<Option<Object>, ApiError> {
        let path = resource.path(name.namespace.as_deref(), Some(&name.name));
        match self.json(request(Method::GET, &path, &[], None)).await {
            Ok((_, value, _)) => Ok(Some(object(value)?)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object by server-side apply as field manager [`FIELD_MANAGER`], strictly validated,
    /// without force.
    ///
    /// # Errors
    /// [`ApiError`]; a field that somebody else owns is a [`Refusal`] with the owners in its causes.
    pub async fn apply(&self, resource: &Resource, wanted: &Object) -> Result<Written, ApiError> {
        self.apply_as(FIELD_MANAGER, resource, wanted).await
    }

    /// Writes an object by server-side apply as another field manager, for what is not part of a plan.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub async fn apply_as(
        &self,
        manager: &str,
        resource: &Resource,
        wanted: &Object,
    ) -> Result<Written, ApiError> {
        self.apply_query(resource, wanted, &[("fieldManager", manager), ("fieldValidation", "Strict")]).await
    }

    /// Asks what [`Cluster::apply`] would answer: the server authorizes, completes and checks the object as
    /// ever, and keeps nothing of it (API concepts, "Dry-run").
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub async fn dry_run(&self, resource: &Resource, wanted: &Object) -> Result<Written, ApiError> {
        let query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"), ("dryRun", "All")];
        self.apply_query(resource, wanted, &query).await
    }

    async fn apply_query(
        &self,
        resource: &Resource,
        wanted: &Object,
        query: &[(&str, &str)],
    ) -> Result<Written, ApiError> {
        let path = resource.path(wanted.namespace(), Some(wanted.name()));
        let body = Some(("application/apply-patch+yaml", wanted.value().to_string()));
        let (status, value, warnings) = self.json(request(Method::PATCH, &path, query, body)).await?;
        let change = if status == StatusCode::CREATED { Change::Created } else { Change::Configured };
        Ok(Written { object: object(value)?, change, warnings })
    }

    /// Creates an object that must not be there yet.
    ///
    /// # Errors
    /// [`ApiError`]; reason `AlreadyExists` when it is there.
    pub async fn create(
        &self,
        manager: &str,
        resource: &Resource,
        wanted: &Object,
    ) -> Result<Written, ApiError> {
        let path = resource.path(wanted.namespace(), None);
        let body = Some(("application/json", wanted.value().to_string()));
        let (_, value, warnings) =
            self.json(request(Method::POST, &path, &[("fieldManager", manager)], body)).await?;
        Ok(Written { object: object(value)?, change: Change::Created, warnings })
    }

    /// Replaces an object that is still as `wanted` says by its `metadata.resourceVersion`.
    ///
    /// # Errors
    /// [`ApiError`]; a 409 when somebody else was faster.
    pub async fn replace(&self, resource: &Resource, wanted: &Object) -> Result<Written, ApiError> {
        let path = resource.path(wanted.namespace(), Some(wanted.name()));
        let body = Some(("application/json", wanted.value().to_string()));
        let (_, value, warnings) =
            self.json(request(Method::PUT, &path, &[("fieldManager", FIELD_MANAGER)], body)).await?;
        Ok(Written { object: object(value)?, change: Change::Configured, warnings })
    }

    /// Deletes an object that is still in the state seen last; `None` when it was changed meanwhile.
    ///
    /// # Errors
    /// As [`Cluster::delete`].
    pub async fn delete_unchanged(
        &self,
        resource: &Resource,
        seen: &Object,
    ) -> Result<Option<Deletion>, ApiError> {
        let preconditions =
            json!({"uid": seen.text("/metadata/uid"), "resourceVersion": seen.resource_version()});
        self.delete_if(resource, &seen.reference(), &preconditions, Propagation::Background).await
    }

    /// Deletes one life of an object: never another one that took its name.
    ///
    /// # Errors
    /// [`ApiError`] for any answer but "begun" and "not there".
    pub async fn delete(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        uid: &Uid,
        propagation: Propagation,
    ) -> Result<Deletion, ApiError> {
        // Another object bears its name by now: the one meant is gone.
        let deletion = self.delete_if(resource, name, &json!({"uid": uid.0}), propagation).await;
        deletion.map(|deletion| deletion.unwrap_or(Deletion::Gone))
    }

    /// Deletes an object that fulfils the preconditions; `None` when it does not.
    async fn delete_if(
        &self,
        resource: &Resource,
        name: &ObjectRef,
        preconditions: &Value,
        propagation: Propagation,
    ) -> Result<Option<Deletion>, ApiError> {
        let path = resource.path(name.namespace.as_deref(), Some(&name.name));
        let policy = match propagation {
            Propagation::Foreground => "Foreground",
            Propagation::Background => "Background",
            Propagation::Orphan => "Orphan",
        };
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": policy, "preconditions": preconditions,
        });
        let body = Some(("application/json", options.to_string()));
        match self.json(request(Method::DELETE, &path, &[], body)).await {
            // A Status for an object that went at once, the object itself while something holds it.
            Ok((_, answer, _)) if answer["kind"] == "Status" => Ok(Some(Deletion::Gone)),
            Ok((_, answer, _)) if answer["metadata"]["deletionTimestamp"].is_null() => {
                Ok(Some(Deletion::Gone))
            }
            Ok(_) => Ok(Some(Deletion::Begun)),
            Err(error) if error.is_not_found() => Ok(Some(Deletion::Gone)),
            // "the UID in the precondition (…) does not match" (apiserver registry/rest/delete.go), or, in a
            // race, "Precondition failed: UID in precondition: …" (storage/interfaces.go); the same two of
            // the resource version.
            Err(ApiError::Refused(refusal))
                if refusal.code == 409 && refusal.message.contains("precondition") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lists a scope, page by page, at the newest state (no resource version asked for).
    ///
    /// # Errors
    /// [`ApiError`] when a page fails.
    pub async fn list(&self, scope: &Scope) -> Result<Listing, ApiError> {
        let mut listing = Listing::default();
        let mut next = String::new();
        let mut limit = Some(PAGE);
        loop {
            let page = match self.page(scope, limit, &next).await {
                // The history was forgotten between two pages: all at once needs none (client-go, tools/pager).
                Err(error) if error.is_expired() && !next.is_empty() => {
                    (limit, next, listing) = (None, String::new(), Listing::default());
                    continue;
                }
                answer => answer?,
            };
            listing.objects.extend(page.objects);
            (listing.resource_version, next) = (page.resource_version, page.next);
            if next.is_empty() {
                return Ok(listing);
            }
        }
    }

    /// Asks for the page of a list that `next` stands for, the first one when it is empty.
    async fn page(&self, scope: &Scope, limit: Option<u32>, next: &str) -> Result<Page, ApiError> {
        let path = scope.resource.path(scope.namespace.as_deref(), None);
        let limit = limit.map(|limit| limit.to_string());
        let mut query = scope.selectors();
        query.extend(limit.as_deref().map(|limit| ("limit", limit)));
        if !next.is_empty() {
            query.push(("continue", next));
        }
        let mut request = request(Method::GET, &path, &query, None)?;
        if scope.metadata_only {
            accepting(&mut request, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
        }
        Page::read(&self.wire.send(request).await?.body, scope)
    }

    /// Sends a GET to a service through the API server's proxy and returns whatever it answered.
    ///
    /// # Errors
    /// [`ApiError`] when the API server itself refuses, or nobody answers.
    pub async fn ask_service(
        &self,
        namespace: &str,
        service: &str,
        port: u16,
        path: &str,
        host: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy{path}");
        let mut request = request(Method::GET, &path, &[], None)?;
        if let Some(host) = host {
            let value = header::HeaderValue::from_str(host)
                .map_err(|cause| ApiError::Unreadable { cause: format!("host `{host}`: {cause}") })?;
            request.headers_mut().insert(header::HOST, value);
        }
        let ask = |client: kube::Client| async move {
            let response = client.send(request.map(Body::from)).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            let body = String::from_utf8_lossy(&body[..body.len().min(BODY_AT_MOST)]).into_owned();
            Ok(Answer { status, body })
        };
        within(ANSWER_WITHIN, self.wire.with_client(ask)).await?
    }

    /// Reads the last lines of a container's log.
    ///
    /// # Errors
    /// [`ApiError`]; 400 when the container has not started yet.
    pub async fn log_tail(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
        lines: u32,
    ) -> Result<String, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let (lines, previous) = (lines.to_string(), previous.to_string());
        let query = [
            ("container", container),
            ("tailLines", &lines),
            ("previous", &previous),
            ("limitBytes", "65536"),
        ];
        let received = self.wire.send(request(Method::GET, &path, &query, None)?).await?;
        Ok(String::from_utf8_lossy(&received.body).into_owned())
    }

    /// Sends a request whose answer is JSON.
    async fn json(
        &self,
        request: Result<Request<Vec<u8>>, ApiError>,
    ) -> Result<(StatusCode, Value, Vec<String>), ApiError> {
        let Received { status, body, warnings } = self.wire.send(request?).await?;
        let value = serde_json::from_slice(&body)
            .map_err(|cause| ApiError::Unreadable { cause: cause.to_string() })?;
        Ok((status, value, warnings))
    }
}

#[cfg(test)]
impl Cluster {
    /// Returns a cluster that never answers, for tests that bring their own answers. Needs a runtime.
    pub(crate) fn silent() -> Self {
        let nobody = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<http::Response<Body>, std::convert::Infallible>>()
        });
        Self::new(kube::Client::new(nobody, "default"))
    }
}

fn object(value: Value) -> Result<Object, ApiError> {
    Object::new(value).map_err(|cause| ApiError::Unreadable { cause: cause.to_string() })
}
