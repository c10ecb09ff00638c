//! Where secret values come from: the environment, a program's output, the system's randomness. A value is
//! never part of a message.

use std::process::{Command, Stdio};

use crate::engine::SecretSources;
use crate::plan::SecretSource;

/// Letters and digits that no shell, URL or configuration file reads in another way.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The sources of this process.
pub(crate) struct ProcessSecrets;

impl SecretSources for ProcessSecrets {
    fn value(&self, source: &SecretSource) -> Result<Option<Vec<u8>>, String> {
        match source {
            SecretSource::Env(name) => Ok(super::variable(name).map(String::into_bytes)),
            SecretSource::Command(words) => run(words).map(Some),
            SecretSource::Generate(length) => generate(usize::from(*length)).map(Some),
        }
    }
}

/// Runs a program and returns its output without the last line end.
fn run(words: &[String]) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = words else { return Err("the command is empty".to_owned()) };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|cause| format!("`{program}` cannot be run: {cause}"))?;
    if !output.status.success() {
        return Err(format!("`{program}` ended with {}", output.status));
    }
    let mut value = output.stdout;
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    if value.is_empty() { Err(format!("`{program}` printed nothing")) } else { Ok(value) }
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
    use super::{ALPHABET, ProcessSecrets, generate, run};
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
