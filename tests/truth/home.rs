//! The plan's own namespace is being deleted, and something holds it: that is told at once, who holds it within
//! seconds, and the deploy goes on by itself when he lets go.

use std::time::Duration;

use libtest_mimic::Trial;
use wesago::event::EventKind;

use crate::objects::{DEBIAN, IDLE, web};
use crate::sandbox::command::kubectl_in;
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::trial::Scene;
use crate::world::release;

/// What holds the namespace.
const HELD: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: held
  namespace: $NAMESPACE
  labels: { wesago-truth: held }
  finalizers: [example.org/hold]
";
/// When it is told who holds it: ten seconds, and some for looking.
const EXPLAINED: Duration = Duration::from_secs(13);

pub(crate) fn trial() -> Trial {
    Trial::test("recoveries::own-namespace-ending", || Ok(own_namespace_ending()?))
}

fn own_namespace_ending() -> Seen {
    let scene = Scene::new("own-ending", web(&[], &[DEBIAN, IDLE])).beside(HELD, begins_to_end);
    let namespace = scene.namespace();
    let (mut told, mut explained) = (None, None);
    scene.play(
        |event| {
            let EventKind::Warned { message } = &event.event else { return Ok(()) };
            let after = Duration::from_millis(event.elapsed_ms);
            if message.contains(&format!("Namespace/{namespace} is being deleted")) {
                told = Some(after);
            }
            if message.contains("does not go") && message.contains("example.org/hold") && explained.is_none()
            {
                explained = Some(after);
                release(&namespace)?;
            }
            Ok(())
        },
        |_, run| {
            ensure!(run.is_success(), "the deploy did not end well");
            Ok(())
        },
    )?;
    ensure!(told.is_some_and(|after| after < Duration::from_secs(2)), "told after {told:?}");
    ensure!(explained.is_some_and(|after| after < EXPLAINED), "explained after {explained:?}");
    Ok(())
}

fn begins_to_end(namespace: &str) -> Seen {
    kubectl_in("default", &["delete", "namespace", namespace, "--wait=false"])?;
    wait_for("end of the namespace to begin", Duration::from_secs(10), || {
        let phase = ["get", "namespace", namespace, "--output", "jsonpath={.status.phase}"];
        let phase = kubectl_in("default", &phase)?;
        Ok(if phase == "Terminating" { Ok(()) } else { Err(phase) })
    })
}
