//! The command line as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use super::exit::EXIT_CODES;
use crate::engine::{MAX_DELETIONS, ObjectName, TakenField};

/// Puts a whole application on Kubernetes in the right order, and tells the truth about it.
#[derive(Debug, Parser)]
#[command(name = "wesago", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// When to use colours: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", hide_possible_values = true)]
    pub color: Colour,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write, wait and settle, in the order of the plan
    #[command(after_help = EXIT_CODES)]
    Deploy(Deploy),
    /// Show what a deploy would do, field by field, and write nothing
    #[command(after_help = EXIT_CODES)]
    Diff(Diff),
    /// Show the deploys that can be brought back
    #[command(after_help = EXIT_CODES)]
    History(History),
    /// Deploy what an earlier revision held; what Jobs did, and data in volumes, stays
    #[command(after_help = EXIT_CODES)]
    Rollback(Rollback),
    /// Show what is there, whether it is ready, and what somebody else has touched
    #[command(after_help = EXIT_CODES)]
    Status(Status),
    /// Remove in reverse order; volumes and generated secrets stay unless --delete-data
    #[command(after_help = EXIT_CODES)]
    Teardown(Teardown),
    /// Take the lock from a run that is stuck, or that died somewhere else
    #[command(after_help = EXIT_CODES)]
    Unlock(Unlock),
    /// Show what the pods of the plan write
    #[command(after_help = EXIT_CODES)]
    Logs(Logs),
    /// Show a run again, from the record kept of it
    Report(Report),
    /// Check the plan against the cluster before anything is written
    #[command(after_help = EXIT_CODES)]
    Doctor(Doctor),
    /// Print the objects as they would be sent, without asking a cluster
    Render(Render),
    /// Print the stages and what each waits for
    Graph(Graph),
}

/// Which plan.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArguments {
    /// The plan file, or the name of a built-in plan [default: plans/CONTEXT.yaml, else plans/wesago.yaml,
    /// of the current folder, else built in]
    #[arg(long, value_name = "FILE")]
    pub plan: Option<String>,
    /// Set a variable of the plan
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Read variables from a YAML file of `name: value`
    #[arg(long, value_name = "FILE")]
    pub values: Vec<String>,
}

/// Which cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct ClusterArguments {
    /// The kubeconfig context [default: the current one, confirmed on a terminal]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Which plan, on which cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// How a run talks.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArguments {
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(super) output: Output,
    /// Ask nothing
    #[arg(long)]
    pub(super) yes: bool,
    /// End the whole run after this time, such as 30m; each stage has a deadline of its own
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) deadline: Option<Duration>,
    /// Tell nothing but the end
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Tell of every object and every change, as lines
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Keep no record of the run (`wesago report` shows them)
    #[arg(long)]
    pub(super) no_journal: bool,
}

/// Reads a time that is not zero, such as `1h 30m`.
fn time(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write a number with its unit: `90s`, `10m`, `1h 30m`".to_owned())
}

/// What a run does while another one has the lock.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WaitArguments {
    /// Wait so long for a lock that another run holds, such as 5m [default: do not wait]
    #[arg(long, value_name = "TIME", value_parser = waiting_time, default_value = "0s", hide_default_value = true)]
    pub(super) wait_lock: Duration,
}

/// Reads a time to wait, such as `90s` or `1h 30m`, up to a day.
fn waiting_time(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(86_400);
    duration(text)
        .filter(|time| *time <= MOST)
        .ok_or_else(|| "write a number with its unit, `90s`, `5m` or `1h 30m`, of a day at most".to_owned())
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok())
}

/// `wesago deploy`
#[derive(Args, Debug)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// Remove volumes, generated secrets and namespaces that left the plan, too
    #[arg(long)]
    pub(super) delete_data: bool,
    #[command(flatten)]
    pub(super) writing: WriteArguments,
}

/// `wesago rollback`
#[derive(Args, Debug)]
pub(crate) struct Rollback {
    /// The number of the revision [default: the newest that succeeded before what is there]
    #[arg(value_name = "REVISION")]
    pub(super) revision: Option<u32>,
    #[command(flatten)]
    pub(super) target: TargetArguments,
    #[command(flatten)]
    pub(super) writing: WriteArguments,
}

/// `wesago history`
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(super) output: Output,
}

/// What a deploy may do to what is there, and how it goes about it.
#[derive(Args, Clone, Debug)]
pub(crate) struct WriteArguments {
    #[command(flatten)]
    pub(super) liberties: LibertyArguments,
    /// Write without checking the plan against the cluster first
    #[arg(long)]
    pub(super) skip_preflight: bool,
    #[command(flatten)]
    pub(super) deletions: DeletionArguments,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
    #[command(flatten)]
    pub(super) run: RunArguments,
}

