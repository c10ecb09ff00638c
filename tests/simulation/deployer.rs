//! One run of the program in a simulated world: the real engine over the real client, with a recorder for
//! its events, interrupts at given moments, and a death at any await.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wesago::clock::Clock;
use wesago::cluster::Cluster;
use wesago::engine::{
    DeployOptions, Emitter, Engine, EngineError, Holder, Life, LogTold, LogsWanted, RunIdentity,
    SecretSources, TeardownOptions,
};
use wesago::entropy::Entropy;
use wesago::event::{CancelReason, Event, EventKind, Verdict};
use wesago::journal::{Journal as Record, Sink};
use wesago::plan::{Plan, SecretSource};
use wesago::report::{Fanout, Reporter, RunView};

use crate::journal::{Journal, RunId, What};
use crate::network::{Connection, Failures};
use crate::weather::Weather;
use crate::world::World;

/// No run may take longer than this, whatever happens: deadlines, retries and answers are all bounded.
const HANGS_AFTER: Duration = Duration::from_secs(6 * 3600);

/// How every secret value begins, so that one that leaked is found.
pub(crate) const SECRET_PREFIX: &str = "value-";

/// The number of a reading of logs, which is no run.
const LOGS: RunId = 900_000;

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Deploy,
    Teardown { delete_data: bool },
}

/// When the program dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// So long after its start.
    At(Duration),
    /// In the instant after so many requests.
    AfterRequests(u64),
    /// By a mistake of its own, as the first stage starts: it panics.
    OfMistake,
}

/// What befalls a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) weather: Weather,
    pub(crate) death: Option<Death>,
    pub(crate) interrupts: Vec<(Duration, CancelReason)>,
    /// Foreign hands are at work while faults last.
    pub(crate) meddled: bool,
    /// The faults are such that the run must survive them.
    pub(crate) bearable: bool,
    /// Another deploy runs at the same time.
    pub(crate) raced: bool,
    /// The process is stopped so long after its start, for so long.
    pub(crate) stopped: Option<(Duration, Duration)>,
    /// How long it waits for a lock.
    pub(crate) wait_lock: Duration,
    /// The disk is full after so many lines of the run's own journal.
    pub(crate) disk: Option<usize>,
    /// How far the deployer's wall clock is from the server's when the run begins.
    pub(crate) clock_off: SignedDuration,
    /// When the server's wall clock is set while the run goes on, and how far.
    pub(crate) clock_steps: Vec<(Duration, SignedDuration)>,
    /// What a deploy is allowed.
    pub(crate) options: DeployOptions,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    Ended(Result<Verdict, EngineError>),
    Killed,
    Hung,
}

impl Ending {
    /// Returns true when everything asked for is there.
    pub(crate) fn is_success(&self) -> bool {
        *self == Self::Ended(Ok(Verdict::Succeeded))
    }
}

/// A run, as remembered for the oracle.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) command: Command,
    pub(crate) plan: Plan,
    pub(crate) fate: Fate,
    pub(crate) ending: Ending,
    /// What is on the disk of the run's own journal.
    pub(crate) record: Vec<u8>,
}

/// Writes the events of a run into the journal.
struct Recorder {
    journal: Journal,
    run: RunId,
    mistake: bool,
}

impl Reporter for Recorder {
    fn report(&mut self, event: &Event, _: &RunView) -> io::Result<()> {
        self.journal.write(What::Told { run: self.run, event: Box::new(event.clone()) });
        let fails =
            matches!(event.event, EventKind::StageStarted { .. }) && std::mem::take(&mut self.mistake);
        if fails {
            // A panic in all but the hook's message: ten backtraces of it would bury the rest of a log.
            std::panic::resume_unwind(Box::new("a mistake made on purpose"));
        }
        Ok(())
    }
}

/// The disk a run's own journal is on.
#[derive(Clone, Default)]
struct Disk {
    lines: Rc<RefCell<Vec<Vec<u8>>>>,
    room: Option<usize>,
}

