//! What to try next: commands that show more, or help. kubectl's own, so that they work for everybody.

use super::Cause;
use super::refusal::rule_behind;
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
        _ if signal.missing.is_some() => looked_at(signal).map(kubectl).into_iter().collect(),
        Cause::Service => {
            vec![kubectl(format!("get endpointslices --selector kubernetes.io/service-name={name}"))]
        }
        Cause::Refused => rule_behind(&signal.message, place.namespace()).into_iter().collect(),
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

/// Returns the words that show what is missing, or what keys there are; never a value.
fn looked_at(signal: &Signal) -> Option<String> {
    let missing = signal.missing.as_ref()?;
    let verb = if missing.key.is_some() { "describe" } else { "get" };
    Some(format!("{verb} {} {}", missing.kind.to_lowercase(), missing.name))
}
