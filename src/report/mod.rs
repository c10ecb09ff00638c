//! L3: views of events. Each reporter turns the one stream of events into one kind of output.

mod json;
mod plain;

use std::io;

use crate::event::{Event, EventKind};

pub use json::Json;
pub use plain::Plain;

/// A consumer of events.
pub trait Reporter {
    /// Takes one event.
    ///
    /// # Errors
    /// When the output cannot be written to.
    fn report(&mut self, event: &Event) -> io::Result<()>;

    /// May draw again; called a few times a second.
    fn tick(&mut self) {}
}

/// All reporters of a run. One that fails is dropped, and the others are told; the run goes on.
#[derive(Default)]
pub struct Fanout {
    reporters: Vec<(&'static str, Box<dyn Reporter>)>,
}

impl Fanout {
    /// Adds a reporter under the name it is spoken of.
    pub fn add(&mut self, name: &'static str, reporter: impl Reporter + 'static) {
        self.reporters.push((name, Box::new(reporter)));
    }

    /// Hands an event to every reporter.
    pub fn report(&mut self, event: &Event) {
        let mut failed = Vec::new();
        self.reporters.retain_mut(|(name, reporter)| match reporter.report(event) {
            Ok(()) => true,
            Err(error) => {
                failed.push(format!("the {name} output is gone ({error}); the run goes on"));
                false
            }
        });
        for message in failed {
            let told = Event { event: EventKind::Warned { message }, ..event.clone() };
            self.reporters.retain_mut(|(_, reporter)| reporter.report(&told).is_ok());
        }
    }

    /// Lets the reporters draw.
    pub fn tick(&mut self) {
        for (_, reporter) in &mut self.reporters {
            reporter.tick();
        }
    }
}
