//! One run of the real binary: its events as they come, signals, and its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wesago::event::{Event, EventKind};

use crate::sandbox::process;
use crate::sandbox::seen::{Seen, Stopwatch};

/// Longest silence of a run that goes on; the plans' deadlines are shorter.
const SILENCE: Duration = Duration::from_secs(600);

/// A run under way.
pub(crate) struct Run {
    command: String,
    child: Child,
    events: Receiver<Event>,
    errors: JoinHandle<String>,
    told: Vec<EventKind>,
}

/// A run that has ended.
pub(crate) struct Ended {
    command: String,
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it told.
    pub(crate) told: Vec<EventKind>,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// Starts the program against the sandbox.
    pub(crate) fn start(arguments: &[String]) -> Seen<Self> {
        let command = format!("wesago {}", arguments.join(" "));
        let mut child = Command::new(env!("CARGO_BIN_EXE_wesago"))
            .args(arguments)
            .args(["--context", "sandbox", "--yes", "--output", "json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command}: {error}"))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut stderr = child.stderr.take().ok_or("no standard error")?;
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.filter_map(|line| serde_json::from_str(&line).ok()).all(|event| sender.send(event).is_ok())
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            // A run that is killed may be cut off in the middle of a letter.
            let _cut_off = stderr.read_to_string(&mut text);
            text
        });
        Ok(Self { command, child, events, errors, told: Vec::new() })
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a stage has started.
    pub(crate) fn until_stage(&mut self, name: &str) -> Seen {
        loop {
            let event = self.events.recv_timeout(SILENCE);
            let event = event.map_err(|error| format!("{}: no stage {name}: {error}", self.command))?.event;
            let is_it = matches!(&event, EventKind::StageStarted { stage } if stage.as_str() == name);
            self.told.push(event);
            if is_it {
                return Ok(());
            }
        }
    }

    /// Lets it run for a while at most, and returns true when it has ended by then.
    pub(crate) fn for_a_while(&mut self, while_: Duration, watch: &Stopwatch) -> bool {
        loop {
            match self.events.recv_timeout(while_.saturating_sub(watch.elapsed())) {
                Ok(event) => self.told.push(event.event),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    /// Sends a signal, such as `KILL`.
    pub(crate) fn signal(&self, name: &str) -> Seen {
        process::signal(self.pid(), name).map_err(|seen| format!("{}: {seen}", self.command))
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Seen<Ended> {
        loop {
            match self.events.recv_timeout(SILENCE) {
                Ok(event) => self.told.push(event.event),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    // Whether it can be killed or not, the test ends here.
                    let _ended = self.child.kill();
                    return Err(format!("{} did not end: {:?}", self.command, self.told.last()));
                }
            }
        }
        let status = self.child.wait().map_err(|error| format!("{}: {error}", self.command))?;
        let stderr = self.errors.join().map_err(|_| "the reader of standard error panicked")?;
        Ok(Ended { command: self.command, code: status.code(), told: self.told, stderr })
    }
}

impl Ended {
    /// Returns the run when it ended with this exit code.
    pub(crate) fn ending_with(self, code: i32) -> Seen<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let last: Vec<String> = self.told.iter().rev().take(12).map(|event| format!("{event:?}")).collect();
        let last: Vec<String> = last.into_iter().rev().collect();
        Err(format!(
            "`{}` ended with {:?}, wanted {code}\nstandard error: {}\nlast events:\n{}",
            self.command,
            self.code,
            self.stderr,
            last.join("\n")
        ))
    }

    /// Returns how many tries of requests failed and were repeated.
    pub(crate) fn failed_tries(&self) -> usize {
        self.told.iter().filter(|event| matches!(event, EventKind::AttemptFailed { .. })).count()
    }
}
