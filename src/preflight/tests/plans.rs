//! What a plan alone shows, and what it uses of the cluster.

use serde_json::json;

use super::super::{Questions, references};
use super::{core, deployment, judged, k3s, object, plan, repository, staged, told};
use crate::event::{Check, Level};
use crate::object::Object;
use crate::plan::{Plan, Stage, StageId};

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }\n";

#[test]
fn the_repositorys_plans_show_nothing_wrong_by_themselves() {
    for name in ["plans/wesago.yaml", "plans/sandbox.yaml"] {
        assert_eq!(told(&references(&repository(name))), "", "{name}");
    }
}

#[test]
fn the_repositorys_plans_can_be_deployed_on_k3s() {
    for name in ["plans/wesago.yaml", "plans/sandbox.yaml"] {
        let plan = repository(name);
        let mut facts = k3s();
        facts.rules = [(plan.namespace().to_owned(), facts.rules.remove("shop").unwrap())].into();
        facts.objects = [(super::super::facts::core("Namespace", None, plan.namespace()), Ok(None))].into();
        let asked = Questions::of(&plan, &facts);
        assert!(asked.is_empty(), "{name} asks {asked:?}");
        assert_eq!(judged(&plan, &facts), "", "{name}");
    }
}

#[test]
fn a_good_plan_is_told_nothing() {
    let plan =
        plan(&format!("{}{SERVICE}", deployment(&[], &["ports: [{ name: http, containerPort: 80 }]"])));
    assert_eq!(judged(&plan, &k3s()), "");
}

#[test]
fn ports_that_are_not_there() {
    let web = deployment(
        &[],
        &[
            "ports: [{ name: http, containerPort: 8000 }]",
            "readinessProbe: { httpGet: { port: htp } }",
            "livenessProbe: { tcpSocket: { port: 8000 } }",
        ],
    );
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec:\n  selector: { app: web }\n  ports: [{ name: a, port: 80, targetPort: htp }, { name: b, port: 81 }, { name: c, port: 82, targetPort: http }]\n";
    let ingress = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: web }\nspec:\n  ingressClassName: traefik\n  rules: [{ http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { name: http } } } }, { path: /a, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] } }]\n";
    insta::assert_snapshot!(judged(&plan(&format!("{web}{service}{ingress}")), &k3s()), @"
    error[port]: Service/web: its targetPort `htp` (TCP) is no port of the pods behind it (web): nothing is sent to them
     --> m.yaml:19
      = help: their ports are http

    error[port]: Deployment/web: the readinessProbe of container web asks port `htp`, which the container has not
     --> m.yaml:3
      = help: its ports are http

    error[port]: Ingress/web: sends requests to port `http` of Service/web, which has no such port
     --> m.yaml:26
      = help: its ports are 80 (`a`), 81 (`b`), 82 (`c`)

    warning[port]: Service/web: its targetPort 81 (TCP) is not declared by the pods behind it (web)
     --> m.yaml:19
      = help: declared are 8000; name one of them, or declare 81 as a containerPort if something listens there
    ");
}

#[test]
fn a_service_that_selects_nothing() {
    let web = deployment(&[], &[]);
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { selector: { app: wbe }, ports: [{ port: 80 }] }\n---\napiVersion: v1\nkind: Service\nmetadata: { name: outside }\nspec: { type: ExternalName, externalName: shop.example, selector: { app: x } }\n";
    insta::assert_snapshot!(judged(&plan(&format!("{web}{service}")), &k3s()), @"
    warning[service-selector]: Service/web: selects no pods of this plan: no pod template has the labels app=wbe
     --> m.yaml:16
      = help: Deployment/web has app=web
    ");
}

#[test]
fn labels_that_controllers_add_select_too() {
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: db }\nspec:\n  serviceName: db-0\n  selector: { matchLabels: { app: db } }\n  template: { metadata: { labels: { app: db } }, spec: { containers: [{ name: db, image: db:1 }] } }\n";
    let service = |pod: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: {pod} }}\nspec: {{ selector: {{ app: db, statefulset.kubernetes.io/pod-name: {pod} }}, ports: [{{ port: 80 }}] }}\n"
        )
    };
    assert_eq!(judged(&plan(&format!("{set}{}", service("db-0"))), &k3s()), "");
    let wrong = plan(&format!("{set}{}{}", service("db-0"), service("bd-0")));
    insta::assert_snapshot!(judged(&wrong, &k3s()), @"
    warning[service-selector]: Service/bd-0: selects no pods of this plan: no pod template has the labels app=db,statefulset.kubernetes.io/pod-name=bd-0
     --> m.yaml:16
      = help: StatefulSet/db has app=db
    ");
}

