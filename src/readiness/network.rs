//! Service.

use std::time::Duration;

use serde_json::Value;

use super::Assessment;
use super::facts::Subject;
use crate::object::condition;

/// How long a load balancer may take to give an address. Clouds need a minute or three.
const ADDRESS_GRACE: Duration = Duration::from_secs(300);

/// Returns the answer for a Service: it has a cluster address (`None` of a headless one counts), and one of
/// type `LoadBalancer` an outer address. kstatus stops at the cluster address.
pub(super) fn service(subject: &Subject<'_>) -> Assessment {
    let object = subject.object;
    let kind = object.text("/spec/type");
    if kind == "ExternalName" {
        return Assessment::current();
    }
    if object.text("/spec/clusterIP").is_empty() {
        return Assessment::in_progress("it has no cluster address yet");
    }
    if kind != "LoadBalancer" {
        return Assessment::current();
    }
    if is_filled(object.get("/spec/externalIPs")) || is_filled(object.get("/status/loadBalancer/ingress")) {
        return Assessment::current_with(older_address(subject));
    }
    match subject.grace_since_apply(ADDRESS_GRACE) {
        Some(left) => Assessment::in_progress("waiting for its load balancer's address").again_in(left),
        None => Assessment::failed(
            "no load balancer gave it an address within 5 minutes: does the cluster have one, and is the port free?",
        ),
    }
}

/// Returns a note for an address that may be of the Service as it was before: its controller does not say
/// which one it speaks of.
fn older_address(subject: &Subject<'_>) -> Option<String> {
    let created = condition::time(subject.object.get("/metadata/creationTimestamp"))?;
    let existed = created.as_second().saturating_add(1) < subject.receipt.applied_at.as_second();
    (subject.receipt.changed && existed)
        .then(|| "its address may be the one it had before this change".to_owned())
}

fn is_filled(list: Option<&Value>) -> bool {
    list.and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{Case, object};
    use super::*;

    fn service(body: Value) -> Case {
        Case::new(object("v1", "Service", body))
    }

    #[test]
    fn a_cluster_address_is_enough_inside_the_cluster() {
        service(json!({"spec": {"type": "ClusterIP"}})).is("in progress: it has no cluster address yet");
        service(json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1"}})).is("current");
        service(json!({"spec": {"clusterIP": "None"}})).is("current");
        service(json!({"spec": {"type": "ExternalName"}})).is("current");
    }

    #[test]
    fn a_load_balancer_needs_an_outer_address() {
        let waiting = || service(json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}));
        waiting()
            .after(60)
            .is_for("in progress: waiting for its load balancer's address", Duration::from_secs(240));
        waiting().after(300).is(
            "failed: no load balancer gave it an address within 5 minutes: does the cluster have one, and is the port free?",
        );
        service(json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"},
            "status": {"loadBalancer": {"ingress": [{"ip": "198.18.0.9"}]}}}))
        .is("current");
        service(
            json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "externalIPs": ["198.18.0.9"]}}),
        )
        .is("current");
    }
}
