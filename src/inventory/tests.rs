//! The inventory: what is written reads back, and what proves that nothing changed.

use serde_json::{Value, json};

use super::{Hash, Inventory, NotOurs, Record, applyset_id};
use crate::object::{Object, ObjectRef, Uid};

fn parent(name: &str, namespace: &str, kind: &str) -> ObjectRef {
    ObjectRef {
        group: String::new(),
        kind: kind.into(),
        namespace: Some(namespace.into()),
        name: name.into(),
    }
}

fn deployment(fields: &Value, uid: &str) -> Object {
    Object::new(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": uid,
            "managedFields": [
                {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:status": {}}},
                {"manager": "wesago", "operation": "Apply", "fieldsV1": fields},
            ],
        },
    }))
    .unwrap()
}

fn wanted(replicas: u32) -> Object {
    Object::new(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": replicas},
    }))
    .unwrap()
}

/// The vectors were computed with kubectl's formula.
#[test]
fn the_id_is_kubectls() {
    assert_eq!(
        applyset_id(&parent("shop", "prod", "Secret")),
        "applyset-3eMhxrmWrshVG4P3vsSrKe_d4pE71qwAY-JhFz25mc0-v1"
    );
    assert_eq!(
        applyset_id(&parent("shop", "prod", "ConfigMap")),
        "applyset-MKiGd8qjds7_4l58fSj3Hm-momNfCzEqg3i6kuRIBpI-v1"
    );
}

#[test]
fn what_is_written_reads_back() {
    let mut inventory = Inventory::new("shop", "prod");
    inventory.announce(parent("settings", "prod", "ConfigMap"));
    let mut cluster_wide = parent("prod", "", "Namespace");
    cluster_wide.namespace = None;
    inventory.announce(cluster_wide);
    let mut elsewhere = parent("web", "other", "Deployment");
    elsewhere.group = "apps".into();
    let record = Record { uid: Uid("u".into()), applied: Hash::of(&json!(1)), fields: Hash::of(&json!(2)) };
    inventory.remember(elsewhere.clone(), record);
    inventory.set_depth(&elsewhere, 3);
    let object = Object::new(inventory.to_value()).unwrap();
    assert_eq!(Inventory::parse("shop", "prod", &object).unwrap(), inventory);
    assert_eq!(
        object.annotation("applyset.kubernetes.io/contains-group-kinds"),
        Some("ConfigMap,Deployment.apps,Namespace")
    );
    assert_eq!(Inventory::parse("shop", "prod", &object).unwrap().depth(&elsewhere), Some(3));
    assert_eq!(object.annotation("applyset.kubernetes.io/additional-namespaces"), Some("other"));
}

#[test]
fn a_line_without_a_depth_is_read_as_well() {
    let mut value = Inventory::new("shop", "prod").to_value();
    value["data"]["objects"] = json!("ConfigMap prod settings - - -\n");
    let inventory = Inventory::parse("shop", "prod", &Object::new(value).unwrap()).unwrap();
    let member = parent("settings", "prod", "ConfigMap");
    assert!(inventory.contains(&member));
    assert_eq!(inventory.depth(&member), None);
}

#[test]
fn a_set_of_another_tool_is_refused() {
    let mut value = Inventory::new("shop", "prod").to_value();
    value["metadata"]["annotations"]["applyset.kubernetes.io/tooling"] = json!("kubectl/v1.34");
    let object = Object::new(value).unwrap();
    let refused = Inventory::parse("shop", "prod", &object).unwrap_err();
    assert!(matches!(refused, NotOurs::Tooling { .. }));
    let mut value = Inventory::new("shop", "prod").to_value();
    value["data"]["objects"] = json!("Deployment.apps prod web\n");
    let refused = Inventory::parse("shop", "prod", &Object::new(value).unwrap()).unwrap_err();
    assert!(matches!(refused, NotOurs::Record { line: 1, .. }));
}

#[test]
fn only_all_three_equalities_prove_that_nothing_changed() {
    let fields = json!({"f:spec": {"f:replicas": {}}});
    let mut inventory = Inventory::new("shop", "shop");
    let live = deployment(&fields, "one");
    inventory.remember(live.reference(), Inventory::record_of(&wanted(3), &live).unwrap());
    assert!(inventory.proves_unchanged(&wanted(3), &live));
    assert!(!inventory.proves_unchanged(&wanted(4), &live), "another content");
    assert!(!inventory.proves_unchanged(&wanted(3), &deployment(&fields, "two")), "another life");
    assert!(
        !inventory.proves_unchanged(&wanted(3), &deployment(&json!({"f:spec": {}}), "one")),
        "a field taken"
    );
    let before = inventory.applied();
    assert!(inventory.doubt(&live.reference()) && !inventory.doubt(&live.reference()), "once");
    assert!(!inventory.proves_unchanged(&wanted(3), &live), "a write that may have been cut off");
    assert_ne!(inventory.applied(), before);
    let read = Object::new(inventory.to_value()).unwrap();
    assert_eq!(Inventory::parse("shop", "shop", &read).unwrap(), inventory);
    inventory.forget(&live.reference());
    assert!(!inventory.proves_unchanged(&wanted(3), &live), "no record");
}
