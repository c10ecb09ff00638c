//! What one pod's containers say: the reasons of the kubelet (`pkg/kubelet/images/types.go`,
//! `container/sync_result.go`, `kuberuntime`), sorted by what they mean for a rollout.

use jiff::Timestamp;
use serde_json::Value;

use super::events::Events;
use super::missing::{Missing, named_in};
use super::{Cause, Class, Evidence, SURE_AFTER, images, placement, probes, revision, scheduling};
use crate::object::condition::{self, one_line};
use crate::object::{Object, ObjectRef};

/// A run of so many whole seconds, by the kubelet's stamps, did not get past its start.
const SHORT_RUN_SECONDS: i64 = 2;

/// How long a program may go on ending before it counts as unable to run.
pub(super) const CRASH_GRACE: u64 = 60;

/// How long one may that ends right after its start. The kubelet starts it again at once, and then after ten
/// seconds: both the first run and the second were too short by then.
const SHORT_CRASH_GRACE: u64 = 10;

/// How long what the kubelet tries again and again may fail before it is told.
const START_GRACE: u64 = 60;

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
    /// What is not there.
    pub(super) missing: Option<Missing>,
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
            missing: None,
        }
    }

    pub(super) fn for_seconds(self, grace_seconds: u64) -> Self {
        Self { grace_seconds: Some(grace_seconds), ..self }
    }

    pub(super) fn with_log(self, previous: bool) -> Self {
        Self { log: Some(previous), ..self }
    }

    pub(super) fn missing(self, missing: Option<Missing>) -> Self {
        Self { missing, ..self }
    }

    /// Returns the signal of a program that has crashed and runs again. A probe that has had it restarted
    /// twice is past that.
    fn until_the_next(self) -> Self {
        if self.cause == Cause::ProbeRestart { self } else { self.without_grace() }
    }

    /// Returns the signal as one that tells what is so and fails nothing: it may be the last word of before.
    pub(super) fn without_grace(self) -> Self {
        Self { grace_seconds: None, ..self }
    }
}

/// Returns the troubles of one pod; none for one that is ready or has succeeded.
pub(super) fn of_pod<'a>(pod: &'a Object, evidence: &Evidence<'a>, events: &Events<'a>) -> Vec<Signal> {
    if revision::is_ready(pod) || pod.text("/status/phase") == "Succeeded" {
        return Vec::new();
    }
    if let Some(signal) = placement::unbound_claim(pod, evidence, events)
        .or_else(|| scheduling::not_scheduled(pod, evidence, events))
    {
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
pub(super) struct Container<'a> {
    pub(super) pod: &'a Object,
    pub(super) name: &'a str,
    pub(super) status: &'a Value,
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
        // It runs again, and may stay: the crash is told, and fails nothing until the next one.
        match self.status.pointer("/lastState/terminated") {
            Some(ended) => self
                .ended(ended, true, events)
                .map(Signal::until_the_next)
                .or_else(|| probes::not_ready(self, events)),
            None => probes::not_ready(self, events),
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
            | "RegistryUnavailable" => Some(images::trouble(self, reason, message, events)),
            "CreateContainerConfigError" => Some(config(message, self.pod)),
            "CreateContainerError" | "RunContainerError" | "PreCreateHookError" | "PreStartHookError" => {
                Some(start(reason, message))
            }
            // The program runs, and a command beside it fails: the kubelet kills and restarts it.
            "PostStartHookError" => {
                let why = clipped(message).unwrap_or_else(|| "it does not say why".into());
                let message = format!("its postStart hook fails: {why}");
                let signal = Signal::new(Cause::Start, Class::Crash, reason, message);
                Some(signal.for_seconds(CRASH_GRACE).with_log(true))
            }
            "CreatePodSandboxError" | "NetworkNotReady" => Some(placement::sandbox(reason, message)),
            "CrashLoopBackOff" => {
                let ended = self.status.pointer("/lastState/terminated").unwrap_or(&Value::Null);
                self.ended(ended, true, events).or_else(|| Some(self.crash(reason, ended, true)))
            }
            _ => None,
        }
    }

    /// Returns the trouble of a container whose program has ended, in its present state or in the one before.
    fn ended(&self, ended: &'a Value, previous: bool, events: &Events<'a>) -> Option<Signal> {
        let reason = text(ended, "reason");
        let code = exit_code(ended);
        match reason {
            "OOMKilled" => return Some(self.out_of_memory(ended, previous)),
            "ContainerCannotRun" | "StartError" => return Some(start(reason, text(ended, "message"))),
            _ => {}
        }
        if let Some(signal) = probes::restarted(self, previous, events) {
            return Some(signal);
        }
        let looping = self.status.pointer("/state/waiting").is_some();
        (code != 0 || looping || self.should_run_on()).then(|| {
            let reason = if looping { "CrashLoopBackOff" } else { reason };
            self.crash(reason, ended, previous)
        })
    }

    /// Returns true for a container whose program is not meant to end, not even well. The kubelet shows it as
    /// ended for most of the pause before it is started again.
    fn should_run_on(&self) -> bool {
        let main = self.pod.get("/spec/containers").and_then(Value::as_array);
        let is_main = main.is_some_and(|all| all.iter().any(|spec| text(spec, "name") == self.name));
        is_main && self.pod.text("/spec/restartPolicy") == "Always"
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

    /// Returns how long this crash may go on: hardly at all for a program that cannot be run, or that ended
    /// right after its start three times; not for long for one that did so twice.
    fn crash_grace(&self, ended: &Value) -> u64 {
        let is_short = run_seconds(ended).is_some_and(|seconds| seconds <= SHORT_RUN_SECONDS);
        match self.restarts() {
            1.. if matches!(exit_code(ended), 126 | 127) => SURE_AFTER,
            2.. if is_short => SURE_AFTER,
            1 if is_short => SHORT_CRASH_GRACE,
            _ => CRASH_GRACE,
        }
    }

    pub(super) fn restarts(&self) -> i64 {
        condition::count(self.status.get("restartCount")).unwrap_or(0)
    }

    pub(super) fn tell_restarts(&self, message: &mut String) {
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

    pub(super) fn spec(&self) -> Option<&'a Value> {
        ["/spec/initContainers", "/spec/containers"]
            .into_iter()
            .filter_map(|pointer| self.pod.get(pointer)?.as_array())
            .flatten()
            .find(|spec| text(spec, "name") == self.name)
    }

    pub(super) fn image_name(&self) -> &'a str {
        let image = self.spec().map_or("", |spec| text(spec, "image"));
        if image.is_empty() { text(self.status, "image") } else { image }
    }
}

