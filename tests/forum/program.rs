//! Runs of the program under test, the real binary: what it wrote, how it ended, when, and what the API
//! server's audit log says it asked for.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use wesago::event::{Event, EventKind, RunStarted, Verdict};
use wesago::object::{Change, ObjectRef};
use wesago::plan::StageId;

use crate::audit::{Audit, Request};
use crate::cluster::{NAMESPACE, excerpt};
use crate::story::{Seen, Stopwatch, ensure};

/// Longest run of the program; the plan's deadlines are shorter.
const LONGEST_RUN: Duration = Duration::from_secs(600);
/// How often a run is looked at when it says nothing.
const LOOK: Duration = Duration::from_millis(200);
/// Where it runs, and where what it wrote is kept.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
/// How its requests are named in the audit log.
const USER_AGENT: &str = "wesago/";

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

    fn run(&mut self, arguments: &[&str], mut attend: impl FnMut(&Event, &Child) -> Seen) -> Seen<Run> {
        let command = format!("wesago {}", arguments.join(" "));
        let audit = Audit::from_now_on(&self.audit_log)?;
        let watch = Stopwatch::start();
        let mut child = Command::new(env!("CARGO_BIN_EXE_wesago"))
            .args(arguments)
            // A folder without plans: what is built in must do.
            .current_dir(FOLDER)
            .env_remove("WESAGO_ADMIN_PASSWORD")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command}: {error}"))?;
        let followed = follow(&mut child, &watch, &mut attend);
        if followed.is_err() {
            // It may have ended by itself in the meantime; either way it is waited for.
            let _ended_already = child.kill();
        }
        let status = child.wait().map_err(|error| format!("{command}: {error}"))?;
        let (stdout, events, stderr) = followed.map_err(|seen| format!("{command}: {seen}"))?;
        let wall = watch.elapsed();
        self.written.push_str(&stdout);
        self.written.push_str(&stderr);
        self.keep(arguments, &stdout)?;
        let is_ours = |request: &Request| {
            let is_here = request.namespace.is_empty() || request.namespace == NAMESPACE;
            is_here && request.user_agent.starts_with(USER_AGENT)
        };
        let requests = audit.requests()?.into_iter().filter(is_ours).collect();
        Ok(Run { command, code: status.code(), wall, events, stdout, stderr, requests })
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

/// Reads what a process writes until it closes its streams.
fn follow(
    child: &mut Child,
    watch: &Stopwatch,
    attend: &mut impl FnMut(&Event, &Child) -> Seen,
) -> Seen<(String, Vec<Event>, String)> {
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut stderr = child.stderr.take().ok_or("no standard error")?;
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        let result = stderr.read_to_end(&mut text);
        result.map(|_| String::from_utf8_lossy(&text).into_owned()).map_err(|error| error.to_string())
    });
    let (sender, lines) = mpsc::sync_channel(1_024);
    let reader = thread::spawn(move || {
        // An end of the receiver is an end of the test.
        BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    let (mut text, mut events) = (String::new(), Vec::new());
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                if let Ok(event) = serde_json::from_str::<Event>(&line) {
                    attend(&event, child)?;
                    events.push(event);
                }
                text.push_str(&line);
                text.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let limit = LONGEST_RUN.as_secs();
                ensure!(watch.elapsed() < LONGEST_RUN, "not at its end after {limit} s: {}", excerpt(&text));
            }
        }
    }
    reader.join().map_err(|_| "the reader of standard output panicked")?;
    let complaints = complaints.join().map_err(|_| "the reader of standard error panicked")??;
    Ok((text, events, complaints))
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
