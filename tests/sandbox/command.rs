//! The sandbox's command: its own kubectl, its faults, and where its files are.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::seen::Seen;

/// The program.
pub(crate) const SANDBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sandbox/sandbox");
/// Longest piece of a program's output in a message.
const EXCERPT: usize = 2_000;

/// Runs the sandbox's command and returns its output.
pub(crate) fn sandbox(arguments: &[&str]) -> Seen<String> {
    let output = Command::new(SANDBOX)
        .args(arguments)
        .output()
        .map_err(|error| format!("sandbox/sandbox does not run: {error}"))?;
    text_of(&format!("sandbox/sandbox {}", arguments.join(" ")), &output)
}

fn text_of(command: &str, output: &Output) -> Seen<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{command}`: {}\n{}\n{}", output.status, excerpt(&text), excerpt(&complaint)))
}

/// Returns the beginning of a text, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{} […]", &text[..end]),
        None => text.to_owned(),
    }
}

/// Runs kubectl in a namespace.
pub(crate) fn kubectl_in(namespace: &str, arguments: &[&str]) -> Seen<String> {
    sandbox(&[&["kubectl", "--namespace", namespace, "--request-timeout", "60s"], arguments].concat())
}

/// Returns one object of a namespace, such as `job/migrate`; `None` when it is not there.
pub(crate) fn object_in(namespace: &str, name: &str) -> Seen<Option<Value>> {
    let words = ["get", name, "--ignore-not-found", "--show-managed-fields", "--output", "json"];
    let found = kubectl_in(namespace, &words)?;
    if found.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&found).map(Some).map_err(|error| format!("kubectl get {name}: {error}"))
}

/// Returns a part of an object that must be there.
pub(crate) fn part_in(namespace: &str, name: &str, pointer: &str) -> Seen<Value> {
    let object = object_in(namespace, name)?.ok_or_else(|| format!("{name} is not there"))?;
    Ok(object.pointer(pointer).cloned().unwrap_or_default())
}

/// Removes a namespace and waits until it is gone.
pub(crate) fn remove_namespace(namespace: &str) -> Seen {
    let words = ["kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--timeout", "180s"];
    sandbox(&words).map(|_| ())
}

/// Returns where the API server writes its audit log.
pub(crate) fn audit_log() -> Seen<PathBuf> {
    let status = status()?;
    let path =
        status["audit_log"].as_str().ok_or_else(|| format!("sandbox status has no audit_log: {status}"))?;
    Ok(path.into())
}

/// Returns what the sandbox says of its cluster.
pub(crate) fn status() -> Seen<Value> {
    let status = sandbox(&["status", "--json"])?;
    serde_json::from_str(&status).map_err(|error| format!("sandbox status: {error}"))
}
