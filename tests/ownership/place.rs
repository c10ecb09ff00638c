//! A namespace of its own with a plan of its own, for one story about what a plan owns.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::sandbox::audit::{Audit, Request};
use crate::sandbox::command::{
    SANDBOX, audit_log, kubectl_in, object_in, part_in, remove_namespace, sandbox,
};
use crate::sandbox::process::{self, Ended, USER_AGENT};
use crate::sandbox::seen::{Seen, ensure};

/// Where the plans are written.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
/// An image that every node has.
pub(crate) const IMAGE: &str = "localhost/sandbox/redis:7";

/// A namespace, and the folder with its plan.
pub(crate) struct Place {
    /// The name of the plan.
    pub(crate) plan: String,
    /// The namespace of the plan.
    pub(crate) namespace: String,
    folder: PathBuf,
    audit_log: PathBuf,
}

impl Place {
    /// Puts an empty namespace, which is nobody's, in the place of what an earlier story left.
    pub(crate) fn new(plan: &str) -> Seen<Self> {
        let namespace = format!("wesago-ownership-{plan}");
        let place = Self {
            plan: plan.to_owned(),
            folder: Path::new(FOLDER).join(&namespace),
            namespace,
            audit_log: audit_log()?,
        };
        remove_namespace(&place.namespace)?;
        sandbox(&["kubectl", "create", "namespace", &place.namespace])?;
        fs::create_dir_all(&place.folder).map_err(|error| error.to_string())?;
        Ok(place)
    }

    /// Writes the plan: stages of objects, each of which needs the one before it.
    pub(crate) fn write(&self, stages: &[(&str, &[Value])]) -> Seen {
        self.write_with("", stages)
    }

    /// Writes the plan with more sections, such as `conflicts:`.
    pub(crate) fn write_with(&self, sections: &str, stages: &[(&str, &[Value])]) -> Seen {
        let mut plan = format!("name: {}\nnamespace: {}\n{sections}stages:\n", self.plan, self.namespace);
        let mut before: Option<&str> = None;
        for (stage, objects) in stages {
            let needs = before.map_or_else(String::new, |before| format!("needs: [{before}], "));
            let _text_takes_everything =
                writeln!(plan, "  {stage}: {{ {needs}apply: [{stage}.yaml], deadline: 3m }}");
            let documents: Vec<String> = objects.iter().map(|object| format!("{object:#}\n")).collect();
            self.file(&format!("{stage}.yaml"), &documents.join("---\n"))?;
            before = Some(stage);
        }
        self.file("plan.yaml", &plan)?;
        Ok(())
    }

