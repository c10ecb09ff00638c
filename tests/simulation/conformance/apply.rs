//! Server-side apply: what it creates, owns, refuses and drops.

use std::sync::Arc;

use serde_json::{Value, json};

use super::peer::{Peer, entry};

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": data})
}

/// 201, then the object with uid, resource version and our entry of operation Apply.
pub(super) async fn creates_and_owns(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let made = peer.apply("wesago", &path, &map(&json!({"a": "1", "b": "2"}))).await.expect(201);
    assert_eq!(made["kind"], "ConfigMap");
    assert!(made["metadata"]["uid"].is_string() && made["metadata"]["resourceVersion"].is_string());
    assert!(made["metadata"]["generation"].is_null());
    let entries = made["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["manager"], &entries[0]["operation"]), (&"wesago".into(), &"Apply".into()));
    assert_eq!(entry(&made, "wesago").to_string(), r#"{"f:data":{"f:a":{},"f:b":{}}}"#);
    let without = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}});
    peer.apply("wesago", &peer.path("v1/configmaps/other"), &without).await.expect(201);
    let nameless = format!("{path}?fieldValidation=Strict");
    let answer =
        peer.send(http::Method::PATCH, &nameless, "application/apply-patch+yaml", &map(&json!({}))).await;
    assert!(matches!(answer.code, 400 | 422), "{answer:?}");
}

/// 200 with the same resource version, also after a stranger added something.
pub(super) async fn again_changes_nothing(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let content = map(&json!({"a": "1"}));
    let first = peer.apply("wesago", &path, &content).await.expect(201);
    let second = peer.apply("wesago", &path, &content).await.expect(200);
    assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
    let edited = peer.edit(&path, &json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
    let third = peer.apply("wesago", &path, &content).await.expect(200);
    assert_eq!(edited["metadata"]["resourceVersion"], third["metadata"]["resourceVersion"]);
}

/// Our entry stays byte for byte the same across additions and same-value updates, and changes with every
/// change of a field we own, even when the value is put back.
pub(super) async fn entry_tells_of_strangers(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let content = map(&json!({"a": "1", "b": "2"}));
    let ours = |object: &Value| entry(object, "wesago").to_string();
    let before = ours(&peer.apply("wesago", &path, &content).await.expect(201));
    let added =
        peer.edit(&path, &json!({"data": {"c": "3"}, "metadata": {"labels": {"x": "y"}}})).await.expect(200);
    assert_eq!(ours(&added), before);
    let same = peer.edit(&path, &json!({"data": {"a": "1"}})).await.expect(200);
    assert_eq!(ours(&same), before);
    let changed = peer.edit(&path, &json!({"data": {"a": "other"}})).await.expect(200);
    assert_ne!(ours(&changed), before);
    let back = peer.edit(&path, &json!({"data": {"a": "1"}})).await.expect(200);
    assert_ne!(ours(&back), before);
    let healed = peer.apply("wesago", &path, &content).await.expect(200);
    assert_eq!(ours(&healed), before);
    let removed = peer.edit(&path, &json!({"data": {"b": null}})).await.expect(200);
    assert_ne!(ours(&removed), before);
    let forced = format!("{path}?fieldManager=thief&force=true");
    let theirs = map(&json!({"a": "stolen"}));
    let stolen =
        peer.send(http::Method::PATCH, &forced, "application/apply-patch+yaml", &theirs).await.expect(200);
    assert_ne!(ours(&stolen), before);
}

/// 409 with a cause for each field that somebody else has set to another value; an equal value is no
/// conflict.
pub(super) async fn conflicts_name_the_field(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(201);
    peer.edit(&path, &json!({"data": {"a": "theirs"}})).await.expect(200);
    let refused = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.refused(409, "Conflict");
    let causes = refused["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 1);
    assert_eq!(causes[0]["reason"], "FieldManagerConflict");
    assert_eq!(causes[0]["field"], ".data.a");
    let message = causes[0]["message"].as_str().unwrap();
    assert_eq!(message, "conflict with \"somebody\" using v1");
    peer.apply("wesago", &path, &map(&json!({"a": "theirs"}))).await.expect(200);
    let other = peer.apply("another", &path, &map(&json!({"a": "third"}))).await.refused(409, "Conflict");
    assert_eq!(other["details"]["causes"].as_array().unwrap().len(), 2, "{other}");
    let message = other["message"].as_str().unwrap();
    assert!(message.starts_with("Apply failed with 2 conflicts: conflict"), "{message}");
}

/// A field left out goes, unless somebody else has it, too.
pub(super) async fn drops_what_it_leaves_out(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    peer.apply("wesago", &path, &map(&json!({"a": "1", "b": "2", "c": "3"}))).await.expect(201);
    peer.apply("another", &path, &map(&json!({"b": "2"}))).await.expect(200);
    let left = peer.apply("wesago", &path, &map(&json!({"a": "1"}))).await.expect(200);
    assert_eq!(left["data"], json!({"a": "1", "b": "2"}));
    let deployment = |containers: &Value| deployment(&json!(0), containers);
    let path = peer.path("apps/v1/deployments/web");
    let two = json!([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]);
    peer.apply("wesago", &path, &deployment(&two)).await.expect(201);
    let one = json!([{"name": "b", "image": "b:2"}]);
    let left = peer.apply("wesago", &path, &deployment(&one)).await.expect(200);
    let containers = left["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!((&containers[0]["name"], &containers[0]["image"]), (&"b".into(), &"b:2".into()));
}

/// Returns a Deployment that is paused, so that its controller stays out of it.
pub(super) fn deployment(replicas: &Value, containers: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "paused": true, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    })
}

/// The leaves of an entry follow the list keys of the API's types.
pub(super) async fn owns_the_fields_of_every_kind(peer: Arc<Peer>) {
    let container = json!({
        "name": "main", "image": "x:1", "command": ["sh"],
        "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP", "name": "dns"}],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "volumeMounts": [{"mountPath": "/data", "name": "data"}],
        "resources": {"requests": {"cpu": "1m"}}, "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
    });
    let mut web = deployment(&json!(0), &json!([container]));
    web["metadata"]["labels"] = json!({"app.kubernetes.io/name": "web"});
    web["spec"]["template"]["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    let made = peer.apply("wesago", &peer.path("apps/v1/deployments/web"), &web).await.expect(201);
    assert_eq!(
        entry(&made, "wesago").to_string(),
        r#"{"f:metadata":{"f:labels":{"f:app.kubernetes.io/name":{}}},"f:spec":{"f:paused":{},"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:command":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}},"k:{\"name\":\"B\"}":{".":{},"f:name":{},"f:valueFrom":{"f:secretKeyRef":{}}}},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":53,\"protocol\":\"UDP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}},"f:readinessProbe":{"f:httpGet":{"f:path":{},"f:port":{}}},"f:resources":{"f:requests":{"f:cpu":{}}},"f:volumeMounts":{"k:{\"mountPath\":\"/data\"}":{".":{},"f:mountPath":{},"f:name":{}}}}},"f:volumes":{"k:{\"name\":\"data\"}":{".":{},"f:emptyDir":{},"f:name":{}}}}}}}"#
    );
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "name": "http", "targetPort": 8000}]},
    });
    let made = peer.apply("wesago", &peer.path("v1/services/web"), &service).await.expect(201);
    assert_eq!(
        entry(&made, "wesago").to_string(),
        r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:targetPort":{}}},"f:selector":{}}}"#
    );
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "a.example"}]},
    });
    let made =
        peer.apply("wesago", &peer.path("networking.k8s.io/v1/ingresses/web"), &ingress).await.expect(201);
    assert_eq!(entry(&made, "wesago").to_string(), r#"{"f:spec":{"f:rules":{}}}"#);
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 0, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "x:1"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    });
    let made = peer.apply("wesago", &peer.path("apps/v1/statefulsets/db"), &set).await.expect(201);
    assert_eq!(
        entry(&made, "wesago").to_string(),
        r#"{"f:spec":{"f:replicas":{},"f:selector":{},"f:serviceName":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"db\"}":{".":{},"f:image":{},"f:name":{}}}}},"f:volumeClaimTemplates":{}}}"#
    );
}

