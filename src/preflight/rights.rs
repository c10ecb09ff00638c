//! Rights: may this user send what the plan needs? Judged by the rules that the server lists for a
//! namespace (`SelfSubjectRulesReview`); they hold those of cluster role bindings too, and so answer for kinds
//! outside of namespaces.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::{Facts, core};
use super::references::named;
use super::unchecked;
use super::workloads::workloads;
use crate::event::{Check, Finding, Level};
use crate::inventory::Inventory;
use crate::object::{GroupKind, Object, ObjectRef, items, settles_at_once};
use crate::plan::Plan;

/// One request that the plan needs to send.
struct Right<'a> {
    /// `None` for what lives outside of namespaces.
    namespace: Option<&'a str>,
    group: &'a str,
    /// The plural, with a subresource behind a slash.
    resource: String,
    verb: &'static str,
    /// The object it is about; `None` where the server is not told it when it asks for the right.
    name: Option<String>,
    /// What follows without it.
    level: Level,
    object: Option<ObjectRef>,
}

/// Rights of one resource that are missing.
#[derive(Default)]
struct Missing {
    verbs: BTreeSet<&'static str>,
    names: BTreeSet<String>,
    object: Option<ObjectRef>,
}

/// Returns the namespaces whose rules are wanted.
pub(super) fn namespaces(plan: &Plan) -> BTreeSet<String> {
    let own = std::iter::once(plan.namespace().to_owned());
    own.chain(plan.objects().filter_map(|(_, object)| object.namespace().map(str::to_owned))).collect()
}

/// Returns the rights that are missing, and the namespaces of which they are not known.
pub(super) fn check(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut missing: BTreeMap<(Level, Option<&str>, &str, String), Missing> = BTreeMap::new();
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    let rights = needed(plan, facts);
    for right in &rights {
        let namespace = right.namespace.unwrap_or(plan.namespace());
        let Some(Ok(rules)) = facts.rules.get(namespace) else { continue };
        if allows(rules, right) {
            continue;
        }
        if is_incomplete(rules) {
            unknown.insert(namespace);
            continue;
        }
        let key = (right.level, right.namespace, right.group, right.resource.clone());
        let entry = missing.entry(key).or_default();
        entry.verbs.insert(right.verb);
        entry.names.extend(right.name.clone());
        entry.object = entry.object.take().or_else(|| right.object.clone());
    }
    for ((level, namespace, group, resource), missing) in missing {
        findings.push(told(facts, level, namespace, group, &resource, missing));
    }
    for (namespace, rules) in &facts.rules {
        match rules {
            Err(why) => findings.push(unchecked(Check::Rights, why)),
            Ok(rules) if unknown.contains(namespace.as_str()) => {
                let why = rules.get("evaluationError").and_then(Value::as_str).filter(|why| !why.is_empty());
                let why = why.unwrap_or("an authorizer of this cluster cannot list its rules");
                let what = format!("not all rights in namespace `{namespace}` could be checked: {why}");
                findings.push(
                    Finding::warning(Check::Rights, what).fix(format!(
                        "`kubectl auth can-i --list --namespace {namespace}` shows what is known"
                    )),
                );
            }
            Ok(_) => {}
        }
    }
    findings
}

fn told(
    facts: &Facts,
    level: Level,
    namespace: Option<&str>,
    group: &str,
    resource: &str,
    missing: Missing,
) -> Finding {
    let verbs = named(missing.verbs.iter().copied(), 9);
    let full = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let place = match namespace {
        Some(namespace) => format!("in namespace `{namespace}`"),
        None => "in the cluster".to_owned(),
    };
    // Whoever makes the namespace may give the rights with it.
    let unborn = namespace.is_some_and(|namespace| facts.is_missing(&core("Namespace", None, namespace)));
    let level = if unborn { Level::Warning } else { level };
    let mut what = format!("this user may not {verbs} {full} {place}");
    if unborn {
        what.push_str(", which is not there yet");
    }
    if level == Level::Warning && !unborn {
        what.push_str(match resource {
            "pods" | "events" | "pods/log" => ": less can be told about pods that do not become ready",
            "secrets" => {
                ": no revision of the deploy can be kept, and `wesago rollback` has none to bring back"
            }
            "jobs" if missing.verbs.contains("delete") => {
                ": a Job that failed or has changed cannot be run again"
            }
            _ => ": they are listed every 2 s instead, and news of them come late",
        });
    }
    let role = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let group = if group.is_empty() { "\"\"" } else { group };
    let words = missing.verbs.iter().copied().collect::<Vec<_>>().join(", ");
    let fix = format!("bind a {role} with apiGroups: [{group}], resources: [{resource}], verbs: [{words}]");
    let finding = Finding { level, ..Finding::error(Check::Rights, what) }.fix(fix);
    match missing.object {
        Some(object) => finding.about(object),
        None => finding,
    }
}

