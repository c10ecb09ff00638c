//! One event a line, as JSON.

use std::io::{self, Write};

use super::Reporter;
use crate::event::Event;

/// Writes the events as JSON Lines.
pub struct Json<W>(pub W);

impl<W: Write> Reporter for Json<W> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        self.0.flush()
    }
}
