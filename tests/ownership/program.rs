//! The program on the plan beside this file.

use std::process::Command;

use crate::sandbox::process::{self, Ended};
use crate::sandbox::seen::Seen;

/// The plan's file.
pub(crate) const PLAN: &str = "tests/ownership/plan/plan.yaml";

/// Runs a command on an edition of the plan to its end, which must have this exit code.
pub(crate) fn wesago(words: &[&str], edition: &str, code: i32) -> Seen<Ended> {
    let edition = format!("edition={edition}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wesago"));
    command.args(words).args(["--plan", PLAN, "--set", &edition, "--context", "sandbox"]);
    process::run(command.current_dir(env!("CARGO_MANIFEST_DIR")), |_, _| Ok(()))?.with_code(words, code)
}