/// Uses of all kinds, none of which the plan brings.
fn users() -> Plan {
    let web = deployment(
        &[
            "serviceAccountName: web",
            "priorityClassName: urgent",
            "imagePullSecrets: [{ name: registry }]",
            "volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }, { name: conf, projected: { sources: [{ configMap: { name: conf, items: [{ key: a.conf, path: a.conf }] } }] } }]",
        ],
        &[
            "envFrom: [{ secretRef: { name: web-env } }, { secretRef: { name: mail, optional: true } }]",
            "env: [{ name: A, valueFrom: { configMapKeyRef: { name: settings, key: color } } }]",
        ],
    );
    let rest = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: web }\nspec:\n  ingressClassName: traefik\n  tls: [{ secretName: tls }]\n  defaultBackend: { service: { name: wbe, port: { number: 80 } } }\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: web }\nspec: { maxReplicas: 3, scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: wbe } }\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: db }\nspec:\n  serviceName: db\n  selector: { matchLabels: { app: db } }\n  template: { metadata: { labels: { app: db } }, spec: { containers: [{ name: db, image: db:1, envFrom: [{ secretRef: { name: web-env } }] }] } }\n";
    staged(
        "stages: { web: { apply: [m.yaml], checks: [{ http: { service: front, port: 80 } }] } }",
        &format!("{web}{rest}"),
    )
}

