//! Why is it not ready? When a stage fails or runs out of time, what the vigil knows of its unready objects is
//! joined by `diagnosis` with what only matters now: nodes, the names of keys, Services, the log that is
//! worth reading. All of it is bounded: a cause that cannot be looked up in time must not hold up the
//! verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use super::around::{Around, scope};
use super::refused::NotTaken;
use super::retry::Tools;
use super::session::namespace_ref;
use super::stage::Tracked;
use crate::cluster::{Catalog, Scope};
use crate::diagnosis::{Cause, Class, Diagnosis, LogWanted, Missing, of_service};
use crate::event::CauseFound;
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::{HttpCheck, StageId};
use crate::readiness::Readiness;

/// How long looking for causes may take.
const LOOK_FOR: Duration = Duration::from_secs(10);
/// How long a log may take: the node it is on may be away.
const LOG_WITHIN: Duration = Duration::from_secs(2);
/// Log lines shown of a culprit.
const LOG_LINES: u32 = 10;
/// Causes told of one stage; the first ones are the surest.
const CAUSES: usize = 3;
/// Objects looked at.
const OBJECTS: usize = 20;
/// Where k3s runs the pods that hold the ports of load balancers.
const SYSTEM: &str = "kube-system";

/// What is to be explained.
pub(super) struct Puzzle {
    /// The stage.
    pub stage: StageId,
    /// The writes that the server has not taken.
    pub refused: Vec<NotTaken>,
    /// Its objects that were written and are not current.
    pub unready: Vec<Unready>,
    /// The checks that are not passed though all objects are current.
    pub unanswered: Vec<HttpCheck>,
    /// The plan's namespace.
    pub namespace: String,
    /// Where objects are written in the manifests.
    pub places: BTreeMap<ObjectRef, String>,
    /// What the vigil knows, by namespace.
    pub known: BTreeMap<String, Around>,
    /// The objects of the stages that this one does not wait for, each with its stage.
    pub makers: BTreeMap<ObjectRef, StageId>,
}

/// An object that is not current.
pub(super) struct Unready {
    /// As it was last seen.
    pub object: Object,
    /// What it is.
    readiness: Readiness,
}

impl Unready {
    /// Returns what is known of an object that was there after our write.
    pub(super) fn of(tracked: &Tracked) -> Option<Self> {
        Some(Self { object: tracked.last_seen()?.clone(), readiness: tracked.readiness.clone() })
    }

    /// Returns what its own rule says, for when nothing around it tells more.
    fn plainly(&self) -> Diagnosis {
        let (state, reason, class) = match &self.readiness {
            Readiness::Failed { reason } => ("Failed", reason.clone(), Class::Permanent),
            Readiness::InProgress { reason } => ("InProgress", reason.clone(), Class::Transient),
            Readiness::Terminating { finalizers } if finalizers.is_empty() => {
                ("Terminating", "somebody is deleting it".to_owned(), Class::Permanent)
            }
            Readiness::Terminating { finalizers } => {
                let held = format!("somebody is deleting it, and {} hold it", finalizers.join(", "));
                ("Terminating", held, Class::Permanent)
            }
            Readiness::NotFound => ("NotFound", "it is not there".to_owned(), Class::Permanent),
            Readiness::Current { .. } => ("Current", "it is current".to_owned(), Class::Transient),
        };
        Diagnosis::of_object(&self.object, state, reason, class)
    }
}

/// Asks and joins.
struct Detective<'a> {
    tools: &'a Tools,
    catalog: &'a Catalog,
    puzzle: Puzzle,
}

/// Returns the causes, the surest first; fewer, or none, when the cluster does not tell in time.
pub(super) async fn explain(tools: &Tools, catalog: &Catalog, puzzle: Puzzle) -> Vec<CauseFound> {
    let detective = Detective { tools, catalog, puzzle };
    tokio::time::timeout(LOOK_FOR, detective.look()).await.unwrap_or_default()
}

