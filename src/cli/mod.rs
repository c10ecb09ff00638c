//! L5: the command line: what was typed, what it means, one command a file, and how the program ends.
//! Here, and only here, the outside world enters (`context`) and text leaves.

mod arguments;
mod context;
mod deploy;
mod diff;
mod doctor;
mod exit;
mod graph;
mod load;
mod output;
mod render;
mod reports;
mod session;
mod signals;
mod status;
mod teardown;

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(&arguments)),
        Err(cause) => Err(Failure::new(Exit::Internal, "the runtime does not start").caused_by(&cause)),
    };
    result.unwrap_or_else(|failure| {
        output::complain(&failure.render());
        failure.exit
    })
}

async fn dispatch(arguments: &Arguments) -> Result<Exit, Failure> {
    let context = Context::read().map_err(|cause| Failure::new(Exit::Usage, cause))?;
    match &arguments.command {
        Command::Deploy(deploy) => Box::pin(deploy::run(deploy, &context)).await,
        Command::Diff(diff) => Box::pin(diff::run(diff, &context)).await,
        Command::Doctor(doctor) => doctor::run(doctor, &context).await,
        Command::Status(status) => status::run(status, &context).await,
        Command::Teardown(teardown) => Box::pin(teardown::run(teardown, &context)).await,
        Command::Render(render) => render::run(render, output::stderr_is_coloured()),
        Command::Graph(graph) => graph::run(graph, output::stderr_is_coloured()),
    }
}
