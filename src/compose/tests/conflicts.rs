//! `conflicts:` of a plan: what is read, and what is told of mistakes.

use super::{HEAD, MAP, Memory, composed, composed_with, told};
use crate::plan::ConflictPolicy;
use crate::problem::Severity;

const STAGES: &str = "stages:\n  base: { apply: [m.yaml] }\n";

#[test]
fn rules_name_the_object_and_an_overlay_adds_to_them() {
    let base = format!(
        "{HEAD}{STAGES}conflicts:\n- {{ target: ConfigMap/settings, path: .data.colour, policy: yield }}\n"
    );
    let overlay =
        "extends: plan.yaml\nconflicts:\n- { target: ConfigMap/settings, path: .data, policy: take }\n";
    let files = Memory::new(&[("plan.yaml", &base), ("over.yaml", overlay), ("m.yaml", MAP)]);
    let composed = composed_with(&files, "over.yaml", &[], &[]).unwrap();
    assert_eq!(composed.warnings.render(Severity::Warning, false), "");
    let rules: Vec<(String, &str, ConflictPolicy)> = composed
        .plan
        .conflicts()
        .iter()
        .map(|rule| (rule.target.to_string(), rule.path.as_str(), rule.policy))
        .collect();
    let settings = || "ConfigMap/settings".to_owned();
    assert_eq!(
        rules,
        [(settings(), ".data.colour", ConflictPolicy::Yield), (settings(), ".data", ConflictPolicy::Take)]
    );
    assert_eq!(composed.plan.conflicts()[0].target.namespace.as_deref(), Some("shop"));
}

#[test]
fn mistakes_are_told_with_their_line() {
    let rules = "conflicts:\n\
        - { target: ConfigMap/setings, path: .data.colour, policy: yield }\n\
        - { target: ConfigMap/settings, path: /data/colour, policy: yeild }\n\
        - { target: ConfigMap/settings, policy: take, when: now }\n";
    insta::assert_snapshot!(told(&format!("{STAGES}{rules}"), &[("m.yaml", MAP)]));
}

#[test]
fn a_rule_about_nothing_is_warned_of() {
    let rules = "conflicts:\n- { target: ConfigMap/settings, path: .data.color, policy: yield }\n";
    let composed = composed(&format!("{HEAD}{STAGES}{rules}"), &[("m.yaml", MAP)]).unwrap();
    insta::assert_snapshot!(composed.warnings.render(Severity::Warning, false));
}
