//! The logs of a plan's workloads, on demand: as they are now, or followed, with the pods that come later.
//! Whose pod a pod is follows from its owners, by their names: a workload that is made anew is meant, too.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};

use super::followers::{Extent, Followers};
use super::redactor::Redactor;
use super::retry::Tools;
use super::session::{Session, ask, resource};
use super::{EngineError, secrets, settled};
use crate::cluster::{ApiError, Catalog, Container, LogText, LogWanted, Observation, Scope, Start};
use crate::entropy::Entropy;
use crate::object::{GroupKind, Object, ObjectRef};
use crate::plan::Plan;

/// Owners on the way from a pod to its workload: `CronJob`, `Job`, `Pod` is the longest.
const DEEPEST: usize = 3;

/// Which logs are wanted.
#[derive(Clone, Debug)]
pub struct LogsWanted {
    /// The workloads, in the order in which they are told.
    pub workloads: Vec<ObjectRef>,
    /// True to go on with what comes later.
    pub follow: bool,
    /// Begin with so many of the last lines of each container; `None` for all.
    pub tail: Option<u32>,
    /// True for the lives before of containers that were started again.
    pub previous: bool,
}

/// What is told of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTold {
    /// A container's line, with the plan's secrets masked.
    Line {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
        /// The line.
        line: String,
    },
    /// What a reader must know beside, such as that a container has not started.
    Note(String),
}

/// Tells what is wanted, until there is nothing more or `tell` breaks off.
pub(super) async fn tell(
    tools: &Tools,
    plan: &Plan,
    wanted: &LogsWanted,
    entropy: Entropy,
    mut tell: impl FnMut(&LogTold) -> ControlFlow<()>,
) -> Result<(), EngineError> {
    let catalog = Session::discover(tools).await?;
    let plan = &settled(plan, &catalog);
    let redactor = if let Some(contents) = secrets::present(tools, &catalog, plan).await? {
        Redactor::of(&contents)
    } else {
        let note = "the plan's Secrets may not be read: their values are not masked".to_owned();
        if tell(&LogTold::Note(note)).is_break() {
            return Ok(());
        }
        Redactor::default()
    };
    let logs = Logs { tools, wanted, redactor, owners: Owners::new(&wanted.workloads), entropy };
    let scopes = logs.scopes(&catalog)?;
    let _broken_off = if wanted.follow {
        logs.follow(scopes, &mut tell).await?
    } else {
        logs.read(scopes, &mut tell).await?
    };
    Ok(())
}

/// One reading of logs.
struct Logs<'a> {
    tools: &'a Tools,
    wanted: &'a LogsWanted,
    redactor: Redactor,
    owners: Owners,
    entropy: Entropy,
}

