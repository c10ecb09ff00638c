//! Volumes: the storage classes that claims ask for, and claims that cannot be shared but are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::{Facts, List, core};
use super::references::named;
use super::unchecked;
use super::workloads::{Workload, workloads};
use crate::event::{Check, Finding, Level};
use crate::object::scheduling::refusal;
use crate::object::{Object, ObjectRef, items};
use crate::plan::Plan;

/// Provisioners whose volumes one node at a time can mount, each from its own documentation: local-path
/// (README), the disks of AWS, Google and Azure (CSI drivers; their file shares are other drivers).
const ONE_NODE_ONLY: [&str; 4] =
    ["rancher.io/local-path", "ebs.csi.aws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com"];

/// A claim that the plan makes.
struct Claim<'a> {
    /// The object that holds it: the claim itself, or a workload with templates of claims.
    owner: &'a Object,
    name: &'a str,
    spec: &'a Value,
}

/// Returns the claims that the plan makes.
fn claims(plan: &Plan) -> Vec<Claim<'_>> {
    let mut found = Vec::new();
    for (stage, object) in plan.objects() {
        let Some(spec) = object.get("/spec") else { continue };
        if (object.group(), object.kind()) == ("", "PersistentVolumeClaim") {
            found.push(Claim { owner: object, name: object.name(), spec });
        }
        if object.kind() == "StatefulSet" {
            found.extend(items(spec, "volumeClaimTemplates").filter_map(|template| {
                let name = template.pointer("/metadata/name")?.as_str()?;
                Some(Claim { owner: object, name, spec: template.get("spec")? })
            }));
        }
        if let Some(workload) = Workload::of(stage, object) {
            found.extend(items(workload.spec, "volumes").filter_map(|volume| {
                let spec = volume.pointer("/ephemeral/volumeClaimTemplate/spec")?;
                Some(Claim { owner: object, name: volume.get("name")?.as_str()?, spec })
            }));
        }
    }
    found
}

/// Returns true when the plan makes claims.
pub(super) fn is_used(plan: &Plan) -> bool {
    !claims(plan).is_empty()
}

/// Returns what is wrong with volumes.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match facts.list(&List::StorageClasses) {
        Some(classes) => {
            for claim in claims(plan) {
                findings.extend(class_of(plan, &claim, classes, facts));
            }
        }
        None => {
            findings.extend(facts.unread(&List::StorageClasses).map(|why| unchecked(Check::Storage, why)));
        }
    }
    findings.extend(shared(plan, facts));
    findings
}

/// Returns the classes the plan's claims end up with.
pub(super) fn remarks(plan: &Plan, facts: &Facts) -> Vec<String> {
    let Some(classes) = facts.list(&List::StorageClasses) else { return Vec::new() };
    let mut told = BTreeSet::new();
    for claim in claims(plan) {
        let class = match wanted(claim.spec, plan, classes) {
            Wanted::Class(name) => classes.iter().find(|class| class.name() == name),
            Wanted::Default(class) => class,
            Wanted::Own | Wanted::None => None,
        };
        if let Some(class) = class {
            let word = if is_default(class) { "the default storage class" } else { "storage class" };
            told.insert(format!(
                "{word} `{}` makes volumes with {}",
                class.name(),
                class.text("/provisioner")
            ));
        }
    }
    told.into_iter().collect()
}

