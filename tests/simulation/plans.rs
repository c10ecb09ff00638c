//! Random applications: a DAG of stages with objects of many kinds, and later editions of the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use wesago::object::rule::{Rule, Test, Wanted};
use wesago::object::{FieldPath, GroupKind, Object};
use wesago::plan::{Check, HttpCheck, Plan, SecretKey, SecretSource, SecretSpec, Stage, StageId};

use crate::random::Random;

/// The definition of the widgets.
const DEFINITION: &str = "widgets.example.org";

/// The namespace of every plan.
pub(crate) const NAMESPACE: &str = "shop";
/// The name of every plan.
pub(crate) const PLAN: &str = "shop";

const KINDS: [&str; 12] = [
    "ConfigMap",
    "ConfigMap",
    "Deployment",
    "Deployment",
    "Job",
    "Job",
    "StatefulSet",
    "DaemonSet",
    "Service",
    "ServiceAccount",
    "PersistentVolumeClaim",
    "Ingress",
];

/// What an application is made of; it can be changed, and turned into a plan.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    stages: Vec<StageDraft>,
    secret: bool,
    /// The plan has a rule for its widgets.
    ruled: bool,
}

#[derive(Clone, Debug)]
struct StageDraft {
    id: StageId,
    needs: Vec<StageId>,
    objects: Vec<ObjectDraft>,
    deadline: Duration,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a turn that dice take, independent of the others")]
#[derive(Clone, Debug)]
struct ObjectDraft {
    kind: &'static str,
    name: String,
    /// Grows with each change of its content.
    edition: u64,
    replicas: u64,
    broken: bool,
    with_volume: bool,
    /// A Service of a Deployment of the same name, asked by a check.
    checked: bool,
    /// Its pods read the generated Secret.
    reads_secret: bool,
}

impl Application {
    /// Returns the application of a seed.
    pub(crate) fn random(random: &mut Random) -> Self {
        let count = random.between(1, 6);
        let mut stages: Vec<StageDraft> = Vec::new();
        for index in 0..count {
            let id = StageId::new(if random.chance(300) {
                format!("group/s{index}")
            } else {
                format!("s{index}")
            });
            let needs = stages.iter().filter(|_| random.chance(400)).map(|stage| stage.id.clone()).collect();
            let mut objects: Vec<ObjectDraft> = Vec::new();
            for number in 0..random.between(0, 4) {
                let draft = ObjectDraft::random(random, format!("o{index}-{number}"));
                if draft.kind == "Deployment" && !draft.broken && random.chance(300) {
                    objects.push(ObjectDraft { kind: "Service", checked: true, ..draft.clone() });
                }
                objects.push(draft);
            }
            let deadline = Duration::from_secs(*random.pick(&[120, 600, 1200]));
            stages.push(StageDraft { id: id.unwrap(), needs, objects, deadline });
        }
        if random.chance(250) {
            add_widgets(random, &mut stages);
        }
        let ruled = random.fork("rule").chance(500);
        let secret = random.chance(400);
        for draft in stages.iter_mut().flat_map(|stage: &mut StageDraft| &mut stage.objects) {
            draft.reads_secret = secret && draft.with_volume;
        }
        Self { stages, secret, ruled }
    }

    /// Returns a definition, and a widget judged by the plan's own rule.
    pub(crate) fn of_a_widget() -> Self {
        let objects = vec![
            ObjectDraft::of("CustomResourceDefinition", DEFINITION.into()),
            ObjectDraft::of("Widget", "widget".into()),
        ];
        let (id, needs, deadline) = (StageId::new("s0").unwrap(), Vec::new(), Duration::from_secs(600));
        Self { stages: vec![StageDraft { id, needs, objects, deadline }], secret: false, ruled: true }
    }

    /// Returns a Deployment that never gets ready.
    pub(crate) fn of_a_broken_deployment() -> Self {
        Self::of_one(ObjectDraft { broken: true, ..ObjectDraft::of("Deployment", "web".into()) })
    }

    /// Returns a Service that leads to nobody, and a check that asks it.
    pub(crate) fn of_a_service_without_pods() -> Self {
        Self::of_one(ObjectDraft { checked: true, ..ObjectDraft::of("Service", "web".into()) })
    }

    /// Returns a widget whose kind nobody defines.
    pub(crate) fn of_an_unknown_kind() -> Self {
        Self::of_one(ObjectDraft::of("Widget", "widget".into()))
    }

    fn of_one(object: ObjectDraft) -> Self {
        let (id, needs, deadline) = (StageId::new("s0").unwrap(), Vec::new(), Duration::from_secs(600));
        let stages = vec![StageDraft { id, needs, objects: vec![object], deadline }];
        Self { stages, secret: false, ruled: false }
    }

