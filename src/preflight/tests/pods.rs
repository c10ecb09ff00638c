//! Pod Security: one pod for each rule that breaks it and nothing else, and one beside it that is allowed.

use serde_json::{Value, json};

use super::super::judge;
use super::{Facts, k3s, namespace, object};
use crate::event::{Check, Finding};
use crate::plan::{Plan, Stage, StageId};

/// Returns a pod that `restricted` allows, with `change` made to its specification.
fn pod(change: impl FnOnce(&mut Value)) -> Plan {
    let mut spec = json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "web", "image": "web:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    });
    change(&mut spec);
    let value = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec,
    });
    let stage = Stage {
        id: StageId::new("web").unwrap(),
        needs: Vec::new(),
        objects: vec![object(value)],
        deadline: std::time::Duration::from_secs(60),
        checks: Vec::new(),
    };
    Plan::new("shop", "shop", vec![stage]).unwrap()
}

/// Returns a cluster whose namespace enforces a level.
fn enforcing(level: &str) -> Facts {
    let mut facts = k3s();
    let labels = json!({"pod-security.kubernetes.io/enforce": level});
    let space =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
    facts.objects.insert(namespace(), Ok(Some(object(space))));
    facts
}

fn found(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    judge(plan, facts).into_iter().filter(|finding| finding.check == Check::PodSecurity).collect()
}

/// Checks that a pod with this change is refused by the level, with these words, and by no lower one.
#[track_caller]
fn refused(level: &str, words: &str, change: impl FnOnce(&mut Value)) {
    let plan = pod(change);
    let findings = found(&plan, &enforcing(level));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].is_error() && findings[0].what.contains(words), "{}", findings[0]);
    let lower = if level == "restricted" { "baseline" } else { "privileged" };
    assert_eq!(found(&plan, &enforcing(lower)), []);
}

#[track_caller]
fn allowed(level: &str, change: impl FnOnce(&mut Value)) {
    assert_eq!(found(&pod(change), &enforcing(level)), []);
}

#[test]
fn a_hardened_pod_is_allowed_everywhere() {
    for level in ["privileged", "baseline", "restricted"] {
        allowed(level, |_| {});
    }
}

#[test]
fn baseline_forbids_what_reaches_the_host() {
    refused("baseline", "hostNetwork", |spec| spec["hostNetwork"] = true.into());
    refused("baseline", "hostPID, hostIPC", |spec| {
        spec["hostPID"] = true.into();
        spec["hostIPC"] = true.into();
    });
    refused("baseline", "hostPath", |spec| {
        spec["volumes"] = json!([{"name": "root", "hostPath": {"path": "/"}}]);
    });
    refused("baseline", "hostPort", |spec| {
        spec["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
    });
    allowed("baseline", |spec| {
        spec["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 0}]);
    });
    refused("baseline", "host process", |spec| {
        spec["securityContext"]["windowsOptions"] = json!({"hostProcess": true});
    });
    refused("baseline", "name a host", |spec| {
        spec["containers"][0]["livenessProbe"] = json!({"httpGet": {"host": "169.254.169.254", "port": 80}});
    });
}

#[test]
fn baseline_forbids_what_gives_rights() {
    let context = |field: &'static str, value: Value| {
        move |spec: &mut Value| spec["containers"][0]["securityContext"][field] = value
    };
    refused("baseline", "privileged", context("privileged", true.into()));
    refused(
        "baseline",
        "capability",
        context("capabilities", json!({"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
    );
    refused("baseline", "procMount", context("procMount", "Unmasked".into()));
    refused("baseline", "appArmorProfile", context("appArmorProfile", json!({"type": "Unconfined"})));
    refused("baseline", "seccompProfile", context("seccompProfile", json!({"type": "Unconfined"})));
    refused("baseline", "seLinuxOptions", context("seLinuxOptions", json!({"type": "spc_t"})));
    refused("baseline", "seLinuxOptions", context("seLinuxOptions", json!({"user": "root"})));
    allowed("baseline", context("seLinuxOptions", json!({"type": "container_init_t", "level": "s0:c1"})));
    refused("baseline", "kernel.msgmax", |spec| {
        spec["securityContext"]["sysctls"] = json!([{"name": "kernel.msgmax", "value": "1"}]);
    });
    allowed("baseline", |spec| {
        spec["securityContext"]["sysctls"] = json!([{"name": "net.ipv4.tcp_rmem", "value": "1"}]);
    });
}

#[test]
fn restricted_demands_what_is_good_practice() {
    refused("restricted", "allowPrivilegeEscalation", |spec| {
        spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = Value::Null;
    });
    refused("restricted", "runAsNonRoot", |spec| spec["securityContext"]["runAsNonRoot"] = Value::Null);
    refused("restricted", "runAsNonRoot", |spec| {
        spec["containers"][0]["securityContext"]["runAsNonRoot"] = false.into();
    });
    allowed("restricted", |spec| {
        spec["securityContext"]["runAsNonRoot"] = Value::Null;
        spec["containers"][0]["securityContext"]["runAsNonRoot"] = true.into();
    });
    refused("restricted", "runAsUser", |spec| spec["securityContext"]["runAsUser"] = 0.into());
    refused("restricted", "seccompProfile", |spec| spec["securityContext"]["seccompProfile"] = Value::Null);
    refused("restricted", "drop must hold ALL", |spec| {
        spec["containers"][0]["securityContext"]["capabilities"] = json!({"drop": ["NET_RAW"]});
    });
    refused("restricted", "NET_BIND_SERVICE", |spec| {
        spec["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["CHOWN"]);
    });
    allowed("restricted", |spec| {
        spec["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["NET_BIND_SERVICE"]);
    });
    refused("restricted", "kind of volume", |spec| {
        spec["volumes"] = json!([{"name": "share", "nfs": {"server": "nfs", "path": "/"}}]);
    });
    refused("restricted", "container init", |spec| {
        spec["initContainers"] = json!([{"name": "init", "image": "init:1", "securityContext": {
            "allowPrivilegeEscalation": true, "capabilities": {"drop": ["ALL"]},
        }}]);
    });
}

#[test]
fn a_level_of_an_older_version_knows_fewer_rules() {
    let plan = pod(|spec| {
        spec["containers"][0]["livenessProbe"] = json!({"httpGet": {"host": "a", "port": 80}});
    });
    let mut facts = enforcing("baseline");
    facts.version = Some(Ok(json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})));
    assert_eq!(found(&plan, &facts), []);
    let mut facts = enforcing("baseline");
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.30",
    });
    let space =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
    facts.objects.insert(namespace(), Ok(Some(object(space))));
    assert_eq!(found(&plan, &facts), []);
}

#[test]
fn the_level_that_the_plan_itself_writes_counts() {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let space =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
    let pod = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "web"}, {"name": "sidecar"}]}}},
    });
    let stage = Stage {
        id: StageId::new("web").unwrap(),
        needs: Vec::new(),
        objects: vec![object(space), object(pod)],
        deadline: std::time::Duration::from_secs(60),
        checks: Vec::new(),
    };
    let plan = Plan::new("shop", "shop", vec![stage]).unwrap();
    let told: Vec<String> = found(&plan, &k3s()).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @"Deployment/web: its pods are refused: namespace `shop` enforces the Pod Security level `restricted`, and containers web, sidecar: securityContext.allowPrivilegeEscalation must be false; containers web, sidecar: securityContext.runAsNonRoot must be true, here or for the pod; containers web, sidecar: securityContext.seccompProfile.type must be RuntimeDefault or Localhost, here or for the pod; containers web, sidecar: securityContext.capabilities.drop must hold ALL");
}
