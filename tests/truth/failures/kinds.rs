//! What the cluster does not have or does not take: a kind, an address, objects in a namespace that ends.

use crate::evidence::Evidence::{Answer, Start};
use crate::sandbox::command::kubectl_in;
use crate::sandbox::seen::{Seen, wait_for};
use crate::trial::{Failure, SECOND};
use crate::world::release;

/// An object in a second namespace, which ends and is held.
const HELD: &str = "\
apiVersion: v1
kind: Namespace
metadata: { name: $NAMESPACE-second, labels: { wesago-truth: \"\" } }
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: held
  namespace: $NAMESPACE-second
  labels: { wesago-truth: held }
  finalizers: [example.org/hold]
";

pub(crate) fn all() -> Vec<Failure> {
    let settings =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings, namespace: $NAMESPACE-second }\n";
    let shop = "apiVersion: example.org/v1\nkind: Shop\nmetadata: { name: corner }\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\n\
        spec: { type: LoadBalancer, ports: [{ port: 80 }] }\n";
    vec![
        Failure::new("namespace-ending", settings, Answer(403))
            .beside(HELD)
            .prepared_by(second_namespace_ends, |namespace| release(&format!("{namespace}{SECOND}")))
            .may_pass_until(8)
            .blames("ConfigMap/settings")
            .tells(&["is being terminated", "example.org/hold"])
            .offers("kubectl get namespace $NAMESPACE-second"),
        // No event and no status speaks of it: nobody is there who could.
        Failure::new("load-balancer", service, Start)
            .may_pass_until(6)
            .blames("Service/web")
            .tells(&["nothing gives it an address: has the cluster a load balancer?"])
            .offers("kubectl --namespace $NAMESPACE describe service web"),
        Failure::new("kind-missing", shop, Start)
            .blames("Shop/corner")
            .tells(&["the cluster does not know the kind `Shop` of `example.org/v1`"])
            .offers("kubectl api-resources --api-group=example.org"),
    ]
}

fn second_namespace_ends(namespace: &str) -> Seen {
    let second = format!("{namespace}{SECOND}");
    kubectl_in(namespace, &["delete", "namespace", &second, "--wait=false"])?;
    wait_for("end of the namespace to begin", std::time::Duration::from_secs(10), || {
        let phase = ["get", "namespace", &second, "--output", "jsonpath={.status.phase}"];
        let phase = kubectl_in(namespace, &phase)?;
        Ok(if phase == "Terminating" { Ok(()) } else { Err(phase) })
    })
}
