//! Secrets, ConfigMaps and keys that are not there.

use crate::evidence::Evidence::{Event, Waiting};
use crate::objects::{DEBIAN, IDLE, web};
use crate::trial::Failure;

const CONFIG: crate::evidence::Evidence = Waiting(&["CreateContainerConfigError"]);
const GET_SECRET: &str = "kubectl --namespace $NAMESPACE get secret keys";
const GET_CONFIG_MAP: &str = "kubectl --namespace $NAMESPACE get configmap settings";

/// The Secret, with another key.
const KEYS: &str = "\
apiVersion: v1
kind: Secret
metadata: { name: keys, namespace: $NAMESPACE }
stringData: { user: shop }
";

pub(crate) fn all() -> Vec<Failure> {
    let with = |name, line, words| Failure::new(name, web(&[], &[DEBIAN, IDLE, line]), CONFIG).tells(words);
    let key = "env: [{ name: PASSWORD, valueFrom: { secretKeyRef: { name: keys, key: password } } }]";
    let mounted = "volumes: [{ name: settings, configMap: { name: settings } }]";
    vec![
        with(
            "secret-missing",
            "envFrom: [{ secretRef: { name: keys } }]",
            &["secret \"keys\" not found", "CreateContainerConfigError"],
        )
        .offers(GET_SECRET),
        with(
            "configmap-missing",
            "envFrom: [{ configMapRef: { name: settings } }]",
            &["configmap \"settings\" not found", "CreateContainerConfigError"],
        )
        .offers(GET_CONFIG_MAP),
        with("key-missing", key, &["couldn't find key password in Secret"])
            .beside(KEYS)
            .offers("kubectl --namespace $NAMESPACE describe secret keys"),
        Failure::new(
            "volume-missing",
            web(&[mounted], &[DEBIAN, IDLE, "volumeMounts: [{ name: settings, mountPath: /settings }]"]),
            Event("FailedMount", "configmap \"settings\" not found"),
        )
        .tells(&["configmap \"settings\" not found", "FailedMount"])
        .offers(GET_CONFIG_MAP),
        Failure::new(
            "runs-as-root",
            web(&["securityContext: { runAsNonRoot: true }"], &[DEBIAN, IDLE]),
            CONFIG,
        )
        .tells(&["container has runAsNonRoot and image will run as root"]),
    ]
}