impl Detective<'_> {
    async fn look(mut self) -> Vec<CauseFound> {
        let mut causes = Vec::new();
        let mut found: Vec<(String, Diagnosis)> = Vec::new();
        for refused in std::mem::take(&mut self.puzzle.refused).into_iter().take(CAUSES) {
            causes.push(refused.cause);
            if let Some(namespace) = refused.ending {
                found.extend(self.ending(&namespace).await.map(|found| (namespace, found)));
            }
        }
        for unready in std::mem::take(&mut self.puzzle.unready).iter().take(OBJECTS) {
            let namespace = unready.object.namespace().unwrap_or_default().to_owned();
            let mut about = self.diagnose(&unready.object, &namespace).await;
            let says_more = about.iter().any(|found| found.cause != Cause::Warning);
            let has_failed = !matches!(unready.readiness, Readiness::InProgress { .. });
            if !says_more || (has_failed && about.iter().all(|found| found.class == Class::Transient)) {
                about.push(unready.plainly());
            }
            found.extend(about.into_iter().map(|found| (namespace.clone(), found)));
        }
        for check in std::mem::take(&mut self.puzzle.unanswered) {
            let namespace = self.puzzle.namespace.clone();
            found.extend(self.check(&check).await.map(|found| (namespace, found)));
        }
        found.sort_by_key(|(_, found)| (found.class, found.cause));
        // Beside what cannot work, what only needs time is no cause.
        let is_sure = !causes.is_empty() || found.iter().any(|(_, found)| found.class != Class::Transient);
        found.retain(|(_, found)| !is_sure || found.class != Class::Transient);
        for (namespace, diagnosis) in found.into_iter().take(CAUSES) {
            causes.push(self.told(&namespace, diagnosis).await);
        }
        causes
    }

    /// Returns what the vigil's copy tells of an object; what the server tells when that is nothing, since the
    /// news of a pod may be on their way still.
    async fn diagnose(&mut self, object: &Object, namespace: &str) -> Vec<Diagnosis> {
        let known = match self.puzzle.known.remove(namespace) {
            Some(known) => known,
            None => self.read(namespace).await,
        };
        let mut around = self.completed(known, object).await;
        let mut found = around.diagnose(object);
        if found.iter().all(|found| found.cause == Cause::Warning) {
            around = self.completed(self.read(namespace).await, object).await;
            found = around.diagnose(object);
        }
        if found.iter().any(|found| found.cause == Cause::Unschedulable)
            && !around.knows_nodes()
            && let Some(nodes) = self.list(scope(self.catalog, "", "Node", None)).await
        {
            around = around.with_nodes(nodes);
            found = around.diagnose(object);
        }
        self.puzzle.known.insert(namespace.to_owned(), around);
        found
    }

    /// Returns what holds a namespace that takes nothing new, since it is being deleted.
    async fn ending(&self, namespace: &str) -> Option<Diagnosis> {
        let name = namespace_ref(namespace);
        let resource = self.catalog.preferred(&name.group_kind())?;
        let namespace = self.tools.cluster.get(resource, &name).await.ok()??;
        Around::default().diagnose(&namespace).into_iter().next()
    }

    /// Reads what is in a namespace; an object outside of any tells of itself only.
    async fn read(&self, namespace: &str) -> Around {
        if namespace.is_empty() {
            return Around::default();
        }
        Around::read(self.tools, self.catalog, namespace).await
    }

    /// Adds what only one kind of object needs: the pods that hold a load balancer's port.
    async fn completed(&self, mut around: Around, object: &Object) -> Around {
        if object.kind() == "Service" && object.text("/spec/type") == "LoadBalancer" {
            let labels = Some(format!("svccontroller.k3s.cattle.io/svcname={}", object.name()));
            let pods = scope(self.catalog, "", "Pod", Some(SYSTEM)).map(|scope| Scope { labels, ..scope });
            around.extend(self.list(pods).await.unwrap_or_default());
        }
        around
    }

    /// Returns why the Service a check asks may not have answered.
    async fn check(&mut self, check: &HttpCheck) -> Option<Diagnosis> {
        let namespace = self.puzzle.namespace.clone();
        let name = ObjectRef {
            group: String::new(),
            kind: "Service".to_owned(),
            namespace: Some(namespace.clone()),
            name: check.service.clone(),
        };
        let resource = self.catalog.preferred(&name.group_kind())?;
        let service = self.tools.cluster.get(resource, &name).await.ok()??;
        let around = self.read(&namespace).await;
        of_service(&service, check.port, &around.of("Pod"))
    }

    /// Puts a diagnosis into words, with all that is known beside it.
    async fn told(&self, namespace: &str, diagnosis: Diagnosis) -> CauseFound {
        let mut chain: Vec<String> = diagnosis.chain.iter().map(ToString::to_string).collect();
        chain.extend(diagnosis.container.iter().map(|container| format!("container {container}")));
        let mut message = diagnosis.message;
        if let Some(missing) = &diagnosis.missing {
            for more in [self.beside(namespace, missing).await, self.made_by(namespace, missing)] {
                message.extend(more.map(|more| format!("; {more}")));
            }
        }
        let log = match &diagnosis.wants_log {
            Some(wanted) => self.log(namespace, wanted).await,
            None => Vec::new(),
        };
        CauseFound {
            stage: self.puzzle.stage.clone(),
            place: diagnosis.chain.first().and_then(|object| self.puzzle.places.get(object)).cloned(),
            chain,
            reason: diagnosis.reason,
            message,
            class: Some(diagnosis.class),
            log,
            next: diagnosis.next,
        }
    }

    /// Returns what there is instead of what is missing: the keys of the object, or the names of the others of
    /// its kind. Of a Secret only the names of its keys are kept.
    async fn beside(&self, namespace: &str, missing: &Missing) -> Option<String> {
        let kind = GroupKind { group: String::new(), kind: missing.kind.clone() };
        let resource = self.catalog.preferred(&kind)?;
        let there = if missing.key.is_some() {
            let name = Self::named(namespace, missing);
            keys(&self.tools.cluster.get(resource, &name).await.ok()??)
        } else {
            let all = scope(self.catalog, "", &missing.kind, Some(namespace));
            let names = self.list(all.map(|scope| Scope { metadata_only: true, ..scope })).await?;
            names.iter().map(|object| object.name().to_owned()).collect()
        };
        Some(missing.beside(&there))
    }

    /// Returns which stage makes what is missing, when this one does not wait for it.
    fn made_by(&self, namespace: &str, missing: &Missing) -> Option<String> {
        let name = Self::named(namespace, missing);
        let maker = self.puzzle.makers.get(&name)?;
        let stage = &self.puzzle.stage;
        Some(format!("stage `{maker}` makes it, and `{stage}` does not wait for that: add it to its `needs`"))
    }

    fn named(namespace: &str, missing: &Missing) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            kind: missing.kind.clone(),
            namespace: Some(namespace.to_owned()),
            name: missing.name.clone(),
        }
    }

    async fn list(&self, scope: Option<Scope>) -> Option<Vec<Object>> {
        self.tools.cluster.list(&scope?).await.ok().map(|listing| listing.objects)
    }

    async fn log(&self, namespace: &str, wanted: &LogWanted) -> Vec<String> {
        let LogWanted { pod, container, previous } = wanted;
        let tail = self.tools.cluster.log_tail(namespace, pod, container, *previous, LOG_LINES);
        // A container that never started has no log; the cause is told all the same.
        match tokio::time::timeout(LOG_WITHIN, tail).await {
            Ok(Ok(text)) => text.lines().map(str::to_owned).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

/// Returns the names of the keys of a ConfigMap or a Secret.
fn keys(object: &Object) -> Vec<String> {
    let maps = ["/data", "/binaryData"].into_iter().filter_map(|pointer| object.get(pointer)?.as_object());
    maps.flat_map(|map| map.keys().cloned()).collect()
}