#[test]
fn what_is_used_and_nowhere() {
    let plan = users();
    let mut facts = k3s();
    let asked = Questions::of(&plan, &facts);
    facts.objects.extend(asked.objects.into_iter().map(|name| (name, Ok(None))));
    insta::assert_snapshot!(judged(&plan, &facts), @"
    error[reference]: a check asks Service/front, which is neither in the plan nor in namespace `shop`: it is never answered
      = help: add it to the plan, or make it in the cluster first

    error[reference]: Deployment/web: has pods of PriorityClass/urgent, which is neither in the plan nor in the cluster: they are refused
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    error[reference]: Deployment/web: mounts PersistentVolumeClaim/data, which is neither in the plan nor in namespace `shop`: no node takes its pods before it is there
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    error[reference]: Deployment/web: reads ConfigMap/conf, which is neither in the plan nor in namespace `shop`: its pods wait until it is there
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    error[reference]: Deployment/web: reads ConfigMap/settings, which is neither in the plan nor in namespace `shop`: its pods wait until it is there
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    error[reference]: Deployment/web: reads Secret/web-env, which is neither in the plan nor in namespace `shop` (so does StatefulSet/db): its pods wait until it is there
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    error[reference]: Deployment/web: runs as ServiceAccount/web, which is neither in the plan nor in namespace `shop`: its pods are refused
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    error[reference]: HorizontalPodAutoscaler/web: scales Deployment/wbe, which is neither in the plan nor in namespace `shop`: there is nothing to scale
     --> m.yaml:30
      = help: did you mean `web`?

    error[reference]: Ingress/web: sends requests to Service/wbe, which is neither in the plan nor in namespace `shop`: they are answered with an error
     --> m.yaml:22
      = help: add it to the plan, or make it in the cluster first

    warning[reference]: Deployment/web: pulls its images with Secret/registry, which is neither in the plan nor in namespace `shop`: they are pulled without, where that is allowed
     --> m.yaml:3
      = help: add it to the plan, or make it in the cluster first

    warning[reference]: StatefulSet/db: names its pods by Service/db, which is neither in the plan nor in namespace `shop`: they have no names of their own in DNS
     --> m.yaml:35
      = help: add it to the plan, or make it in the cluster first

    warning[reference]: Ingress/web: shows the certificate in Secret/tls, which is neither in the plan nor in namespace `shop`: the controller shows one of its own
     --> m.yaml:22
      = help: add it to the plan, or make it in the cluster first
    ");
}

#[test]
fn what_is_used_and_in_the_cluster() {
    let plan = users();
    let mut facts = k3s();
    let asked = Questions::of(&plan, &facts);
    for name in asked.objects {
        let api_version = if name.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", name.group) };
        let mut found = json!({
            "apiVersion": api_version, "kind": name.kind, "metadata": {"name": name.name, "namespace": "shop"},
        });
        match name.name.as_str() {
            "settings" => found["data"] = json!({"colour": "blue"}),
            "conf" => found["binaryData"] = json!({"a.conf": ""}),
            "wbe" if name.kind == "Service" => found["spec"] = json!({"ports": [{"port": 8080}]}),
            _ => {}
        }
        facts.objects.insert(name, Ok(Some(object(found))));
    }
    insta::assert_snapshot!(judged(&plan, &facts), @"
    error[reference]: Deployment/web: reads key `color` of ConfigMap/settings in the cluster, which has no such key
     --> m.yaml:3
      = help: did you mean `colour`?

    error[port]: Ingress/web: sends requests to port 80 of Service/wbe, which has no such port
     --> m.yaml:22
      = help: its ports are 8080
    ");
}

#[test]
fn what_could_not_be_looked_up_is_told_once() {
    let plan = plan(&deployment(&[], &["envFrom: [{ secretRef: { name: env } }]"]));
    let mut facts = k3s();
    facts.objects.insert(core("Secret", "env"), Err("could not get Secret/env: forbidden".into()));
    insta::assert_snapshot!(judged(&plan, &facts), @"
    warning[reference]: Deployment/web: uses Secret/env, which could not be checked: could not get Secret/env: forbidden
     --> m.yaml:3
    ");
}

#[test]
fn an_operator_may_make_what_is_missing() {
    let own = "---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: env, namespace: shop }\n";
    let plan = plan(&format!("{}{own}", deployment(&[], &["envFrom: [{ secretRef: { name: env } }]"])));
    let mut facts = k3s();
    let kind =
        crate::object::GroupKind { group: "external-secrets.io".into(), kind: "ExternalSecret".into() };
    let served = super::Served { version: "v1".into(), plural: "externalsecrets".into() };
    facts.served.insert(kind, vec![served]);
    facts.objects.insert(core("Secret", "env"), Ok(None));
    let findings = super::judge(&plan, &facts);
    assert_eq!(findings.len(), 1, "{}", told(&findings));
    assert_eq!((findings[0].level, findings[0].check), (Level::Warning, Check::Reference));
}

/// Returns a stage with these objects.
fn stage(name: &str, needs: &[&str], objects: Vec<Object>) -> Stage {
    Stage {
        id: StageId::new(name).unwrap(),
        needs: needs.iter().map(|need| StageId::new(*need).unwrap()).collect(),
        objects,
        deadline: std::time::Duration::from_secs(60),
        checks: Vec::new(),
    }
}

#[test]
fn stages_that_use_what_may_come_later() {
    let map = object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"},
    }));
    let pod = |name: &str| {
        object(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": "settings"}}]}]},
        }))
    };
    let stages = vec![
        stage("early", &[], vec![pod("early")]),
        stage("settings", &["early"], vec![map]),
        stage("beside", &[], vec![pod("beside"), pod("again")]),
        stage("after", &["settings"], vec![pod("after")]),
        stage("long-after", &["after"], vec![pod("long-after")]),
    ];
    let plan = Plan::new("shop", "shop", stages).unwrap();
    insta::assert_snapshot!(told(&references(&plan)), @"
    warning[stage-order]: Pod/beside: uses ConfigMap/settings of stage `settings`, which stage `beside` does not need
      = help: add `settings` to the needs of `beside`

    warning[stage-order]: Pod/early: uses ConfigMap/settings of stage `settings`, which stage `early` does not need
      = help: move ConfigMap/settings into `early` or a stage it needs: `settings` itself waits for `early`
    ");
}

#[test]
fn a_key_that_a_config_map_of_the_plan_has_not() {
    // A composed plan is told that with its line; one that was made otherwise is told here.
    let map = object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"colour": "blue"},
    }));
    let pod = object(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"containers": [{"name": "a", "env": [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "size", "optional": true}}},
        ]}]},
    }));
    let plan = Plan::new("shop", "shop", vec![stage("a", &[], vec![map, pod])]).unwrap();
    insta::assert_snapshot!(told(&references(&plan)), @"
    error[reference]: Pod/a: reads key `color` of ConfigMap/settings in the plan, which has no such key
      = help: did you mean `colour`?
    ");
}
