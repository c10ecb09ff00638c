//! Dry runs: the answer is that of a real write, and nothing is kept.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::apply::deployment;
use super::peer::{Peer, Reply, entry};

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": data})
}

async fn ask(peer: &Peer, path: &str, object: &Value) -> Reply {
    let uri = format!("{path}?fieldManager=wesago&fieldValidation=Strict&dryRun=All");
    peer.send(Method::PATCH, &uri, "application/apply-patch+yaml", object).await
}

/// 201 with defaults and our entry, and the object is not there afterwards.
pub(super) async fn creates_nothing(peer: Arc<Peer>) {
    let path = peer.path("apps/v1/deployments/web");
    let mut web =
        deployment(&json!(0), &json!([{"name": "main", "image": "x:1", "ports": [{"containerPort": 80}]}]));
    web["spec"].as_object_mut().unwrap().shift_remove("replicas");
    let answer = ask(&peer, &path, &web).await.expect(201);
    assert_eq!(answer["spec"]["replicas"], 1, "completed");
    assert!(!entry(&answer, "wesago").is_null());
    peer.get(&path).await.refused(404, "NotFound");
}

/// 200 with the object as it would be; the one that is there keeps its content and its version.
pub(super) async fn changes_nothing(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let made = peer.apply("wesago", &path, &map(&json!({"a": "1", "b": "2"}))).await.expect(201);
    let answer = ask(&peer, &path, &map(&json!({"a": "changed"}))).await.expect(200);
    assert_eq!(answer["data"], json!({"a": "changed"}));
    assert_eq!(entry(&answer, "wesago").to_string(), r#"{"f:data":{"f:a":{}}}"#);
    let after = peer.get(&path).await.expect(200);
    assert_eq!(after, made);
}

/// A write that would change nothing is answered with the object as it is, our entry included.
pub(super) async fn shows_that_nothing_would_change(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let content = map(&json!({"a": "1"}));
    let made = peer.apply("wesago", &path, &content).await.expect(201);
    let answer = ask(&peer, &path, &content).await.expect(200);
    for field in ["data", "kind", "apiVersion"] {
        assert_eq!(answer[field], made[field]);
    }
    assert_eq!(entry(&answer, "wesago"), entry(&made, "wesago"));
    // A value that somebody put back is the same value with other owners.
    peer.edit(&path, &json!({"data": {"a": "other"}})).await.expect(200);
    let back = peer.edit(&path, &json!({"data": {"a": "1"}})).await.expect(200);
    let answer = ask(&peer, &path, &content).await.expect(200);
    assert_eq!(answer["data"], back["data"]);
    assert_ne!(entry(&answer, "wesago"), entry(&back, "wesago"));
}

/// What a write would be refused for, a dry run is refused for, in the same words.
pub(super) async fn refuses_as_a_write_does(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(201);
    peer.edit(&path, &json!({"data": {"a": "theirs"}})).await.expect(200);
    let refused = ask(&peer, &path, &map(&json!({"a": "1"}))).await.refused(409, "Conflict");
    assert_eq!(refused["details"]["causes"][0]["reason"], "FieldManagerConflict");
    assert_eq!(refused["details"]["causes"][0]["field"], ".data.a");
    let path = peer.path("apps/v1/deployments/web");
    let mut web = deployment(&json!(0), &json!([{"name": "main", "image": "x:1"}]));
    peer.apply("wesago", &path, &web).await.expect(201);
    web["spec"]["selector"]["matchLabels"]["tier"] = "front".into();
    web["spec"]["template"]["metadata"]["labels"]["tier"] = "front".into();
    let refused = ask(&peer, &path, &web).await.refused(422, "Invalid");
    assert!(refused["message"].as_str().unwrap().contains("field is immutable"), "{refused}");
}

/// A creation that is only asked about is answered as a real one, and nothing is there afterwards.
pub(super) async fn tries_a_create(peer: Arc<Peer>) {
    let collection = peer.path("v1/configmaps");
    let uri = format!("{collection}?fieldManager=wesago&fieldValidation=Strict&dryRun=All");
    let content = map(&json!({"a": "1"}));
    let tried = peer.send(Method::POST, &uri, "application/json", &content).await.expect(201);
    assert_eq!(tried["data"], content["data"]);
    peer.get(&format!("{collection}/map")).await.refused(404, "NotFound");
    peer.post(&collection, &content).await.expect(201);
    peer.send(Method::POST, &uri, "application/json", &content).await.refused(409, "AlreadyExists");
}

/// 404 that speaks of the namespace, not of the object.
pub(super) async fn names_a_missing_namespace(peer: Arc<Peer>) {
    let path = format!("/api/v1/namespaces/{}-missing/configmaps/map", peer.namespace);
    let refused = ask(&peer, &path, &map(&json!({}))).await.refused(404, "NotFound");
    assert_eq!(refused["details"]["kind"], "namespaces", "{refused}");
}
