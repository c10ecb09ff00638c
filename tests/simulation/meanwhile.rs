//! What somebody does in the very moment between two steps of a run: after it has looked and before it acts.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use wesago::engine::DeployOptions;
use wesago::event::{EventKind, Verdict};
use wesago::inventory::{Inventory, PART_OF};
use wesago::object::Object;
use wesago::plan::{Plan, SecretKey, SecretSource, SecretSpec, Stage, StageId};

use crate::api_server::{ApiServer, DeleteOptions, Key, Request, Writer};
use crate::deployer::{Command, Ending, Fate};
use crate::journal::What;
use crate::plans::{NAMESPACE, PLAN};
use crate::scenes::{edit, key, map, plan, scene, succeeded, workload};
use crate::stories::on_paused_clock;
use crate::weather::Weather;
use crate::world::{WAITS_FOR, World};

/// Does something once a run has sent a request, and before that has reached the server: the way there takes a
/// millisecond at least.
pub(crate) fn once_sent(
    world: &World,
    request: impl Fn(&Request) -> bool + Send + 'static,
    act: impl FnOnce(&ApiServer) + Send + 'static,
) {
    let (journal, server) = (world.journal.clone(), world.server.clone());
    let mut seen = journal.entries().len();
    tokio::spawn(async move {
        let mut requests = journal.requests();
        loop {
            requests.mark_seen();
            let is_sent = journal.entries()[seen..]
                .iter()
                .any(|entry| matches!(&entry.what, What::Sent { request: sent, .. } if request(sent)));
            if is_sent {
                break act(&server);
            }
            seen = journal.entries().len();
            requests.changed().await.unwrap();
        }
    });
}

/// Returns true for the apply of the ConfigMap `name`.
fn is_apply_of(name: &'static str) -> impl Fn(&Request) -> bool {
    move |request| request.method == Method::PATCH && request.path.ends_with(&format!("/configmaps/{name}"))
}

#[test]
fn what_loses_its_label_while_a_deploy_runs_is_not_pruned() {
    scene(async |world| {
        let base = |edition: &str| map("base", &json!({"edition": edition}));
        let before = plan(&[base("1"), map("left", &json!({})), map("theirs", &json!({}))]);
        succeeded(&world.deploy(&before, DeployOptions::default()).await);
        once_sent(world, is_apply_of("base"), |server| {
            edit(server, "kubectl-edit", &key("ConfigMap", "theirs"), |object| {
                object["metadata"]["labels"].as_object_mut().unwrap().shift_remove(PART_OF);
            });
        });
        succeeded(&world.deploy(&plan(&[base("2")]), DeployOptions::default()).await);
        assert!(world.object(&key("ConfigMap", "left")).is_none(), "what has left the plan goes");
        assert!(world.object(&key("ConfigMap", "theirs")).is_some(), "and not what somebody wants to keep");
    });
}

#[test]
fn what_is_written_while_it_is_being_deleted_is_made_anew() {
    scene(async |world| {
        let settings = |edition: &str| plan(&[map("settings", &json!({"edition": edition}))]);
        let name = key("ConfigMap", "settings");
        succeeded(&world.deploy(&settings("1"), DeployOptions::default()).await);
        world.act("somebody", &name, |object| {
            object["metadata"]["finalizers"] = json!(["example.org/archive"]);
        });
        let before = world.object(&name).unwrap()["metadata"]["uid"].clone();
        let server = world.server.clone();
        once_sent(world, is_apply_of("settings"), move |_| {
            let name = key("ConfigMap", "settings");
            let kind = server.store().kind_of(&name);
            server.store().delete("somebody", &kind, &name, &DeleteOptions::default()).unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                server.store().drop_finalizer("archivist", &name, "example.org/archive");
            });
        });
        let run = world.deploy(&settings("2"), DeployOptions::default()).await;
        succeeded(&run);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let after = world.object(&name).expect("a success that vanishes a moment later is none");
        assert_eq!(after["data"]["edition"], "2");
        assert_ne!(after["metadata"]["uid"], before);
    });
}

/// Returns the plan's Lease as somebody else holds it.
fn lease() -> Value {
    let name = Inventory::parent_name(PLAN);
    let spec = json!({
        "holderIdentity": "bob@build/42/81b2c3", "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z",
    });
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
}

#[test]
fn a_lock_that_its_holder_lets_go_of_is_taken_at_once() {
    scene(async |world| {
        let settings = plan(&[map("settings", &json!({}))]);
        succeeded(&world.deploy(&settings, DeployOptions::default()).await);
        let name = Key { group: "coordination.k8s.io".into(), ..key("Lease", &Inventory::parent_name(PLAN)) };
        let kind = world.server.store().kind_of(&name);
        let writer = Writer { agent: "somebody", manager: "kubectl-edit" };
        world.server.store().create(&writer, &kind, &name, lease()).unwrap();
        let server = world.server.clone();
        let let_go = tokio::spawn(async move {
            // What an interrupted run leaves behind: a Lease that nobody holds. Another one renews it till then.
            for moment in 1..=4 {
                tokio::time::sleep(Duration::from_secs(5)).await;
                edit(&server, "kubectl-edit", &name, |lease| {
                    lease["spec"]["renewTime"] = format!("2026-01-01T00:10:0{moment}.000000Z").into();
                    if moment == 4 {
                        lease["spec"].as_object_mut().unwrap().shift_remove("holderIdentity");
                    }
                });
            }
            Instant::now()
        });
        let fate = Fate { wait_lock: WAITS_FOR, ..Fate::default() };
        let run = world.run(Command::Deploy, &settings, fate).await;
        succeeded(&run);
        let waited = Instant::now() - let_go.await.unwrap();
        assert!(waited < Duration::from_secs(1), "{waited:?} after nobody held the lock any more");
        let awaited = world.journal.entries().iter().any(|entry| {
            matches!(&entry.what, What::Told { event, .. }
                if matches!(&event.event, EventKind::LockAwaited(held) if held.holder.starts_with("bob@")))
        });
        assert!(awaited, "whom the run waited for was told");
    });
}

