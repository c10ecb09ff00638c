//! The set of what a plan owns, as kubectl reads it, and what is not taken for a part of it.

use serde_json::{Value, json};
use wesago::inventory::Inventory;

use crate::place::{Place, changes, kubectl_with_sets, map, story, told_of};
use crate::sandbox::seen::{Seen, ensure};

/// The label that a parent carries its id in (KEP-3659).
const ID: &str = "/metadata/labels/applyset.kubernetes.io~1id";
/// The label that a member carries its set's id in.
const PART_OF: &str = "applyset.kubernetes.io/part-of";

fn two() -> [Value; 2] {
    [map("first", &json!({"a": "1"})), map("second", &json!({"a": "1"}))]
}

#[test]
fn kubectl_reads_the_set() {
    story("set", |place| {
        place.write(&[("maps", &two())])?;
        place.deploy(&[])?;
        let parent = format!("configmap/wesago-{}", place.plan);
        let id = place.part(&parent, ID)?;
        let id = id.as_str().unwrap_or_default();
        let members = place.names("configmaps", &format!("{PART_OF}={id}"))?;
        ensure!(members == ["configmap/first", "configmap/second"], "members of {id}: {members:?}");
        let kinds =
            place.part(&parent, "/metadata/annotations/applyset.kubernetes.io~1contains-group-kinds")?;
        ensure!(kinds == "ConfigMap", "it says that it contains {kinds}");
        // kubectl finds the parent, reads it as a set, and will not prune what another tool manages.
        let file = place.file("first.yaml", &two()[0].to_string())?;
        let words = ["apply", "--prune", "--applyset", &parent, "--filename", &file];
        let (done, said) = kubectl_with_sets(place, &words)?;
        ensure!(
            !done && said.contains(r#"managed by tooling "wesago""#),
            "kubectl does not know whose it is: {said}"
        );
        ensure!(place.object("configmap/second")?.is_some(), "kubectl pruned: {said}");
        Ok(())
    });
}

#[test]
fn the_set_of_another_tool_is_left_alone() {
    story("foreign-set", |place| {
        let parent = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": format!("wesago-{}", place.plan),
                // Of a parent that it has not made itself kubectl wants to read so much.
                "labels": {"applyset.kubernetes.io/id": Inventory::new(&place.plan, &place.namespace).id()},
                "annotations": {
                    "applyset.kubernetes.io/tooling": "kubectl/v1.34.0",
                    "applyset.kubernetes.io/contains-group-kinds": "",
                },
            },
        });
        let parent = place.file("parent.yaml", &parent.to_string())?;
        place.kubectl(&["create", "--filename", &parent])?;
        let name = format!("configmap/wesago-{}", place.plan);
        let file = place.file("theirs.yaml", &map("theirs", &json!({"a": "1"})).to_string())?;
        let words = ["apply", "--prune", "--applyset", &name, "--filename", &file];
        let (done, said) = kubectl_with_sets(place, &words)?;
        ensure!(done, "kubectl makes no set of it: {said}");
        place.write(&[("maps", &two())])?;
        let (ended, requests) = place.watched(|| place.wesago(&["deploy", "--yes"], 4))?;
        ensure!(ended.stderr.contains("kubectl/"), "it does not say whose: {}", ended.stderr);
        let written: Vec<String> = changes(&requests).map(told_of).collect();
        ensure!(written.is_empty(), "{written:?}");
        Ok(())
    });
}

#[test]
fn what_somebody_else_made_is_taken_over_only_by_name() {
    story("strangers", |place| {
        let theirs = map("first", &json!({"a": "theirs", "old": "1"}));
        let file = place.file("theirs.yaml", &theirs.to_string())?;
        place.kubectl(&["apply", "--filename", &file])?;
        // A member of a set that is not this plan's, and one that says it is of this plan.
        place.kubectl(&["create", "configmap", "second", "--from-literal", "a=1"])?;
        place.kubectl(&["label", "configmap", "second", &format!("{PART_OF}=applyset-of-another-v1")])?;
        place.write(&[("maps", &two())])?;
        let (ended, requests) = place.watched(|| place.wesago(&["deploy", "--yes"], 4))?;
        for wanted in
            ["ConfigMap/first is there", "kubectl-client-side-apply", "applyset-of-another-v1", "--adopt"]
        {
            ensure!(ended.stderr.contains(wanted), "no `{wanted}` in {}", ended.stderr);
        }
        let written: Vec<String> = changes(&requests).map(told_of).collect();
        ensure!(written.is_empty(), "{written:?}");

        let ended = place.wesago(&["deploy", "--yes", "--adopt", "ConfigMap/first"], 4)?;
        ensure!(!ended.stderr.contains("ConfigMap/first is there"), "{}", ended.stderr);
        ensure!(place.part("configmap/first", "/data/a")? == "theirs", "half of it was taken");

        place.deploy(&["--adopt", "ConfigMap/first", "--adopt", "ConfigMap/second"])?;
        let data = place.part("configmap/first", "/data")?;
        ensure!(
            data == json!({"a": "1"}),
            "what kubectl applied and the plan has not is still there: {data}"
        );
        ensure!(
            managers(place, "configmap/first")? == ["wesago"],
            "{:?}",
            managers(place, "configmap/first")?
        );
        place.finds_nothing_to_do()
    });
}

#[test]
fn a_member_that_no_deploy_wrote_is_not_written_and_not_pruned() {
    story("unknown-member", |place| {
        place.write(&[("maps", &two()[..1])])?;
        place.deploy(&[])?;
        let id = place.part(&format!("configmap/wesago-{}", place.plan), ID)?;
        place.kubectl(&["create", "configmap", "second", "--from-literal", "a=theirs"])?;
        let label = format!("{PART_OF}={}", id.as_str().unwrap_or_default());
        place.kubectl(&["label", "configmap", "second", &label])?;
        // It is not in the plan: nobody but the label says that it is ours.
        place.wesago(&["deploy", "--yes"], 0)?;
        ensure!(place.part("configmap/second", "/data/a")? == "theirs", "it was written");
        // It is in the plan.
        place.write(&[("maps", &two())])?;
        let refused = place.wesago(&["deploy", "--yes"], 4)?;
        ensure!(refused.stderr.contains("ConfigMap/second is there"), "{}", refused.stderr);
        place.deploy(&["--adopt", "ConfigMap/second"])?;
        ensure!(place.part("configmap/second", "/data/a")? == "1", "it was not taken over");
        place.finds_nothing_to_do()
    });
}

/// Returns who owns fields of an object.
pub(crate) fn managers(place: &Place, name: &str) -> Seen<Vec<String>> {
    let entries = place.part(name, "/metadata/managedFields")?;
    let entries = entries.as_array().cloned().unwrap_or_default();
    let own = entries.iter().filter(|entry| entry["subresource"].is_null());
    Ok(own.filter_map(|entry| entry["manager"].as_str().map(str::to_owned)).collect())
}