    /// Writes a file beside the plan and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> Seen<String> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// Returns the program with these words, about this plan.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wesago"));
        command.args(words).args(["--plan", "plan.yaml", "--context", "sandbox"]).current_dir(&self.folder);
        command
    }

    /// Runs a command to its end, which must have this exit code.
    pub(crate) fn wesago(&self, words: &[&str], code: i32) -> Seen<Ended> {
        let ended = process::run(&mut self.command(words), |_, _| Ok(()))?;
        ended.with_code(words, code)
    }

    /// Runs a command that prints one JSON document.
    pub(crate) fn document(&self, words: &[&str], code: i32) -> Seen<Value> {
        let told = self.wesago(&[words, &["--output", "json"]].concat(), code)?.stdout;
        serde_json::from_str(&told).map_err(|error| format!("{error} in {told}"))
    }

    /// Deploys, which must succeed, and returns what it told.
    pub(crate) fn deploy(&self, words: &[&str]) -> Seen<String> {
        Ok(self.wesago(&[&["deploy", "--yes", "--verbose"], words].concat(), 0)?.stdout)
    }

    /// Deploys, which must find nothing to do and write nothing.
    pub(crate) fn finds_nothing_to_do(&self) -> Seen {
        let (told, requests) = self.watched(|| self.deploy(&[]))?;
        let writes: Vec<String> = changes(&requests).map(told_of).collect();
        ensure!(told.contains("nothing to do") && writes.is_empty(), "it wrote {writes:?} and told {told}");
        Ok(())
    }

    /// Does something and returns what the program asked the API server for meanwhile, in this namespace.
    pub(crate) fn watched<T>(&self, work: impl FnOnce() -> Seen<T>) -> Seen<(T, Vec<Request>)> {
        let mut audit = Audit::from_now_on(&self.audit_log)?;
        let value = work()?;
        let is_ours = |request: &Request| {
            request.user_agent.starts_with(USER_AGENT) && request.namespace == self.namespace
        };
        Ok((value, audit.requests()?.into_iter().filter(is_ours).collect()))
    }

    /// Runs kubectl in the namespace.
    pub(crate) fn kubectl(&self, words: &[&str]) -> Seen<String> {
        kubectl_in(&self.namespace, words)
    }

    /// Changes an object as somebody else would, with a field manager's name.
    pub(crate) fn patch(&self, name: &str, change: &Value, manager: &str) -> Seen {
        let words =
            ["patch", name, "--type", "merge", "--patch", &change.to_string(), "--field-manager", manager];
        self.kubectl(&words).map(|_| ())
    }

    /// Returns a part of an object that must be there, such as `job/migrate`.
    pub(crate) fn part(&self, name: &str, pointer: &str) -> Seen<Value> {
        part_in(&self.namespace, name, pointer)
    }

    /// Returns an object; `None` when it is not there.
    pub(crate) fn object(&self, name: &str) -> Seen<Option<Value>> {
        object_in(&self.namespace, name)
    }

    /// Returns the names of what there is of some kinds, such as `pods,jobs`.
    pub(crate) fn names(&self, kinds: &str, selector: &str) -> Seen<Vec<String>> {
        let found = self.kubectl(&["get", kinds, "--selector", selector, "--output", "name"])?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    /// Returns what a person would look at first when something went wrong.
    pub(crate) fn picture(&self) -> String {
        let words = ["get", "configmaps,pods,jobs,deployments,statefulsets,pvc", "--output", "wide"];
        self.kubectl(&words).unwrap_or_else(|error| error)
    }
}

/// Returns the requests that changed an object, the lock aside.
pub(crate) fn changes(requests: &[Request]) -> impl Iterator<Item = &Request> {
    requests.iter().filter(|request| request.is_write() && request.resource != "leases")
}

/// Returns a request as it is told, such as `patch configmaps/settings`.
pub(crate) fn told_of(request: &Request) -> String {
    format!("{} {}/{}", request.verb, request.resource, request.name)
}

/// Returns a ConfigMap.
pub(crate) fn map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// Returns a Deployment, a StatefulSet or a DaemonSet whose pods run and do nothing.
pub(crate) fn workload(kind: &str, name: &str, more: &Value) -> Value {
    let labels = json!({"app": name});
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": idle_pod()},
        },
    });
    merge(&mut value, more);
    value
}

/// Returns the specification of a pod that runs and does nothing.
pub(crate) fn idle_pod() -> Value {
    let container = json!({
        "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
    });
    json!({"terminationGracePeriodSeconds": 0, "containers": [container]})
}

/// Puts the parts of one value into another: objects by key, everything else as a whole.
fn merge(value: &mut Value, more: &Value) {
    match (value, more) {
        (Value::Object(value), Value::Object(more)) => {
            for (key, part) in more {
                merge(value.entry(key.clone()).or_insert(Value::Null), part);
            }
        }
        (value, more) => *value = more.clone(),
    }
}

/// Plays a story in a place of its own.
///
/// # Panics
/// With what was seen, and with the state of the namespace, when the story does not go as it must.
pub(crate) fn story(plan: &str, acts: impl FnOnce(&Place) -> Seen) {
    let place = Place::new(plan).unwrap_or_else(|seen| panic!("{plan}: {seen}"));
    if let Err(seen) = acts(&place) {
        panic!("{plan}: {seen}\n\n{}", place.picture());
    }
    // Whoever needs the name again waits until it is free.
    let words = ["kubectl", "delete", "namespace", &place.namespace, "--wait=false"];
    sandbox(&words).unwrap_or_else(|seen| panic!("{plan}: {seen}"));
}

/// Runs the sandbox's kubectl with its ApplySet feature, and returns whether it succeeded and all it said.
pub(crate) fn kubectl_with_sets(place: &Place, words: &[&str]) -> Seen<(bool, String)> {
    let output = Command::new(SANDBOX)
        .args(["kubectl", "--namespace", &place.namespace])
        .args(words)
        .env("KUBECTL_APPLYSET", "true")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("sandbox/sandbox does not run: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
