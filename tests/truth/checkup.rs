//! What a deploy finds out by failing, `wesago doctor` says beforehand: the same plans in the same places,
//! and nothing is written.

use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::failures;
use crate::objects::{DEBIAN, IDLE, web};
use crate::sandbox::command::kubectl_in;
use crate::sandbox::process;
use crate::sandbox::seen::{Seen, ensure};
use crate::trial::Scene;
use crate::world::world;

/// Which failures can be known beforehand, what their place is called here, and by which check.
const KNOWABLE: [(&str, &str, &str); 15] = [
    ("secret-missing", "doctor-secret", "reference"),
    ("configmap-missing", "doctor-configmap", "reference"),
    ("key-missing", "doctor-key", "reference"),
    ("volume-missing", "doctor-volume", "reference"),
    ("claim-missing", "doctor-claim", "reference"),
    ("account-missing", "doctor-account", "reference"),
    ("class-missing", "doctor-class", "storage"),
    ("quota", "doctor-quota", "quota"),
    ("quota-object", "doctor-quota-object", "quota"),
    ("pod-security", "doctor-pod-security", "pod-security"),
    ("cpu", "doctor-cpu", "capacity"),
    ("memory", "doctor-memory", "capacity"),
    ("selector", "doctor-selector", "capacity"),
    ("affinity", "doctor-affinity", "capacity"),
    ("kind-missing", "doctor-kind", "api-version"),
];

/// Returns all of them as tests.
pub(crate) fn all() -> impl Iterator<Item = Trial> {
    let failing = KNOWABLE.into_iter().map(|(failure, name, check)| {
        Trial::test(format!("doctor::{failure}"), move || {
            let found = failures::named(failure).ok_or_else(|| format!("no failure is called {failure}"))?;
            let (scene, culprit) = found.elsewhere(name);
            Ok(is_foreseen(&scene, culprit, check)?)
        })
    });
    let healthy = Trial::test("doctor::healthy", || {
        let ports = "ports: [{ name: http, containerPort: 8000 }]";
        let service = "---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { selector: { app: web }, ports: [{ port: 80, targetPort: http }] }\n";
        let requests = "resources: { requests: { cpu: 1m, memory: 1Mi } }";
        let objects = format!("{}{service}", web(&[], &[DEBIAN, IDLE, ports, requests]));
        Ok(nothing_is_wrong(&Scene::new("doctor-healthy", objects))?)
    });
    failing.chain([healthy])
}

/// Runs the doctor and returns its exit code and its document.
fn doctor(scene: &Scene) -> Seen<(Option<i32>, Value)> {
    let arguments = ["doctor", "--plan", "plan.yaml", "--context", "sandbox", "--output", "json"];
    let mut program = Command::new(env!("CARGO_BIN_EXE_wesago"));
    program.args(arguments).current_dir(scene.folder());
    let ended = process::run(&mut program, |_, _| Ok(()))?;
    let document = serde_json::from_str(&ended.stdout)
        .map_err(|error| format!("{error}: {}\n{}", ended.stdout, ended.stderr))?;
    Ok((ended.code, document))
}

/// Holds the doctor's word against a plan that is known to fail; a deploy must not even begin.
fn is_foreseen(scene: &Scene, culprit: &str, check: &str) -> Seen {
    let world = world()?;
    let result = scene.set_up(world).and_then(|()| {
        let (code, document) = doctor(scene)?;
        let findings = document["findings"].as_array().cloned().unwrap_or_default();
        let errors: Vec<&Value> = findings.iter().filter(|finding| finding["level"] == "error").collect();
        let found = errors.iter().find(|error| error["check"] == check);
        ensure!(code == Some(3), "it ended with {code:?}: {document:#}");
        let found = found.ok_or_else(|| format!("no error of {check}: {document:#}"))?;
        if let Some(place) = found["place"].as_str() {
            let wanted = scene.place_of(culprit);
            ensure!(wanted.as_deref() == Some(place), "it is said to be in {place}, not in {wanted:?}");
        }
        ensure!(errors.len() == 1, "more is wrong than there is: {document:#}");
        let run = scene.deploy_checked()?;
        ensure!(run == Some(3), "a deploy ended with {run:?}");
        let made =
            ["get", "deployments,services,persistentvolumeclaims,leases,configmaps", "--output", "name"];
        let left = kubectl_in(&scene.namespace(), &made)?;
        let ours: Vec<&str> = left.lines().filter(|name| !name.ends_with("/kube-root-ca.crt")).collect();
        ensure!(ours.is_empty(), "something was written: {ours:?}");
        Ok(())
    });
    result.and(scene.clear())
}

/// Holds the doctor's word against a plan that works.
fn nothing_is_wrong(scene: &Scene) -> Seen {
    let world = world()?;
    let result = scene.set_up(world).and_then(|()| {
        let (code, document) = doctor(scene)?;
        ensure!(code == Some(0), "it ended with {code:?}: {document:#}");
        ensure!(document["findings"] == serde_json::json!([]), "a false alarm: {document:#}");
        let remarks = document["remarks"].to_string();
        ensure!(remarks.contains("the server is Kubernetes v1."), "it does not know the server: {remarks}");
        Ok(())
    });
    result.and(scene.clear())
}
