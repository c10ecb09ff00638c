//! Job and CronJob.

use super::Assessment;
use super::facts::{Holder, Subject};
use super::words::explained;
use crate::object::condition::{self, Condition};

/// Returns the answer for a Job: its terminal conditions alone. Counters lie under `podFailurePolicy`,
/// `successPolicy`, `backoffLimitPerIndex` and without `completions`.
///
/// The controller writes `FailureTarget` and `SuccessCriteriaMet` first, and `Failed` and `Complete` only
/// when no pod is left terminating (`enactJobFinished`). The former never becomes a success, so it fails at
/// once; the latter is waited for, since the next stage may need the pods gone.
pub(super) fn job(subject: &Subject<'_>) -> Assessment {
    if subject.condition_true("Complete").is_some() {
        return Assessment::current_with(earlier_run(subject));
    }
    if let Some(failed) = subject.condition_true("Failed").or_else(|| subject.condition_true("FailureTarget"))
    {
        return Assessment::failed(explained("the job failed", failed.explanation()));
    }
    if subject.condition_true("SuccessCriteriaMet").is_some() {
        return Assessment::in_progress("succeeded, its pods are ending");
    }
    if subject.flag("/spec/suspend") {
        // A queue (Kueue) holds Jobs back and lets them go: no reason to fail.
        return match subject.holder("suspend") {
            Some(Holder::Other { .. }) => Assessment::in_progress("suspended by somebody else"),
            Some(Holder::Manifest) | None => Assessment::noted("suspended: it does not run"),
        };
    }
    Assessment::in_progress(progress(subject))
}

/// Returns a note for a Job that had completed before our write: a finished Job never runs again.
fn earlier_run(subject: &Subject<'_>) -> Option<String> {
    let completed = condition::time(subject.object.get("/status/completionTime"))
        .or_else(|| subject.condition("Complete").and_then(Condition::changed_at))?;
    (completed.as_second() < subject.receipt.applied_at.as_second())
        .then(|| format!("completed before, at {completed}: it did not run again"))
}

fn progress(subject: &Subject<'_>) -> String {
    let active = subject.count("/status/active");
    let failed = subject.count("/status/failed");
    let succeeded = subject.count("/status/succeeded");
    let completions = condition::count(subject.object.get("/spec/completions"));
    if active == 0 && failed == 0 && succeeded == 0 {
        return "waiting for its first pod".into();
    }
    let mut parts = vec![format!("{active} active")];
    match completions {
        Some(wanted) => parts.push(format!("{succeeded} of {wanted} succeeded")),
        None => parts.push(format!("{succeeded} succeeded")),
    }
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    parts.join(", ")
}

/// Returns the answer for a CronJob: it is there. How its last run ended is worth a word, no more: that run
/// was of an earlier day.
pub(super) fn cron_job(subject: &Subject<'_>) -> Assessment {
    if subject.flag("/spec/suspend") {
        return Assessment::noted("suspended: it does not run");
    }
    let scheduled = condition::time(subject.object.get("/status/lastScheduleTime"));
    let succeeded = condition::time(subject.object.get("/status/lastSuccessfulTime"));
    let running = subject
        .object
        .get("/status/active")
        .and_then(serde_json::Value::as_array)
        .is_some_and(|active| !active.is_empty());
    let failed = !running && scheduled.is_some() && succeeded < scheduled;
    Assessment::current_with(failed.then(|| "its last run did not succeed".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{Case, object, stamp};

    fn job(body: Value) -> Case {
        Case::new(object("batch/v1", "Job", body))
    }

    fn with(conditions: &Value) -> Case {
        job(json!({"status": {"conditions": conditions}}))
    }

    #[test]
    fn only_complete_is_ready() {
        job(json!({})).is("in progress: waiting for its first pod");
        job(json!({"spec": {"completions": 1}, "status": {"active": 1, "failed": 2}}))
            .is("in progress: 1 active, 0 of 1 succeeded, 2 failed");
        // Without `completions` one success is not the end.
        job(json!({"status": {"active": 2, "succeeded": 1}})).is("in progress: 2 active, 1 succeeded");
        with(&json!([{"type": "Complete", "status": "True"}])).is("current");
        with(&json!([{"type": "Complete", "status": "False"}])).is("in progress: waiting for its first pod");
    }

    #[test]
    fn success_is_waited_out() {
        with(&json!([{"type": "SuccessCriteriaMet", "status": "True"}]))
            .is("in progress: succeeded, its pods are ending");
    }

    #[test]
    fn failure_is_told_before_its_pods_have_ended() {
        with(&json!([{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit"}]))
        .is("failed: the job failed: Job has reached the specified backoff limit (BackoffLimitExceeded)");
        with(&json!([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]))
            .is("failed: the job failed: DeadlineExceeded");
    }

    #[test]
    fn failures_within_the_limit_are_no_failure() {
        job(json!({"spec": {"backoffLimit": 1}, "status": {"failed": 6, "active": 1}}))
            .is("in progress: 1 active, 0 succeeded, 6 failed");
    }

    #[test]
    fn who_suspended_it_decides() {
        let held = |operation: &str| {
            job(json!({
                "metadata": {"managedFields": [
                    {"operation": operation, "fieldsV1": {"f:spec": {"f:suspend": {}}}},
                ]},
                "spec": {"suspend": true},
            }))
        };
        held("Apply").is("current: suspended: it does not run");
        held("Update").is("in progress: suspended by somebody else");
    }

    #[test]
    fn a_cron_job_is_current_and_tells_of_its_last_run() {
        let cron = |body: Value| Case::new(object("batch/v1", "CronJob", body));
        cron(json!({})).is("current");
        cron(json!({"spec": {"suspend": true}})).is("current: suspended: it does not run");
        cron(json!({"status": {"lastScheduleTime": stamp(-60), "lastSuccessfulTime": stamp(-30)}}))
            .is("current");
        cron(json!({"status": {"lastScheduleTime": stamp(-60)}})).is("current: its last run did not succeed");
        cron(json!({"status": {"lastScheduleTime": stamp(-60), "active": [{"name": "run"}]}})).is("current");
    }
}
