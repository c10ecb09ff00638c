//! What a manifest's own words make of a rollout: enough when a part of it is done
//! (`wesago/required-rollout`), or only when the old pods have ended as well (`wesago/wait-terminating`).

use super::Assessment;
use super::facts::Subject;
use super::words::{counted, so_many};
use crate::object::rollout::{Required, WAIT_TERMINATING};

/// The pods of a workload, as its status counts them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pods {
    /// How many are wanted.
    pub(super) wanted: i64,
    /// How many there are, of any revision.
    pub(super) all: i64,
    /// How many are of the new revision.
    pub(super) updated: i64,
    /// How many are available, of any revision.
    pub(super) available: i64,
}

impl Pods {
    /// Returns how many are new *and* available at the least: a status does not count them together, so every
    /// old one is taken for an available one.
    fn new_and_available(self) -> i64 {
        let old = self.all.saturating_sub(self.updated).max(0);
        self.available.saturating_sub(old).clamp(0, self.updated.max(0))
    }
}

/// Returns the answer for a rollout that is not complete and far enough by the manifest; `None` when it is not,
/// or all of it is asked for.
pub(super) fn far_enough(subject: &Subject<'_>, pods: Pods) -> Option<Assessment> {
    let required = Required::of(subject.object).filter(|required| *required != Required::Full)?;
    let needed = required.count(subject.object, pods.wanted);
    let done = pods.new_and_available();
    (done >= needed).then(|| {
        let done = so_many(done, pods.wanted, "pod", "new and available");
        Assessment::noted(format!("{done}, and {needed} are enough by `wesago/required-rollout`"))
    })
}

/// Returns true when pods that are only updated when they are deleted are waited for all the same.
pub(super) fn demands_all(subject: &Subject<'_>) -> bool {
    Required::of(subject.object) == Some(Required::Full)
}

/// Returns the answer for a complete Deployment whose old pods are to have ended as well: `status.replicas` does
/// not count them, `status.terminatingReplicas` does, on servers that have it (KEP-3973).
pub(super) fn still_terminating(subject: &Subject<'_>) -> Option<Assessment> {
    if subject.object.annotation(WAIT_TERMINATING) != Some("true") {
        return None;
    }
    if subject.object.get("/status/terminatingReplicas").is_none() {
        return Some(Assessment::noted(
            "this server does not count pods that are ending: not waited for them",
        ));
    }
    let ending = subject.count("/status/terminatingReplicas");
    (ending > 0).then(|| Assessment::in_progress(format!("{} still ending", counted(ending, "pod"))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{Case, object};

    fn case(kind: &str, words: &Value, spec: &Value, status: &Value) -> Case {
        let mut body =
            json!({"metadata": {"annotations": words}, "spec": spec, "status": {"observedGeneration": 1}});
        json_patch::merge(&mut body, &json!({"status": status}));
        Case::new(object("apps/v1", kind, body))
    }

    fn deployment(required: &str, status: &Value) -> Case {
        case("Deployment", &json!({"wesago/required-rollout": required}), &json!({"replicas": 4}), status)
    }

    #[test]
    fn a_part_of_a_rollout_is_enough_where_the_manifest_says_so() {
        let three =
            json!({"replicas": 4, "updatedReplicas": 4, "availableReplicas": 3, "unavailableReplicas": 1});
        let enough =
            "current: 3 of 4 pods are new and available, and 3 are enough by `wesago/required-rollout`";
        deployment("75%", &three).is(enough);
        deployment("maxUnavailable", &three).is(enough);
        deployment("76%", &three).is("in progress: 3 of 4 replicas are available");
        deployment("full", &three).is("in progress: 3 of 4 replicas are available");
    }

    #[test]
    fn old_pods_that_are_available_prove_nothing_of_the_new() {
        let mixed =
            json!({"replicas": 5, "updatedReplicas": 3, "availableReplicas": 4, "unavailableReplicas": 1});
        deployment("75%", &mixed).is("in progress: 3 of 4 replicas are updated");
        deployment("50%", &mixed)
            .is("current: 2 of 4 pods are new and available, and 2 are enough by `wesago/required-rollout`");
    }

    #[test]
    fn nothing_is_asked_for_only_once_the_controller_has_seen_the_change() {
        let none = |observed: i64| {
            case(
                "Deployment",
                &json!({"wesago/required-rollout": "none"}),
                &json!({"replicas": 4}),
                &json!({"observedGeneration": observed, "replicas": 1}),
            )
            .answer_with(&json!({"metadata": {"generation": 2}}))
            .floor(2)
        };
        none(1).is("in progress: generation 2 not observed yet (1)");
        none(2)
            .is("current: 0 of 4 pods are new and available, and 0 are enough by `wesago/required-rollout`");
    }

    #[test]
    fn a_daemon_set_goes_on_without_a_node_that_is_away() {
        let status = json!({"desiredNumberScheduled": 10, "currentNumberScheduled": 10,
            "updatedNumberScheduled": 10, "numberAvailable": 9});
        let with = |words: Value| case("DaemonSet", &words, &json!({}), &status);
        with(json!({})).is("in progress: 9 of 10 pods are available");
        with(json!({"wesago/required-rollout": "90%"}))
            .is("current: 9 of 10 pods are new and available, and 9 are enough by `wesago/required-rollout`");
    }

    #[test]
    fn what_is_updated_on_delete_is_waited_for_when_all_of_it_is_asked_for() {
        let spec = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
        let status = json!({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1});
        case("StatefulSet", &json!({}), &spec, &status)
            .is("current: updates on delete: 1 of 2 pods are old, delete pods to update them");
        let words = json!({"wesago/required-rollout": "full"});
        case("StatefulSet", &words, &spec, &status).is("in progress: 1 of 2 replicas are updated");
        let status = json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2});
        case("DaemonSet", &words, &spec, &status).is("in progress: 1 of 2 pods are updated");
    }

    #[test]
    fn old_pods_that_are_ending_are_waited_for_on_demand() {
        let complete = |ending: Value| {
            let mut status = json!({"replicas": 4, "updatedReplicas": 4, "availableReplicas": 4});
            json_patch::merge(&mut status, &ending);
            case("Deployment", &json!({"wesago/wait-terminating": "true"}), &json!({"replicas": 4}), &status)
        };
        complete(json!({"terminatingReplicas": 2})).is("in progress: 2 pods still ending");
        complete(json!({"terminatingReplicas": 0})).is("current");
        complete(json!({}))
            .is("current: this server does not count pods that are ending: not waited for them");
    }
}
