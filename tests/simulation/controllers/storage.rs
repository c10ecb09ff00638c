//! Volume claims: made by StatefulSets, bound to volumes. A claim outlives its set.

use serde_json::json;

use super::Step;
use crate::api_server::Key;

/// Makes the claims of a StatefulSet's pods that are not there yet.
pub(super) fn make_claims(step: &mut Step<'_>) {
    let replicas = step.object["spec"]["replicas"].as_i64().unwrap_or(1);
    let templates = step.object["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default();
    for template in templates {
        for ordinal in 0..replicas {
            let name =
                format!("{}-{}-{ordinal}", template["metadata"]["name"].as_str().unwrap(), step.key.name);
            let namespace = step.key.namespace.clone();
            let key = Key {
                group: String::new(),
                kind: "PersistentVolumeClaim".into(),
                namespace: namespace.clone(),
                name: name.clone(),
            };
            if step.store.objects.contains_key(&key) {
                continue;
            }
            let labels = &step.object["spec"]["selector"]["matchLabels"];
            let claim = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": template["spec"],
            });
            let kind = step.store.kind_of(&key);
            // Refused while its namespace ends: then nobody needs it.
            let _refused = step.store.create(&Step::writer(), &kind, &key, claim);
        }
    }
}

/// Gives a claim its volume. A class that binds late waits for a workload that mounts it; here every class
/// of that kind never binds a claim of the plan itself, which nobody mounts.
pub(super) fn bind(step: &mut Step<'_>) {
    let class = Key {
        group: "storage.k8s.io".into(),
        kind: "StorageClass".into(),
        namespace: String::new(),
        name: "standard".into(),
    };
    let binds_late = step
        .store
        .objects
        .get(&class)
        .is_some_and(|class| class.object["volumeBindingMode"] == "WaitForFirstConsumer");
    if !binds_late {
        step.set_status(&json!({"phase": "Bound", "capacity": step.object["spec"]["resources"]["requests"]}));
    }
}
