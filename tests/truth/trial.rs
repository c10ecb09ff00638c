//! One trial: what is there, what is deployed into it, and what must come of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wesago::event::{Event, EventKind, Verdict};
use wesago::report::{NextSteps, RunView, summary};

use crate::evidence::Evidence;
use crate::objects::line_of;
use crate::sandbox::command::{kubectl_in, sandbox};
use crate::sandbox::process::{self, Ended};
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::table::Row;
use crate::witness::Proof;
use crate::world::{World, world};

/// What the namespaces of trials are called.
pub(crate) const PREFIX: &str = "truth-";
/// What the second namespace of a trial is called, after the first.
pub(crate) const SECOND: &str = "-second";
/// Marks what trials make, so that a later run finds what an earlier one left.
pub(crate) const LABEL: &str = "wesago-truth";
/// What cannot pass by itself is told within this time of the evidence; so is, of the deadline, what was
/// waited for until then.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A program that ends again and again is given up within this time.
const CRASH: Duration = Duration::from_secs(12);
/// A watch of ours, or the audit log, may be behind the program under test for so long.
const BEHIND: Duration = Duration::from_secs(5);
/// Longest wait until the API server follows what was changed of its own rules.
const RULES: Duration = Duration::from_secs(30);
/// The file in which all objects of a trial are written.
const FILE: &str = "objects.yaml";

/// What is deployed, and into what.
pub(crate) struct Scene {
    name: &'static str,
    labels: &'static str,
    before: String,
    prepare: fn(&str) -> Seen,
    earlier: Option<String>,
    objects: String,
    deadline: Duration,
    tidy: fn(&str) -> Seen,
    preflight: Preflight,
    deployer: &'static [&'static str],
}

/// Whether a deploy checks the plan against the cluster first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preflight {
    /// As it is meant: what is not wrong must pass.
    Made,
    /// What is wrong can only fail when it is written all the same.
    Skipped,
}

/// What came of a deploy.
pub(crate) struct Run {
    ended: Ended,
    text: String,
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
    fn verdict(&self) -> Seen<(&Event, &Verdict, Duration)> {
        let finished = self.ended.events.iter().find_map(|event| match &event.event {
            EventKind::StageFinished { verdict, took_ms, .. } => {
                Some((event, verdict, Duration::from_millis(*took_ms)))
            }
            _ => None,
        });
        finished.ok_or_else(|| "the stage has no end".to_owned())
    }

    /// Returns the causes whose class the JSON does not tell.
    fn unclassed(&self) -> Vec<String> {
        let causes = self.ended.events.iter().filter_map(|event| match &event.event {
            EventKind::CauseFound(cause) if cause.class.is_none() => Some(cause),
            _ => None,
        });
        causes.map(|cause| format!("the class of {} is not told", cause.reason)).collect()
    }

