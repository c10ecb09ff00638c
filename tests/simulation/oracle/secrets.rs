//! Promise "secrets": a value that was made once stays as it is, and is nowhere but in its Secret.

use serde_json::Value;

use super::Evidence;
use crate::api_server::Request;
use crate::deployer::SECRET_PREFIX;
use crate::journal::What;

/// `SECRET_PREFIX` as it begins in base64.
const ENCODED_PREFIX: &str = "dmFsdWUt";

/// Returns where a value was told or changed.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for entry in evidence.entries {
        let (run, place, text) = match &entry.what {
            What::Told { run, event } => (run, "event".to_owned(), serde_json::to_string(event).unwrap()),
            What::Sent { run, request, .. } if !is_of_secret(request) => (
                run,
                format!("{} {}", request.method, request.path),
                format!("{}{}", request.query, request.body),
            ),
            What::Ended { run, how } => (run, "its end".to_owned(), how.clone()),
            _ => continue,
        };
        if text.contains(SECRET_PREFIX) || text.contains(ENCODED_PREFIX) {
            broken.push(format!("secrets: run {run}: a value is in {place}"));
        }
    }
    for commit in evidence.history.iter().filter(|commit| commit.key.kind == "Secret") {
        let (Some(before), Some(after)) = (&commit.before, &commit.after) else { continue };
        let kept = before["data"].as_object().is_none_or(|data| {
            data.iter().all(|(key, value): (&String, &Value)| after["data"][key] == *value)
        });
        if !kept {
            broken.push(format!("data: the values of {} were changed by {}", commit.key, commit.agent));
        }
    }
    broken
}

/// Returns true for what is asked of one generated Secret. Those of the history hold no value.
fn is_of_secret(request: &Request) -> bool {
    let is_creation = request.path.ends_with("/secrets")
        && !request.body["metadata"]["annotations"]["wesago/generated"].is_null();
    is_creation || request.path.contains("/secrets/")
}
