//! What the plan itself says of a kind (`readiness:`). Asked in the order of Flux' RFC-0009: on its way,
//! failed, current; when none of them holds it is on its way. That the object is the one we wrote, and its
//! generation seen, was checked before.

use super::Assessment;
use super::custom::{Freshness, freshness, status_freshness};
use super::facts::Subject;
use crate::object::condition::Condition;
use crate::object::rule::{Rule, Test};

/// Returns the answer of the plan's rule for the object's kind.
pub(super) fn by_rule(subject: &Subject<'_>, rule: &Rule) -> Assessment {
    let object = subject.object;
    let hold = |tests: &[Test]| !tests.is_empty() && tests.iter().all(|test| test.holds(object));
    let found = |tests: &[Test]| tests.iter().map(|test| test.found(object)).collect::<Vec<_>>().join(", ");
    if hold(&rule.in_progress) {
        return Assessment::in_progress(found(&rule.in_progress));
    }
    if hold(&rule.failed) {
        return unless_older(subject, &rule.failed, || Assessment::failed(found(&rule.failed)));
    }
    if hold(&rule.current) {
        return unless_older(subject, &rule.current, Assessment::current);
    }
    let missing = rule.current.iter().find(|test| !test.holds(object));
    Assessment::in_progress(match missing {
        Some(test) => format!("not current by the plan's rule: {}", test.found(object)),
        None => "the plan's rule has nothing that makes it current".to_owned(),
    })
}

/// Returns the answer, unless what `tests` read may be of before our write.
fn unless_older(subject: &Subject<'_>, tests: &[Test], answer: impl FnOnce() -> Assessment) -> Assessment {
    let age = |test: &Test| {
        let condition = test.path.condition().and_then(|kind| Condition::find(subject.object, kind));
        match condition {
            Some(condition) => freshness(subject, condition),
            None if test.path.reads_status() => status_freshness(subject),
            None => Freshness::Proven,
        }
    };
    match tests.iter().map(age).max() {
        Some(Freshness::Unproven(Some(left))) => {
            Assessment::in_progress("its status may be older than our change").again_in(left)
        }
        Some(Freshness::Stale) => Assessment::in_progress("its status speaks of an older generation"),
        Some(Freshness::Proven | Freshness::Unproven(None)) | None => answer(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::Surroundings;
    use super::super::fixtures::{Case, object, stamp};
    use super::*;
    use crate::object::rule::Wanted;
    use crate::object::{FieldPath, GroupKind};

    fn tests(path: &str, value: &str) -> Vec<Test> {
        vec![Test { path: FieldPath::parse(path).unwrap(), wanted: Wanted::Equals(json!(value)) }]
    }

    /// Returns a database judged by its phase.
    fn database(generation: i64, status: &Value) -> Case {
        let rule = Rule {
            in_progress: tests("status.phase", "Moving"),
            failed: tests("status.phase", "Broken"),
            current: tests("status.phase", "Up"),
        };
        let kind = GroupKind { group: "example.org".into(), kind: "Database".into() };
        let body = json!({"metadata": {"generation": generation}, "status": status});
        Case::new(object("example.org/v1", "Database", body))
            .within(Surroundings { rules: [(kind, rule)].into(), ..Surroundings::default() })
    }

    #[test]
    fn the_plans_rule_is_asked_in_its_order() {
        database(1, &json!({"phase": "Moving"})).is("in progress: status.phase is Moving");
        database(1, &json!({"phase": "Broken"})).is("failed: status.phase is Broken");
        database(1, &json!({"phase": "Up"})).is("current");
        database(1, &json!({"phase": "New"}))
            .is("in progress: not current by the plan's rule: status.phase is New");
        // The conventions have no say: neither a condition, nor that there is no status.
        database(1, &json!({"phase": "New", "conditions": [{"type": "Ready", "status": "True"}]}))
            .is("in progress: not current by the plan's rule: status.phase is New");
        database(1, &Value::Null)
            .is("in progress: not current by the plan's rule: status.phase is not there");
    }

    #[test]
    fn a_rule_comes_after_the_guards_of_the_generation() {
        database(2, &json!({"phase": "Up", "observedGeneration": 1}))
            .is("in progress: generation 2 not observed yet (1)");
        database(2, &json!({"phase": "Up", "observedGeneration": 2})).is("current");
        database(2, &json!({"phase": "Up"})).floor(3).is("in progress: generation 3 not seen yet (2)");
    }

    #[test]
    fn a_status_of_the_old_spec_must_settle_for_a_rule_too() {
        let older = "in progress: its status may be older than our change";
        database(2, &json!({"phase": "Up"})).after(2).is_for(older, Duration::from_secs(3));
        database(2, &json!({"phase": "Broken"})).after(2).is_for(older, Duration::from_secs(3));
        database(2, &json!({"phase": "Up"})).after(5).is("current");
        database(2, &json!({"phase": "Up"})).unchanged().is("current");
        database(0, &json!({"phase": "Up"}))
            .answer_with(&json!({"metadata": {"creationTimestamp": stamp(0)}}))
            .is("current");
    }

    #[test]
    fn a_condition_tells_its_own_age() {
        let with = |condition: &Value| {
            let rule =
                Rule { current: tests("status.conditions[type=Ready].status", "True"), ..Rule::default() };
            let kind = GroupKind { group: "example.org".into(), kind: "Database".into() };
            let body = json!({"metadata": {"generation": 2}, "status": {"conditions": [condition]}});
            Case::new(object("example.org/v1", "Database", body))
                .within(Surroundings { rules: [(kind, rule)].into(), ..Surroundings::default() })
        };
        with(&json!({"type": "Ready", "status": "True", "lastTransitionTime": stamp(1)})).is("current");
        with(&json!({"type": "Ready", "status": "True", "observedGeneration": 1}))
            .is("in progress: its status speaks of an older generation");
    }
}
