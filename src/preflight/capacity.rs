//! Is there room? One pod that fits no node is told by its workload; all pods together are held against
//! what the nodes have left.

use super::facts::{Facts, List};
use super::references::named;
use super::unchecked;
use super::workloads::{Workload, selects, workloads};
use crate::event::{Check, Finding, Level};
use crate::object::Object;
use crate::object::scheduling::{
    Amounts, Refusal, add, allocatable, asks_for_something, is_fixed, is_open, refusal, requests, shown,
};
use crate::plan::Plan;

/// Returns what does not fit.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    if let Some(why) = facts.unread(&List::Nodes) {
        return vec![unchecked(Check::Capacity, why)];
    }
    let Some(nodes) = facts.list(&List::Nodes).filter(|nodes| !nodes.is_empty()) else { return Vec::new() };
    let workloads = workloads(plan);
    let mut findings: Vec<Finding> =
        workloads.iter().filter_map(|workload| one_pod(workload, nodes)).collect();
    findings.extend(together(&workloads, nodes, facts));
    findings
}

/// Returns how many nodes take pods.
pub(super) fn remarks(facts: &Facts) -> Vec<String> {
    let Some(nodes) = facts.list(&List::Nodes) else { return Vec::new() };
    let open = nodes.iter().filter(|node| is_open(node)).count();
    vec![format!("{open} of {} nodes take pods", nodes.len())]
}

/// Returns what keeps a pod of a workload from every node.
fn one_pod(workload: &Workload<'_>, nodes: &[Object]) -> Option<Finding> {
    if workload.replicas() == 0 {
        return None;
    }
    let refusals: Vec<Option<Refusal>> = nodes.iter().map(|node| refusal(node, workload.spec)).collect();
    let about = |certain: bool, what: String, fix: String| {
        let level = if certain && is_fixed(nodes) { Level::Error } else { Level::Warning };
        let finding = Finding { level, ..Finding::error(Check::Capacity, what) };
        Some(finding.about(workload.object.reference()).fix(fix))
    };
    // A DaemonSet may be meant for nodes that are still to come.
    let is_daemon = workload.object.kind() == "DaemonSet";
    if refusals.iter().all(Option::is_some) {
        let why = |refusal| refusals.iter().filter(|found| **found == Some(refusal)).count();
        let reasons: Vec<String> = [
            (why(Refusal::Labels), "without the labels asked for"),
            (why(Refusal::Taint), "with a taint that is not tolerated"),
            (why(Refusal::Now), "cordoned or in trouble"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{count} {why}"))
        .collect();
        let what = format!("no node takes its pods: of {}, {}", nodes.len(), reasons.join(", "));
        let fix = "change its nodeSelector, affinity or tolerations, or label a node".to_owned();
        return about(why(Refusal::Now) == 0 && !is_daemon, what, fix);
    }
    let wanted = requests(workload.spec);
    let candidates: Vec<Amounts> = nodes
        .iter()
        .zip(&refusals)
        .filter(|(_, refusal)| refusal.is_none())
        .map(|(node, _)| allocatable(node))
        .collect();
    // A node that does not tell what it has is not held against anybody.
    if candidates.iter().any(|given| given.is_empty() || lacking(&wanted, given).is_empty()) {
        return None;
    }
    let nearest = candidates.iter().min_by_key(|given| lacking(&wanted, given).len())?;
    let lacking = lacking(&wanted, nearest);
    let told: Vec<String> = lacking
        .iter()
        .map(|name| {
            let has = nearest.get(*name).copied().unwrap_or_default();
            format!("{name} {} where a node has {}", shown(name, wanted[*name]), shown(name, has))
        })
        .collect();
    // What a device plugin brings may come later.
    let is_native = lacking.iter().all(|name| !name.contains('/'));
    let what = format!("one pod fits on no node: it requests {}", told.join(", "));
    about(is_native && !is_daemon, what, "request less, or add a larger node".to_owned())
}

/// Returns the resources of which a node has not enough at all.
fn lacking<'a>(wanted: &'a Amounts, given: &Amounts) -> Vec<&'a str> {
    let short = |name: &str, amount: i128| amount > given.get(name).copied().unwrap_or_default();
    wanted.iter().filter(|(name, amount)| short(name, **amount)).map(|(name, _)| name.as_str()).collect()
}

/// Returns a warning when all pods that stay, with those of a rolling update, ask for more than the nodes
/// have left. What runs to an end is not counted: it may wait its turn.
fn together(workloads: &[Workload<'_>], nodes: &[Object], facts: &Facts) -> Option<Finding> {
    let staying: Vec<&Workload<'_>> = workloads.iter().filter(|workload| workload.keeps_running()).collect();
    if !staying.iter().any(|workload| asks_for_something(workload.spec)) {
        return None;
    }
    let is_open_to_us =
        |node: &&Object| staying.iter().any(|workload| refusal(node, workload.spec).is_none());
    let open: Vec<&Object> = nodes.iter().filter(is_open_to_us).collect();
    let mut has = Amounts::new();
    for node in &open {
        add(&mut has, &allocatable(node), 1);
    }
    let pods = facts.list(&List::Pods).unwrap_or_default();
    let mut taken = Amounts::new();
    for pod in pods {
        let is_here = open.iter().any(|node| node.name() == pod.text("/spec/nodeName"));
        if is_here && !staying.iter().any(|workload| is_of(pod, workload)) {
            add(&mut taken, &pod.get("/spec").map(requests).unwrap_or_default(), 1);
        }
    }
    let mut wanted = Amounts::new();
    for workload in &staying {
        let each = if workload.object.kind() == "DaemonSet" {
            i64::try_from(nodes.iter().filter(|node| refusal(node, workload.spec).is_none()).count())
                .unwrap_or(0)
        } else {
            workload.replicas()
        };
        // Nothing rolls that was not there before.
        let rolls = pods.iter().any(|pod| is_of(pod, workload));
        let surge = if rolls { workload.surge() } else { 0 };
        add(&mut wanted, &requests(workload.spec), each + surge);
    }
    let short: Vec<String> = wanted
        .iter()
        .filter_map(|(name, amount)| {
            let (all, used) = (*has.get(name)?, taken.get(name).copied().unwrap_or_default());
            let left = (all - used).max(0);
            (*amount > left).then(|| {
                let (amount, left) = (shown(name, *amount), shown(name, left));
                format!("{name} {amount}, where other pods leave {left}")
            })
        })
        .collect();
    if short.is_empty() {
        return None;
    }
    let names = named(open.iter().map(|node| node.name()), 5);
    let what = format!("the plan's pods request more than the nodes have ({names}): {}", short.join(", "));
    Some(Finding::warning(Check::Capacity, what).fix("run fewer replicas, request less, or add a node"))
}

/// Returns true when a pod of the cluster is one of a workload's, by its labels.
pub(super) fn is_of(pod: &Object, workload: &Workload<'_>) -> bool {
    let labels = pod.get("/metadata/labels").and_then(|labels| labels.as_object());
    let labels = labels.into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
    pod.namespace() == workload.object.namespace() && selects(&workload.labels(), &labels)
}
