//! Does a namespace's ResourceQuota allow the plan? (kubernetes, `pkg/quota/v1/evaluator/core`)

use std::collections::BTreeMap;

use serde_json::Value;

use super::capacity::is_of;
use super::counted::{counted, of_claim};
use super::facts::{Facts, List};
use super::unchecked;
use super::workloads::{Workload, workloads};
use crate::event::{Check, Finding, Level};
use crate::inventory::Inventory;
use crate::object::scheduling::{Amounts, Millis, add, amounts, refusal, shown};
use crate::object::{Object, items};
use crate::plan::Plan;

/// Returns what quotas do not allow.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let workloads = workloads(plan);
    let mut findings = Vec::new();
    for (list, answer) in &facts.lists {
        let List::Quotas(namespace) = list else { continue };
        match answer {
            Err(why) => findings.push(unchecked(Check::Quota, why)),
            Ok(quotas) => {
                let own: Vec<Workload<'_>> = workloads
                    .iter()
                    .filter(|workload| workload.object.namespace() == Some(namespace))
                    .copied()
                    .collect();
                let wanted = Wanted::of(plan, facts, namespace, &own);
                for quota in quotas.iter().filter(|quota| !has_scopes(quota)) {
                    findings.extend(of_quota(quota, &wanted));
                    findings.extend(unlimited(quota, facts, namespace, &own));
                }
            }
        }
    }
    findings
}

/// Returns true for a quota that counts a part of the pods only; which, is not known beforehand.
fn has_scopes(quota: &Object) -> bool {
    let spec = quota.get("/spec").unwrap_or(&Value::Null);
    items(spec, "scopes").next().is_some() || spec.get("scopeSelector").is_some_and(|scope| !scope.is_null())
}

/// Returns true when a quota counts what pods ask for: then limit ranges and running pods matter.
pub(super) fn counts_pods(quota: &Object) -> bool {
    hard(quota).keys().any(|name| {
        matches!(name.as_str(), "cpu" | "memory" | "pods" | "count/pods" | "ephemeral-storage")
            || name.starts_with("limits.")
            || (name.starts_with("requests.") && name != "requests.storage")
    })
}

fn hard(quota: &Object) -> Amounts {
    let told = amounts(quota.get("/status/hard"));
    if told.is_empty() { amounts(quota.get("/spec/hard")) } else { told }
}

/// What a plan asks of the quotas of one namespace.
struct Wanted {
    /// By what stays.
    staying: Amounts,
    /// For a time: surge, and the greediest Job.
    passing: Amounts,
    /// By pods of the plan that run now; `None` when the pods are not known.
    ours: Option<Amounts>,
}

