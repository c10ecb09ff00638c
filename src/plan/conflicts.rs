//! Fields that others own, too: what the plan says about each. Pure.

use serde::{Deserialize, Serialize};

use crate::object::ObjectRef;

/// What is done about a field that somebody else owns with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictPolicy {
    /// It is left to them: the plan's value is not sent as long as they own it.
    Yield,
    /// It is taken from them.
    Take,
    /// The object is not written, and the run says why.
    Fail,
}

/// A policy for one field, or a part of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictRule {
    /// The object.
    pub target: ObjectRef,
    /// The field as the API server writes it in a conflict, such as `.spec.replicas`.
    pub path: String,
    /// What is done about it.
    pub policy: ConflictPolicy,
}

/// Returns true when the rule for `path` also speaks about `field`: the field itself, or one inside of it.
pub fn covers(path: &str, field: &str) -> bool {
    let rest = field.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_rule_covers_a_field_and_what_is_in_it() {
        assert!(covers(".spec.replicas", ".spec.replicas"));
        assert!(covers(".spec.template", ".spec.template.spec.containers[name=\"web\"].image"));
        assert!(covers(
            ".spec.template.spec.containers",
            ".spec.template.spec.containers[name=\"web\"].image"
        ));
        assert!(!covers(".spec.replicas", ".spec"));
        assert!(!covers(".spec.re", ".spec.replicas"));
    }
}
