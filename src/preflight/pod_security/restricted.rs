//! The level `restricted`: what is good practice for hardened pods, on top of `baseline`.

use serde_json::Value;

use super::{Pod, about_containers, context};
use crate::object::items;

/// The kinds of volumes that are forbidden here, of those that exist (`check_restrictedVolumes.go` names
/// the allowed ones; a kind that is newer than this list is left to the server).
const FORBIDDEN_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "portworxVolume",
    "photonPersistentDisk",
    "scaleIO",
    "storageos",
];

/// Returns what of a pod the level forbids.
pub(super) fn violations(pod: &Pod<'_>) -> Vec<String> {
    let rules = [volumes, privilege_escalation, non_root, root_user, seccomp, capabilities];
    rules.iter().filter_map(|rule| rule(pod)).collect()
}

/// `check_restrictedVolumes.go`; hostPath is told by the level below already.
fn volumes(pod: &Pod<'_>) -> Option<String> {
    let is_bad = |volume: &&Value| {
        let kinds = FORBIDDEN_VOLUMES.iter().filter(|kind| **kind != "hostPath");
        kinds.into_iter().any(|kind| volume.get(kind).is_some_and(|source| !source.is_null()))
    };
    let names: Vec<&str> = items(pod.spec(), "volumes")
        .filter(is_bad)
        .filter_map(|volume| volume.get("name")?.as_str())
        .collect();
    (!names.is_empty())
        .then(|| format!("a kind of volume is used that is not allowed (volume {})", names.join(", ")))
}

/// `check_allowPrivilegeEscalation.go`; pods of Windows are let off since 1.25.
fn privilege_escalation(pod: &Pod<'_>) -> Option<String> {
    let is_bad =
        |container: &Value| context(container, "/allowPrivilegeEscalation") != Some(&Value::Bool(false));
    let names = pod.those(is_bad);
    about_containers("securityContext.allowPrivilegeEscalation must be false", &names)
        .filter(|_| !pod.is_windows())
}

/// `check_runAsNonRoot.go`: true for the pod, or for each container; never false.
fn non_root(pod: &Pod<'_>) -> Option<String> {
    let whole = pod.context("/runAsNonRoot").and_then(Value::as_bool);
    if whole == Some(false) {
        return Some("securityContext.runAsNonRoot must be true".to_owned());
    }
    let names = pod.those(|container| {
        let own = context(container, "/runAsNonRoot").and_then(Value::as_bool);
        own == Some(false) || (own.is_none() && whole != Some(true))
    });
    about_containers("securityContext.runAsNonRoot must be true, here or for the pod", &names)
}

/// `check_runAsUser.go`, since 1.23
fn root_user(pod: &Pod<'_>) -> Option<String> {
    let is_root = |value: Option<&Value>| value.and_then(Value::as_i64) == Some(0);
    if is_root(pod.context("/runAsUser")) {
        return Some("securityContext.runAsUser must not be 0".to_owned());
    }
    let names = pod.those(|container| is_root(context(container, "/runAsUser")));
    about_containers("securityContext.runAsUser must not be 0", &names).filter(|_| pod.minor >= 23)
}

/// `check_seccompProfile_restricted.go`: said for the pod, or for each container; pods of Windows are let
/// off since 1.25. `Unconfined` is told by the level below already.
fn seccomp(pod: &Pod<'_>) -> Option<String> {
    let is_said = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|kind| !kind.is_empty());
    let whole = is_said(pod.context("/seccompProfile/type"));
    let names = pod.those(|container| !whole && !is_said(context(container, "/seccompProfile/type")));
    let what = "securityContext.seccompProfile.type must be RuntimeDefault or Localhost, here or for the pod";
    about_containers(what, &names).filter(|_| !pod.is_windows())
}

/// `check_capabilities_restricted.go`, since 1.22: all dropped, none added but `NET_BIND_SERVICE`; pods of
/// Windows are let off since 1.25.
fn capabilities(pod: &Pod<'_>) -> Option<String> {
    if pod.is_windows() || pod.minor < 22 {
        return None;
    }
    let list = |container: &Value, list: &str| -> Vec<Value> {
        context(container, "/capabilities").into_iter().flat_map(|own| items(own, list)).cloned().collect()
    };
    let keeps = pod.those(|container| !list(container, "drop").iter().any(|one| one == "ALL"));
    if !keeps.is_empty() {
        return about_containers("securityContext.capabilities.drop must hold ALL", &keeps);
    }
    let adds = pod.those(|container| list(container, "add").iter().any(|one| one != "NET_BIND_SERVICE"));
    about_containers("no capability may be added but NET_BIND_SERVICE", &adds)
}
