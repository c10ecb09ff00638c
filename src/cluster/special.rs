//! Writes that are not the rule: by force, as a JSON patch, and as a question that changes nothing.

use http::{Method, StatusCode};
use serde_json::Value;

use super::{ApiError, Cluster, Resource, Written, object, request};
use crate::inventory::FIELD_MANAGER;
use crate::object::{Change, Object, ObjectRef};

impl Cluster {
    /// Writes an object by server-side apply as [`FIELD_MANAGER`] and takes the fields others own. Pin
    /// `wanted` to the state whose conflicts were looked at (`metadata.resourceVersion`): what is in
    /// conflict only since then must not be taken unseen.
    ///
    /// # Errors
    /// As [`Cluster::apply`]; a 409 without field conflicts when the object has changed since.
    pub async fn apply_by_force(&self, resource: &Resource, wanted: &Object) -> Result<Written, ApiError> {
        let path = resource.path(wanted.namespace(), Some(wanted.name()));
        let query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"), ("force", "true")];
        let body = Some(("application/apply-patch+yaml", wanted.value().to_string()));
        let (status, value, warnings) = self.json(request(Method::PATCH, &path, &query, body)).await?;
        let change = if status == StatusCode::CREATED { Change::Created } else { Change::Configured };
        Ok(Written { object: object(value)?, change, warnings })
    }

    /// Changes an object by a JSON patch (RFC 6902). Begin with a `test` of what must be as it was seen:
    /// a patch that does not fit changes nothing.
    ///
    /// # Errors
    /// [`ApiError`]; a 422 when a `test` fails or there is nothing to remove.
    pub async fn patch(
        &self,
        manager: &str,
        resource: &Resource,
        name: &ObjectRef,
        operations: &Value,
    ) -> Result<Object, ApiError> {
        let path = resource.path(name.namespace.as_deref(), Some(&name.name));
        let body = Some(("application/json-patch+json", operations.to_string()));
        let (_, value, _) =
            self.json(request(Method::PATCH, &path, &[("fieldManager", manager)], body)).await?;
        object(value)
    }

    /// Asks whether an object could be created: authorization, admission and validation run, nothing is
    /// kept (`dryRun=All`).
    ///
    /// # Errors
    /// [`ApiError`]: why it could not, or why that cannot be told.
    pub async fn try_create(&self, resource: &Resource, wanted: &Object) -> Result<(), ApiError> {
        let path = resource.path(wanted.namespace(), None);
        let query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"), ("dryRun", "All")];
        let body = Some(("application/json", wanted.value().to_string()));
        self.json(request(Method::POST, &path, &query, body)).await.map(|_| ())
    }
}
