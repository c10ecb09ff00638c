//! What is deployed, and what must hold of it after each deploy that came to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::cluster;
use crate::run::{Ended, Run};
use crate::sandbox::seen::{Seen, Stopwatch, ensure};

/// A plan under test.
pub(crate) struct Subject {
    name: &'static str,
    pub(crate) namespace: &'static str,
    /// The options that name the plan.
    plan: &'static [&'static str],
    /// True when a new edition gives a deploy work again; else it must begin from nothing.
    pub(crate) has_editions: bool,
    edition: u32,
}

/// The Jobs that have completed, with their uid, by name.
pub(crate) type Jobs = BTreeMap<String, String>;

impl Subject {
    /// Returns the small plan beside this file.
    pub(crate) fn small() -> Self {
        let plan = &["--plan", "tests/faults/plan/plan.yaml"];
        Self { name: "faults", namespace: "wesago-faults", plan, has_editions: true, edition: 0 }
    }

    /// Returns the whole forum.
    pub(crate) fn forum() -> Self {
        Self { name: "wesago", namespace: "gic-wesago", plan: &[], has_editions: false, edition: 0 }
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> =
            words.iter().chain(self.plan).map(|word| (*word).to_owned()).collect();
        if self.has_editions {
            arguments.extend(["--set".to_owned(), format!("edition=e{}", self.edition)]);
        }
        arguments
    }

    /// Changes the content of every stage.
    pub(crate) fn next_edition(&mut self) {
        self.edition += 1;
    }

    /// Starts a deploy.
    pub(crate) fn deploy(&self) -> Seen<Run> {
        Run::start(&self.arguments(&["deploy"]))
    }

    /// Deploys to the end and returns how long it took.
    pub(crate) fn deploy_in_peace(&mut self) -> Seen<Duration> {
        self.next_edition();
        let watch = Stopwatch::start();
        self.deploy()?.end()?.ending_with(0)?;
        let took = watch.elapsed();
        self.is_whole()?;
        Ok(took)
    }

    /// Deploys until everything is there, after something happened: it ends well, no Job that had
    /// completed is run again, and nothing is orphaned.
    pub(crate) fn converges(&self) -> Seen<Ended> {
        let before = self.completed_jobs()?;
        let ended = self.deploy()?.end()?.ending_with(0)?;
        self.ran_none_again(&before)?;
        self.is_whole()?;
        Ok(ended)
    }

    /// No Job that had completed is another one now.
    pub(crate) fn ran_none_again(&self, before: &Jobs) -> Seen {
        let now = self.completed_jobs()?;
        for (name, uid) in before {
            ensure!(now.get(name) == Some(uid), "Job {name} had completed as {uid}; now: {now:?}");
        }
        Ok(())
    }

    /// Every object with our label is in the inventory, and the other way round.
    pub(crate) fn is_whole(&self) -> Seen {
        let labelled: BTreeSet<String> = cluster::owned(self.namespace)?.into_keys().collect();
        let parent = cluster::object(self.namespace, &format!("configmap/wesago-{}", self.name))?;
        let parent = parent.ok_or("there is no inventory")?;
        let records = parent["data"]["objects"].as_str().unwrap_or_default();
        let member = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let kind = words.first()?.split('.').next()?;
            // What is outside of the namespace has no place in the other list.
            (words.get(1) == Some(&self.namespace)).then(|| format!("{kind}/{}", words[2]))
        };
        let members: BTreeSet<String> = records.lines().filter_map(member).collect();
        let orphans: Vec<_> = labelled.difference(&members).collect();
        let lost: Vec<_> = members.difference(&labelled).collect();
        ensure!(
            orphans.is_empty() && lost.is_empty(),
            "not in the inventory: {orphans:?}; only there: {lost:?}"
        );
        ensure!(!members.is_empty(), "the inventory is empty");
        Ok(())
    }

    /// Returns the completed Jobs that are of the present edition.
    pub(crate) fn completed_jobs(&self) -> Seen<Jobs> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_complete = |job: &Value| {
            let conditions = job["status"]["conditions"].as_array();
            conditions
                .is_some_and(|all| all.iter().any(|one| one["type"] == "Complete" && one["status"] == "True"))
        };
        let mut jobs = cluster::jobs(self.namespace)?;
        jobs.retain(|job| is_complete(job) && self.is_of_this_edition(job));
        Ok(jobs.iter().map(|job| (text(&job["metadata"]["name"]), text(&job["metadata"]["uid"]))).collect())
    }

    fn is_of_this_edition(&self, job: &Value) -> bool {
        let env = &job["spec"]["template"]["spec"]["containers"][0]["env"];
        !self.has_editions || env[0]["value"] == format!("e{}", self.edition)
    }

    /// Removes everything.
    pub(crate) fn tear_down(&self) -> Seen {
        Run::start(&self.arguments(&["teardown", "--delete-data"]))?.end()?.ending_with(0)?;
        let left = cluster::owned(self.namespace)?;
        ensure!(left.is_empty(), "left after the teardown: {left:?}");
        Ok(())
    }
}
