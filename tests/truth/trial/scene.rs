//! What is deployed and into what, and what came of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wesago::event::{Event, EventKind, Verdict};
use wesago::report::{NextSteps, RunView, summary};

use super::PREFIX;
use crate::objects::line_of;
use crate::sandbox::command::sandbox;
use crate::sandbox::process::{self, Ended};
use crate::sandbox::seen::{Seen, ensure};
use crate::world::{World, world};

/// Marks what trials make, so that a later run finds what an earlier one left.
pub(crate) const LABEL: &str = "wesago-truth";
/// The file in which all objects of a trial are written.
pub(super) const FILE: &str = "objects.yaml";

/// What is deployed, and into what.
pub(crate) struct Scene {
    pub(super) name: &'static str,
    pub(super) labels: &'static str,
    pub(super) before: String,
    pub(super) prepare: fn(&str) -> Seen,
    pub(super) earlier: Option<String>,
    pub(super) objects: String,
    pub(super) deadline: Duration,
    pub(super) tidy: fn(&str) -> Seen,
    pub(super) preflight: Preflight,
    pub(super) deployer: &'static [&'static str],
}

/// Whether a deploy checks the plan against the cluster first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Preflight {
    /// As it is meant: what is not wrong must pass.
    Made,
    /// What is wrong can only fail when it is written all the same.
    Skipped,
}

/// What came of a deploy.
pub(crate) struct Run {
    pub(super) ended: Ended,
    pub(super) text: String,
}

impl Scene {
    /// Returns a namespace of its own with nothing in it, into which `objects` are deployed.
    pub(crate) fn new(name: &'static str, objects: impl Into<String>) -> Self {
        Self {
            name,
            labels: "",
            before: String::new(),
            prepare: |_| Ok(()),
            earlier: None,
            objects: objects.into(),
            deadline: Duration::from_secs(90),
            tidy: |_| Ok(()),
            preflight: Preflight::Made,
            deployer: &["--context", "sandbox"],
        }
    }

    /// What must be there before, and what must be done then, with the namespace's name.
    pub(crate) fn beside(mut self, before: impl Into<String>, prepare: fn(&str) -> Seen) -> Self {
        self.before = before.into();
        self.prepare = prepare;
        self
    }

