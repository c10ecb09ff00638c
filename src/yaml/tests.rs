//! Reading as kubectl reads, places, substitution, and the way back to text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Keys, Kind, Node, Substitution, parse, to_yaml};
use crate::problem::{Severity, SourceText};

/// What kubectl 1.32 read for each scalar: `kubectl annotate --local -o json` of an object that holds it.
/// A number is a string with `I` (integer) or `F` (float) before it; an error begins with `ERR`.
const KUBECTL: &str = include_str!("../../tests/fixtures/kubectl-scalars.json");

/// Where wesago keeps what kubectl loses: integers from 2^63 to 2^64 stay exact.
const EXACT: [&str; 2] = ["9223372036854775808", "18446744073709551615"];

fn read(text: &str) -> Result<Vec<Value>, String> {
    let parsed = parse(&SourceText::new("m.yaml", text), Keys::AsKubectl);
    if parsed.problems.is_empty() {
        Ok(parsed.documents.iter().map(Node::to_json).collect())
    } else {
        Err(parsed.problems.render(Severity::Error, false))
    }
}

#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    let oracle: BTreeMap<String, String> = serde_json::from_str(KUBECTL).unwrap();
    assert!(oracle.len() > 100);
    let mut differences = Vec::new();
    for (scalar, kubectl) in &oracle {
        let ours = read(&format!("a: {scalar}\n"));
        let same = match (&ours, kubectl.strip_prefix("ERR")) {
            (Err(_), Some(_)) => true,
            (Ok(documents), None) => agrees(&documents[0]["a"], kubectl),
            _ => false,
        };
        if !same {
            differences.push(format!("{scalar}: kubectl {kubectl}, wesago {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for scalar in EXACT {
        assert_eq!(read(&format!("a: {scalar}\n")).unwrap()[0]["a"].to_string(), scalar);
    }
}

fn agrees(ours: &Value, kubectl: &str) -> bool {
    let theirs: Value = serde_json::from_str(kubectl).unwrap();
    let number = theirs.as_str().and_then(|text| text.strip_prefix(['I', 'F']));
    match (ours, number.and_then(|digits| digits.parse::<f64>().ok())) {
        // Equal as numbers; the two of `EXACT` within what a float can hold.
        (Value::Number(ours), Some(theirs)) => {
            (ours.as_f64().unwrap() - theirs).abs() <= theirs.abs() * 1e-15
        }
        (ours, _) => *ours == theirs,
    }
}

#[test]
fn keys_are_rewritten_as_kubectl_does() {
    let documents = read("on: 1\n0x10: 2\n0644: 3\n~x: 4\n\"off\": 5\n").unwrap();
    assert_eq!(documents[0], json!({"true": 1, "16": 2, "420": 3, "~x": 4, "off": 5}));
}

#[test]
fn documents_anchors_and_merges() {
    let text = "\u{feff}# only a comment\n---\na: &x {one: 1, two: 2}\nb: *x\nc: {<<: *x, two: 3}\n---\n---\n- <<: [{k: 1}, {k: 2, l: 3}]\n";
    let documents = read(text).unwrap();
    assert_eq!(
        documents,
        [
            json!({"a": {"one": 1, "two": 2}, "b": {"one": 1, "two": 2}, "c": {"two": 3, "one": 1}}),
            json!([{"k": 1, "l": 3}]),
        ]
    );
}

#[test]
fn every_node_knows_its_place() {
    let parsed = parse(
        &SourceText::new("m.yaml", "spec:\n  containers:\n  - image: 'redis:7'\n    on: no\n\nlast: 1\n"),
        Keys::AsKubectl,
    );
    let node = parsed.documents[0].at("/spec/containers/0/image").unwrap();
    assert_eq!((node.place.to_string().as_str(), node.place.text()), ("m.yaml:3:12", "'redis:7'"));
    let spec = parsed.documents[0].get("spec").unwrap();
    assert!(spec.place.text().ends_with("on: no"), "{}", spec.place.text());
    insta::assert_snapshot!(parsed.warnings.render(Severity::Warning, false), @r#"
    warning: kubectl reads `on` as true, also as a key
     --> m.yaml:4:5
      |
    4 |     on: no
      |     ^^
      |
      = help: write "on" if the text is meant

    warning: kubectl reads `no` as false
     --> m.yaml:4:9
      |
    4 |     on: no
      |         ^^
      |
      = help: write "no" if the text is meant, false if not
    "#);
}

#[test]
fn unquoted_words_that_mislead_are_warned_of() {
    let text = "a: [yes, 1e3, 0644, 1_000, true, 12, 0x1f, 1.5, '0644', v1]\ndefaultMode: 0644\n";
    let warnings = parse(&SourceText::new("m.yaml", text), Keys::AsKubectl).warnings;
    insta::assert_snapshot!(warnings, @r"
    m.yaml:1:5: kubectl reads `yes` as true
    m.yaml:1:10: kubectl reads `1e3` as 1000
    m.yaml:1:15: kubectl reads `0644` as 420
    m.yaml:1:21: kubectl reads `1_000` as 1000
    ");
}

#[test]
fn a_key_that_is_there_twice_is_told_at_both_places() {
    insta::assert_snapshot!(read("metadata:\n  name: a\n  labels: {}\n  name: b\n").unwrap_err(), @r"
    error: key `name` is there twice
     --> m.yaml:4:3
      |
    2 |   name: a
      |   ---- first
    3 |   labels: {}
    4 |   name: b
      |   ^^^^ second
    ");
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let texts = [
        "a: [1, 2\nb: 3\n",
        "a:\n\tb: 1\n",
        "a: .inf\n",
        "a: *nowhere\n",
        "{a: 1}: 2\n",
        "<<: 3\n",
        "1.5: x\n",
    ];
    let told: Vec<String> = texts.iter().map(|text| read(text).unwrap_err()).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    error: this is no YAML: illegal placement of ':' indicator
     --> m.yaml:2:2
      |
    2 | b: 3
      |  ^
      |
      = help: a bracket or a quote above may still be open, or a text with `: ` in it wants quotes
    error: this is no YAML: tabs disallowed within this context (block indentation)
     --> m.yaml:2:2
      |
    2 |     b: 1
      |     ^
      |
      = help: YAML is indented with spaces, never with tabs
    error: `.inf` is a number that JSON does not have
     --> m.yaml:1:4
      |
    1 | a: .inf
      |    ^^^^
      |
      = help: quote it if the text is meant
    error: no anchor is called `nowhere`
     --> m.yaml:1:4
      |
    1 | a: *nowhere
      |    ^^^^^^^^
      |
      = help: `&nowhere` before a value names it, above the place that repeats it
    error: a key is a text, and this is a mapping
     --> m.yaml:1:1
      |
    1 | {a: 1}: 2
      | ^^^^^^
      |
      = help: quote it
    error: `<<` merges mappings, and this is the number 3
     --> m.yaml:1:5
      |
    1 | <<: 3
      |     ^
    error: a key is a text, and this is the number 1.5
     --> m.yaml:1:1
      |
    1 | 1.5: x
      | ^^^
      |
      = help: quote it
    ");
}

#[test]
fn bombs_end_quickly() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
    }
    assert!(read(&text).unwrap_err().contains("more than 1000000 values"));
    assert!(read(&"[".repeat(20_000)).is_err());
    assert!(read("a: &a [*a]\n").unwrap_err().contains("never end"));
}

fn substituted(text: &str, values: &IndexMap<String, Value>) -> Result<Value, String> {
    let parsed = parse(&SourceText::new("m.yaml", text), Keys::AsKubectl);
    let mut node = parsed.documents[0].clone();
    let mut substitution = Substitution::new(values);
    substitution.tree(&mut node);
    let (_, problems) = substitution.finish();
    if problems.is_empty() { Ok(node.to_json()) } else { Err(problems.render(Severity::Error, false)) }
}

fn values() -> IndexMap<String, Value> {
    IndexMap::from([
        ("host".to_owned(), json!("forum.example")),
        ("replicas".to_owned(), json!(3)),
        ("debug".to_owned(), json!(false)),
        ("evil".to_owned(), json!("x\nevil: true")),
    ])
}

#[test]
fn values_take_their_place_in_the_tree() {
    let text = "url: http://${host}/${replicas}\nreplicas: ${replicas}\nquoted: '${debug}'\ntext: !!str ${replicas}\n\
                shell: echo $${HOME} $x $(y)\nevil: \"image: ${evil}\"\n$${key}: 1\n";
    assert_eq!(
        substituted(text, &values()).unwrap(),
        json!({
            "url": "http://forum.example/3", "replicas": 3, "quoted": false, "text": "3",
            "shell": "echo ${HOME} $x $(y)", "evil": "image: x\nevil: true", "${key}": 1
        })
    );
}

#[test]
fn undefined_variables_are_told_at_their_column() {
    let text = "a: http://${host}/${hots}\nb: \"${replica}\"\nc: ${HOME:-x}\n${host}: 1\nd: |\n  one\n  ${nothing_like_it}\n";
    insta::assert_snapshot!(substituted(text, &values()).unwrap_err(), @r#"
    error: no variable is called `hots`
     --> m.yaml:1:19
      |
    1 | a: http://${host}/${hots}
      |                   ^^^^^^^ undefined
      |
      = help: did you mean `host`?

    error: no variable is called `replica`
     --> m.yaml:2:5
      |
    2 | b: "${replica}"
      |     ^^^^^^^^^^ undefined
      |
      = help: did you mean `replicas`?

    error: `${HOME:-x}` is no variable
     --> m.yaml:3:4
      |
    3 | c: ${HOME:-x}
      |    ^^^^^^^^^^
      |
      = help: a variable is `${name}` with letters, digits, `_` and `-`; write `$${` for a literal `${`

    error: a key cannot hold a variable
     --> m.yaml:4:1
      |
    4 | ${host}: 1
      | ^^^^^^^
      |
      = help: variables stand in values; write `$${` for a literal `${`

    error: no variable is called `nothing_like_it`
     --> m.yaml:7:3
      |
    7 |   ${nothing_like_it}
      |   ^^^^^^^^^^^^^^^^^^ undefined
      |
      = help: declare it under `variables:` of the plan, or write `$${nothing_like_it}` for the text itself
    "#);
}

/// Any JSON, with strings that YAML likes to take for something else.
fn values_of_json() -> impl Strategy<Value = Value> {
    let hostile = prop_oneof![
        Just("on"),
        Just("0644"),
        Just("1e3"),
        Just("null"),
        Just("~"),
        Just(""),
        Just(" x "),
        Just("- a"),
        Just("a: b"),
        Just("#c"),
        Just("&a"),
        Just("*a"),
        Just("!x"),
        Just("%x"),
        Just("@x"),
        Just("`x`"),
        Just("'"),
        Just("\""),
        Just("\\"),
        Just("a\nb"),
        Just("a\n"),
        Just("\n"),
        Just("  a\nb"),
        Just("\tx"),
        Just("\u{85}"),
        Just("\u{2028}x"),
        Just("\u{feff}x"),
        Just("---"),
        Just("..."),
        Just("<<"),
        Just("="),
        Just("2001-01-01"),
        Just("12:30:45"),
        Just(".inf"),
        Just("0x"),
        Just("1_0"),
        Just("{}"),
        Just("[a]"),
        Just("a #b"),
        Just("? x"),
        Just("|"),
        Just(">"),
        Just("y"),
        Just("\u{7}bell"),
        Just("-"),
        Just("x: "),
    ]
    .prop_map(str::to_owned);
    let string = prop_oneof![hostile, "[ -~]{0,12}", ".{0,8}", "[a-z\\n ]{0,100}"];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        string.clone().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(string.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn shape(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(_) => "s".to_owned(),
        Kind::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(",")),
        Kind::Mapping(entries) => {
            let parts: Vec<String> =
                entries.iter().map(|entry| format!("{}:{}", entry.key.name, shape(&entry.value))).collect();
            format!("{{{}}}", parts.join(","))
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(value in values_of_json()) {
        let text = to_yaml(&json!({ "value": value }));
        let parsed = parse(&SourceText::new("out.yaml", text.as_str()), Keys::AsKubectl);
        prop_assert!(parsed.problems.is_empty(), "{}\n{}", text, parsed.problems);
        prop_assert!(parsed.warnings.is_empty(), "{}\n{}", text, parsed.warnings);
        prop_assert_eq!(&parsed.documents[0].to_json()["value"], &value, "{}", text);
    }

    #[test]
    fn substitution_never_changes_the_structure(value in values_of_json(), evil in ".{0,20}") {
        let text = to_yaml(&json!({ "kept": value, "list": ["${evil}", "x ${evil} y"], "deep": { "er": "${evil}" } }));
        // Of a key that has one by chance the escape is taken off.
        prop_assume!(!text.contains("$${"));
        let parsed = parse(&SourceText::new("in.yaml", text), Keys::AsKubectl);
        let mut node = parsed.documents[0].clone();
        let before = shape(&node);
        let values = IndexMap::from([("evil".to_owned(), json!(evil))]);
        let mut substitution = Substitution::new(&values);
        substitution.tree(&mut node);
        // A random text may hold `${` by itself; all else must be left as it is.
        prop_assume!(substitution.finish().1.is_empty());
        prop_assert_eq!(shape(&node), before);
        prop_assert_eq!(&node.to_json()["list"][1], &json!(format!("x {evil} y")));
        prop_assert_eq!(&node.to_json()["deep"]["er"], &json!(evil));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}|[-:{}\\[\\]&*!|>'\"%#a-c0-9 \\n\\t~<?,]{0,40}") {
        let parsed = parse(&SourceText::new("any.yaml", text), Keys::AsKubectl);
        for problem in &parsed.problems {
            prop_assert!(problem.place().is_some());
        }
    }
}
