//! `wesago status`: each field that somebody else changed, as it is told and as it is watched.

use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{map, story, workload};
use crate::sandbox::process;
use crate::sandbox::seen::{Stopwatch, ensure};

/// From the change of a field to the line that tells of it, with what a busy machine adds.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Returns what a status tells of an object, such as `Deployment/web`.
fn about<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let objects = status["objects"].as_array();
    objects.into_iter().flatten().find(|row| row["object"]["kind"] == kind).unwrap_or(&Value::Null)
}

#[test]
fn every_foreign_change_is_named() {
    story("drift", |place| {
        let web = workload("Deployment", "web", &json!({"spec": {"replicas": 1}}));
        place.write(&[("all", &[map("settings", &json!({"colour": "blue", "size": "1"})), web])])?;
        place.deploy(&[])?;
        let calm = place.document(&["status"], 0)?;
        ensure!(calm["ready"] == true && calm["drifted"] == false, "{calm:#}");

        place.patch("configmap/settings", &json!({"data": {"colour": "red"}}), "painter")?;
        place.patch("configmap/settings", &json!({"data": {"size": null}}), "painter")?;
        place.patch("deployment/web", &json!({"spec": {"replicas": 2}}), "scaler")?;
        let status = place.document(&["status"], 7)?;
        ensure!(status["drifted"] == true, "{status:#}");
        let fields = about(&status, "ConfigMap")["since"]["fields"].clone();
        let told = |at: usize| {
            let [field, ours, theirs, manager] =
                ["field", "ours", "theirs", "manager"].map(|key| fields[at][key].clone());
            json!([field, ours, theirs, manager])
        };
        ensure!(told(0) == json!([".data.colour", "blue", "red", "painter"]), "{fields:#}");
        ensure!(told(1) == json!([".data.size", "1", null, null]), "{fields:#}");
        ensure!(fields[0]["time"].is_string(), "{fields:#}");
        let replicas = about(&status, "Deployment")["since"]["fields"][0].clone();
        ensure!(replicas["field"] == ".spec.replicas" && replicas["manager"] == "scaler", "{replicas:#}");

        let text = place.wesago(&["status"], 7)?.stdout;
        for wanted in [
            r#".data.colour: ours "blue", theirs "red", by painter "#,
            "ours \"1\", theirs gone",
            "touched by somebody else",
        ] {
            ensure!(text.contains(wanted), "no `{wanted}` in {text}");
        }
        Ok(())
    });
}

#[test]
fn a_watched_status_tells_of_a_change_as_it_comes() {
    story("watched", |place| {
        place.write(&[("all", &[map("settings", &json!({"colour": "blue"}))])])?;
        place.deploy(&[])?;
        let words = ["status", "--watch", "--output", "json"];
        let mut changed: Option<Stopwatch> = None;
        let mut told = None;
        let ended = process::run_by_lines(&mut place.command(&words), |line, child| {
            let status: Value = serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))?;
            match (&changed, status["drifted"] == true) {
                (None, false) => {
                    changed = Some(Stopwatch::start());
                    place.patch("configmap/settings", &json!({"data": {"colour": "red"}}), "painter")?;
                }
                (Some(watch), true) if told.is_none() => {
                    told = Some((watch.elapsed(), status));
                    process::signal(child.id(), "INT")?;
                }
                _ => {}
            }
            Ok(())
        })?;
        ended.with_code(&words, 130)?;
        let (after, status) = told.ok_or("the change was never told")?;
        ensure!(after <= TOLD_WITHIN, "told only after {after:?}");
        let field = &about(&status, "ConfigMap")["since"]["fields"][0];
        ensure!(field["theirs"] == "red" && field["manager"] == "painter", "{status:#}");
        Ok(())
    });
}
