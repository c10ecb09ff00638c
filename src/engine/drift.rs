//! What somebody else has done to an object of ours since we last wrote it, from the server's own record of
//! who owns which field. Pure.
//!
//! Our Apply entry in `managedFields` loses a field the moment anybody changes, removes or takes it, and
//! gets it back only by our next write. So what we want and do not own is what somebody else touched.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::difference::{Edit, FieldSet, Mask, Owner, Path, changes, desired, merged, owners};
use crate::inventory::{FIELD_MANAGER, Hash, Record};
use crate::object::Object;

/// A field that somebody else touched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// The field, such as `.spec.replicas`.
    pub field: String,
    /// The value of the plan.
    pub ours: Option<Value>,
    /// The value in the cluster; `None` when the field is gone.
    pub theirs: Option<Value>,
    /// Who owns it now; `None` when nobody does: whoever removed a field leaves no name.
    pub manager: Option<String>,
    /// When that owner last changed anything of the object.
    pub time: Option<Timestamp>,
}

/// What has become of an object since we last wrote it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Since {
    /// The fields that somebody else touched.
    pub fields: Vec<Drift>,
    /// True when it was deleted and made anew by somebody else.
    pub is_another_life: bool,
    /// True when somebody touched a field of ours and everything is back as it was.
    pub is_touched: bool,
    /// True when the plan says something else than it did.
    pub plan_changed: bool,
}

impl Since {
    /// Returns true when somebody else had a hand in it.
    pub fn is_drift(&self) -> bool {
        !self.fields.is_empty() || self.is_another_life || self.is_touched
    }
}

/// Returns what has become of `live` since the write that `record` remembers. `wanted` is what a deploy
/// would send now; `live` must be read as a whole.
pub(super) fn since(wanted: &Object, live: &Object, record: &Record, mask: &Mask) -> Since {
    let owners = owners(live.value());
    let (ours, others): (Vec<&Owner>, Vec<&Owner>) = owners.iter().partition(|owner| is_ours(owner));
    let nothing = FieldSet::default();
    let plan_changed = record.applied != Hash::of(wanted.value());
    // A life without an entry of ours was not begun by us; one with it is of a deploy that was cut off.
    let is_another_life = live.uid().as_ref() != Some(&record.uid) && ours.is_empty();
    let ours = ours.first().map_or(&nothing, |owner| &owner.fields);
    let found = Search { wanted, live, ours, others: &others, plan_changed, mask };
    let mut fields = found.changed();
    if !is_another_life {
        found.taken(&mut fields);
    }
    let entry = crate::inventory::owned_fields(live).map(Hash::of);
    let is_left = entry.as_ref() == Some(&record.fields);
    // Another content has other fields, without anybody's doing.
    let is_touched = !is_left && fields.is_empty() && !is_another_life && !plan_changed;
    Since { fields, is_another_life, is_touched, plan_changed }
}

fn is_ours(owner: &Owner) -> bool {
    owner.manager == FIELD_MANAGER && owner.operation == "Apply" && owner.subresource.is_empty()
}

struct Search<'a> {
    wanted: &'a Object,
    live: &'a Object,
    ours: &'a FieldSet,
    others: &'a [&'a Owner],
    plan_changed: bool,
    mask: &'a Mask,
}

impl Search<'_> {
    /// Returns the fields whose value is not ours any more.
    fn changed(&self) -> Vec<Drift> {
        let before = desired(self.live.value());
        let after = merged(&before, self.wanted.value(), &FieldSet::default(), &[]);
        let differences = changes(&before, &after);
        let lost = differences.iter().filter(|change| !self.ours.holds(&change.path));
        let drift = lost.filter_map(|change| {
            let (ours, theirs) = match &change.edit {
                Edit::Added(ours) => (ours, None),
                Edit::Changed { before, after } => (after, Some(before)),
                // Nothing is taken out here, and an order is nobody's.
                Edit::Removed(_) | Edit::Reordered { .. } => return None,
            };
            let owner = self.owner(&change.path);
            // A field that is not there and nobody's: it was removed, unless the plan is the first to name
            // it, or the server keeps nothing empty.
            if owner.is_none() && (self.plan_changed || is_empty(ours)) {
                return None;
            }
            Some(self.drift(&change.path, ours, theirs, owner))
        });
        drift.collect()
    }

    /// Adds the fields that have our value and another owner.
    fn taken(&self, found: &mut Vec<Drift>) {
        for owner in self.others {
            for path in owner.fields.leaves() {
                let (Some(ours), Some(theirs)) = (path.of(self.wanted.value()), path.of(self.live.value()))
                else {
                    continue;
                };
                let field = path.to_string();
                let is_told = found.iter().any(|told| {
                    let rest = field.strip_prefix(&told.field);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                });
                if !self.ours.holds(&path) && ours == theirs && !is_told {
                    found.push(self.drift(&path, ours, Some(theirs), Some(owner)));
                }
            }
        }
    }

    /// Returns who owns a field: of several the one that came last.
    fn owner(&self, path: &Path) -> Option<&Owner> {
        let owning = self.others.iter().filter(|owner| owner.fields.holds(path));
        owning.max_by(|left, right| left.time.cmp(&right.time)).copied()
    }

    fn drift(&self, path: &Path, ours: &Value, theirs: Option<&Value>, owner: Option<&Owner>) -> Drift {
        let object = self.wanted.reference();
        let shown = |value: &Value| self.mask.value(&object, path, value);
        let name = |owner: &Owner| match owner.subresource.as_str() {
            "" => owner.manager.clone(),
            subresource => format!("{} ({subresource})", owner.manager),
        };
        Drift {
            field: path.to_string(),
            ours: Some(shown(ours)),
            theirs: theirs.map(shown),
            manager: owner.map(name),
            time: owner.and_then(|owner| owner.time.as_ref()?.parse().ok()),
        }
    }
}

