//! One field that changes, as lines: what goes, what comes, and the words in them that differ.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::difference::Told;
use crate::report::words::width;
use crate::yaml::to_yaml;

/// The longest value that is shown as `old → new` on one line.
const SHORT: usize = 40;
/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// How a field is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown {
    /// `old → new`; `None` for what was not there, or is not there any more.
    Inline(Option<String>, Option<String>),
    /// Lines.
    Lines(Vec<Line>),
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) sign: Sign,
    /// The pieces of the line; true for those that differ.
    pub(super) pieces: Vec<(bool, String)>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Same,
    Gone,
    New,
    /// Lines that are the same were left out here.
    Skipped,
}

impl Line {
    /// Returns the text without what differs.
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|(_, piece)| piece.as_str()).collect()
    }
}

/// Returns how a change is shown.
pub(super) fn shown(told: &Told) -> Shown {
    let (before, after) = (told.before.as_ref().map(text), told.after.as_ref().map(text));
    let fits =
        |text: &Option<String>| text.as_ref().is_none_or(|text| !text.contains('\n') && width(text) <= SHORT);
    if fits(&before) && fits(&after) {
        let quoted = |value: &Option<Value>| value.as_ref().map(scalar);
        return Shown::Inline(quoted(&told.before), quoted(&told.after));
    }
    Shown::Lines(lines(&before.unwrap_or_default(), &after.unwrap_or_default()))
}

/// Returns a value as text: a string as it is, a scalar as JSON, anything else as YAML.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let line = value.to_string();
            if width(&line) <= SHORT { line } else { to_yaml(value) }
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(_) | Value::Array(_) => to_yaml(value),
        scalar => scalar.to_string(),
    }
}

/// Returns a short value as JSON; what a mask has hidden stays as it is.
fn scalar(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.starts_with("<hidden") => text.to_owned(),
        _ => value.to_string(),
    }
}

/// Returns two texts as the lines that differ, with a few around them.
fn lines(before: &str, after: &str) -> Vec<Line> {
    let difference = TextDiff::from_lines(before, after);
    let mut found = Vec::new();
    for (at, group) in difference.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            found.push(Line { sign: Sign::Skipped, pieces: Vec::new() });
        }
        for change in group.iter().flat_map(|op| difference.iter_inline_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => Sign::Same,
                ChangeTag::Delete => Sign::Gone,
                ChangeTag::Insert => Sign::New,
            };
            let pieces = change.iter_strings_lossy().map(|(differs, piece)| (differs, piece.into_owned()));
            found.push(Line { sign, pieces: without_line_end(pieces.collect()) });
        }
    }
    found
}

/// Returns the pieces of a line without its end.
fn without_line_end(mut pieces: Vec<(bool, String)>) -> Vec<(bool, String)> {
    if let Some((_, last)) = pieces.last_mut() {
        let kept = last.trim_end_matches(['\n', '\r']).len();
        last.truncate(kept);
    }
    pieces.retain(|(_, piece)| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Shown, Sign, shown};
    use crate::difference::Told;

    fn of(before: Value, after: Value) -> Shown {
        shown(&Told { field: ".x".into(), before: Some(before), after: Some(after) })
    }

    /// Returns lines with what differs in brackets.
    fn marked(shown: &Shown) -> String {
        let Shown::Lines(lines) = shown else { panic!("{shown:?}") };
        let line = |line: &super::Line| {
            let sign = match line.sign {
                Sign::Same => ' ',
                Sign::Gone => '-',
                Sign::New => '+',
                Sign::Skipped => '~',
            };
            let pieces = line.pieces.iter();
            let text: String = pieces
                .map(|(differs, text)| if *differs { format!("[{text}]") } else { text.clone() })
                .collect();
            format!("{sign}{text}")
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn short_values_stand_side_by_side() {
        assert_eq!(of(json!(2), json!(3)), Shown::Inline(Some("2".into()), Some("3".into())));
        assert_eq!(of(json!("2"), json!(2)), Shown::Inline(Some("\"2\"".into()), Some("2".into())));
        assert_eq!(
            of(json!("<hidden 1a>"), json!("<hidden 2b>")),
            Shown::Inline(Some("<hidden 1a>".into()), Some("<hidden 2b>".into()))
        );
        assert_eq!(of(json!(["a"]), json!([])), Shown::Inline(Some("[\"a\"]".into()), Some("[]".into())));
    }

    #[test]
    fn the_words_that_differ_are_marked() {
        let before = "listen 80;\nserver_name shop.example;\nroot /srv/shop;\n";
        let after = "listen 80;\nserver_name store.example;\nroot /srv/shop;\n";
        insta::assert_snapshot!(marked(&of(json!(before), json!(after))), @"
         listen 80;
        -server_name [shop.example;]
        +server_name [store.example;]
         root /srv/shop;
        ");
    }

    #[test]
    fn far_lines_are_left_out() {
        let lines: Vec<String> = (0..40).map(|line| format!("line {line}")).collect();
        let mut other = lines.clone();
        other[5] = "changed".into();
        other[30] = "changed too".into();
        insta::assert_snapshot!(marked(&of(json!(lines.join("\n")), json!(other.join("\n")))), @"
         line 2
         line 3
         line 4
        -line 5
        +changed
         line 6
         line 7
         line 8
        ~
         line 27
         line 28
         line 29
        -[line] [30]
        +[changed] [too]
         line 31
         line 32
         line 33
        ");
    }

    #[test]
    fn a_tree_is_shown_as_yaml() {
        let before = json!([{"host": "a.example", "paths": ["/"]}]);
        let after = json!([{"host": "a.example", "paths": ["/", "/api"]}]);
        insta::assert_snapshot!(marked(&of(before, after)), @"
         - host: a.example
           paths:
           - /
        +  - /api
        ");
    }
}
