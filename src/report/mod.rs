//! L3: views of events. The one stream of events is folded into a [`RunView`]; each reporter turns event
//! and view into one kind of output.
//!
//! ```text
//! engine ─▶ Fanout ─▶ RunView ─┬─▶ Terminal   a live view, redrawn on tick
//!                              ├─▶ Plain      one line an event, for logs
//!                              ├─▶ Json       the events themselves
//!                              ├─▶ summary    what is told at the end
//!                              ├─▶ replay     a recorded run, told again
//!                              └─▶ page       the same as one page of HTML
//! ```
//!
//! `forecast` shows what a deploy would do, before there is any event.

mod findings;
mod forecast;
mod html;
mod ink;
mod json;
mod log;
mod plain;
mod replay;
#[cfg(test)]
mod script;
mod summary;
mod terminal;
mod view;
mod words;

use std::io;
use std::time::Duration;

pub(crate) use findings::finding_text;
pub use forecast::{Heading, forecast_lines, forecast_markdown, forecast_notices, forecast_text};
pub use html::page;
pub(crate) use ink::Ink;
pub use json::Json;
pub use plain::Plain;
pub use replay::replay;
pub use summary::{NextSteps, summary};
pub use terminal::{Size, Terminal};
pub use view::{ObjectView, RunView, StageState, StageView};
pub(crate) use words::{
    age, changes as changes_words, count, cut, duration, interruption as interruption_words, padded,
    readiness as readiness_words, width,
};

use crate::clock::Clock;
use crate::event::Event;

/// A consumer of events.
pub trait Reporter {
    /// Takes one event; `view` holds it already.
    ///
    /// # Errors
    /// When the output cannot be written to.
    fn report(&mut self, event: &Event, view: &RunView) -> io::Result<()>;

    /// May draw again; called a few times a second. `elapsed` is the time since the start of the run.
    ///
    /// # Errors
    /// When the output cannot be written to.
    fn tick(&mut self, _view: &RunView, _elapsed: Duration) -> io::Result<()> {
        Ok(())
    }

    /// Takes what is drawn off the terminal: somebody else writes to it until the next tick.
    ///
    /// # Errors
    /// When the output cannot be written to.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Tells something that is not part of the run, such as the loss of another output.
    ///
    /// # Errors
    /// When the output cannot be written to.
    fn notice(&mut self, _message: &str) -> io::Result<()> {
        Ok(())
    }

    /// Ends the output: nothing comes after it.
    ///
    /// # Errors
    /// When the output cannot be written to.
    fn finish(&mut self, _view: &RunView) -> io::Result<()> {
        Ok(())
    }
}

/// All reporters of a run, and the view they read. A reporter that fails is dropped with one word to the
/// others; the run goes on, unless the reporter is one it must not go on without.
pub struct Fanout {
    clock: Clock,
    view: RunView,
    reporters: Vec<Output>,
}

/// One of the reporters.
struct Output {
    name: &'static str,
    reporter: Box<dyn Reporter>,
    /// What its loss leads to; `None` when the run goes on.
    on_loss: Option<Box<dyn FnOnce()>>,
}

impl Fanout {
    /// Returns a fanout without reporters; `clock` is the run's.
    pub fn new(clock: Clock) -> Self {
        Self { clock, view: RunView::default(), reporters: Vec::new() }
    }

    /// Adds a reporter under the name it is spoken of.
    pub fn add(&mut self, name: &'static str, reporter: impl Reporter + 'static) {
        self.reporters.push(Output { name, reporter: Box::new(reporter), on_loss: None });
    }

    /// Adds a reporter without which the run must not go on: `on_loss` is called once when it fails, and
    /// is to cancel the run.
    pub fn add_vital(
        &mut self,
        name: &'static str,
        reporter: impl Reporter + 'static,
        on_loss: impl FnOnce() + 'static,
    ) {
        let on_loss: Box<dyn FnOnce()> = Box::new(on_loss);
        self.reporters.push(Output { name, reporter: Box::new(reporter), on_loss: Some(on_loss) });
    }

