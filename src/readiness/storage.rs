//! PersistentVolumeClaim and PersistentVolume.

use std::time::Duration;

use super::facts::Subject;
use super::{Assessment, StorageClass};
use crate::object::condition::one_line;

/// How long a claim may name a class that is not there: a volume made by hand binds without the class.
const NO_CLASS_GRACE: Duration = Duration::from_secs(30);

/// How long a claim is taken to bind at once when we may not read its class.
const UNREADABLE_CLASS_GRACE: Duration = Duration::from_secs(10);

/// The annotation that named the class before `storageClassName` did; still honoured by the server.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Returns the answer for a claim. `WaitForFirstConsumer` (API docs, StorageClass): it stays Pending until a
/// pod mounts it, so Pending is all it can be, and waiting for more would wait for ever.
pub(super) fn claim(subject: &Subject<'_>) -> Assessment {
    match subject.object.text("/status/phase") {
        "Bound" => Assessment::current_with(resizing(subject)),
        "Lost" => Assessment::failed(format!(
            "its volume {} is gone, and the data with it",
            named_or(subject.object.text("/spec/volumeName"), "(unnamed)")
        )),
        _ => pending(subject),
    }
}

fn pending(subject: &Subject<'_>) -> Assessment {
    let volume = subject.object.text("/spec/volumeName");
    if !volume.is_empty() {
        return Assessment::in_progress(format!("waiting to be bound to volume {volume}"));
    }
    let Some(classes) = &subject.surroundings.storage_classes else { return unreadable_class(subject) };
    match class_name(subject) {
        Some("") => {
            Assessment::in_progress("waiting for a volume made by hand: it asks for no storage class")
        }
        Some(name) => match classes.get(name) {
            Some(class) => by_class(*class, name),
            None => without_class(subject, &format!("there is no storage class {name}")),
        },
        None => match classes
            .iter()
            .filter(|(_, class)| class.is_default)
            .min_by_key(|(_, class)| !class.binds_late)
        {
            Some((name, class)) => by_class(*class, name),
            None => without_class(subject, "it names no storage class and the cluster has no default one"),
        },
    }
}

/// Returns the class asked for: `Some("")` means none on purpose, `None` the cluster's default.
fn class_name<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    subject
        .object
        .annotation(CLASS_ANNOTATION)
        .or_else(|| subject.object.get("/spec/storageClassName").and_then(serde_json::Value::as_str))
}

fn by_class(class: StorageClass, name: &str) -> Assessment {
    if class.binds_late {
        Assessment::noted("gets its volume with its first pod")
    } else {
        Assessment::in_progress(format!("waiting for a volume of storage class {name}"))
    }
}

fn without_class(subject: &Subject<'_>, reason: &str) -> Assessment {
    match subject.grace_since_apply(NO_CLASS_GRACE) {
        Some(left) => Assessment::in_progress(reason).again_in(left),
        None => Assessment::failed(reason),
    }
}

/// Returns the answer when StorageClasses may not be read. Whether the claim can bind is told by the pod
/// that mounts it; waiting for it here would wait for ever wherever classes bind late.
fn unreadable_class(subject: &Subject<'_>) -> Assessment {
    let why = "storage classes may not be read";
    match subject.grace_since_apply(UNREADABLE_CLASS_GRACE) {
        Some(left) => Assessment::in_progress(format!("waiting for a volume ({why})")).again_in(left),
        None => {
            Assessment::noted(format!("still pending: taken to get its volume with its first pod ({why})"))
        }
    }
}

fn resizing(subject: &Subject<'_>) -> Option<String> {
    if subject.condition_true("FileSystemResizePending").is_some() {
        return Some("its file system grows when a pod mounts it again".into());
    }
    subject.condition_true("Resizing").map(|_| "its volume is being resized".into())
}

