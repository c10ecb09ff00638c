//! Clocks that differ and are set: the server's stamps are held against the server's own time, and whatever lasts is
//! measured by a clock that nobody sets. So a run goes the same way whoever's wall clock is wrong.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use wesago::event::{EventKind, Verdict};
use wesago::object::Object;
use wesago::plan::{Plan, Stage, StageId};

use crate::api_server::{ApiServer, Key, Kind, Writer};
use crate::deployer::{Command, Fate};
use crate::journal::{RunId, What};
use crate::oracle::judge;
use crate::plans::{Application, NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::world::{WAITS_FOR, World};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far the deployer's clock is off, and how far the server's is set two seconds after the run began.
const CLOCKS: [(SignedDuration, SignedDuration); 7] = [
    (SignedDuration::ZERO, SignedDuration::ZERO),
    (HOUR, SignedDuration::ZERO),
    (SignedDuration::from_hours(-1), SignedDuration::ZERO),
    (SignedDuration::ZERO, DAY),
    (SignedDuration::ZERO, SignedDuration::from_hours(-24)),
    (DAY, SignedDuration::from_hours(-24)),
    (SignedDuration::from_hours(-24), DAY),
];

fn under((clock_off, step): (SignedDuration, SignedDuration)) -> Fate {
    Fate { clock_off, clock_steps: vec![(Duration::from_secs(2), step)], ..Fate::default() }
}

/// Returns how long the one stage of a run took, and how it ended.
fn stage(world: &World, run: RunId) -> (Duration, Verdict) {
    let (mut began, mut ended) = (None, None);
    for entry in world.journal.entries().iter() {
        match &entry.what {
            What::Told { run: by, event } if *by == run => match &event.event {
                EventKind::StageStarted { .. } => began = Some(entry.at),
                EventKind::StageFinished { verdict, .. } => ended = Some((entry.at, verdict.clone())),
                _ => {}
            },
            _ => {}
        }
    }
    let (ended, verdict) = ended.unwrap();
    (ended.checked_sub(began.unwrap()).unwrap(), verdict)
}

fn gadget() -> Key {
    let namespace = NAMESPACE.to_owned();
    Key { group: "example.org".into(), kind: "Gadget".into(), namespace, name: "gadget".into() }
}

fn plan_of_a_gadget(edition: u64) -> Plan {
    let object = json!({
        "apiVersion": "example.org/v1", "kind": "Gadget",
        "metadata": {"name": "gadget", "namespace": NAMESPACE}, "spec": {"edition": edition},
    });
    let (id, deadline) = (StageId::new("all").unwrap(), Duration::from_secs(600));
    let objects = vec![Object::new(object).unwrap()];
    Plan::new(PLAN, NAMESPACE, vec![Stage { id, needs: vec![], objects, deadline, checks: vec![] }]).unwrap()
}

/// Works as an operator that never says which generation it speaks of: some time after a change its gadget is not
/// ready, and ten seconds later it is.
async fn operate(server: ApiServer) {
    let mut versions = server.versions();
    let mut done = Value::Null;
    loop {
        versions.mark_seen();
        let generation = server
            .store()
            .objects
            .get(&gadget())
            .map(|stored| stored.object["metadata"]["generation"].clone());
        match generation.filter(|generation| *generation != done) {
            Some(generation) => {
                done = generation;
                for (after, status) in [(3, "False"), (10, "True")] {
                    tokio::time::sleep(Duration::from_secs(after)).await;
                    let mut store = server.store();
                    let condition = json!({"type": "Ready", "status": status, "lastTransitionTime": store.now().to_string()});
                    let kind = store.kind_of(&gadget());
                    let writer = Writer { agent: "operator", manager: "operator" };
                    store
                        .update_status(&writer, &kind, &gadget(), &json!({"conditions": [condition]}))
                        .unwrap();
                }
            }
            None => versions.changed().await.unwrap(),
        }
    }
}

#[test]
fn a_condition_from_before_our_write_never_counts_whoevers_clock_is_wrong() {
    let took = |clocks| {
        on_paused_clock(async {
            let mut world = World::even(3);
            let text = str::to_owned;
            let (group, version) = (text("example.org"), text("v1"));
            let (kind, plural) = (text("Gadget"), text("gadgets"));
            let served =
                Kind { group, version, kind, plural, namespaced: true, generation: true, status: true };
            world.server.store().kinds.push(served);
            tokio::spawn(operate(world.server.clone()));
            world.run(Command::Deploy, &plan_of_a_gadget(1), Fate::default()).await;
            tokio::time::sleep(Duration::from_secs(300)).await;
            let run = world.run(Command::Deploy, &plan_of_a_gadget(2), under(clocks)).await;
            let (took, verdict) = stage(&world, run.id);
            assert_eq!(verdict, Verdict::Succeeded, "{clocks:?}");
            took.as_secs()
        })
    };
    assert_eq!(CLOCKS.map(took), [13; 7]);
}

#[test]
fn no_clock_that_is_set_moves_a_deadline() {
    let took = |clocks| {
        on_paused_clock(async {
            let mut world = World::even(3);
            let run = world
                .run(Command::Deploy, &Application::of_a_broken_deployment().plan(), under(clocks))
                .await;
            let (took, verdict) = stage(&world, run.id);
            assert!(matches!(verdict, Verdict::TimedOut { .. }), "{clocks:?}: {verdict:?}");
            took.as_secs()
        })
    };
    assert_eq!(CLOCKS.map(took), [600; 7]);
}

#[test]
fn two_whose_clocks_differ_take_turns_all_the_same() {
    for (seed, clocks) in (0..).zip(CLOCKS) {
        on_paused_clock(async {
            let mut world = World::even(seed);
            let mut application = Application::random(&mut world.random.fork("application"));
            application.mend();
            let other = (-clocks.0, -clocks.1);
            let fates =
                [clocks, other].map(|clocks| Fate { raced: true, wait_lock: WAITS_FOR, ..under(clocks) });
            world.race(&application.plan(), fates).await;
            for run in &world.runs {
                assert!(run.ending.is_success(), "seed {seed}, {clocks:?}: {:?}", run.ending);
            }
            assert_eq!(judge(&world), Vec::<String>::new(), "seed {seed}, {clocks:?}");
        });
    }
}
