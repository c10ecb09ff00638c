//! Which workloads an autoscaler targets: their replicas are not the plan's to say (readiness.md 3.2).

use std::collections::BTreeSet;

use super::EngineError;
use super::prepare::{Basis, Prepared, prepare};
use super::retry::Tools;
use super::session::{Session, ask};
use crate::cluster::Scope;
use crate::compose::Contents;
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::Plan;

/// Returns what autoscalers among `objects` target: those of Kubernetes, and KEDA's, which make them.
pub(super) fn targets<'a>(objects: impl Iterator<Item = &'a Object>) -> BTreeSet<ObjectRef> {
    let target = |object: &Object| {
        // What a KEDA object leaves out (`apis/keda/v1alpha1`).
        let default = match (object.group(), object.kind()) {
            ("autoscaling", "HorizontalPodAutoscaler") => ["", ""],
            ("keda.sh", "ScaledObject") => ["apps/v1", "Deployment"],
            _ => return None,
        };
        let text = |field: &str, default: &'static str| match object
            .text(&format!("/spec/scaleTargetRef/{field}"))
        {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let (api_version, name) = (text("apiVersion", default[0]), text("name", ""));
        let group = api_version.split_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default();
        let kind = text("kind", default[1]);
        (!name.is_empty()).then(|| ObjectRef {
            group,
            kind,
            namespace: object.namespace().map(str::to_owned),
            name,
        })
    };
    objects.filter_map(target).collect()
}

/// Returns what is to be done with every object, with an eye on the autoscalers of others.
pub(super) async fn prepare_beside(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    secrets: &Contents,
    mut basis: Basis,
) -> Result<Vec<Vec<Prepared>>, EngineError> {
    let prepared = prepare(plan, session, secrets, &basis);
    let namespaces = open_questions(&prepared);
    if namespaces.is_empty() {
        return Ok(prepared);
    }
    basis.autoscaled.extend(live(tools, session, namespaces).await?);
    Ok(prepare(plan, session, secrets, &basis))
}

/// Returns the namespaces in which autoscalers have to be looked for: those of workloads that are about to be
/// changed, say their replicas, and are not known to be scaled. A redeploy that changes nothing asks nothing.
fn open_questions(prepared: &[Vec<Prepared>]) -> BTreeSet<String> {
    let asked = prepared.iter().flatten().filter(|prepared| {
        prepared.is_written() && prepared.live.is_some() && prepared.wanted.get("/spec/replicas").is_some()
    });
    asked.filter_map(|prepared| prepared.wanted.namespace().map(str::to_owned)).collect()
}

/// Returns what the autoscalers of these namespaces target. One that may not be read scales nothing we know
/// of: its own writes tell of it later.
async fn live(
    tools: &Tools,
    session: &Session,
    namespaces: BTreeSet<String>,
) -> Result<BTreeSet<ObjectRef>, EngineError> {
    let kind = GroupKind { group: "autoscaling".to_owned(), kind: "HorizontalPodAutoscaler".to_owned() };
    let Some(resource) = session.catalog.preferred(&kind) else { return Ok(BTreeSet::new()) };
    let mut found = BTreeSet::new();
    for namespace in namespaces {
        let scope = Scope::all(resource.clone(), Some(&namespace));
        match ask(tools, "list horizontalpodautoscalers", || tools.cluster.list(&scope)).await {
            Ok(listing) => found.extend(targets(listing.objects.iter())),
            Err(EngineError::Request { error, .. }) if error.is_forbidden() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::targets;
    use crate::object::Object;

    fn scaler(api_version: &str, kind: &str, target: &Value) -> Object {
        Object::new(json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"},
            "spec": {"scaleTargetRef": target},
        }))
        .unwrap()
    }

    #[test]
    fn targets_are_named_with_group_and_namespace() {
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        let objects = [
            scaler("autoscaling/v2", "HorizontalPodAutoscaler", &web),
            scaler("keda.sh/v1alpha1", "ScaledObject", &json!({"name": "worker"})),
            scaler("autoscaling/v2", "HorizontalPodAutoscaler", &json!({})),
            scaler("apps/v1", "Deployment", &web),
        ];
        let found: Vec<String> = targets(objects.iter())
            .iter()
            .map(|target| format!("{} {:?} {}", target.group_kind(), target.namespace, target.name))
            .collect();
        assert_eq!(found, ["Deployment.apps Some(\"shop\") web", "Deployment.apps Some(\"shop\") worker"]);
    }
}
