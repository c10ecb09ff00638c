//! A deployer who may do everything in his namespace but watch: he is told so, once for each kind, and his
//! deploy ends well all the same.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use wesago::event::EventKind;

use crate::evidence::Evidence;
use crate::objects::{DEBIAN, web};
use crate::sandbox::command::{kubectl_in, sandbox};
use crate::sandbox::seen::{Seen, ensure};
use crate::trial::{Recovery, folder_of};

const ACCOUNT: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: { name: deployer, namespace: $NAMESPACE }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: deployer, namespace: $NAMESPACE }
rules: [{ apiGroups: [\"*\"], resources: [\"*\"], verbs: [get, list, create, update, patch, delete] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: deployer, namespace: $NAMESPACE }
subjects: [{ kind: ServiceAccount, name: deployer, namespace: $NAMESPACE }]
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer }
";

const KUBECONFIG: &str = "kubeconfig.json";

pub(crate) fn trial() -> Trial {
    Trial::test("permissions::may-not-watch", || Ok(may_not_watch()?))
}

fn may_not_watch() -> Seen {
    let slow = "command: [sh, -c, sleep 3; touch /tmp/up; exec sleep infinity]";
    let probe = "readinessProbe: { exec: { command: [test, -f, /tmp/up] }, periodSeconds: 1 }";
    let objects = web(&[], &[DEBIAN, slow, probe]);
    let mut warnings = Vec::new();
    Recovery::new("may-not-watch", objects, Evidence::Event("Unhealthy", "Readiness probe failed"), 3)
        .beside(ACCOUNT, write_kubeconfig)
        .deployed_by(&["--kubeconfig", KUBECONFIG, "--context", "deployer"])
        .prove_with(|event| {
            if let EventKind::Warned { message } = &event.event {
                warnings.push(message.clone());
            }
            Ok(())
        })?;
    let told: Vec<&String> =
        warnings.iter().filter(|message| message.contains("may not be watched")).collect();
    let once: BTreeSet<&String> = told.iter().copied().collect();
    ensure!(
        told.iter().any(|message| message.contains("deployments")),
        "nothing is said of it: {warnings:?}"
    );
    ensure!(told.len() == once.len(), "something is said twice: {told:?}");
    Ok(())
}

/// Writes a kubeconfig with the account's token beside the plan.
fn write_kubeconfig(namespace: &str) -> Seen {
    let administrator = sandbox(&["kubectl", "config", "view", "--raw", "--output", "json"])?;
    let administrator: Value = serde_json::from_str(&administrator).map_err(|error| error.to_string())?;
    let token = kubectl_in(namespace, &["create", "token", "deployer"])?;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": administrator["clusters"][0]["cluster"]}],
        "users": [{"name": "deployer", "user": {"token": token.trim()}}],
        "contexts": [{"name": "deployer", "context": {"cluster": "sandbox", "user": "deployer"}}],
    });
    let path = folder_of(namespace).join(KUBECONFIG);
    std::fs::write(&path, kubeconfig.to_string()).map_err(|error| format!("{}: {error}", path.display()))
}
