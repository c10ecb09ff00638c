//! What to try next: commands that show more, or help. kubectl's own, so that they work for everybody.

use super::Cause;
use super::signals::Signal;
use crate::object::Object;

/// Returns commands for a trouble seen on `place`, the best one first.
pub(super) fn next(place: &Object, signal: &Signal) -> Vec<String> {
    let kubectl = |words: String| match place.namespace() {
        Some(namespace) => format!("kubectl --namespace {namespace} {words}"),
        None => format!("kubectl {words}"),
    };
    let name = place.name();
    let describe = kubectl(format!("describe {} {name}", place.kind().to_lowercase()));
    let logs = |previous: &str| {
        let container = signal.container.as_deref();
        container.map(|container| kubectl(format!("logs {name} --container {container}{previous}")))
    };
    let mut commands: Vec<String> = match signal.cause {
        Cause::Crash | Cause::OutOfMemory | Cause::ProbeRestart | Cause::NotReady | Cause::PodFailed => {
            logs(if signal.log == Some(true) { " --previous" } else { "" }).into_iter().collect()
        }
        Cause::Config | Cause::Volume => missing(&signal.message)
            .map(|(kind, name)| kubectl(format!("get {kind} {name}")))
            .into_iter()
            .collect(),
        Cause::Refused if signal.message.contains("quota") => vec![kubectl("describe resourcequota".into())],
        Cause::Blocked => vec![kubectl(format!("delete pod {name}"))],
        Cause::Unschedulable => vec!["kubectl describe nodes".into()],
        Cause::Claim => {
            let claim = signal.at.as_ref().map_or(name, |claim| claim.name.as_str());
            vec![
                kubectl(format!("describe persistentvolumeclaim {claim}")),
                "kubectl get storageclass".into(),
            ]
        }
        _ => Vec::new(),
    };
    if !commands.contains(&describe) {
        commands.push(describe);
    }
    commands
}

/// Returns kind and name of the object a message misses: `secret "env" not found` or
/// `couldn't find key password in Secret shop/env`.
fn missing(message: &str) -> Option<(&'static str, &str)> {
    for kind in ["secret", "configmap"] {
        if let Some((_, rest)) = message.split_once(&format!("{kind} \"")) {
            return rest.split_once('"').map(|(name, _)| (kind, name)).filter(|(_, name)| is_name(name));
        }
    }
    for (word, kind) in [("in Secret ", "secret"), ("in ConfigMap ", "configmap")] {
        if let Some((_, rest)) = message.split_once(word) {
            let path = rest.split_whitespace().next()?;
            let name = path.rsplit('/').next()?;
            return Some((kind, name)).filter(|(_, name)| is_name(name));
        }
    }
    None
}

/// Returns true for what can be the name of an object: a message is another's text and must not put
/// anything else into a command.
fn is_name(text: &str) -> bool {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    !text.is_empty() && text.chars().all(allowed)
}
