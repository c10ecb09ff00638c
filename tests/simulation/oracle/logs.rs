//! The logs of Jobs: every line told is one the pod wrote, in its order, from the first on and once; a run
//! that nothing disturbs tells them all.

use std::collections::{BTreeMap, BTreeSet};

use wesago::event::{EventKind, LogLine};

use super::{Evidence, is_peaceful};
use crate::deployer::{Command, Run, SECRET_PREFIX};

/// Returns the lines that were told wrongly, or not at all.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for run in evidence.runs {
        let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, event) in evidence.events(run.id) {
            if let EventKind::LogLine(LogLine { source, line }) = &event.event {
                told.entry(&source.pod).or_default().push(line);
            }
        }
        let wrote: BTreeMap<String, Vec<String>> = told.keys().map(|pod| written(evidence, pod)).collect();
        for (pod, lines) in &told {
            let wanted = &wrote[*pod];
            if !wanted.starts_with(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()) {
                broken.push(format!("logs: run {}: of {pod} was told {lines:?}, and not {wanted:?}", run.id));
            }
        }
        if is_peaceful(run) && run.command == Command::Deploy && run.ending.is_success() {
            for pod in made_meanwhile(evidence, run) {
                let (count, wanted) = (told.get(pod.as_str()).map_or(0, Vec::len), written(evidence, &pod).1);
                if count != wanted.len() {
                    broken.push(format!(
                        "logs: run {}: {count} of the {} lines of {pod} were told",
                        run.id,
                        wanted.len()
                    ));
                }
            }
        }
    }
    broken
}

/// Returns the pods of Jobs that came to be, and ended, while a run went on.
fn made_meanwhile(evidence: &Evidence, run: &Run) -> BTreeSet<String> {
    let (from, until) = (evidence.version_at_start(run.id), evidence.version_at_end(run.id));
    let meanwhile = evidence.history.iter().filter(|commit| commit.version > from && commit.version <= until);
    let mut born = BTreeSet::new();
    let mut done = BTreeSet::new();
    for commit in meanwhile.filter(|commit| commit.key.kind == "Pod") {
        if commit.before.is_none() {
            born.insert(commit.key.name.clone());
        }
        if commit.after.as_ref().is_some_and(|pod| pod["status"]["phase"] == "Succeeded") {
            done.insert(commit.key.name.clone());
        }
    }
    born.intersection(&done).cloned().collect()
}

/// Returns a pod's name and the lines it wrote, as they are to be told.
fn written(evidence: &Evidence, name: &str) -> (String, Vec<String>) {
    let mut commits =
        evidence.history.iter().filter(|commit| commit.key.kind == "Pod" && commit.key.name == name);
    let pod = commits.find_map(|commit| commit.after.as_ref());
    let uid = pod.map(|pod| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned());
    let log = uid.and_then(|uid| evidence.logs.get(&uid));
    let lines = log.into_iter().flat_map(|log| &log.lines).map(|(_, line)| shown(line));
    (name.to_owned(), lines.collect())
}

/// Returns a line without its colours and without the value in it.
fn shown(line: &str) -> String {
    let plain = line.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
    match (plain.find(SECRET_PREFIX), plain.find('@')) {
        (Some(from), Some(to)) => format!("{}***{}", &plain[..from], &plain[to..]),
        _ => plain,
    }
}
