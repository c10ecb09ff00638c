//! Pods that no node of this cluster can ever take, whatever other pods come and go.

use crate::evidence::Evidence::Unscheduled;
use crate::objects::{DEBIAN, IDLE, web};
use crate::trial::Failure;

/// A volume that is on a node which is not there.
const ELSEWHERE: &str = "\
apiVersion: v1
kind: PersistentVolume
metadata: { name: truth-elsewhere, labels: { wesago-truth: \"\" } }
spec:
  capacity: { storage: 1Mi }
  accessModes: [ReadWriteOnce]
  storageClassName: \"\"
  claimRef: { namespace: $NAMESPACE, name: data }
  local: { path: /tmp }
  nodeAffinity:
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [gone] }] }] }
";

const CLAIM: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: \"\"
  volumeName: truth-elsewhere
  resources: { requests: { storage: 1Mi } }
---
";

pub(crate) fn all() -> Vec<Failure> {
    let unplaced = |name, pod: &[&str], container: &[&str], reason| {
        Failure::new(name, web(pod, &[&[DEBIAN, IDLE], container].concat()), Unscheduled(reason))
            .tells(&["no node takes it", reason])
            .offers("kubectl describe nodes")
    };
    let affinity = "affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: \
        { nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: In, values: [moon] }] }] } } }";
    let data = "volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]";
    vec![
        unplaced("cpu", &[], &["resources: { requests: { cpu: 1k } }"], "Insufficient cpu"),
        unplaced("memory", &[], &["resources: { requests: { memory: 1Ti } }"], "Insufficient memory"),
        unplaced(
            "selector",
            &["nodeSelector: { disk: none }"],
            &[],
            "didn't match Pod's node affinity/selector",
        ),
        unplaced("affinity", &[affinity], &[], "didn't match Pod's node affinity/selector"),
        unplaced("volume-elsewhere", &[data], &[], "PersistentVolume's node affinity")
            .beside(ELSEWHERE)
            .precede(CLAIM),
    ]
}
