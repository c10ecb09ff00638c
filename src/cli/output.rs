//! Writing to the standard streams: a reader that has gone away is no error, and colours follow the
//! `--color` option and the terminal.

use std::io::{self, Write as _};

use super::arguments::Colour;
use super::exit::{Exit, Failure};

/// Makes `--color` the rule of every stream.
pub(super) fn choose_colours(colour: Colour) {
    let choice = match colour {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Returns true when standard error shows colours.
pub(super) fn stderr_is_coloured() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Writes to standard output, and tells when its reader is gone.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    write(text).or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::new(Exit::Internal, "standard output cannot be written to").caused_by(&error)),
    })
}

/// Writes to standard error; when even that fails nobody is left to be told.
pub(super) fn complain(text: &str) {
    let mut stderr = anstream::stderr();
    let _nobody_listens = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
