//! A deploy that must fail, soon after the evidence, with the cause, the line to mend and the next command.

use std::time::Duration;

use wesago::event::{EventKind, Verdict};

use super::BEHIND;
use super::scene::{FILE, Preflight, Run, Scene};
use crate::evidence::Evidence;
use crate::objects::line_of;
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::table::Row;
use crate::witness::Proof;
use crate::world::World;

/// What cannot pass by itself is told within this time of the evidence; so is, of the deadline, what was
/// waited for until then.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A program that ends again and again is given up within this time.
const CRASH: Duration = Duration::from_secs(12);

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
