//! What can go wrong with a request, in words a person can use, and what to do about it.

use std::time::Duration;

use kube::core::Status;

use crate::object::ObjectRef;

/// Why a request gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The server answered, and the answer was no.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// No answer came: connection refused, reset, TLS, DNS.
    #[error("the API server cannot be reached: {cause}")]
    Unreachable {
        /// The innermost cause.
        cause: String,
    },
    /// No answer came in time. Whether the server did it is unknown.
    #[error("no answer within {} s", after.as_secs())]
    NoAnswer {
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer is not what the API promises.
    #[error("the answer cannot be read: {cause}")]
    Unreadable {
        /// What was wrong with it.
        cause: String,
    },
    /// It was tried again and again, and the last try went wrong, too.
    #[error("{error} ({tries} tries in {})", seconds(*took))]
    GaveUp {
        /// How often it was sent.
        tries: u32,
        /// From the first try to the last answer.
        took: Duration,
        /// Why the last try went wrong.
        error: Box<ApiError>,
    },
    /// An object that is being deleted does not go.
    #[error("{object} is still there after {}", seconds(*after))]
    StillThere {
        /// The object.
        object: ObjectRef,
        /// How long its end was waited for.
        after: Duration,
    },
    /// The run was interrupted before the answer mattered any more.
    #[error("interrupted")]
    Interrupted,
    /// The plan's lock was lost: the write was not sent.
    #[error("the lock was lost, and nothing is written any more")]
    LockLost,
    /// Discovery knows no such kind.
    #[error("the cluster does not know the kind `{kind}` of `{api_version}`")]
    UnknownKind {
        /// The `apiVersion` asked for.
        api_version: String,
        /// The kind asked for.
        kind: String,
    },
}

/// An answer with a status code of 400 and more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, such as `Conflict`; may be empty.
    pub reason: String,
    /// What the server says.
    pub message: String,
    /// The resource the server speaks of, such as `namespaces`, which need not be the one asked for.
    pub resource: String,
    /// The single causes, for conflicts and invalid fields.
    pub causes: Vec<Cause>,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// For a 401: the credentials were read anew since, and the next try has others.
    pub credentials_renewed: bool,
}

/// One cause of a [`Refusal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable, such as `FieldManagerConflict`.
    pub reason: String,
    /// What the server says.
    pub message: String,
    /// The field.
    pub field: String,
}

impl Refusal {
    /// Returns the refusal told by a `Status` body; `retry_after` is the header's value.
    pub fn from_status(code: u16, status: Status, retry_after: Option<Duration>) -> Self {
        let mut refusal = Self {
            code: if status.code == 0 { code } else { status.code },
            reason: status.reason,
            message: status.message,
            retry_after,
            ..Self::default()
        };
        if let Some(details) = status.details {
            let told = Duration::from_secs(u64::from(details.retry_after_seconds));
            refusal.retry_after = retry_after.max(Some(told).filter(|told| !told.is_zero()));
            refusal.resource = details.kind;
            let causes = details.causes.into_iter();
            refusal.causes =
                causes.map(|c| Cause { reason: c.reason, message: c.message, field: c.field }).collect();
        }
        refusal
    }

    /// Returns true when somebody else owns a field we want to set.
    pub fn is_field_conflict(&self) -> bool {
        self.code == 409 && self.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    }

    /// Returns true when the server answers and cannot serve at the moment: it is asked for too much, or broken.
    pub fn is_of_the_moment(&self) -> bool {
        self.code == 429 || self.code >= 500
    }

    /// Returns the namespace whose end stands in the way, from the cause's message `namespace shop is being
    /// terminated` (apiserver `admission/plugin/namespace/lifecycle`).
    pub fn terminating_namespace(&self) -> Option<&str> {
        let cause = self.causes.iter().find(|cause| cause.reason == "NamespaceTerminating")?;
        cause.message.strip_prefix("namespace ")?.strip_suffix(" is being terminated")
    }

    /// Returns true when a field was to be changed that cannot be: recognised by its cause, since most
    /// 422 answers are plain mistakes (texts of the API's validation, `apis/*/validation`; of CEL rules, what
    /// their authors use to say).
    pub fn is_immutable_field(&self) -> bool {
        const TEXTS: [&str; 8] = [
            // "field is immutable", "spec is immutable after creation", "Value is immutable"
            "is immutable",
            "updates to statefulset spec",
            "may not change once set",
            "can not be unset",
            "cannot change roleRef",
            "pod updates may not change fields",
            "may not be changed in an update",
            // of a StorageClass: parameters, provisioner, reclaimPolicy
            "updates to ",
        ];
        let says = |message: &str| match TEXTS.iter().find(|text| message.contains(*text)) {
            Some(&"updates to ") => message.contains("are forbidden"),
            found => found.is_some(),
        };
        let messages: Vec<&str> = self.causes.iter().map(|cause| cause.message.as_str()).collect();
        let messages = if messages.is_empty() { vec![self.message.as_str()] } else { messages };
        self.code == 422 && messages.into_iter().any(says)
    }
}

impl ApiError {
    /// Returns the error itself, or that of the last try.
    pub fn last(&self) -> &Self {
        match self {
            Self::GaveUp { error, .. } => error.last(),
            other => other,
        }
    }

    /// Returns the refusal, when the server answered.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self.last() {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Returns true for "there is no such object".
    pub fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == 404)
    }

    /// Returns true when the server holds another object, or another state of it, than the one meant.
    pub fn is_conflict(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == 409)
    }

    /// Returns true when a watch or a list has to begin anew.
    pub fn is_expired(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == 410 || refusal.reason == "Expired")
    }

    /// Returns true when nobody answered at all: the cluster, not the request, is the problem.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.last(), Self::Unreachable { .. } | Self::NoAnswer { .. })
    }

    /// Returns true when we are not known or not allowed.
    pub fn is_forbidden(&self) -> bool {
        self.refusal().is_some_and(|refusal| matches!(refusal.code, 401 | 403))
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(Refusal::from_status(status.code, *status, None)),
            kube::Error::SerdeError(cause) => Self::Unreadable { cause: cause.to_string() },
            kube::Error::FromUtf8(cause) => Self::Unreadable { cause: cause.to_string() },
            other => Self::Unreachable { cause: innermost(&other) },
        }
    }
}

/// Returns a time as a person says it: tenths of a second only where they matter.
fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} s", duration.as_secs())
    }
}

/// Returns the text at the end of an error's chain: the outer ones only say "service error".
fn innermost(error: &dyn std::error::Error) -> String {
    /// A chain longer than this is a loop.
    const DEEPEST: usize = 16;
    let mut current = error;
    for _ in 0..DEEPEST {
        match current.source() {
            Some(inner) => current = inner,
            None => break,
        }
    }
    current.to_string()
}
