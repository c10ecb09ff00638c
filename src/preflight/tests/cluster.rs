//! What a cluster lacks: versions, rights, classes, quota, room.

use serde_json::{Value, json};

use super::super::{List, Questions, remarks};
use super::{core, deployment, judged, k3s, namespace, node, object, plan, staged};

/// Returns what is told of `manifest` on k3s after `change`.
fn on(manifest: &str, change: impl FnOnce(&mut super::Facts)) -> String {
    let mut facts = k3s();
    change(&mut facts);
    judged(&plan(manifest), &facts)
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";

#[test]
fn servers_that_are_too_old_too_new_or_silent() {
    let version = |minor: &str| {
        let version = json!({"major": "1", "minor": minor, "gitVersion": format!("v1.{minor}.0")});
        on(MAP, |facts| facts.version = Some(Ok(version)))
    };
    for good in ["30", "34+", "37"] {
        assert_eq!(version(good), "", "{good}");
    }
    insta::assert_snapshot!(version("24"), @"
    warning[server-version]: the server is Kubernetes v1.24.0; this program is made for 1.30 and newer
      = help: update the cluster, or expect what is newer to be refused
    ");
    insta::assert_snapshot!(version("99"), @"
    warning[server-version]: the server is Kubernetes v1.99.0; this program knows 1.37 and older
      = help: look for a newer wesago
    ");
    let silent =
        on(MAP, |facts| facts.version = Some(Err("could not ask the server's version: no answer".into())));
    insta::assert_snapshot!(silent, @"warning[server-version]: could not be checked: could not ask the server's version: no answer");
    assert!(version("?").contains("does not say its version"));
}

#[test]
fn versions_that_are_not_served() {
    let old = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: { name: web }\n---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: { name: web, namespace: shop }\n---\napiVersion: apps/v2\nkind: Deployment\nmetadata: { name: web }\nspec: { template: { spec: {} } }\n---\napiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: { name: web, namespace: shop }\n";
    insta::assert_snapshot!(on(old, |_| {}), @"
    error[api-version]: Deployment/web: is written in apps/v2, which the server does not serve
     --> m.yaml:11
      = help: it serves apps/v1

    error[api-version]: Ingress/web: the server knows no kind Ingress of extensions/v1beta1 (removed in Kubernetes 1.22)
     --> m.yaml:7
      = help: write networking.k8s.io/v1

    error[api-version]: ServiceMonitor/web: the server knows no kind ServiceMonitor of monitoring.coreos.com/v1
     --> m.yaml:16
      = help: install what brings ServiceMonitor, or add its CustomResourceDefinition to the plan

    error[api-version]: PodDisruptionBudget/web: is written in policy/v1beta1, which the server does not serve (removed in Kubernetes 1.25)
     --> m.yaml:3
      = help: it serves policy/v1
    ");
}

#[test]
fn a_kind_that_the_plan_defines_is_served_in_time() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: widgets.example.org }\nspec:\n  group: example.org\n  scope: Namespaced\n  names: { plural: widgets, kind: Widget }\n  versions: [{ name: v1, served: true, storage: true }]\n---\napiVersion: example.org/v1\nkind: Widget\nmetadata: { name: a }\n";
    assert_eq!(on(definition, |_| {}), "");
    assert!(
        on(&definition.replace("example.org/v1", "example.org/v2"), |_| {}).contains("knows no kind Widget")
    );
}

#[test]
fn rights_that_are_missing() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: migrate }\nspec: { template: { spec: { restartPolicy: Never, containers: [{ name: a, image: a:1 }] } } }\n";
    let plan = staged(
        "secrets: { env: { PASSWORD: { generate: 8 } } }\nstages: { web: { apply: [m.yaml], checks: [{ http: { service: web, port: 80 } }] } }",
        &format!(
            "{job}---\napiVersion: v1\nkind: Service\nmetadata: {{ name: web }}\nspec: {{ ports: [{{ port: 80 }}] }}\n"
        ),
    );
    let review = |rules: Value| Ok(json!({"incomplete": false, "resourceRules": rules}));
    let mut facts = k3s();
    // A developer's role: the plan's own kinds, but not what is beside them.
    let mut rules = json!([
        {"verbs": ["get", "list", "watch", "create", "patch"], "apiGroups": ["batch"], "resources": ["jobs"]},
        {"verbs": ["get", "list", "create", "patch"], "apiGroups": [""], "resources": ["services", "configmaps"]},
        {"verbs": ["get", "patch"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["other"]},
        {"verbs": ["*"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    ]);
    facts.rules.insert("shop".into(), review(rules.clone()));
    insta::assert_snapshot!(judged(&plan, &facts), @r#"
    error[rights]: this user may not create, get, patch secrets in namespace `shop`
      = help: bind a Role with apiGroups: [""], resources: [secrets], verbs: [create, get, patch]

    error[rights]: this user may not get services/proxy in namespace `shop`
      = help: bind a Role with apiGroups: [""], resources: [services/proxy], verbs: [get]

    warning[rights]: this user may not create, delete, list secrets in namespace `shop`: no revision of the deploy can be kept, and `wesago rollback` has none to bring back
      = help: bind a Role with apiGroups: [""], resources: [secrets], verbs: [create, delete, list]

    warning[rights]: this user may not get pods/log in namespace `shop`: less can be told about pods that do not become ready
      = help: bind a Role with apiGroups: [""], resources: [pods/log], verbs: [get]

    warning[rights]: this user may not list events in namespace `shop`: less can be told about pods that do not become ready
      = help: bind a Role with apiGroups: [""], resources: [events], verbs: [list]

    warning[rights]: this user may not list, watch pods in namespace `shop`: less can be told about pods that do not become ready
      = help: bind a Role with apiGroups: [""], resources: [pods], verbs: [list, watch]

    warning[rights]: Service/web: this user may not watch services in namespace `shop`: they are listed every 2 s instead, and news of them come late
     --> m.yaml:8
      = help: bind a Role with apiGroups: [""], resources: [services], verbs: [watch]

    warning[rights]: Job/migrate: this user may not delete jobs.batch in namespace `shop`: a Job that failed or has changed cannot be run again
     --> m.yaml:3
      = help: bind a Role with apiGroups: [batch], resources: [jobs], verbs: [delete]
    "#);
    rules[2]["resourceNames"] = json!(["env"]);
    rules[2]["verbs"] = json!(["get", "patch", "create"]);
    facts.rules.insert("shop".into(), review(rules));
    let told = judged(&plan, &facts);
    assert!(
        told.starts_with("error[rights]: this user may not create secrets in namespace `shop`\n"),
        "{told}"
    );
    let incomplete = json!({"incomplete": true, "evaluationError": "webhook authorizer does not support user rule resolution", "resourceRules": []});
    facts.rules.insert("shop".into(), Ok(incomplete));
    insta::assert_snapshot!(judged(&plan, &facts), @"
    warning[rights]: not all rights in namespace `shop` could be checked: webhook authorizer does not support user rule resolution
      = help: `kubectl auth can-i --list --namespace shop` shows what is known
    ");
}

#[test]
fn rights_in_a_namespace_that_is_still_to_be_made() {
    let told = on(MAP, |facts| {
        facts.objects.insert(namespace(), Ok(None));
        facts.rules.insert("shop".into(), Ok(json!({"incomplete": false, "resourceRules": []})));
    });
    insta::assert_snapshot!(told, @r#"
    error[rights]: this user may not create, get namespaces in the cluster
      = help: bind a ClusterRole with apiGroups: [""], resources: [namespaces], verbs: [create, get]

    warning[rights]: this user may not create, delete, get, update leases.coordination.k8s.io in namespace `shop`, which is not there yet
      = help: bind a Role with apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, delete, get, update]

    warning[rights]: this user may not create, delete, list secrets in namespace `shop`, which is not there yet
      = help: bind a Role with apiGroups: [""], resources: [secrets], verbs: [create, delete, list]

    warning[rights]: ConfigMap/a: this user may not create, get, list, patch configmaps in namespace `shop`, which is not there yet
     --> m.yaml:3
      = help: bind a Role with apiGroups: [""], resources: [configmaps], verbs: [create, get, list, patch]
    "#);
}

const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: { name: data }\nspec: { accessModes: [ReadWriteOnce], storageClassName: fast, resources: { requests: { storage: 1Gi } } }\n";

#[test]
fn storage_classes_that_are_not_there() {
    let volume = |class: &str| {
        object(json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
            "spec": {"storageClassName": class}, "status": {"phase": "Available"},
        }))
    };
    let with_volumes = |volumes: Vec<crate::object::Object>| {
        on(CLAIM, |facts| {
            let plan = plan(CLAIM);
            assert!(Questions::then(&plan, facts).lists.contains(&List::Volumes));
            facts.lists.insert(List::Volumes, Ok(volumes));
        })
    };
    insta::assert_snapshot!(with_volumes(Vec::new()), @"
    error[storage]: PersistentVolumeClaim/data: asks for storage class `fast`, which the cluster has not
     --> m.yaml:3
      = help: the cluster has `local-path`
    ");
    assert_eq!(with_volumes(vec![volume("fast")]), "", "a volume made by hand");
    assert!(with_volumes(vec![volume("slow")]).starts_with("error[storage]"));
    // Whether there are such volumes is not known.
    assert!(on(CLAIM, |_| {}).starts_with("warning[storage]"));
    let bound = on(CLAIM, |facts| {
        let claim = plan(CLAIM).objects().next().unwrap().1.clone();
        facts.objects.insert(core("PersistentVolumeClaim", "data"), Ok(Some(claim)));
    });
    assert_eq!(bound, "", "it is there already");
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: db }\nspec:\n  selector: { matchLabels: { app: db } }\n  template: { metadata: { labels: { app: db } }, spec: { containers: [{ name: db, image: db:1 }] } }\n  volumeClaimTemplates: [{ metadata: { name: data }, spec: { accessModes: [ReadWriteMany] } }]\n";
    let no_default = on(set, |facts| {
        facts.lists.insert(List::StorageClasses, Ok(Vec::new()));
        facts.lists.insert(List::Volumes, Ok(Vec::new()));
    });
    insta::assert_snapshot!(no_default, @"
    error[storage]: StatefulSet/db: its claim `data` names no storage class, and the cluster has no default one
     --> m.yaml:3
      = help: install a provisioner of volumes with a storage class
    ");
    insta::assert_snapshot!(on(set, |_| {}), @"
    warning[storage]: StatefulSet/db: its claim `data` asks for ReadWriteMany, which volumes of class `local-path` (rancher.io/local-path) are not made for
     --> m.yaml:3
      = help: name a class of shared file systems (NFS, CephFS, EFS …), or ask for ReadWriteOnce
    ");
}

#[test]
fn volumes_that_are_shared_across_nodes() {
    let mount = ["volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]"];
    let claim = CLAIM.replace("storageClassName: fast, ", "");
    let job = "---\napiVersion: batch/v1\nkind: Job\nmetadata: { name: fill }\nspec: { template: { spec: { restartPolicy: Never, containers: [{ name: a, image: a:1 }], volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }] } } }\n";
    let manifest = format!("{claim}---\n{}{job}", deployment(&mount, &[]));
    assert_eq!(on(&manifest, |_| {}), "", "one node");
    let two = |facts: &mut super::Facts| {
        facts.lists.insert(List::Nodes, Ok(vec![node("a"), node("b")]));
    };
    insta::assert_snapshot!(on(&manifest, two), @"
    warning[storage]: PersistentVolumeClaim/data: it is ReadWriteOnce, and mounted by Deployment/web (2 pods), Job/fill: all their pods must run on one of the nodes a, b
     --> m.yaml:3
      = help: ask for ReadWriteMany with a class that can do it, or know that one node carries them all
    ");
    assert_eq!(on(&manifest.replace("ReadWriteOnce", "ReadOnlyMany"), two), "");
    let cordoned = on(&manifest, |facts| {
        let mut value = node("b").into_value();
        value["spec"]["unschedulable"] = true.into();
        facts.lists.insert(List::Nodes, Ok(vec![node("a"), object(value)]));
    });
    assert_eq!(cordoned, "", "nothing is scheduled to the other node");
    insta::assert_snapshot!(on(&manifest.replace("ReadWriteOnce", "ReadWriteOncePod"), |_| {}), @"
    error[storage]: PersistentVolumeClaim/data: it is ReadWriteOncePod, but Deployment/web runs 2 pods that mount it: only one of them starts
     --> m.yaml:3
      = help: run one replica, or ask for ReadWriteOnce
    ");
}

#[test]
fn ingresses_that_nobody_serves() {
    let ingress = |class: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: web }}\nspec: {{ {class} rules: [] }}\n"
        )
    };
    assert_eq!(on(&ingress("ingressClassName: traefik,"), |_| {}), "");
    insta::assert_snapshot!(on(&ingress("ingressClassName: nginx,"), |_| {}), @"
    warning[ingress-class]: Ingress/web: names class `nginx`, which the cluster has not: nobody serves it
     --> m.yaml:3
      = help: the cluster has `traefik` (traefik.io/ingress-controller)
    ");
    insta::assert_snapshot!(on(&ingress(""), |_| {}), @"
    warning[ingress-class]: Ingress/web: names no class, and the cluster has no default one: nobody serves it
     --> m.yaml:3
      = help: the cluster has `traefik` (traefik.io/ingress-controller)
    ");
    let nobody = on(&ingress("ingressClassName: nginx,"), |facts| {
        facts.lists.insert(List::IngressClasses, Ok(Vec::new()));
    });
    assert!(nobody.contains("install an ingress controller"), "{nobody}");
}

const REQUESTS: &str = "resources: { requests: { cpu: 500m, memory: 512Mi }, limits: { memory: 512Mi } }";

/// Returns a quota of the namespace.
fn quota(hard: &Value, used: &Value) -> crate::object::Object {
    object(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute", "namespace": "shop"},
        "spec": {"hard": hard}, "status": {"hard": hard, "used": used},
    }))
}

#[test]
fn quotas_that_are_too_small() {
    let web = deployment(&[], &[REQUESTS]);
    let with = |hard: Value, used: Value| {
        on(&web, |facts| {
            facts.lists.insert(List::Quotas("shop".into()), Ok(vec![quota(&hard, &used)]));
        })
    };
    assert_eq!(with(json!({"requests.cpu": "1", "pods": "2", "limits.memory": "1Gi"}), json!({})), "");
    insta::assert_snapshot!(with(json!({"requests.cpu": "900m", "pods": "1", "count/deployments.apps": "1"}), json!({})), @"
    error[quota]: ResourceQuota `compute` of namespace `shop` does not allow what the plan asks for: pods 2 of 1; requests.cpu 1 of 900m
      = help: ask for less, or raise the quota
    ");
    insta::assert_snapshot!(with(json!({"requests.cpu": "1500m"}), json!({"requests.cpu": "1"})), @"
    warning[quota]: ResourceQuota `compute` of namespace `shop` may not allow what the plan asks for: requests.cpu 1, of 1500m of which others use 1
      = help: ask for less, or raise the quota
    ");
}

#[test]
fn running_pods_of_the_plan_do_not_count_twice() {
    let web = deployment(&[], &[REQUESTS]);
    let pod = |name: &str, app: &str| {
        object(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}},
            "spec": {"nodeName": "a", "containers": [{"name": "web", "resources": {"requests": {"cpu": "500m"}}}]},
        }))
    };
    let with = |hard: &str, pods: Vec<crate::object::Object>| {
        on(&web, |facts| {
            let quota = quota(&json!({"requests.cpu": hard}), &json!({"requests.cpu": "1"}));
            facts.lists.insert(List::Quotas("shop".into()), Ok(vec![quota]));
            facts.lists.insert(List::Pods, Ok(pods));
        })
    };
    // Two pods run; one more for a time while they are replaced.
    assert_eq!(with("1500m", vec![pod("a", "web"), pod("b", "web")]), "");
    insta::assert_snapshot!(with("1", vec![pod("a", "web"), pod("b", "web")]), @"
    warning[quota]: ResourceQuota `compute` of namespace `shop` may not allow what the plan asks for: requests.cpu 1 and for a time 500m more, of 1
      = help: ask for less, or raise the quota
    ");
}

#[test]
fn a_quota_that_wants_every_container_to_say_what_it_needs() {
    let with = |manifest: &str, range: Option<Value>| {
        on(manifest, |facts| {
            let quota = quota(&json!({"limits.cpu": "10", "requests.memory": "10Gi"}), &json!({}));
            facts.lists.insert(List::Quotas("shop".into()), Ok(vec![quota]));
            assert!(Questions::then(&plan(manifest), facts).lists.contains(&List::Limits("shop".into())));
            let ranges = range.map(|limits| {
                let metadata = json!({"name": "usual", "namespace": "shop"});
                object(json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}))
            });
            facts.lists.insert(List::Limits("shop".into()), Ok(ranges.into_iter().collect()));
        })
    };
    let web = deployment(&[], &[REQUESTS]);
    insta::assert_snapshot!(with(&web, None), @"
    error[quota]: Deployment/web: its pods are refused: ResourceQuota `compute` demands limits.cpu of every container
     --> m.yaml:3
      = help: say them under each container's `resources`
    ");
    assert_eq!(with(&web, Some(json!([{"type": "Container", "default": {"cpu": "1"}}]))), "");
}

#[test]
fn pods_that_no_node_takes() {
    let with = |pod: &str, container: &str| on(&deployment(&[pod], &[container]), |_| {});
    insta::assert_snapshot!(with("nodeSelector: { disk: hdd }", ""), @"
    error[capacity]: Deployment/web: no node takes its pods: of 1, 1 without the labels asked for
     --> m.yaml:3
      = help: change its nodeSelector, affinity or tolerations, or label a node
    ");
    insta::assert_snapshot!(with("", "resources: { requests: { cpu: 3, memory: 1Gi, nvidia.com/gpu: 1 } }"), @"
    warning[capacity]: the plan's pods request more than the nodes have (a): cpu 6, where other pods leave 2
      = help: run fewer replicas, request less, or add a node

    warning[capacity]: Deployment/web: one pod fits on no node: it requests cpu 3 where a node has 2, nvidia.com/gpu 1 where a node has 0
     --> m.yaml:3
      = help: request less, or add a larger node
    ");
    insta::assert_snapshot!(with("", "resources: { requests: { cpu: 1500m } }"), @"
    warning[capacity]: the plan's pods request more than the nodes have (a): cpu 3, where other pods leave 2
      = help: run fewer replicas, request less, or add a node
    ");
    let cloud = on(&deployment(&["nodeSelector: { disk: hdd }"], &[]), |facts| {
        let mut value = node("a").into_value();
        value["spec"]["providerID"] = "aws:///eu-central-1a/i-0".into();
        facts.lists.insert(List::Nodes, Ok(vec![object(value)]));
    });
    assert!(cloud.starts_with("warning[capacity]"), "a cloud may bring another node: {cloud}");
}

#[test]
fn room_that_other_pods_have_taken() {
    let told = on(&deployment(&[], &[REQUESTS]), |facts| {
        let other = object(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "namespace": "elsewhere"},
            "spec": {"nodeName": "a", "containers": [{"name": "a", "resources": {"requests": {"cpu": "1200m"}}}]},
        }));
        facts.lists.insert(List::Pods, Ok(vec![other]));
    });
    insta::assert_snapshot!(told, @"
    warning[capacity]: the plan's pods request more than the nodes have (a): cpu 1, where other pods leave 800m
      = help: run fewer replicas, request less, or add a node
    ");
}

#[test]
fn what_cannot_be_read_is_told_and_stops_nothing() {
    let manifest = format!(
        "{}---\n{}---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: web }}\nspec: {{ rules: [] }}\n",
        CLAIM,
        deployment(&[], &[REQUESTS])
    );
    let told = on(&manifest, |facts| {
        let lists: Vec<List> = facts.lists.keys().cloned().collect();
        for list in lists {
            let why = format!("could not list {}: forbidden", list.kind());
            facts.lists.insert(list, Err(why));
        }
        facts
            .rules
            .insert("shop".into(), Err("could not ask what this user may do in `shop`: no answer".into()));
        facts.objects.insert(namespace(), Err("could not get Namespace/shop: forbidden".into()));
    });
    insta::assert_snapshot!(told, @"
    warning[rights]: could not be checked: could not ask what this user may do in `shop`: no answer

    warning[storage]: could not be checked: could not list StorageClass.storage.k8s.io: forbidden

    warning[ingress-class]: could not be checked: could not list IngressClass.networking.k8s.io: forbidden

    warning[quota]: could not be checked: could not list ResourceQuota: forbidden

    warning[capacity]: could not be checked: could not list Node: forbidden

    warning[pod-security]: could not be checked: could not get Namespace/shop: forbidden
    ");
}

#[test]
fn what_is_good_to_know() {
    let manifest = format!(
        "{}---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: web }}\nspec: {{ ingressClassName: traefik, rules: [] }}\n",
        CLAIM.replace("storageClassName: fast, ", "")
    );
    insta::assert_snapshot!(remarks(&plan(&manifest), &k3s()).join("\n"), @"
    the server is Kubernetes v1.34.1+k3s1
    1 of 1 nodes take pods
    the default storage class `local-path` makes volumes with rancher.io/local-path
    Ingresses of class `traefik` are served by traefik.io/ingress-controller
    ");
}
