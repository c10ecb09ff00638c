//! Ingresses: is there a class for them, and who serves it? An Ingress that nobody serves is written all
//! the same, and ready at once; so what is wrong here is a warning.

use std::collections::BTreeSet;

use super::facts::{Facts, List};
use super::references::named;
use super::unchecked;
use crate::event::{Check, Finding};
use crate::object::Object;
use crate::plan::Plan;

/// The annotation from before there were classes, which controllers still read.
const OLD_CLASS: &str = "kubernetes.io/ingress.class";

/// Returns the Ingresses of the plan.
fn ingresses(plan: &Plan) -> impl Iterator<Item = &Object> {
    let objects = plan.objects().map(|(_, object)| object);
    objects.filter(|object| (object.group(), object.kind()) == ("networking.k8s.io", "Ingress"))
}

/// Returns true when the plan has Ingresses.
pub(super) fn is_used(plan: &Plan) -> bool {
    ingresses(plan).next().is_some()
}

/// Returns the Ingresses that nobody serves.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let Some(classes) = facts.list(&List::IngressClasses) else {
        return facts
            .unread(&List::IngressClasses)
            .map(|why| unchecked(Check::IngressClass, why))
            .into_iter()
            .collect();
    };
    ingresses(plan).filter_map(|ingress| unserved(plan, ingress, classes)).collect()
}

/// Returns who serves the Ingresses.
pub(super) fn remarks(plan: &Plan, facts: &Facts) -> Vec<String> {
    let Some(classes) = facts.list(&List::IngressClasses) else { return Vec::new() };
    let served: BTreeSet<String> = ingresses(plan)
        .filter_map(|ingress| class_of(ingress, classes))
        .map(|class| {
            format!("Ingresses of class `{}` are served by {}", class.name(), class.text("/spec/controller"))
        })
        .collect();
    served.into_iter().collect()
}

fn class_of<'a>(ingress: &Object, classes: &'a [Object]) -> Option<&'a Object> {
    let name = ingress.text("/spec/ingressClassName");
    if !name.is_empty() {
        return classes.iter().find(|class| class.name() == name);
    }
    if ingress.annotation(OLD_CLASS).is_some() {
        return None;
    }
    let is_default =
        |class: &&Object| class.annotation("ingressclass.kubernetes.io/is-default-class") == Some("true");
    classes.iter().find(is_default)
}

fn unserved(plan: &Plan, ingress: &Object, classes: &[Object]) -> Option<Finding> {
    let name = ingress.text("/spec/ingressClassName");
    let own = plan
        .objects()
        .any(|(_, object)| object.kind() == "IngressClass" && (name.is_empty() || object.name() == name));
    if own || class_of(ingress, classes).is_some() || ingress.annotation(OLD_CLASS).is_some() {
        return None;
    }
    let what = if name.is_empty() {
        "names no class, and the cluster has no default one: nobody serves it".to_owned()
    } else {
        format!("names class `{name}`, which the cluster has not: nobody serves it")
    };
    let fix = if classes.is_empty() {
        "install an ingress controller".to_owned()
    } else {
        let told: Vec<String> = classes
            .iter()
            .map(|class| format!("`{}` ({})", class.name(), class.text("/spec/controller")))
            .collect();
        format!("the cluster has {}", named(told.iter().map(String::as_str), 5))
    };
    Some(Finding::warning(Check::IngressClass, what).about(ingress.reference()).fix(fix))
}
