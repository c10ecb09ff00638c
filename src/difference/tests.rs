//! What holds for any two JSON trees, and the cases a person meets.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::path::Step;
use super::{Edit, FieldChange, FieldSet, Mask, Path, changes, desired, merged, owners};
use crate::arbitrary::Arbitrary;
use crate::entropy::Entropy;
use crate::object::ObjectRef;

const CASES: u32 = 10_000;

/// The names that decide how something is compared, and some that decide nothing.
const NAMES: &[&str] = &[
    "spec",
    "containers",
    "env",
    "name",
    "ports",
    "containerPort",
    "protocol",
    "selector",
    "finalizers",
    "a",
];
const TEXTS: &[&str] = &["a", "b", "TCP", "UDP"];

/// Returns what a step leads to.
fn inside<'a>(tree: &'a mut Value, step: &Step) -> &'a mut Value {
    if let Step::Field(name) = step {
        return tree.get_mut(name).unwrap();
    }
    let place = step.place_in(tree).unwrap();
    tree.get_mut(place).unwrap()
}

/// Makes a change in a tree, as somebody would who only has the change.
fn make(tree: &mut Value, change: &FieldChange) {
    let (steps, last) = match change.path.steps().split_last() {
        Some((last, steps)) => (steps, Some(last)),
        None => (&[][..], None),
    };
    let mut at = tree;
    for step in steps {
        at = inside(at, step);
    }
    match (&change.edit, last) {
        (Edit::Changed { after, .. }, None) => *at = after.clone(),
        (Edit::Changed { after, .. } | Edit::Added(after), Some(Step::Field(name))) => {
            at.as_object_mut().unwrap().insert(name.clone(), after.clone());
        }
        (Edit::Added(item), Some(_)) => at.as_array_mut().unwrap().push(item.clone()),
        (Edit::Changed { after, .. }, Some(step)) => {
            let place = step.place_in(at).unwrap();
            at[place] = after.clone();
        }
        (Edit::Removed(_), Some(Step::Field(name))) => {
            at.as_object_mut().unwrap().shift_remove(name).unwrap();
        }
        (Edit::Removed(_), Some(step)) => {
            let place = step.place_in(at).unwrap();
            at.as_array_mut().unwrap().remove(place);
        }
        (Edit::Reordered { after, .. }, Some(step)) => {
            let items = inside(at, step);
            *items = after.iter().map(|step| step.of(items).unwrap().clone()).collect();
        }
        (edit, None) => panic!("{edit:?} of the whole tree"),
    }
}

/// Returns a tree, and another one that has much in common with it.
fn two_trees(seed: u64) -> (Value, Value) {
    let mut arbitrary = Arbitrary::new(seed, NAMES, TEXTS);
    let before = arbitrary.mostly_fields(4);
    let mut after = before.clone();
    for _ in 0..arbitrary.below(4) {
        disturb(&mut arbitrary, &mut after);
    }
    (before, if arbitrary.chance(10) { arbitrary.mostly_fields(4) } else { after })
}

/// Changes something somewhere.
fn disturb(arbitrary: &mut Arbitrary, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() && arbitrary.chance(80) => {
            let at = arbitrary.below(map.len());
            let (name, mut inner) = map.iter().nth(at).map(|(n, v)| (n.clone(), v.clone())).unwrap();
            if arbitrary.chance(15) {
                map.shift_remove(&name);
            } else {
                disturb(arbitrary, &mut inner);
                map.insert(name, inner);
            }
        }
        Value::Array(items) if !items.is_empty() && arbitrary.chance(80) => {
            let at = arbitrary.below(items.len());
            match arbitrary.below(4) {
                0 => {
                    items.remove(at);
                }
                1 => items.swap(0, at),
                _ => disturb(arbitrary, &mut items[at]),
            }
        }
        other => *other = arbitrary.value(2),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_tree_does_not_differ_from_itself(seed in any::<u64>()) {
        let (tree, _) = two_trees(seed);
        prop_assert_eq!(changes(&tree, &tree), []);
    }

    #[test]
    fn the_changes_made_in_one_tree_give_the_other(seed in any::<u64>()) {
        let (before, after) = two_trees(seed);
        let mut made = before.clone();
        let found = changes(&before, &after);
        prop_assert_eq!(found.is_empty(), before == after);
        for change in &found {
            make(&mut made, change);
        }
        prop_assert_eq!(made, after, "{:?}", found);
    }

    #[test]
    fn merging_twice_is_merging_once(seed in any::<u64>()) {
        let (live, wanted) = two_trees(seed);
        let nothing = FieldSet::default();
        let once = merged(&live, &wanted, &nothing, &[]);
        prop_assert_eq!(merged(&once, &wanted, &nothing, &[]), once);
    }

    #[test]
    fn no_entry_of_a_newer_server_panics(seed in any::<u64>()) {
        const EDGES: &[&str] = &[".", "f:a", "f:spec", "k:{\"name\":\"a\"}", "k:[", "v:1", "v:", "i:7", "x:y", ""];
        let mut arbitrary = Arbitrary::new(seed, EDGES, TEXTS);
        let fields = FieldSet::parse(&arbitrary.mostly_fields(4));
        let (live, wanted) = two_trees(seed);
        merged(&live, &wanted, &fields, &[&fields]);
        for path in fields.paths() {
            prop_assert!(fields.holds(&path));
        }
    }
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "uid": "u", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [
                {"name": "web", "image": "shop:1", "args": ["--port", "80"],
                    "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
                {"name": "log", "image": "log:1"},
            ]}},
        },
        "status": {"replicas": 2},
    })
}

