//! L5: the command line: what was typed, what it means, one command a file, and how the program ends.
//! Here, and only here, the outside world enters (`context`) and text leaves.

mod arguments;
mod confirm;
mod context;
mod deploy;
mod diff;
mod doctor;
mod exit;
mod graph;
mod history;
mod liberties;
mod load;
mod lock;
mod logs;
mod output;
mod render;
mod report;
mod reports;
mod rollback;
mod session;
mod signals;
mod status;
mod teardown;
mod unlock;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

use clap::Parser as _;

use arguments::{Arguments, Command};
use context::Context;
pub use exit::Exit;
use exit::Failure;

/// Runs the program with the arguments of this process and returns how it ends.
pub fn run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too, without being errors.
            let _nobody_listens = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    output::choose_colours(arguments.color);
    let result = calmly(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(dispatch(&arguments)),
            Err(cause) => Err(Failure::new(Exit::Internal, "the runtime does not start").caused_by(&cause)),
        }
    });
    result.unwrap_or_else(|failure| {
        output::complain(&failure.render());
        failure.exit
    })
}

/// Runs the program so that a mistake of its own ends it as any other failure does: everything is dropped
/// in order, which gives the terminal back, and the place is told instead of a trace.
fn calmly(program: impl FnOnce() -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let place = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&place);
    panic::set_hook(Box::new(move |panic| {
        if let Ok(mut place) = noted.lock() {
            // A later one is what the first has led to.
            let _first = place.get_or_insert_with(|| panic.to_string().replace('\n', " "));
        }
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(program));
    let _hook = panic::take_hook();
    let place = place.lock().ok().and_then(|mut place| place.take());
    let mut result = result
        .unwrap_or_else(|_| Err(Failure::new(Exit::Internal, "internal error").hint(exit::OWN_MISTAKE)));
    if let (Err(failure), Some(place)) = (&mut result, place) {
        failure.causes.push(place);
    }
    result
}

async fn dispatch(arguments: &Arguments) -> Result<Exit, Failure> {
    let context = Context::read().map_err(|cause| Failure::new(Exit::Usage, cause))?;
    match &arguments.command {
        Command::Deploy(deploy) => Box::pin(deploy::run(deploy, &context)).await,
        Command::Diff(diff) => Box::pin(diff::run(diff, &context)).await,
        Command::Doctor(doctor) => doctor::run(doctor, &context).await,
        Command::History(history) => history::run(history, &context).await,
        Command::Rollback(rollback) => Box::pin(rollback::run(rollback, &context)).await,
        Command::Status(status) => status::run(status, &context).await,
        Command::Teardown(teardown) => Box::pin(teardown::run(teardown, &context)).await,
        Command::Unlock(unlock) => unlock::run(unlock, &context).await,
        Command::Logs(logs) => Box::pin(logs::run(logs, &context)).await,
        Command::Report(report) => report::run(report),
        Command::Render(render) => render::run(render, output::stderr_is_coloured()),
        Command::Graph(graph) => graph::run(graph, output::stderr_is_coloured()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure, calmly};

    #[test]
    fn a_mistake_ends_the_program_with_1_and_its_place() {
        let result = calmly(|| {
            let nothing: [u8; 0] = [];
            let index = std::env::args().count();
            Err(Failure::new(Exit::Usage, nothing[index].to_string()))
        });
        let failure = result.unwrap_err();
        assert_eq!(failure.exit, Exit::Internal);
        let [place] = failure.causes.as_slice() else { panic!("{failure:?}") };
        assert!(place.starts_with("panicked at src/cli/mod.rs:"), "{place}");
        assert!(place.contains("index out of bounds"), "{place}");
    }

    #[test]
    fn an_ordinary_end_is_passed_on() {
        assert_eq!(calmly(|| Ok(Exit::Differences)).unwrap(), Exit::Differences);
    }
}
