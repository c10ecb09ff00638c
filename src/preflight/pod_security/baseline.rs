//! The level `baseline`: no known way to more rights than a pod should have.

use serde_json::Value;

use super::{Pod, about_containers, context};
use crate::object::items;

/// The capabilities a container may add (`check_capabilities_baseline.go`).
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The sysctls that are safe, and since which minor version (`check_sysctls.go`).
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// The `SELinux` types that are allowed, and since which minor version (`check_seLinuxOptions.go`).
const SELINUX_TYPES: [(&str, u32); 5] = [
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// Returns what of a pod the level forbids.
pub(super) fn violations(pod: &Pod<'_>) -> Vec<String> {
    let rules = [
        host_process,
        host_namespaces,
        privileged,
        capabilities,
        host_path,
        host_ports,
        host_probes,
        app_armor,
        selinux,
        proc_mount,
        seccomp,
        sysctls,
    ];
    rules.iter().filter_map(|rule| rule(pod)).collect()
}

/// `check_windowsHostProcess.go`
fn host_process(pod: &Pod<'_>) -> Option<String> {
    let is_set = |value: Option<&Value>| value == Some(&Value::Bool(true));
    if is_set(pod.context("/windowsOptions/hostProcess")) {
        return Some("the pod runs as a host process".to_owned());
    }
    let names = pod.those(|container| is_set(context(container, "/windowsOptions/hostProcess")));
    about_containers("run as a host process", &names)
}

/// `check_hostNamespaces.go`
fn host_namespaces(pod: &Pod<'_>) -> Option<String> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"];
    let used: Vec<&str> = fields.into_iter().filter(|field| pod.spec()[*field] == true).collect();
    (!used.is_empty()).then(|| format!("{} must not be true", used.join(", ")))
}

/// `check_privileged.go`
fn privileged(pod: &Pod<'_>) -> Option<String> {
    let names = pod.those(|container| context(container, "/privileged") == Some(&Value::Bool(true)));
    about_containers("securityContext.privileged must not be true", &names)
}

/// `check_capabilities_baseline.go`
fn capabilities(pod: &Pod<'_>) -> Option<String> {
    let names = pod.those(|container| {
        let added = context(container, "/capabilities").into_iter().flat_map(|own| items(own, "add"));
        added.into_iter().any(|one| one.as_str().is_none_or(|one| !CAPABILITIES.contains(&one)))
    });
    about_containers("a capability is added that is not among the harmless ones", &names)
}

/// `check_hostPathVolumes.go`
fn host_path(pod: &Pod<'_>) -> Option<String> {
    let volumes = items(pod.spec(), "volumes")
        .filter(|volume| volume.get("hostPath").is_some_and(|path| !path.is_null()));
    let names: Vec<&str> = volumes.filter_map(|volume| volume.get("name")?.as_str()).collect();
    (!names.is_empty()).then(|| format!("a hostPath is used (volume {})", names.join(", ")))
}

/// `check_hostPorts.go`
fn host_ports(pod: &Pod<'_>) -> Option<String> {
    let is_taken = |port: &Value| port.get("hostPort").and_then(Value::as_i64).unwrap_or(0) != 0;
    let names = pod.those(|container| items(container, "ports").any(is_taken));
    about_containers("hostPort must not be used", &names)
}

/// `check_hostProbesAndhostLifecycle.go`, since 1.34
fn host_probes(pod: &Pod<'_>) -> Option<String> {
    const ASKED: [&str; 5] =
        ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let names_host = |action: Option<&Value>| {
        let host = action.and_then(|action| action.get("host")?.as_str());
        host.is_some_and(|host| !host.is_empty())
    };
    let names = pod.those(|container| {
        let asked = ASKED.iter().filter_map(|pointer| container.pointer(pointer));
        asked.into_iter().any(|one| names_host(one.get("httpGet")) || names_host(one.get("tcpSocket")))
    });
    about_containers("a probe or hook must not name a host", &names).filter(|_| pod.minor >= 34)
}

/// `check_appArmorProfile.go`
fn app_armor(pod: &Pod<'_>) -> Option<String> {
    let is_bad = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|kind| !matches!(kind, "" | "RuntimeDefault" | "Localhost"))
    };
    if is_bad(pod.context("/appArmorProfile/type")) {
        return Some("securityContext.appArmorProfile.type must be RuntimeDefault or Localhost".to_owned());
    }
    let old = pod.workload.annotations().any(|(key, value)| {
        key.starts_with("container.apparmor.security.beta.kubernetes.io/")
            && !matches!(value, "" | "runtime/default")
            && !value.starts_with("localhost/")
    });
    if old {
        return Some("an AppArmor annotation must be runtime/default or localhost/…".to_owned());
    }
    let names = pod.those(|container| is_bad(context(container, "/appArmorProfile/type")));
    about_containers("securityContext.appArmorProfile.type must be RuntimeDefault or Localhost", &names)
}

/// `check_seLinuxOptions.go`
fn selinux(pod: &Pod<'_>) -> Option<String> {
    let is_bad = |options: Option<&Value>| {
        let Some(options) = options else { return false };
        let text = |field: &str| options.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = text("type");
        let allowed = SELINUX_TYPES.iter().any(|(name, since)| *name == kind && *since <= pod.minor);
        !allowed || !text("user").is_empty() || !text("role").is_empty()
    };
    let what = "securityContext.seLinuxOptions must name no user, no role and only a type of containers";
    if is_bad(pod.context("/seLinuxOptions")) {
        return Some(what.to_owned());
    }
    about_containers(what, &pod.those(|container| is_bad(context(container, "/seLinuxOptions"))))
}

/// `check_procMount.go`; that pods in a user namespace of their own are let off is still behind a gate.
fn proc_mount(pod: &Pod<'_>) -> Option<String> {
    let is_bad = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|mount| !matches!(mount, "" | "Default"))
    };
    let names = pod.those(|container| is_bad(context(container, "/procMount")));
    about_containers("securityContext.procMount must be Default", &names)
}

/// `check_seccompProfile_baseline.go`
fn seccomp(pod: &Pod<'_>) -> Option<String> {
    let is_bad = |value: Option<&Value>| value.is_some_and(|kind| kind == "Unconfined");
    if is_bad(pod.context("/seccompProfile/type")) {
        return Some("securityContext.seccompProfile.type must not be Unconfined".to_owned());
    }
    let names = pod.those(|container| is_bad(context(container, "/seccompProfile/type")));
    about_containers("securityContext.seccompProfile.type must not be Unconfined", &names)
}

/// `check_sysctls.go`
fn sysctls(pod: &Pod<'_>) -> Option<String> {
    let set = pod.spec().get("securityContext").into_iter().flat_map(|context| items(context, "sysctls"));
    let is_safe = |name: &&str| SYSCTLS.iter().any(|(safe, since)| safe == name && *since <= pod.minor);
    let unsafe_ones: Vec<&str> =
        set.filter_map(|one| one.get("name")?.as_str()).filter(|name| !is_safe(name)).collect();
    (!unsafe_ones.is_empty())
        .then(|| format!("sysctls that are not safe are set ({})", unsafe_ones.join(", ")))
}
