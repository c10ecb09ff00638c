//! Fields that cannot be changed in place: what is made anew, around what, and what is never deleted for it.

use serde_json::{Value, json};

use crate::place::{Place, idle_pod, story, workload};
use crate::sandbox::seen::{Seen, ensure};

fn uid(place: &Place, name: &str) -> Seen<Value> {
    place.part(name, "/metadata/uid")
}

#[test]
fn a_bare_pod_is_made_anew() {
    story("pod", |place| {
        let pod = |edition: &str| {
            let mut spec = idle_pod();
            spec["containers"][0]["env"] = json!([{"name": "EDITION", "value": edition}]);
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": spec})
        };
        place.write(&[("pod", &[pod("1")])])?;
        place.deploy(&[])?;
        let before = uid(place, "pod/alone")?;
        place.write(&[("pod", &[pod("2")])])?;
        place.deploy(&[])?;
        ensure!(uid(place, "pod/alone")? != before, "it is the old one");
        let value = place.part("pod/alone", "/spec/containers/0/env/0/value")?;
        ensure!(value == "2", "it runs edition {value}");
        place.finds_nothing_to_do()
    });
}

#[test]
fn a_set_is_made_anew_around_its_pods() {
    story("set-of-pods", |place| {
        let set = |service: &str| {
            let service = json!({"spec": {"serviceName": service, "replicas": 2}});
            workload("StatefulSet", "db", &service)
        };
        place.write(&[("db", &[set("old")])])?;
        place.deploy(&[])?;
        let set_before = uid(place, "statefulset/db")?;
        let before = [uid(place, "pod/db-0")?, uid(place, "pod/db-1")?];
        place.write(&[("db", &[set("new")])])?;
        place.deploy(&[])?;
        ensure!(uid(place, "statefulset/db")? != set_before, "it is the old set");
        ensure!(place.part("statefulset/db", "/spec/serviceName")? == "new", "it has the old service");
        let after = [uid(place, "pod/db-0")?, uid(place, "pod/db-1")?];
        ensure!(after == before, "its pods were replaced");
        let owner = place.part("pod/db-0", "/metadata/ownerReferences/0/uid")?;
        ensure!(owner == uid(place, "statefulset/db")?, "its pods are nobody's");
        place.finds_nothing_to_do()
    });
}

#[test]
fn a_claim_is_never_deleted_for_a_field() {
    story("claim", |place| {
        let claim = |class: &str| {
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                    "resources": {"requests": {"storage": "1Mi"}},
                },
            })
        };
        place.write(&[("data", &[claim("local-path")])])?;
        place.deploy(&[])?;
        let before = uid(place, "pvc/data")?;
        place.write(&[("data", &[claim("another")])])?;
        let said = place.wesago(&["diff"], 7)?.stdout;
        ensure!(said.contains("a claim is never deleted for that"), "{said}");
        let recreate = ["deploy", "--yes", "--skip-preflight", "--recreate", "PersistentVolumeClaim/data"];
        let ended = place.wesago(&recreate, 5)?;
        ensure!(ended.stdout.contains("a claim is never deleted for that"), "{}", ended.stdout);
        ensure!(uid(place, "pvc/data")? == before, "it was deleted");
        ensure!(place.part("pvc/data", "/metadata/deletionTimestamp")?.is_null(), "it is being deleted");
        Ok(())
    });
}

#[test]
fn a_service_keeps_its_address() {
    story("service", |place| {
        let service = |port: u16| {
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": port}]},
            })
        };
        let web = workload("Deployment", "web", &json!({}));
        place.write(&[("web", &[service(80), web.clone()])])?;
        place.deploy(&[])?;
        let address = place.part("service/web", "/spec/clusterIP")?;
        place.write(&[("web", &[service(81), web])])?;
        place.deploy(&[])?;
        ensure!(place.part("service/web", "/spec/ports/0/port")? == 81, "its port is the old one");
        ensure!(place.part("service/web", "/spec/clusterIP")? == address, "its address is another");
        place.finds_nothing_to_do()
    });
}

#[test]
fn a_selector_changes_only_by_name() {
    story("selector", |place| {
        let web = |tier: &str| {
            let labels = json!({"app": "web", "tier": tier});
            let more = json!({"spec": {
                "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}},
            }});
            workload("Deployment", "web", &more)
        };
        place.write(&[("web", &[web("a")])])?;
        place.deploy(&[])?;
        let before = uid(place, "deployment/web")?;
        place.write(&[("web", &[web("b")])])?;
        let ended = place.wesago(&["deploy", "--yes"], 5)?;
        ensure!(ended.stdout.contains("`--recreate Deployment/web`"), "{}", ended.stdout);
        ensure!(uid(place, "deployment/web")? == before, "it was deleted without a word");
        place.deploy(&["--recreate", "Deployment/web"])?;
        ensure!(uid(place, "deployment/web")? != before, "it is the old one");
        place.finds_nothing_to_do()
    });
}
