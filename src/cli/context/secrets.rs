//! Where secret values come from: the environment, a program's output, the system's randomness. A value is
//! never part of a message.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::engine::SecretSources;
use crate::plan::SecretSource;

/// Letters and digits that no shell, URL or configuration file reads in another way.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How long a program may take: enough for somebody to find the key and touch it.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// The sources of this process.
pub(crate) struct ProcessSecrets;

impl SecretSources for ProcessSecrets {
    fn value(&self, source: &SecretSource) -> Result<Option<Vec<u8>>, String> {
        match source {
            // An empty password is a slip of a script, never a wish.
            SecretSource::Env(name) => {
                Ok(super::variable(name).filter(|value| !value.is_empty()).map(String::into_bytes))
            }
            SecretSource::Command(words) => run(words, ENDS_WITHIN).map(Some),
            SecretSource::Generate(length) => generate(usize::from(*length)).map(Some),
        }
    }
}

/// Runs a program and returns its output without the last line end.
fn run(words: &[String], within: Duration) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = words else { return Err("the command is empty".to_owned()) };
    let mut command = Command::new(program);
    // Its errors, and what it asks of its user ("touch the key"), are between the two of them.
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = in_time(command, within)
        .map_err(|cause| format!("`{program}` cannot be run: {cause}"))?
        .ok_or_else(|| format!("`{program}` did not end within {} s", within.as_secs()))?;
    if !output.status.success() {
        return Err(format!("`{program}` ended with {}", output.status));
    }
    let mut value = output.stdout;
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    if value.is_empty() { Err(format!("`{program}` printed nothing")) } else { Ok(value) }
}

/// Returns the output of a program; `None` when it did not end in time and was killed.
fn in_time(mut command: Command, within: Duration) -> io::Result<Option<Output>> {
    // The asker is not async and its runtime has one thread: the program gets a thread of its own.
    let runs = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(async { tokio::time::timeout(within, command.output()).await }) {
            Ok(output) => output.map(Some),
            Err(_late) => Ok(None),
        }
    });
    runs.join().unwrap_or_else(|_panic| Err(io::Error::other("its thread broke")))
}

/// Returns so many letters and digits, each as likely as any other: a byte that would favour the first
/// ones is thrown away.
fn generate(length: usize) -> Result<Vec<u8>, String> {
    let limit = 256 - 256 % ALPHABET.len();
    let mut value = Vec::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while value.len() < length {
        getrandom::fill(&mut bytes).map_err(|cause| format!("the system gives no randomness: {cause}"))?;
        let fair = bytes.iter().map(|&byte| usize::from(byte)).filter(|&byte| byte < limit);
        value.extend(fair.map(|byte| ALPHABET[byte % ALPHABET.len()]).take(length - value.len()));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ALPHABET, ENDS_WITHIN, ProcessSecrets, generate};
    use crate::engine::SecretSources as _;
    use crate::plan::SecretSource;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn generated_values_have_the_length_and_the_alphabet_and_differ() {
        let value = generate(1000).unwrap();
        assert_eq!(value.len(), 1000);
        assert!(value.iter().all(|byte| ALPHABET.contains(byte)));
        assert!(ALPHABET.iter().all(|byte| value.contains(byte)), "some letter never came in 1000");
        assert_ne!(generate(32).unwrap(), generate(32).unwrap());
    }

    fn run(words: &[String]) -> Result<Vec<u8>, String> {
        super::run(words, ENDS_WITHIN)
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let error = super::run(&words(&["sleep", "600"]), Duration::from_millis(50)).unwrap_err();
        assert!(error.contains("did not end"), "{error}");
    }

    #[test]
    fn a_programs_output_loses_one_line_end_only() {
        assert_eq!(run(&words(&["printf", "a\n\n"])).unwrap(), b"a\n");
        assert!(run(&words(&["false"])).unwrap_err().contains("exit status: 1"));
        assert!(run(&words(&["true"])).unwrap_err().contains("printed nothing"));
        assert!(run(&words(&["no-such-program-here"])).unwrap_err().contains("cannot be run"));
    }

    #[test]
    fn a_failed_program_does_not_betray_its_output() {
        let error = run(&words(&["sh", "-c", "echo hunter2; exit 3"])).unwrap_err();
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn an_unset_variable_has_no_value() {
        let source = SecretSource::Env("WESAGO_TEST_THIS_IS_NOT_SET".into());
        assert_eq!(ProcessSecrets.value(&source), Ok(None));
    }
}
