//! Objects that use what another stage writes, without waiting for that stage: it works by luck only.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::{Bond, uses};
use crate::event::{Check, Finding};
use crate::object::ObjectRef;
use crate::plan::{Plan, StageIdx};

/// Returns a warning for each object that a stage uses of another it does not need. The plan's generated
/// Secrets are there before any stage.
pub(super) fn check(plan: &Plan) -> Vec<Finding> {
    let writers: BTreeMap<ObjectRef, StageIdx> =
        plan.objects().map(|(stage, object)| (object.reference(), stage)).collect();
    let mut told: BTreeSet<(StageIdx, ObjectRef)> = BTreeSet::new();
    let mut findings = Vec::new();
    for used in uses(plan) {
        let Some(&writer) = writers.get(&used.target) else { continue };
        // Names in DNS may come later: the pods look again.
        let is_late = writer != used.stage
            && used.bond != Bond::GoverningService
            && !plan.graph().reaches(used.stage, writer);
        if !is_late || !told.insert((used.stage, used.target.clone())) {
            continue;
        }
        let (own, other) = (&plan.stage(used.stage).id, &plan.stage(writer).id);
        let target = &used.target;
        let what = format!("uses {target} of stage `{other}`, which stage `{own}` does not need");
        // A stage that is waited for by the other cannot wait for it in turn.
        let fix = if plan.graph().reaches(writer, used.stage) {
            format!("move {target} into `{own}` or a stage it needs: `{other}` itself waits for `{own}`")
        } else {
            format!("add `{other}` to the needs of `{own}`")
        };
        findings.push(match used.user {
            Some(user) => Finding::warning(Check::StageOrder, what).about(user.reference()).fix(fix),
            None => Finding::warning(Check::StageOrder, format!("a check of stage `{own}` {what}")).fix(fix),
        });
    }
    findings
}
