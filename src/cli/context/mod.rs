//! The outside world: environment, files, terminal, wall clock, the system's randomness and the
//! kubeconfig enter the program here, once, as values. Nothing below reads any of them itself.

mod files;
mod git;
mod journals;
mod kubeconfig;
mod process;
mod secrets;

use std::io::{IsTerminal as _, Write as _};

use jiff::Timestamp;

pub(super) use files::{BuiltInFiles, DiskFiles, exists};
pub(super) use journals::{Contents, JournalFile, Journals, Kept, read_journal, write_file};
pub(super) use kubeconfig::{Connection, IN_CLUSTER, connect, current_context};
pub(super) use process::{hangups_are_ignored, holder, origin};
pub(super) use secrets::ProcessSecrets;

use crate::clock::Clock;
use crate::entropy::Entropy;

/// The environment variable that replays a run's randomness: the `seed` of its first event.
const SEED: &str = "WESAGO_SEED";

/// What the program knows of the world around it.
pub(crate) struct Context {
    /// The time of the run.
    pub clock: Clock,
    /// The randomness of the run.
    pub entropy: Entropy,
    /// True when standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// True when standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// True when somebody can be asked: standard input and standard error are a terminal.
    pub can_ask: bool,
}

impl Context {
    /// Reads the world. Needs a running runtime, for its clock.
    ///
    /// # Errors
    /// Why the system gives no randomness, or `WESAGO_SEED` is not a number.
    pub(crate) fn read() -> Result<Self, String> {
        #[expect(clippy::disallowed_methods, reason = "the one place where wall time enters")]
        let now = Timestamp::now();
        let stderr_is_terminal = std::io::stderr().is_terminal();
        Ok(Self {
            clock: Clock::starting_at(now),
            entropy: Entropy::from_seed(seed()?),
            stderr_is_terminal,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            can_ask: std::io::stdin().is_terminal() && stderr_is_terminal,
        })
    }

    /// Asks on the terminal as [`Context::ask`] does, while everything else goes on: a lock wants to be renewed,
    /// an interrupt to be heard. The thread that reads is left to the end of the process.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) async fn answer(question: String) -> std::io::Result<String> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // Nobody waits any more after an interrupt.
            let _nobody_waits = sender.send(Self::ask(&question));
        });
        receiver.await.unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    /// Asks on the terminal and returns the answer without its line end.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn ask(question: &str) -> std::io::Result<String> {
        let mut stderr = anstream::stderr();
        write!(stderr, "{question}")?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

/// Returns an environment variable that is set and readable.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
    std::env::var(name).ok()
}

fn seed() -> Result<u64, String> {
    if let Some(text) = variable(SEED) {
        return text.parse().map_err(|_| format!("`{SEED}={text}` is not a whole number"));
    }
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|cause| format!("the system gives no randomness: {cause}"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Returns the columns and rows of the terminal on standard error, as they are now.
pub(crate) fn terminal_size() -> Option<(usize, usize)> {
    let (columns, rows) = terminal_size::terminal_size_of(std::io::stderr())?;
    Some((usize::from(columns.0), usize::from(rows.0)))
}
