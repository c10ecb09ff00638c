//! Fields that others own, too: left to them, taken from them, or refused; an autoscaler's replicas; and
//! what an earlier `kubectl apply` left.

use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Place, map, story, workload};
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::sets::managers;

/// Returns the section of a plan with one rule about the colour of the settings.
fn rule(policy: &str) -> String {
    format!("conflicts: [{{ target: ConfigMap/settings, path: .data.colour, policy: {policy} }}]\n")
}

fn settings(colour: &str) -> [Value; 1] {
    [map("settings", &json!({"colour": colour, "size": "1"}))]
}

/// Returns what keeps at least two replicas of the Deployment, and needs to measure nothing for it.
fn scaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 3,
        },
    })
}

fn colour(place: &Place) -> Seen<Value> {
    place.part("configmap/settings", "/data/colour")
}

#[test]
fn a_plan_leaves_a_field_to_others_or_takes_it() {
    story("policies", |place| {
        place.write_with(&rule("yield"), &[("maps", &settings("blue"))])?;
        place.deploy(&[])?;
        ensure!(colour(place)? == "blue", "nobody else owned it");
        place.patch("configmap/settings", &json!({"data": {"colour": "red"}}), "painter")?;

        place.write_with(&rule("yield"), &[("maps", &settings("green"))])?;
        let told = place.deploy(&[])?;
        ensure!(told.contains(".data.colour is left to painter"), "{told}");
        ensure!(colour(place)? == "red", "it was taken, or lost");
        place.finds_nothing_to_do()?;

        place.write_with(&rule("take"), &[("maps", &settings("green"))])?;
        place.deploy(&[])?;
        ensure!(colour(place)? == "green", "it was not taken");

        place.patch("configmap/settings", &json!({"data": {"size": "2"}}), "painter")?;
        let refused = place.wesago(&["deploy", "--yes"], 5)?;
        // A rule about one field says nothing of another.
        for wanted in ["`.data.size` belongs to painter", r#""2" there, "1" in the plan"#, "policy: yield"] {
            ensure!(refused.stdout.contains(wanted), "no `{wanted}` in {}", refused.stdout);
        }
        Ok(())
    });
}

#[test]
fn replicas_under_an_autoscaler_are_left_to_it() {
    story("autoscaled", |place| {
        let mut web = workload("Deployment", "web", &json!({"spec": {"replicas": 1}}));
        place.write(&[("web", &[web.clone(), scaler()])])?;
        place.deploy(&[])?;
        wait_for("scaling by the autoscaler", Duration::from_secs(60), || {
            let replicas = place.part("deployment/web", "/spec/replicas")?;
            Ok(if replicas == 2 { Ok(()) } else { Err(replicas.to_string()) })
        })?;
        web["metadata"]["annotations"] = json!({"edition": "2"});
        place.write(&[("web", &[web, scaler()])])?;
        place.deploy(&[])?;
        ensure!(place.part("deployment/web", "/spec/replicas")? == 2, "the autoscaler's replicas were reset");
        place.finds_nothing_to_do()
    });
}

#[test]
fn what_kubectl_applied_is_migrated() {
    story("migrated", |place| {
        let theirs = workload(
            "Deployment",
            "web",
            &json!({"spec": {"replicas": 2, "minReadySeconds": 1, "revisionHistoryLimit": 3}}),
        );
        let file = place.file("theirs.yaml", &theirs.to_string())?;
        place.kubectl(&["apply", "--filename", &file])?;
        let uid = place.part("deployment/web", "/metadata/uid")?;
        let ours = workload("Deployment", "web", &json!({"spec": {"replicas": 1}}));
        place.write(&[("web", &[ours])])?;
        place.deploy(&["--adopt", "Deployment/web"])?;
        let object = place.object("deployment/web")?.unwrap_or_default();
        ensure!(object["metadata"]["uid"] == uid, "it was made anew");
        ensure!(object["spec"]["replicas"] == 1, "replicas: {}", object["spec"]["replicas"]);
        ensure!(object["spec"]["minReadySeconds"].is_null(), "what left the manifest is still there");
        let applied = &object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
        ensure!(applied.is_null(), "kubectl would still take it for its own: {applied}");
        let managers = managers(place, "deployment/web")?;
        ensure!(!managers.iter().any(|manager| manager == "kubectl-client-side-apply"), "{managers:?}");
        place.finds_nothing_to_do()
    });
}