/// Returns the answer for a volume, by phase (API docs, PersistentVolume).
pub(super) fn volume(subject: &Subject<'_>) -> Assessment {
    match subject.object.text("/status/phase") {
        "Available" | "Bound" => Assessment::current(),
        "Released" => Assessment::noted("released: it binds to no other claim until its claimRef is cleared"),
        "Failed" => Assessment::failed(format!(
            "it could not be reclaimed: {}",
            named_or(&one_line(subject.object.text("/status/message")), "the server does not say why")
        )),
        _ => Assessment::in_progress("not available yet"),
    }
}

fn named_or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::Surroundings;
    use super::super::fixtures::{Case, object};
    use super::*;

    fn claim(body: Value) -> Case {
        Case::new(object("v1", "PersistentVolumeClaim", body))
    }

    fn pending(class: &Value) -> Case {
        claim(json!({"spec": {"storageClassName": class}, "status": {"phase": "Pending"}}))
    }

    fn classes(list: &[(&str, bool, bool)]) -> Surroundings {
        let classes: BTreeMap<_, _> = list
            .iter()
            .map(|(name, binds_late, is_default)| {
                ((*name).to_owned(), StorageClass { binds_late: *binds_late, is_default: *is_default })
            })
            .collect();
        Surroundings { storage_classes: Some(classes), ..Surroundings::default() }
    }

    #[test]
    fn phases_speak_for_themselves() {
        claim(json!({"status": {"phase": "Bound"}})).is("current");
        claim(json!({"status": {"phase": "Bound",
            "conditions": [{"type": "FileSystemResizePending", "status": "True"}]}}))
        .is("current: its file system grows when a pod mounts it again");
        claim(json!({"spec": {"volumeName": "pv-1"}, "status": {"phase": "Lost"}}))
            .is("failed: its volume pv-1 is gone, and the data with it");
    }

    #[test]
    fn a_class_that_binds_late_is_not_waited_for() {
        let known = || classes(&[("local-path", true, true), ("fast", false, false)]);
        let late = "current: gets its volume with its first pod";
        pending(&json!("local-path")).within(known()).is(late);
        pending(&Value::Null).within(known()).is(late);
        pending(&json!("fast")).within(known()).is("in progress: waiting for a volume of storage class fast");
    }

    #[test]
    fn a_claim_bound_by_name_is_waited_for_even_where_classes_bind_late() {
        claim(json!({"spec": {"storageClassName": "local-path", "volumeName": "pv-1"}}))
            .within(classes(&[("local-path", true, true)]))
            .is("in progress: waiting to be bound to volume pv-1");
    }

    #[test]
    fn a_class_that_is_not_there_fails_after_a_grace() {
        let missing = || pending(&json!("fats")).within(classes(&[("fast", false, false)]));
        missing().after(10).is_for("in progress: there is no storage class fats", Duration::from_secs(20));
        missing().after(30).is("failed: there is no storage class fats");
        pending(&Value::Null)
            .within(classes(&[]))
            .after(31)
            .is("failed: it names no storage class and the cluster has no default one");
    }

    #[test]
    fn an_empty_class_waits_for_a_volume_made_by_hand() {
        pending(&json!(""))
            .within(classes(&[("fast", false, true)]))
            .after(900)
            .is("in progress: waiting for a volume made by hand: it asks for no storage class");
    }

    #[test]
    fn classes_that_may_not_be_read_do_not_block_for_ever() {
        pending(&json!("local-path")).after(4).is_for(
            "in progress: waiting for a volume (storage classes may not be read)",
            Duration::from_secs(6),
        );
        pending(&json!("local-path")).after(10).is(
            "current: still pending: taken to get its volume with its first pod (storage classes may not be read)",
        );
    }

    #[test]
    fn a_volume_is_judged_by_phase() {
        let volume = |phase: &str| {
            Case::new(object(
                "v1",
                "PersistentVolume",
                json!({"status": {"phase": phase, "message": "disk is busy"}}),
            ))
        };
        volume("Available").is("current");
        volume("Pending").is("in progress: not available yet");
        volume("Released").is("current: released: it binds to no other claim until its claimRef is cleared");
        volume("Failed").is("failed: it could not be reclaimed: disk is busy");
    }
}
