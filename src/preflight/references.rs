//! What objects use: is it there, in the plan or in the cluster, with the key that is read?

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::uses::{Bond, Use, uses};
use super::workloads::has_custom_objects;
use crate::event::{Check, Finding, Level};
use crate::object::{Object, ObjectRef};
use crate::plan::Plan;
use crate::problem::nearest;

/// What the plan itself brings, by name, with its keys where it has some.
struct Own<'a> {
    keys: BTreeMap<ObjectRef, BTreeSet<&'a str>>,
    /// The names that claims of StatefulSets begin with, by namespace.
    claims: Vec<(Option<&'a str>, String)>,
}

impl<'a> Own<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut keys: BTreeMap<_, _> =
            plan.objects().map(|(_, object)| (object.reference(), keys_of(object))).collect();
        for spec in plan.secrets() {
            let name = super::facts::core("Secret", Some(plan.namespace()), &spec.name);
            keys.entry(name).or_default().extend(spec.keys.iter().map(|key| key.key.as_str()));
        }
        let sets = plan.objects().filter(|(_, object)| object.kind() == "StatefulSet");
        let claims = sets.flat_map(|(_, set)| {
            let templates = set.get("/spec").into_iter().flat_map(|spec| {
                crate::object::items(spec, "volumeClaimTemplates")
                    .filter_map(|template| template.pointer("/metadata/name")?.as_str())
            });
            templates.map(move |template| (set.namespace(), format!("{template}-{}-", set.name())))
        });
        Self { claims: claims.collect(), keys }
    }

    /// Returns true when the plan brings `target`.
    fn has(&self, target: &ObjectRef) -> bool {
        let from_template = |(namespace, start): &(Option<&str>, String)| {
            let ordinal = target.name.strip_prefix(start.as_str());
            *namespace == target.namespace.as_deref()
                && ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
        };
        self.keys.contains_key(target)
            || (target.kind == "PersistentVolumeClaim" && self.claims.iter().any(from_template))
    }
}

/// Returns the keys of a ConfigMap or a Secret.
fn keys_of(object: &Object) -> BTreeSet<&str> {
    ["/data", "/binaryData", "/stringData"]
        .into_iter()
        .filter_map(|pointer| object.get(pointer)?.as_object())
        .flat_map(|map| map.keys().map(String::as_str))
        .collect()
}

/// Returns the objects that the plan uses and does not bring: the cluster has to be asked for them.
pub(super) fn elsewhere(plan: &Plan) -> BTreeSet<ObjectRef> {
    let own = Own::of(plan);
    uses(plan).into_iter().map(|used| used.target).filter(|target| !own.has(target)).collect()
}

/// Returns what is read of an object of the plan and is not in it.
pub(super) fn inside(plan: &Plan) -> Vec<Finding> {
    let own = Own::of(plan);
    let all = uses(plan);
    let wrong = all.iter().filter_map(|used| {
        let (keys, key) = (own.keys.get(&used.target)?, used.key.as_ref()?);
        let missing = used.bond == Bond::Setting && !keys.contains(key.as_str());
        missing.then(|| (used, no_key(&used.target, key, keys, "in the plan")))
    });
    wrong.map(|(used, (what, fix))| about(Level::Error, used, what, fix)).collect()
}

fn no_key(target: &ObjectRef, key: &str, keys: &BTreeSet<&str>, whose: &str) -> (String, String) {
    let fix = match nearest(key, keys.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if keys.is_empty() => "it has no keys at all".to_owned(),
        None => format!("it has {}", named(keys.iter().copied(), 5)),
    };
    (format!("reads key `{key}` of {target} {whose}, which has no such key"), fix)
}