    /// Returns what the end says, in a line, for the table.
    fn words(&self) -> String {
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

/// How soon the verdict must come.
#[derive(Clone, Copy)]
enum Limit {
    Permanent,
    Crash,
    /// It is given so long to pass, from the moment of the write.
    Grace(Duration),
    /// It may pass at any time: the stage waits until its deadline.
    Deadline,
}

/// A deploy that must fail.
pub(crate) struct Failure {
    scene: Scene,
    evidence: Evidence,
    limit: Limit,
    culprit: &'static str,
    words: Vec<String>,
    next: &'static str,
}

impl Failure {
    /// Returns a deploy of `objects` that fails for good, within seconds of `evidence`.
    pub(crate) fn new(name: &'static str, objects: impl Into<String>, evidence: Evidence) -> Self {
        let scene = Scene { preflight: Preflight::Skipped, ..Scene::new(name, objects) };
        Self {
            scene,
            evidence,
            limit: Limit::Permanent,
            culprit: "Deployment/web",
            words: Vec::new(),
            next: "kubectl --namespace $NAMESPACE describe pod web-",
        }
    }

    /// It is a program that ends again and again.
    pub(crate) fn crashes(mut self) -> Self {
        self.limit = Limit::Crash;
        self
    }

    /// It may pass by itself for so many seconds after the write.
    pub(crate) fn has_grace(mut self, seconds: u64) -> Self {
        self.limit = Limit::Grace(Duration::from_secs(seconds));
        self
    }

    /// It may pass by itself: it is waited for until the stage's deadline, and explained then.
    pub(crate) fn may_pass_until(mut self, seconds: u64) -> Self {
        self.limit = Limit::Deadline;
        self.scene.deadline = Duration::from_secs(seconds);
        self
    }

    /// What must be there before; `$NAMESPACE` stands for the namespace.
    pub(crate) fn beside(mut self, before: impl Into<String>) -> Self {
        self.scene.before = before.into();
        self
    }

    /// What was deployed before, and failed.
    pub(crate) fn after(mut self, earlier: impl Into<String>) -> Self {
        self.scene.earlier = Some(earlier.into());
        self
    }

    /// What is written before the other objects.
    pub(crate) fn precede(mut self, objects: &str) -> Self {
        self.scene.objects.insert_str(0, objects);
        self
    }

    /// Labels of the namespace, as inside of braces.
    pub(crate) fn in_namespace_with(mut self, labels: &'static str) -> Self {
        self.scene.labels = labels;
        self
    }

    /// What must be done or waited for before, with the namespace's name, and what after.
    pub(crate) fn prepared_by(mut self, prepare: fn(&str) -> Seen, tidy: fn(&str) -> Seen) -> Self {
        self.scene.prepare = prepare;
        self.scene.tidy = tidy;
        self
    }

    /// The object whose line in the manifest must be told; `Deployment/web` when nothing else is said.
    pub(crate) fn blames(mut self, culprit: &'static str) -> Self {
        self.culprit = culprit;
        self
    }

    /// Words that must be told.
    pub(crate) fn tells(mut self, words: &[&str]) -> Self {
        self.words = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// How a command begins that must be offered.
    pub(crate) fn offers(mut self, next: &'static str) -> Self {
        self.next = next;
        self
    }

    /// Returns the trial's name.
    pub(crate) fn name(&self) -> &'static str {
        self.scene.name
    }

    /// Returns what is deployed, in a namespace of another name, and the object that is to blame.
    pub(crate) fn elsewhere(self, name: &'static str) -> (Scene, &'static str) {
        (Scene { name, ..self.scene }, self.culprit)
    }

    /// Deploys, and holds what came against what was wanted.
    pub(crate) fn prove(&self) -> Seen {
        self.scene.play(|_| Ok(()), |world, run| self.judge(world, run))
    }

    fn judge(&self, world: &World, run: &Run) -> Seen {
        let (finished, verdict, took) = run.verdict()?;
        let proof = self.proof(world, run)?;
        let late = |since| Duration::try_from(finished.at.duration_since(since)).unwrap_or_default();
        let (class, after, limit) = match self.limit {
            Limit::Permanent => ("permanent", late(proof.at), AT_ONCE),
            Limit::Crash => ("crash", late(proof.at), CRASH),
            Limit::Grace(grace) => ("grace", late(proof.at), grace + AT_ONCE),
            Limit::Deadline => ("deadline", took.saturating_sub(self.scene.deadline), AT_ONCE),
        };
        world.table.add(Row {
            class,
            name: self.scene.name,
            took: after,
            limit,
            told_by: proof.told_by,
            words: run.words(),
        });
        let mut complaints = Vec::new();
        let (as_wanted, code) = match (self.limit, verdict) {
            // Of a write the last try is not made when its pause would outlast the deadline.
            (Limit::Deadline, Verdict::Failed { reason }) => {
                (reason.contains(" tries in ") && took >= self.scene.deadline / 2, 5)
            }
            (Limit::Deadline, verdict) => (matches!(verdict, Verdict::TimedOut { .. }), 6),
            (_, verdict) => (matches!(verdict, Verdict::Failed { .. }), 5),
        };
        if !as_wanted || run.ended.code != Some(code) {
            complaints
                .push(format!("the verdict is {verdict:?}, wanted a {class} failure, exit code {code}"));
        }
        if after > limit {
            complaints.push(format!("the verdict came {after:?} after the evidence, later than {limit:?}"));
        }
        complaints.extend(self.unsaid(run));
        complaints.extend(run.unclassed());
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        Ok(())
    }

    fn proof(&self, world: &World, run: &Run) -> Seen<Proof> {
        if let Evidence::Start = self.evidence {
            let began = run.ended.events.iter().find_map(|event| match &event.event {
                EventKind::StageStarted { .. } => Some(event.at),
                _ => None,
            });
            let at = began.ok_or("the stage has no start")?;
            return Ok(Proof { at, told_by: "discovery".to_owned() });
        }
        let namespace = self.scene.namespace();
        wait_for("proof", BEHIND, || world.witness.proof(&namespace, self.evidence))
    }

    /// Returns what the verdict does not tell.
    fn unsaid(&self, run: &Run) -> Vec<String> {
        let line = line_of(&self.scene.objects, self.culprit);
        let place = line.map_or_else(
            || format!("{FILE} has no {}", self.culprit),
            |line| format!("written in {FILE}:{line}"),
        );
        let next = format!("next: {}", self.next.replace("$NAMESPACE", &self.scene.namespace()));
        let wanted = self.words.iter().cloned().chain([self.culprit.to_owned(), place, next]);
        wanted
            .filter(|word| !run.text.contains(word.as_str()))
            .map(|word| format!("`{word}` is not told"))
            .collect()
    }
}

/// A deploy that looks bad and must succeed.
pub(crate) struct Recovery {
    scene: Scene,
    looks: Evidence,
    at_least: Duration,
}

impl Recovery {
    /// Returns a deploy of `objects` that must succeed, though `looks` shows for a time, and not before
    /// `at_least` seconds have passed: what is there sooner has not looked bad.
    pub(crate) fn new(
        name: &'static str,
        objects: impl Into<String>,
        looks: Evidence,
        at_least: u64,
    ) -> Self {
        let mut scene = Scene::new(name, objects);
        scene.deadline = Duration::from_secs(300);
        Self { scene, looks, at_least: Duration::from_secs(at_least) }
    }

    /// What was deployed before, and failed.
    pub(crate) fn after(mut self, earlier: impl Into<String>) -> Self {
        self.scene.earlier = Some(earlier.into());
        self
    }

    /// What must be there before, and what must be done then, with the namespace's name.
    pub(crate) fn beside(mut self, before: impl Into<String>, prepare: fn(&str) -> Seen) -> Self {
        self.scene = self.scene.beside(before, prepare);
        self
    }

    /// Who deploys, as options of the program; the administrator when nothing else is said.
    pub(crate) fn deployed_by(mut self, deployer: &'static [&'static str]) -> Self {
        self.scene.deployer = deployer;
        self
    }

    /// Returns the trial's name.
    pub(crate) fn name(&self) -> &'static str {
        self.scene.name
    }