fn told(before: &Value, after: &Value) -> String {
    let object = ObjectRef {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    };
    let mask = Mask::blind("wesago/config");
    let lines = changes(&desired(before), &desired(after)).into_iter().map(|change| {
        let told = mask.tell(&object, &change);
        let show = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        format!("{}: {} -> {}", told.field, show(told.before), show(told.after))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn fields_are_named_as_the_server_names_them() {
    let mut after = deployment();
    after["status"] = json!({"replicas": 7});
    after["metadata"]["uid"] = "other".into();
    after["spec"]["replicas"] = 3.into();
    after["metadata"]["labels"]["tier"] = "front".into();
    let containers = &mut after["spec"]["template"]["spec"]["containers"];
    containers[0]["image"] = "shop:2".into();
    containers[0]["args"][1] = "8080".into();
    containers[0]["env"].as_array_mut().unwrap().insert(0, json!({"name": "B", "value": "2"}));
    containers[0]["ports"][0]["protocol"] = "TCP".into();
    containers[1] = json!({"name": "metrics", "image": "metrics:1"});
    insta::assert_snapshot!(told(&deployment(), &after), @r#"
    .metadata.labels.tier: - -> "front"
    .spec.replicas: 2 -> 3
    .spec.template.spec.containers[name="web"].image: "shop:1" -> "shop:2"
    .spec.template.spec.containers[name="web"].args: ["--port","80"] -> ["--port","8080"]
    .spec.template.spec.containers[name="web"].env[name="B"]: - -> {"name":"B","value":"2"}
    .spec.template.spec.containers[name="web"].env: ["[name=\"A\"]"] -> ["[name=\"B\"]","[name=\"A\"]"]
    .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].protocol: - -> "TCP"
    .spec.template.spec.containers[name="log"]: {"name":"log","image":"log:1"} -> -
    .spec.template.spec.containers[name="metrics"]: - -> {"name":"metrics","image":"metrics:1"}
    "#);
}

#[test]
fn what_was_ours_and_is_not_wanted_goes_unless_somebody_else_wants_it() {
    let live = json!({"data": {"a": "1", "b": "2", "c": "3"}, "kind": "ConfigMap"});
    let wanted = json!({"data": {"a": "1"}});
    let ours = FieldSet::parse(&json!({"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}));
    let theirs = FieldSet::parse(&json!({"f:data": {"f:c": {}}}));
    let result = merged(&live, &wanted, &ours, &[&theirs]);
    assert_eq!(result, json!({"data": {"a": "1", "c": "3"}, "kind": "ConfigMap"}));
}

#[test]
fn an_item_of_a_list_goes_as_a_whole() {
    let live =
        json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}});
    let wanted = json!({"spec": {"containers": [{"name": "b", "image": "b:2"}]}});
    let item = json!({".": {}, "f:name": {}, "f:image": {}});
    let ours = FieldSet::parse(
        &json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": item, "k:{\"name\":\"b\"}": item}}}),
    );
    let result = merged(&live, &wanted, &ours, &[]);
    assert_eq!(result, json!({"spec": {"containers": [{"name": "b", "image": "b:2"}]}}));
}

