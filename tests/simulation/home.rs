//! The plan's own namespace while an earlier one of its name is ending: told, explained, sat out.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use wesago::event::{EventKind, Verdict};
use wesago::object::Object;
use wesago::plan::{Plan, Stage, StageId};

use crate::api_server::{DeleteOptions, Key, Writer, namespace_key};
use crate::deployer::{Command, Ending, Fate};
use crate::journal::What;
use crate::oracle::judge;
use crate::plans::{NAMESPACE, PLAN};
use crate::stories::on_paused_clock;
use crate::world::World;

/// When whoever holds the old namespace lets go of it.
const HELD_FOR: Duration = Duration::from_secs(40);
/// What he holds it with.
const FINALIZER: &str = "example.org/keeper";

fn held() -> Key {
    Key { group: String::new(), kind: "ConfigMap".into(), namespace: NAMESPACE.into(), name: "held".into() }
}

/// Makes the namespace with something in it that a finalizer holds, and deletes it.
fn end_namespace(world: &World) {
    let writer = Writer { agent: "somebody", manager: "kubectl-create" };
    let mut store = world.server.store();
    let home = namespace_key(NAMESPACE);
    let things = [
        (home.clone(), json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})),
        (
            held(),
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "held", "namespace": NAMESPACE, "finalizers": [FINALIZER]}}),
        ),
    ];
    for (key, thing) in things {
        let kind = store.kind_of(&key);
        // Some worlds have the namespace from the start.
        if !store.objects.contains_key(&key) {
            store.create(&writer, &kind, &key, thing).unwrap();
        }
    }
    let kind = store.kind_of(&home);
    store.delete("somebody", &kind, &home, &DeleteOptions::default()).unwrap();
}

fn plan() -> Plan {
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": NAMESPACE}});
    let stage = Stage {
        id: StageId::new("all").unwrap(),
        needs: vec![],
        objects: vec![Object::new(map).unwrap()],
        deadline: Duration::from_secs(60),
        checks: vec![],
    };
    Plan::new(PLAN, NAMESPACE, vec![stage]).unwrap()
}

#[test]
fn a_namespace_that_is_ending_is_told_explained_and_sat_out() {
    on_paused_clock(async {
        let mut world = World::even(3);
        end_namespace(&world);
        let server = world.server.clone();
        let began = Instant::now();
        tokio::spawn(async move {
            tokio::time::sleep(HELD_FOR).await;
            server.store().drop_finalizer("somebody", &held(), FINALIZER);
        });
        let run = world.run(Command::Deploy, &plan(), Fate::default()).await;
        assert_eq!(run.ending, Ending::Ended(Ok(Verdict::Succeeded)));
        assert!(began.elapsed() >= HELD_FOR && began.elapsed() < HELD_FOR * 2, "{:?}", began.elapsed());
        let warned: Vec<(Duration, String)> = world
            .journal
            .entries()
            .iter()
            .filter_map(|entry| match &entry.what {
                What::Told { event, .. } => match &event.event {
                    EventKind::Warned { message } => {
                        Some((Duration::from_millis(event.elapsed_ms), message.clone()))
                    }
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let [(first, is_ending), (second, why), ..] = warned.as_slice() else { panic!("{warned:?}") };
        assert!(*first < Duration::from_secs(1), "{first:?}");
        assert_eq!(
            is_ending,
            &format!("Namespace/{NAMESPACE} is being deleted; its end is waited for, at most 5 min")
        );
        assert!(*second < Duration::from_secs(12), "{second:?}");
        assert!(why.starts_with(&format!("Namespace/{NAMESPACE} does not go: kubernetes: ")), "{why}");
        assert_eq!(judge(&world), Vec::<String>::new());
    });
}
