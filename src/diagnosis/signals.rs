//! What one pod's containers say: the reasons of the kubelet (`pkg/kubelet/images/types.go`,
//! `container/sync_result.go`, `kuberuntime`), sorted by what they mean for a rollout.

use jiff::Timestamp;
use serde_json::Value;

use super::events::Events;
use super::{Cause, Class, Evidence, placement, revision};
use crate::object::condition::{self, one_line};
use crate::object::{Object, ObjectRef};

/// A run shorter than this did not get past its start.
const SHORT_RUN_SECONDS: i64 = 2;

/// How long a program may go on ending before it counts as unable to run.
const CRASH_GRACE_SECONDS: u64 = 60;

/// What a pod, or a controller, says about a trouble.
pub(super) struct Signal {
    pub(super) cause: Cause,
    pub(super) class: Class,
    pub(super) grace_seconds: Option<u64>,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) container: Option<String>,
    /// A further object it is about, below the one it was seen on.
    pub(super) at: Option<ObjectRef>,
    /// Worth reading: the log of the run before (true) or of the present one (false).
    pub(super) log: Option<bool>,
}

impl Signal {
    pub(super) fn new(cause: Cause, class: Class, reason: &str, message: impl Into<String>) -> Self {
        let reason = one_line(reason);
        Self {
            cause,
            class,
            grace_seconds: None,
            reason: if reason.is_empty() { "Unknown".to_owned() } else { reason },
            message: one_line(&message.into()),
            container: None,
            at: None,
            log: None,
        }
    }

    pub(super) fn for_seconds(self, grace_seconds: u64) -> Self {
        Self { grace_seconds: Some(grace_seconds), ..self }
    }

    fn with_log(self, previous: bool) -> Self {
        Self { log: Some(previous), ..self }
    }
}

/// Returns the troubles of one pod; none for one that is ready or has succeeded.
pub(super) fn of_pod<'a>(pod: &'a Object, evidence: &Evidence<'a>, events: &Events<'a>) -> Vec<Signal> {
    if revision::is_ready(pod) || pod.text("/status/phase") == "Succeeded" {
        return Vec::new();
    }
    if let Some(signal) = placement::not_scheduled(pod, evidence, events) {
        return vec![signal];
    }
    let mut found: Vec<_> = containers(pod)
        .filter_map(|container| {
            let mut signal = container.trouble(events)?;
            signal.container = Some(container.name.to_owned());
            Some(signal)
        })
        .collect();
    if let Some(failed) = placement::pod_failed(pod, evidence, found.first()) {
        return vec![failed];
    }
    if found.is_empty() {
        found.extend(placement::not_started(pod, events));
    }
    found
}

/// A container's status beside the pod it is in.
struct Container<'a> {
    pod: &'a Object,
    name: &'a str,
    status: &'a Value,
}

/// Returns the containers of a pod, those that run first first.
fn containers(pod: &Object) -> impl Iterator<Item = Container<'_>> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| pod.get(pointer)?.as_array())
        .flatten()
        .filter_map(move |status| Some(Container { pod, name: status.get("name")?.as_str()?, status }))
}

