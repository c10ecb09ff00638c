//! What a deploy asks of the cluster that finds nothing to do, request by request: the lock twice, the
//! inventory, one list of each kind in each namespace, and the plan's own checks. Fewer there cannot be: the
//! API has no question about several kinds, and what was not read is not proven.

use std::fs;
use std::path::Path;

use http::Method;
use serde_json::json;
use wesago::compose::{Entry, FileError, Files, Listed, Request, compose};
use wesago::event::EventKind;
use wesago::plan::{Check, Plan, SecretSource, SecretSpec, Stage};

use crate::api_server::{Key, Writer};
use crate::deployer::{Command, Fate, Run};
use crate::foreseen::chain;
use crate::journal::What;
use crate::stories::on_paused_clock;
use crate::world::World;

/// The files of this repository.
struct Repository;

impl Files for Repository {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let told = |cause: std::io::Error| FileError::Unreadable(cause.to_string());
        if !path.exists() {
            return Err(FileError::Missing);
        }
        if path.is_file() {
            return fs::read(path).map(Entry::File).map_err(told);
        }
        let entries = fs::read_dir(path).map_err(told)?.map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            Listed { name, is_folder: entry.path().is_dir() }
        });
        Ok(Entry::Folder(entries.collect()))
    }
}

/// Returns the whole forum with its website. Its checks are content with what the simulated services say, and
/// its secrets come from nobody's environment.
fn forum() -> Plan {
    let request = Request { files: &Repository, plan: "plans/sandbox.yaml", values: &[], set: &[] };
    let plan = compose(&request).unwrap().plan;
    let mut stages: Vec<Stage> = plan.stages().to_vec();
    for Check::Http(check) in stages.iter_mut().flat_map(|stage| &mut stage.checks) {
        check.contains = Some("hello".into());
    }
    let mut secrets: Vec<SecretSpec> = plan.secrets().to_vec();
    for key in secrets.iter_mut().flat_map(|secret| &mut secret.keys) {
        key.sources.retain(|source| matches!(source, SecretSource::Generate(_)));
    }
    Plan::new(plan.name(), plan.namespace(), stages).unwrap().with_secrets(secrets)
}

/// Returns a world in which claims are bound at once, with the plan deployed.
async fn deployed(plan: &Plan) -> World {
    let key = Key {
        group: "storage.k8s.io".into(),
        kind: "StorageClass".into(),
        namespace: String::new(),
        name: "standard".into(),
    };
    let binds_at_once =
        |world: &World| world.server.store().objects[&key].object["volumeBindingMode"] == "Immediate";
    let mut world = (0..100).map(World::even).find(binds_at_once).unwrap();
    deploy(&mut world, plan).await;
    world
}

async fn deploy(world: &mut World, plan: &Plan) -> Run {
    let run = world.run(Command::Deploy, plan, Fate::default()).await;
    assert!(run.ending.is_success(), "{:?}", run.ending);
    run
}

/// Returns what a run asked, in order of the words.
fn asked(world: &World, run: &Run) -> Vec<String> {
    let entries = world.journal.entries();
    let mut asked: Vec<String> = entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Sent { run: sent_by, request, .. } if *sent_by == run.id => {
                let (_, path) = request.path.split_once("v1/").unwrap_or(("", &request.path));
                let is_list = request.method == Method::GET && request.query.contains("labelSelector");
                let verb = if is_list { "LIST" } else { request.method.as_str() };
                let metadata = if request.accept.contains("PartialObject") { " (metadata)" } else { "" };
                Some(format!("{verb} {path}{metadata}"))
            }
            _ => None,
        })
        .collect();
    asked.sort();
    asked
}

