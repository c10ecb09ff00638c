//! Pods that use what another stage writes, without waiting for that stage: it works by luck only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fingerprint::{self, SourceKind};
use crate::object::Object;
use crate::plan::{Plan, StageIdx};
use crate::problem::Problem;

/// Returns a warning for each stage that uses an object of a stage it does not need.
pub(super) fn warnings(plan: &Plan) -> Vec<Problem> {
    let mut writers: BTreeMap<(&str, Option<&str>, &str), StageIdx> = BTreeMap::new();
    for (stage, object) in plan.objects() {
        writers.insert((object.kind(), object.namespace(), object.name()), stage);
    }
    let mut told: BTreeSet<(StageIdx, &str, String)> = BTreeSet::new();
    let mut warnings = Vec::new();
    for (stage, object) in plan.objects() {
        for (kind, name) in used(object) {
            let Some(&writer) = writers.get(&(kind, object.namespace(), name.as_str())) else { continue };
            if writer == stage
                || plan.graph().reaches(stage, writer)
                || !told.insert((stage, kind, name.clone()))
            {
                continue;
            }
            let (own, other) = (&plan.stage(stage).id, &plan.stage(writer).id);
            let reference = object.reference();
            let message =
                format!("`{reference}` uses {kind} `{name}` of stage `{other}`, which `{own}` does not need");
            let problem = match plan.place(&reference) {
                Some(place) => Problem::at(place, message),
                None => Problem::new(message),
            };
            warnings.push(problem.hint(format!("add `{other}` to the needs of `{own}`")));
        }
    }
    warnings
}

/// Returns kind and name of what the pods of `object` cannot start without.
fn used(object: &Object) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = fingerprint::references(object)
        .into_iter()
        .filter(|reference| !reference.optional)
        .map(|reference| match reference.kind {
            SourceKind::ConfigMap => ("ConfigMap", reference.name),
            SourceKind::Secret => ("Secret", reference.name),
        })
        .collect();
    let Some(pod) = object.pod_spec() else { return found };
    for volume in pod.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
            found.push(("PersistentVolumeClaim", claim.to_owned()));
        }
    }
    let account = pod.get("serviceAccountName").and_then(Value::as_str);
    found.extend(account.map(|name| ("ServiceAccount", name.to_owned())));
    found
}
