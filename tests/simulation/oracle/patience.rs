//! A server that says when it wants to be asked again (`Retry-After`) is not sent the same write before. The lock is
//! left out: to be given up would cost the server more than a renewal.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;

use super::Evidence;
use crate::api_server::Request;
use crate::journal::{RunId, What};

/// What is sent again is the same when all of this is: who sends it, path, query and the object's name, which a
/// creation has only inside.
type Name<'w> = (RunId, &'w str, &'w str, &'w str);

/// Returns the writes that came too soon.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut sent: BTreeMap<u64, Name> = BTreeMap::new();
    let mut not_before: BTreeMap<Name, Duration> = BTreeMap::new();
    let mut broken = Vec::new();
    for entry in evidence.entries {
        match &entry.what {
            What::Sent { run, id, request } if is_write(request) => {
                let Request { method, path, query, body, .. } = &**request;
                let object = body["metadata"]["name"].as_str().unwrap_or_default();
                let name = (*run, path.as_str(), query.as_str(), object);
                sent.insert(*id, name);
                let until = not_before.get(&name).copied().unwrap_or_default();
                if entry.at < until {
                    let early = until.saturating_sub(entry.at);
                    broken.push(format!("patience: run {run}: {method} {path} was sent {early:?} too soon"));
                }
            }
            What::Note(note) => {
                if let Some((id, seconds)) = wish(note)
                    && let Some(name) = sent.get(&id)
                {
                    not_before.insert(*name, entry.at + Duration::from_secs(seconds));
                }
            }
            _ => {}
        }
    }
    broken
}

fn is_write(request: &Request) -> bool {
    request.method != Method::GET && !request.path.contains("/leases") && !request.path.ends_with("reviews")
}

/// Reads `#12 answered 429 for 3 s`.
fn wish(note: &str) -> Option<(u64, u64)> {
    let (id, rest) = note.strip_prefix('#')?.split_once(" answered ")?;
    let (_, wait) = rest.split_once(" for ")?;
    Some((id.parse().ok()?, wait.strip_suffix(" s")?.parse().ok()?))
}
