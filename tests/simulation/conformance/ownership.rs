//! Who owns what, and how it changes hands: conflicts, force, hand-off, migration, orphans, immutable fields.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::apply::deployment;
use super::peer::{Peer, entry};

const APPLY: &str = "application/apply-patch+yaml";
const PATCH: &str = "application/json-patch+json";

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": data})
}

fn web(replicas: Option<u64>) -> Value {
    let mut web = deployment(&json!(replicas), &json!([{"name": "main", "image": "x:1"}]));
    if replicas.is_none() {
        web["spec"].as_object_mut().unwrap().shift_remove("replicas");
    }
    web
}

fn messages(refused: &Value) -> Vec<&str> {
    let causes = refused["details"]["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["message"].as_str().unwrap()).collect()
}

/// An applier is named alone, an update with its version, a subresource with its name.
pub(super) async fn a_conflict_tells_how_the_field_was_written(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(201);
    let refused = peer.apply("another", &path, &map(&json!({"a": "2"}))).await.refused(409, "Conflict");
    assert_eq!(messages(&refused), ["conflict with \"wesago\""]);
    let path = peer.path("apps/v1/deployments/web");
    peer.apply("wesago", &path, &web(Some(0))).await.expect(201);
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "web", "namespace": peer.namespace}, "spec": {"replicas": 2},
    });
    peer.put(&format!("{path}/scale"), &scale).await.expect(200);
    let refused = peer.apply("wesago", &path, &web(Some(0))).await.refused(409, "Conflict");
    assert_eq!(messages(&refused), ["conflict with \"claim\" with subresource \"scale\" using apps/v1"]);
    assert_eq!(refused["details"]["causes"][0]["field"], ".spec.replicas");
    let left = peer.apply("wesago", &path, &web(None)).await.expect(200);
    assert_eq!(left["spec"]["replicas"], 2, "what somebody else owns stays when it is left out");
}

/// Force takes a field; with a resource version only of that very state.
pub(super) async fn force_can_be_bound_to_a_state(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let made = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(201);
    let theirs = peer.edit(&path, &json!({"data": {"a": "theirs"}})).await.expect(200);
    let forced = format!("{path}?fieldManager=wesago&force=true");
    let mut bound = map(&json!({"a": "1"}));
    bound["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    let stale = peer.send(Method::PATCH, &forced, APPLY, &bound).await.refused(409, "Conflict");
    assert!(stale["details"]["causes"].as_array().is_none_or(Vec::is_empty), "{stale}");
    bound["metadata"]["resourceVersion"] = theirs["metadata"]["resourceVersion"].clone();
    let taken = peer.send(Method::PATCH, &forced, APPLY, &bound).await.expect(200);
    assert_eq!(taken["data"]["a"], "1");
    assert_eq!(entry(&taken, "somebody"), Value::Null);
}

/// An apply that names a life and a state changes no other state, and makes nothing that is gone.
pub(super) async fn an_apply_can_be_bound_to_a_state(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let bound_to = |seen: &Value| {
        let mut bound = map(&json!({"a": "1", "b": "2"}));
        for field in ["uid", "resourceVersion"] {
            bound["metadata"][field] = seen["metadata"][field].clone();
        }
        bound
    };
    let made = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(201);
    let theirs = peer.edit(&path, &json!({"data": {"c": "theirs"}})).await.expect(200);
    let stale = peer.apply("wesago", &path, &bound_to(&made)).await.refused(409, "Conflict");
    assert!(stale["details"]["causes"].as_array().is_none_or(Vec::is_empty), "{stale}");
    let written = peer.apply("wesago", &path, &bound_to(&theirs)).await.expect(200);
    assert_eq!(written["data"], json!({"a": "1", "b": "2", "c": "theirs"}));
    peer.delete(&path, &json!({})).await.expect(200);
    peer.apply("wesago", &path, &bound_to(&written)).await.refused(409, "Conflict");
    peer.get(&path).await.refused(404, "NotFound");
}

/// Left out by their only owner, replicas become 1; another applier can hold them.
pub(super) async fn replicas_left_out_fall_back_unless_handed_off(peer: Arc<Peer>) {
    let path = peer.path("apps/v1/deployments/web");
    peer.apply("wesago", &path, &web(Some(3))).await.expect(201);
    let fallen = peer.apply("wesago", &path, &web(None)).await.expect(200);
    assert_eq!(fallen["spec"]["replicas"], 1);
    peer.apply("wesago", &path, &web(Some(3))).await.expect(200);
    let held = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3}});
    peer.apply("wesago-handoff", &path, &held).await.expect(200);
    let left = peer.apply("wesago", &path, &web(None)).await.expect(200);
    assert_eq!(left["spec"]["replicas"], 3);
    let again = peer.apply("wesago", &path, &web(None)).await.expect(200);
    // Not the resource version: the Deployment's own controller writes to its status meanwhile.
    assert_eq!(left["metadata"]["generation"], again["metadata"]["generation"]);
    assert_eq!(entry(&left, "wesago"), entry(&again, "wesago"));
}

