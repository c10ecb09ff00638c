//! What a plan says of a kind: which values in an object make it current, failed, or still on its way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condition::{Condition, one_line};
use super::{FieldPath, Object};

/// A plan's own rule for a kind. Of each list all tests must hold; an empty one never does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Asked first: it is on its way.
    pub in_progress: Vec<Test>,
    /// Asked next: it cannot become current without help.
    pub failed: Vec<Test>,
    /// Asked last; when this does not hold either, it is on its way.
    pub current: Vec<Test>,
}

/// One question to an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Where to look.
    pub path: FieldPath,
    /// What must be there.
    pub wanted: Wanted,
}

/// What must be at a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Anything (true), or nothing: no field, or null.
    Exists(bool),
    /// This single value. Numbers are equal by their size, however they are written.
    Equals(Value),
    /// One of these single values.
    OneOf(Vec<Value>),
    /// What is at another path, which must be there.
    SameAs(FieldPath),
    /// A number, at least this large.
    AtLeast(f64),
}

impl Test {
    /// Returns true when the object has what is wanted.
    pub fn holds(&self, object: &Object) -> bool {
        let found = self.path.find(object.value()).filter(|value| !value.is_null());
        match &self.wanted {
            Wanted::Exists(wanted) => found.is_some() == *wanted,
            Wanted::Equals(value) => found.is_some_and(|found| is_same(found, value)),
            Wanted::OneOf(values) => {
                found.is_some_and(|found| values.iter().any(|value| is_same(found, value)))
            }
            Wanted::SameAs(path) => {
                path.find(object.value()).zip(found).is_some_and(|(one, other)| is_same(one, other))
            }
            Wanted::AtLeast(least) => found.and_then(Value::as_f64).is_some_and(|found| found >= *least),
        }
    }

    /// Returns what is there now, as a person would say it: `status.phase is Error`, with the words of the
    /// condition the path leads into. What a Secret holds is not told.
    pub fn found(&self, object: &Object) -> String {
        let path = &self.path;
        let told = match path.find(object.value()).filter(|value| !value.is_null()) {
            None => return format!("{path} is not there"),
            Some(_) if object.kind() == "Secret" => return format!("{path} is there"),
            Some(Value::Array(_) | Value::Object(_)) => format!("{path} is there"),
            Some(value) => format!("{path} is {}", plain(value)),
        };
        let condition = path.condition().and_then(|kind| Condition::find(object, kind));
        match condition.and_then(Condition::explanation) {
            Some(words) => format!("{told}: {words}"),
            None => told,
        }
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match one_line(&text) {
        text if text.is_empty() => "empty".to_owned(),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str) -> Object {
        Object::new(json!({
            "apiVersion": "example.org/v1", "kind": kind, "metadata": {"name": "x"},
            "spec": {"replicas": 3, "none": null},
            "status": {"phase": "Error", "ready": 3.0, "load": 0.5, "list": [],
                "conditions": [{"type": "Ready", "status": "False", "reason": "Why", "message": "Because."}]},
        }))
        .unwrap()
    }

    fn test(path: &str, wanted: Wanted) -> Test {
        Test { path: FieldPath::parse(path).unwrap(), wanted }
    }

    #[test]
    fn each_wish_is_held_against_what_is_there() {
        let holds = |path: &str, wanted: Wanted| test(path, wanted).holds(&object("Thing"));
        assert!(holds("status.phase", Wanted::Exists(true)) && !holds("status.phase", Wanted::Exists(false)));
        assert!(holds("spec.none", Wanted::Exists(false)) && holds("spec.no.way", Wanted::Exists(false)));
        assert!(
            holds("status.ready", Wanted::Equals(json!(3)))
                && !holds("status.ready", Wanted::Equals(json!("3")))
        );
        assert!(holds("status.phase", Wanted::OneOf(vec![json!("Lost"), json!("Error")])));
        assert!(!holds("status.phase", Wanted::OneOf(vec![json!("Lost")])));
        let replicas = || FieldPath::parse("spec.replicas").unwrap();
        assert!(holds("status.ready", Wanted::SameAs(replicas())));
        assert!(!holds("status.load", Wanted::SameAs(replicas())));
        assert!(!holds("status.gone", Wanted::SameAs(FieldPath::parse("spec.gone").unwrap())));
        assert!(holds("status.load", Wanted::AtLeast(0.5)) && !holds("status.load", Wanted::AtLeast(0.6)));
        assert!(!holds("status.phase", Wanted::AtLeast(0.0)));
    }

    #[test]
    fn what_is_there_is_told_but_not_of_a_secret() {
        let found = |path: &str, kind: &str| test(path, Wanted::Exists(true)).found(&object(kind));
        assert_eq!(found("status.phase", "Thing"), "status.phase is Error");
        assert_eq!(found("status.ready", "Thing"), "status.ready is 3.0");
        assert_eq!(found("status.list", "Thing"), "status.list is there");
        assert_eq!(found("status.gone", "Thing"), "status.gone is not there");
        assert_eq!(
            found("status.conditions[type=Ready].status", "Thing"),
            "status.conditions[type=Ready].status is False: Because (Why)"
        );
        assert_eq!(found("status.phase", "Secret"), "status.phase is there");
    }
}
