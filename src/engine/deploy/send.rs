//! What a deploy sends: each request becomes a task, or a watch, and comes back to the loop as news.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use super::{Deploy, Done, Queued, Task};
use crate::cluster::{ApiError, Catalog, Resource, Start};
use crate::engine::around;
use crate::engine::explain::{Puzzle, Unready, explain};
use crate::engine::retry::Tools;
use crate::engine::stage::Tracked;
use crate::engine::tasks::pause_after_check;
use crate::engine::vigil::makes_pods;
use crate::event::Verdict;
use crate::object::{Object, settles_at_once};
use crate::plan::{Check, StageIdx};

impl Deploy<'_, '_> {
    /// Returns the write of an object as a task.
    pub(super) fn write(&self, stage: StageIdx, index: usize) -> Task {
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = tracked.prepared.labelled();
        let (live, terms) = (tracked.prepared.live.clone(), tracked.prepared.terms.clone());
        let manner = self.stages[stage.0].manner(index);
        let known = self.session.resource(&wanted);
        let name = wanted.reference();
        let circumstances = self.bringing.circumstances(&name);
        let tools = Tools { circumstances, ..self.tools_for(stage, &name.to_string()) };
        let task = async move {
            let (result, catalog) = match find(&tools, &wanted, known).await {
                Ok((resource, catalog)) => {
                    (tools.write(&resource, &wanted, live.as_ref(), manner, &terms).await, catalog)
                }
                Err(error) => (Err(error.into()), None),
            };
            Done::Written { stage, index, result, catalog }
        };
        Box::pin(task)
    }

    pub(super) fn check(&mut self, stage: StageIdx, check: usize, tries: u32) {
        let Check::Http(question) = self.plan.stages()[stage.0].checks[check].clone();
        let namespace = self.plan.namespace().to_owned();
        let tools = self.tools_for(stage, "check");
        let task = async move {
            if tries > 0 {
                tokio::time::sleep(pause_after_check(tries)).await;
            }
            let (passed, answer) = tools.check(&namespace, &question).await;
            Done::Checked { stage, check, tries: tries + 1, passed, answer }
        };
        self.queue.push_back((stage, Queued::Other(Box::pin(task))));
    }

    pub(super) fn explain(&mut self, stage: StageIdx, verdict: Verdict) {
        let (refused, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.refusals).into_iter().partition(|((of, _), _)| *of == stage);
        self.refusals = others;
        let refused = refused.into_values().collect();
        let puzzle = Puzzle { refused, ..self.puzzle(stage) };
        let tools = self.tools_for(stage, "explain");
        let catalog = self.session.catalog.clone();
        let task = async move {
            let causes = explain(&tools, &catalog, puzzle).await;
            Done::Explained { stage, verdict, causes }
        };
        self.queue.push_back((stage, Queued::Other(Box::pin(task))));
    }

    /// Returns all that is known about a stage that did not become ready.
    fn puzzle(&self, stage: StageIdx) -> Puzzle {
        let run = &self.stages[stage.0];
        let unready: Vec<Unready> = run.unready().filter_map(Unready::of).collect();
        let unanswered = if run.objects.iter().all(Tracked::is_current) {
            let checks = self.plan.stages()[stage.0].checks.iter();
            checks.map(|Check::Http(check)| check.clone()).collect()
        } else {
            Vec::new()
        };
        let namespaces = unready.iter().filter_map(|unready| unready.object.namespace());
        let known = namespaces.filter_map(|name| Some((name.to_owned(), self.vigil.around(name)?))).collect();
        let others = self
            .plan
            .objects()
            .filter(|(maker, _)| *maker != stage && !self.plan.graph().reaches(stage, *maker));
        let makers = others.map(|(maker, object)| (object.reference(), self.name(maker))).collect();
        let place = |object: &Object| {
            let name = object.reference();
            let place = self.plan.place(&name)?.file_line();
            Some((name, place))
        };
        Puzzle {
            stage: self.name(stage),
            refused: Vec::new(),
            namespace: self.plan.namespace().to_owned(),
            places: run.objects.iter().filter_map(|tracked| place(&tracked.prepared.wanted)).collect(),
            known,
            makers,
            unready,
            unanswered,
        }
    }

    /// Asks for the nodes of the cluster: a pod was seen that none of them takes.
    pub(super) fn ask_for_nodes(&mut self, stage: StageIdx) {
        let scope = around::scope(&self.session.catalog, "", "Node", None);
        let tools = self.tools_for(stage, "nodes");
        let task = async move {
            let nodes = match scope {
                Some(scope) => tools.cluster.list(&scope).await.ok().map(|listing| listing.objects),
                None => None,
            };
            Done::NodesTold { nodes }
        };
        self.queue.push_back((stage, Queued::Other(Box::pin(task))));
    }

    /// Opens the watch an object that is not current needs, once per kind and namespace, from the state
    /// the run began with: nothing that happened since is missed.
    pub(super) fn keep_watching(&mut self, stage: StageIdx, index: usize) {
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = &tracked.prepared.wanted;
        let rules = &self.session.surroundings.rules;
        if tracked.is_current() || settles_at_once(&wanted.reference().group_kind(), rules) {
            return;
        }
        if makes_pods(wanted.kind()) && wanted.namespace().is_some() {
            self.keep_vigil(stage, index);
            self.follow_job(stage, index);
        }
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = &tracked.prepared.wanted;
        let Some(resource) = self.session.catalog.preferred(&wanted.reference().group_kind()) else { return };
        let scope = self.session.scope(resource, wanted.namespace());
        if !self.watched.insert(scope.clone()) {
            return;
        }
        let from = self.session.resource_versions.get(&scope).cloned().map_or(Start::List, Start::After);
        let seed = self.entropy.fork(&scope.resource.plural).seed();
        let stream = self.tools.cluster.watch(scope.clone(), from, seed);
        self.watches.push(stream.map(move |observation| (scope.clone(), observation)).boxed());
    }

    /// Watches the pods of an object's namespace, and what belongs to them, from now on; once per namespace.
    fn keep_vigil(&mut self, stage: StageIdx, index: usize) {
        let workload = &self.stages[stage.0].objects[index].prepared.wanted;
        for scope in around::scopes_about(&self.session.catalog, workload) {
            if !self.watched.insert(scope.clone()) {
                continue;
            }
            let seed = self.entropy.fork("vigil").fork(&scope.resource.plural).seed();
            let stream = self.tools.cluster.watch(scope.clone(), Start::Now, seed);
            self.vigils.push(stream.map(move |observation| (scope.clone(), observation)).boxed());
        }
    }
}

/// Returns how the server serves an object's kind, as known or, while something of this run is bringing the
/// kind, as discovery tells of it at last; the catalog, too, when it was asked anew.
async fn find(
    tools: &Tools,
    wanted: &Object,
    known: Result<Resource, ApiError>,
) -> Result<(Resource, Option<Catalog>), ApiError> {
    if known.is_ok() || !tools.circumstances.brings_kind {
        return known.map(|resource| (resource, None));
    }
    let ask = || async {
        let catalog = tools.cluster.discover().await?;
        let resource = catalog.of(wanted)?.clone();
        Ok((resource, Some(catalog)))
    };
    tools.persist("discover the served kinds", ask).await
}