/// Whoever says the whole of `managedFields`, and the state it was read in, decides who owns what.
pub(super) async fn client_side_fields_can_be_made_ours(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let maps = peer.path("v1/configmaps");
    let made = peer.post(&maps, &map(&json!({"a": "1", "gone": "2"}))).await.expect(201);
    let left = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(200);
    assert_eq!(left["data"]["gone"], "2", "what an update owns survives an apply that has not got it");
    let mut entries = left["metadata"]["managedFields"].clone();
    let list = entries.as_array_mut().unwrap();
    list.retain(|entry| entry["manager"] == "claim");
    list[0]["manager"] = "wesago".into();
    list[0]["operation"] = "Apply".into();
    let migrating = |version: &Value| {
        json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        ])
    };
    let uri = format!("{path}?fieldManager=wesago");
    let stale = peer.send(Method::PATCH, &uri, PATCH, &migrating(&made["metadata"]["resourceVersion"])).await;
    stale.refused(409, "Conflict");
    let ours = peer
        .send(Method::PATCH, &uri, PATCH, &migrating(&left["metadata"]["resourceVersion"]))
        .await
        .expect(200);
    assert_eq!(ours["metadata"]["managedFields"].as_array().unwrap().len(), 1, "{ours}");
    let dropped = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(200);
    assert_eq!(dropped["data"], json!({"a": "1"}));
}

/// A `test` that fails, or nothing to remove, is a 422.
pub(super) async fn a_patch_that_does_not_fit_changes_nothing(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let mut labelled = map(&json!({"a": "1"}));
    labelled["metadata"]["labels"] = json!({"example.org/part-of": "x"});
    let made = peer.apply("wesago", &path, &labelled).await.expect(201);
    let unlabelling = |uid: &Value| {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "remove", "path": "/metadata/labels/example.org~1part-of"},
        ])
    };
    let uri = format!("{path}?fieldManager=wesago");
    let other = peer.send(Method::PATCH, &uri, PATCH, &unlabelling(&json!("another"))).await;
    assert_eq!(other.code, 422, "{}", other.body);
    let off = peer.send(Method::PATCH, &uri, PATCH, &unlabelling(&made["metadata"]["uid"])).await.expect(200);
    assert!(off["metadata"]["labels"].is_null(), "{off}");
    assert_eq!(entry(&off, "wesago").to_string(), r#"{"f:data":{"f:a":{}}}"#);
    let again = peer.send(Method::PATCH, &uri, PATCH, &unlabelling(&made["metadata"]["uid"])).await;
    assert_eq!(again.code, 422, "{}", again.body);
}