    /// Returns what a trial's namespace is called.
    pub(crate) fn namespace(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// Returns where its files are.
    pub(crate) fn folder(&self) -> PathBuf {
        folder_of(&self.namespace())
    }

    /// Makes what must be there before.
    pub(crate) fn set_up(&self, world: &World) -> Seen {
        let (folder, namespace) = (self.folder(), self.namespace());
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let seconds = self.deadline.as_secs();
        let plan = format!(
            "name: truth\nnamespace: {namespace}\nstages:\n  all:\n    apply: [{FILE}]\n    deadline: {seconds}s\n"
        );
        let before = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n  labels: {{ {LABEL}: \"\", {} }}\n---\n{}",
            self.labels, self.before
        );
        self.write("plan.yaml", &plan)?;
        self.write("before.yaml", &before.replace("$NAMESPACE", &namespace))?;
        sandbox(&["kubectl", "apply", "--filename", &folder.join("before.yaml").to_string_lossy()])?;
        (self.prepare)(&namespace)?;
        if let Some(earlier) = &self.earlier {
            self.write_objects(world, earlier)?;
            let run = self.deploy(Preflight::Skipped, |_| Ok(()))?;
            ensure!(run.ended.code == Some(5), "the earlier deploy did not fail: {}", run.text);
        }
        self.write_objects(world, &self.objects)
    }

    fn write_objects(&self, world: &World, objects: &str) -> Seen {
        let objects = objects.replace("$NAMESPACE", &self.namespace());
        self.write(FILE, &world.registry.named_in(&objects))
    }

    fn write(&self, name: &str, text: &str) -> Seen {
        let path = self.folder().join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Deploys with the real binary.
    fn deploy(&self, preflight: Preflight, mut attend: impl FnMut(&Event) -> Seen) -> Seen<Run> {
        let arguments = ["deploy", "--plan", "plan.yaml", "--yes", "--output", "json"];
        let mut program = Command::new(env!("CARGO_BIN_EXE_wesago"));
        program.args(arguments).args(self.deployer).current_dir(self.folder());
        if preflight == Preflight::Skipped {
            program.arg("--skip-preflight");
        }
        let ended = process::run(&mut program, |event, _| attend(event))?;
        let mut view = RunView::default();
        ended.events.iter().for_each(|event| view.apply(event));
        let next = NextSteps { status: "wesago status".to_owned() };
        let told = anstream::adapter::strip_str(&summary(&view, &next)).to_string();
        let text = format!("{told}\n{}", ended.stderr);
        self.write("events.jsonl", &ended.stdout)?;
        self.write("told.txt", &text)?;
        Ok(Run { ended, text })
    }

    /// Deploys with the real binary, which checks first, and returns the exit code.
    pub(crate) fn deploy_checked(&self) -> Seen<Option<i32>> {
        Ok(self.deploy(Preflight::Made, |_| Ok(()))?.ended.code)
    }

    /// Returns where an object is written, as it is told.
    pub(crate) fn place_of(&self, reference: &str) -> Option<String> {
        line_of(&self.objects, reference).map(|line| format!("{FILE}:{line}"))
    }

    /// Begins the removal of what was there; nobody waits for its end.
    pub(crate) fn clear(&self) -> Seen {
        (self.tidy)(&self.namespace())?;
        let before = self.folder().join("before.yaml");
        let before = before.to_string_lossy();
        sandbox(&["kubectl", "delete", "--filename", &before, "--ignore-not-found", "--wait=false"]).map(drop)
    }

    /// Goes through all of it, and puts what was seen around a complaint.
    pub(crate) fn play(
        &self,
        attend: impl FnMut(&Event) -> Seen,
        judge: impl FnOnce(&'static World, &Run) -> Seen,
    ) -> Seen {
        let world = world()?;
        let result = self.set_up(world).and_then(|()| self.deploy(self.preflight, attend)).and_then(|run| {
            judge(world, &run).map_err(|seen| {
                let Run { ended, text } = &run;
                let wall = ended.wall.as_secs_f64();
                format!("{seen}\n\nit ended with {:?} after {wall:.1} s and told:\n{text}", ended.code)
            })
        });
        let result = result.map_err(|seen| {
            let events = world.witness.events(&self.namespace());
            format!("{seen}\n\nevents:\n{events}\n\nmore in {}", self.folder().display())
        });
        result.and(self.clear())
    }
}

impl Run {
    /// Returns true when all of it succeeded.
    pub(crate) fn is_success(&self) -> bool {
        self.ended.code == Some(0)
    }

    /// Returns the end of the one stage, and how it ended.
    pub(super) fn verdict(&self) -> Seen<(&Event, &Verdict, Duration)> {
        let finished = self.ended.events.iter().find_map(|event| match &event.event {
            EventKind::StageFinished { verdict, took_ms, .. } => {
                Some((event, verdict, Duration::from_millis(*took_ms)))
            }
            _ => None,
        });
        finished.ok_or_else(|| "the stage has no end".to_owned())
    }

    /// Returns the causes whose class the JSON does not tell.
    pub(super) fn unclassed(&self) -> Vec<String> {
        let causes = self.ended.events.iter().filter_map(|event| match &event.event {
            EventKind::CauseFound(cause) if cause.class.is_none() => Some(cause),
            _ => None,
        });
        causes.map(|cause| format!("the class of {} is not told", cause.reason)).collect()
    }

    /// Returns what the end says, in a line, for the table.
    pub(super) fn words(&self) -> String {
        let cause = self.ended.events.iter().find_map(|event| match &event.event {
            EventKind::CauseFound(cause) => Some(format!("{}: {}", cause.reason, cause.message)),
            _ => None,
        });
        cause.unwrap_or_else(|| "(no cause)".to_owned())
    }
}

/// Returns where the files of a trial are, by its namespace.
pub(crate) fn folder_of(namespace: &str) -> PathBuf {
    let name = namespace.strip_prefix(PREFIX).unwrap_or(namespace);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("truth").join(name)
}
