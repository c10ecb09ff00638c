//! What `wesago diff` says a deploy would do, held against what the deploy then does; and that it writes
//! nothing and shows no secret.

use serde_json::{Value, json};

use crate::place::{IMAGE, Place, changes, idle_pod, map, story, told_of, workload};
use crate::sandbox::seen::{Seen, ensure};

/// A password that no output may hold, before and after.
const PASSWORDS: [&str; 2] = ["correct-horse-battery", "staple-of-another-kind"];

fn stages(edition: &str, password: &str) -> Vec<(&'static str, Vec<Value>)> {
    let settings = map("settings", &json!({"edition": edition, "unread": edition, "same": "1"}));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "stringData": {"PASSWORD": password},
    });
    let mut pod = idle_pod();
    pod["restartPolicy"] = "Never".into();
    pod["containers"][0]["command"] = json!(["true"]);
    pod["containers"][0]["env"] = json!([{"name": "EDITION", "value": edition}]);
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"template": {"spec": pod}},
    });
    let reader = |name: &str, from: &Value| {
        let mut deployment =
            workload("Deployment", name, &json!({"spec": {"strategy": {"type": "Recreate"}}}));
        deployment["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "READ", "valueFrom": from}]);
        deployment
    };
    let reads_settings =
        reader("reads-settings", &json!({"configMapKeyRef": {"name": "settings", "key": "edition"}}));
    let reads_secret = reader("reads-secret", &json!({"secretKeyRef": {"name": "web", "key": "PASSWORD"}}));
    let reads_neither =
        reader("reads-neither", &json!({"configMapKeyRef": {"name": "settings", "key": "same"}}));
    let of_edition = map(&format!("only-{edition}"), &json!({"a": "1"}));
    vec![
        ("settings", vec![settings, secret, of_edition]),
        ("migrate", vec![job]),
        ("web", vec![reads_settings, reads_secret, reads_neither]),
    ]
}

fn write(place: &Place, edition: &str, password: &str) -> Seen {
    let stages = stages(edition, password);
    let stages: Vec<(&str, &[Value])> =
        stages.iter().map(|(name, objects)| (*name, objects.as_slice())).collect();
    place.write(&stages)
}

/// Returns the uid of the one pod of a Deployment.
fn pod(place: &Place, of: &str) -> Seen<String> {
    let words =
        ["get", "pods", "--selector", &format!("app={of}"), "--output", "jsonpath={.items[*].metadata.uid}"];
    place.kubectl(&words)
}

/// Returns what a document of the diff says of an object.
fn about<'a>(said: &'a Value, name: &str) -> Seen<&'a Value> {
    let objects = said["objects"].as_array().ok_or_else(|| format!("no objects in {said}"))?;
    let is_it = |told: &&Value| {
        format!(
            "{}/{}",
            told["object"]["kind"].as_str().unwrap_or_default(),
            told["object"]["name"].as_str().unwrap_or_default()
        ) == name
    };
    objects.iter().find(is_it).ok_or_else(|| format!("nothing about {name} in {said:#}"))
}

#[test]
fn a_diff_says_what_the_deploy_then_does() {
    story("foresight", |place| {
        write(place, "e1", PASSWORDS[0])?;
        place.deploy(&[])?;
        let nothing = place.wesago(&["diff"], 0)?.stdout;
        ensure!(nothing.contains("a deploy would change nothing"), "{nothing}");

        write(place, "e2", PASSWORDS[1])?;
        let (text, requests) = place.watched(|| place.wesago(&["diff"], 7).map(|ended| ended.stdout))?;
        let written: Vec<String> = changes(&requests).map(told_of).collect();
        ensure!(written.is_empty(), "the diff wrote {written:?}");
        ensure!(requests.iter().any(|request| request.is_dry_run), "nothing was asked by dry run");
        for wanted in [
            "1 to delete, 1 to recreate, 1 to create",
            r#".data.edition: "e1" → "e2""#,
            "<hidden ",
            "+ ConfigMap/only-e2 created",
            "- ConfigMap/only-e1 deleted",
            "± Job/migrate recreated",
            "runs again: ",
            "its pods roll: ConfigMap/settings changes in `edition`",
            "its pods roll: Secret/web changes in `PASSWORD`",
        ] {
            ensure!(text.contains(wanted), "no `{wanted}` in {text}");
        }
        ensure!(!text.contains("reads-neither"), "what nobody changes is told: {text}");

        let markdown = place.wesago(&["diff", "--output", "markdown"], 7)?.stdout;
        for wanted in
            ["<details><summary><code>ConfigMap/settings</code> configured", "```diff", "- \"e1\"\n+ \"e2\""]
        {
            ensure!(markdown.contains(wanted), "no `{wanted}` in {markdown}");
        }
        let said = place.document(&["diff"], 7)?;
        ensure!(said["changes"] == true, "{said}");
        let why = about(&said, "Job/migrate")?["why"].to_string();
        ensure!(why.contains("EDITION") || why.contains("template"), "the Job runs again because of {why}");

        let pods = || -> Seen<Vec<String>> {
            ["reads-settings", "reads-secret", "reads-neither"].iter().map(|name| pod(place, name)).collect()
        };
        let before = pods()?;
        let ran = place.part("job/migrate", "/metadata/uid")?;
        let told = place.deploy(&[])?;
        let after = pods()?;
        let rolled: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
        ensure!(rolled == [true, true, false], "rolled: {rolled:?}, from {before:?} to {after:?}");
        ensure!(place.part("job/migrate", "/metadata/uid")? != ran, "the Job did not run again");
        ensure!(place.object("configmap/only-e1")?.is_none(), "what left the plan is still there");
        for output in [&text, &markdown, &said.to_string(), &told] {
            for password in PASSWORDS {
                ensure!(!output.contains(password), "a secret value is in {output}");
            }
        }
        Ok(())
    });
}

#[test]
fn the_first_deploy_is_foreseen_too() {
    story("first", |place| {
        write(place, "e1", PASSWORDS[0])?;
        let (said, requests) = place.watched(|| place.document(&["diff"], 7))?;
        ensure!(changes(&requests).next().is_none(), "the diff wrote");
        for name in ["ConfigMap/settings", "Secret/web", "Job/migrate", "Deployment/reads-secret"] {
            let prospect = &about(&said, name)?["prospect"];
            ensure!(prospect == "create", "{name}: {prospect}");
        }
        ensure!(!said.to_string().contains(PASSWORDS[0]), "a secret value is in {said}");
        // A manifest that the server refuses is found before anything is written.
        let mut wrong = workload("Deployment", "wrong", &json!({}));
        wrong["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE.into();
        wrong["spec"]["template"]["metadata"]["labels"] = json!({"app": "another"});
        place.write(&[("web", &[wrong])])?;
        let said = place.document(&["diff"], 7)?;
        let told = about(&said, "Deployment/wrong")?;
        ensure!(told["prospect"] == "fail" && told["why"].to_string().contains("selector"), "{told}");
        Ok(())
    });
}
