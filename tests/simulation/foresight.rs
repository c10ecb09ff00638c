//! `diff` in a simulated world: what the program says a deploy would do, remembered for the oracle, which
//! holds it against what the next deploy then does.

use std::sync::{Arc, Mutex};

use wesago::clock::Clock;
use wesago::cluster::Cluster;
use wesago::engine::{DeployOptions, Engine, EngineError, RunIdentity};
use wesago::entropy::Entropy;
use wesago::event::Forecast;
use wesago::plan::Plan;

use crate::deployer::holder;
use crate::journal::{RunId, What};
use crate::network::{Connection, Failures};
use crate::weather::Weather;
use crate::world::World;

/// Numbers of diffs begin here, so that they change nothing of the runs' own.
const FIRST: RunId = 1001;

/// What a diff said.
#[derive(Clone, Debug)]
pub(crate) struct Foresight {
    pub(crate) id: RunId,
    pub(crate) plan: Plan,
    /// No fault came in between.
    pub(crate) in_peace: bool,
    pub(crate) said: Result<Forecast, EngineError>,
    /// How many runs there were before it.
    pub(crate) runs_before: usize,
}

impl World {
    /// Asks the program what a deploy would do.
    pub(crate) async fn foresee(&mut self, plan: &Plan, weather: Weather) {
        // What it says is for the oracle.
        let _said = self.foresee_with(plan, &DeployOptions::default(), weather).await;
    }

    /// Asks the program what a deploy with options would do, and returns what it says.
    pub(crate) async fn foresee_with(
        &mut self,
        plan: &Plan,
        options: &DeployOptions,
        weather: Weather,
    ) -> Result<Forecast, EngineError> {
        let id = FIRST + RunId::try_from(self.foresights.len()).unwrap();
        self.journal.write(What::Began { run: id, command: format!("Diff {weather:?}") });
        let in_peace = weather.ends.is_none();
        let engine = self.engine(id, weather);
        let said = Box::pin(engine.diff(plan, options)).await;
        self.journal.write(What::Ended { run: id, how: format!("{said:?}") });
        let runs_before = self.runs.len();
        self.foresights.push(Foresight { id, plan: plan.clone(), in_peace, said: said.clone(), runs_before });
        said
    }

    /// Returns an engine that only asks: it has no events to tell.
    pub(crate) fn engine(&self, id: RunId, weather: Weather) -> Engine {
        let connection = Connection {
            server: self.server.clone(),
            journal: self.journal.clone(),
            run: id,
            weather,
            random: Arc::new(Mutex::new(self.random.fork(&format!("network {id}")))),
            next_id: Arc::clone(&self.next_request),
            failures: Failures::default(),
        };
        let identity = RunIdentity {
            run: format!("run-{id}"),
            context: "simulation".into(),
            server: "memory".into(),
            again: String::new(),
            holder: holder(id),
        };
        let entropy = Entropy::from_seed(self.seed).fork(&format!("run {id}"));
        let cluster = Cluster::new(kube::Client::new(connection, "default"));
        Engine::new(cluster, Clock::starting_at(self.now()), entropy, identity)
    }
}
