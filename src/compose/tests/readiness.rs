//! The plan's own rules of readiness: what they become, and what is told of wrong ones.

use serde_json::json;

use super::{HEAD, MAP, Memory, composed, composed_with, told};
use crate::object::GroupKind;
use crate::object::rule::{Rule, Wanted};

const CERTIFICATE: &str = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: { name: site }\nspec: { secretName: tls }\n";

fn plan(readiness: &str) -> String {
    format!("stages:\n  a: {{ apply: [m.yaml, c.yaml] }}\nreadiness:\n{readiness}")
}

fn rule(readiness: &str) -> Rule {
    let files = [("m.yaml", MAP), ("c.yaml", CERTIFICATE)];
    let composed =
        composed(&format!("{HEAD}{}", plan(readiness)), &files).unwrap_or_else(|text| panic!("{text}"));
    let kind = GroupKind { group: "cert-manager.io".into(), kind: "Certificate".into() };
    composed.plan.rules()[&kind].clone()
}

#[test]
fn a_rule_asks_what_a_plan_says() {
    let rule = rule(
        "  Certificate.cert-manager.io:\n    current:\n      - { path: 'status.conditions[type=Ready].status', equals: \"True\" }\n      - { path: status.revision, at-least: 1 }\n    failed: { path: status.phase, in: [Lost, 3] }\n    in-progress: { path: status.seen, equals-path: metadata.generation }\n",
    );
    assert_eq!(rule.current[0].path.condition(), Some("Ready"));
    assert_eq!(rule.current[0].wanted, Wanted::Equals(json!("True")));
    assert_eq!(rule.current[1].wanted, Wanted::AtLeast(1.0));
    assert_eq!(rule.failed[0].wanted, Wanted::OneOf(vec![json!("Lost"), json!(3)]));
    assert!(
        matches!(&rule.in_progress[0].wanted, Wanted::SameAs(path) if path.to_string() == "metadata.generation")
    );
}

#[test]
fn an_overlay_adds_questions_and_replaces_those_it_names() {
    let base = format!(
        "{HEAD}{}",
        plan(
            "  Certificate.cert-manager.io:\n    current: { path: status.phase, equals: Up }\n    failed: { path: status.phase, equals: Lost }\n"
        )
    );
    let over = "extends: base.yaml\nreadiness:\n  Certificate.cert-manager.io:\n    failed: { path: status.error, exists: true }\n  ConfigMap:\n    current: { path: data.colour, equals: blue }\n";
    let files =
        Memory::new(&[("base.yaml", &base), ("over.yaml", over), ("m.yaml", MAP), ("c.yaml", CERTIFICATE)]);
    let composed = composed_with(&files, "over.yaml", &[], &[]).unwrap_or_else(|text| panic!("{text}"));
    let kinds: Vec<_> = composed.plan.rules().keys().map(ToString::to_string).collect();
    assert_eq!(kinds, ["ConfigMap", "Certificate.cert-manager.io"]);
    let rule = composed.plan.rules().values().last().unwrap();
    assert_eq!(rule.current[0].wanted, Wanted::Equals(json!("Up")));
    assert_eq!(rule.failed[0].wanted, Wanted::Exists(true));
}

#[test]
fn mistakes_in_a_rule_are_told_where_they_stand() {
    let readiness = "  Certificate.cert-manager.io:\n    curent: { path: status.phase, equals: Up }\n    current:\n      - { path: status.phase, equal: Up }\n      - { path: status.phase, equals: Up, exists: true }\n      - { path: 'status.conditions[*].status', exists: true }\n      - { path: 'status.conditions[type=Ready].status', equals: true }\n      - { path: status.list, equals: [1] }\n      - { path: status.phase }\n    failed: []\n    in-progress: { path: status.count, at-least: many }\n";
    insta::assert_snapshot!(told(&plan(readiness), &[("m.yaml", MAP), ("c.yaml", CERTIFICATE)]), @r#"
    error: the readiness of `Certificate.cert-manager.io` has no field `curent`
     --> plan.yaml:7:5
      |
    7 |     curent: { path: status.phase, equals: Up }
      |     ^^^^^^ unknown field
      |
      = help: did you mean `current`?

    error: a test of `current` has no field `equal`
     --> plan.yaml:9:31
      |
    9 |       - { path: status.phase, equal: Up }
      |                               ^^^^^ unknown field
      |
      = help: did you mean `equals`?

    error: a test of `current` wants two things, `equals` and `exists`
      --> plan.yaml:10:43
       |
    10 |       - { path: status.phase, equals: Up, exists: true }
       |                                           ^^^^^^
       |
       = help: write two tests as a list; all of them must hold

    error: `status.conditions[*].status` is no path: `[*]` selects no item
      --> plan.yaml:11:35
       |
    11 |       - { path: 'status.conditions[*].status', exists: true }
       |                                   ^^^^^^^^^^^
       |
       = help: write `[type=Ready]`, `[0]` or `["a.name/with-dots"]`

    error: `equals` is the boolean true; a condition's status is a string
      --> plan.yaml:12:65
       |
    12 |       - { path: 'status.conditions[type=Ready].status', equals: true }
       |                                                                 ^^^^
       |
       = help: quote it: "True"

    error: `equals` is a list
      --> plan.yaml:13:38
       |
    13 |       - { path: status.list, equals: [1] }
       |                                      ^^^ expected a single value
       |
       = help: `exists: false` asks for nothing

    error: a test of `current` wants nothing
      --> plan.yaml:14:9
       |
    14 |       - { path: status.phase }
       |         ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: say what must be there: `equals: Ready`, `in: [Ready, Done]`, `exists: true`, `equals-path: spec.replicas` or `at-least: 1`

    error: `failed` asks nothing
      --> plan.yaml:15:13
       |
    15 |     failed: []
       |             ^^
       |
       = help: leave it out, or write `{ path: status.phase, equals: Ready }`

    error: `at-least` is a string
      --> plan.yaml:16:50
       |
    16 |     in-progress: { path: status.count, at-least: many }
       |                                                  ^^^^ expected a number
    "#);
}

#[test]
fn a_rule_for_a_kind_the_plan_has_not_is_a_slip() {
    let readiness = "  Certificat.cert-manager.io: { current: { path: status.phase, equals: Up } }\n  Certificate: { current: { path: status.phase, equals: Up } }\n  ConfigMap: { failed: { path: data.colour, equals: red } }\n";
    insta::assert_snapshot!(told(&plan(readiness), &[("m.yaml", MAP), ("c.yaml", CERTIFICATE)]), @r#"
    error: no object of the plan is a `Certificat.cert-manager.io`
     --> plan.yaml:6:3
      |
    6 |   Certificat.cert-manager.io: { current: { path: status.phase, equals: Up } }
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `Certificate.cert-manager.io`?

    error: no object of the plan is a `Certificate`
     --> plan.yaml:7:3
      |
    7 |   Certificate: { current: { path: status.phase, equals: Up } }
      |   ^^^^^^^^^^^
      |
      = help: a kind is named with its group: `Certificate.cert-manager.io`

    error: the readiness of `ConfigMap` does not say what makes it current
     --> plan.yaml:8:3
      |
    8 |   ConfigMap: { failed: { path: data.colour, equals: red } }
      |   ^^^^^^^^^
      |
      = help: write `current: { path: status.phase, equals: Ready }`
    "#);
}
