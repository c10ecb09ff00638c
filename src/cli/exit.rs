//! How the program ends: one documented code per kind of end, and the shape of an error on the terminal.

use std::process::ExitCode;

use super::lock;
use crate::engine::EngineError;
use crate::event::{CancelReason, Check, Finding, Verdict};

/// The text of `--help` about exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    internal error, or the journal could not be written
  2    wrong usage
  3    the plan, a manifest or a value is invalid, or cannot work on this cluster
  4    the cluster cannot be reached, or forbids it
  5    a stage failed
  6    a stage was not ready in time
  7    differences found (diff, status)
  8    locked by another deploy
  130  interrupted (Ctrl-C)
  143  terminated";

/// What to do after a mistake of the program itself.
pub(crate) const OWN_MISTAKE: &str = "this is a mistake in wesago, not in the plan: please report the lines above; \
    the same command again goes on from what the cluster holds";

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done,
    /// The program contradicts itself.
    Internal,
    /// The command line makes no sense.
    Usage,
    /// The plan, a manifest or a value is invalid, or cannot work on this cluster.
    PlanInvalid,
    /// The cluster cannot be reached, or forbids it.
    Cluster,
    /// A stage failed.
    StageFailed,
    /// A stage was not ready in time.
    TimedOut,
    /// Differences were found.
    Differences,
    /// Another deploy holds the lock.
    Locked,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Exit {
    /// Returns the number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::PlanInvalid => 3,
            Self::Cluster => 4,
            Self::StageFailed => 5,
            Self::TimedOut => 6,
            Self::Differences => 7,
            Self::Locked => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns how a check of a plan ends: errors that are all about rights are the cluster's word, any other
    /// is the plan's mistake, and warnings are none.
    pub(crate) fn of_findings(findings: &[Finding]) -> Self {
        let mut errors = findings.iter().filter(|finding| finding.is_error()).peekable();
        if errors.peek().is_none() {
            Self::Done
        } else if errors.all(|finding| finding.check == Check::Rights) {
            Self::Cluster
        } else {
            Self::PlanInvalid
        }
    }

    /// Returns how a run with this verdict ends; `cancel` tells which signal a cancelled one got.
    pub(crate) fn of_run(verdict: &Verdict, cancel: Option<CancelReason>) -> Self {
        match verdict {
            Verdict::Succeeded => Self::Done,
            Verdict::Failed { .. } | Verdict::Skipped { .. } => Self::StageFailed,
            Verdict::TimedOut { .. } => Self::TimedOut,
            Verdict::Cancelled if cancel == Some(CancelReason::Terminate) => Self::Terminated,
            Verdict::Cancelled if cancel == Some(CancelReason::JournalFailed) => Self::Internal,
            Verdict::Cancelled => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended without doing its work: what is wrong, why, and the next step.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong, lowercase, without a final stop; already rendered for a plan's problems.
    pub message: String,
    /// From the nearest cause to the deepest.
    pub causes: Vec<String>,
    /// The next step.
    pub hint: Option<String>,
    /// True when `message` is a whole report that needs no `error:` before it.
    pub is_report: bool,
}

impl Failure {
    /// Returns a failure without causes.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, is_report: false }
    }

    /// Adds the next step.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the chain of causes of an error.
    #[must_use]
    pub(crate) fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat their source in their own text.
            if self.causes.last().is_none_or(|last| !last.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Returns the text for standard error.
    pub(crate) fn render(&self) -> String {
        if self.is_report {
            return self.message.clone();
        }
        let mut text = format!("error: {}\n", self.message);
        for cause in &self.causes {
            text.push_str("  caused by: ");
            text.push_str(cause);
            text.push('\n');
        }
        if let Some(hint) = &self.hint {
            text.push_str("hint: ");
            text.push_str(hint);
            text.push('\n');
        }
        text
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let failure = |exit| Self::new(exit, error.to_string());
        match &error {
            EngineError::Request { error: cause, .. } => {
                let failure = failure(Exit::Cluster).caused_by(cause.as_ref());
                if cause.is_unreachable() {
                    failure.hint(
                        "is the cluster up, and the context the right one? `kubectl cluster-info` asks it",
                    )
                } else if cause.is_forbidden() {
                    failure.hint("`wesago doctor` tells every right that is missing")
                } else {
                    failure
                }
            }
            EngineError::Inventory(cause) => failure(Exit::Cluster)
                .caused_by(cause)
                .hint("rename the plan, or remove that ConfigMap if nobody needs it any more"),
            EngineError::Strangers(strangers) => {
                let mut failure = failure(Exit::Cluster);
                failure.causes.extend(strangers.iter().map(ToString::to_string));
                let first = strangers.first().map(|stranger| stranger.object.to_string()).unwrap_or_default();
                failure.hint(format!("`--adopt {first}` takes that over, `--adopt all` all of them"))
            }
            EngineError::NoSecret { cause, .. } => {
                let mut failure = failure(Exit::PlanInvalid);
                failure.causes.push(cause.clone());
                failure.hint("give the key a source in the plan's `secrets:`, or set the variable it names")
            }
            EngineError::SecretsInMotion => failure(Exit::Cluster).hint(
                "`kubectl get secrets --show-managed-fields --output yaml` tells who; then deploy again",
            ),
            EngineError::TooManyDeletions { objects, .. } => {
                let mut failure = failure(Exit::PlanInvalid);
                failure.causes.extend(objects.iter().map(|object| format!("{object} has left the plan")));
                failure.hint(format!(
                    "is it the right plan for this cluster? `--max-deletions {}` lets them go",
                    objects.len()
                ))
            }
            EngineError::NotConfirmed => failure(Exit::Usage),
            EngineError::Locked(lock) => {
                let mut failure = failure(Exit::Locked);
                failure.causes.extend(lock::claim(lock));
                failure.hint(
                    "`--wait-lock 5m` waits for it; `wesago unlock` takes the lock from a run that is stuck",
                )
            }
            EngineError::LockLost { .. } => {
                failure(Exit::Locked).hint("deploy again: it goes on from what the cluster holds")
            }
            EngineError::Preflight { errors } => {
                let mut failure = failure(Exit::of_findings(errors));
                failure.causes.extend(errors.iter().map(ToString::to_string));
                failure.hint("`wesago doctor` tells how to mend it; `--skip-preflight` writes all the same")
            }
            EngineError::NoRevision { known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                let told = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                failure(Exit::Usage).hint(format!("there is {told}; `wesago history` tells more of them"))
            }
            EngineError::UnreadableRevision { cause, .. } => {
                failure(Exit::PlanInvalid).caused_by(cause).hint("`wesago history` shows the others")
            }
            EngineError::Internal(_) => failure(Exit::Internal),
            EngineError::Panicked { .. } => failure(Exit::Internal).hint(OWN_MISTAKE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EXIT_CODES, Exit, Failure};
    use crate::cluster::ApiError;
    use crate::engine::{EngineError, LockState, Set, Stranger};
    use crate::event::{CancelReason, Check, Finding, Verdict};
    use crate::object::ObjectRef;

    #[test]
    fn every_code_is_documented() {
        let all = [
            Exit::Done,
            Exit::Internal,
            Exit::Usage,
            Exit::PlanInvalid,
            Exit::Cluster,
            Exit::StageFailed,
            Exit::TimedOut,
            Exit::Differences,
            Exit::Locked,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        for exit in all {
            let code = format!("\n  {:<5}", exit.code());
            assert!(EXIT_CODES.contains(&code), "{exit:?} is not documented");
        }
        assert_eq!(EXIT_CODES.lines().count(), all.len() + 1);
    }

    #[test]
    fn a_cancelled_run_ends_by_its_signal() {
        assert_eq!(Exit::of_run(&Verdict::Cancelled, Some(CancelReason::Terminate)), Exit::Terminated);
        assert_eq!(Exit::of_run(&Verdict::Cancelled, Some(CancelReason::SecondInterrupt)), Exit::Interrupted);
        assert_eq!(Exit::of_run(&Verdict::Cancelled, Some(CancelReason::JournalFailed)), Exit::Internal);
        assert_eq!(Exit::of_run(&Verdict::Succeeded, Some(CancelReason::Interrupt)), Exit::Done);
    }

    #[test]
    fn a_prune_that_runs_away_is_told_with_its_names() {
        let object = |name: &str| ObjectRef {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: name.into(),
        };
        let error = EngineError::TooManyDeletions { objects: vec![object("a"), object("b")], limit: 1 };
        let failure = Failure::from(error);
        assert_eq!(failure.exit, Exit::PlanInvalid);
        insta::assert_snapshot!(failure.render(), @"
        error: the deploy would delete 2 objects, and 1 may go
          caused by: ConfigMap/a has left the plan
          caused by: ConfigMap/b has left the plan
        hint: is it the right plan for this cluster? `--max-deletions 2` lets them go
        ");
    }

    #[test]
    fn a_locked_plan_is_told_with_its_holder_and_both_ways_on() {
        let lock = LockState {
            holder: "bob@build/42/81b2c3".into(),
            run: "81b2c3".into(),
            command: "deploy".into(),
            since: "2026-11-26T12:00:00Z".parse().ok(),
            held_for: Some(std::time::Duration::from_secs(252)),
            ..LockState::default()
        };
        insta::assert_snapshot!(Failure::from(EngineError::Locked(Box::new(lock))).render(), @"
        error: the plan is locked by bob@build/42/81b2c3
          caused by: its deploy, run 81b2c3, has held the lock for 4m, since 2026-11-26T12:00:00Z, and is alive
        hint: `--wait-lock 5m` waits for it; `wesago unlock` takes the lock from a run that is stuck
        ");
    }

    #[test]
    fn only_errors_count_and_missing_rights_are_told_apart() {
        let [rights, port] = [Check::Rights, Check::Port].map(|check| Finding::error(check, "no"));
        let warning = Finding::warning(Check::Capacity, "hm");
        assert_eq!(Exit::of_findings(&[]), Exit::Done);
        assert_eq!(Exit::of_findings(std::slice::from_ref(&warning)), Exit::Done);
        assert_eq!(Exit::of_findings(&[rights.clone(), warning]), Exit::Cluster);
        assert_eq!(Exit::of_findings(&[rights, port]), Exit::PlanInvalid);
    }

    #[test]
    fn what_the_preflight_found_is_told_with_the_way_out() {
        let finding = Finding {
            place: Some("manifests/web.yaml:3".into()),
            ..Finding::error(Check::Port, "the livenessProbe of container web asks port `htp`")
        };
        insta::assert_snapshot!(Failure::from(EngineError::Preflight { errors: vec![finding] }).render(), @"
        error: an error was found before anything was written
          caused by: the livenessProbe of container web asks port `htp` (manifests/web.yaml:3)
        hint: `wesago doctor` tells how to mend it; `--skip-preflight` writes all the same
        ");
    }

    #[test]
    fn a_mistake_of_the_program_is_told_calmly() {
        let error = EngineError::Panicked { run: "7f3a90".into(), cause: "index out of bounds".into() };
        insta::assert_snapshot!(Failure::from(error).render(), @"
        error: internal error in run 7f3a90: index out of bounds
        hint: this is a mistake in wesago, not in the plan: please report the lines above; the same command again goes on from what the cluster holds
        ");
    }

    #[test]
    fn strangers_are_told_all_at_once_with_the_way_on() {
        let stranger = |name: &str, set: Option<&str>| Stranger {
            object: ObjectRef {
                group: "apps".into(),
                kind: "Deployment".into(),
                namespace: Some("shop".into()),
                name: name.into(),
            },
            set: set.map(|id| Set::Another(id.to_owned())),
            managers: ["kubectl-client-side-apply".to_owned()].into(),
        };
        let error =
            EngineError::Strangers(vec![stranger("web", None), stranger("db", Some("applyset-x-v1"))]);
        insta::assert_snapshot!(Failure::from(error).render());
    }

    #[test]
    fn an_unreachable_cluster_is_told_with_its_cause_and_the_next_step() {
        let error = EngineError::Request {
            request: "discover the served kinds".into(),
            error: Box::new(ApiError::Unreachable { cause: "connection refused (os error 111)".into() }),
        };
        insta::assert_snapshot!(Failure::from(error).render(), @r"
        error: could not discover the served kinds
          caused by: the API server cannot be reached: connection refused (os error 111)
        hint: is the cluster up, and the context the right one? `kubectl cluster-info` asks it
        ");
    }
}
