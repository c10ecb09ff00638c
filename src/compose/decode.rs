//! Typed values out of a YAML tree; what does not fit is collected with its place, and reading goes on.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use crate::problem::{Place, Problem, Problems};
use crate::yaml::{Entry, Node};

/// A text with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) place: Place,
}

/// Reads typed values and collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) problems: Problems,
}

impl Decoder {
    /// Adds a problem.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn unexpected<T>(&mut self, node: &Node, what: &str, wanted: &str) -> Option<T> {
        let problem = Problem::at(&node.place, format!("`{what}` is {}", node.described()))
            .labelled(format!("expected {wanted}"));
        let plain = node.as_scalar().filter(|scalar| !scalar.value.is_null() && !scalar.value.is_string());
        let hint = plain
            .filter(|_| wanted.contains("string"))
            .map(|scalar| format!("quote it: \"{}\"", scalar.text));
        self.problem(problem.maybe_hint(hint));
        None
    }

    /// Returns the entries of a mapping whose keys are names.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        if node.is_null() {
            return &[];
        }
        match node.as_mapping() {
            Some(entries) => entries,
            None => self.unexpected(node, what, "a mapping").unwrap_or_default(),
        }
    }

    /// Returns `node` when it is a mapping; fields that are not in `known` are problems.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<&'n Node> {
        let Some(entries) = node.as_mapping() else {
            return self.unexpected(node, what, "a mapping");
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.name.as_str())) {
            let name = &entry.key.name;
            let problem = Problem::at(&entry.key.place, format!("{what} has no field `{name}`"))
                .labelled("unknown field")
                .did_you_mean(name, known.iter().copied());
            let problem = if problem.hints().is_empty() {
                problem.hint(format!("the fields are {}", listed(known)))
            } else {
                problem
            };
            self.problem(problem);
        }
        Some(node)
    }

    /// Returns a required field.
    pub(super) fn required<'n>(&mut self, fields: &'n Node, what: &str, name: &str) -> Option<&'n Node> {
        let found = fields.get(name);
        if found.is_none() {
            self.problem(Problem::at(&fields.place, format!("{what} has no `{name}`")));
        }
        found
    }

    /// Returns a string that is not empty.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Text> {
        match node.as_str() {
            Some("") => {
                self.problem(Problem::at(&node.place, format!("`{what}` is empty")));
                None
            }
            Some(text) => Some(Text { value: text.to_owned(), place: node.place.clone() }),
            None => self.unexpected(node, what, "a string"),
        }
    }

    /// Returns a list of strings.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Text>> {
        if let Some(items) = node.as_sequence() {
            return Some(items.iter().filter_map(|item| self.text(item, what)).collect());
        }
        let hint = node.as_str().map(|text| format!("write `[{text}]`"));
        let problem = Problem::at(&node.place, format!("`{what}` is {}", node.described()))
            .labelled("expected a list of strings");
        self.problem(problem.maybe_hint(hint));
        None
    }

    /// Returns the items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match node.as_sequence() {
            Some(items) => items,
            None => self.unexpected(node, what, "a list").unwrap_or_default(),
        }
    }

    /// Returns a boolean, written `true` or `false`: what only YAML 1.1 takes for one is refused.
    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        let scalar = node.as_scalar();
        match scalar.map(|scalar| &scalar.value) {
            Some(Value::Bool(value)) if is_strict_boolean(scalar.map_or("", |scalar| &scalar.text)) => {
                Some(*value)
            }
            Some(Value::Bool(value)) => {
                let text = scalar.map_or("", |scalar| &scalar.text);
                self.problem(
                    Problem::at(
                        &node.place,
                        format!("`{what}` is `{text}`, which only some readers take for {value}"),
                    )
                    .hint(format!("write {value}")),
                );
                None
            }
            _ => self.unexpected(node, what, "true or false"),
        }
    }

    /// Returns an integer from `least` to `most`.
    pub(super) fn integer(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<i64> {
        let value = node.as_scalar().and_then(|scalar| scalar.value.as_i64());
        match value {
            Some(value) if (least..=most).contains(&value) => Some(value),
            Some(value) => {
                let message = format!("`{what}` is {value}; it must be from {least} to {most}");
                self.problem(Problem::at(&node.place, message));
                None
            }
            None => self.unexpected(node, what, "an integer"),
        }
    }

    /// Returns a number.
    pub(super) fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        match node.as_scalar().and_then(|scalar| scalar.value.as_f64()) {
            Some(value) => Some(value),
            None => self.unexpected(node, what, "a number"),
        }
    }

    /// Returns a time such as `10m`, from one second to a day.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        const HINT: &str = "write a number with its unit: `90s`, `10m`, `1h 30m`";
        let Some(text) = node.as_str() else {
            let problem = Problem::at(&node.place, format!("`{what}` is {}", node.described()));
            self.problem(problem.labelled("expected a time").hint(HINT));
            return None;
        };
        let Ok(time) = text.parse::<SignedDuration>() else {
            self.problem(Problem::at(&node.place, format!("`{text}` is no time")).hint(HINT));
            return None;
        };
        match Duration::try_from(time) {
            Ok(time) if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&time) => Some(time),
            _ => {
                let message = format!("`{what}` is {text}; it must be from 1s to 24h");
                self.problem(Problem::at(&node.place, message));
                None
            }
        }
    }
}

/// Returns true for what every reader of YAML takes for a boolean: anything but the words of YAML 1.1. A
/// variable's value was checked where it was given.
fn is_strict_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") || text.contains("${")
}

/// Returns names as a person lists them: `a`, `b` and `c`.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
