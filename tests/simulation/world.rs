//! A simulated world: a server, its controllers, a journal, and the runs of the program in it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::Instant;

use crate::api_server::{ApiServer, Key, Writer, namespace_key};
use crate::controllers::{Controllers, Temper};
use crate::deployer::{Command, Death, Fate, Run};
use crate::foresight::Foresight;
use crate::hands::Hands;
use crate::journal::{Journal, RunId};
use crate::plans::{Application, NAMESPACE};
use crate::random::Random;
use crate::weather::Weather;
use wesago::engine::{Chosen, DeployOptions};
use wesago::event::CancelReason;
use wesago::plan::Plan;

/// The number of a reading of the history, which is no run.
const HISTORY: RunId = 910_000;
/// When every world begins.
const EPOCH: &str = "2026-01-01T00:00:00Z";
/// How long faults last in one stormy phase.
const STORM: Duration = Duration::from_secs(240);
/// How long faults last that a run must survive: less than any stage's deadline.
const BEARABLE_FOR: Duration = Duration::from_secs(30);
/// How long a run waits for a lock, if it waits at all.
pub(crate) const WAITS_FOR: Duration = Duration::from_secs(300);
/// How long everything that is under way takes at most to end: stalled controllers, answers in flight.
const SETTLES_WITHIN: Duration = Duration::from_secs(600);

/// Returns a difference of two clocks: of seconds, of a time zone, of days, to either side.
fn some_time(random: &mut Random) -> SignedDuration {
    let most = *random.pick(&[2_000, 60_000, 3_600_000, 172_800_000]);
    let time = SignedDuration::try_from(random.millis(1, most)).unwrap();
    if random.chance(500) { time } else { -time }
}

/// The world of one seed.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) random: Random,
    pub(crate) server: ApiServer,
    pub(crate) journal: Journal,
    pub(crate) hands: Hands,
    pub(crate) runs: Vec<Run>,
    pub(crate) foresights: Vec<Foresight>,
    pub(crate) next_request: Arc<Mutex<u64>>,
    origin: Instant,
}

impl World {
    /// Returns the world of a seed, in which nothing has happened yet.
    pub(crate) fn new(seed: u64) -> Self {
        let calm_from = Instant::now() + STORM * 2;
        Self::with_temper(seed, Temper::random(&mut Random::from_seed(seed).fork("temper"), calm_from))
    }

    /// Returns the world of a seed whose controllers make no trouble.
    pub(crate) fn even(seed: u64) -> Self {
        Self::with_temper(seed, Temper::even())
    }

    fn with_temper(seed: u64, temper: Temper) -> Self {
        let mut random = Random::from_seed(seed);
        let server = ApiServer::new(EPOCH.parse().unwrap());
        let journal = Journal::new(server.versions());
        let hands = Hands::new(server.clone(), journal.clone());
        let world = Self {
            seed,
            server,
            journal,
            hands,
            runs: Vec::new(),
            foresights: Vec::new(),
            next_request: Arc::default(),
            origin: Instant::now(),
            random: random.fork("world"),
        };
        world.furnish(&mut random.fork("furniture"));
        world.journal.note(format!(
            "controllers {:?}, stalls {}, flaps {}",
            temper.usual, temper.stalls, temper.flaps
        ));
        let controllers = Controllers::new(world.server.clone(), random.fork("controllers"), temper);
        tokio::spawn(controllers.run());
        let _mixed = random.any();
        world
    }

    /// Returns the wall time.
    pub(crate) fn now(&self) -> Timestamp {
        EPOCH.parse::<Timestamp>().unwrap() + self.origin.elapsed()
    }

