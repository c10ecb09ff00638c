//! One run of the program under test, the real binary: what it writes, as it comes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use wesago::event::Event;

use super::command::excerpt;
use super::seen::{Seen, Stopwatch, ensure};

/// Longest run of the program; the plans' deadlines are shorter.
const LONGEST_RUN: Duration = Duration::from_secs(600);
/// How often a run is looked at when it says nothing.
const LOOK: Duration = Duration::from_millis(200);
/// How its requests are named in the audit log.
pub(crate) const USER_AGENT: &str = "wesago/";

/// How a process ended, and what it wrote.
pub(crate) struct Ended {
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
}

impl Ended {
    /// Returns the run of these words when it ended with this exit code.
    pub(crate) fn with_code(self, words: &[&str], code: i32) -> Seen<Self> {
        ensure!(
            self.code == Some(code),
            "`wesago {}` ended with {:?}, wanted {code}\n{}\n{}",
            words.join(" "),
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }
}

/// Sends a signal, such as `INT`, to a process that must be there.
pub(crate) fn signal(pid: u32, name: &str) -> Seen {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    let sent = sent.map_err(|error| format!("kill: {error}"))?;
    ensure!(sent.success(), "no process {pid} to send SIG{name} to: {sent}");
    Ok(())
}

/// Runs the program to its end and lets `attend` see every event with the process as it comes.
pub(crate) fn run(command: &mut Command, mut attend: impl FnMut(&Event, &Child) -> Seen) -> Seen<Ended> {
    let mut events = Vec::new();
    let ended = run_by_lines(command, |line, child| {
        let Ok(event) = serde_json::from_str::<Event>(line) else { return Ok(()) };
        attend(&event, child)?;
        events.push(event);
        Ok(())
    })?;
    Ok(Ended { events, ..ended })
}

/// Runs the program to its end and lets `attend` see every line with the process as it comes.
pub(crate) fn run_by_lines(
    command: &mut Command,
    mut attend: impl FnMut(&str, &Child) -> Seen,
) -> Seen<Ended> {
    let watch = Stopwatch::start();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let followed = follow(&mut child, &watch, &mut attend);
    if followed.is_err() {
        // It may have ended by itself in the meantime; either way it is waited for.
        let _ended_already = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let (stdout, stderr) = followed?;
    Ok(Ended { code: status.code(), wall: watch.elapsed(), events: Vec::new(), stdout, stderr })
}

/// Reads what a process writes until it closes its streams.
fn follow(
    child: &mut Child,
    watch: &Stopwatch,
    attend: &mut impl FnMut(&str, &Child) -> Seen,
) -> Seen<(String, String)> {
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
    let mut text = String::new();
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                attend(&line, child)?;
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
    Ok((text, complaints))
}
