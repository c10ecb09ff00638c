//! Why is it not ready? When a stage fails or runs out of time, everything around its unready objects is
//! read once, joined by `diagnosis`, and the log that matters is fetched. All of it is bounded: a cause
//! that cannot be looked up in time must not hold up the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use super::retry::Tools;
use super::session::WIDTH;
use crate::cluster::{Catalog, Scope};
use crate::diagnosis::{Diagnosis, Evidence, LogWanted, diagnose};
use crate::event::CauseFound;
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::StageId;

/// How long looking for causes may take.
const LOOK_FOR: Duration = Duration::from_secs(10);
/// Log lines shown of a culprit.
const LOG_LINES: u32 = 10;
/// Causes told of one stage; the first ones are the surest.
const CAUSES: usize = 3;

/// What a namespace holds that can tell why something is not ready.
#[derive(Default)]
struct Surroundings {
    replica_sets: Vec<Object>,
    pods: Vec<Object>,
    events: Vec<Object>,
    claims: Vec<Object>,
}

/// Returns the causes of `unready` objects of a stage, each with the place of its object in the manifests
/// where `places` has one, the surest first; fewer, or none, when the cluster
/// does not tell in time.
pub(super) async fn explain(
    tools: &Tools,
    catalog: &Catalog,
    stage: &StageId,
    unready: &[Object],
    places: &BTreeMap<ObjectRef, String>,
) -> Vec<CauseFound> {
    let look = async {
        let namespaces: BTreeSet<&str> = unready.iter().filter_map(Object::namespace).collect();
        let mut causes = Vec::new();
        for namespace in namespaces {
            let around = read(tools, catalog, namespace).await;
            let workloads = unready.iter().filter(|object| object.namespace() == Some(namespace));
            let found: Vec<Diagnosis> =
                workloads.flat_map(|workload| around.diagnose(workload)).take(CAUSES).collect();
            for diagnosis in found {
                let place = diagnosis.chain.first().and_then(|object| places.get(object)).cloned();
                causes.push(CauseFound { place, ..told(tools, stage, namespace, diagnosis).await });
            }
        }
        causes
    };
    tokio::time::timeout(LOOK_FOR, look).await.unwrap_or_default()
}

impl Surroundings {
    fn diagnose(&self, workload: &Object) -> Vec<Diagnosis> {
        diagnose(&Evidence {
            workload,
            replica_sets: &Vec::from_iter(&self.replica_sets),
            pods: &Vec::from_iter(&self.pods),
            events: &Vec::from_iter(&self.events),
            claims: &Vec::from_iter(&self.claims),
        })
    }
}

/// Reads what surrounds the objects of a namespace; what may not be read is left out.
async fn read(tools: &Tools, catalog: &Catalog, namespace: &str) -> Surroundings {
    let list = |group: &'static str, kind: &'static str| async move {
        let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
        let Some(resource) = catalog.preferred(&kind) else { return Vec::new() };
        let scope = Scope {
            resource: resource.clone(),
            namespace: Some(namespace.to_owned()),
            labels: None,
            fields: None,
            metadata_only: false,
        };
        tools.cluster.list(&scope).await.map(|listing| listing.objects).unwrap_or_default()
    };
    let wanted = [("apps", "ReplicaSet"), ("", "Pod"), ("", "Event"), ("", "PersistentVolumeClaim")];
    let mut lists: Vec<Vec<Object>> =
        stream::iter(wanted.map(|(group, kind)| list(group, kind))).buffered(WIDTH).collect().await;
    let mut next = || if lists.is_empty() { Vec::new() } else { lists.remove(0) };
    Surroundings { replica_sets: next(), pods: next(), events: next(), claims: next() }
}

/// Puts a diagnosis into words, with the culprit's log.
async fn told(tools: &Tools, stage: &StageId, namespace: &str, diagnosis: Diagnosis) -> CauseFound {
    let mut chain: Vec<String> = diagnosis.chain.iter().map(ToString::to_string).collect();
    chain.extend(diagnosis.container.iter().map(|container| format!("container {container}")));
    let log = match &diagnosis.wants_log {
        Some(wanted) => log(tools, namespace, wanted).await,
        None => Vec::new(),
    };
    CauseFound {
        stage: stage.clone(),
        chain,
        reason: diagnosis.reason,
        message: diagnosis.message,
        place: None,
        log,
        next: diagnosis.next,
    }
}

async fn log(tools: &Tools, namespace: &str, wanted: &LogWanted) -> Vec<String> {
    let LogWanted { pod, container, previous } = wanted;
    let tail = tools.cluster.log_tail(namespace, pod, container, *previous, LOG_LINES).await;
    // A container that never started has no log; the cause is told all the same.
    tail.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}
