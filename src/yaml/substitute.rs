//! `${name}` in a parsed tree. Values are put into scalars, never into text that is parsed afterwards: no
//! value can add a key or a line. `$${` stands for `${` itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::tree::{Kind, Node, Scalar};
use crate::problem::{Place, Problem, Problems, SourceText};

/// Puts the values of variables into trees and texts, and remembers which were used.
#[derive(Debug)]
pub struct Substitution<'a> {
    values: &'a IndexMap<String, Value>,
    used: BTreeSet<String>,
    problems: Problems,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    /// Taken as it is.
    Literal(&'t str),
    /// `${name}`; its name.
    Variable(&'t str),
    /// `${` that is followed by no name and `}`; what stands there.
    Broken(&'t str),
}

impl<'a> Substitution<'a> {
    /// Returns a substitution that knows `values`.
    pub fn new(values: &'a IndexMap<String, Value>) -> Self {
        Self { values, used: BTreeSet::new(), problems: Problems::new() }
    }

    /// Returns the names that were used, and what was wrong.
    pub fn finish(self) -> (BTreeSet<String>, Problems) {
        (self.used, self.problems)
    }

    /// Replaces in every string of `node`. A string that is exactly `${name}` takes the variable's type,
    /// but for one marked `!!str`. Keys are left alone; a variable in one is an error.
    pub fn tree(&mut self, node: &mut Node) {
        match &mut node.kind {
            Kind::Scalar(scalar) => {
                if let Some(value) = self.scalar(scalar, &node.place) {
                    scalar.value = value;
                }
            }
            Kind::Sequence(items) => items.iter_mut().for_each(|item| self.tree(item)),
            Kind::Mapping(entries) => {
                for entry in entries {
                    let parts = pieces(&entry.key.name);
                    if parts.iter().any(|piece| !matches!(piece, Piece::Literal(_))) {
                        self.problems.push(
                            Problem::at(&entry.key.place, "a key cannot hold a variable")
                                .hint("variables stand in values; write `$${` for a literal `${`"),
                        );
                    } else if entry.key.name.contains("$${") {
                        entry.key.name = literals(&parts);
                    }
                    self.tree(&mut entry.value);
                }
            }
        }
    }

    /// Returns the content of a file with its variables replaced.
    pub fn text(&mut self, source: &Arc<SourceText>) -> String {
        self.joined(&pieces(source.text()), &Place::whole(source))
    }

    fn scalar(&mut self, scalar: &Scalar, place: &Place) -> Option<Value> {
        let text = scalar.value.as_str()?;
        if !text.contains("${") {
            return None;
        }
        let parts = pieces(text);
        if let ([Piece::Variable(name)], false) = (parts.as_slice(), scalar.is_string) {
            let value = self.lookup(name, place, 0)?;
            return Some(value.clone());
        }
        Some(Value::String(self.joined(&parts, place)))
    }

    fn joined(&mut self, parts: &[Piece<'_>], place: &Place) -> String {
        let mut text = String::new();
        let mut nth = 0;
        for piece in parts {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Variable(name) => {
                    match self.lookup(name, place, nth) {
                        Some(Value::String(value)) => text.push_str(value),
                        Some(value) => text.push_str(&value.to_string()),
                        None => {}
                    }
                    nth += 1;
                }
                Piece::Broken(what) => {
                    let message = format!("`{what}` is no variable");
                    self.problems.push(Problem::at(&locate(place, what, nth), message).hint(
                        "a variable is `${name}` with letters, digits, `_` and `-`; write `$${` for a literal `${`",
                    ));
                    nth += 1;
                }
            }
        }
        text
    }

    fn lookup(&mut self, name: &str, place: &Place, nth: usize) -> Option<&'a Value> {
        let found = self.values.get(name);
        if found.is_some() {
            self.used.insert(name.to_owned());
        } else {
            let token = format!("${{{name}}}");
            let problem = Problem::at(&locate(place, &token, nth), format!("no variable is called `{name}`"))
                .labelled("undefined")
                .did_you_mean(name, self.values.keys().map(String::as_str));
            self.problems.push(if problem.hints().is_empty() {
                problem.hint(format!(
                    "declare it under `variables:` of the plan, or write `$${{{name}}}` for the text itself"
                ))
            } else {
                problem
            });
        }
        found
    }
}

/// Returns the place of the `nth` reference inside `place` when it is `token`; else the whole place: an
/// escape in a quoted scalar can hide it.
fn locate(place: &Place, token: &str, nth: usize) -> Place {
    let raw = place.text();
    let mut seen = 0;
    let mut at = 0;
    while let Some(found) = raw.get(at..).and_then(|rest| rest.find("${")) {
        let here = at + found;
        at = here + 2;
        if raw.get(..here).is_some_and(|before| before.ends_with('$')) {
            continue;
        }
        if seen == nth {
            if raw.get(here..).is_some_and(|rest| rest.starts_with(token)) {
                let start = place.span().start + here;
                return Place::new(place.source(), start..start + token.len());
            }
            break;
        }
        seen += 1;
    }
    place.clone()
}

fn literals(parts: &[Piece<'_>]) -> String {
    parts.iter().map(|piece| if let Piece::Literal(text) = piece { text } else { "" }).collect()
}

/// Splits a text at its references; `$${` becomes the literal `${`.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        // Of `$${` the first `$` goes.
        if let Some(before) = before.strip_suffix('$') {
            parts.push(Piece::Literal(before));
            parts.push(Piece::Literal("${"));
            rest = &from[2..];
            continue;
        }
        if !before.is_empty() {
            parts.push(Piece::Literal(before));
        }
        let inside = &from[2..];
        let length =
            inside.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte)).count();
        let name = &inside[..length];
        if is_variable_name(name) && inside[length..].starts_with('}') {
            parts.push(Piece::Variable(name));
            rest = &inside[length + 1..];
        } else {
            parts.push(Piece::Broken(broken(from)));
            rest = inside;
        }
    }
    if !rest.is_empty() {
        parts.push(Piece::Literal(rest));
    }
    parts
}

/// Returns what to show of a reference that is none: up to its `}` or the end of the word.
fn broken(from: &str) -> &str {
    let end = from.find(|letter: char| letter == '}' || letter.is_whitespace() || letter == '"');
    match end {
        Some(end) if from[end..].starts_with('}') => &from[..=end],
        Some(end) => &from[..end],
        None => from,
    }
}

/// Returns true for what a variable can be called.
pub fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn text_is_split_at_references() {
        use Piece::{Broken, Literal, Variable};
        assert_eq!(pieces("a ${b} c"), [Literal("a "), Variable("b"), Literal(" c")]);
        assert_eq!(pieces("${a}${b-c}"), [Variable("a"), Variable("b-c")]);
        assert_eq!(pieces("$${a} $x $(y)"), [Literal(""), Literal("${"), Literal("a} $x $(y)")]);
        assert_eq!(pieces("$$${a}"), [Literal("$"), Literal("${"), Literal("a}")]);
        assert_eq!(pieces("${a:-b}"), [Broken("${a:-b}"), Literal("a:-b}")]);
        assert_eq!(pieces("${1}"), [Broken("${1}"), Literal("1}")]);
        assert_eq!(pieces("${"), [Broken("${")]);
    }
}
