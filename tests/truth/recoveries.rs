//! No false alarm: what looks bad and recovers by itself ends well, and nothing is said to have failed.

use jiff::SignedDuration;
use libtest_mimic::Trial;
use wesago::event::EventKind;

use crate::evidence::Evidence::{Event, Exited, Waiting};
use crate::evidence::PULLING;
use crate::objects::{DEBIAN, IDLE, migrate, web};
use crate::registry::SLOW;
use crate::sandbox::seen::{Seen, ensure};
use crate::trial::Recovery;

/// Returns all of them as tests; those that take longest first.
pub(crate) fn all() -> impl Iterator<Item = Trial> {
    let recoveries = recoveries().into_iter().map(|recovery| {
        Trial::test(format!("recoveries::{}", recovery.name()), move || Ok(recovery.prove()?))
    });
    recoveries.chain([Trial::test("recoveries::job-log", || Ok(job_log()?))])
}

/// What a Job writes is told while it runs, line by line.
fn job_log() -> Seen {
    let job = migrate(&[], &[], &[DEBIAN, "command: [sh, -c, echo migrating; sleep 5; echo migrated]"]);
    let (mut lines, mut ended) = (Vec::new(), None);
    Recovery::new("job-log", job, Event("Started", "ontainer"), 5).prove_with(|event| {
        match &event.event {
            EventKind::LogLine(line) => lines.push((line.line.clone(), event.at)),
            EventKind::StageFinished { .. } => ended = Some(event.at),
            _ => {}
        }
        Ok(())
    })?;
    let ended = ended.ok_or("the stage has no end")?;
    let words: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
    ensure!(words == ["migrating", "migrated"], "it wrote two lines, and these are told: {words:?}");
    let early = ended.duration_since(lines[0].1);
    ensure!(early > SignedDuration::from_secs(3), "its first line was told {early} before its end");
    Ok(())
}

fn recoveries() -> Vec<Recovery> {
    let state = "volumes: [{ name: state, emptyDir: {} }]";
    let mounted = "volumeMounts: [{ name: state, mountPath: /state }]";
    let up = "{ exec: { command: [test, -f, /state/up] }, periodSeconds: 1, failureThreshold: 60 }";
    let after_a_while = "command: [sh, -c, sleep 20; touch /state/up; exec sleep infinity]";
    let slow_start = |probe: &str| web(&[state], &[DEBIAN, after_a_while, mounted, probe]);
    // The first start leaves a mark behind; the second one takes a while to be ready.
    let second_start = "command: [sh, -c, 'test -f /state/been || { touch /state/been; exit 1; }; sleep 4; \
        touch /state/up; exec sleep infinity']";
    let second_start = web(&[state], &[DEBIAN, second_start, mounted, &format!("readinessProbe: {up}")]);
    vec![
        Recovery::new("job-third-try", third_try(), Exited(1), 25),
        Recovery::new("registry-busy", web(&[], &["image: $REGISTRY/busy/shop:$RUN"]), Waiting(PULLING), 15),
        Recovery::new(
            "slow-pull",
            web(&[], &["image: $REGISTRY/slow/shop:$RUN"]),
            Waiting(&["ContainerCreating"]),
            SLOW.as_secs(),
        ),
        Recovery::new(
            "slow-start",
            slow_start(&format!("startupProbe: {up}")),
            Event("Unhealthy", "Startup probe failed"),
            20,
        ),
        Recovery::new(
            "unready-for-20s",
            slow_start(&format!("readinessProbe: {up}")),
            Event("Unhealthy", "Readiness probe failed"),
            20,
        ),
        // The pods of the revision before are still broken: they are no matter of this one.
        Recovery::new("mended", web(&[], &[DEBIAN, IDLE]), Waiting(&["InvalidImageName"]), 0)
            .after(web(&[], &["image: Not/A/Name"])),
        Recovery::new("crash-once", second_start, Exited(1), 4),
    ]
}

/// Returns a Job whose pods remember on a volume how many they are; the third succeeds.
fn third_try() -> String {
    let claim = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: tries }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
---
";
    let program = "command: [sh, -c, 'echo try >> /tries/tries; test $(wc -l < /tries/tries) -ge 3']";
    let job = migrate(
        &["backoffLimit: 3"],
        &["volumes: [{ name: tries, persistentVolumeClaim: { claimName: tries } }]"],
        &[DEBIAN, program, "volumeMounts: [{ name: tries, mountPath: /tries }]"],
    );
    format!("{claim}{job}")
}
