//! The events themselves, one JSON object a line, each written out at once: `event::Event` is the shape.

use std::io::{self, Write};

use super::{Reporter, RunView};
use crate::event::Event;

/// Writes the events as JSON Lines.
pub struct Json<W>(pub W);

impl<W: Write> Reporter for Json<W> {
    fn report(&mut self, event: &Event, _view: &RunView) -> io::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::Json;
    use crate::event::Event;
    use crate::report::{Reporter as _, RunView, script};

    #[test]
    fn every_line_reads_back_as_the_event_it_was() {
        let script = script::failure();
        let mut json = Json(Vec::new());
        for event in script.events() {
            json.report(event, &RunView::default()).unwrap();
        }
        let text = String::from_utf8(json.0).unwrap();
        let back: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, script.events());
    }
}