    /// Hands an event to every reporter.
    pub fn report(&mut self, event: &Event) {
        self.view.apply(event);
        self.each(|reporter, view| reporter.report(event, view));
    }

    /// Lets the reporters draw.
    pub fn tick(&mut self) {
        let elapsed = self.clock.elapsed();
        self.each(|reporter, view| reporter.tick(view, elapsed));
    }

    /// Takes what is drawn off the terminal until the next tick.
    pub fn pause(&mut self) {
        self.each(|reporter, _| reporter.pause());
    }

    /// Ends every output, and returns what the run came to.
    pub fn finish(mut self) -> RunView {
        self.each(|reporter, view| reporter.finish(view));
        self.view
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Reporter, &RunView) -> io::Result<()>) {
        let view = &self.view;
        let is_over = view.finished.is_some();
        let mut lost = Vec::new();
        self.reporters.retain_mut(|output| match act(output.reporter.as_mut(), view) {
            Ok(()) => true,
            Err(error) => {
                lost.push(loss(output.name, &error, output.on_loss.is_some(), is_over));
                if let Some(on_loss) = output.on_loss.take() {
                    on_loss();
                }
                false
            }
        });
        for message in lost {
            // One that fails here too is dropped as well; the others have been told of one loss already.
            self.reporters.retain_mut(|output| output.reporter.notice(&message).is_ok());
        }
    }
}

/// Returns what is said about the loss of an output.
fn loss(name: &str, error: &io::Error, is_vital: bool, is_over: bool) -> String {
    match (is_vital, is_over) {
        (true, true) => format!("the {name} is not complete ({error}); the run was over"),
        (true, false) => format!("the {name} cannot be written ({error}); the run stops"),
        (false, _) => format!("the {name} output is lost ({error}); the run goes on without it"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::{Fanout, Reporter, RunView, script};
    use crate::clock::Clock;
    use crate::event::Event;

    #[derive(Clone, Default)]
    struct Heard(Rc<RefCell<Vec<String>>>);

    impl Reporter for Heard {
        fn report(&mut self, event: &Event, view: &RunView) -> std::io::Result<()> {
            assert_eq!(view.elapsed_ms, event.elapsed_ms, "the view holds the event already");
            self.0.borrow_mut().push(format!("event {}", event.seq));
            Ok(())
        }

        fn notice(&mut self, message: &str) -> std::io::Result<()> {
            self.0.borrow_mut().push(message.to_owned());
            Ok(())
        }
    }

    /// Works for one event, then no more.
    struct Breaks(usize);

    impl Reporter for Breaks {
        fn report(&mut self, _event: &Event, _view: &RunView) -> std::io::Result<()> {
            self.0 += 1;
            if self.0 > 1 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_loss_of_a_vital_reporter_is_told_and_acted_on_once() {
        let heard = Heard::default();
        let losses = Rc::new(RefCell::new(0));
        let mut fanout = Fanout::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH));
        let counted = Rc::clone(&losses);
        fanout.add_vital("journal", Breaks(0), move || *counted.borrow_mut() += 1);
        fanout.add("test", heard.clone());
        let script = script::success();
        script.events()[..3].iter().for_each(|event| fanout.report(event));
        fanout.tick();
        fanout.finish();
        assert_eq!(*losses.borrow(), 1);
        let said = "the journal cannot be written (broken pipe); the run stops";
        assert_eq!(*heard.0.borrow(), ["event 0", "event 1", said, "event 2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reporter_that_fails_is_dropped_and_the_others_are_told_once() {
        let heard = Heard::default();
        let mut fanout = Fanout::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH));
        fanout.add("json", Breaks(0));
        fanout.add("test", heard.clone());
        let script = script::success();
        script.events()[..4].iter().for_each(|event| fanout.report(event));
        fanout.tick();
        let view = fanout.finish();
        assert_eq!(view.elapsed_ms, script.events()[3].elapsed_ms);
        assert_eq!(
            *heard.0.borrow(),
            [
                "event 0",
                "event 1",
                "the json output is lost (broken pipe); the run goes on without it",
                "event 2",
                "event 3"
            ]
        );
    }
}
