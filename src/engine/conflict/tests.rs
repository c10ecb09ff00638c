//! Causes parsed, policies decided, fields left to others.

use serde_json::{Value, json};

use super::{Conflict, REPLICAS, Settlement, Terms, explain, owns_replicas_alone, without};
use crate::cluster::{Cause, Refusal};
use crate::object::Object;
use crate::plan::ConflictPolicy;

fn cause(field: &str, message: &str) -> Cause {
    Cause { reason: "FieldManagerConflict".into(), message: message.into(), field: field.into() }
}

fn conflict(field: &str, manager: &str, subresource: &str) -> Conflict {
    let (field, manager, subresource) = (field.into(), manager.into(), subresource.into());
    Conflict { field, manager, subresource, by_update: true }
}

fn refused(causes: &[Cause]) -> Refusal {
    Refusal { code: 409, reason: "Conflict".into(), causes: causes.to_vec(), ..Refusal::default() }
}

fn rule(path: &str, policy: ConflictPolicy) -> Terms {
    Terms { rules: vec![(path.into(), policy)], ..Terms::default() }
}

/// The texts are those of apimachinery's `conflict_test.go`.
#[test]
fn causes_are_read() {
    let parsed = |message: &str| Conflict::parse(&cause(REPLICAS, message));
    assert_eq!(
        parsed("conflict with \"kubectl-edit\" using apps/v1 at 2026-01-01T00:00:00Z"),
        Some(conflict(REPLICAS, "kubectl-edit", ""))
    );
    assert_eq!(
        parsed("conflict with \"kube-controller-manager\" with subresource \"scale\" using apps/v1"),
        Some(conflict(REPLICAS, "kube-controller-manager", "scale"))
    );
    let applied = Conflict { by_update: false, ..conflict(REPLICAS, "an \"other\" one", "") };
    assert_eq!(parsed("conflict with \"an \\\"other\\\" one\""), Some(applied));
    assert_eq!(parsed("something else"), None);
}

#[test]
fn nothing_is_taken_or_left_unless_somebody_said_so() {
    let edited = conflict(REPLICAS, "kubectl-edit", "");
    assert_eq!(Terms::default().decide(&edited), ConflictPolicy::Fail);
    assert_eq!(rule(REPLICAS, ConflictPolicy::Take).decide(&edited), ConflictPolicy::Take);
    assert_eq!(rule(".spec", ConflictPolicy::Yield).decide(&edited), ConflictPolicy::Yield);
    assert_eq!(rule(".spec.paused", ConflictPolicy::Take).decide(&edited), ConflictPolicy::Fail);
    let mut terms = rule(".spec", ConflictPolicy::Yield);
    terms.rules.push((REPLICAS.into(), ConflictPolicy::Take));
    assert_eq!(terms.decide(&edited), ConflictPolicy::Take, "the last rule counts");
    assert_eq!(Terms { adopted: true, ..Terms::default() }.decide(&edited), ConflictPolicy::Take);
    assert_eq!(Terms::default().decide(&conflict(REPLICAS, "wesago-handoff", "")), ConflictPolicy::Take);
}

#[test]
fn replicas_are_left_to_an_autoscaler_and_to_no_person() {
    let terms = Terms::default();
    let by = |manager: &str| terms.decide(&conflict(REPLICAS, manager, "scale"));
    assert_eq!(by("kube-controller-manager"), ConflictPolicy::Yield);
    assert_eq!(by("kubectl"), ConflictPolicy::Fail);
    let autoscaled = Terms { autoscaled: true, ..Terms::default() };
    assert_eq!(autoscaled.decide(&conflict(REPLICAS, "kubectl", "scale")), ConflictPolicy::Yield);
    assert_eq!(autoscaled.decide(&conflict(".spec.paused", "kubectl", "")), ConflictPolicy::Fail);
}

#[test]
fn force_needs_every_field_to_be_ours_to_take() {
    let refusal = refused(&[
        cause(REPLICAS, "conflict with \"a\" using apps/v1"),
        cause(".spec.paused", "conflict with \"b\" using apps/v1"),
    ]);
    let mut terms = rule(REPLICAS, ConflictPolicy::Take);
    assert_eq!(terms.settle(&refusal), Settlement::Fail(vec![conflict(".spec.paused", "b", "")]));
    terms.rules.push((".spec.paused".into(), ConflictPolicy::Yield));
    assert_eq!(terms.settle(&refusal), Settlement::Yield(vec![".spec.paused".into()]));
    terms.rules.push((".spec.paused".into(), ConflictPolicy::Take));
    assert_eq!(terms.settle(&refusal), Settlement::Take);
    let unread = refused(&[cause(REPLICAS, "a newer server's words")]);
    assert_eq!(terms.settle(&unread), Settlement::Fail(Vec::new()));
}