/// Returns every request the plan may need, as the engine sends them.
fn needed<'a>(plan: &'a Plan, facts: &Facts) -> Vec<Right<'a>> {
    let mut rights = Vec::new();
    for (_, object) in plan.objects() {
        of_object(plan, facts, object, &mut rights);
    }
    own(plan, facts, &mut rights);
    let mut also = |namespace, group, resource: &str, verb, name: Option<&str>, level| {
        let (resource, name) = (resource.to_owned(), name.map(str::to_owned));
        rights.push(Right { namespace, group, resource, verb, name, level, object: None });
    };
    let with_pods: BTreeSet<Option<&str>> =
        workloads(plan).iter().map(|workload| workload.object.namespace()).collect();
    for namespace in with_pods {
        for (resource, verb) in [("pods", "list"), ("pods", "watch"), ("events", "list"), ("pods/log", "get")]
        {
            also(namespace, "", resource, verb, None, Level::Warning);
        }
    }
    for stage in plan.stages() {
        for crate::plan::Check::Http(check) in &stage.checks {
            let name = format!("{}:{}", check.service, check.port);
            let namespace = Some(plan.namespace());
            also(namespace, "", "services/proxy", "get", Some(&name), Level::Error);
        }
    }
    rights
}

fn of_object<'a>(plan: &'a Plan, facts: &Facts, object: &'a Object, rights: &mut Vec<Right<'a>>) {
    let kind = object.reference().group_kind();
    let Some(resource) = plural(plan, facts, &kind) else { return };
    let name = Some(object.name().to_owned());
    // An apply that finds nothing asks for `create` too, and says the name (apiserver, handlers/patch.go).
    let mut verbs = vec![
        ("patch", name.clone(), Level::Error),
        ("create", name.clone(), Level::Error),
        ("list", None, Level::Error),
    ];
    if !settles_at_once(&kind, plan.rules()) {
        verbs.push(("watch", None, Level::Warning));
    }
    if kind.kind == "Job" && kind.group == "batch" {
        verbs.push(("delete", name, Level::Warning));
    }
    rights.extend(verbs.into_iter().map(|(verb, name, level)| Right {
        namespace: object.namespace(),
        group: object.group(),
        resource: resource.clone(),
        verb,
        name,
        level,
        object: Some(object.reference()),
    }));
}

/// Adds what the program itself needs: its lock, its inventory, the generated Secrets, its history, the
/// namespace.
fn own<'a>(plan: &'a Plan, facts: &Facts, rights: &mut Vec<Right<'a>>) {
    let parent = Inventory::parent_name(plan.name());
    let home = Some(plan.namespace());
    // The names of revisions count up.
    for verb in ["list", "create", "delete"] {
        let (resource, level) = ("secrets".to_owned(), Level::Warning);
        rights.push(Right { namespace: home, group: "", resource, verb, name: None, level, object: None });
    }
    let mut add = |namespace, group, resource: &str, verb, name: Option<&str>| {
        let (resource, name) = (resource.to_owned(), name.map(str::to_owned));
        rights.push(Right { namespace, group, resource, verb, name, level: Level::Error, object: None });
    };
    // A POST does not say the name when its right is asked for.
    add(home, "coordination.k8s.io", "leases", "create", None);
    for verb in ["get", "update", "delete"] {
        add(home, "coordination.k8s.io", "leases", verb, Some(&parent));
    }
    for verb in ["get", "patch", "create"] {
        add(home, "", "configmaps", verb, Some(&parent));
    }
    for spec in plan.secrets() {
        add(home, "", "secrets", "get", Some(&spec.name));
        add(home, "", "secrets", "patch", Some(&spec.name));
        add(home, "", "secrets", "create", None);
    }
    if facts.is_missing(&core("Namespace", None, plan.namespace())) {
        add(None, "", "namespaces", "get", Some(plan.namespace()));
        add(None, "", "namespaces", "create", None);
    }
}

