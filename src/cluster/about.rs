//! Questions about the server itself and about who asks, and short looks at lists: what a preflight needs.

use http::Method;
use serde_json::{Value, json};

use super::page::Page;
use super::{ApiError, Cluster, Listing, PAGE, Scope, request};

impl Cluster {
    /// Asks what the server calls itself (`/version`).
    ///
    /// # Errors
    /// [`ApiError`] when it does not tell.
    pub async fn version(&self) -> Result<Value, ApiError> {
        Ok(self.json(request(Method::GET, "/version", &[], None)).await?.1)
    }

    /// Asks what this user may do in a namespace, and returns the status of the `SelfSubjectRulesReview`.
    /// Nothing is stored by it, though it is a POST.
    ///
    /// # Errors
    /// [`ApiError`] when the server does not tell.
    pub async fn rules(&self, namespace: &str) -> Result<Value, ApiError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let body = Some(("application/json", review.to_string()));
        let (_, mut answer, _) = self.json(request(Method::POST, path, &[], body)).await?;
        Ok(answer.get_mut("status").map(Value::take).unwrap_or_default())
    }

    /// Lists a scope as far as its first page goes; `None` when there is more than that.
    ///
    /// # Errors
    /// [`ApiError`] when the list fails.
    pub async fn first_page(&self, scope: &Scope) -> Result<Option<Listing>, ApiError> {
        let Page { objects, resource_version, next } = self.page(scope, Some(PAGE), "").await?;
        Ok(next.is_empty().then_some(Listing { objects, resource_version }))
    }
}