/// Returns what is used of the cluster and is not there.
pub(super) fn outside(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let own = Own::of(plan);
    let all = uses(plan);
    let mut by_target: BTreeMap<(&ObjectRef, Bond), Vec<&Use<'_>>> = BTreeMap::new();
    for used in all.iter().filter(|used| !own.has(&used.target)) {
        by_target.entry((&used.target, used.bond)).or_default().push(used);
    }
    let mut findings = Vec::new();
    for ((target, bond), users) in by_target {
        match facts.objects.get(target) {
            None => {}
            Some(Err(why)) => {
                findings.extend(users.first().map(|used| {
                    let what = format!("uses {target}, which could not be checked: {why}");
                    about(Level::Warning, used, what, String::new())
                }));
            }
            Some(Ok(None)) => findings.extend(missing(plan, target, bond, &users)),
            Some(Ok(Some(found))) => {
                let keys = keys_of(found);
                findings.extend(users.iter().filter_map(|used| {
                    let key = used.key.as_ref().filter(|key| !keys.contains(key.as_str()))?;
                    let (what, fix) = no_key(target, key, &keys, "in the cluster");
                    Some(about(Level::Error, used, what, fix))
                }));
            }
        }
    }
    findings
}

/// Returns the finding about something that is neither in the plan nor in the cluster.
fn missing(plan: &Plan, target: &ObjectRef, bond: Bond, users: &[&Use<'_>]) -> Option<Finding> {
    let first = users.first()?;
    let (verb, consequence) = words(bond);
    // An operator may make what the plan's custom objects speak of.
    let may_come = has_custom_objects(plan) && bond != Bond::Class;
    let level = if is_soft(bond) || may_come { Level::Warning } else { Level::Error };
    let place = match &target.namespace {
        Some(namespace) => format!("namespace `{namespace}`"),
        None => "the cluster".to_owned(),
    };
    let others: BTreeSet<String> =
        users[1..].iter().filter_map(|used| Some(used.user?.reference().to_string())).collect();
    let own = first.user.map(|user| user.reference().to_string());
    let others: Vec<&str> =
        others.iter().filter(|other| own.as_ref() != Some(*other)).map(String::as_str).collect();
    let beside = match others.len() {
        0 => String::new(),
        1 => format!(" (so does {})", others[0]),
        _ => format!(" (so do {})", named(others, 3)),
    };
    let what = format!("{verb} {target}, which is neither in the plan nor in {place}{beside}: {consequence}");
    Some(about(level, first, what, instead(plan, target)))
}

/// Returns true when what is missing is missed, but things go on.
fn is_soft(bond: Bond) -> bool {
    matches!(bond, Bond::PullSecret | Bond::Certificate | Bond::GoverningService)
}

/// Returns what the user does with it, and what becomes of that without it.
fn words(bond: Bond) -> (&'static str, &'static str) {
    match bond {
        Bond::Setting => ("reads", "its pods wait until it is there"),
        Bond::Claim => ("mounts", "no node takes its pods before it is there"),
        Bond::Account => ("runs as", "its pods are refused"),
        Bond::Class => ("has pods of", "they are refused"),
        Bond::PullSecret => ("pulls its images with", "they are pulled without, where that is allowed"),
        Bond::Backend => ("sends requests to", "they are answered with an error"),
        Bond::Certificate => ("shows the certificate in", "the controller shows one of its own"),
        Bond::Target => ("scales", "there is nothing to scale"),
        Bond::GoverningService => ("names its pods by", "they have no names of their own in DNS"),
        Bond::Asked => ("asks", "it is never answered"),
    }
}

/// Returns how to mend a use of something that is not there: by the nearest name there is.
fn instead(plan: &Plan, target: &ObjectRef) -> String {
    let same = |other: &ObjectRef| other.kind == target.kind && other.namespace == target.namespace;
    let objects = plan.objects().map(|(_, object)| object.reference()).filter(same).map(|other| other.name);
    let generated = plan.secrets().iter().filter(|_| target.kind == "Secret").map(|spec| spec.name.clone());
    let names: Vec<String> = objects.chain(generated).collect();
    match nearest(&target.name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add it to the plan, or make it in the cluster first".to_owned(),
    }
}

/// Returns a finding about a user, or about a check when nobody else is.
fn about(level: Level, used: &Use<'_>, what: String, fix: String) -> Finding {
    let finding = match used.user {
        Some(object) => Finding::error(Check::Reference, what).about(object.reference()),
        None => Finding::error(Check::Reference, format!("a check {what}")),
    };
    Finding { level, ..finding }.fix(fix)
}

/// Returns names as a list, cut after so many.
pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    let text = all.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if all.len() > most {
        return format!("{text} and {} more", all.len() - most);
    }
    text
}