impl Wanted {
    fn of(plan: &Plan, facts: &Facts, namespace: &str, own: &[Workload<'_>]) -> Self {
        let nodes = facts.list(&List::Nodes).unwrap_or_default();
        let pods = facts.list(&List::Pods);
        let (mut staying, mut passing, mut jobs) =
            (objects(plan, facts, namespace), Amounts::new(), Amounts::new());
        for workload in own {
            let each = counted(workload.spec);
            if !workload.keeps_running() {
                let mut all = Amounts::new();
                add(&mut all, &each, workload.replicas());
                for (name, amount) in all {
                    let slot = jobs.entry(name).or_default();
                    *slot = (*slot).max(amount);
                }
                continue;
            }
            let replicas = match workload.object.kind() {
                "DaemonSet" if !nodes.is_empty() => {
                    let takes = nodes.iter().filter(|node| refusal(node, workload.spec).is_none());
                    i64::try_from(takes.count()).unwrap_or(0)
                }
                _ => workload.replicas(),
            };
            add(&mut staying, &each, replicas);
            let rolls = pods.is_some_and(|pods| pods.iter().any(|pod| is_of(pod, workload)));
            add(&mut passing, &each, if rolls { workload.surge() } else { 0 });
        }
        add(&mut passing, &jobs, 1);
        let ours = pods.map(|pods| {
            let mut sum = Amounts::new();
            let specs = pods.iter().filter(|pod| own.iter().any(|workload| is_of(pod, workload)));
            specs.filter_map(|pod| pod.get("/spec")).for_each(|spec| add(&mut sum, &counted(spec), 1));
            sum
        });
        Self { staying, passing, ours }
    }
}

/// Returns what the plan's objects themselves count as: claims, and objects by kind.
fn objects(plan: &Plan, facts: &Facts, namespace: &str) -> Amounts {
    let mut sum = Amounts::new();
    let mut count = |name: String| *sum.entry(name).or_default() += 1000;
    for (_, object) in plan.objects().filter(|(_, object)| object.namespace() == Some(namespace)) {
        let kind = object.reference().group_kind();
        let plural = facts.served.get(&kind).and_then(|served| Some(served.first()?.plural.clone()));
        let Some(plural) = plural.filter(|_| object.kind() != "Pod") else { continue };
        if kind.group.is_empty() {
            if matches!(
                plural.as_str(),
                "configmaps" | "secrets" | "services" | "replicationcontrollers" | "resourcequotas"
            ) {
                count(plural.clone());
            }
            count(format!("count/{plural}"));
        } else {
            count(format!("count/{plural}.{}", kind.group));
        }
        if object.kind() == "Service" && object.text("/spec/type") == "LoadBalancer" {
            count("services.loadbalancers".to_owned());
        }
    }
    if plan.namespace() == namespace {
        // The inventory is a ConfigMap, too.
        let parent = Inventory::parent_name(plan.name());
        if !plan.objects().any(|(_, object)| object.kind() == "ConfigMap" && object.name() == parent) {
            count("configmaps".to_owned());
            count("count/configmaps".to_owned());
        }
        for _ in plan.secrets() {
            count("secrets".to_owned());
            count("count/secrets".to_owned());
        }
    }
    for (_, object) in plan.objects().filter(|(_, object)| object.namespace() == Some(namespace)) {
        let spec = object.get("/spec").unwrap_or(&Value::Null);
        match object.kind() {
            "PersistentVolumeClaim" => add(&mut sum, &of_claim(spec), 1),
            "StatefulSet" => {
                let replicas = spec.get("replicas").and_then(Value::as_i64).unwrap_or(1).clamp(0, 1_000_000);
                for template in items(spec, "volumeClaimTemplates") {
                    let claim = template.get("spec").unwrap_or(&Value::Null);
                    add(&mut sum, &of_claim(claim), replicas);
                }
            }
            _ => {}
        }
    }
    sum
}

fn of_quota(quota: &Object, wanted: &Wanted) -> Vec<Finding> {
    let used = amounts(quota.get("/status/used"));
    let mut found: BTreeMap<Level, Vec<String>> = BTreeMap::new();
    for (name, hard) in hard(quota) {
        let Some(&need) = wanted.staying.get(&name).filter(|need| **need > 0) else { continue };
        let passing = wanted.passing.get(&name).copied().unwrap_or_default();
        if need > hard {
            let text = format!("{name} {} of {}", shown(&name, need), shown(&name, hard));
            found.entry(Level::Error).or_default().push(text);
            continue;
        }
        let others: Millis = match &wanted.ours {
            Some(ours) if is_of_pods(&name) => {
                let (used, ours) = (used.get(&name), ours.get(&name));
                (used.copied().unwrap_or_default() - ours.copied().unwrap_or_default()).max(0)
            }
            _ => 0,
        };
        if others + need + passing > hard {
            let (own, all) = (shown(&name, need), shown(&name, hard));
            let rolling = match passing {
                0 => String::new(),
                more => format!(" and for a time {} more", shown(&name, more)),
            };
            let taken = match others {
                0 => String::new(),
                others => format!(" of which others use {}", shown(&name, others)),
            };
            let text = format!("{name} {own}{rolling}, of {all}{taken}");
            found.entry(Level::Warning).or_default().push(text);
        }
    }
    let namespace = quota.namespace().unwrap_or_default();
    found
        .into_iter()
        .map(|(level, parts)| {
            let word = if level == Level::Error { "does not allow" } else { "may not allow" };
            let what = format!(
                "ResourceQuota `{}` of namespace `{namespace}` {word} what the plan asks for: {}",
                quota.name(),
                parts.join("; ")
            );
            Finding { level, ..Finding::error(Check::Quota, what) }.fix("ask for less, or raise the quota")
        })
        .collect()
}

/// Returns true for what pods use up, which the running pods tell.
fn is_of_pods(name: &str) -> bool {
    !name.ends_with("requests.storage")
        && (name.starts_with("limits.")
            || name.starts_with("requests.")
            || matches!(name, "cpu" | "memory" | "ephemeral-storage" | "pods" | "count/pods"))
}

/// Returns the workloads whose pods a quota refuses since they do not say what they need: with a quota on
/// cpu or memory every container must, unless a `LimitRange` says it for them (`Container`).
fn unlimited(quota: &Object, facts: &Facts, namespace: &str, own: &[Workload<'_>]) -> Vec<Finding> {
    let Some(ranges) = facts.list(&List::Limits(namespace.to_owned())) else { return Vec::new() };
    let defaults = |field: &str, resource: &str| {
        let ranges = ranges.iter().filter_map(|range| range.get("/spec"));
        ranges
            .flat_map(|spec| items(spec, "limits"))
            .filter(|limit| limit["type"] == "Container")
            .any(|limit| limit.get(field).is_some_and(|amounts| amounts.get(resource).is_some()))
    };
    let mut findings = Vec::new();
    let hard = hard(quota);
    for workload in own.iter().filter(|workload| workload.replicas() > 0) {
        let mut missing = Vec::new();
        for (name, resource, is_limit) in [
            ("requests.cpu", "cpu", false),
            ("requests.memory", "memory", false),
            ("limits.cpu", "cpu", true),
            ("limits.memory", "memory", true),
        ] {
            let is_counted = hard.contains_key(name) || (!is_limit && hard.contains_key(resource));
            let by_default =
                defaults("default", resource) || (!is_limit && defaults("defaultRequest", resource));
            let pointer = |list: &str| format!("/resources/{list}/{resource}");
            let says = |container: &Value| {
                container.pointer(&pointer("limits")).is_some()
                    || (!is_limit && container.pointer(&pointer("requests")).is_some())
            };
            let whole_pod = says(workload.spec);
            if is_counted
                && !by_default
                && !whole_pod
                && !workload.containers().all(|(_, container)| says(container))
            {
                missing.push(name);
            }
        }
        if missing.is_empty() {
            continue;
        }
        let what = format!(
            "its pods are refused: ResourceQuota `{}` demands {} of every container",
            quota.name(),
            missing.join(", ")
        );
        let fix = "say them under each container's `resources`".to_owned();
        findings.push(Finding::error(Check::Quota, what).about(workload.object.reference()).fix(fix));
    }
    findings
}
