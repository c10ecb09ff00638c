//! A server that says when it wants to be asked again (`Retry-After`) is not sent the same write before. The lock is
//! left out: to be given up would cost the server more than a renewal. And so is what a run is told when its lock
//! is not surely its own any more: it no longer listens then, and repeats the write once the lock is renewed.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;

use super::Evidence;
use crate::api_server::Request;
use crate::journal::{RunId, What};

/// So long after a renewal was sent the lock is surely the run's own.
const SURE_FOR: Duration = Duration::from_secs(10);

/// What is sent again is the same when all of this is: who sends it, path, query and the object's name, which a
/// creation has only inside.
type Name<'w> = (RunId, &'w str, &'w str, &'w str);

/// Returns the writes that came too soon.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut sent: BTreeMap<u64, Name> = BTreeMap::new();
    let mut not_before: BTreeMap<Name, Duration> = BTreeMap::new();
    let mut broken = Vec::new();
    let mut renewals: BTreeMap<u64, (RunId, Duration)> = BTreeMap::new();
    let mut renewed: BTreeMap<RunId, Duration> = BTreeMap::new();
    for entry in evidence.entries {
        match &entry.what {
            What::Sent { run, id, request }
                if request.method != Method::GET && request.path.contains("/leases") =>
            {
                renewals.insert(*id, (*run, entry.at));
            }
            What::Served { id, code: 200 | 201, .. } => {
                // One whose answer is lost has left the list.
                renewed.extend(renewals.remove(id));
            }
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
                renewals.remove(&subject(note).unwrap_or_default());
                if let Some((id, seconds)) = wish(note)
                    && let Some(name) = sent.get(&id)
                    && renewed.get(&name.0).is_some_and(|sent| entry.at < *sent + SURE_FOR)
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

/// Returns which request a note is about.
fn subject(note: &str) -> Option<u64> {
    note.strip_prefix('#')?.split_once(' ')?.0.parse().ok()
}

/// Reads `#12 answered 429 for 3 s`.
fn wish(note: &str) -> Option<(u64, u64)> {
    let (id, rest) = note.strip_prefix('#')?.split_once(" answered ")?;
    let (_, wait) = rest.split_once(" for ")?;
    Some((id.parse().ok()?, wait.strip_suffix(" s")?.parse().ok()?))
}