#[test]
fn entries_tell_who_owns_a_field() {
    let object = json!({"metadata": {"managedFields": [
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-23T20:00:00Z", "fieldsV1": {
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:ports": {
                "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:targetPort": {}},
            }},
        }},
        {"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:status": {}}},
    ]}});
    let found = owners(&object);
    assert_eq!((found[0].manager.as_str(), found[1].subresource.as_str()), ("kubectl-edit", "scale"));
    let holds = |fields: &[&str]| found[0].fields.holds(&Path::of_fields(fields));
    assert!(holds(&["spec", "replicas"]));
    assert!(holds(&["spec", "selector", "matchLabels", "app"]), "one owner for the whole");
    assert!(holds(&["spec", "ports"]), "something in it");
    assert!(!holds(&["spec", "type"]));
    let paths: Vec<String> = found[0].fields.paths().iter().map(ToString::to_string).collect();
    assert_eq!(
        paths,
        [
            ".spec.replicas",
            ".spec.selector",
            r#".spec.ports[port=80,protocol="TCP"].targetPort"#,
            r#".spec.ports[port=80,protocol="TCP"]"#,
        ]
    );
}

fn secret(name: &str) -> ObjectRef {
    ObjectRef {
        group: String::new(),
        kind: "Secret".into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

/// Returns what is told of a secret value in the place of a key, by a run with this seed.
fn hidden(seed: u64, name: &str, key: &str, value: &str) -> String {
    let mask = Mask::keyed(Entropy::from_seed(seed), "wesago/config");
    let value = json!({"data": {key: value}});
    let shown = mask.value(&secret(name), &Path::default(), &value);
    let shown = shown["data"][key].as_str().unwrap().to_owned();
    assert!(shown.starts_with("<hidden ") && shown.len() == "<hidden 123456>".len(), "{shown}");
    shown
}

#[test]
fn a_secret_value_shows_that_it_changes_and_nothing_else() {
    let of = hidden(7, "env", "PASSWORD", "aHVudGVyMg==");
    assert_eq!(of, hidden(7, "env", "PASSWORD", "aHVudGVyMg=="), "the same value is seen to be the same");
    assert_ne!(of, hidden(7, "env", "PASSWORD", "aHVudGVyMw=="), "another value is seen to be another");
    assert_ne!(of, hidden(8, "env", "PASSWORD", "aHVudGVyMg=="), "two runs say nothing about each other");
    assert_ne!(of, hidden(7, "env", "OTHER", "aHVudGVyMg=="), "nor do two keys");
    assert_ne!(of, hidden(7, "other", "PASSWORD", "aHVudGVyMg=="), "nor two Secrets");
}

#[test]
fn every_copy_of_a_secret_value_is_hidden() {
    let mask = Mask::blind("wesago/config");
    let before = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
        "data": {"a": "hunter2", "b": "hunter2"}, "stringData": {"c": "hunter2"}, "type": "Opaque",
    });
    let after = json!({"data": {"b": "hunter3"}, "stringData": "hunter3", "type": "Opaque"});
    for (before, after) in
        [(&before, &after), (&after, &before), (&json!({}), &before), (&before, &json!([]))]
    {
        for change in changes(before, after) {
            let told = format!("{:?}", mask.tell(&secret("env"), &change));
            assert!(!told.contains("hunter"), "{told}");
        }
    }
    let template = json!({"annotations": {"wesago/config": "0123456789abcdef"}});
    let path = Path::of_fields(&["spec", "template", "metadata"]);
    let workload = ObjectRef { kind: "Deployment".into(), ..secret("web") };
    assert_eq!(
        mask.value(&workload, &path, &template),
        json!({"annotations": {"wesago/config": "<hidden>"}}),
        "a hash over secret values is one of them"
    );
}

#[test]
fn what_the_server_adds_to_an_atomic_mapping_is_no_change() {
    let with = |reference: Value| json!({"env": [{"name": "A", "valueFrom": {"fieldRef": reference}}]});
    let live = with(json!({"apiVersion": "v1", "fieldPath": "metadata.name"}));
    let nothing = FieldSet::default();
    assert_eq!(merged(&live, &with(json!({"fieldPath": "metadata.name"})), &nothing, &[]), live);
    let other = with(json!({"fieldPath": "metadata.uid"}));
    let wanted = with(json!({"apiVersion": "v1", "fieldPath": "metadata.uid"}));
    assert_eq!(merged(&live, &other, &nothing, &[]), wanted);
}

#[test]
fn a_list_with_two_items_of_one_key_is_taken_as_it_is() {
    // A server refuses it; what is foreseen must be the same each time all the same.
    let wanted = json!({"containers": [{"name": "a", "image": "a:1"}, {"name": "a", "command": ["b"]}]});
    let nothing = FieldSet::default();
    for live in [json!({"containers": "none"}), wanted.clone(), json!({"containers": [{"name": "a"}]})] {
        assert_eq!(merged(&live, &wanted, &nothing, &[]), wanted);
    }
}