impl Logs<'_> {
    /// Returns what has to be known of the cluster: pods, and what stands between them and the workloads.
    fn scopes(&self, catalog: &Catalog) -> Result<Vec<Scope>, EngineError> {
        let mut scopes = Vec::new();
        let mut add = |group: &str, kind: &str, workload: &ObjectRef| -> Result<(), EngineError> {
            let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
            let resource = resource(catalog, &kind)?.clone();
            let metadata_only = kind.kind != "Pod";
            let scope = Scope { metadata_only, ..Scope::all(resource, workload.namespace.as_deref()) };
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
            Ok(())
        };
        for workload in &self.wanted.workloads {
            match workload.kind.as_str() {
                "Deployment" => add("apps", "ReplicaSet", workload)?,
                "CronJob" => add("batch", "Job", workload)?,
                _ => {}
            }
        }
        for workload in &self.wanted.workloads {
            add("", "Pod", workload)?;
        }
        Ok(scopes)
    }

    /// Tells the logs there are, workload by workload.
    async fn read(
        mut self,
        scopes: Vec<Scope>,
        tell: &mut impl FnMut(&LogTold) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EngineError> {
        let mut pods = Vec::new();
        for scope in scopes {
            let request = format!("list {}", scope.resource.plural);
            let listing = ask(self.tools, &request, || self.tools.cluster.list(&scope)).await?;
            for object in listing.objects {
                if object.kind() == "Pod" {
                    pods.push(object);
                } else {
                    self.owners.learn(&object);
                }
            }
        }
        let mut found: Vec<(usize, Object)> =
            pods.into_iter().filter_map(|pod| Some((self.owners.workload(&pod)?, pod))).collect();
        found.sort_by(|(left, a), (right, b)| left.cmp(right).then_with(|| a.name().cmp(b.name())));
        for (index, workload) in self.wanted.workloads.iter().enumerate() {
            let mut of_workload = found.iter().filter(|(at, _)| *at == index).peekable();
            if of_workload.peek().is_none()
                && tell(&LogTold::Note(format!("no pod of {workload} is there"))).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            for (_, pod) in of_workload {
                for container in containers(pod) {
                    if self.read_one(&container, tell).await.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Tells one container's log; that there is none, or no more, is worth a note and no failure.
    async fn read_one(
        &self,
        container: &Container,
        tell: &mut impl FnMut(&LogTold) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let LogsWanted { tail, previous, .. } = *self.wanted;
        let refused = |error: &ApiError| {
            let is_first_life = previous && error.refusal().is_some_and(|refusal| refusal.code == 400);
            let told = format!("{} {}: {error}", container.pod, container.name);
            (!error.is_not_found() && !is_first_life).then_some(LogTold::Note(told))
        };
        let lines = match self.tools.cluster.read_log(container, tail, previous).await {
            Ok(lines) => lines,
            Err(error) => return refused(&error).map_or(ControlFlow::Continue(()), |note| tell(&note)),
        };
        let mut lines = std::pin::pin!(lines);
        while let Some(line) = lines.next().await {
            match line {
                Ok(LogText { text, .. }) => tell(&line_of(container, self.redactor.redacted(&text).into()))?,
                Err(error) => return refused(&error).map_or(ControlFlow::Continue(()), |note| tell(&note)),
            }
        }
        ControlFlow::Continue(())
    }

    /// Follows the logs there are, and those of pods that come later, for ever.
    async fn follow(
        mut self,
        scopes: Vec<Scope>,
        tell: &mut impl FnMut(&LogTold) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EngineError> {
        let wanted = LogWanted { tail: self.wanted.tail, at_most: usize::MAX };
        let extent = Extent { wanted, earlier_lives: false };
        let redactor = std::mem::take(&mut self.redactor);
        let mut followers = Followers::new(self.tools.cluster.clone(), redactor, self.entropy, extent);
        let mut watches: SelectAll<BoxStream<'static, Observation>> = SelectAll::new();
        for scope in scopes {
            let seed = self.entropy.fork(&scope.resource.plural).seed();
            watches.push(self.tools.cluster.watch(scope, Start::Now, seed).boxed());
        }
        // Pods whose owner is not known yet.
        let mut strangers: BTreeMap<ObjectRef, Object> = BTreeMap::new();
        loop {
            let told = tokio::select! {
                biased;
                Some(observation) = watches.next() => match observation {
                    Observation::Seen(object) => {
                        self.take(object, &mut followers, &mut strangers);
                        continue;
                    }
                    Observation::Relisted(listing) => {
                        for object in listing.objects {
                            self.take(object, &mut followers, &mut strangers);
                        }
                        continue;
                    }
                    Observation::Gone(object) => {
                        strangers.remove(&object.reference());
                        if let Some(uid) = object.uid() {
                            followers.gone(&uid);
                        }
                        continue;
                    }
                    Observation::Lost { error, .. } if error.is_forbidden() => {
                        return Err(EngineError::request("watch the pods".to_owned(), error));
                    }
                    Observation::Unwatchable { error } => {
                        LogTold::Note(format!("the pods may not be watched, and so are told of later: {error}"))
                    }
                    Observation::Lost { attempt: 1, error, .. } => {
                        LogTold::Note(format!("the pods are out of sight: {error}; it is tried again"))
                    }
                    Observation::Lost { .. } => continue,
                },
                Some(told) = followers.next(), if followers.is_active() => match told.line {
                    Ok(line) => line_of(&told.container, line),
                    Err(reason) => LogTold::Note(reason),
                },
            };
            if tell(&told).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Takes in an object: a pod of ours is followed, an owner may make some of the strangers ours.
    fn take(
        &mut self,
        object: Object,
        followers: &mut Followers<()>,
        strangers: &mut BTreeMap<ObjectRef, Object>,
    ) {
        if object.kind() == "Pod" {
            if self.owners.workload(&object).is_some() {
                followers.see(&object, &());
            } else {
                strangers.insert(object.reference(), object);
            }
        } else if self.owners.learn(&object) {
            strangers.retain(|_, pod| {
                let is_ours = self.owners.workload(pod).is_some();
                if is_ours {
                    followers.see(pod, &());
                }
                !is_ours
            });
        }
    }
}

fn line_of(container: &Container, line: String) -> LogTold {
    LogTold::Line { pod: container.pod.clone(), container: container.name.clone(), line }
}

/// Returns the containers of a pod in the order in which they start.
fn containers(pod: &Object) -> Vec<Container> {
    let all = ["/spec/initContainers", "/spec/containers"];
    let names = all.iter().filter_map(|pointer| pod.get(pointer)?.as_array()).flatten();
    let namespace = pod.namespace().unwrap_or_default();
    let container = |name: &str| Container {
        namespace: namespace.to_owned(),
        pod: pod.name().to_owned(),
        name: name.to_owned(),
    };
    names.filter_map(|one| one["name"].as_str().map(container)).collect()
}

/// Who owns whom, by kind and name.
struct Owners {
    workloads: Vec<ObjectRef>,
    of: BTreeMap<Named, Named>,
}

/// An object by namespace, kind and name.
type Named = (String, String, String);

impl Owners {
    fn new(workloads: &[ObjectRef]) -> Self {
        Self { workloads: workloads.to_vec(), of: BTreeMap::new() }
    }

    /// Takes in who controls an object, and returns true when that is news.
    fn learn(&mut self, object: &Object) -> bool {
        let Some(owner) = controller(object) else { return false };
        self.of.insert(named(object), owner.clone()) != Some(owner)
    }

    /// Returns the place of the workload that a pod belongs to, or is.
    fn workload(&self, pod: &Object) -> Option<usize> {
        let mut at = named(pod);
        let mut above = controller(pod);
        for _ in 0..=DEEPEST {
            let (namespace, kind, name) = &at;
            let is_it = |workload: &ObjectRef| {
                workload.namespace.as_ref() == Some(namespace)
                    && workload.kind == *kind
                    && workload.name == *name
            };
            if let Some(found) = self.workloads.iter().position(is_it) {
                return Some(found);
            }
            at = above?;
            above = self.of.get(&at).cloned();
        }
        None
    }
}

fn named(object: &Object) -> Named {
    let namespace = object.namespace().unwrap_or_default();
    (namespace.to_owned(), object.kind().to_owned(), object.name().to_owned())
}

fn controller(object: &Object) -> Option<Named> {
    let owners = object.get("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let namespace = object.namespace().unwrap_or_default().to_owned();
    Some((namespace, owner["kind"].as_str()?.to_owned(), owner["name"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Owners, containers};
    use crate::object::{Object, ObjectRef};

    fn owned(kind: &str, name: &str, owner: Option<(&str, &str)>) -> Object {
        let owners: Vec<_> = owner
            .into_iter()
            .map(|(kind, name)| json!({"kind": kind, "name": name, "uid": "u", "controller": true}))
            .collect();
        let metadata = json!({"name": name, "namespace": "shop", "ownerReferences": owners});
        Object::new(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})).unwrap()
    }

    fn workload(kind: &str, name: &str) -> ObjectRef {
        owned(kind, name, None).reference()
    }

    #[test]
    fn a_pod_belongs_to_what_stands_above_it() {
        let mut owners = Owners::new(&[
            workload("Deployment", "web"),
            workload("CronJob", "mail"),
            workload("Pod", "alone"),
        ]);
        let web = owned("Pod", "web-1-a", Some(("ReplicaSet", "web-1")));
        assert_eq!(owners.workload(&web), None, "its ReplicaSet is not known yet");
        let set = owned("ReplicaSet", "web-1", Some(("Deployment", "web")));
        assert!(owners.learn(&set));
        assert!(!owners.learn(&set), "the same again is no news");
        assert!(owners.learn(&owned("Job", "mail-77", Some(("CronJob", "mail")))));
        let pods = [
            web,
            owned("Pod", "mail-77-b", Some(("Job", "mail-77"))),
            owned("Pod", "alone", None),
            owned("Pod", "other", Some(("ReplicaSet", "other-1"))),
            owned("Pod", "web", None),
        ];
        let told = pods.map(|pod| owners.workload(&pod));
        assert_eq!(told, [Some(0), Some(1), Some(2), None, None]);
    }

    #[test]
    fn a_circle_of_owners_leads_nowhere() {
        let mut owners = Owners::new(&[workload("Deployment", "web")]);
        owners.learn(&owned("Job", "a", Some(("Job", "b"))));
        owners.learn(&owned("Job", "b", Some(("Job", "a"))));
        assert_eq!(owners.workload(&owned("Pod", "x", Some(("Job", "a")))), None);
    }

    #[test]
    fn containers_come_in_the_order_in_which_they_start() {
        let mut pod = owned("Pod", "x", None).into_value();
        pod["spec"] = json!({"containers": [{"name": "main"}], "initContainers": [{"name": "wait"}]});
        let names: Vec<String> =
            containers(&Object::new(pod).unwrap()).into_iter().map(|container| container.name).collect();
        assert_eq!(names, ["wait", "main"]);
    }
}
