//! What probes say: a liveness or startup probe that restarts its container, a readiness probe that keeps
//! traffic away. The probe itself is told too, since its port or path is the likeliest mistake.

use serde_json::Value;

use super::events::Events;
use super::signals::{CRASH_GRACE, Container, Signal, clipped};
use super::{Cause, Class};

/// Returns the trouble of a container that a probe has had restarted.
pub(super) fn restarted<'a>(
    container: &Container<'a>,
    previous: bool,
    events: &Events<'a>,
) -> Option<Signal> {
    let killing = events
        .about(container.pod)
        .filter(|event| event.reason() == "Killing")
        .find(|event| event.may_speak_of(container.name) && event.message().contains("will be restarted"))?;
    let probe = ["liveness", "startup"]
        .into_iter()
        .find(|probe| killing.message().contains(&format!("failed {probe} probe")))?;
    let told = described(container, probe);
    let answer = answer(container, probe, events);
    let mut message = format!("its {probe} probe{told} fails{answer}, so it is restarted");
    container.tell_restarts(&mut message);
    // One restart may be a slow start; the second shows that the limit is too tight, or that it hangs.
    let grace = if container.restarts() >= 2 { 0 } else { CRASH_GRACE };
    Some(
        Signal::new(Cause::ProbeRestart, Class::Crash, "Unhealthy", message)
            .for_seconds(grace)
            .with_log(previous),
    )
}

/// Returns the trouble of a container that runs and is not ready. Never fatal alone: it may need its time.
pub(super) fn not_ready<'a>(container: &Container<'a>, events: &Events<'a>) -> Option<Signal> {
    container.status.pointer("/state/running")?;
    let is_starting = container.status.get("started") == Some(&Value::Bool(false));
    let probe = if is_starting { "startup" } else { "readiness" };
    let told = described(container, probe);
    let answer = answer(container, probe, events);
    let message = if answer.is_empty() {
        format!("it runs, and its {probe} probe{told} has not passed yet")
    } else {
        format!("it runs, and its {probe} probe{told} fails{answer}")
    };
    Some(Signal::new(Cause::NotReady, Class::Transient, "Unhealthy", message).with_log(false))
}

/// Returns what a probe asks, with a space before it: ` GET :8000/health`; empty when it is not in the spec.
fn described(container: &Container<'_>, probe: &str) -> String {
    let Some(probe) = container.spec().and_then(|spec| spec.get(format!("{probe}Probe"))) else {
        return String::new();
    };
    let text = |pointer: &str| match probe.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if probe.get("httpGet").is_some() {
        let scheme = if text("/httpGet/scheme") == "HTTPS" { " over TLS" } else { "" };
        return format!(" GET :{}{}{scheme}", text("/httpGet/port"), text("/httpGet/path"));
    }
    if probe.get("tcpSocket").is_some() {
        return format!(" of port {}", text("/tcpSocket/port"));
    }
    if probe.get("grpc").is_some() {
        return format!(" of gRPC port {}", text("/grpc/port"));
    }
    let words = probe.pointer("/exec/command").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<_> = words.filter_map(Value::as_str).collect();
    clipped(&words.join(" ")).map(|command| format!(" `{command}`")).unwrap_or_default()
}

/// Returns what the newest failed probe of a kind was answered, with a colon before it.
fn answer(container: &Container<'_>, probe: &str, events: &Events<'_>) -> String {
    events
        .about(container.pod)
        .filter(|event| event.reason() == "Unhealthy" && event.may_speak_of(container.name))
        .find_map(|event| {
            let (head, answer) = event.message().split_once(" probe failed: ")?;
            head.eq_ignore_ascii_case(probe).then(|| clipped(answer))?
        })
        .map(|answer| format!(": {answer}"))
        .unwrap_or_default()
}
