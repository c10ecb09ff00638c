//! Reading a request's address: which kind, which object, which questions.

use super::kinds::Kind;
use super::store::Key;

/// The part of an address after `?`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub(crate) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Returns a value that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Returns the terms `a!=b` of a selector.
    pub(crate) fn excluded(&self, name: &str) -> Vec<(String, String)> {
        let terms = self.get(name).unwrap_or_default().split(',').filter_map(|term| term.split_once("!="));
        terms.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Returns the terms `a=b` of a selector.
    pub(crate) fn selector(&self, name: &str) -> Vec<(String, String)> {
        let terms = self.get(name).unwrap_or_default().split(',').filter(|term| !term.contains("!="));
        terms
            .filter_map(|term| term.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.trim_start_matches('=').to_owned()))
            .collect()
    }
}

/// What an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Version,
    Rules,
    Discovery { core: bool },
    Collection { kind: Kind, namespace: Option<String> },
    Object { kind: Kind, key: Key, subresource: String, rest: String },
    Nothing,
}

impl Target {
    /// Reads a path.
    pub(crate) fn of(path: &str, kinds: &[Kind]) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["version"] => return Self::Version,
            ["apis", "authorization.k8s.io", "v1", "selfsubjectrulesreviews"] => return Self::Rules,
            ["api"] => return Self::Discovery { core: true },
            ["apis"] => return Self::Discovery { core: false },
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Self::Nothing,
        };
        let (namespace, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (Some(*namespace), *plural, rest)
            }
            [plural, rest @ ..] => (None, *plural, rest),
            [] => return Self::Nothing,
        };
        let served = |kind: &&Kind| kind.group == group && kind.version == version && kind.plural == plural;
        let Some(kind) = kinds.iter().find(served).cloned() else { return Self::Nothing };
        let namespace = namespace.map(str::to_owned);
        match rest {
            [] => Self::Collection { kind, namespace },
            [name, rest @ ..] => {
                let key = Key {
                    group: kind.group.clone(),
                    kind: kind.kind.clone(),
                    namespace: namespace.unwrap_or_default(),
                    name: (*name).to_owned(),
                };
                let (subresource, rest) =
                    rest.split_first().map_or(("", [].as_slice()), |(s, rest)| (*s, rest));
                Self::Object { kind, key, subresource: subresource.to_owned(), rest: rest.join("/") }
            }
        }
    }
}