/// 422 with the cause's words where a field cannot change.
pub(super) async fn refuses_immutable_fields(peer: Arc<Peer>) {
    let job = |image: &str| {
        let container = json!({"name": "main", "image": image});
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
            "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
        })
    };
    let path = peer.path("batch/v1/jobs/job");
    peer.apply("wesago", &path, &job("x:1")).await.expect(201);
    let mut active = job("x:1");
    active["spec"]["suspend"] = false.into();
    active["spec"]["parallelism"] = 0.into();
    peer.apply("wesago", &path, &active).await.expect(200);
    let mut changed = active.clone();
    changed["spec"]["template"] = job("x:2")["spec"]["template"].clone();
    let refused = peer.apply("wesago", &path, &changed).await.refused(422, "Invalid");
    assert!(refused["message"].as_str().unwrap().contains("field is immutable"), "{refused}");
    let mut web = deployment(&json!(0), &json!([{"name": "main", "image": "x:1"}]));
    let path = peer.path("apps/v1/deployments/web");
    peer.apply("wesago", &path, &web).await.expect(201);
    web["spec"]["selector"]["matchLabels"]["tier"] = "front".into();
    web["spec"]["template"]["metadata"]["labels"]["tier"] = "front".into();
    let refused = peer.apply("wesago", &path, &web).await.refused(422, "Invalid");
    assert!(refused["message"].as_str().unwrap().contains("field is immutable"), "{refused}");
}
