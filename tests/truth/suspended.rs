//! Somebody suspends a Job while it is waited for: it is not called ready, and when it is let go the deploy ends well.

use libtest_mimic::Trial;
use wesago::event::EventKind;
use wesago::readiness::Readiness;

use crate::evidence::Evidence;
use crate::objects::{DEBIAN, migrate};
use crate::sandbox::command::kubectl_in;
use crate::sandbox::seen::{Seen, ensure};
use crate::trial::{PREFIX, Recovery};

const NAME: &str = "suspended";

pub(crate) fn trial() -> Trial {
    Trial::test("recoveries::suspended", || Ok(suspended()?))
}

fn suspended() -> Seen {
    let job = migrate(&[], &[], &[DEBIAN, "command: [sleep, \"5\"]"]);
    let (mut held, mut told) = (false, false);
    Recovery::new(NAME, job, Evidence::Event("Suspended", "Job suspended"), 5).prove_with(|event| {
        match &event.event {
            EventKind::ObjectApplied { object, .. } if object.kind == "Job" && !held => {
                held = true;
                suspend(true)
            }
            EventKind::ObjectObserved { readiness: Readiness::InProgress { reason }, .. }
                if reason.contains("suspended by somebody else") && !told =>
            {
                told = true;
                suspend(false)
            }
            _ => Ok(()),
        }
    })?;
    ensure!(held && told, "nobody was told that it is suspended");
    Ok(())
}

fn suspend(is_held: bool) -> Seen {
    let patch = format!(r#"{{"spec":{{"suspend":{is_held}}}}}"#);
    let namespace = format!("{PREFIX}{NAME}");
    kubectl_in(&namespace, &["patch", "job", "migrate", "--type", "merge", "--patch", &patch]).map(drop)
}