    /// Returns stages in a row, each with a Deployment and a ConfigMap.
    pub(crate) fn chain(length: usize) -> Self {
        let mut stages: Vec<StageDraft> = Vec::new();
        for index in 0..length {
            let id = StageId::new(format!("s{index}")).unwrap();
            let needs = stages.last().map(|stage| stage.id.clone()).into_iter().collect();
            let names = [("Deployment", "web"), ("ConfigMap", "settings")];
            let objects = names.map(|(kind, name)| ObjectDraft::of(kind, format!("{name}-{index}"))).into();
            stages.push(StageDraft { id, needs, objects, deadline: Duration::from_secs(600) });
        }
        Self { stages, secret: false, ruled: false }
    }

    /// Changes some contents, and takes some objects out.
    pub(crate) fn change(&mut self, random: &mut Random) {
        let drafts = self.stages.iter().flat_map(|stage| &stage.objects);
        // By name: a check asks the Service of a Deployment of the same name.
        let names: BTreeSet<String> = drafts.map(|draft| draft.name.clone()).collect();
        let mut leaving: BTreeSet<String> = names.into_iter().filter(|_| random.chance(150)).collect();
        // Nobody can write widgets whose definition the same plan removes.
        let mut drafts = self.stages.iter().flat_map(|stage| &stage.objects);
        if drafts.any(|draft| draft.kind == "Widget" && !leaving.contains(&draft.name)) {
            leaving.remove(DEFINITION);
        }
        for stage in &mut self.stages {
            stage.objects.retain(|draft| !leaving.contains(&draft.name));
        }
        self.secret &= !random.chance(100);
        for draft in self.stages.iter_mut().flat_map(|stage| &mut stage.objects) {
            draft.reads_secret &= self.secret;
        }
        for draft in self.stages.iter_mut().flat_map(|stage| &mut stage.objects) {
            if random.chance(400) && draft.kind != "PersistentVolumeClaim" {
                draft.edition += 1;
                draft.replicas = random.between(1, 3);
            }
        }
    }

    /// Mends what is broken.
    pub(crate) fn mend(&mut self) {
        for draft in self.stages.iter_mut().flat_map(|stage| &mut stage.objects).filter(|draft| draft.broken)
        {
            draft.broken = false;
            draft.edition += 1;
        }
    }

    /// Returns true when something in it cannot become ready.
    pub(crate) fn is_broken(&self) -> bool {
        self.stages.iter().flat_map(|stage| &stage.objects).any(|draft| draft.broken)
    }

    /// Returns the plan.
    pub(crate) fn plan(&self) -> Plan {
        let stages = self.stages.iter().map(|stage| Stage {
            id: stage.id.clone(),
            needs: stage.needs.clone(),
            objects: stage.objects.iter().map(ObjectDraft::object).collect(),
            deadline: stage.deadline,
            checks: stage.objects.iter().filter(|draft| draft.checked).map(ObjectDraft::check).collect(),
        });
        let plan = Plan::new(PLAN, NAMESPACE, stages.collect()).unwrap();
        let plan = if self.ruled { plan.with_rules(rule_for_widgets("Up", None)) } else { plan };
        if !self.secret {
            return plan;
        }
        let keys = ["user", "password"]
            .map(|key| SecretKey { key: key.to_owned(), sources: vec![SecretSource::Generate(16)] });
        plan.with_secrets(vec![SecretSpec { name: "passwords".into(), keys: keys.into() }])
    }
}

/// Returns the rule that a widget is current in one phase, and failed in another.
pub(crate) fn rule_for_widgets(current: &str, failed: Option<&str>) -> BTreeMap<GroupKind, Rule> {
    let phase = |phase: &str| Test {
        path: FieldPath::parse("status.phase").unwrap(),
        wanted: Wanted::Equals(phase.into()),
    };
    let failed = failed.map(phase).into_iter().collect();
    let rule = Rule { current: vec![phase(current)], failed, ..Rule::default() };
    let kind = GroupKind { group: "example.org".into(), kind: "Widget".into() };
    [(kind, rule)].into()
}

/// Puts a definition into one stage, and objects of its kind into it and into some of the later ones.
fn add_widgets(random: &mut Random, stages: &mut [StageDraft]) {
    let first = random.index(stages.len());
    let definition = ObjectDraft::of("CustomResourceDefinition", DEFINITION.into());
    let id = stages[first].id.clone();
    stages[first].objects.push(definition);
    for (index, stage) in stages.iter_mut().enumerate().skip(first) {
        if random.chance(500) {
            stage.objects.push(ObjectDraft::of("Widget", format!("widget-{index}")));
            if index > first && !stage.needs.contains(&id) {
                stage.needs.push(id.clone());
            }
        }
    }
}

impl ObjectDraft {
    fn of(kind: &'static str, name: String) -> Self {
        let (edition, replicas) = (1, 1);
        Self {
            kind,
            name,
            edition,
            replicas,
            broken: false,
            with_volume: false,
            checked: false,
            reads_secret: false,
        }
    }

