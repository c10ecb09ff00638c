//! What goes when it has left the plan or the plan is torn down, in which order, and what stays.

use std::time::Duration;

use serde_json::{Value, json};
use wesago::event::EventKind;

use crate::place::{Place, map, story, workload};
use crate::sandbox::process;
use crate::sandbox::seen::{Seen, ensure};

/// A finalizer that nobody serves.
const HOLD: &str = "example.org/hold";
/// From the deletion of an object to the explanation of why it is still there, with what a busy machine adds.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(20);

fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    })
}

/// Returns the objects that were deleted by the program, in that order.
fn deleted(place: &Place, work: impl FnOnce() -> Seen) -> Seen<Vec<String>> {
    let ((), mut requests) = place.watched(work)?;
    requests.retain(|request| request.verb == "delete" && request.resource != "leases");
    requests.sort_by_key(|request| request.received);
    Ok(requests.into_iter().map(|request| request.name).collect())
}

#[test]
fn what_left_the_plan_goes_in_reverse_order_and_volumes_stay() {
    story("prune", |place| {
        let rest = map("rest", &json!({"a": "1"}));
        let maps = ["one", "two", "three"].map(|name| map(name, &json!({"a": "1"})));
        let one = [maps[0].clone(), claim()];
        let (two, three) = ([maps[1].clone()], [maps[2].clone()]);
        let rest = std::slice::from_ref(&rest);
        place.write(&[("rest", rest), ("a", &one), ("b", &two), ("c", &three)])?;
        place.deploy(&[])?;

        place.write(&[("rest", rest)])?;
        let stopped = place.wesago(&["deploy", "--yes", "--max-deletions", "2"], 3)?;
        for wanted in ["the deploy would delete 3 objects, and 2 may go", "`--max-deletions 3` lets them go"]
        {
            ensure!(stopped.stderr.contains(wanted), "no `{wanted}` in {}", stopped.stderr);
        }
        ensure!(place.object("configmap/three")?.is_some(), "it was deleted all the same");

        let order = deleted(place, || place.deploy(&[]).map(|_| ()))?;
        ensure!(order == ["three", "two", "one"], "deleted: {order:?}");
        ensure!(place.object("pvc/data")?.is_some(), "a volume went");
        place.finds_nothing_to_do()?;

        place.deploy(&["--delete-data"])?;
        ensure!(place.object("pvc/data")?.is_none(), "the volume stays for ever");
        // An empty plan says nothing about what should be there.
        place.write(&[("nothing", &[])])?;
        let order = deleted(place, || place.wesago(&["deploy", "--yes"], 0).map(|_| ()))?;
        ensure!(order.is_empty() && place.object("configmap/rest")?.is_some(), "deleted: {order:?}");
        Ok(())
    });
}

#[test]
fn a_teardown_says_what_stays_and_proves_that_the_rest_is_gone() {
    story("teardown", |place| {
        let web = workload("Deployment", "web", &json!({}));
        place.write(&[("data", &[claim(), map("settings", &json!({"a": "1"}))]), ("web", &[web])])?;
        place.deploy(&[])?;
        place.kubectl(&["create", "configmap", "theirs", "--from-literal", "a=1"])?;
        let mut told = String::new();
        let order = deleted(place, || {
            told = place.wesago(&["teardown", "--yes"], 0)?.stdout;
            Ok(())
        })?;
        ensure!(order == ["web", "settings"], "deleted: {order:?}");
        ensure!(told.contains("PersistentVolumeClaim/data") && told.contains("a volume of 1Mi"), "{told}");
        let left =
            place.names("deployments,replicasets,pods,configmaps", "applyset.kubernetes.io/part-of")?;
        ensure!(left.is_empty(), "left: {left:?}");
        ensure!(place.object("configmap/theirs")?.is_some(), "somebody else's object went");
        ensure!(place.object("pvc/data")?.is_some(), "the volume went");
        place.wesago(&["teardown", "--yes", "--delete-data"], 0)?;
        ensure!(place.object("pvc/data")?.is_none(), "the volume stays for ever");
        let parent = format!("configmap/wesago-{}", place.plan);
        ensure!(place.object(&parent)?.is_none(), "the inventory stays for ever");
        Ok(())
    });
}

#[test]
fn a_teardown_names_the_finalizer_that_holds_it_up() {
    story("held", |place| {
        place.write(&[("maps", &[map("settings", &json!({"a": "1"}))])])?;
        place.deploy(&[])?;
        place.patch("configmap/settings", &json!({"metadata": {"finalizers": [HOLD]}}), "somebody")?;
        let words = ["teardown", "--yes", "--output", "json"];
        let mut told = None;
        let ended = process::run(&mut place.command(&words), |event, _| {
            let text = serde_json::to_string(event).map_err(|error| error.to_string())?;
            let is_end = matches!(event.event, EventKind::RunFinished { .. });
            if told.is_none() && !is_end && text.contains(HOLD) {
                told = Some((Duration::from_millis(event.elapsed_ms), text));
                // What holds it lets go: the teardown has to notice by itself.
                place.patch("configmap/settings", &json!({"metadata": {"finalizers": null}}), "somebody")?;
            }
            Ok(())
        })?;
        let ended = ended.with_code(&words, 0)?;
        let (at, text) = told.ok_or_else(|| format!("never told why: {}", ended.stdout))?;
        ensure!(at <= EXPLAINED_WITHIN, "told only after {at:?}: {text}");
        ensure!(text.contains("nobody is known to serve it") || text.contains("no running pod"), "{text}");
        ensure!(place.object("configmap/settings")?.is_none(), "it is still there");
        Ok(())
    });
}
