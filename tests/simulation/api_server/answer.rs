//! Answers of the server: JSON, text, a stream of watch events, and refusals as `Status` objects with the
//! words of the real server.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};

use super::kinds::Kind;

/// The lines of a watch.
pub(crate) type Lines = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// What a request is answered.
pub(crate) enum Answer {
    Json(u16, Arc<Value>),
    Text(u16, String),
    Watch(Lines),
}

impl Answer {
    /// Returns the HTTP status code.
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Json(code, _) | Self::Text(code, _) => *code,
            Self::Watch(_) => 200,
        }
    }
}

/// An answer of 400 and more.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    reason: &'static str,
    pub(crate) message: String,
    details: Value,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// Returns the `Status` object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }

    fn about(self, kind: &Kind, name: &str, causes: &[Value]) -> Self {
        let details = json!({"name": name, "group": kind.group, "kind": kind.plural, "causes": causes});
        Self { details, ..self }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self::new(404, "NotFound", message).about(kind, name, &[])
    }

    pub(crate) fn no_namespace(namespace: &str) -> Self {
        let message = format!("namespaces \"{namespace}\" not found");
        let details = json!({"name": namespace, "kind": "namespaces"});
        Self { details, ..Self::new(404, "NotFound", message) }
    }

    pub(crate) fn namespace_terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is \
             being terminated",
            kind.resource()
        );
        let cause = json!({
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        });
        Self::new(403, "Forbidden", message).about(kind, name, &[cause])
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(409, "AlreadyExists", message).about(kind, name, &[])
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your \
             changes to the latest version and try again",
            kind.resource()
        );
        Self::new(409, "Conflict", message).about(kind, name, &[])
    }

    pub(crate) fn wrong_life(kind: &Kind, name: &str, what: &str, wanted: &str, found: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the {what} in the precondition ({wanted}) does \
             not match the {what} in record ({found}). The object might have been deleted and then recreated",
            kind.resource()
        );
        Self::new(409, "Conflict", message).about(kind, name, &[])
    }

    pub(crate) fn ended_life(kind: &Kind, name: &str, wanted: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": StorageError: invalid object, Code: 4, \
             AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: ",
            kind.resource()
        );
        Self::new(409, "Conflict", message).about(kind, name, &[])
    }

    pub(crate) fn field_conflicts(kind: &Kind, name: &str, conflicts: &[(String, String)]) -> Self {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {manager}"),
                    "field": field,
                })
            })
            .collect();
        let listed: Vec<String> =
            conflicts.iter().map(|(manager, field)| format!("conflict with {manager}: {field}")).collect();
        let count = conflicts.len();
        let plural = if count == 1 { "" } else { "s" };
        let message = format!("Apply failed with {count} conflict{plural}: {}", listed.join("\n"));
        Self::new(409, "Conflict", message).about(kind, name, &causes)
    }

    pub(crate) fn immutable(kind: &Kind, name: &str, field: &str, says: &str) -> Self {
        let message = format!("{} \"{name}\" is invalid: {field}: {says}", kind.kind);
        let cause = json!({"reason": "FieldValueInvalid", "message": says, "field": field});
        Self::new(422, "Invalid", message).about(kind, name, &[cause])
    }

    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, "Invalid", message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }
}