/// Returns a text field of a container state; empty when there is none.
fn text<'a>(state: &'a Value, field: &str) -> &'a str {
    state.get(field).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> Container<'a> {
    fn trouble(&self, events: &Events<'a>) -> Option<Signal> {
        if let Some(waiting) = self.status.pointer("/state/waiting") {
            return self.waiting(waiting, events);
        }
        if let Some(ended) = self.status.pointer("/state/terminated") {
            return self.ended(ended, false, events);
        }
        if self.status.get("ready") == Some(&Value::Bool(true)) {
            return None;
        }
        match self.status.pointer("/lastState/terminated") {
            Some(ended) => self.ended(ended, true, events).or_else(|| self.not_ready(events)),
            None => self.not_ready(events),
        }
    }

    fn waiting(&self, waiting: &'a Value, events: &Events<'a>) -> Option<Signal> {
        let (reason, message) = (text(waiting, "reason"), text(waiting, "message"));
        match reason {
            "InvalidImageName"
            | "ErrImageNeverPull"
            | "ErrImagePull"
            | "ImagePullBackOff"
            | "SignatureValidationFailed"
            | "ImageInspectError"
            | "RegistryUnavailable" => Some(self.image(reason, message, events)),
            "CreateContainerConfigError" => Some(config(message)),
            "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError" => Some(start(reason, message, None)),
            "CreatePodSandboxError" | "NetworkNotReady" => Some(placement::sandbox(reason, message)),
            "CrashLoopBackOff" => {
                let ended = self.status.pointer("/lastState/terminated").unwrap_or(&Value::Null);
                self.ended(ended, true, events).or_else(|| Some(self.crash(reason, ended, true)))
            }
            _ => None,
        }
    }

    /// Returns the trouble of an image. `ErrImagePull` and `ImagePullBackOff` alternate and are one; the
    /// message of the latter may leave the cause to an event.
    fn image(&self, reason: &str, message: &str, events: &Events<'a>) -> Signal {
        let pulled = events
            .about(self.pod)
            .filter(|event| event.reason() == "Failed" && event.may_speak_of(self.name))
            .map(super::events::Event::message)
            .find(|message| message.contains("Failed to pull image"))
            .unwrap_or_default();
        let has_cause = message.contains("desc =") || reason == "ErrImagePull" || pulled.is_empty();
        let told = if has_cause { message } else { pulled };
        let image = self.image_name();
        let why = last_cause(told);
        let signal = |class, sentence: String| Signal::new(Cause::Image, class, reason, sentence);
        let cannot = if why.is_empty() {
            format!("image `{image}` cannot be pulled")
        } else {
            format!("image `{image}` cannot be pulled: {why}")
        };
        match reason {
            "InvalidImageName" => {
                signal(Class::Permanent, format!("`{image}` is no image name")).for_seconds(0)
            }
            "ErrImageNeverPull" => signal(
                Class::Permanent,
                format!("image `{image}` is not on the node, and its policy is never to pull it"),
            )
            .for_seconds(0),
            "SignatureValidationFailed" => signal(Class::Permanent, cannot).for_seconds(30),
            _ if will_never_pull(told) => signal(Class::Permanent, cannot).for_seconds(20),
            _ => signal(Class::Transient, cannot).for_seconds(120),
        }
    }

    /// Returns the trouble of a container whose program has ended, in its present state or in the one before.
    fn ended(&self, ended: &'a Value, previous: bool, events: &Events<'a>) -> Option<Signal> {
        let reason = text(ended, "reason");
        let code = exit_code(ended);
        match reason {
            "OOMKilled" => return Some(self.out_of_memory(ended, previous)),
            "ContainerCannotRun" | "StartError" => {
                return Some(start(reason, text(ended, "message"), Some(code)));
            }
            _ => {}
        }
        if let Some(signal) = self.restarted_by_probe(previous, events) {
            return Some(signal);
        }
        let looping = self.status.pointer("/state/waiting").is_some();
        (code != 0 || looping).then(|| {
            let reason = if looping { "CrashLoopBackOff" } else { reason };
            self.crash(reason, ended, previous)
        })
    }

    fn crash(&self, reason: &str, ended: &Value, previous: bool) -> Signal {
        let code = exit_code(ended);
        let mut message = match (ended.get("exitCode"), code) {
            (None, _) => "its program ends again and again".to_owned(),
            (Some(_), 0) => "its program ended without an error, though it should run on".to_owned(),
            (Some(_), 126) => "its program may not be run (exit code 126)".to_owned(),
            (Some(_), 127) => "its program was not found (exit code 127)".to_owned(),
            (Some(_), 137) => "its program was killed (exit code 137)".to_owned(),
            (Some(_), 139) => "its program broke off (exit code 139, a segmentation fault)".to_owned(),
            (Some(_), code) => format!("its program ended with exit code {code}"),
        };
        self.tell_restarts(&mut message);
        if let Some(told) = clipped(text(ended, "message")) {
            message.push_str(": ");
            message.push_str(&told);
        }
        let reason = if reason.is_empty() { "Error" } else { reason };
        Signal::new(Cause::Crash, Class::Crash, reason, message)
            .for_seconds(self.crash_grace(ended))
            .with_log(previous)
    }

    fn out_of_memory(&self, ended: &Value, previous: bool) -> Signal {
        let limit = self.spec().and_then(|spec| spec.pointer("/resources/limits/memory")?.as_str());
        let mut message = match limit {
            Some(limit) => format!("it needed more memory than its limit of {limit} and was killed"),
            None => "the node ran out of memory and it was killed".to_owned(),
        };
        self.tell_restarts(&mut message);
        Signal::new(Cause::OutOfMemory, Class::Crash, "OOMKilled", message)
            .for_seconds(self.crash_grace(ended))
            .with_log(previous)
    }

    /// Returns how long this crash may go on: not at all for a program that cannot be run, or that ended
    /// right after its start three times.
    fn crash_grace(&self, ended: &Value) -> u64 {
        let restarts = self.restarts();
        let cannot_run = matches!(exit_code(ended), 126 | 127) && restarts >= 1;
        let never_up = restarts >= 2 && run_seconds(ended).is_some_and(|seconds| seconds < SHORT_RUN_SECONDS);
        if cannot_run || never_up { 0 } else { CRASH_GRACE_SECONDS }
    }

    fn restarted_by_probe(&self, previous: bool, events: &Events<'a>) -> Option<Signal> {
        let killing = events
            .about(self.pod)
            .filter(|event| event.reason() == "Killing")
            .find(|event| event.may_speak_of(self.name) && event.message().contains("will be restarted"))?;
        let probe = ["liveness", "startup"]
            .into_iter()
            .find(|probe| killing.message().contains(&format!("failed {probe} probe")))?;
        let answer = self.probe_answer(probe, events);
        let mut message = format!("its {probe} probe fails{answer}, so it is restarted");
        self.tell_restarts(&mut message);
        let grace = if self.restarts() >= 2 { 0 } else { CRASH_GRACE_SECONDS };
        Some(
            Signal::new(Cause::ProbeRestart, Class::Crash, "Unhealthy", message)
                .for_seconds(grace)
                .with_log(previous),
        )
    }

    /// Returns the trouble of a container that runs and is not ready. Never fatal alone: it may need its time.
    fn not_ready(&self, events: &Events<'a>) -> Option<Signal> {
        self.status.pointer("/state/running")?;
        let probe =
            if self.status.get("started") == Some(&Value::Bool(false)) { "startup" } else { "readiness" };
        let answer = self.probe_answer(probe, events);
        let message = if answer.is_empty() {
            format!("it runs, and its {probe} probe has not passed yet")
        } else {
            format!("it runs, and its {probe} probe fails{answer}")
        };
        Some(Signal::new(Cause::NotReady, Class::Transient, "Unhealthy", message).with_log(false))
    }

    /// Returns what the newest failed probe of a kind was answered, with a colon before it.
    fn probe_answer(&self, probe: &str, events: &Events<'a>) -> String {
        events
            .about(self.pod)
            .filter(|event| event.reason() == "Unhealthy" && event.may_speak_of(self.name))
            .find_map(|event| {
                let (head, answer) = event.message().split_once(" probe failed: ")?;
                head.eq_ignore_ascii_case(probe).then(|| clipped(answer))?
            })
            .map(|answer| format!(": {answer}"))
            .unwrap_or_default()
    }

    fn restarts(&self) -> i64 {
        condition::count(self.status.get("restartCount")).unwrap_or(0)
    }

    fn tell_restarts(&self, message: &mut String) {
        match self.restarts() {
            0 => {}
            1 => message.push_str(", restarted once"),
            restarts => {
                message.push_str(", restarted ");
                message.push_str(&restarts.to_string());
                message.push_str(" times");
            }
        }
    }

    fn spec(&self) -> Option<&'a Value> {
        ["/spec/initContainers", "/spec/containers"]
            .into_iter()
            .filter_map(|pointer| self.pod.get(pointer)?.as_array())
            .flatten()
            .find(|spec| text(spec, "name") == self.name)
    }

    fn image_name(&self) -> &'a str {
        let image = self.spec().map_or("", |spec| text(spec, "image"));
        if image.is_empty() { text(self.status, "image") } else { image }
    }
}

