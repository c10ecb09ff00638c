//! Programs that end, do not start, or do not answer.

use crate::evidence::Evidence::{Ended, Event, Exited, Start};
use crate::objects::{DEBIAN, IDLE, web};
use crate::trial::Failure;

/// Without a readiness probe a program is ready as soon as it runs, be it for a moment.
const NEVER_READY: &str = "readinessProbe: { exec: { command: [test, -f, /ready] } }";
const LOGS: &str = "kubectl --namespace $NAMESPACE logs web-";

pub(crate) fn all() -> Vec<Failure> {
    let mut all = crashes();
    all.extend(probes());
    all.push(ordered());
    all.push(
        Failure::new(
            "program-missing",
            web(&[], &[DEBIAN, "command: [/no/such/program]"]),
            Ended("StartError"),
        )
        .tells(&["cannot be started", "/no/such/program", "no such file or directory"]),
    );
    all
}

/// The template is mended, but a StatefulSet in order replaces no pod while another one is not ready, be it
/// the broken one itself (kubernetes#67250).
fn ordered() -> Failure {
    let stateful = |container| {
        let set = web(&[], container).replace("kind: Deployment", "kind: StatefulSet");
        set.replacen("spec:\n", "spec:\n  serviceName: web\n", 1)
    };
    Failure::new("ordered", stateful(&[DEBIAN, IDLE]), Start)
        .after(stateful(&["image: Not/A/Name"]))
        .blames("StatefulSet/web")
        .tells(&["pod web-0 of the old revision is broken"])
        .offers("kubectl --namespace $NAMESPACE delete pod web-0")
}

fn crashes() -> Vec<Failure> {
    let crash = |name, command, code, words| {
        Failure::new(name, web(&[], &[DEBIAN, command, NEVER_READY]), Exited(code))
            .crashes()
            .tells(words)
            .offers(LOGS)
    };
    vec![
        crash(
            "crash",
            "command: [sh, -c, echo cannot reach the database; exit 3]",
            3,
            &["exit code 3", "| cannot reach the database"],
        ),
        crash(
            "exit-0",
            "command: [sh, -c, echo done]",
            0,
            &["ended without an error, though it should run on"],
        ),
        crash("exit-126", "command: [sh, -c, /etc/passwd]", 126, &["may not be run", "exit code 126"]),
        crash("exit-127", "command: [sh, -c, no-such-program]", 127, &["was not found", "exit code 127"]),
        Failure::new(
            "out-of-memory",
            web(
                &[],
                &[
                    DEBIAN,
                    "command: [tail, /dev/zero]",
                    "resources: { limits: { memory: 32Mi } }",
                    NEVER_READY,
                ],
            ),
            Ended("OOMKilled"),
        )
        .crashes()
        .tells(&["OOMKilled", "more memory than its limit of 32Mi"])
        .offers(LOGS),
        Failure::new(
            "init-crash",
            web(
                &[
                    "initContainers:",
                    "- name: schema",
                    "  image: localhost/sandbox/debian:bookworm",
                    "  command: [sh, -c, echo no schema; exit 4]",
                ],
                &[DEBIAN, IDLE],
            ),
            Exited(4),
        )
        .crashes()
        .tells(&["container schema", "exit code 4", "| no schema"])
        .offers(LOGS),
    ]
}

fn probes() -> Vec<Failure> {
    let probe = |kind: &str| {
        format!(
            "{kind}Probe: {{ exec: {{ command: [sh, -c, echo port 80 is closed; exit 1] }}, \
             periodSeconds: 1, failureThreshold: 1 }}"
        )
    };
    let fails = |kind| web(&[], &[DEBIAN, IDLE, &probe(kind)]);
    let liveness = web(&[], &[DEBIAN, IDLE, &probe("liveness"), NEVER_READY]);
    vec![
        Failure::new("liveness", liveness, Event("Killing", "failed liveness probe"))
            .crashes()
            .tells(&["its liveness probe `sh -c echo port 80 is closed; exit 1` fails", "port 80 is closed"])
            .offers(LOGS),
        Failure::new("startup", fails("startup"), Event("Killing", "failed startup probe"))
            .crashes()
            .tells(&["its startup probe `sh -c echo port 80 is closed; exit 1` fails", "port 80 is closed"])
            .offers(LOGS),
        // It may need its time, and nobody knows how much.
        Failure::new("readiness", fails("readiness"), Event("Unhealthy", "Readiness probe failed"))
            .may_pass_until(10)
            .tells(&[
                "it runs, and its readiness probe `sh -c echo port 80 is closed; exit 1` fails",
                "port 80 is closed",
            ])
            .offers(LOGS),
    ]
}
