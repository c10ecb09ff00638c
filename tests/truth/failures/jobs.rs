//! Jobs that give up.

use crate::evidence::Evidence::Job;
use crate::objects::{DEBIAN, IDLE, migrate};
use crate::trial::Failure;

pub(crate) fn all() -> Vec<Failure> {
    let program = "command: [sh, -c, echo cannot migrate; exit 5]";
    vec![
        Failure::new(
            "job-fails",
            migrate(&["backoffLimit: 0"], &[], &[DEBIAN, program]),
            Job("BackoffLimitExceeded"),
        )
        .blames("Job/migrate")
        .tells(&["exit code 5", "| cannot migrate", "BackoffLimitExceeded"])
        .offers("kubectl --namespace $NAMESPACE logs migrate-"),
        Failure::new(
            "job-too-slow",
            migrate(&["activeDeadlineSeconds: 3"], &[], &[DEBIAN, IDLE]),
            Job("DeadlineExceeded"),
        )
        .blames("Job/migrate")
        .tells(&["DeadlineExceeded", "active longer than specified deadline"])
        .offers("kubectl --namespace $NAMESPACE describe job migrate"),
    ]
}