#[test]
fn a_list_that_comes_after_our_write_and_is_older_takes_nothing_away() {
    // One stage after the other makes its Deployment while lists of all of them are on their way.
    let chain: Vec<Stage> = (0..6)
        .map(|number| Stage {
            id: StageId::new(format!("s{number}")).unwrap(),
            needs: (number > 0)
                .then(|| StageId::new(format!("s{}", number - 1)).unwrap())
                .into_iter()
                .collect(),
            objects: vec![{
                let mut web = workload("Deployment", "app:1", &json!({"replicas": 2})).into_value();
                web["metadata"]["name"] = format!("web-{number}").into();
                Object::new(web).unwrap()
            }],
            deadline: Duration::from_secs(600),
            checks: vec![],
        })
        .collect();
    let chain = Plan::new(PLAN, NAMESPACE, chain).unwrap();
    let mut succeeded = 0;
    for seed in 0..60 {
        on_paused_clock(async {
            let mut world = World::even(seed);
            let ends = Instant::now() + Duration::from_secs(600);
            let weather = Weather { slow: 300, unwatchable: true, ends: Some(ends), ..Weather::default() };
            let run = world.run(Command::Deploy, &chain, Fate { weather, ..Fate::default() }).await;
            let has_failed = matches!(&run.ending, Ending::Ended(Ok(Verdict::Failed { .. })));
            assert!(!has_failed, "seed {seed}: {:?}", run.ending);
            succeeded += u32::from(run.ending.is_success());
        });
    }
    // Where the way is so slow that the lock cannot be renewed, a run ends for that.
    assert!(succeeded >= 40, "{succeeded} of 60 came to their end");
}

/// Returns a plan of one generated Secret with these keys, and a Deployment.
fn with_passwords(keys: &[&str]) -> Plan {
    let keys =
        keys.iter().map(|key| SecretKey { key: (*key).into(), sources: vec![SecretSource::Generate(16)] });
    let spec = SecretSpec { name: "passwords".into(), keys: keys.collect() };
    plan(&[workload("Deployment", "app:1", &json!({"replicas": 1}))]).with_secrets(vec![spec])
}

#[test]
fn a_secret_that_an_earlier_run_makes_at_last_keeps_its_values() {
    scene(async |world| {
        let is_creation =
            |request: &Request| request.method == Method::POST && request.path.ends_with("/secrets");
        once_sent(world, is_creation, |server| {
            let name = key("Secret", "passwords");
            let kind = server.store().kind_of(&name);
            let set = Inventory::new(PLAN, NAMESPACE).id();
            let metadata = json!({"name": "passwords", "namespace": NAMESPACE, "labels": {PART_OF: set}});
            let late =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"user": "Ym9i"}});
            let writer = Writer { agent: "somebody", manager: "wesago" };
            server.store().create(&writer, &kind, &name, late).unwrap();
        });
        let run = world.deploy(&with_passwords(&["user", "password"]), DeployOptions::default()).await;
        succeeded(&run);
        let made = world.object(&key("Secret", "passwords")).unwrap();
        assert_eq!(made["data"]["user"], "Ym9i", "what is there stays");
        assert!(made["data"]["password"].is_string(), "and what was missing is there: {made}");
    });
}

#[test]
fn keys_are_added_only_to_the_secret_that_was_read() {
    scene(async |world| {
        let name = key("Secret", "passwords");
        succeeded(&world.deploy(&with_passwords(&["user"]), DeployOptions::default()).await);
        let is_addition = |request: &Request| {
            request.method == Method::PATCH && request.path.ends_with("/secrets/passwords")
        };
        once_sent(world, is_addition, |server| {
            let name = key("Secret", "passwords");
            let mut store = server.store();
            let kind = store.kind_of(&name);
            let mut earlier = store.objects[&name].object.clone();
            earlier["metadata"] = json!({
                "name": "passwords", "namespace": NAMESPACE,
                "labels": earlier["metadata"]["labels"], "annotations": earlier["metadata"]["annotations"],
            });
            earlier["data"]["password"] = "Ym9i".into();
            let writer = Writer { agent: "somebody", manager: "wesago" };
            store.apply(&writer, &kind, &name, &earlier, false).unwrap();
        });
        let before = world.object(&name).unwrap();
        succeeded(
            &world.deploy(&with_passwords(&["user", "password", "url"]), DeployOptions::default()).await,
        );
        let secret = world.object(&name).unwrap();
        assert_eq!(secret["data"]["user"], before["data"]["user"]);
        assert_eq!(secret["data"]["password"], "Ym9i", "what an earlier run has added meanwhile stays");
        assert!(secret["data"]["url"].is_string(), "{secret}");
    });
}