/// Returns true when a registry's answer cannot change by itself.
fn will_never_pull(message: &str) -> bool {
    let message = message.to_lowercase();
    let passing =
        ["toomanyrequests", "too many requests", "429", "timeout", "timed out", "connection refused"];
    let lasting = [
        "not found",
        "manifest unknown",
        "denied",
        "unauthorized",
        "no match for platform",
        "invalid reference",
        "does not exist",
    ];
    !passing.iter().any(|word| message.contains(word)) && lasting.iter().any(|word| message.contains(word))
}

fn config(message: &str) -> Signal {
    let reason = "CreateContainerConfigError";
    let why = clipped(message).unwrap_or_else(|| "its settings are not complete".into());
    if message.contains("failed to sync") && message.contains("cache") {
        return Signal::new(Cause::Config, Class::Transient, reason, why).for_seconds(120);
    }
    let lasting = ["not found", "couldn't find key", "runAsNonRoot", "run as root"];
    if lasting.iter().any(|word| message.contains(word)) {
        Signal::new(Cause::Config, Class::Permanent, reason, why).for_seconds(20)
    } else {
        Signal::new(Cause::Config, Class::Transient, reason, why).for_seconds(120)
    }
}

/// Returns the trouble of a container that cannot be started. Exit code 128 alone is the runtime's own
/// trouble, unless it says that the program is not there.
fn start(reason: &str, message: &str, code: Option<i64>) -> Signal {
    let lasting = ["not found", "no such file", "permission denied", "exec format error"];
    let why = match last_cause(message) {
        why if why.is_empty() => "it cannot be started".to_owned(),
        why => format!("it cannot be started: {why}"),
    };
    let is_lasting = lasting.iter().any(|word| message.contains(word));
    if code == Some(128) && !is_lasting {
        return Signal::new(Cause::Start, Class::Transient, reason, why).for_seconds(120);
    }
    Signal::new(Cause::Start, Class::Permanent, reason, why).for_seconds(60)
}

fn exit_code(ended: &Value) -> i64 {
    ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0)
}

fn run_seconds(ended: &Value) -> Option<i64> {
    let at = |field: &str| condition::time(ended.get(field)).map(Timestamp::as_second);
    Some(at("finishedAt")?.saturating_sub(at("startedAt")?))
}

/// Returns the end of a chain of causes: what follows the last quoted name in
/// `failed to pull image "x": failed to resolve reference "x": x: not found`.
fn last_cause(message: &str) -> String {
    let message = message.rsplit("desc = ").next().unwrap_or(message);
    let end = message.rsplit("\": ").next().unwrap_or(message);
    clipped(end).unwrap_or_default()
}

/// Returns a foreign text as one line; `None` when it is empty.
pub(super) fn clipped(text: &str) -> Option<String> {
    let line = one_line(text);
    (!line.is_empty()).then_some(line)
}
