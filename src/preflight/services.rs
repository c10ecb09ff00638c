//! Services, the pods behind them and the Ingresses before them: selectors and ports. Probes, too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::{Facts, core};
use super::references::named;
use super::uses::backends;
use super::workloads::{Workload, selects, workloads};
use crate::event::{Check, Finding};
use crate::object::{Object, items};
use crate::plan::Plan;

/// A port by its name or its number, as a field says it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Port {
    Name(String),
    Number(i64),
}

impl Port {
    fn of(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::String(name) => Some(Self::Name(name.clone())),
            Value::Number(number) => Some(Self::Number(number.as_i64()?)),
            _ => None,
        }
    }
}

/// Returns what is wrong with selectors and ports inside the plan.
pub(super) fn check(plan: &Plan) -> Vec<Finding> {
    let workloads = workloads(plan);
    let mut findings = Vec::new();
    for (_, object) in plan.objects() {
        match (object.group(), object.kind()) {
            ("", "Service") => findings.extend(of_service(object, &workloads)),
            ("networking.k8s.io", "Ingress") => {
                findings.extend(of_ingress(object, |name| {
                    let found = plan.objects().map(|(_, other)| other);
                    found
                        .filter(|other| other.kind() == "Service" && other.group().is_empty())
                        .find(|other| other.name() == name && other.namespace() == object.namespace())
                }));
            }
            _ => {}
        }
    }
    findings.extend(workloads.iter().flat_map(probes));
    findings
}

/// Returns what is wrong with the ports that Ingresses name of Services in the cluster.
pub(super) fn outside(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let ingresses = plan.objects().map(|(_, object)| object);
    ingresses
        .filter(|object| (object.group(), object.kind()) == ("networking.k8s.io", "Ingress"))
        .flat_map(|ingress| {
            of_ingress(ingress, |name| facts.object(&core("Service", ingress.namespace(), name)))
        })
        .collect()
}