#[test]
fn a_redeploy_of_the_whole_forum_asks_once_about_each_kind() {
    on_paused_clock(async {
        let plan = forum();
        let mut world = deployed(&plan).await;
        let run = deploy(&mut world, &plan).await;
        insta::assert_snapshot!(asked(&world, &run).join("\n"), @r"
        DELETE namespaces/gic-wesago/leases/wesago-wesago
        GET namespaces/gic-wesago/configmaps/wesago-wesago
        GET namespaces/gic-wesago/services/nginx:80/proxy/
        GET namespaces/gic-wesago/services/website:80/proxy/
        LIST namespaces
        LIST namespaces/gic-wesago/configmaps (metadata)
        LIST namespaces/gic-wesago/cronjobs
        LIST namespaces/gic-wesago/deployments
        LIST namespaces/gic-wesago/ingresses (metadata)
        LIST namespaces/gic-wesago/jobs
        LIST namespaces/gic-wesago/persistentvolumeclaims
        LIST namespaces/gic-wesago/secrets
        LIST namespaces/gic-wesago/services
        LIST namespaces/gic-wesago/statefulsets
        POST namespaces/gic-wesago/leases
        ");
    });
}

#[test]
fn a_first_deploy_asks_little_beside_what_it_writes() {
    on_paused_clock(async {
        let plan = chain(6, 1, "1");
        let mut world = World::even(7);
        let run = deploy(&mut world, &plan).await;
        let (objects, beside): (Vec<String>, Vec<String>) =
            asked(&world, &run).into_iter().partition(|request| request.starts_with("PATCH "));
        // The inventory twice: superset first, shrink last.
        assert_eq!(objects.len(), plan.objects().count() + 2, "{objects:?}");
        insta::assert_snapshot!(beside.join("\n"), @r"
        DELETE namespaces/shop/leases/wesago-shop
        GET /api
        GET /apis
        GET /version
        GET namespaces/shop/configmaps (metadata)
        GET namespaces/shop/configmaps/wesago-shop
        GET namespaces/shop/deployments (metadata)
        GET namespaces/shop/events
        GET namespaces/shop/pods
        GET namespaces/shop/replicasets
        GET namespaces/shop/services (metadata)
        LIST namespaces/shop/deployments
        LIST namespaces/shop/secrets (metadata)
        POST namespaces
        POST namespaces/shop/leases
        POST namespaces/shop/leases
        POST namespaces/shop/secrets
        POST selfsubjectrulesreviews
        PUT namespaces/shop/leases/wesago-shop
        ");
    });
}

#[test]
fn whoever_has_something_to_write_asks_what_is_served() {
    on_paused_clock(async {
        let plan = forum();
        let mut world = deployed(&plan).await;
        let key = Key {
            group: String::new(),
            kind: "Service".into(),
            namespace: plan.namespace().into(),
            name: "nginx".into(),
        };
        {
            let mut store = world.server.store();
            let kind = store.kind_of(&key);
            let mut object = store.objects[&key].object.clone();
            object["spec"]["ports"][0]["targetPort"] = json!(81);
            store
                .update(&Writer { agent: "somebody", manager: "kubectl-edit" }, &kind, &key, object)
                .unwrap();
        }
        let run = world.run(Command::Deploy, &plan, Fate::default()).await;
        // It is somebody else's now, and nobody said to take it.
        assert!(!run.ending.is_success());
        let entries = world.journal.entries();
        let of_run = |entry: &What| match entry {
            What::Sent { run: by, request, .. } if *by == run.id => Some(request.clone()),
            _ => None,
        };
        let sent: Vec<_> = entries.iter().filter_map(|entry| of_run(&entry.what)).collect();
        let discovery = sent.iter().position(|request| request.path == "/apis").unwrap();
        let write = sent.iter().position(|request| request.method == Method::PATCH).unwrap();
        assert!(discovery < write);
        let lists =
            sent.iter().filter(|one| one.path.ends_with("/statefulsets") && !one.query.contains("watch"));
        assert_eq!(lists.count(), 1, "what was read stays read");
        let told = entries.iter().any(|entry| {
            matches!(&entry.what, What::Told { run: by, event } if *by == run.id
                && matches!(&event.event, EventKind::Foreseen(forecast) if !forecast.is_nothing()))
        });
        assert!(told);
    });
}
