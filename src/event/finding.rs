//! What the preflight found: one thing that is, or may be, wrong between a plan and a cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::ObjectRef;

/// One thing found before anything is written: what, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which check found it.
    pub check: Check,
    /// The object of the plan it is about; `None` when it is about the cluster as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// Where that object is written, such as `manifests/django/deployment.yaml:12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What is wrong.
    pub what: String,
    /// How to mend it; empty when nothing can be done about it here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

/// How bad a [`Finding`] is. Errors come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It is certain that the deploy fails, or that what it makes cannot do what the plan says.
    Error,
    /// It may work all the same, or it could not be checked.
    Warning,
}

/// The checks of the preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Do client and server speak the same Kubernetes?
    ServerVersion,
    /// May this user do what the plan needs?
    Rights,
    /// Does the server serve the version an object is written in?
    ApiVersion,
    /// What objects use: is it there?
    Reference,
    /// Is what an object uses written before it?
    StageOrder,
    /// Does a Service select pods?
    ServiceSelector,
    /// Are the ports there that are named?
    Port,
    /// Is there a storage class, and can it do what the claims ask for?
    Storage,
    /// Is there a class for the Ingresses, and who serves it?
    IngressClass,
    /// Does the namespace's quota allow it?
    Quota,
    /// Is there room on the nodes?
    Capacity,
    /// Does the namespace's Pod Security level allow the pods?
    PodSecurity,
    /// A check of a newer version.
    #[serde(other)]
    Unknown,
}

/// Prints the name as it is in JSON.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerVersion => "server-version",
            Self::Rights => "rights",
            Self::ApiVersion => "api-version",
            Self::Reference => "reference",
            Self::StageOrder => "stage-order",
            Self::ServiceSelector => "service-selector",
            Self::Port => "port",
            Self::Storage => "storage",
            Self::IngressClass => "ingress-class",
            Self::Quota => "quota",
            Self::Capacity => "capacity",
            Self::PodSecurity => "pod-security",
            Self::Unknown => "unknown",
        })
    }
}

impl Finding {
    /// Returns an error without an object.
    pub fn error(check: Check, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { level: Level::Error, check, object: None, place: None, what, fix: String::new() }
    }

    /// Returns a warning without an object.
    pub fn warning(check: Check, what: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(check, what) }
    }

    /// Says which object of the plan it is about.
    #[must_use]
    pub fn about(self, object: ObjectRef) -> Self {
        Self { object: Some(object), ..self }
    }

    /// Says how to mend it.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// Returns true for an error.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

/// Prints one line: `Deployment/web: what is wrong (manifests/web.yaml:3)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Check;

    #[test]
    fn a_check_prints_as_it_is_in_json() {
        let all = [
            Check::ServerVersion,
            Check::Rights,
            Check::ApiVersion,
            Check::Reference,
            Check::StageOrder,
            Check::ServiceSelector,
            Check::Port,
            Check::Storage,
            Check::IngressClass,
            Check::Quota,
            Check::Capacity,
            Check::PodSecurity,
        ];
        for check in all {
            assert_eq!(serde_json::to_string(&check).unwrap(), format!("\"{check}\""));
        }
    }
}
