//! What is done about a field that cannot be changed in place, kind by kind (readiness.md 3.4). Pure.

use serde_json::Value;

use crate::cluster::{Propagation, Refusal};
use crate::object::Object;

/// Longer names leave no room for what makes a trial name different.
const NAME_AT_MOST: usize = 40;

/// What is done about an immutable field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Delete this life of the object and make it anew.
    Anew(Propagation),
    /// Nothing is done: somebody has to decide, or to do it by hand.
    No {
        /// What to do instead.
        hint: String,
    },
}

/// Returns what is done when an object's immutable field was to be changed. `allowed` says that somebody
/// named the object on the command line.
pub(super) fn way(wanted: &Object, live: &Object, allowed: bool) -> Way {
    let name = wanted.reference();
    let opt_in = |costs: &str, propagation: Propagation| {
        if allowed {
            Way::Anew(propagation)
        } else {
            Way::No { hint: format!("`--recreate {name}` deletes it and makes it anew: {costs}") }
        }
    };
    match (wanted.group(), wanted.kind()) {
        // Made to run once and end: that is what it is for.
        ("batch", "Job") | ("", "Pod") => Way::Anew(Propagation::Foreground),
        // Nothing runs in them, and nothing is lost with them.
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding")
        | ("storage.k8s.io", "StorageClass")
        | ("scheduling.k8s.io", "PriorityClass")
        | ("discovery.k8s.io", "EndpointSlice") => Way::Anew(Propagation::Background),
        ("apps", "StatefulSet") if selects_the_same(wanted, live) => Way::Anew(Propagation::Orphan),
        // A cascading deletion of it is one of its volumes.
        ("apps", "StatefulSet") if takes_volumes(live) => Way::No {
            hint:
                "its selector cannot be changed, and its policy `whenDeleted: Delete` would take the volumes \
                   with it: set that to Retain first, or give the new one another name"
                    .to_owned(),
        },
        ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet") => {
            opt_in("its pods are gone until the new ones are ready", Propagation::Foreground)
        }
        ("", "PersistentVolumeClaim") => Way::No {
            hint: format!(
                "a claim is never deleted for that, its data would be gone: make a claim of another name, copy \
                 the data, change the pods to it, then delete {name} by hand"
            ),
        },
        ("", "PersistentVolume" | "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            Way::No { hint: "it is never deleted for that: all that lies in it would be gone".to_owned() }
        }
        ("", "Service") => {
            opt_in("it gets another cluster IP, node ports and load balancer", Propagation::Background)
        }
        ("", "ConfigMap" | "Secret") => {
            opt_in("pods that mount it keep the old content until they start anew", Propagation::Background)
        }
        _ => opt_in("what depends on it may go with it", Propagation::Foreground),
    }
}

/// Returns true when a new StatefulSet will find the pods of the old one: they are selected by the same
/// labels, which the new template still carries.
fn selects_the_same(wanted: &Object, live: &Object) -> bool {
    wanted.get("/spec/selector") == live.get("/spec/selector")
}

/// Returns true for a StatefulSet whose claims go with any cascading deletion of it
/// (`persistentVolumeClaimRetentionPolicy`; the controller makes the set their owner).
pub(super) fn takes_volumes(set: &Object) -> bool {
    let templates = set.get("/spec/volumeClaimTemplates").and_then(Value::as_array);
    templates.is_some_and(|templates| !templates.is_empty())
        && set.text("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted") == "Delete"
}

/// Returns a copy of an object that can be created beside the one that is there, to prove that the manifest
/// is valid before anything is deleted. What only one object can have is left out.
pub(super) fn trial(wanted: &Object, seed: u64) -> Option<Object> {
    let mut value = wanted.value().clone();
    let name: String = wanted.name().chars().take(NAME_AT_MOST).collect();
    let name = name.trim_end_matches(['-', '.']);
    value["metadata"]["name"] = format!("{name}-trial-{:06x}", seed & 0x00ff_ffff).into();
    if wanted.kind() == "Service" && wanted.group().is_empty() {
        if wanted.text("/spec/clusterIP") != "None"
            && let Some(spec) = value["spec"].as_object_mut()
        {
            for taken in ["clusterIP", "clusterIPs", "healthCheckNodePort", "loadBalancerIP"] {
                spec.shift_remove(taken);
            }
        }
        let ports = value.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.shift_remove("nodePort");
            }
        }
    }
    Object::new(value).ok()
}

/// What a refused trial says about the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is valid; only the room for a second one is missing.
    Valid,
    /// It would be refused anew.
    Invalid,
    /// A webhook cannot say without doing it.
    Unverifiable,
    /// It says nothing about the manifest.
    Unrelated,
}

