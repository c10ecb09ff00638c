//! Paths into an object: `status.phase`, `status.conditions[type=Ready].status`, `spec.containers[0].image`,
//! `metadata.annotations["example.org/state"]`. A path leads to one value, or to none.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A path that has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A field of a mapping.
    Field(String),
    /// An item of a list, by its place.
    Item(usize),
    /// The first item of a list that has this value in this field.
    Where { field: String, value: String },
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotAPath {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl FieldPath {
    /// Returns the path in `text`.
    ///
    /// # Errors
    /// [`NotAPath`] with the place of the first mistake.
    pub fn parse(text: &str) -> Result<Self, NotAPath> {
        let mut reader = Reader { text, at: 0 };
        let steps = reader.path()?;
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Returns the value the path leads to.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(value, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Item(at) => value.as_array()?.get(*at),
            Step::Where { field, value: wanted } => {
                value.as_array()?.iter().find(|item| item.get(field).is_some_and(|has| is_text(has, wanted)))
            }
        })
    }

    /// Returns true for a path into the status.
    pub fn reads_status(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Field(name)) if name == "status")
    }

    /// Returns the type of the condition the path leads into.
    pub fn condition(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [Step::Field(status), Step::Field(conditions), Step::Where { field, value }, ..]
                if status == "status" && conditions == "conditions" && field == "type" =>
            {
                Some(value)
            }
            _ => None,
        }
    }
}

/// Returns true when a value reads as `text`.
fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(has) => has == text,
        Value::Number(has) => text.parse::<Number>().is_ok_and(|number| number == *has),
        Value::Bool(has) => text.parse().is_ok_and(|value: bool| value == *has),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

impl TryFrom<String> for FieldPath {
    type Error = NotAPath;

    fn try_from(text: String) -> Result<Self, NotAPath> {
        Self::parse(&text)
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> Self {
        path.text
    }
}

/// Prints the path as it was written.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn path(&mut self) -> Result<Vec<Step>, NotAPath> {
        if let Some(first) = self.text.chars().next().filter(|first| "$.{".contains(*first)) {
            let plain = self.text.trim_matches(['{', '}', '$', '.']);
            return Err(
                self.wrong(format!("a path does not begin with `{first}`"), Some(format!("write `{plain}`")))
            );
        }
        let mut steps = vec![self.field()?];
        while let Some(next) = self.rest().chars().next() {
            match next {
                '.' => {
                    self.at += 1;
                    steps.push(self.field()?);
                }
                '[' => steps.push(self.bracket()?),
                other => return Err(self.wrong(format!("`{other}` does not belong here"), None)),
            }
        }
        Ok(steps)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, message: impl Into<String>, hint: Option<String>) -> NotAPath {
        NotAPath { at: self.at, message: message.into(), hint }
    }

    fn field(&mut self) -> Result<Step, NotAPath> {
        let allowed = |letter: char| letter.is_alphanumeric() || "-_/$".contains(letter);
        let ends = self.rest().find(|letter| !allowed(letter)).unwrap_or(self.rest().len());
        let name = &self.rest()[..ends];
        if name.is_empty() {
            let hint = "names are written plainly, or in quotes and brackets: `[\"example.org/state\"]`";
            return Err(self.wrong("the name of a field is missing", Some(hint.to_owned())));
        }
        self.at += ends;
        Ok(Step::Field(name.to_owned()))
    }

    fn bracket(&mut self) -> Result<Step, NotAPath> {
        let hint = || Some("write `[type=Ready]`, `[0]` or `[\"a.name/with-dots\"]`".to_owned());
        let inner = &self.rest()[1..];
        if let Some(quoted) = inner.strip_prefix('"') {
            let Some((name, _)) = quoted.split_once("\"]") else {
                return Err(self.wrong("the name in quotes does not end with `\"]`", hint()));
            };
            self.at += name.len() + 4;
            return Ok(Step::Field(name.to_owned()));
        }
        let Some((inner, _)) = inner.split_once(']') else {
            return Err(self.wrong("`[` without `]`", hint()));
        };
        let step = if let Ok(place) = inner.parse() {
            Step::Item(place)
        } else if let Some((field, value)) = inner.split_once('=') {
            let value = value.trim_start_matches('=').trim().trim_matches(['"', '\'']);
            let (field, value) = (field.trim().to_owned(), value.to_owned());
            if field.is_empty() || value.is_empty() || field.contains(['?', '@', '(']) {
                return Err(self.wrong(format!("`[{inner}]` selects no item"), hint()));
            }
            Step::Where { field, value }
        } else {
            return Err(self.wrong(format!("`[{inner}]` selects no item"), hint()));
        };
        self.at += inner.len() + 2;
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Option<Value> {
        let object = json!({
            "metadata": {"annotations": {"example.org/state": "up"}},
            "spec": {"containers": [{"name": "a"}, {"name": "b", "port": 80}]},
            "status": {"phase": "Ready", "conditions": [
                {"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        FieldPath::parse(path).unwrap().find(&object).cloned()
    }

    #[test]
    fn a_path_leads_to_one_value_or_none() {
        assert_eq!(found("status.phase"), Some(json!("Ready")));
        assert_eq!(found("status.conditions[type=Ready].status"), Some(json!("True")));
        assert_eq!(found("status.conditions[type=Other].status"), None);
        assert_eq!(found("spec.containers[1].name"), Some(json!("b")));
        assert_eq!(found("spec.containers[port=80].name"), Some(json!("b")));
        assert_eq!(found("spec.containers[2].name"), None);
        assert_eq!(found("metadata.annotations[\"example.org/state\"]"), Some(json!("up")));
        assert_eq!(found("status.phase.more"), None);
        assert_eq!(found("status[0]"), None);
    }

    #[test]
    fn a_path_knows_what_it_reads() {
        let path = |text| FieldPath::parse(text).unwrap();
        assert!(path("status.phase").reads_status() && !path("spec.replicas").reads_status());
        assert_eq!(path("status.conditions[type=Ready].status").condition(), Some("Ready"));
        assert_eq!(path("status.conditions[0].status").condition(), None);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, at, message) in [
            ("", 0, "the name of a field is missing"),
            ("{.status.phase}", 0, "a path does not begin with `{`"),
            (".status", 0, "a path does not begin with `.`"),
            ("status..phase", 7, "the name of a field is missing"),
            ("status.conditions[*].status", 17, "`[*]` selects no item"),
            ("status.conditions[?(@.type==\"Ready\")]", 17, "`[?(@.type==\"Ready\")]` selects no item"),
            ("status.conditions[type=Ready", 17, "`[` without `]`"),
            ("status.conditions[\"a", 17, "the name in quotes does not end with `\"]`"),
            ("status phase", 6, "` ` does not belong here"),
            ("status.conditions[type=]", 17, "`[type=]` selects no item"),
        ] {
            let wrong = FieldPath::parse(text).unwrap_err();
            assert_eq!((wrong.at, wrong.message.as_str()), (at, message), "{text}");
        }
        let hint = FieldPath::parse("{.status.phase}").unwrap_err().hint;
        assert_eq!(hint.as_deref(), Some("write `status.phase`"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z.\\[\\]=\"0-9é?*]{0,24}") {
            if let Ok(path) = FieldPath::parse(&text) {
                let _found = path.find(&json!({"a": [{"b": 1}]}));
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }
}
