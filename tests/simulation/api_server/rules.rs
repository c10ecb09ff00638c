//! What the server tells of itself and of who asks. Here everybody may do everything that is asked for; the
//! rules only say what they say.

use serde_json::{Value, json};

/// Returns the rules of an administrator.
pub(crate) fn everything() -> Value {
    json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])
}

/// Returns the document of `/version`.
pub(crate) fn version() -> Value {
    json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0-simulated", "platform": "memory/memory"})
}

/// Returns a `SelfSubjectRulesReview` with its answer.
pub(crate) fn review(asked: &Value, rules: &Value) -> Value {
    json!({
        "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1",
        "metadata": {}, "spec": asked["spec"],
        "status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": false},
    })
}
