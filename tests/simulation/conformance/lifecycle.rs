//! Generations, deletions, namespaces, leases, services.

use std::sync::Arc;

use serde_json::{Value, json};

use super::apply::deployment;
use super::peer::Peer;

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

/// The generation begins at 1 and counts changes of the spec, not of the metadata.
pub(super) async fn generation_counts_the_spec(peer: Arc<Peer>) {
    let path = peer.path("apps/v1/deployments/web");
    let containers = json!([{"name": "main", "image": "x:1"}]);
    let made = peer.apply("wesago", &path, &deployment(&json!(0), &containers)).await.expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let labelled = peer.edit(&path, &json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
    assert_eq!(labelled["metadata"]["generation"], 1);
    let mut longer = deployment(&json!(0), &containers);
    longer["spec"]["minReadySeconds"] = 5.into();
    let changed = peer.apply("wesago", &path, &longer).await.expect(200);
    assert_eq!(changed["metadata"]["generation"], 2);
}

/// A wrong uid is refused; the right one ends the object at once, told by a Status; then it is not there.
pub(super) async fn deletion_has_preconditions(peer: Arc<Peer>) {
    let path = peer.path("v1/configmaps/map");
    let made = peer.apply("wesago", &path, &map("map")).await.expect(201);
    let uid = &made["metadata"]["uid"];
    let options =
        |preconditions: &Value| json!({"propagationPolicy": "Background", "preconditions": preconditions});
    let wrong = options(&json!({"uid": "00000000-0000-0000-0000-00000000ffff"}));
    let refused = peer.delete(&path, &wrong).await.refused(409, "Conflict");
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("the UID in the precondition (00000000-0000-0000-0000-00000000ffff)"),
        "{message}"
    );
    let stale = options(&json!({"uid": uid, "resourceVersion": "1"}));
    peer.delete(&path, &stale).await.refused(409, "Conflict");
    let gone = peer.delete(&path, &options(&json!({"uid": uid}))).await.expect(200);
    assert_eq!(
        (&gone["kind"], &gone["status"], &gone["details"]["uid"]),
        (&"Status".into(), &"Success".into(), uid)
    );
    peer.get(&path).await.refused(404, "NotFound");
    peer.delete(&path, &options(&json!({"uid": uid}))).await.refused(404, "NotFound");
    let again = peer.apply("wesago", &path, &map("map")).await.expect(201);
    assert_ne!(again["metadata"]["uid"], *uid);
}

/// A finalizer, and with it the policy Foreground, holds the object, with a stamp and a new generation;
/// a write to it is accepted meanwhile.
pub(super) async fn foreground_holds_the_owner(peer: Arc<Peer>) {
    let path = peer.path("apps/v1/deployments/web");
    let mut web = deployment(&json!(0), &json!([{"name": "main", "image": "x:1"}]));
    web["metadata"]["finalizers"] = json!(["example.org/held"]);
    peer.apply("wesago", &path, &web).await.expect(201);
    let held = peer.delete(&path, &json!({"propagationPolicy": "Foreground"})).await.expect(200);
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    assert_eq!(held["metadata"]["generation"], 2);
    let finalizers = held["metadata"]["finalizers"].as_array().unwrap();
    assert!(finalizers.contains(&"foregroundDeletion".into()), "{held}");
    let written = peer.apply("wesago", &path, &web).await.expect(200);
    assert!(written["metadata"]["deletionTimestamp"].is_string());
    peer.edit(&path, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    peer.get(&path).await.refused(404, "NotFound");
}

/// Nothing can be made in a namespace that is not there (404) or on its way out (403 with a cause).
pub(super) async fn an_ending_namespace_takes_nothing_new(peer: Arc<Peer>) {
    let nowhere = "/api/v1/namespaces/wesago-claim-nowhere/configmaps";
    let missing = peer.apply("wesago", &format!("{nowhere}/map"), &map("map")).await.refused(404, "NotFound");
    assert_eq!(missing["details"]["kind"], "namespaces");
    let empty = peer.get(nowhere).await.expect(200);
    assert_eq!(empty["items"], json!([]));
    let path = peer.path("v1/configmaps/map");
    let mut held = map("map");
    held["metadata"]["finalizers"] = json!(["example.org/held"]);
    peer.apply("wesago", &path, &held).await.expect(201);
    let namespace = format!("/api/v1/namespaces/{}", peer.namespace);
    let ending = peer.delete(&namespace, &json!({})).await.expect(200);
    assert_eq!(ending["status"]["phase"], "Terminating");
    let other = peer.path("v1/configmaps/other");
    let refused = peer.apply("wesago", &other, &map("other")).await.refused(403, "Forbidden");
    assert_eq!(refused["details"]["causes"][0]["reason"], "NamespaceTerminating", "{refused}");
    peer.apply("wesago", &path, &held).await.expect(200);
    peer.edit(&path, &json!({"metadata": {"finalizers": null}})).await.expect(200);
}

/// Who comes second is told so; a state that is not the last one is refused.
pub(super) async fn a_lease_is_taken_once(peer: Arc<Peer>) {
    let leases = peer.path("coordination.k8s.io/v1/leases");
    let path = format!("{leases}/lock");
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lock"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    let made = peer.post(&leases, &lease).await.expect(201);
    peer.post(&leases, &lease).await.refused(409, "AlreadyExists");
    lease["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    lease["metadata"]["uid"] = made["metadata"]["uid"].clone();
    lease["spec"]["holderIdentity"] = "b".into();
    let taken = peer.put(&path, &lease).await.expect(200);
    assert_eq!(taken["spec"]["holderIdentity"], "b");
    let stale = peer.put(&path, &lease).await.refused(409, "Conflict");
    assert!(stale["message"].as_str().unwrap().contains("object has been modified"), "{stale}");
    let unchanged = |version: &Value| json!({"preconditions": {"uid": taken["metadata"]["uid"], "resourceVersion": version}});
    peer.delete(&path, &unchanged(&made["metadata"]["resourceVersion"])).await.refused(409, "Conflict");
    peer.delete(&path, &unchanged(&taken["metadata"]["resourceVersion"])).await.expect(200);
    let gone = peer.put(&path, &lease).await.refused(409, "Conflict");
    let message = gone["message"].as_str().unwrap();
    assert!(message.contains("Precondition failed: UID in precondition: "), "{message}");
}

/// A Service has its address in the answer to its creation; without endpoints a GET through it is a 503.
pub(super) async fn services_get_addresses(peer: Arc<Peer>) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    let made = peer.apply("wesago", &peer.path("v1/services/web"), &service).await.expect(201);
    assert!(made["spec"]["clusterIP"].as_str().is_some_and(|address| address.contains('.')), "{made}");
    assert_eq!(
        (&made["spec"]["type"], &made["spec"]["ports"][0]["protocol"]),
        (&"ClusterIP".into(), &"TCP".into())
    );
    let path = peer.path("v1/services/web:80/proxy/health");
    let mut answer = peer.get(&path).await;
    // Until the endpoints' controller has seen it, the proxy knows no such service; a controller whose API
    // server was just restarted takes its time.
    for _ in 0..1000 {
        if answer.code != 404 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = peer.get(&path).await;
    }
    let refused = answer.refused(503, "ServiceUnavailable");
    assert!(
        refused["message"].as_str().unwrap().starts_with("no endpoints available for service"),
        "{refused}"
    );
}
