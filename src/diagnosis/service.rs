//! A Service that leads to nobody, or that nobody gives an address.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::events::Events;
use super::signals::{Signal, clipped};
use super::{Cause, Class, Diagnosis, Evidence, revision};
use crate::object::Object;
use crate::object::condition::Condition;

/// The label k3s puts on the pods that hold a load balancer's ports (`servicelb.go`).
const K3S_SERVICE: &str = "svccontroller.k3s.cattle.io/svcname";
/// The label beside it.
const K3S_NAMESPACE: &str = "svccontroller.k3s.cattle.io/svcnamespace";

/// Returns why a Service does not answer on a port, as far as it and the pods of its namespace tell: its
/// selector matches none, none of them is ready, or its ports lead elsewhere.
pub fn of_service(service: &Object, port: u16, pods: &[&Object]) -> Option<Diagnosis> {
    let selector = selector(service);
    if selector.is_empty() {
        return None;
    }
    let living: Vec<&Object> = pods
        .iter()
        .copied()
        .filter(|pod| pod.namespace() == service.namespace() && !pod.is_being_deleted())
        .collect();
    let matching: Vec<&Object> = living
        .iter()
        .copied()
        .filter(|pod| selector.iter().all(|(key, value)| pod.label(key) == Some(value)))
        .collect();
    let ready = matching.iter().filter(|pod| revision::is_ready(pod)).count();
    let (reason, message) = if matching.is_empty() {
        ("NoPods", unmatched(&selector, &living))
    } else if ready == 0 {
        let pods = if matching.len() == 1 { "1 pod".to_owned() } else { format!("{} pods", matching.len()) };
        ("NoReadyPods", format!("its selector matches {pods}, and none is ready"))
    } else {
        ("WrongPort", wrong_port(service, port, &matching)?)
    };
    let signal = Signal::new(Cause::Service, Class::Transient, reason, message);
    Some(Diagnosis { counted: matching.len(), ..Diagnosis::new(service, signal) })
}