/// The class a claim asks for.
enum Wanted<'a> {
    /// This one.
    Class(&'a str),
    /// One that the plan makes.
    Own,
    /// The cluster's default, if it has one.
    Default(Option<&'a Object>),
    /// None: only a volume that somebody has made by hand.
    None,
}

fn wanted<'a>(spec: &'a Value, plan: &Plan, classes: &'a [Object]) -> Wanted<'a> {
    match spec.get("storageClassName").and_then(Value::as_str) {
        Some("") => Wanted::None,
        Some(name) if plan.objects().any(|(_, own)| own.kind() == "StorageClass" && own.name() == name) => {
            Wanted::Own
        }
        Some(name) => Wanted::Class(name),
        // The newest of several defaults wins (since 1.26); any will do here.
        None => Wanted::Default(classes.iter().find(|class| is_default(class))),
    }
}

fn is_default(class: &Object) -> bool {
    let keys =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    keys.iter().any(|key| class.annotation(key) == Some("true"))
}

/// Returns true when some claim's class is not there: then volumes made by hand may serve it.
pub(super) fn needs_volumes(plan: &Plan, facts: &Facts) -> bool {
    let Some(classes) = facts.list(&List::StorageClasses) else { return false };
    claims(plan).iter().any(|claim| lacks_class(plan, claim, classes))
}

fn lacks_class(plan: &Plan, claim: &Claim<'_>, classes: &[Object]) -> bool {
    match wanted(claim.spec, plan, classes) {
        Wanted::Class(name) => !classes.iter().any(|class| class.name() == name),
        Wanted::Default(class) => class.is_none(),
        Wanted::None => true,
        Wanted::Own => false,
    }
}

fn class_of(plan: &Plan, claim: &Claim<'_>, classes: &[Object], facts: &Facts) -> Option<Finding> {
    let by_hand = claim.spec.get("volumeName").is_some_and(|name| !name.is_null());
    if by_hand || facts.object(&claim.owner.reference()).is_some() {
        // It asks for a volume by its name, or it is there already, with whatever class it got.
        return None;
    }
    let named_claim = match claim.owner.kind() {
        "PersistentVolumeClaim" => String::new(),
        _ => format!("its claim `{}` ", claim.name),
    };
    if lacks_class(plan, claim, classes) {
        let told = claim.spec.get("storageClassName").and_then(Value::as_str);
        let volumes = facts.list(&List::Volumes);
        let is_free = |volume: &Object| {
            volume.text("/spec/storageClassName") == told.unwrap_or_default()
                && matches!(volume.text("/status/phase"), "Available" | "")
        };
        if volumes.is_some_and(|volumes| volumes.iter().any(is_free)) {
            return None;
        }
        // A plan may bring its volumes, too.
        let brings = plan.objects().any(|(_, object)| object.kind() == "PersistentVolume");
        let level = if volumes.is_some() && !brings { Level::Error } else { Level::Warning };
        let what = match told {
            Some("") => format!("{named_claim}asks for a volume without a class, and none is free"),
            Some(name) => format!("{named_claim}asks for storage class `{name}`, which the cluster has not"),
            None => format!("{named_claim}names no storage class, and the cluster has no default one"),
        };
        let fix = if classes.is_empty() {
            "install a provisioner of volumes with a storage class".to_owned()
        } else {
            let names: Vec<String> = classes.iter().map(|class| format!("`{}`", class.name())).collect();
            format!("the cluster has {}", named(names.iter().map(String::as_str), 5))
        };
        let finding = Finding { level, ..Finding::error(Check::Storage, what) };
        return Some(finding.about(claim.owner.reference()).fix(fix));
    }
    let class = match wanted(claim.spec, plan, classes) {
        Wanted::Class(name) => classes.iter().find(|class| class.name() == name),
        Wanted::Default(class) => class,
        Wanted::Own | Wanted::None => None,
    }?;
    let provisioner = class.text("/provisioner");
    let is_many = modes(claim.spec).contains("ReadWriteMany") && claim.spec["volumeMode"] != "Block";
    if is_many && ONE_NODE_ONLY.contains(&provisioner) {
        let what = format!(
            "{named_claim}asks for ReadWriteMany, which volumes of class `{}` ({provisioner}) are not made for",
            class.name()
        );
        let fix = "name a class of shared file systems (NFS, CephFS, EFS …), or ask for ReadWriteOnce";
        return Some(Finding::warning(Check::Storage, what).about(claim.owner.reference()).fix(fix));
    }
    None
}

fn modes(spec: &Value) -> BTreeSet<&str> {
    items(spec, "accessModes").filter_map(Value::as_str).collect()
}

/// Returns the claims of which every pod has to be on one node, or alone, though there are several of both.
fn shared(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut users: BTreeMap<ObjectRef, Vec<Workload<'_>>> = BTreeMap::new();
    for workload in workloads(plan) {
        let mounted: BTreeSet<&str> = workload.claims().collect();
        for name in mounted {
            let claim = core("PersistentVolumeClaim", workload.object.namespace(), name);
            users.entry(claim).or_default().push(workload);
        }
    }
    let own: BTreeMap<ObjectRef, &Object> =
        plan.objects().map(|(_, object)| (object.reference(), object)).collect();
    let mut findings = Vec::new();
    for (name, users) in users {
        let Some(claim) = own.get(&name).copied().or_else(|| facts.object(&name)) else { continue };
        let modes = modes(claim.get("/spec").unwrap_or(&Value::Null));
        // About itself it is told as `it`, about somebody else's by its name.
        let subject = if own.contains_key(&name) { "it".to_owned() } else { name.to_string() };
        let finding = if modes.contains("ReadWriteOncePod") && modes.len() == 1 {
            alone(&subject, &users)
        } else if modes.contains("ReadWriteOnce") && modes.len() == 1 {
            on_one_node(&subject, &users, facts)
        } else {
            None
        };
        findings.extend(finding.map(|finding| match own.get(&name) {
            Some(own) => finding.about(own.reference()),
            None => finding.about(users[0].object.reference()),
        }));
    }
    findings
}

/// Returns what is wrong when pods share a volume for one pod only.
fn alone(subject: &str, users: &[Workload<'_>]) -> Option<Finding> {
    if let Some(many) = users.iter().find(|user| user.keeps_running() && user.replicas() > 1) {
        let what = format!(
            "{subject} is ReadWriteOncePod, but {} runs {} pods that mount it: only one of them starts",
            many.object.reference(),
            many.replicas()
        );
        return Some(Finding::error(Check::Storage, what).fix("run one replica, or ask for ReadWriteOnce"));
    }
    let staying: Vec<&Workload<'_>> = users.iter().filter(|user| user.keeps_running()).collect();
    if staying.len() > 1 {
        let names = told(&staying);
        let what = format!("{subject} is ReadWriteOncePod, but {names} mount it: only one of them starts");
        return Some(
            Finding::error(Check::Storage, what)
                .fix("give each a claim of its own, or ask for ReadWriteOnce"),
        );
    }
    None
}

/// Returns a warning when pods that could run on several nodes share a volume that one node at a time can
/// mount.
fn on_one_node(subject: &str, users: &[Workload<'_>], facts: &Facts) -> Option<Finding> {
    let pods: i64 = users.iter().map(Workload::replicas).sum();
    let nodes = facts.list(&List::Nodes)?;
    let taking: Vec<&str> = nodes
        .iter()
        .filter(|node| users.iter().any(|user| refusal(node, user.spec).is_none()))
        .map(Object::name)
        .collect();
    if pods < 2 || taking.len() < 2 {
        return None;
    }
    let all: Vec<&Workload<'_>> = users.iter().collect();
    let what = format!(
        "{subject} is ReadWriteOnce, and mounted by {}: all their pods must run on one of the nodes {}",
        told(&all),
        named(taking, 5)
    );
    let fix = "ask for ReadWriteMany with a class that can do it, or know that one node carries them all";
    Some(Finding::warning(Check::Storage, what).fix(fix))
}

fn told(users: &[&Workload<'_>]) -> String {
    let text = |user: &&Workload<'_>| match user.replicas() {
        1 => user.object.reference().to_string(),
        replicas => format!("{} ({replicas} pods)", user.object.reference()),
    };
    let all: Vec<String> = users.iter().map(text).collect();
    named(all.iter().map(String::as_str), 4)
}
