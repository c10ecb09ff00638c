//! What holds for any JSON whatever: no check panics, whatever stands in a manifest or in an answer, and
//! what is found is told each once, errors first.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Facts, Questions, Served, judge, references, remarks};
use crate::arbitrary::Arbitrary;
use crate::object::{GroupKind, Object};
use crate::plan::{Plan, SecretKey, SecretSpec, Stage, StageId};

const CASES: u32 = 10_000;

/// Every kind that a check looks at, and some that none does.
const KINDS: [(&str, &str); 18] = [
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Namespace"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1beta1", "PodDisruptionBudget"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("example.org/v1", "Widget"),
];

/// Names of fields that checks look for: random text alone would never reach them.
const KEYS: &[&str] = &[
    "spec",
    "status",
    "metadata",
    "labels",
    "annotations",
    "template",
    "jobTemplate",
    "selector",
    "matchLabels",
    "app",
    "containers",
    "initContainers",
    "name",
    "ports",
    "port",
    "targetPort",
    "containerPort",
    "hostPort",
    "protocol",
    "env",
    "envFrom",
    "valueFrom",
    "configMapRef",
    "configMapKeyRef",
    "secretKeyRef",
    "key",
    "items",
    "optional",
    "volumes",
    "configMap",
    "secret",
    "secretName",
    "projected",
    "sources",
    "persistentVolumeClaim",
    "claimName",
    "volumeClaimTemplates",
    "ephemeral",
    "storageClassName",
    "accessModes",
    "resources",
    "requests",
    "limits",
    "cpu",
    "memory",
    "storage",
    "pods",
    "hard",
    "used",
    "allocatable",
    "replicas",
    "parallelism",
    "completions",
    "strategy",
    "rollingUpdate",
    "maxSurge",
    "nodeSelector",
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "nodeSelectorTerms",
    "matchExpressions",
    "operator",
    "values",
    "tolerations",
    "taints",
    "effect",
    "unschedulable",
    "providerID",
    "securityContext",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
    "type",
    "capabilities",
    "add",
    "drop",
    "sysctls",
    "seLinuxOptions",
    "livenessProbe",
    "httpGet",
    "tcpSocket",
    "lifecycle",
    "preStop",
    "rules",
    "http",
    "paths",
    "backend",
    "service",
    "number",
    "defaultBackend",
    "tls",
    "ingressClassName",
    "scaleTargetRef",
    "kind",
    "apiVersion",
    "serviceName",
    "serviceAccountName",
    "imagePullSecrets",
    "group",
    "names",
    "plural",
    "versions",
    "served",
    "resourceRules",
    "verbs",
    "apiGroups",
    "resourceNames",
    "incomplete",
    "minor",
    "gitVersion",
    "data",
    "scopes",
    "nodeName",
    "pod-security.kubernetes.io/enforce",
    "pod-security.kubernetes.io/enforce-version",
];

/// Texts that checks look for.
const TEXTS: &[&str] = &[
    "a",
    "b",
    "web",
    "shop",
    "*",
    "get",
    "restricted",
    "baseline",
    "latest",
    "v1.30",
    "Always",
    "Recreate",
    "25%",
    "-1%",
    "99999999999999999999%",
    "500m",
    "1Gi",
    "9999999999999999999Ei",
    "1e99",
    "-3",
    "ReadWriteOnce",
    "ReadWriteOncePod",
    "ReadWriteMany",
    "NoSchedule",
    "In",
    "Gt",
    "Deployment",
    "apps/v1",
    "example.org",
    "Widget",
    "widgets",
    "ALL",
    "RuntimeDefault",
    "34",
    "TCP",
    "aws:///x",
];

