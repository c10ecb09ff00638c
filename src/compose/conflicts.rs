//! What a plan says about fields that others own, too: `conflicts:`, a list of object, field and policy.

use super::decode::{Decoder, Text};
use super::manifest::Draft;
use super::patch;
use crate::plan::{ConflictPolicy, ConflictRule};
use crate::problem::{Problem, Problems, nearest};
use crate::yaml::Node;

/// The words for the policies.
const POLICIES: [(&str, ConflictPolicy); 3] =
    [("yield", ConflictPolicy::Yield), ("take", ConflictPolicy::Take), ("fail", ConflictPolicy::Fail)];

/// A rule as written.
#[derive(Debug)]
pub(super) struct ConflictDecl {
    pub(super) target: Text,
    path: Text,
    policy: ConflictPolicy,
}

/// Returns the rule at a node.
pub(super) fn decode(node: &Node, decoder: &mut Decoder) -> Option<ConflictDecl> {
    let what = "a rule for a conflict";
    let fields = decoder.fields(node, what, &["target", "path", "policy"])?;
    let mut text = |name: &str| {
        let node = decoder.required(fields, what, name)?;
        decoder.text(node, name)
    };
    let (target, path, word) = (text("target"), text("path"), text("policy"));
    let policy = word.and_then(|word| policy(&word, decoder));
    let path = path.filter(|path| {
        let is_path = path.value.starts_with('.') && path.value.len() > 1;
        if !is_path {
            let message = format!("`{}` is no path to a field", path.value);
            let fields = path.value.trim_start_matches('/').replace('/', ".");
            decoder.problem(Problem::at(&path.place, message).hint(format!("write `.{fields}`")));
        }
        is_path
    });
    Some(ConflictDecl { target: target?, path: path?, policy: policy? })
}

fn policy(word: &Text, decoder: &mut Decoder) -> Option<ConflictPolicy> {
    let found = POLICIES.iter().find(|(name, _)| *name == word.value).map(|(_, policy)| *policy);
    if found.is_none() {
        let problem = Problem::at(&word.place, format!("`{}` is no policy", word.value));
        let names = POLICIES.map(|(name, _)| name);
        decoder.problem(
            problem
                .maybe_hint(nearest(&word.value, names).map(|found| format!("did you mean `{found}`?")))
                .hint("the policies are `yield`, `take` and `fail`"),
        );
    }
    found
}

/// Returns the rules with the objects they name. A rule about an object that is left out on purpose says
/// nothing; one about a field that the object does not set does nothing, and is warned of.
pub(super) fn resolve(
    rules: &[ConflictDecl],
    drafts: &[Draft],
    left_out: &[Draft],
    decoder: &mut Decoder,
    warnings: &mut Problems,
) -> Vec<ConflictRule> {
    let mut resolved = Vec::new();
    for rule in rules {
        let names = |draft: &Draft| draft.object.reference().to_string() == rule.target.value;
        if !drafts.iter().any(names) && left_out.iter().any(names) {
            continue;
        }
        let Some(at) = patch::target(&rule.target, drafts, decoder) else { continue };
        let object = &drafts[at].object;
        if !sets(object.value(), &rule.path.value) {
            let message = format!("`{}` does not set `{}`", object.reference(), rule.path.value);
            let problem = Problem::at(&rule.path.place, message);
            warnings.push(problem.hint("there is nothing to be in conflict about: take the rule out"));
        }
        let path = rule.path.value.clone();
        resolved.push(ConflictRule { target: object.reference(), path, policy: rule.policy });
    }
    resolved
}

/// Returns true when an object sets the field, or something in it. Items of lists are told by their keys,
/// which a look at the names cannot follow: what leads into one counts as set.
fn sets(value: &serde_json::Value, path: &str) -> bool {
    let Some(rest) = path.strip_prefix('.') else { return path.is_empty() || path.starts_with('[') };
    let Some(map) = value.as_object() else { return false };
    // A name may have dots itself, as the keys of annotations have.
    map.iter().any(|(name, value)| rest.strip_prefix(name.as_str()).is_some_and(|rest| sets(value, rest)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sets;

    #[test]
    fn a_field_is_found_whatever_dots_are_in_its_name() {
        let object = json!({
            "metadata": {"annotations": {"example.org/a.b": "x"}},
            "spec": {"replicas": 3, "containers": [{"name": "web"}]},
        });
        assert!(sets(&object, ".spec.replicas"));
        assert!(sets(&object, ".spec"));
        assert!(sets(&object, ".metadata.annotations.example.org/a.b"));
        assert!(sets(&object, ".spec.containers[name=\"web\"].image"));
        assert!(!sets(&object, ".spec.replica"));
        assert!(!sets(&object, ".spec.paused"));
    }
}