/// Returns true for a value that the server may leave out when it stores it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Since, since};
    use crate::difference::Mask;
    use crate::inventory::{Inventory, Record};
    use crate::object::Object;

    const EARLIER: &str = "2026-11-23T20:00:00Z";

    fn object(kind: &str, spec: &Value, managers: &[(&str, &str, Value)]) -> Object {
        let entry = |(manager, operation, fields): &(&str, &str, Value)| json!({"manager": manager, "operation": operation, "time": EARLIER, "fieldsV1": fields});
        let entries: Vec<Value> = managers.iter().map(entry).collect();
        let mut value =
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "uid": "u"}});
        if !entries.is_empty() {
            value["metadata"]["managedFields"] = entries.into();
        }
        json_patch::merge(&mut value, spec);
        Object::new(value).unwrap()
    }

    fn wanted(spec: &Value) -> Object {
        let mut value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        json_patch::merge(&mut value, spec);
        Object::new(value).unwrap()
    }

    fn spec() -> Value {
        json!({"spec": {"replicas": 2, "paused": true, "selector": {"a": "b"}}})
    }

    fn all() -> Value {
        json!({"f:spec": {"f:replicas": {}, "f:paused": {}, "f:selector": {}}})
    }

    /// Returns the record of our write of [`spec`].
    fn record() -> Record {
        let live = object("Deployment", &spec(), &[("wesago", "Apply", all())]);
        Inventory::record_of(&wanted(&spec()), &live).unwrap()
    }

    fn told(since: &Since) -> Vec<String> {
        let line = |drift: &super::Drift| {
            let show = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
            let manager = drift.manager.as_deref().unwrap_or("nobody");
            format!("{} {} {} {manager}", drift.field, show(&drift.ours), show(&drift.theirs))
        };
        since.fields.iter().map(line).collect()
    }

    fn with(spec: &Value, managers: &[(&str, &str, Value)]) -> Since {
        let live = object("Deployment", spec, managers);
        since(&wanted(&self::spec()), &live, &record(), &Mask::blind("x"))
    }

    #[test]
    fn nothing_happened() {
        let found = with(&spec(), &[("wesago", "Apply", all())]);
        assert_eq!(found, Since::default());
        let status = json!({"f:status": {"f:replicas": {}}});
        let found =
            with(&spec(), &[("wesago", "Apply", all()), ("kube-controller-manager", "Update", status)]);
        assert!(!found.is_drift(), "what others own beside ours is not ours");
    }

    #[test]
    fn each_way_of_touching_a_field_is_told() {
        let left = json!({"f:spec": {"f:paused": {}, "f:selector": {}}});
        let theirs = json!({"f:spec": {"f:replicas": {}}});
        let mut changed = spec();
        changed["spec"]["replicas"] = 5.into();
        let found =
            with(&changed, &[("wesago", "Apply", left.clone()), ("kubectl-edit", "Update", theirs.clone())]);
        assert_eq!(told(&found), [".spec.replicas 2 5 kubectl-edit"], "changed");
        let found = with(&spec(), &[("wesago", "Apply", left.clone()), ("thief", "Apply", theirs)]);
        assert_eq!(told(&found), [".spec.replicas 2 2 thief"], "taken, or put back");
        let mut removed = spec();
        removed["spec"].as_object_mut().unwrap().shift_remove("replicas");
        let found = with(&removed, &[("wesago", "Apply", left.clone())]);
        assert_eq!(told(&found), [".spec.replicas 2 - nobody"], "removed");
        let found = with(&spec(), &[("wesago", "Apply", left)]);
        assert!(found.is_touched && found.is_drift() && found.fields.is_empty(), "put back and given up");
        let mut another = object("Deployment", &spec(), &[]).into_value();
        another["metadata"]["uid"] = "other".into();
        let another = Object::new(another).unwrap();
        let found = since(&wanted(&spec()), &another, &record(), &Mask::blind("x"));
        assert!(found.is_another_life && found.is_drift());
    }

    #[test]
    fn a_changed_plan_is_no_drift() {
        let mut newer = spec();
        newer["spec"]["replicas"] = 7.into();
        newer["spec"]["minReadySeconds"] = 3.into();
        let live = object("Deployment", &spec(), &[("wesago", "Apply", all())]);
        let found = since(&wanted(&newer), &live, &record(), &Mask::blind("x"));
        assert!(found.plan_changed && !found.is_drift(), "{found:?}");
    }

    #[test]
    fn what_the_server_writes_in_other_words_is_no_drift() {
        let mut other_words = spec();
        other_words["spec"]["selector"]["a"] = "B".into();
        let mut theirs = spec();
        theirs["spec"] = json!({"replicas": 5, "paused": true, "selector": {"a": "B"}});
        let left = json!({"f:spec": {"f:paused": {}, "f:selector": {}}});
        let edit = json!({"f:spec": {"f:replicas": {}}});
        let found = with(&theirs, &[("wesago", "Apply", left), ("kubectl-edit", "Update", edit)]);
        assert_eq!(told(&found), [".spec.replicas 2 5 kubectl-edit"], "the selector is still ours");
    }
}