/// What a deploy may do to what is not, or not only, the plan's.
#[derive(Args, Clone, Debug)]
pub(crate) struct LibertyArguments {
    /// Take over an object that is there already and not the plan's, or `all` such
    #[arg(long, value_name = "KIND/NAME")]
    pub(super) adopt: Vec<String>,
    /// Take a field that somebody else owns, of one object (KIND/NAME:PATH) or of all
    #[arg(long, value_name = "PATH")]
    pub(super) take: Vec<TakenField>,
    /// Delete an object and make it anew when a field of it cannot be changed in place
    #[arg(long, value_name = "KIND/NAME")]
    pub(super) recreate: Vec<ObjectName>,
}

/// How much a deploy may delete.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DeletionArguments {
    /// Delete at most so many objects that left the plan; more stop the deploy before its first write
    #[arg(long, value_name = "NUMBER", default_value_t = MAX_DELETIONS)]
    pub(super) max_deletions: usize,
}

/// `wesago diff`
#[derive(Args, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// Show what a deploy with --delete-data would do
    #[arg(long)]
    pub(super) delete_data: bool,
    #[command(flatten)]
    pub(super) liberties: LibertyArguments,
    /// Show what a rollback to this revision would do
    #[arg(long, value_name = "NUMBER", conflicts_with = "delete_data")]
    pub(super) revision: Option<u32>,
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = DiffOutput::Text, value_name = "FORMAT")]
    pub(super) output: DiffOutput,
}

/// `wesago doctor`
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(super) output: Output,
}

/// `wesago status`
#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// Show it again whenever it changes, until Ctrl-C
    #[arg(short, long)]
    pub(super) watch: bool,
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(super) output: Output,
}

/// `wesago teardown`
#[derive(Args, Debug)]
pub(crate) struct Teardown {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// Remove volumes, generated secrets and the namespace too
    #[arg(long)]
    pub(super) delete_data: bool,
    #[command(flatten)]
    pub(super) wait: WaitArguments,
    #[command(flatten)]
    pub(super) run: RunArguments,
}

/// `wesago logs`
#[derive(Args, Debug)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// A stage, a group of stages, or an object as `Kind/name` [default: every workload of the plan]
    #[arg(value_name = "STAGE|OBJECT")]
    pub(super) what: Option<String>,
    /// Go on with what is written from now on, also by pods that come later, until Ctrl-C (exit code 130)
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Begin with so many of the last lines of each container [default: all of them]
    #[arg(long, value_name = "N")]
    pub(super) tail: Option<u32>,
    /// Show the lives before of containers that were started again
    #[arg(short, long, conflicts_with = "follow")]
    pub(super) previous: bool,
}

/// `wesago report`
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The run, or how its name begins, or a journal file [default: the newest run]
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
    /// List the recorded runs instead
    #[arg(long, conflicts_with_all = ["run", "html"])]
    pub(super) list: bool,
    /// Write the report as one self-contained page to this file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(super) output: Output,
}

/// `wesago unlock`
#[derive(Args, Debug)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    /// Ask nothing
    #[arg(long)]
    pub(super) yes: bool,
    /// Take the lock even from a run that is seen to be alive; it stops then
    #[arg(long)]
    pub(super) force: bool,
}

/// `wesago render`
#[derive(Args, Debug)]
pub(crate) struct Render {
    #[command(flatten)]
    pub(super) plan: PlanArguments,
    /// Only the objects of this stage, or of this group of stages
    #[arg(value_name = "STAGE")]
    pub(super) stage: Option<String>,
}

/// `wesago graph`
#[derive(Args, Debug)]
pub(crate) struct Graph {
    #[command(flatten)]
    pub(super) plan: PlanArguments,
    /// What to write on standard output
    #[arg(short, long, value_enum, default_value_t = GraphOutput::Text, value_name = "FORMAT")]
    pub(super) output: GraphOutput,
}

/// What a command writes on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For a person.
    Text,
    /// For a program: one JSON event a line (deploy, rollback, teardown, report), one JSON document (doctor,
    /// status, lists).
    Json,
}

/// What `diff` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffOutput {
    /// For a person.
    Text,
    /// For a program: one JSON document.
    Json,
    /// For a comment under a pull request.
    Markdown,
}

/// What `graph` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphOutput {
    /// For a person.
    Text,
    /// For Graphviz.
    Dot,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
