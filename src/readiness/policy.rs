//! ResourceQuota, PodDisruptionBudget, HorizontalPodAutoscaler.

use serde_json::Value;

use super::Assessment;
use super::facts::Subject;
use super::words::explained;

/// Returns the answer for a quota: its controller has taken the limits over. Before that the server denies
/// pods with "status unknown for quota" (admission plugin).
pub(super) fn resource_quota(subject: &Subject<'_>) -> Assessment {
    let limits = |pointer: &str| subject.object.get(pointer).and_then(Value::as_object);
    let wanted = limits("/spec/hard").filter(|limits| !limits.is_empty());
    if wanted.is_none() || wanted == limits("/status/hard") {
        Assessment::current()
    } else {
        Assessment::in_progress("its limits are not in force yet")
    }
}

/// Returns the answer for a disruption budget: its controller has seen it (checked for every kind of this
/// sort). To allow no disruption is a legitimate state.
pub(super) fn disruption_budget(subject: &Subject<'_>) -> Assessment {
    let failed =
        subject.condition("DisruptionAllowed").filter(|condition| condition.reason() == "SyncFailed");
    Assessment::current_with(failed.map(|condition| explained("it is not in force", condition.explanation())))
}

/// Returns the answer for an autoscaler: it is there. Missing metrics are normal in its first minute and no
/// reason to wait, but worth telling.
pub(super) fn autoscaler(subject: &Subject<'_>) -> Assessment {
    let inactive = subject
        .condition("ScalingActive")
        .filter(|condition| condition.is_false() && condition.reason() != "ScalingDisabled");
    Assessment::current_with(
        inactive.map(|condition| explained("it does not scale yet", condition.explanation())),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{Case, object};

    #[test]
    fn a_quota_is_current_once_its_limits_are_taken_over() {
        let quota = |status: serde_json::Value| {
            Case::new(object(
                "v1",
                "ResourceQuota",
                json!({"spec": {"hard": {"pods": "5", "cpu": "2"}}, "status": status}),
            ))
        };
        quota(json!({})).is("in progress: its limits are not in force yet");
        quota(json!({"hard": {"pods": "4", "cpu": "2"}})).is("in progress: its limits are not in force yet");
        quota(json!({"hard": {"cpu": "2", "pods": "5"}})).is("current");
    }

    #[test]
    fn a_budget_that_allows_nothing_is_fine_and_one_that_cannot_sync_is_told() {
        let budget = |reason: &str| {
            Case::new(object(
                "policy/v1",
                "PodDisruptionBudget",
                json!({"status": {"observedGeneration": 1, "conditions": [
                    {"type": "DisruptionAllowed", "status": "False", "reason": reason, "message": "no owner"}]}}),
            ))
        };
        budget("InsufficientPods").is("current");
        budget("SyncFailed").is("current: it is not in force: no owner (SyncFailed)");
        Case::new(object("policy/v1", "PodDisruptionBudget", json!({})))
            .is("in progress: generation 1 not observed yet (0)");
    }

    #[test]
    fn an_autoscaler_without_metrics_is_told() {
        let autoscaler = |reason: &str| {
            Case::new(object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                json!({"status": {"conditions": [
                    {"type": "AbleToScale", "status": "True"},
                    {"type": "ScalingActive", "status": "False", "reason": reason}]}}),
            ))
        };
        autoscaler("FailedGetResourceMetric").is("current: it does not scale yet: FailedGetResourceMetric");
        autoscaler("ScalingDisabled").is("current");
    }
}
