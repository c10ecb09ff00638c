//! What a run may be told beside its plan: each is a flag that somebody typed.

use std::time::Duration;

use std::fmt;
use std::str::FromStr;

use super::Confirm;
use crate::history::{Origin, Revision};
use crate::object::ObjectRef;
use crate::plan::Plan;

/// How a deploy is to go about its work.
#[derive(Clone, Debug, Default)]
pub struct DeployOptions {
    /// Volumes, generated Secrets and namespaces that left the plan may go.
    pub delete_data: bool,
    /// How long a lock that somebody else holds is waited for; zero gives up at once.
    pub wait_lock: Duration,
    /// How many objects that left the plan may go; `None` for [`MAX_DELETIONS`](super::MAX_DELETIONS).
    pub max_deletions: Option<usize>,
    /// Who is asked before something goes; `None` where nobody can be, or need be.
    pub confirm: Option<Confirm>,
    /// The plan is written without being checked against the cluster first.
    pub skip_preflight: bool,
    /// Objects that are there already and not the plan's are taken over.
    pub adopt: Adopt,
    /// Fields of others that are taken.
    pub take: Vec<TakenField>,
    /// Objects that may be deleted and made anew where that costs something.
    pub recreate: Vec<ObjectName>,
    /// The revision whose plan this is: Jobs that have run since are not run backwards.
    pub rollback: Option<Revision>,
    /// Who deploys what, for the history.
    pub origin: Origin,
}

/// How a teardown is to go about its work.
#[derive(Clone, Debug, Default)]
pub struct TeardownOptions {
    /// Volumes, generated Secrets and the namespace go, too.
    pub delete_data: bool,
    /// How long a lock that somebody else holds is waited for; zero gives up at once.
    pub wait_lock: Duration,
}

/// Which objects are taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// These.
    Named(Vec<ObjectName>),
    /// All that the plan wants.
    All,
}

/// An object of a plan as a person names it: `Deployment/web`, or `Deployment.apps/web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    kind: String,
    name: String,
}

/// A field that is taken: of one object (`Deployment/web:.spec.replicas`), or of all (`.spec.replicas`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenField {
    /// The object; `None` for all.
    pub object: Option<ObjectName>,
    /// The field, as the API server writes it.
    pub path: String,
}

/// Why a text names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// It names no object.
    #[error("`{0}` names no object; write `KIND/NAME`, such as `Deployment/web`")]
    Object(String),
    /// It names no field.
    #[error("`{0}` names no field; write `.spec.replicas`, or `Deployment/web:.spec.replicas`")]
    Field(String),
}

impl Default for Adopt {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl Adopt {
    /// Returns true when an object may be taken over.
    pub fn includes(&self, object: &ObjectRef) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name.fits(object)),
        }
    }
}

impl ObjectName {
    /// Returns true when it names this object.
    pub fn fits(&self, object: &ObjectRef) -> bool {
        self.name == object.name && (self.kind == object.kind || self.kind == object.group_kind().to_string())
    }
}

impl FromStr for ObjectName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { kind: kind.to_owned(), name: name.to_owned() })
            }
            _ => Err(NotAName::Object(text.to_owned())),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for TakenField {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        // The name of a ClusterRole may have colons itself; a path begins with a dot.
        let (object, path) = match text.find(":.") {
            Some(at) if !text.starts_with('.') => (Some(&text[..at]), &text[at + 1..]),
            _ => (None, text),
        };
        if !path.starts_with('.') || path.len() < 2 {
            return Err(NotAName::Field(text.to_owned()));
        }
        Ok(Self { object: object.map(str::parse).transpose()?, path: path.to_owned() })
    }
}

impl DeployOptions {
    /// Returns the objects that are named here and are not in the plan, as typed.
    pub fn unknown(&self, plan: &Plan) -> Vec<String> {
        let adopted = match &self.adopt {
            Adopt::Named(names) => names.as_slice(),
            Adopt::All => &[],
        };
        let taken = self.take.iter().filter_map(|field| field.object.as_ref());
        let named = adopted.iter().chain(taken).chain(&self.recreate);
        let known: Vec<ObjectRef> = super::secrets::wanted(plan).collect();
        named.filter(|name| !known.iter().any(|object| name.fits(object))).map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Adopt, NotAName, ObjectName, TakenField};
    use crate::object::ObjectRef;

    fn deployment(name: &str) -> ObjectRef {
        let (group, kind, name) = ("apps".to_owned(), "Deployment".to_owned(), name.to_owned());
        ObjectRef { group, kind, namespace: Some("shop".to_owned()), name }
    }

    #[test]
    fn objects_are_named_by_kind_and_name() {
        let fits = |text: &str| text.parse::<ObjectName>().unwrap().fits(&deployment("web"));
        assert!(fits("Deployment/web") && fits("Deployment.apps/web"));
        assert!(!fits("Deployment/other") && !fits("Deployment.example.org/web") && !fits("Service/web"));
        for wrong in ["web", "/web", "Deployment/", "a/b/c", ""] {
            assert_eq!(wrong.parse::<ObjectName>(), Err(NotAName::Object(wrong.to_owned())));
        }
    }

    #[test]
    fn fields_are_taken_of_one_object_or_of_all() {
        let field: TakenField = "Deployment/web:.spec.replicas".parse().unwrap();
        assert!(field.object.unwrap().fits(&deployment("web")));
        assert_eq!(field.path, ".spec.replicas");
        let all: TakenField = ".metadata.labels.example.org/a:.b".parse().unwrap();
        assert_eq!((all.object, all.path.as_str()), (None, ".metadata.labels.example.org/a:.b"));
        let role: TakenField = "ClusterRole/system:node:.rules".parse().unwrap();
        assert_eq!(
            (role.object.unwrap().to_string().as_str(), role.path.as_str()),
            ("ClusterRole/system:node", ".rules")
        );
        for wrong in ["spec.replicas", ".", "", "Deployment/web:", "Deployment/web"] {
            assert!(wrong.parse::<TakenField>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_adopted_unless_named() {
        assert!(!Adopt::default().includes(&deployment("web")));
        assert!(Adopt::Named(vec!["Deployment/web".parse().unwrap()]).includes(&deployment("web")));
        assert!(Adopt::All.includes(&deployment("web")));
    }
}
