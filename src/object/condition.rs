//! Reading a status: conditions, counters and time stamps, whatever a server or an operator put
//! there. A field of another type than expected counts as absent; nothing here can fail.

use jiff::Timestamp;
use serde_json::Value;

use super::{Generation, Object};

/// One entry of `status.conditions`.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a>(&'a Value);

impl<'a> Condition<'a> {
    /// Returns the condition of this type.
    pub fn find(object: &'a Object, kind: &str) -> Option<Self> {
        Self::all(object).find(|condition| condition.kind() == kind)
    }

    /// Returns every condition, in the order of the object.
    pub fn all(object: &'a Object) -> impl Iterator<Item = Self> {
        let list = object.get("/status/conditions").and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default().iter().map(Self)
    }

    /// Returns the type, such as `Ready`.
    pub fn kind(self) -> &'a str {
        self.text("type")
    }

    /// Returns true when the status is `True`; `Unknown` is neither true nor false.
    pub fn is_true(self) -> bool {
        self.text("status") == "True"
    }

    /// Returns true when the status is `False`.
    pub fn is_false(self) -> bool {
        self.text("status") == "False"
    }

    /// Returns the reason, one word for machines; empty when there is none.
    pub fn reason(self) -> &'a str {
        self.text("reason")
    }

    /// Returns the message for people; empty when there is none.
    pub fn message(self) -> &'a str {
        self.text("message")
    }

    /// Returns when the status last changed.
    pub fn changed_at(self) -> Option<Timestamp> {
        time(self.0.get("lastTransitionTime"))
    }

    /// Returns when the reason or status was last written; the workload kinds tell it apart from a change
    /// of status.
    pub fn updated_at(self) -> Option<Timestamp> {
        time(self.0.get("lastUpdateTime")).or_else(|| self.changed_at())
    }

    /// Returns the generation this condition speaks of, when its writer says so.
    pub fn observed_generation(self) -> Option<Generation> {
        self.0.get("observedGeneration").and_then(Value::as_i64).map(Generation)
    }

    /// Returns message and reason as one text: `message (Reason)`, or the one there is.
    pub fn explanation(self) -> Option<String> {
        explanation(self.reason(), self.message())
    }

    fn text(self, field: &str) -> &'a str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// How many letters of a foreign text are shown.
const LONGEST_TEXT: usize = 300;

/// Returns a foreign text as one line without a final stop, at most 300 letters long. Control characters
/// go: a message must not move the cursor of the one who reads it.
pub fn one_line(text: &str) -> String {
    let words: Vec<_> = text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.trim_end_matches('.').to_owned(),
    }
}

/// Returns `message (Reason)`, or the one of the two that is not empty, as one line.
pub fn explanation(reason: &str, message: &str) -> Option<String> {
    let (reason, message) = (one_line(reason), one_line(message));
    match (reason.is_empty(), message.is_empty()) {
        (true, true) => None,
        (false, true) => Some(reason),
        (true, false) => Some(message),
        (false, false) => Some(format!("{message} ({reason})")),
    }
}

/// Returns a count; `None` when it is absent. The server has no negative counts, so neither have we.
pub fn count(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    let number = value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX))?;
    Some(number.max(0))
}

/// Returns a time stamp as Kubernetes writes it.
pub fn time(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(status: &Value) -> Object {
        Object::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "status": status}))
            .unwrap()
    }

    #[test]
    fn type_and_status_are_both_read() {
        let pod = object(&json!({"conditions": [
            {"type": "Other", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "Why", "message": "Because.",
             "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 3},
        ]}));
        let ready = Condition::find(&pod, "Ready").unwrap();
        assert!(ready.is_false() && !ready.is_true());
        assert_eq!(ready.explanation().as_deref(), Some("Because (Why)"));
        assert_eq!(ready.updated_at(), "2026-01-01T00:00:00Z".parse().ok());
        assert_eq!(ready.observed_generation(), Some(Generation(3)));
        assert!(Condition::find(&pod, "Missing").is_none());
    }

    #[test]
    fn unknown_is_neither_true_nor_false() {
        let pod = object(&json!({"conditions": [{"type": "Ready", "status": "Unknown"}]}));
        let ready = Condition::find(&pod, "Ready").unwrap();
        assert!(!ready.is_true() && !ready.is_false());
        assert_eq!(ready.explanation(), None);
    }

    #[test]
    fn foreign_text_is_one_bounded_line() {
        assert_eq!(one_line(" a\n\tb\u{1b}[31m red. "), "a b [31m red");
        assert_eq!(one_line("\n"), "");
        assert_eq!(one_line(&"é".repeat(400)).chars().count(), 301);
        assert_eq!(explanation("", "").as_deref(), None);
        assert_eq!(explanation("Why", "\n").as_deref(), Some("Why"));
    }

    #[test]
    fn values_of_another_type_count_as_absent() {
        let pod = object(&json!({"conditions": {"type": "Ready"}}));
        assert_eq!(Condition::all(&pod).count(), 0);
        let pod = object(&json!({"conditions": [7, {"type": 1, "status": true}]}));
        assert!(Condition::find(&pod, "Ready").is_none());
        assert_eq!(count(Some(&json!("3"))), None);
        assert_eq!(count(Some(&json!(-3))), Some(0));
        assert_eq!(count(Some(&json!(u64::MAX))), Some(i64::MAX));
        assert_eq!(time(Some(&json!("yesterday"))), None);
    }
}
