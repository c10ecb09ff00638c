//! What a deploy sends: each request becomes a task, or a watch, and comes back to the loop as news.

use futures::StreamExt as _;

use super::{Deploy, Done};
use crate::cluster::Start;
use crate::engine::explain::explain;
use crate::engine::session::settles_at_once;
use crate::engine::tasks::pause_after_check;
use crate::engine::vigil::{self, makes_pods};
use crate::event::Verdict;
use crate::object::Object;
use crate::plan::{Check, StageIdx};

impl Deploy<'_, '_> {
    pub(super) fn write(&mut self, stage: StageIdx, index: usize) {
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = tracked.prepared.wanted.clone();
        let live = tracked.prepared.live.clone();
        let manner = self.stages[stage.0].manner(index);
        let resource = self.session.resource(&wanted);
        let tools = self.tools_for(stage, &wanted.reference().to_string());
        let task = async move {
            let result = match resource {
                Ok(resource) => tools.write(&resource, &wanted, live.as_ref(), manner).await,
                Err(error) => Err(error),
            };
            Done::Written { stage, index, result }
        };
        self.queue.push_back((stage, Box::pin(task)));
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
        self.queue.push_back((stage, Box::pin(task)));
    }

    pub(super) fn explain(&mut self, stage: StageIdx, verdict: Verdict) {
        let unready: Vec<Object> = self.stages[stage.0].unready().cloned().collect();
        let tools = self.tools_for(stage, "explain");
        let catalog = self.session.catalog.clone();
        let name = self.name(stage);
        let place = |object: &Object| {
            let name = object.reference();
            let place = self.plan.place(&name)?.file_line();
            Some((name, place))
        };
        let places = unready.iter().filter_map(place).collect();
        let task = async move {
            let causes = explain(&tools, &catalog, &name, &unready, &places).await;
            Done::Explained { stage, verdict, causes }
        };
        self.queue.push_back((stage, Box::pin(task)));
    }

    /// Opens the watch an object that is not current needs, once per kind and namespace, from the state
    /// the run began with: nothing that happened since is missed.
    pub(super) fn keep_watching(&mut self, stage: StageIdx, index: usize) {
        let tracked = &self.stages[stage.0].objects[index];
        let wanted = &tracked.prepared.wanted;
        if tracked.is_current() || settles_at_once(&wanted.reference().group_kind()) {
            return;
        }
        if makes_pods(wanted.kind())
            && let Some(namespace) = wanted.namespace().map(str::to_owned)
        {
            self.keep_vigil(&namespace);
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

    /// Watches the pods of a namespace, and what belongs to them, from now on; once per namespace.
    fn keep_vigil(&mut self, namespace: &str) {
        for scope in vigil::scopes(&self.session.catalog, namespace) {
            if !self.watched.insert(scope.clone()) {
                continue;
            }
            let seed = self.entropy.fork("vigil").fork(&scope.resource.plural).seed();
            let stream = self.tools.cluster.watch(scope.clone(), Start::Now, seed);
            self.vigils.push(stream.map(move |observation| (scope.clone(), observation)).boxed());
        }
    }
}