impl Sink for Disk {
    fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let mut lines = self.lines.borrow_mut();
        if self.room.is_some_and(|room| lines.len() >= room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        lines.push(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives every secret value that is asked for, each another one.
struct Values {
    given: std::cell::Cell<u64>,
    run: RunId,
}

impl SecretSources for Values {
    fn value(&self, source: &SecretSource) -> Result<Option<Vec<u8>>, String> {
        assert!(matches!(source, SecretSource::Generate(_)), "{source:?}");
        self.given.set(self.given.get() + 1);
        Ok(Some(format!("{SECRET_PREFIX}{}-{}", self.run, self.given.get()).into_bytes()))
    }
}

impl World {
    /// Runs the program once.
    pub(crate) async fn run(&mut self, command: Command, plan: &Plan, fate: Fate) -> Run {
        let connection = self.begin(command, &fate, 1);
        let (ending, record) = driven(self, &connection, command, plan, &fate).await;
        self.end(Run { id: connection.run, command, plan: plan.clone(), fate, ending, record })
    }

    /// Runs two deploys at once.
    pub(crate) async fn race(&mut self, plan: &Plan, fates: [Fate; 2]) {
        let [left, right] = [1, 2].map(|next| self.begin(Command::Deploy, &fates[next - 1], next));
        let endings = futures::future::join(
            driven(self, &left, Command::Deploy, plan, &fates[0]),
            driven(self, &right, Command::Deploy, plan, &fates[1]),
        );
        let (first, second) = endings.await;
        let [left_fate, right_fate] = fates;
        for (connection, fate, end) in [(left, left_fate, first), (right, right_fate, second)] {
            let ((ending, record), plan) = (end, plan.clone());
            self.end(Run { id: connection.run, command: Command::Deploy, plan, fate, ending, record });
        }
    }

    /// Tells logs until an interrupt after so long, and returns what was told.
    pub(crate) async fn logs(&self, plan: &Plan, wanted: &LogsWanted, until: Duration) -> Vec<LogTold> {
        let engine = self.engine(LOGS, Weather::default());
        let interrupt = Box::pin(futures::stream::once(async move {
            tokio::time::sleep(until).await;
            CancelReason::Interrupt
        }));
        let mut told = Vec::new();
        let tell = |line: &LogTold| {
            told.push(line.clone());
            std::ops::ControlFlow::Continue(())
        };
        engine.logs(plan, wanted, interrupt, tell).await.unwrap();
        told
    }

    fn begin(&self, command: Command, fate: &Fate, next: usize) -> Connection {
        let id = RunId::try_from(self.runs.len() + next).unwrap();
        let (death, interrupts) = (fate.death, &fate.interrupts);
        let mut what = format!("{command:?} {:?} death {death:?} interrupts {interrupts:?}", fate.weather);
        if !fate.clock_off.is_zero() {
            self.journal.note(format!("clock differs by {:#}", fate.clock_off));
        }
        if let Some((after, length)) = fate.stopped {
            let _infallible = write!(what, " stopped after {after:?} for {length:?}");
        }
        self.journal.write(What::Began { run: id, command: what });
        for &(after, by) in &fate.clock_steps {
            tokio::spawn(self.hands.clone().set_clock(after, by));
        }
        if let Some(ends) = fate.weather.ends.filter(|_| fate.meddled) {
            tokio::spawn(self.hands.clone().meddle(self.random.fork(&format!("hands {id}")), ends));
        }
        if let Some(ends) = fate.weather.ends.filter(|_| fate.bearable) {
            tokio::spawn(self.hands.clone().forget(self.random.fork(&format!("forgetting {id}")), ends));
        }
        Connection {
            server: self.server.clone(),
            journal: self.journal.clone(),
            run: id,
            weather: fate.weather.clone(),
            random: Arc::new(Mutex::new(self.random.fork(&format!("network {id}")))),
            next_id: Arc::clone(&self.next_request),
            failures: Failures::default(),
        }
    }

    fn end(&mut self, run: Run) -> Run {
        self.runs.push(run.clone());
        run
    }
}

thread_local! {
    /// The runs that live, as whoever is on the same machine can see. A world stays on one thread.
    static ALIVE: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    /// Those that are stopped.
    static STOPPED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Returns who a run is for the lock. Every other one is on the same machine.
pub(crate) fn holder(id: RunId) -> Holder {
    let life_of = |process: &str| match process.strip_prefix("here-") {
        None => Life::Unknown,
        Some(_) if ALIVE.with_borrow(|alive| alive.contains(process)) => Life::Alive,
        Some(_) if STOPPED.with_borrow(|stopped| stopped.contains(process)) => Life::Unknown,
        Some(_) => Life::Dead,
    };
    Holder { identity: holder_name(id), process: process_name(id), life_of }
}

fn process_name(id: RunId) -> String {
    format!("{}-{id}", if id.is_multiple_of(2) { "here" } else { "elsewhere" })
}

/// Returns the name a run has in the lock.
pub(crate) fn holder_name(id: RunId) -> String {
    format!("somebody@simulation/run-{id}")
}

/// Does the work of a process that is stopped for a while: time goes on, and nothing of it is done.
async fn with_a_stop<T>(
    work: impl Future<Output = T>,
    began: Instant,
    stopped: Option<(Duration, Duration)>,
    process: String,
) -> T {
    let Some((after, length)) = stopped else { return work.await };
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        () = tokio::time::sleep_until(began + after) => {}
        done = &mut work => return done,
    }
    // A process that is stopped is there, and yet nobody can say that it lives.
    ALIVE.with_borrow_mut(|alive| alive.remove(&process));
    STOPPED.with_borrow_mut(|stopped| stopped.insert(process.clone()));
    tokio::time::sleep(length).await;
    STOPPED.with_borrow_mut(|stopped| stopped.remove(&process));
    ALIVE.with_borrow_mut(|alive| alive.insert(process));
    work.await
}

/// Returns the future of a run. It is large, and made here so that it lies on the heap from the start: the stack
/// of a test is small.
fn driven<'a>(
    world: &'a World,
    connection: &'a Connection,
    command: Command,
    plan: &'a Plan,
    fate: &'a Fate,
) -> LocalBoxFuture<'a, (Ending, Vec<u8>)> {
    drive(world, connection, command, plan, fate).boxed_local()
}

/// Runs the program to its end and returns that, with what its journal holds.
async fn drive(
    world: &World,
    connection: &Connection,
    command: Command,
    plan: &Plan,
    fate: &Fate,
) -> (Ending, Vec<u8>) {
    let id = connection.run;
    let began = Instant::now();
    let requests = world.journal.requests();
    let sent_before = requests.get();
    let clock = Clock::starting_at(world.now() + fate.clock_off);
    let entropy = Entropy::from_seed(world.seed).fork(&format!("run {id}"));
    let identity = RunIdentity {
        run: format!("run-{id}"),
        context: "simulation".into(),
        server: "memory".into(),
        again: String::new(),
        holder: holder(id),
    };
    let cluster = Cluster::new(kube::Client::new(connection.clone(), "default"));
    let engine = Engine::new(cluster, clock, entropy, identity);
    let mut fanout = Fanout::new(clock);
    let disk = Disk { room: fate.disk, ..Disk::default() };
    let (lost, losses) = mpsc::channel(1);
    fanout.add_vital("journal", Record(disk.clone()), move || {
        // The run may be over: then there is nothing left to cancel.
        let _over = lost.try_send(());
    });
    let mistake = matches!(fate.death, Some(Death::OfMistake));
    fanout.add("recorder", Recorder { journal: world.journal.clone(), run: id, mistake });
    let mut emitter = Emitter::new(clock, &mut fanout);
    let values = Values { given: std::cell::Cell::new(0), run: id };
    let interrupts = futures::stream::iter(fate.interrupts.clone()).then(|(after, reason)| async move {
        tokio::time::sleep_until(began + after).await;
        reason
    });
    let losses = futures::stream::unfold(losses, |mut losses| async move {
        losses.recv().await.map(|()| (CancelReason::JournalFailed, losses))
    });
    // After the last interrupt there is silence, not an end.
    let interrupts = interrupts.chain(futures::stream::pending());
    let interrupts = Box::pin(futures::stream::select(interrupts, losses));
    // How much may go is a matter of its own tests.
    let (max_deletions, wait_lock) = (Some(usize::MAX), fate.wait_lock);
    let options = DeployOptions { max_deletions, wait_lock, ..fate.options.clone() };
    let work = async {
        match command {
            Command::Deploy => engine.deploy(plan, &options, &values, interrupts, &mut emitter).await,
            Command::Teardown { delete_data } => {
                let options = TeardownOptions { delete_data, wait_lock: fate.wait_lock };
                engine.teardown(plan, &options, interrupts, &mut emitter).await
            }
        }
    };
    let death = async {
        match fate.death {
            Some(Death::At(after)) => tokio::time::sleep_until(began + after).await,
            Some(Death::AfterRequests(count)) => {
                // The journal outlives every run.
                let _journal_lives = requests.until(|sent| sent >= sent_before + count).await;
            }
            Some(Death::OfMistake) | None => std::future::pending().await,
        }
    };
    let work = with_a_stop(work, began, fate.stopped, process_name(id));
    ALIVE.with_borrow_mut(|alive| alive.insert(process_name(id)));
    let ending = tokio::select! {
        biased;
        () = death => Ending::Killed,
        ended = work => Ending::Ended(ended),
        () = tokio::time::sleep(HANGS_AFTER) => Ending::Hung,
    };
    ALIVE.with_borrow_mut(|alive| alive.remove(&process_name(id)));
    STOPPED.with_borrow_mut(|stopped| stopped.remove(&process_name(id)));
    world.journal.write(What::Ended { run: id, how: format!("{ending:?}") });
    let record = disk.lines.borrow().concat();
    (ending, record)
}