/// The policy Orphan holds the owner until its dependents belong to nobody; they stay.
pub(super) async fn an_orphaning_deletion_leaves_the_dependents(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let owner = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(201);
    let dependent_path = make_dependent(&peer, "dependent", &owner).await;
    until_collector_has_seen_all(&peer).await;
    let options = json!({"propagationPolicy": "Orphan", "preconditions": {"uid": owner["metadata"]["uid"]}});
    let held = peer.delete(&path, &options).await.expect(200);
    assert!(held["metadata"]["finalizers"].as_array().unwrap().contains(&"orphan".into()), "{held}");
    if peer.simulated.is_none() {
        until_gone(&peer, &path).await;
        let left = peer.get(&dependent_path).await.expect(200);
        assert!(left["metadata"]["ownerReferences"].is_null(), "{left}");
    }
    let left = peer.get(&dependent_path).await.expect(200);
    assert!(left["metadata"]["deletionTimestamp"].is_null(), "{left}");
}

/// Waits until the garbage collector has seen every ConfigMap that is there. It orphans the dependents that it knows,
/// and deletes one that comes to its notice later, which after a restart of the API server takes a moment.
async fn until_collector_has_seen_all(peer: &Peer) {
    if peer.simulated.is_some() {
        return;
    }
    let first = peer.path("v1/configmaps/first");
    let mut owner = map(&json!({}));
    owner["metadata"]["name"] = "first".into();
    let owner = peer.apply("somebody", &first, &owner).await.expect(201);
    let last = make_dependent(peer, "last", &owner).await;
    peer.delete(&first, &json!({"propagationPolicy": "Background"})).await.expect(200);
    until_gone(peer, &last).await;
}

/// Makes a ConfigMap that belongs to another one, and returns its path.
async fn make_dependent(peer: &Peer, name: &str, owner: &Value) -> String {
    let mut dependent = map(&json!({"b": "2"}));
    dependent["metadata"]["name"] = name.into();
    dependent["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    }]);
    let path = peer.path(&format!("v1/configmaps/{name}"));
    peer.apply("somebody", &path, &dependent).await.expect(201);
    path
}

/// Waits until the garbage collector has let an object go, in its own time.
async fn until_gone(peer: &Peer, path: &str) {
    for _ in 0..2400 {
        if peer.get(path).await.code == 404 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    peer.get(path).await.refused(404, "NotFound");
}

/// Each kind has words of its own for a field that cannot change; all of them are a 422.
pub(super) async fn immutable_fields_say_so_in_their_own_words(peer: Arc<Peer>) {
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let kinds = [
        (
            "apps/v1/statefulsets/x",
            json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "x"},
                "spec": {
                    "replicas": 0, "serviceName": "x", "selector": {"matchLabels": {"app": "x"}},
                    "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x:1"}]}},
                },
            }),
            json!({"spec": {"serviceName": "other"}}),
            "updates to statefulset spec",
        ),
        (
            "rbac.authorization.k8s.io/v1/rolebindings/x",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "x"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}, "subjects": [],
            }),
            json!({"roleRef": {"name": "other"}}),
            "cannot change roleRef",
        ),
        (
            "v1/configmaps/x",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "immutable": true, "data": {"a": "1"}}),
            json!({"data": {"a": "2"}}),
            "field is immutable when `immutable` is set",
        ),
        (
            "v1/persistentvolumeclaims/x",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "x"}, "spec": claim}),
            json!({"spec": {"accessModes": ["ReadWriteMany"]}}),
            "spec is immutable after creation",
        ),
        (
            "v1/services/x",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"clusterIP": "None"}}),
            "may not change once set",
        ),
    ];
    for (path, mut object, change, says) in kinds {
        let path = peer.path(path);
        peer.apply("wesago", &path, &object).await.expect(201);
        json_patch::merge(&mut object, &change);
        let refused = peer.apply("wesago", &path, &object).await.refused(422, "Invalid");
        assert!(refused["message"].as_str().unwrap().contains(says), "{refused}");
        let causes = refused["details"]["causes"].as_array().unwrap();
        assert!(causes.iter().any(|cause| cause["message"].as_str().unwrap().contains(says)), "{refused}");
    }
}