/// Returns what a refusal of the trial says.
pub(super) fn verdict(refusal: &Refusal) -> Verdict {
    let says = |text: &str| refusal.message.contains(text);
    match refusal.code {
        // The old one still counts (apiserver `plugin/resourcequota`).
        403 if says("exceeded quota") => Verdict::Valid,
        // (apiserver `admission/plugin/webhook/errors`)
        400 if says("does not support dry run") => Verdict::Unverifiable,
        400 | 413 | 422 => Verdict::Invalid,
        403 if says("denied the request") => Verdict::Invalid,
        500 if says("failed to create typed patch object") => Verdict::Invalid,
        _ => Verdict::Unrelated,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Verdict, Way, trial, verdict, way};
    use crate::cluster::{Propagation, Refusal};
    use crate::object::Object;

    fn object(kind: &str, spec: &Value) -> Object {
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        Object::new(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}))
            .unwrap()
    }

    /// Returns what is done about a kind without and with `--recreate`.
    fn ways(kind: &str) -> [Way; 2] {
        let object = object(kind, &json!({}));
        [false, true].map(|allowed| way(&object, &object, allowed))
    }

    #[test]
    fn what_loses_nothing_is_made_anew() {
        assert_eq!(ways("Job.batch")[0], Way::Anew(Propagation::Foreground));
        assert_eq!(ways("Pod")[0], Way::Anew(Propagation::Foreground));
        assert_eq!(ways("RoleBinding.rbac.authorization.k8s.io")[0], Way::Anew(Propagation::Background));
        assert_eq!(ways("StorageClass.storage.k8s.io")[0], Way::Anew(Propagation::Background));
        assert_eq!(ways("StatefulSet.apps")[0], Way::Anew(Propagation::Orphan));
    }

    #[test]
    fn what_costs_something_needs_a_word() {
        for kind in ["Deployment.apps", "DaemonSet.apps", "Service", "ConfigMap", "Widget.example.org"] {
            let [without, with] = ways(kind);
            assert!(matches!(without, Way::No { hint } if hint.contains("--recreate")), "{kind}");
            assert!(matches!(with, Way::Anew(_)), "{kind}");
        }
    }

    #[test]
    fn data_is_never_deleted_for_a_field() {
        let definition = "CustomResourceDefinition.apiextensions.k8s.io";
        for kind in ["PersistentVolumeClaim", "PersistentVolume", "Namespace", definition] {
            assert!(ways(kind).iter().all(|way| matches!(way, Way::No { .. })), "{kind}");
        }
    }

    #[test]
    fn a_set_whose_selector_changes_would_strand_its_pods() {
        let set = |label: &str, policy: &str| {
            object(
                "StatefulSet.apps",
                &json!({
                    "selector": {"matchLabels": {"app": label}}, "volumeClaimTemplates": [{}],
                    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": policy},
                }),
            )
        };
        assert_eq!(way(&set("a", "Delete"), &set("a", "Delete"), false), Way::Anew(Propagation::Orphan));
        assert!(matches!(way(&set("b", "Retain"), &set("a", "Retain"), false), Way::No { .. }));
        let allowed = way(&set("b", "Retain"), &set("a", "Retain"), true);
        assert_eq!(allowed, Way::Anew(Propagation::Foreground));
        assert!(matches!(way(&set("b", "Delete"), &set("a", "Delete"), true), Way::No { .. }));
    }

    #[test]
    fn hints_say_what_to_do() {
        let kinds = [
            "Deployment.apps",
            "Service",
            "Secret",
            "PersistentVolumeClaim",
            "Namespace",
            "Widget.example.org",
        ];
        let hints = kinds.map(|kind| match ways(kind) {
            [Way::No { hint }, _] => hint,
            [Way::Anew(_), _] => panic!("{kind}"),
        });
        insta::assert_snapshot!(hints.join("\n"));
    }

    #[test]
    fn a_trial_asks_for_nothing_that_is_taken() {
        let ports = json!([{"port": 80, "nodePort": 30080}]);
        let service =
            object("Service", &json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": ports}));
        let trial_of = |object: &Object| trial(object, 0xabc).unwrap();
        assert_eq!(trial_of(&service).name(), "x-trial-000abc");
        assert_eq!(trial_of(&service).get("/spec"), Some(&json!({"ports": [{"port": 80}]})));
        let headless = object("Service", &json!({"clusterIP": "None"}));
        assert_eq!(trial_of(&headless).get("/spec"), headless.get("/spec"));
        let mut long = service.into_value();
        long["metadata"]["name"] = format!("{}-x", "a".repeat(39)).into();
        let long = trial_of(&Object::new(long).unwrap());
        assert_eq!(long.name(), format!("{}-trial-000abc", "a".repeat(39)));
    }

    #[test]
    fn a_refused_trial_is_understood() {
        let said = |code: u16, message: &str| {
            verdict(&Refusal { code, message: message.into(), ..Refusal::default() })
        };
        assert_eq!(said(422, "spec.template: Required value"), Verdict::Invalid);
        assert_eq!(said(403, "exceeded quota: jobs, requested: count/jobs.batch=1"), Verdict::Valid);
        assert_eq!(said(403, "admission webhook \"x\" denied the request: no"), Verdict::Invalid);
        assert_eq!(said(400, "admission webhook \"x\" does not support dry run"), Verdict::Unverifiable);
        assert_eq!(said(403, "jobs.batch is forbidden: User \"x\" cannot create"), Verdict::Unrelated);
        assert_eq!(said(503, "unavailable"), Verdict::Unrelated);
    }
}
