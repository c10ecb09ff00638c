//! What somebody else holds back while it is on its way is not ready: who suspended a Job or paused a Deployment
//! only the server's field managers tell, so they must be known to the end.

use std::time::Duration;

use serde_json::{Value, json};
use wesago::event::EventKind;
use wesago::plan::{Plan, Stage, StageId};
use wesago::readiness::Readiness;

use crate::api_server::{Key, Writer};
use crate::deployer::{Command, Fate};
use crate::journal::What;
use crate::plans::{NAMESPACE, PLAN};
use crate::scenes::{key, object, succeeded, workload};
use crate::stories::on_paused_clock;
use crate::world::World;

/// How often it is looked whether the object is there yet.
const LOOK: Duration = Duration::from_millis(1);

/// Deploys one object, of which somebody sets a field of the spec as soon as it is there, and returns what it was
/// told to be.
fn told_of(wanted: Value, key: Key, field: &'static str) -> Vec<Readiness> {
    on_paused_clock(async move {
        let mut world = World::even(3);
        let (server, name) = (world.server.clone(), key.clone());
        tokio::spawn(async move {
            while !server.store().objects.contains_key(&name) {
                tokio::time::sleep(LOOK).await;
            }
            let mut store = server.store();
            let kind = store.kind_of(&name);
            let mut held = store.objects[&name].object.clone();
            held["spec"][field] = true.into();
            let writer = Writer { agent: "somebody", manager: "kubectl-edit" };
            store.update(&writer, &kind, &name, held).unwrap();
        });
        let stage = Stage {
            id: StageId::new("all").unwrap(),
            needs: vec![],
            objects: vec![object(wanted)],
            deadline: Duration::from_secs(600),
            checks: vec![],
        };
        let plan = Plan::new(PLAN, NAMESPACE, vec![stage]).unwrap();
        let run = world.run(Command::Deploy, &plan, Fate::default()).await;
        // The simulated controllers go on all the same: in the end it is ready.
        succeeded(&run);
        let entries = world.journal.entries();
        let told = entries.iter().filter_map(|entry| match &entry.what {
            What::Told { event, .. } => match &event.event {
                EventKind::ObjectObserved { readiness, .. } => Some(readiness.clone()),
                _ => None,
            },
            _ => None,
        });
        told.collect()
    })
}

#[track_caller]
fn is_waited_for(told: &[Readiness], words: &str) {
    let says = |readiness: &Readiness| matches!(readiness, Readiness::InProgress { reason } if reason.contains(words));
    assert!(told.iter().any(says), "nobody said `{words}`: {told:?}");
    let current = told.iter().filter(|readiness| matches!(readiness, Readiness::Current { .. }));
    let bare = |readiness: &Readiness| matches!(readiness, Readiness::Current { note: None });
    assert!(current.clone().count() == 1 && current.clone().all(bare), "called ready too soon: {told:?}");
}

#[test]
fn a_job_that_somebody_suspends_is_not_called_ready() {
    let container = json!({"name": "main", "image": "app:1"});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    });
    let name = Key { group: "batch".into(), ..key("Job", "migrate") };
    is_waited_for(&told_of(job, name, "suspend"), "suspended by somebody else");
}

#[test]
fn a_deployment_that_somebody_pauses_is_not_called_ready() {
    let web = workload("Deployment", "app:1", &json!({"replicas": 2})).into_value();
    let told = told_of(web, key("Deployment", "web"), "paused");
    let says = |readiness: &Readiness| matches!(readiness, Readiness::InProgress { reason } if reason.contains("paused by somebody else"));
    assert!(told.iter().any(says), "{told:?}");
    let lies = |readiness: &Readiness| matches!(readiness, Readiness::Current { note: Some(note) } if note.contains("nothing rolls out"));
    assert!(!told.iter().any(lies), "called ready too soon: {told:?}");
}