/// Returns the word for a kind in rules: as the server serves it, or as a definition of the plan will.
fn plural(plan: &Plan, facts: &Facts, kind: &GroupKind) -> Option<String> {
    if let Some(served) = facts.served.get(kind).and_then(|served| served.first()) {
        return Some(served.plural.clone());
    }
    let mut definitions = plan.objects().map(|(_, object)| object);
    let definition = definitions.find(|object| {
        object.kind() == "CustomResourceDefinition"
            && object.text("/spec/group") == kind.group
            && object.text("/spec/names/kind") == kind.kind
    })?;
    Some(definition.text("/spec/names/plural").to_owned()).filter(|plural| !plural.is_empty())
}

/// Returns true when the server says itself that it does not know all rules.
fn is_incomplete(rules: &Value) -> bool {
    rules.get("incomplete").and_then(Value::as_bool).unwrap_or(true)
        || rules.get("resourceRules").is_none_or(|rules| !rules.is_array() && !rules.is_null())
}

/// Returns true when a rule allows a request (kubernetes, `pkg/apis/rbac/v1/evaluation_helpers.go`).
fn allows(rules: &Value, right: &Right<'_>) -> bool {
    items(rules, "resourceRules").any(|rule| {
        let has = |list: &str, wanted: &str| items(rule, list).any(|item| item == "*" || item == wanted);
        let resource = has("resources", &right.resource)
            || right.resource.split_once('/').is_some_and(|(_, subresource)| {
                let any = format!("*/{subresource}");
                items(rule, "resources").any(|item| *item == *any)
            });
        let names: Vec<&Value> = items(rule, "resourceNames").collect();
        let name =
            names.is_empty() || right.name.as_ref().is_some_and(|name| names.iter().any(|own| *own == name));
        resource && name && has("verbs", right.verb) && has("apiGroups", right.group)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Right, allows, is_incomplete};
    use crate::event::Level;

    fn right(group: &'static str, resource: &str, verb: &'static str, name: Option<&str>) -> Right<'static> {
        let (resource, name) = (resource.to_owned(), name.map(str::to_owned));
        Right { namespace: Some("shop"), group, resource, verb, name, level: Level::Error, object: None }
    }

    fn review(rule: &Value) -> Value {
        json!({"incomplete": false, "resourceRules": [rule]})
    }

    #[test]
    fn stars_stand_for_everything() {
        let all = review(&json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        for (group, resource) in
            [("", "pods"), ("apps", "deployments"), ("", "pods/log"), ("", "services/proxy")]
        {
            assert!(allows(&all, &right(group, resource, "patch", None)), "{group} {resource}");
        }
    }

    #[test]
    fn a_resource_does_not_stand_for_its_subresources() {
        let rule =
            |resources: Value| review(&json!({"verbs": ["get"], "apiGroups": [""], "resources": resources}));
        let log = right("", "pods/log", "get", None);
        assert!(!allows(&rule(json!(["pods"])), &log));
        assert!(allows(&rule(json!(["pods/log"])), &log));
        assert!(allows(&rule(json!(["*/log"])), &log));
        assert!(!allows(&rule(json!(["*/proxy"])), &log));
    }

    #[test]
    fn a_rule_for_names_allows_nothing_that_names_no_object() {
        let one = review(&json!({
            "verbs": ["get", "list", "create"], "apiGroups": [""], "resources": ["configmaps"],
            "resourceNames": ["mine"],
        }));
        assert!(allows(&one, &right("", "configmaps", "get", Some("mine"))));
        assert!(allows(&one, &right("", "configmaps", "create", Some("mine"))));
        assert!(!allows(&one, &right("", "configmaps", "get", Some("other"))));
        assert!(!allows(&one, &right("", "configmaps", "list", None)));
    }

    #[test]
    fn group_and_verb_count() {
        let rule = review(&json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"]}));
        assert!(allows(&rule, &right("apps", "deployments", "get", None)));
        assert!(!allows(&rule, &right("", "deployments", "get", None)));
        assert!(!allows(&rule, &right("apps", "deployments", "patch", None)));
    }

    #[test]
    fn a_review_that_does_not_say_it_is_complete_is_not() {
        assert!(is_incomplete(&json!({})));
        assert!(is_incomplete(&json!({"incomplete": true, "resourceRules": []})));
        assert!(is_incomplete(&json!({"incomplete": false, "resourceRules": "?"})));
        assert!(!is_incomplete(&json!({"incomplete": false, "resourceRules": []})));
        assert!(!is_incomplete(&json!({"incomplete": false, "resourceRules": null})));
    }
}
