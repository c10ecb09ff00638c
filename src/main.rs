//! The `wesago` program: see the library, `cli` first.

use std::process::ExitCode;

fn main() -> ExitCode {
    wesago::cli::run().into()
}
