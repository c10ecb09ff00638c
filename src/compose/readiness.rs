//! The plan's own rules of readiness: per kind, what makes an object current, failed, or still on its way.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value;

use super::decode::{Decoder, Text, listed};
use super::manifest::Draft;
use crate::object::rule::{Rule, Test, Wanted};
use crate::object::{FieldPath, GroupKind};
use crate::problem::{Place, Problem};
use crate::yaml::{Entry, Node};

/// The questions of a rule.
const QUESTIONS: [&str; 3] = ["in-progress", "failed", "current"];
/// The fields of a test: where to look, and one of what can be wanted there.
const TEST_FIELDS: [&str; 6] = ["path", "equals", "in", "exists", "equals-path", "at-least"];

/// A rule as written; what is left out is `None`, for an overlay to keep what its base says.
#[derive(Debug)]
pub(super) struct RuleDecl {
    /// The key it is declared under.
    place: Place,
    in_progress: Option<Vec<Test>>,
    failed: Option<Vec<Test>>,
    current: Option<Vec<Test>>,
}

/// Adds the rules of `node` to those of the base: an overlay replaces the questions it names.
pub(super) fn decode(node: &Node, rules: &mut IndexMap<String, RuleDecl>, decoder: &mut Decoder) {
    for entry in decoder.entries(node, "readiness") {
        let what = format!("the readiness of `{}`", entry.key.name);
        let Some(fields) = decoder.fields(&entry.value, &what, &QUESTIONS) else { continue };
        let mut ask = |name: &str| fields.get(name).map(|node| tests(node, name, decoder));
        let (in_progress, failed, current) = (ask("in-progress"), ask("failed"), ask("current"));
        if let Some(base) = rules.get_mut(&entry.key.name) {
            base.in_progress = in_progress.or(base.in_progress.take());
            base.failed = failed.or(base.failed.take());
            base.current = current.or(base.current.take());
        } else {
            let place = entry.key.place.clone();
            rules.insert(entry.key.name.clone(), RuleDecl { place, in_progress, failed, current });
        }
    }
}

/// Returns one test, or those of a list.
fn tests(node: &Node, what: &str, decoder: &mut Decoder) -> Vec<Test> {
    let Some(items) = node.as_sequence() else { return test(node, what, decoder).into_iter().collect() };
    if items.is_empty() {
        let problem = Problem::at(&node.place, format!("`{what}` asks nothing"));
        decoder.problem(problem.hint("leave it out, or write `{ path: status.phase, equals: Ready }`"));
    }
    items.iter().filter_map(|item| test(item, what, decoder)).collect()
}

fn test(node: &Node, what: &str, decoder: &mut Decoder) -> Option<Test> {
    let what = format!("a test of `{what}`");
    let fields = decoder.fields(node, &what, &TEST_FIELDS)?;
    let path = decoder.required(fields, &what, "path").and_then(|node| path(node, "path", decoder));
    let mut wishes = fields.as_mapping()?.iter().filter(|entry| {
        let name = entry.key.name.as_str();
        name != "path" && TEST_FIELDS.contains(&name)
    });
    let (first, second) = (wishes.next(), wishes.next());
    let Some(first) = first else {
        // What is misspelt was told.
        if fields.as_mapping()?.iter().any(|entry| !TEST_FIELDS.contains(&entry.key.name.as_str())) {
            return None;
        }
        let hint = "say what must be there: `equals: Ready`, `in: [Ready, Done]`, `exists: true`, \
            `equals-path: spec.replicas` or `at-least: 1`";
        decoder.problem(Problem::at(&fields.place, format!("{what} wants nothing")).hint(hint));
        return None;
    };
    if let Some(second) = second {
        let message = format!("{what} wants two things, `{}` and `{}`", first.key.name, second.key.name);
        let problem = Problem::at(&second.key.place, message);
        decoder.problem(problem.hint("write two tests as a list; all of them must hold"));
        return None;
    }
    let wanted = wanted(first, path.as_ref(), decoder);
    Some(Test { path: path?, wanted: wanted? })
}