    /// Puts in what a cluster has before the program comes: a storage class and nodes, and sometimes the
    /// namespace with foreign things in it.
    fn furnish(&self, random: &mut Random) {
        let writer = Writer { agent: "somebody", manager: "kubectl-create" };
        let mut store = self.server.store();
        let mode = *random.pick(&["Immediate", "WaitForFirstConsumer"]);
        let key = Key {
            group: "storage.k8s.io".into(),
            kind: "StorageClass".into(),
            namespace: String::new(),
            name: "standard".into(),
        };
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {
                "name": "standard",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "volumeBindingMode": mode,
        });
        let kind = store.kind_of(&key);
        store.create(&writer, &kind, &key, class).unwrap();
        for name in ["node-a", "node-b"] {
            let key = Key {
                group: String::new(),
                kind: "Node".into(),
                namespace: String::new(),
                name: name.into(),
            };
            let kind = store.kind_of(&key);
            let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}});
            store.create(&writer, &kind, &key, node).unwrap();
            let allocatable = json!({"cpu": "2", "memory": "4Gi", "pods": "110"});
            store.update_status(&writer, &kind, &key, &json!({"allocatable": allocatable})).unwrap();
        }
        if random.chance(500) {
            return;
        }
        let key = namespace_key(NAMESPACE);
        let kind = store.kind_of(&key);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        store.create(&writer, &kind, &key, namespace).unwrap();
        for name in ["foreign", "o0-0-foreign"] {
            let key = Key {
                group: String::new(),
                kind: "ConfigMap".into(),
                namespace: NAMESPACE.into(),
                name: name.into(),
            };
            let kind = store.kind_of(&key);
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"whose": "not ours"},
            });
            store.create(&writer, &kind, &key, map).unwrap();
        }
    }

    /// Returns a random fate: faults, a death, interrupts.
    fn fate(&mut self) -> Fate {
        let random = &mut self.random;
        let weather = Weather::random(random, Instant::now() + random.clone().millis(1_000, 240_000));
        let death = if random.chance(500) {
            Some(if random.chance(500) {
                Death::AfterRequests(random.between(1, 60))
            } else {
                Death::At(random.millis(1, 30_000))
            })
        } else {
            None
        };
        let mut interrupts = Vec::new();
        if random.chance(300) {
            let first = random.millis(0, 20_000);
            let reason = *random.pick(&[CancelReason::Interrupt, CancelReason::Terminate]);
            interrupts.push((first, reason));
            if random.chance(400) {
                interrupts.push((first + random.millis(0, 3_000), CancelReason::SecondInterrupt));
            }
        }
        let meddled = random.chance(300);
        let disk = random.chance(60).then(|| random.index(60));
        self.under_clocks(Fate { weather, death, interrupts, meddled, disk, ..Fate::default() })
    }

    /// Returns a fate with the clocks as they are in no two places: the deployer's is off, and while faults last
    /// the server's is set now and then.
    fn under_clocks(&self, fate: Fate) -> Fate {
        let mut random = self.random.fork(&format!("clocks {}", self.random.clone().any()));
        let mut clock_off = SignedDuration::ZERO;
        if random.chance(400) {
            clock_off = some_time(&mut random);
        }
        let mut clock_steps = Vec::new();
        if fate.weather.ends.is_some() && random.chance(300) {
            for _ in 0..random.between(1, 3) {
                clock_steps.push((random.millis(0, 60_000), some_time(&mut random)));
            }
        }
        Fate { clock_off, clock_steps, ..fate }
    }

    /// Lets time pass until nothing is under way any more.
    async fn settle(&self) {
        tokio::time::sleep(SETTLES_WITHIN).await;
        self.hands.make_good(self.random.fork(&format!("amends {}", self.runs.len())));
    }

    /// Lives through a whole story: deploys under faults, one in peace, one more that must do nothing, a
    /// new edition the same way, and the teardown.
    pub(crate) async fn live(&mut self) {
        let mut application = Application::random(&mut self.random.fork("application"));
        self.converge(&mut application).await;
        if self.random.chance(600) {
            application.change(&mut self.random.fork("change"));
            if self.random.fork("change as foreseen").chance(400) {
                self.settle().await;
                self.deploy_as_foreseen(&application.plan()).await;
            }
            self.converge(&mut application).await;
        }
        if self.random.fork("rollback").chance(400) {
            self.roll_back(application.plan()).await;
        }
        if self.random.chance(600) {
            let plan = application.plan();
            let delete_data = self.random.chance(500);
            let command = Command::Teardown { delete_data };
            for _ in 0..self.random.between(0, 2) {
                let fate = self.fate();
                self.run(command, &plan, fate).await;
            }
            self.settle().await;
            self.run(command, &plan, self.under_clocks(Fate::default())).await;
        }
    }

    /// Rolls back to one of the good revisions, under faults a few times, then in peace, then once more.
    /// A future of its own: the one of a whole story is large enough for a test's stack.
    fn roll_back(&mut self, present: Plan) -> LocalBoxFuture<'_, ()> {
        async move { self.roll_back_from(&present).await }.boxed_local()
    }

    async fn roll_back_from(&mut self, present: &Plan) {
        // What is drawn here changes nothing of what comes after.
        let random = self.random.clone();
        self.random = random.fork("rolling back");
        let engine = self.engine(HISTORY, Weather::default());
        let revisions = Box::pin(engine.history(present)).await.unwrap();
        let good: Vec<u32> = revisions
            .iter()
            .filter(|revision| revision.verdict.is_success())
            .map(|revision| revision.number)
            .collect();
        if !good.is_empty() {
            let number = *self.random.pick(&good);
            let chosen = Box::pin(engine.revision(present, Some(number))).await;
            let Chosen { revision, plan } = chosen.unwrap();
            let options = DeployOptions { rollback: Some(revision), ..DeployOptions::default() };
            for _ in 0..self.random.between(0, 2) {
                let fate = Fate { options: options.clone(), ..self.fate() };
                self.run(Command::Deploy, &plan, fate).await;
            }
            for _ in 0..2 {
                self.settle().await;
                let fate = Fate { options: options.clone(), ..Fate::default() };
                self.run(Command::Deploy, &plan, fate).await;
            }
            self.settle().await;
        }
        self.random = random;
    }

    /// Lives through one deploy with this fate, and then through a deploy in peace and a repeated one.
    pub(crate) async fn live_once(&mut self, fate: Fate) {
        let mut application = Application::random(&mut self.random.fork("application"));
        application.mend();
        let plan = application.plan();
        self.run(Command::Deploy, &plan, fate).await;
        for _ in 0..2 {
            self.settle().await;
            self.deploy_as_foreseen(&plan).await;
        }
    }

    /// Asks what a deploy would do, and deploys: both in peace.
    async fn deploy_as_foreseen(&mut self, plan: &Plan) {
        self.foresee(plan, Weather::default()).await;
        self.run(Command::Deploy, plan, self.under_clocks(Fate::default())).await;
    }

    /// Deploys under faults a few times, then in peace until it is there, then once more.
    async fn converge(&mut self, application: &mut Application) {
        let plan = application.plan();
        for _ in 0..self.random.between(0, 3) {
            let fate = self.fate();
            if self.random.chance(150) {
                let fates = if self.random.chance(400) { [fate, self.fate()] } else { Default::default() };
                let mut random = self.random.fork(&format!("race {}", self.runs.len()));
                let raced = |fate| {
                    let stopped = (random.millis(0, 20_000), random.millis(3_000, 60_000));
                    let stopped = random.chance(300).then_some(stopped);
                    let wait_lock = if random.chance(400) { WAITS_FOR } else { Duration::ZERO };
                    Fate { raced: true, stopped, wait_lock, ..fate }
                };
                let fates = fates.map(raced);
                self.race(&plan, fates).await;
                continue;
            }
            if self.random.fork(&format!("diff {}", self.runs.len())).chance(200) {
                self.foresee(&plan, fate.weather.clone()).await;
            }
            let stopped = self.run(Command::Deploy, &plan, fate).await;
            if stopped.ending.is_success() {
                break;
            }
        }
        self.settle().await;
        if application.is_broken() {
            self.deploy_as_foreseen(&plan).await;
            application.mend();
            self.settle().await;
        }
        let plan = application.plan();
        if self.random.chance(500) {
            let weather = Weather::bearable(Instant::now() + BEARABLE_FOR);
            let fate = self.under_clocks(Fate { weather, bearable: true, ..Fate::default() });
            self.run(Command::Deploy, &plan, fate).await;
            self.settle().await;
        }
        self.deploy_as_foreseen(&plan).await;
        self.settle().await;
        self.deploy_as_foreseen(&plan).await;
    }
}
