//! What a pod needs and is not there: a Secret, a ConfigMap, a key of one, an account. The kubelet and the
//! server name it in their messages, each in its own way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::Object;
use crate::problem::nearest;

/// Keys or names told of what there is.
const TOLD: usize = 8;

/// What is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// `Secret`, `ConfigMap`, `ServiceAccount` or `PersistentVolumeClaim`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The key; `None` when it is the object itself that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Missing {
    pub(super) fn new(kind: &str, name: &str, key: Option<&str>) -> Self {
        Self { kind: kind.to_owned(), name: name.to_owned(), key: key.map(str::to_owned) }
    }

    /// Returns what to add to the cause once it is known what there is: the keys of the object, or the names
    /// of the others of its kind. Names only; values are never read.
    pub fn beside(&self, there: &[String]) -> String {
        let wanted = self.key.as_ref().unwrap_or(&self.name);
        if there.iter().any(|name| name == wanted) {
            return "it is there by now".to_owned();
        }
        if let Some(meant) = nearest(wanted, there.iter().map(String::as_str)) {
            return format!("did you mean `{meant}`?");
        }
        let Some(_) = &self.key else {
            return format!("the namespace has no {} of that name", self.kind);
        };
        let mut told: Vec<_> = there.iter().take(TOLD).map(|name| format!("`{name}`")).collect();
        let more = there.len().saturating_sub(TOLD);
        if more > 0 {
            told.push(format!("{more} more"));
        }
        match told.as_slice() {
            [] => "it has no keys".to_owned(),
            [one] => format!("its only key is {one}"),
            [first @ .., last] => format!("its keys are {} and {last}", first.join(", ")),
        }
    }
}

/// Returns what a message about `pod` says is not there: `secret "env" not found`, `couldn't find key A in
/// Secret shop/env`, `configmap references non-existent config key: a.conf`, `serviceaccount "x" not found`.
pub(super) fn named_in(message: &str, pod: &Object) -> Option<Missing> {
    for (word, kind) in
        [("secret", "Secret"), ("configmap", "ConfigMap"), ("serviceaccount", "ServiceAccount")]
    {
        let quoted = message.split_once(&format!("{word} \"")).and_then(|(_, rest)| rest.split_once('"'));
        if let Some((name, rest)) = quoted
            && rest.starts_with(" not found")
        {
            return is_name(name).then(|| Missing::new(kind, name, None));
        }
    }
    for kind in ["Secret", "ConfigMap"] {
        if let Some((head, rest)) = message.split_once(&format!(" in {kind} ")) {
            let key = head.rsplit_once("key ")?.1;
            let name = rest.split_whitespace().next()?.rsplit('/').next()?;
            return (is_name(name) && is_key(key)).then(|| Missing::new(kind, name, Some(key)));
        }
    }
    let (_, key) = message.split_once("references non-existent ")?.1.split_once("key: ")?;
    let key = key.split_whitespace().next()?;
    let (_, volume) = message.split_once("volume \"")?;
    let (kind, name) = source_of(pod, volume.split('"').next()?)?;
    (is_name(name) && is_key(key)).then(|| Missing::new(kind, name, Some(key)))
}

/// Returns the object a volume of a pod is made of.
fn source_of<'a>(pod: &'a Object, volume: &str) -> Option<(&'static str, &'a str)> {
    let volumes = pod.get("/spec/volumes").and_then(Value::as_array)?;
    let volume = volumes.iter().find(|known| known.get("name").is_some_and(|name| name == volume))?;
    let text = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str);
    let secret = text("/secret/secretName").map(|name| ("Secret", name));
    secret.or_else(|| text("/configMap/name").map(|name| ("ConfigMap", name)))
}

/// Returns true for what can be the name of an object: a message is another's text and must not put
/// anything else into a command.
pub(super) fn is_name(text: &str) -> bool {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    !text.is_empty() && text.chars().all(allowed)
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::object;
    use super::*;

    fn named(message: &str) -> Option<String> {
        let volumes = json!([
            {"name": "tls", "secret": {"secretName": "shop-tls"}},
            {"name": "conf", "configMap": {"name": "nginx-conf"}},
        ]);
        let pod = object("v1", "Pod", json!({"spec": {"volumes": volumes}}));
        let found = named_in(message, &pod)?;
        Some(format!("{} {} {}", found.kind, found.name, found.key.unwrap_or_default()))
    }

    #[test]
    fn messages_name_what_is_missing() {
        for (message, missing) in [
            ("secret \"env\" not found", "Secret env "),
            (
                "MountVolume.SetUp failed for volume \"conf\" : configmap \"nginx-conf\" not found",
                "ConfigMap nginx-conf ",
            ),
            ("couldn't find key PASSWORD in Secret shop/env", "Secret env PASSWORD"),
            ("couldn't find key a.conf in ConfigMap shop/conf", "ConfigMap conf a.conf"),
            (
                "MountVolume.SetUp failed for volume \"tls\" : references non-existent secret key: tls.key",
                "Secret shop-tls tls.key",
            ),
            (
                "MountVolume.SetUp failed for volume \"conf\" : configmap references non-existent config key: a",
                "ConfigMap nginx-conf a",
            ),
            (
                "pods \"web-\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found",
                "ServiceAccount web ",
            ),
        ] {
            assert_eq!(named(message).as_deref(), Some(missing), "{message}");
        }
        for message in [
            "",
            "secret \"env\" is locked",
            "secret \"; rm -rf /\" not found",
            "couldn't find key $(id) in Secret shop/env",
            "volume \"x\" : references non-existent secret key: a",
        ] {
            assert_eq!(named(message), None, "{message}");
        }
    }

    #[test]
    fn what_there_is_is_told_by_name() {
        let key = Missing::new("Secret", "env", Some("PASWORD"));
        let there = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(key.beside(&there(&["USER", "PASSWORD"])), "did you mean `PASSWORD`?");
        assert_eq!(key.beside(&there(&["USER", "HOST"])), "its keys are `USER` and `HOST`");
        assert_eq!(key.beside(&there(&["USER"])), "its only key is `USER`");
        assert_eq!(key.beside(&[]), "it has no keys");
        assert_eq!(key.beside(&there(&["PASWORD"])), "it is there by now");
        let many = key.beside(&there(&["A", "B", "C", "D", "E", "F", "G", "H", "I"]));
        assert!(many.ends_with("`H` and 1 more"), "{many}");
        let object = Missing::new("ConfigMap", "nginx-cnf", None);
        assert_eq!(object.beside(&there(&["nginx-conf"])), "did you mean `nginx-conf`?");
        assert_eq!(object.beside(&there(&["other"])), "the namespace has no ConfigMap of that name");
    }
}