fn selector(service: &Object) -> BTreeMap<&str, &str> {
    let labels = service.get("/spec/selector").and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// Returns that no pod matches, and beside it the pod that comes nearest.
fn unmatched(selector: &BTreeMap<&str, &str>, pods: &[&Object]) -> String {
    let wanted: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fits = |pod: &Object| selector.iter().filter(|(key, value)| pod.label(key) == Some(**value)).count();
    let differs = |pod: &Object| {
        let mut labels = selector.iter();
        let (key, _) = labels.find(|(key, value)| pod.label(key).is_some_and(|label| label != **value))?;
        Some(format!("{key}={}", pod.label(key)?))
    };
    let nearest = pods
        .iter()
        .filter_map(|pod| Some((fits(pod), pod.name(), differs(pod)?)))
        .max_by_key(|(fits, name, _)| (*fits, std::cmp::Reverse(*name)));
    let told = format!("its selector {} matches no pod", wanted.join(","));
    match nearest.and_then(|(_, name, label)| Some((name, clipped(&label)?))) {
        Some((name, label)) => format!("{told}; pod {name} has {label}"),
        None => told,
    }
}

/// Returns what is wrong with the way from a port of the Service to a port of its pods.
fn wrong_port(service: &Object, port: u16, pods: &[&Object]) -> Option<String> {
    let ports: Vec<&Value> = service.get("/spec/ports").and_then(Value::as_array)?.iter().collect();
    let number = |entry: &Value| entry.get("port").and_then(Value::as_u64);
    let Some(entry) = ports.iter().find(|entry| number(entry) == Some(u64::from(port))) else {
        let told: Vec<_> =
            ports.iter().filter_map(|entry| number(entry)).map(|port| port.to_string()).collect();
        return Some(format!("it has no port {port}; its ports are {}", told.join(", ")));
    };
    let declared: Vec<&Value> = pods
        .iter()
        .filter_map(|pod| pod.get("/spec/containers")?.as_array())
        .flatten()
        .filter_map(|container| container.get("ports")?.as_array())
        .flatten()
        .collect();
    match entry.get("targetPort") {
        Some(Value::String(name)) => {
            let is_there = declared.iter().any(|port| port.get("name").is_some_and(|known| known == name));
            (!is_there).then(|| {
                format!(
                    "its port {port} leads to port `{name}`, and no container of its pods has one so named"
                )
            })
        }
        target => {
            let wanted = target.and_then(Value::as_u64).unwrap_or_else(|| u64::from(port));
            let known: BTreeSet<u64> =
                declared.iter().filter_map(|port| port.get("containerPort")?.as_u64()).collect();
            // Ports need not be declared: only a declared one beside it makes it likely to be a slip.
            (!known.is_empty() && !known.contains(&wanted)).then(|| {
                let told: Vec<_> = known.iter().map(ToString::to_string).collect();
                format!("its port {port} leads to port {wanted}, and its pods declare {}", told.join(", "))
            })
        }
    }
}

/// Returns why a Service of type `LoadBalancer` has no address. Its own rule gives it time, and fails it.
pub(super) fn without_address<'a>(
    service: &'a Object,
    evidence: &Evidence<'a>,
    events: &Events<'a>,
) -> Option<(&'a Object, Signal)> {
    let is_filled =
        |list: &str| service.get(list).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if (service.group(), service.kind()) != ("", "Service")
        || service.text("/spec/type") != "LoadBalancer"
        || is_filled("/status/loadBalancer/ingress")
        || is_filled("/spec/externalIPs")
    {
        return None;
    }
    let signal =
        |reason: &str, message: String| Signal::new(Cause::Service, Class::Transient, reason, message);
    let holder = evidence.pods.iter().copied().find(|pod| {
        pod.label(K3S_SERVICE) == Some(service.name())
            && pod.label(K3S_NAMESPACE) == service.namespace()
            && !revision::is_ready(pod)
    });
    if let Some(pod) = holder {
        let scheduled = Condition::find(pod, "PodScheduled").filter(|condition| condition.is_false());
        let why = scheduled.and_then(|condition| clipped(condition.message()));
        let why = why.unwrap_or_else(|| "it is not ready".to_owned());
        let message = format!("the pod that holds its port does not run (is another Service on it?): {why}");
        return Some((pod, signal("PortNotHeld", message)));
    }
    let warning = events.about(service).find(|event| event.is_warning());
    Some(match warning {
        Some(event) => {
            let why = clipped(event.message()).unwrap_or_default();
            (service, signal(event.reason(), format!("it gets no address: {why}")))
        }
        None => (
            service,
            signal("NoAddress", "nothing gives it an address: has the cluster a load balancer?".to_owned()),
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{Scene, event, object};
    use super::*;

    fn service(spec: &Value) -> Object {
        object("v1", "Service", json!({"metadata": {"name": "web", "uid": "w"}, "spec": spec}))
    }

    fn pod(name: &str, app: &str, ready: &str) -> Object {
        object(
            "v1",
            "Pod",
            json!({
                "metadata": {"name": name, "uid": name, "labels": {"app": app, "tier": "front"}},
                "spec": {"containers": [{"name": "web", "ports": [{"name": "http", "containerPort": 8000}]}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            }),
        )
    }

    fn told(spec: &Value, port: u16, pods: &[Object]) -> Option<String> {
        let mut whole = json!({"selector": {"app": "web", "tier": "front"},
            "ports": [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8000}]});
        json_patch::merge(&mut whole, spec);
        let found = of_service(&service(&whole), port, &Vec::from_iter(pods))?;
        Some(format!("{} ({})", found.message, found.reason))
    }

    #[test]
    fn a_selector_that_matches_no_pod_is_told_with_the_nearest_one() {
        assert_eq!(
            told(&json!({}), 80, &[pod("wbe-1", "wbe", "True"), pod("wbe-2", "wbe", "True")]).unwrap(),
            "its selector app=web,tier=front matches no pod; pod wbe-1 has app=wbe (NoPods)"
        );
        assert_eq!(
            told(&json!({}), 80, &[]).unwrap(),
            "its selector app=web,tier=front matches no pod (NoPods)"
        );
    }

    #[test]
    fn pods_that_are_not_ready_answer_nobody() {
        assert_eq!(
            told(&json!({}), 80, &[pod("a", "web", "False"), pod("b", "web", "False")]).unwrap(),
            "its selector matches 2 pods, and none is ready (NoReadyPods)"
        );
    }

    #[test]
    fn a_port_that_leads_nowhere_is_told() {
        let ready = [pod("a", "web", "True")];
        assert_eq!(told(&json!({}), 80, &ready), None);
        assert_eq!(told(&json!({}), 81, &ready), None);
        assert_eq!(
            told(&json!({}), 8080, &ready).unwrap(),
            "it has no port 8080; its ports are 80, 81 (WrongPort)"
        );
        assert_eq!(
            told(&json!({"ports": [{"port": 80, "targetPort": "web"}]}), 80, &ready).unwrap(),
            "its port 80 leads to port `web`, and no container of its pods has one so named (WrongPort)"
        );
        assert_eq!(
            told(&json!({"ports": [{"port": 80}]}), 80, &ready).unwrap(),
            "its port 80 leads to port 80, and its pods declare 8000 (WrongPort)"
        );
        assert_eq!(told(&json!({"selector": null}), 80, &ready), None);
    }

    #[test]
    fn a_load_balancer_without_an_address_tells_who_does_not_give_it() {
        let balancer = || service(&json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}));
        Scene::of(balancer())
            .tells("Transient", "nothing gives it an address: has the cluster a load balancer? (NoAddress)");
        let failed = event(&balancer(), "SyncLoadBalancerFailed", "quota of addresses reached", 3);
        Scene::of(balancer())
            .with_event(failed)
            .tells("Transient", "it gets no address: quota of addresses reached (SyncLoadBalancerFailed)");
        let mut scene = Scene::of(balancer());
        scene.pods = vec![object(
            "v1",
            "Pod",
            json!({
                "metadata": {"name": "svclb-web-x", "namespace": "kube-system", "uid": "lb",
                    "labels": {K3S_SERVICE: "web", K3S_NAMESPACE: "shop"}},
                "status": {"conditions": [{"type": "PodScheduled", "status": "False",
                    "message": "0/1 nodes are available: 1 node(s) didn't have free ports."}]},
            }),
        )];
        scene.tells(
            "Transient",
            "pod svclb-web-x: the pod that holds its port does not run (is another Service on it?): 0/1 nodes are \
             available: 1 node(s) didn't have free ports (PortNotHeld)",
        );
    }
}
