//! A deploy that looks bad for a time and must end well: no false alarm.

use std::time::Duration;

use wesago::event::Event;

use super::BEHIND;
use super::scene::{Run, Scene};
use crate::evidence::Evidence;
use crate::sandbox::seen::{Seen, ensure, wait_for};
use crate::table::Row;
use crate::world::World;

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