/// Returns the trouble of a container whose settings are not complete. Somebody may still make what is
/// missing; settings that contradict each other stay as they are.
fn config(message: &str, pod: &Object) -> Signal {
    let reason = "CreateContainerConfigError";
    let why = clipped(message).unwrap_or_else(|| "its settings are not complete".into());
    let signal = |class| Signal::new(Cause::Config, class, reason, why.clone());
    let missing = named_in(message, pod);
    let lasting = ["not found", "couldn't find key", "runAsNonRoot", "run as root"];
    let is_passing = message.contains("failed to sync") && message.contains("cache");
    if !is_passing && (missing.is_some() || lasting.iter().any(|word| message.contains(word))) {
        signal(Class::Permanent).for_seconds(SURE_AFTER).missing(missing)
    } else {
        signal(Class::Transient).for_seconds(2 * START_GRACE)
    }
}

/// Returns the trouble of a container that cannot be started. Only what the kernel says of the program itself
/// stays so; a runtime that is out of breath says many things (`name is reserved`, `task not found`, exit
/// code 128).
fn start(reason: &str, message: &str) -> Signal {
    const LASTING: [&str; 6] = [
        "executable file not found",
        "no such file or directory",
        "permission denied",
        "exec format error",
        "not a directory",
        "is a directory",
    ];
    let why = match last_cause(message) {
        why if why.is_empty() => "it cannot be started".to_owned(),
        why => format!("it cannot be started: {why}"),
    };
    if LASTING.iter().any(|word| message.contains(word)) {
        Signal::new(Cause::Start, Class::Permanent, reason, why).for_seconds(SURE_AFTER)
    } else {
        Signal::new(Cause::Start, Class::Transient, reason, why).for_seconds(START_GRACE)
    }
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
pub(super) fn last_cause(message: &str) -> String {
    let message = message.rsplit("desc = ").next().unwrap_or(message);
    let end = message.rsplit("\": ").next().unwrap_or(message);
    clipped(end).unwrap_or_default()
}

/// Returns a foreign text as one line; `None` when it is empty.
pub(super) fn clipped(text: &str) -> Option<String> {
    let line = one_line(text);
    (!line.is_empty()).then_some(line)
}
