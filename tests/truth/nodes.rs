//! What needs several nodes: one whose taint keeps a pod away, and one that goes away while a rollout is on
//! its way; its pods are made anew elsewhere, and the deploy ends well. What is done to a node is undone.

use libtest_mimic::Trial;
use wesago::event::EventKind;

use crate::evidence::Evidence;
use crate::objects::{DEBIAN, IDLE, web};
use crate::sandbox::command::{kubectl_in, sandbox};
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::trial::{Failure, PREFIX, Recovery};
use crate::world::world;

/// The node that goes away: not the first, which is this machine.
const VICTIM: &str = "node3";
const NAME: &str = "node-away";
/// Longest wait until a pod runs on that node.
const STARTED: std::time::Duration = std::time::Duration::from_secs(60);

pub(crate) fn all() -> impl Iterator<Item = Trial> {
    let taint = Trial::test("nodes::taint", || Ok(on_three_nodes(|| tainted().prove())?));
    [Trial::test("nodes::node-away", || Ok(on_three_nodes(node_away)?)), taint].into_iter()
}

fn on_three_nodes(trial: impl FnOnce() -> Seen) -> Seen {
    let nodes = world()?.nodes;
    ensure!(nodes >= 3, "{nodes} nodes are too few; run `sandbox/sandbox up --nodes 3`");
    trial()
}

fn tainted() -> Failure {
    let pod = web(&["nodeSelector: { kubernetes.io/hostname: node2 }"], &[DEBIAN, IDLE]);
    Failure::new("taint", pod, Evidence::Unscheduled("untolerated taint"))
        .prepared_by(|_| change_taint("example.org/gpu:NoSchedule"), |_| change_taint("example.org/gpu-"))
        .tells(&["untolerated taint", "example.org/gpu"])
        .offers("kubectl describe nodes")
}

fn change_taint(change: &str) -> Seen {
    sandbox(&["kubectl", "taint", "--overwrite", "node", "node2", change]).map(drop)
}

fn node_away() -> Seen {
    let mut killed = false;
    let result = recovery().prove_with(|event| {
        let applied =
            matches!(&event.event, EventKind::ObjectApplied { object, .. } if object.kind == "Deployment");
        if applied && !killed {
            killed = true;
            wait_for("pod that runs there", STARTED, runs_there)?;
            sandbox(&["kill", "node", VICTIM])?;
        }
        Ok(())
    });
    let back = sandbox(&["restart", "node", VICTIM]);
    result?;
    ensure!(killed, "the moment to take the node away never came");
    back.map(drop)
}

/// Returns three pods that take their time, spread over the nodes; those of a node that does not answer are
/// given up after 5 s instead of 5 minutes.
fn recovery() -> Recovery {
    let gone = |taint: &str| {
        format!(
            "- {{ key: node.kubernetes.io/{taint}, operator: Exists, effect: NoExecute, tolerationSeconds: 5 }}"
        )
    };
    let objects = web(
        &[
            "tolerations:",
            &gone("unreachable"),
            &gone("not-ready"),
            "topologySpreadConstraints:",
            "- topologyKey: kubernetes.io/hostname",
            "  maxSkew: 1",
            "  whenUnsatisfiable: ScheduleAnyway",
            "  labelSelector: { matchLabels: { app: web } }",
        ],
        &[
            DEBIAN,
            "command: [sh, -c, sleep 15; touch /tmp/up; exec sleep infinity]",
            "readinessProbe: { exec: { command: [test, -f, /tmp/up] }, periodSeconds: 1, failureThreshold: 60 }",
        ],
    );
    let objects = objects.replacen("spec:\n", "spec:\n  replicas: 3\n", 1);
    Recovery::new(NAME, objects, Evidence::Event("TaintManagerEviction", "Marking for deletion"), 30)
}

/// Tells whether a pod of the rollout runs on the node that is to go away.
fn runs_there() -> Seen<Result<(), String>> {
    let there = format!("spec.nodeName={VICTIM},status.phase=Running");
    let pods = ["get", "pods", "--field-selector", &there, "--output", "name"];
    let pods = kubectl_in(&format!("{PREFIX}{NAME}"), &pods)?;
    Ok(if pods.is_empty() { Err("no pod".to_owned()) } else { Ok(()) })
}