    /// Deploys, and holds what came against what was wanted.
    pub(crate) fn prove(&self) -> Seen {
        self.prove_with(|_| Ok(()))
    }

    /// The same, and `attend` sees each event as it comes.
    pub(crate) fn prove_with(&self, attend: impl FnMut(&Event) -> Seen) -> Seen {
        self.scene.play(attend, |world, run| self.judge(world, run))
    }

    fn judge(&self, world: &World, run: &Run) -> Seen {
        let (finished, verdict, took) = run.verdict()?;
        ensure!(verdict.is_success() && run.ended.code == Some(0), "a false alarm: {verdict:?}");
        ensure!(took >= self.at_least, "it took only {took:?}: it did not look bad");
        let namespace = self.scene.namespace();
        let proof = wait_for("proof", BEHIND, || world.witness.proof(&namespace, self.looks))?;
        ensure!(proof.at < finished.at, "it looked bad only after it had succeeded");
        let looked = Duration::try_from(finished.at.duration_since(proof.at)).unwrap_or_default();
        world.table.add(Row {
            class: "recovers",
            name: self.scene.name,
            took: looked,
            limit: self.scene.deadline,
            told_by: proof.told_by,
            words: "succeeded".to_owned(),
        });
        Ok(())
    }
}

/// Waits until the API server follows a new rule: a pod is refused with these words.
pub(crate) fn pods_are_refused(namespace: &str, words: &str) -> Seen {
    let probe = ["run", "probe", "--image=probe", "--dry-run=server", "--output=name"];
    is_refused(namespace, &probe, words)
}

/// Waits until the API server refuses what kubectl asks for, with these words.
pub(crate) fn is_refused(namespace: &str, probe: &[&str], words: &str) -> Seen {
    wait_for("refusal", RULES, || {
        Ok(match kubectl_in(namespace, probe) {
            Ok(made) => Err(format!("{made} would be made")),
            Err(refusal) if refusal.contains(words) => Ok(()),
            Err(other) => Err(other),
        })
    })
}
