//! One run of the real binary: what it tells as it goes, signals sent to it, and how it ended.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use wesago::event::{Event, EventKind, InterruptionFound};

use super::served::{PATIENCE, Served};

/// A plan of four stages; the third one waits for a Deployment that nobody makes ready but the test.
const PLAN: &str = "name: shop\nnamespace: shop\nstages:\n\
    \x20 base: { apply: [base.yaml] }\n\
    \x20 web: { needs: [base], apply: [web.yaml] }\n\
    \x20 last: { needs: [web], apply: [last.yaml] }\n";
const BASE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: base }\ndata: { a: b }\n";
const LAST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: last }\ndata: { a: b }\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  replicas: 1\n\
    \x20 selector: { matchLabels: { app: web } }\n  template:\n    metadata: { labels: { app: web } }\n\
    \x20   spec: { containers: [{ name: web, image: \"shop:1\" }] }\n";

/// A folder with a plan and a kubeconfig, for one test.
pub(super) struct Place(PathBuf);

/// A process, and the lines it writes to standard output.
pub(super) struct Program {
    pub(super) child: Child,
    lines: mpsc::Receiver<String>,
    errors: thread::JoinHandle<String>,
}

/// How a process ended.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Place {
    pub(super) fn new(test: &str, served: &Served) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("process-{test}"));
        fs::create_dir_all(folder.join("plans")).unwrap();
        for (name, text) in [("wesago", PLAN), ("base", BASE), ("web", WEB), ("last", LAST)] {
            fs::write(folder.join("plans").join(format!("{name}.yaml")), text).unwrap();
        }
        fs::write(folder.join("config"), served.kubeconfig()).unwrap();
        Self(folder)
    }

    /// Returns a command of the program against the server, with nothing of this machine's environment.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wesago"));
        if cfg!(target_os = "linux") {
            // Tests run under `nohup` hand on that SIGHUP is ignored, and the program would honour it.
            command = Command::new("env");
            command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_wesago")]);
        }
        command.args(arguments).args(["--kubeconfig", "config", "--context", "here"]);
        self.settle(&mut command);
        command
    }

    /// Returns a shell that runs a script in which `$WESAGO` is the program.
    pub(super) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        self.settle(&mut command);
        command.env("WESAGO", env!("CARGO_BIN_EXE_wesago")).env("PATH", "/usr/bin:/bin");
        command
    }

    pub(super) fn settle(&self, command: &mut Command) {
        command
            .current_dir(&self.0)
            .env_clear()
            .env("HOME", &self.0)
            .env("USER", "anna")
            .stdin(Stdio::null());
    }

    /// Starts a deploy that tells its events.
    pub(super) fn deploy(&self, more: &[&str]) -> Program {
        let arguments = [&["deploy", "--yes", "--output", "json"], more].concat();
        Program::start(self.command(&arguments))
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        Program::start(self.command(arguments)).end()
    }
}

impl Program {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.all(|line| sender.send(line).is_ok())
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            // What a terminal shows need not be text up to the last byte.
            let _bytes = stderr.read_to_string(&mut text);
            text
        });
        Self { child, lines, errors }
    }

    /// Reads events until one is as wanted, and returns what `pick` makes of it.
    pub(super) fn until<T>(&self, mut pick: impl FnMut(&EventKind) -> Option<T>) -> T {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if let Ok(event) = serde_json::from_str::<Event>(&line)
                && let Some(picked) = pick(&event.event)
            {
                return picked;
            }
        }
    }

    /// Waits until the Deployment of the plan is waited for.
    pub(super) fn until_it_waits(&self) {
        self.until(|event| match event {
            EventKind::ObjectObserved { stage, .. } if stage.as_str() == "web" => Some(()),
            _ => None,
        });
    }

    /// Waits until it tells of an earlier run that was interrupted.
    pub(super) fn until_interruption_found(&self) -> InterruptionFound {
        self.until(|event| match event {
            EventKind::InterruptionFound(found) => Some(found.clone()),
            _ => None,
        })
    }

    /// Returns the run's name, from its first event.
    pub(super) fn run(&self) -> String {
        self.until(|event| match event {
            EventKind::RunStarted(started) => Some(started.run.clone()),
            _ => None,
        })
    }

    /// Sends a signal, such as `INT`.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "no process to send SIG{name} to");
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end, which must come soon.
    pub(super) fn end(mut self) -> Ended {
        // It has ended once it has closed its output.
        let mut stdout = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => stdout.extend([line.as_str(), "\n"]),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("it did not end; it wrote {stdout}");
                }
            }
        }
        let status: ExitStatus = self.child.wait().unwrap();
        Ended { code: status.code(), stdout, stderr: self.errors.join().unwrap() }
    }
}

impl Ended {
    /// Returns the events it told.
    pub(super) fn events(&self) -> Vec<EventKind> {
        let events = self.stdout.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
        events.map(|event| event.event).collect()
    }
}
