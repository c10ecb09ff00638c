//! Runs of the program under test, the real binary: what it wrote, how it ended, when, and what the API
//! server's audit log says it asked for.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use wesago::event::{Event, EventKind, RunStarted, Verdict};
use wesago::object::{Change, ObjectRef};
use wesago::plan::StageId;

use crate::cluster::NAMESPACE;
use crate::sandbox::audit::{Audit, Request};
use crate::sandbox::command::excerpt;
use crate::sandbox::process::{self, Ended, USER_AGENT};
use crate::sandbox::seen::{Seen, ensure};

/// Where it runs, and where what it wrote is kept.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// The program, with the log of what it asks for and all that it ever wrote.
pub(crate) struct Program {
    audit_log: PathBuf,
    written: String,
    runs: usize,
}

/// One run.
pub(crate) struct Run {
    /// The command line.
    pub(crate) command: String,
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// From the start of the process to its end.
    pub(crate) wall: Duration,
    /// The events, if it was asked for them.
    pub(crate) events: Vec<Event>,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
    /// What it asked the API server for.
    pub(crate) requests: Vec<Request>,
}

impl Program {
    /// Returns the program, seen through this audit log.
    pub(crate) fn new(audit_log: PathBuf) -> Self {
        Self { audit_log, written: String::new(), runs: 0 }
    }

    /// Runs a command that prints events, to its end.
    pub(crate) fn events_of(&mut self, arguments: &[&str]) -> Seen<Run> {
        self.attended(arguments, |_, _| Ok(()))
    }

    /// Runs a command and lets `attend` see every event with the process as it comes.
    pub(crate) fn attended(
        &mut self,
        arguments: &[&str],
        attend: impl FnMut(&Event, &Child) -> Seen,
    ) -> Seen<Run> {
        self.run(&[arguments, &["--context", "sandbox", "--yes", "--output", "json"]].concat(), attend)
    }

    /// Runs a command that prints for a person, to its end.
    pub(crate) fn text_of(&mut self, arguments: &[&str]) -> Seen<Run> {
        self.run(&[arguments, &["--context", "sandbox"]].concat(), |_, _| Ok(()))
    }

    fn run(&mut self, arguments: &[&str], attend: impl FnMut(&Event, &Child) -> Seen) -> Seen<Run> {
        let command = format!("wesago {}", arguments.join(" "));
        let mut audit = Audit::from_now_on(&self.audit_log)?;
        let mut program = Command::new(env!("CARGO_BIN_EXE_wesago"));
        // A folder without plans: what is built in must do.
        program.args(arguments).current_dir(FOLDER).env_remove("WESAGO_ADMIN_PASSWORD");
        let ended = process::run(&mut program, attend).map_err(|seen| format!("{command}: {seen}"))?;
        let Ended { code, wall, events, stdout, stderr } = ended;
        self.written.push_str(&stdout);
        self.written.push_str(&stderr);
        self.keep(arguments, &stdout)?;
        let is_ours = |request: &Request| {
            let is_here = request.namespace.is_empty() || request.namespace == NAMESPACE;
            is_here && request.user_agent.starts_with(USER_AGENT)
        };
        let requests = audit.requests()?.into_iter().filter(is_ours).collect();
        Ok(Run { command, code, wall, events, stdout, stderr, requests })
    }

    /// Leaves what a run wrote in a file, for whoever has to find out why a step failed.
    fn keep(&mut self, arguments: &[&str], stdout: &str) -> Seen {
        self.runs += 1;
        let name = format!("forum-run-{:02}-{}.txt", self.runs, arguments.first().unwrap_or(&""));
        let path = Path::new(FOLDER).join(name);
        std::fs::write(&path, stdout).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// None of these values was ever written.
    pub(crate) fn never_wrote<'a>(&self, values: impl IntoIterator<Item = (&'a String, &'a String)>) -> Seen {
        for (key, value) in values {
            ensure!(!value.is_empty(), "{key} is empty");
            ensure!(!self.written.contains(value.as_str()), "the value of {key} was written to the output");
        }
        Ok(())
    }
}

impl Run {
    /// Returns the run when it ended with this exit code.
    pub(crate) fn ending_with(self, code: i32) -> Seen<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let told: Vec<String> = self.events.iter().rev().take(12).map(|event| format!("{event:?}")).collect();
        let told: Vec<String> = told.into_iter().rev().collect();
        Err(format!(
            "`{}` ended with {:?}, wanted {code}\nstandard error: {}\nlast events:\n{}\n",
            self.command,
            self.code,
            excerpt(&self.stderr),
            told.join("\n")
        ))
    }

    /// Returns the run's first event.
    pub(crate) fn outline(&self) -> Seen<&RunStarted> {
        match self.events.first().map(|event| &event.event) {
            Some(EventKind::RunStarted(started)) => Ok(started),
            other => Err(format!("`{}` begins with {other:?}\n{}", self.command, excerpt(&self.stdout))),
        }
    }

    /// Returns what a write did to each object.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&ObjectRef, Change)> {
        self.events.iter().filter_map(|event| match &event.event {
            EventKind::ObjectApplied { object, change, .. } => Some((object, *change)),
            _ => None,
        })
    }

    /// Returns when a stage started and when it finished, since the start of the run, and how it ended.
    pub(crate) fn stage(&self, stage: &StageId) -> Seen<(&Event, &Event, &Verdict)> {
        let started = self.events.iter().find(|event| match &event.event {
            EventKind::StageStarted { stage: started } => started == stage,
            _ => false,
        });
        let finished = self.events.iter().find_map(|event| match &event.event {
            EventKind::StageFinished { stage: finished, verdict, .. } if finished == stage => {
                Some((event, verdict))
            }
            _ => None,
        });
        match (started, finished) {
            (Some(started), Some((finished, verdict))) => Ok((started, finished, verdict)),
            _ => Err(format!("`{}`: stage {stage} has no start or no end", self.command)),
        }
    }

    /// Returns the requests that ask for a change of something.
    pub(crate) fn writes(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(|request| request.is_write())
    }
}