    fn random(random: &mut Random, name: String) -> Self {
        let kind = *random.pick(&KINDS);
        Self {
            kind,
            name,
            edition: 1,
            replicas: random.between(1, 3),
            broken: matches!(kind, "Deployment" | "Job") && random.chance(30),
            with_volume: random.chance(500),
            checked: false,
            reads_secret: false,
        }
    }

    fn check(&self) -> Check {
        let (service, path) = (self.name.clone(), "/health".to_owned());
        Check::Http(HttpCheck {
            service,
            port: 80,
            path,
            host: None,
            status: 200,
            contains: Some("hello".into()),
        })
    }

    fn object(&self) -> Object {
        let mut value = self.body();
        value["metadata"]["name"] = self.name.clone().into();
        if self.kind != "CustomResourceDefinition" {
            value["metadata"]["namespace"] = NAMESPACE.into();
        }
        value["kind"] = self.kind.into();
        Object::new(value).unwrap()
    }

    fn body(&self) -> Value {
        let selector = json!({"matchLabels": {"app": self.name}});
        let claim = json!({
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        });
        match self.kind {
            "Deployment" => json!({
                "apiVersion": "apps/v1",
                "spec": {"replicas": self.replicas, "selector": selector, "template": self.template("Always")},
            }),
            "StatefulSet" => {
                // The name of its Service cannot change: such a set is made anew around its pods.
                let service = if self.with_volume {
                    self.name.clone()
                } else {
                    format!("{}-{}", self.name, self.edition)
                };
                let mut body = json!({
                    "apiVersion": "apps/v1",
                    "spec": {
                        "replicas": self.replicas, "serviceName": service, "selector": selector,
                        "template": self.template("Always"),
                    },
                });
                if self.with_volume {
                    body["spec"]["volumeClaimTemplates"] =
                        json!([{"metadata": {"name": "data"}, "spec": claim}]);
                }
                body
            }
            "DaemonSet" => json!({
                "apiVersion": "apps/v1",
                "spec": {"selector": selector, "template": self.template("Always")},
            }),
            "Job" => json!({"apiVersion": "batch/v1", "spec": {"template": self.template("Never")}}),
            "PersistentVolumeClaim" => json!({"apiVersion": "v1", "spec": claim}),
            "Service" => json!({
                "apiVersion": "v1",
                "spec": {
                    "selector": {"app": self.name},
                    "ports": [{"port": 80, "name": "http", "targetPort": 8000 + self.edition}],
                },
            }),
            "Ingress" => json!({
                "apiVersion": "networking.k8s.io/v1",
                "spec": {"rules": [{"host": format!("{}.edition-{}", self.name, self.edition)}]},
            }),
            "CustomResourceDefinition" => json!({
                "apiVersion": "apiextensions.k8s.io/v1",
                "metadata": {"annotations": {"edition": self.edition.to_string()}},
                "spec": {
                    "group": "example.org", "scope": "Namespaced",
                    "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
                    "versions": [{
                        "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    }],
                },
            }),
            "Widget" => json!({"apiVersion": "example.org/v1", "spec": {"edition": self.edition}}),
            "ServiceAccount" => json!({
                "apiVersion": "v1",
                "metadata": {"annotations": {"edition": self.edition.to_string()}},
            }),
            _ => json!({
                "apiVersion": "v1",
                "data": {"edition": self.edition.to_string(), format!("only-{}", self.edition): "yes"},
            }),
        }
    }

    fn template(&self, restart: &str) -> Value {
        let image = if self.broken { "broken".to_owned() } else { format!("app:{}", self.edition) };
        let mut env = vec![json!({"name": "EDITION", "value": self.edition.to_string()})];
        if self.reads_secret {
            let reference = json!({"secretKeyRef": {"name": "passwords", "key": "password"}});
            env.push(json!({"name": "PASSWORD", "valueFrom": reference}));
        }
        json!({
            "metadata": {"labels": {"app": self.name}},
            "spec": {
                "restartPolicy": restart,
                "containers": [{
                    "name": "main", "image": image, "env": env, "ports": [{"containerPort": 8000}],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                }],
            },
        })
    }
}