/// Returns an object of a kind, with anything in it.
fn thing(any: &mut Arbitrary, api_version: &str, kind: &str) -> Object {
    let mut value = Value::Object(any.fields(2));
    value["apiVersion"] = api_version.into();
    value["kind"] = kind.into();
    value["metadata"] = json!({"name": any.pick(&["a", "b", "web"]), "namespace": "shop"});
    if any.chance(50) {
        value["metadata"]["labels"] = any.value(2);
    }
    if any.chance(70) {
        value["spec"] = any.mostly_fields(4);
    }
    if value["spec"].is_object() && any.chance(60) {
        value["spec"]["template"] = json!({"metadata": any.mostly_fields(2), "spec": any.mostly_fields(4)});
        if any.chance(70) && value["spec"]["template"]["spec"].is_object() {
            let containers: Vec<Value> = (0..any.below(3)).map(|_| any.mostly_fields(4)).collect();
            value["spec"]["template"]["spec"]["containers"] = containers.into();
        }
    }
    Object::new(value).unwrap()
}

fn plan(any: &mut Arbitrary) -> Plan {
    let ids = ["first", "second", "third"];
    let stages = (0..=any.below(3)).map(|at| {
        let objects = (0..any.below(4)).map(|_| {
            let (api_version, kind) = any.pick(&KINDS);
            thing(any, api_version, kind)
        });
        let objects = objects.collect();
        let needs = ids[..at].iter().filter(|_| any.chance(40)).map(|id| StageId::new(*id).unwrap());
        Stage {
            id: StageId::new(ids[at]).unwrap(),
            needs: needs.collect(),
            objects,
            deadline: std::time::Duration::from_secs(60),
            checks: Vec::new(),
        }
    });
    let plan = Plan::new("shop", "shop", stages.collect()).unwrap();
    let keys = vec![SecretKey { key: "a".into(), sources: Vec::new() }];
    plan.with_secrets(vec![SecretSpec { name: "a".into(), keys }])
}

fn silent() -> String {
    "nobody knows".to_owned()
}

/// Answers the questions with anything.
fn answer(any: &mut Arbitrary, questions: Questions, facts: &mut Facts) {
    if questions.version {
        facts.version = Some(if any.chance(80) { Ok(any.value(2)) } else { Err(silent()) });
    }
    for namespace in questions.rules {
        facts.rules.insert(namespace, if any.chance(80) { Ok(any.mostly_fields(4)) } else { Err(silent()) });
    }
    for list in questions.lists {
        let kind = list.kind();
        let api_version = if kind.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group) };
        let objects = (0..any.below(4)).map(|_| thing(any, &api_version, &kind.kind)).collect();
        facts.lists.insert(list, if any.chance(80) { Ok(objects) } else { Err(silent()) });
    }
    for name in questions.objects {
        let found = any.chance(60).then(|| thing(any, "v1", &name.kind));
        facts.objects.insert(name, if any.chance(80) { Ok(found) } else { Err(silent()) });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_a_check_panic(seed in any::<u64>()) {
        let mut any = Arbitrary::new(seed, KEYS, TEXTS);
        let plan = plan(&mut any);
        let mut facts = Facts::default();
        if any.chance(80) {
            for (api_version, kind) in KINDS {
                let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                let served = Served { version: version.into(), plural: format!("{}s", kind.to_lowercase()) };
                facts.served.insert(GroupKind { group: group.into(), kind: kind.into() }, vec![served]);
            }
        }
        for questions in [Questions::of, Questions::then] {
            let asked = questions(&plan, &facts);
            answer(&mut any, asked, &mut facts);
        }
        let findings = judge(&plan, &facts);
        prop_assert!(findings.is_sorted(), "{findings:?}");
        prop_assert!(findings.windows(2).all(|pair| pair[0] != pair[1]), "{findings:?}");
        let alone = references(&plan);
        prop_assert!(alone.iter().all(|finding| findings.contains(finding)));
        let _any = remarks(&plan, &facts);
        // What was asked is answered: nothing is asked twice.
        prop_assert!(Questions::of(&plan, &facts).is_empty());
    }
}