fn of_service(service: &Object, workloads: &[Workload<'_>]) -> Vec<Finding> {
    let selector = service.get("/spec/selector").and_then(Value::as_object);
    let selector: BTreeMap<&str, &str> = selector
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect();
    // Somebody else writes the endpoints.
    if selector.is_empty() || service.text("/spec/type") == "ExternalName" {
        return Vec::new();
    }
    let near = workloads.iter().filter(|workload| workload.object.namespace() == service.namespace());
    let behind: Vec<&Workload<'_>> = near.filter(|workload| may_select(&selector, workload)).collect();
    if behind.is_empty() {
        let wanted: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let wanted = wanted.join(",");
        let finding = Finding::warning(
            Check::ServiceSelector,
            format!("selects no pods of this plan: no pod template has the labels {wanted}"),
        );
        return vec![finding.about(service.reference()).fix(closest(&selector, service, workloads))];
    }
    let ports = service.get("/spec").into_iter().flat_map(|spec| items(spec, "ports"));
    ports.filter_map(|port| target_port(service, port, &behind)).collect()
}

/// Returns true when a selector can match pods of a workload. Controllers add labels of their own: the
/// name of the pod of a StatefulSet (`statefulset.kubernetes.io/pod-name`), the name of a Job, revisions.
fn may_select(selector: &BTreeMap<&str, &str>, workload: &Workload<'_>) -> bool {
    let name = workload.object.name();
    let labels = workload.labels();
    let mut own = false;
    let fixed: BTreeMap<&str, &str> = selector
        .iter()
        .filter(|(key, value)| {
            let added = match (**key, workload.object.kind()) {
                ("statefulset.kubernetes.io/pod-name", "StatefulSet") => {
                    let ordinal = value.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
                    ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
                }
                ("batch.kubernetes.io/job-name" | "job-name", "Job") => **value == name,
                ("apps.kubernetes.io/pod-index", "StatefulSet")
                | ("pod-template-hash", "Deployment" | "ReplicaSet")
                | ("controller-revision-hash", "StatefulSet" | "DaemonSet")
                | ("batch.kubernetes.io/job-completion-index", "Job")
                | ("batch.kubernetes.io/job-name" | "job-name", "CronJob") => true,
                _ => false,
            };
            own |= added;
            !added
        })
        .map(|(key, value)| (*key, *value))
        .collect();
    (own && fixed.is_empty()) || selects(&fixed, &labels)
}

/// Returns the hint that shows the template which has most of the labels.
fn closest(selector: &BTreeMap<&str, &str>, service: &Object, workloads: &[Workload<'_>]) -> String {
    let score = |workload: &&Workload<'_>| {
        let labels = workload.labels();
        let same = selector.iter().filter(|(key, value)| labels.get(*key) == Some(*value)).count();
        let known = selector.keys().filter(|key| labels.contains_key(*key)).count();
        (same, known)
    };
    let near = workloads.iter().filter(|workload| workload.object.namespace() == service.namespace());
    match near.max_by_key(score).filter(|best| score(best) != (0, 0)) {
        Some(best) => {
            let labels: Vec<String> = best
                .labels()
                .iter()
                .filter(|(key, _)| selector.contains_key(*key))
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{} has {}", best.object.reference(), labels.join(","))
        }
        None => "name labels of a pod template in the selector".to_owned(),
    }
}

/// Returns what is wrong with the `targetPort` of one port of a Service. A name is looked up among the
/// container ports of the pods, by protocol (`pkg/api/v1/pod`, `FindPort`); a number needs no declaration.
fn target_port(service: &Object, port: &Value, behind: &[&Workload<'_>]) -> Option<Finding> {
    let protocol = protocol(port);
    let target = Port::of(port.get("targetPort")).or_else(|| Port::of(port.get("port")))?;
    let declared: Vec<&Value> = behind
        .iter()
        .flat_map(|workload| workload.containers())
        .filter(|(list, container)| *list == "containers" || container["restartPolicy"] == "Always")
        .flat_map(|(_, container)| items(container, "ports"))
        .filter(|declared| self::protocol(declared) == protocol)
        .collect();
    let pods = named(behind.iter().map(|workload| workload.object.name()), 3);
    let finding = match &target {
        Port::Name(name) => {
            let names: BTreeSet<&str> =
                declared.iter().filter_map(|port| port.get("name")?.as_str()).collect();
            if names.contains(name.as_str()) {
                return None;
            }
            let what = format!(
                "its targetPort `{name}` ({protocol}) is no port of the pods behind it ({pods}): nothing is sent to them"
            );
            let fix = if names.is_empty() {
                "give the port of the container this name".to_owned()
            } else {
                format!("their ports are {}", named(names, 5))
            };
            Finding::error(Check::Port, what).fix(fix)
        }
        Port::Number(number) => {
            let numbers: BTreeSet<i64> =
                declared.iter().filter_map(|port| port.get("containerPort")?.as_i64()).collect();
            // Who declares no port at all declares no other either; and before a pod is ready an init
            // container may listen, for those who find it by its Service.
            let is_early = service.get("/spec/publishNotReadyAddresses") == Some(&Value::Bool(true));
            if numbers.is_empty() || numbers.contains(number) || is_early {
                return None;
            }
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let what = format!(
                "its targetPort {number} ({protocol}) is not declared by the pods behind it ({pods})"
            );
            let fix = format!(
                "declared are {}; name one of them, or declare {number} as a containerPort if something listens there",
                named(numbers.iter().map(String::as_str), 5)
            );
            Finding::warning(Check::Port, what).fix(fix)
        }
    };
    Some(finding.about(service.reference()))
}

fn protocol(port: &Value) -> &str {
    port.get("protocol").and_then(Value::as_str).unwrap_or("TCP")
}

/// Returns the backends of an Ingress whose port the Service has not.
fn of_ingress<'a>(ingress: &Object, find: impl Fn(&str) -> Option<&'a Object>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, port) in backends(ingress) {
        let Some(service) = find(name) else { continue };
        let ports: Vec<&Value> =
            service.get("/spec").into_iter().flat_map(|spec| items(spec, "ports")).collect();
        let (wanted, is_there) = if let Some(wanted) = port.get("name").and_then(Value::as_str) {
            (format!("`{wanted}`"), ports.iter().any(|port| port["name"] == wanted))
        } else if let Some(wanted) = port.get("number").and_then(Value::as_i64) {
            (wanted.to_string(), ports.iter().any(|port| port["port"] == wanted))
        } else {
            continue;
        };
        if is_there {
            continue;
        }
        let text = |port: &&Value| {
            let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
            match port.get("name").and_then(Value::as_str) {
                Some(name) => format!("{number} (`{name}`)"),
                None => number.to_string(),
            }
        };
        let told: Vec<String> = ports.iter().map(text).collect();
        let what = format!("sends requests to port {wanted} of Service/{name}, which has no such port");
        let fix = if told.is_empty() {
            "give the Service ports".to_owned()
        } else {
            format!("its ports are {}", named(told.iter().map(String::as_str), 5))
        };
        findings.push(Finding::error(Check::Port, what).about(ingress.reference()).fix(fix));
    }
    findings
}

/// Returns the probes and hooks of a workload that name a port their container has not (kubelet,
/// `probe.ResolveContainerPort`: a name is looked up in the same container only).
fn probes(workload: &Workload<'_>) -> Vec<Finding> {
    const PROBES: [&str; 5] =
        ["/startupProbe", "/readinessProbe", "/livenessProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let mut findings = Vec::new();
    for (_, container) in workload.containers() {
        let names: BTreeSet<&str> =
            items(container, "ports").filter_map(|port| port.get("name")?.as_str()).collect();
        for pointer in PROBES {
            let Some(probe) = container.pointer(pointer) else { continue };
            let named_port = ["httpGet", "tcpSocket"]
                .into_iter()
                .filter_map(|action| probe.get(action)?.get("port")?.as_str())
                .find(|port| !names.contains(port) && port.parse::<u16>().is_err());
            let Some(port) = named_port else { continue };
            let own = container.get("name").and_then(Value::as_str).unwrap_or_default();
            let probe = pointer.rsplit('/').next().unwrap_or_default();
            let what =
                format!("the {probe} of container {own} asks port `{port}`, which the container has not");
            let fix = if names.is_empty() {
                "name the port under the container's `ports`, or write its number".to_owned()
            } else {
                format!("its ports are {}", named(names.iter().copied(), 5))
            };
            findings.push(Finding::error(Check::Port, what).about(workload.object.reference()).fix(fix));
        }
    }
    findings
}
