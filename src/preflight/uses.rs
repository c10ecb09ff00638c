//! What each object of a plan uses of others.

use serde_json::Value;

use super::facts::core;
use super::workloads::Workload;
use crate::object::settings;
use crate::object::{Object, ObjectRef, items};
use crate::plan::{Check, Plan, StageIdx};

/// One object uses another.
#[derive(Clone, Debug)]
pub(super) struct Use<'a> {
    /// Who; `None` for a check of a stage.
    pub user: Option<&'a Object>,
    /// Its stage.
    pub stage: StageIdx,
    /// What.
    pub target: ObjectRef,
    /// The key of it that is read; `None` for all of it.
    pub key: Option<String>,
    /// What for.
    pub bond: Bond,
}

/// What one object uses another for, and so what becomes of it when the other is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bond {
    /// Its pods read it: they wait until it is there (kubelet, `CreateContainerConfigError`).
    Setting,
    /// Its pods mount it: no node takes them before (scheduler, `VolumeBinding`).
    Claim,
    /// Its pods run as this: they are refused (admission, `ServiceAccount`).
    Account,
    /// Its pods are of this class: they are refused (admission, `Priority` and `RuntimeClass`).
    Class,
    /// Its pods pull images with it: a kubelet goes on without.
    PullSecret,
    /// It sends requests there.
    Backend,
    /// It shows the certificate in it: a controller shows its own without.
    Certificate,
    /// It scales it.
    Target,
    /// Its pods get their names from it: they run without one.
    GoverningService,
    /// A check of the stage asks it.
    Asked,
}

/// Returns everything that objects of the plan use and cannot do without, in the plan's order.
pub(super) fn uses(plan: &Plan) -> Vec<Use<'_>> {
    let mut found = Vec::new();
    for (stage, object) in plan.objects() {
        let mut add = |target: ObjectRef, key: Option<String>, bond: Bond| {
            found.push(Use { user: Some(object), stage, target, key, bond });
        };
        if let Some(workload) = Workload::of(stage, object) {
            of_pods(&workload, &mut add);
        }
        match (object.group(), object.kind()) {
            ("networking.k8s.io", "Ingress") => of_ingress(object, &mut add),
            ("autoscaling", "HorizontalPodAutoscaler") => of_autoscaler(object, &mut add),
            ("apps", "StatefulSet") => {
                let service = object.text("/spec/serviceName");
                if !service.is_empty() {
                    add(core("Service", object.namespace(), service), None, Bond::GoverningService);
                }
            }
            _ => {}
        }
    }
    for (at, stage) in plan.stages().iter().enumerate() {
        for Check::Http(check) in &stage.checks {
            let target = core("Service", Some(plan.namespace()), &check.service);
            found.push(Use { user: None, stage: StageIdx(at), target, key: None, bond: Bond::Asked });
        }
    }
    found
}

fn of_pods(workload: &Workload<'_>, add: &mut impl FnMut(ObjectRef, Option<String>, Bond)) {
    let namespace = workload.object.namespace();
    for reference in settings::references(workload.object) {
        if !reference.optional {
            add(core(reference.kind.kind(), namespace, &reference.name), reference.key, Bond::Setting);
        }
    }
    for claim in workload.claims() {
        add(core("PersistentVolumeClaim", namespace, claim), None, Bond::Claim);
    }
    let text = |name: &str| workload.spec.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // Every namespace has `default` from its first moments on.
    if let Some(account) = text("serviceAccountName").filter(|account| *account != "default") {
        add(core("ServiceAccount", namespace, account), None, Bond::Account);
    }
    for (field, group, kind) in [
        ("priorityClassName", "scheduling.k8s.io", "PriorityClass"),
        ("runtimeClassName", "node.k8s.io", "RuntimeClass"),
    ] {
        if let Some(name) = text(field) {
            add(ObjectRef { group: group.to_owned(), ..core(kind, None, name) }, None, Bond::Class);
        }
    }
    for secret in items(workload.spec, "imagePullSecrets") {
        if let Some(name) = secret.get("name").and_then(Value::as_str) {
            add(core("Secret", namespace, name), None, Bond::PullSecret);
        }
    }
}

fn of_ingress(ingress: &Object, add: &mut impl FnMut(ObjectRef, Option<String>, Bond)) {
    for (service, _) in backends(ingress) {
        add(core("Service", ingress.namespace(), service), None, Bond::Backend);
    }
    // These make the Secret themselves (cert-manager.io, usage/ingress).
    let is_issued = ["cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme"]
        .iter()
        .any(|key| ingress.annotation(key).is_some());
    let tls = ingress.get("/spec").into_iter().flat_map(|spec| items(spec, "tls"));
    for name in tls.filter_map(|tls| tls.get("secretName")?.as_str()).filter(|_| !is_issued) {
        add(core("Secret", ingress.namespace(), name), None, Bond::Certificate);
    }
}

/// Returns the Services an Ingress sends requests to, with the `port` it names.
pub(super) fn backends(ingress: &Object) -> Vec<(&str, &Value)> {
    let Some(spec) = ingress.get("/spec") else { return Vec::new() };
    let paths =
        items(spec, "rules").filter_map(|rule| rule.get("http")).flat_map(|http| items(http, "paths"));
    let backends = paths.filter_map(|path| path.get("backend")).chain(spec.get("defaultBackend"));
    backends
        .filter_map(|backend| {
            let service = backend.get("service")?;
            Some((service.get("name")?.as_str()?, service.get("port").unwrap_or(&Value::Null)))
        })
        .collect()
}

fn of_autoscaler(scaler: &Object, add: &mut impl FnMut(ObjectRef, Option<String>, Bond)) {
    let text = |field: &str| scaler.text(&format!("/spec/scaleTargetRef/{field}"));
    let (kind, name) = (text("kind"), text("name"));
    if kind.is_empty() || name.is_empty() {
        return;
    }
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group).to_owned();
    let target = ObjectRef { group, ..core(kind, scaler.namespace(), name) };
    add(target, None, Bond::Target);
}