fn wanted(entry: &Entry, path: Option<&FieldPath>, decoder: &mut Decoder) -> Option<Wanted> {
    let node = &entry.value;
    Some(match entry.key.name.as_str() {
        "equals" => Wanted::Equals(single(node, "equals", path, decoder)?),
        "in" => {
            let items = decoder.items(node, "in");
            if items.is_empty() {
                decoder.problem(Problem::at(&node.place, "`in` is empty, so that nothing is in it"));
            }
            let values: Vec<_> = items.iter().filter_map(|item| single(item, "in", path, decoder)).collect();
            if values.len() < items.len() {
                return None;
            }
            Wanted::OneOf(values)
        }
        "exists" => Wanted::Exists(decoder.boolean(node, "exists")?),
        "equals-path" => Wanted::SameAs(self::path(node, "equals-path", decoder)?),
        _ => Wanted::AtLeast(decoder.number(node, "at-least")?),
    })
}

/// Returns a single value to compare with.
fn single(node: &Node, what: &str, path: Option<&FieldPath>, decoder: &mut Decoder) -> Option<Value> {
    let scalar = node.as_scalar().filter(|scalar| !scalar.value.is_null());
    let Some(scalar) = scalar else {
        let problem = Problem::at(&node.place, format!("`{what}` is {}", node.described()));
        decoder.problem(problem.labelled("expected a single value").hint("`exists: false` asks for nothing"));
        return None;
    };
    let is_condition = path.is_some_and(|path| path.condition().is_some());
    if scalar.value.is_boolean() && is_condition {
        let message = format!("`{what}` is the boolean {}; a condition's status is a string", scalar.text);
        let mut capital = scalar.text.to_lowercase();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        decoder.problem(Problem::at(&node.place, message).hint(format!("quote it: \"{capital}\"")));
        return None;
    }
    Some(scalar.value.clone())
}

/// Returns a path; a mistake in it is told at its own place.
fn path(node: &Node, what: &str, decoder: &mut Decoder) -> Option<FieldPath> {
    let Text { value, place } = decoder.text(node, what)?;
    match FieldPath::parse(&value) {
        Ok(path) => Some(path),
        Err(wrong) => {
            let message = format!("`{value}` is no path: {}", wrong.message);
            let problem = Problem::at(&inside(&place, &value, wrong.at), message);
            decoder.problem(problem.maybe_hint(wrong.hint));
            None
        }
    }
}

/// Returns the place of what is `at` so many bytes inside a text, when it is written as it reads.
fn inside(place: &Place, text: &str, at: usize) -> Place {
    let span = place.span();
    match place.text().find(text) {
        Some(offset) if at < text.len() => Place::new(place.source(), span.start + offset + at..span.end),
        _ => place.clone(),
    }
}

/// Returns the rules by kind. Each must be for a kind of which the plan has an object, in whatever stage, and
/// say what makes it current.
pub(super) fn rules(
    declared: &IndexMap<String, RuleDecl>,
    drafts: &[Draft],
    decoder: &mut Decoder,
) -> BTreeMap<GroupKind, Rule> {
    let kinds: BTreeSet<GroupKind> =
        drafts.iter().map(|draft| draft.object.reference().group_kind()).collect();
    let mut rules = BTreeMap::new();
    for (name, rule) in declared {
        let Some(kind) = kinds.iter().find(|kind| kind.to_string() == *name) else {
            decoder.problem(unknown(name, &rule.place, &kinds));
            continue;
        };
        let Some(current) = rule.current.clone() else {
            let message = format!("the readiness of `{name}` does not say what makes it current");
            let hint = "write `current: { path: status.phase, equals: Ready }`";
            decoder.problem(Problem::at(&rule.place, message).hint(hint));
            continue;
        };
        let in_progress = rule.in_progress.clone().unwrap_or_default();
        let failed = rule.failed.clone().unwrap_or_default();
        rules.insert(kind.clone(), Rule { in_progress, failed, current });
    }
    rules
}

fn unknown(name: &str, place: &Place, kinds: &BTreeSet<GroupKind>) -> Problem {
    let problem = Problem::at(place, format!("no object of the plan is a `{name}`"));
    // The group left out is the likeliest slip.
    let same: Vec<String> = kinds.iter().filter(|kind| kind.kind == name).map(ToString::to_string).collect();
    if !same.is_empty() {
        let same: Vec<&str> = same.iter().map(String::as_str).collect();
        return problem.hint(format!("a kind is named with its group: {}", listed(&same)));
    }
    let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    problem.did_you_mean(name, names.iter().map(String::as_str))
}
