//! The proof that there is nothing to write, and that nothing anybody does to a field of ours escapes it.

use serde_json::{Value, json};

use crate::place::{Place, changes, map, story, told_of};
use crate::sandbox::seen::{Seen, ensure};

/// Requests of a deploy that finds nothing to do.
const IDLE: usize = 12;

fn maps() -> [Value; 2] {
    [map("settings", &json!({"colour": "blue", "size": "1"})), map("other", &json!({"a": "1"}))]
}

/// Plays what somebody does to `configmap/settings`, then looks at what the next deploy writes.
fn after(plan: &str, deed: impl FnOnce(&Place) -> Seen, then: impl FnOnce(&Place) -> Seen) {
    story(plan, |place| {
        place.write(&[("maps", &maps())])?;
        place.deploy(&[])?;
        place.finds_nothing_to_do()?;
        deed(place)?;
        then(place)
    });
}

/// The next deploy writes the object that was touched and no other, and then there is nothing to do.
fn is_mended(place: &Place) -> Seen {
    place.wesago(&["diff"], 7)?;
    let (told, requests) = place.watched(|| place.deploy(&[]))?;
    ensure!(!told.contains("nothing to do"), "{told}");
    let written: Vec<String> = changes(&requests).map(told_of).collect();
    ensure!(written.iter().any(|write| write.ends_with("configmaps/settings")), "{written:?}");
    ensure!(!written.iter().any(|write| write.ends_with("configmaps/other")), "{written:?}");
    let data = place.part("configmap/settings", "/data")?;
    ensure!(data == json!({"colour": "blue", "size": "1"}), "{data}");
    place.finds_nothing_to_do()
}

/// The next deploy says whose the field is and takes nothing, until it is told to.
fn is_refused(place: &Place, manager: &str) -> Seen {
    let said = place.wesago(&["diff"], 7)?.stdout;
    ensure!(said.contains(manager) && said.contains(".data.colour"), "the diff says {said}");
    let ended = place.wesago(&["deploy", "--yes"], 5)?;
    for wanted in [manager, ".data.colour", "--take"] {
        ensure!(ended.stdout.contains(wanted), "no `{wanted}` in {}{}", ended.stdout, ended.stderr);
    }
    ensure!(place.part("configmap/settings", "/data/colour")? == "red", "the field was taken");
    place.deploy(&["--take", "ConfigMap/settings:.data.colour"])?;
    ensure!(place.part("configmap/settings", "/data/colour")? == "blue", "the field was not taken");
    place.finds_nothing_to_do()
}

#[test]
fn a_changed_field_is_noticed() {
    let deed =
        |place: &Place| place.patch("configmap/settings", &json!({"data": {"colour": "red"}}), "painter");
    after("changed", deed, |place| is_refused(place, "painter"));
}

#[test]
fn a_removed_field_is_noticed() {
    let deed =
        |place: &Place| place.patch("configmap/settings", &json!({"data": {"colour": null}}), "painter");
    after("removed", deed, is_mended);
}

#[test]
fn a_field_taken_by_another_applier_is_noticed() {
    let deed = |place: &Place| apply(place, "red");
    after("taken", deed, |place| is_refused(place, "another"));
}

#[test]
fn a_field_shared_with_another_applier_is_still_ours() {
    after("shared", |place| apply(place, "blue"), Place::finds_nothing_to_do);
}

#[test]
fn a_field_that_was_put_back_is_noticed() {
    let deed = |place: &Place| {
        place.patch("configmap/settings", &json!({"data": {"colour": "red"}}), "painter")?;
        place.patch("configmap/settings", &json!({"data": {"colour": "blue"}}), "painter")
    };
    after("put-back", deed, is_mended);
}

#[test]
fn another_life_of_an_object_is_noticed() {
    let deed = |place: &Place| {
        let words = ["get", "configmap", "settings", "--output", "json"];
        let mut same: Value =
            serde_json::from_str(&place.kubectl(&words)?).map_err(|error| error.to_string())?;
        place.kubectl(&["delete", "configmap", "settings"])?;
        if let Some(metadata) = same["metadata"].as_object_mut() {
            metadata.retain(|key, _| key == "name" || key == "labels");
        }
        let file = place.file("same.yaml", &same.to_string())?;
        place.kubectl(&["create", "--filename", &file]).map(|_| ())
    };
    after("another-life", deed, is_mended);
}

#[test]
fn a_deleted_object_is_made_again() {
    let deed = |place: &Place| place.kubectl(&["delete", "configmap", "settings"]).map(|_| ());
    after("deleted", deed, is_mended);
}

#[test]
fn what_somebody_adds_beside_ours_is_none_of_our_business() {
    let deed = |place: &Place| place.patch("configmap/settings", &json!({"data": {"more": "1"}}), "painter");
    after("added", deed, |place| {
        place.finds_nothing_to_do()?;
        ensure!(place.part("configmap/settings", "/data/more")? == "1", "it was removed");
        Ok(())
    });
}

#[test]
fn nothing_to_do_costs_as_little_for_many_objects() {
    story("many", |place| {
        let many: Vec<Value> = (0..500).map(|at| map(&format!("m{at}"), &json!({"a": "1"}))).collect();
        for objects in [&many[..18], &many] {
            place.write(&[("maps", objects)])?;
            place.deploy(&[])?;
            let (told, requests) = place.watched(|| place.deploy(&[]))?;
            let count = objects.len();
            ensure!(told.contains("nothing to do"), "{count} objects: {told}");
            let asked: Vec<String> = requests.iter().map(told_of).collect();
            ensure!(asked.len() <= IDLE, "{count} objects: {asked:?}");
            ensure!(changes(&requests).count() == 0, "{count} objects: {asked:?}");
        }
        Ok(())
    });
}

/// Applies a colour as another program that applies, and takes the field.
fn apply(place: &Place, colour: &str) -> Seen {
    let file = place.file("another.yaml", &map("settings", &json!({"colour": colour})).to_string())?;
    let words =
        ["apply", "--server-side", "--force-conflicts", "--field-manager", "another", "--filename", &file];
    place.kubectl(&words).map(|_| ())
}