fn live(entries: &[Value]) -> Object {
    Object::new(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "managedFields": entries},
        "spec": {"replicas": 7, "template": {"spec": {"containers": [{"name": "web", "image": "theirs"}]}}},
    }))
    .unwrap()
}

fn wanted() -> Object {
    Object::new(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {"example.org/a.b": "x"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "web", "image": "ours"}]}}},
    }))
    .unwrap()
}

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "time": "2026-01-01T00:00:00Z", "fieldsV1": fields})
}

#[test]
fn a_field_is_left_out_while_somebody_else_owns_it() {
    let terms = rule(REPLICAS, ConflictPolicy::Yield);
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let mut sent = wanted();
    assert!(terms.leave_to_others(&mut sent, &live(&[entry("wesago", "Apply", &replicas)])).is_empty());
    assert_eq!(sent, wanted(), "nobody else owns it");
    let left = terms.leave_to_others(&mut sent, &live(&[entry("scaler", "Update", &replicas)]));
    assert_eq!(left, [(REPLICAS.to_owned(), "scaler".to_owned())]);
    assert_eq!(sent.get("/spec/replicas"), None);
    assert!(sent.get("/spec/template").is_some());
}

#[test]
fn what_is_left_to_others_leaves_no_empty_mapping_and_no_item_without_its_key() {
    let terms = rule(".", ConflictPolicy::Yield);
    let terms = Terms {
        rules: vec![(".metadata".into(), ConflictPolicy::Yield), (".spec".into(), ConflictPolicy::Yield)],
        ..terms
    };
    let fields = json!({
        "f:metadata": {"f:annotations": {"f:example.org/a.b": {}}},
        "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}}}}},
    });
    let mut sent = wanted();
    terms.leave_to_others(&mut sent, &live(&[entry("other", "Apply", &fields)]));
    assert_eq!(sent.get("/metadata"), Some(&json!({"name": "web"})));
    assert_eq!(sent.get("/spec/template/spec/containers"), Some(&json!([{"name": "web"}])));
}

#[test]
fn an_autoscaled_workload_is_sent_without_replicas() {
    let terms = Terms { autoscaled: true, ..Terms::default() };
    let alone = live(&[entry("wesago", "Apply", &json!({"f:spec": {"f:replicas": {}}}))]);
    let mut sent = wanted();
    terms.leave_to_others(&mut sent, &alone);
    assert_eq!(sent.get("/spec/replicas"), None);
    assert!(owns_replicas_alone(&alone), "left out, they would become 1");
    let scaled = json!({"f:spec": {"f:replicas": {}}});
    let both = [entry("wesago", "Apply", &scaled), entry("wesago-handoff", "Apply", &scaled)];
    assert!(!owns_replicas_alone(&live(&both)));
    assert!(!owns_replicas_alone(&live(&[])));
}

#[test]
fn fields_are_taken_out_by_the_servers_names() {
    let fields =
        [".metadata.annotations.example.org/a.b", ".spec.template.spec.containers[name=\"web\"].image"];
    let sent = without(&wanted(), &fields.map(str::to_owned));
    assert_eq!(sent.get("/metadata"), Some(&json!({"name": "web"})));
    assert_eq!(sent.get("/spec/template/spec/containers"), Some(&json!([{"name": "web"}])));
    assert_eq!(without(&wanted(), &[".spec.nothing".to_owned()]), wanted());
}

#[test]
fn a_conflict_tells_whose_the_field_is_since_when_and_how_to_go_on() {
    let image = ".spec.template.spec.containers[name=\"web\"].image";
    let live = live(&[entry("kubectl-edit", "Update", &json!({})), entry("other", "Apply", &json!({}))]);
    let applied = Conflict { by_update: false, ..conflict(image, "other", "") };
    let one = explain(&wanted(), &live, &[conflict(REPLICAS, "kubectl-edit", "")]);
    let two = explain(&wanted(), &live, &[applied, conflict(REPLICAS, "kubectl", "scale")]);
    insta::assert_snapshot!(format!("{one}\n{two}"));
}

#[test]
fn a_conflict_about_a_secret_shows_no_value() {
    let secret = |value: &str| {
        let metadata = json!({"name": "s"});
        Object::new(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"key": value}}),
        )
        .unwrap()
    };
    let told =
        explain(&secret("aHVudGVyMg=="), &secret("dGhlaXJz"), &[conflict(".data.key", "kubectl-edit", "")]);
    assert!(!told.contains("aHVudGVyMg") && !told.contains("dGhlaXJz"), "{told}");
}
