//! `status --watch`: the survey, kept true by watches. Nothing is asked again on a timer: what is drawn is
//! what the cluster said, and a survey begins anew when the inventory itself changes.

use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::Instant;

use super::retry::Tools;
use super::run::Run;
use super::survey::{StatusRow, Survey};
use super::{Engine, EngineError};
use crate::cluster::{Observation, Scope, Start};
use crate::compose::CONFIG_ANNOTATION;
use crate::difference::Mask;
use crate::event::CancelReason;
use crate::object::GroupKind;
use crate::plan::Plan;

/// The soonest the same facts are looked at again.
const SOONEST: Duration = Duration::from_millis(100);

/// What a watched status is at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// A row an object.
    pub rows: Vec<StatusRow>,
    /// Why the rows may be older than they look; `None` while every watch is heard.
    pub trouble: Option<String>,
}

type Watches = SelectAll<BoxStream<'static, (Scope, Observation)>>;

impl Engine {
    /// Shows what is there of a plan, again at every change, until the first interrupt. Writes nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the cluster could not be read.
    pub async fn watch(
        &self,
        plan: &Plan,
        mut cancels: impl Stream<Item = CancelReason> + Unpin,
        mut show: impl FnMut(&Watched),
    ) -> Result<(), EngineError> {
        let mut run = Run::new(self, futures::stream::pending());
        let tools = run.tools();
        let work = async {
            loop {
                self.watch_inventory(&tools, plan, &mut show).await?;
            }
        };
        let work = run.quietly(work);
        tokio::select! {
            biased;
            Some(_) = cancels.next() => Ok(()),
            never = work => never,
        }
    }

    /// Shows the plan until its inventory changes.
    async fn watch_inventory(
        &self,
        tools: &Tools,
        plan: &Plan,
        show: &mut impl FnMut(&Watched),
    ) -> Result<(), EngineError> {
        let mask = Mask::keyed(self.entropy, CONFIG_ANNOTATION);
        let mut survey = Survey::read(tools, plan).await?;
        let mut watches = self.watches(tools, &survey);
        let mut shown = None;
        let mut trouble = None;
        loop {
            let (rows, again) = survey.rows(&mask, self.clock.now());
            let now = Watched { rows, trouble: trouble.clone() };
            if shown.as_ref() != Some(&now) {
                show(&now);
                shown = Some(now);
            }
            let wakes_at = again.map(|again| Instant::now() + again.max(SOONEST));
            tokio::select! {
                biased;
                Some((scope, observation)) = watches.next() => {
                    let mut news = Some((scope, observation));
                    // News come in bursts: all that is there is taken in before it is drawn.
                    while let Some((scope, observation)) = news {
                        match take_in(&mut survey, &scope, observation) {
                            Taken::Inventory => return Ok(()),
                            Taken::Trouble(what) => trouble = Some(what),
                            Taken::News => trouble = None,
                        }
                        news = watches.next().now_or_never().flatten();
                    }
                    survey.look_closer(tools).await?;
                }
                () = super::deploy::until(wakes_at) => {}
            }
        }
    }

    fn watches(&self, tools: &Tools, survey: &Survey) -> Watches {
        let mut watches = SelectAll::new();
        let entropy = self.entropy.fork("status");
        let mut add = |scope: Scope, start: Start| {
            let seed = entropy.fork(&scope.resource.plural).seed();
            let stream = tools.cluster.watch(scope.clone(), start, seed);
            watches.push(stream.map(move |observation| (scope.clone(), observation)).boxed());
        };
        for (scope, version) in &survey.session.resource_versions {
            add(scope.clone(), Start::After(version.clone()));
        }
        let parent = survey.session.inventory.parent();
        if let Some(resource) = survey.session.catalog.preferred(&parent.group_kind()) {
            let scope = Scope::named(resource.clone(), parent.namespace.as_deref(), &parent.name);
            add(scope, Start::List);
        }
        watches
    }
}

/// What a piece of news was about.
enum Taken {
    News,
    /// The inventory is not the one that was read.
    Inventory,
    Trouble(String),
}

fn take_in(survey: &mut Survey, scope: &Scope, observation: Observation) -> Taken {
    if let Observation::Lost { error, .. } = &observation {
        return Taken::Trouble(format!("watch {}: {error}", scope.resource.plural));
    }
    if let Observation::Unwatchable { error } = &observation {
        return Taken::Trouble(scope.is_listed_instead(error));
    }
    if scope.fields.is_some() {
        return inventory_news(survey, &observation);
    }
    let live = &mut survey.session.live;
    match observation {
        Observation::Seen(object) => {
            live.insert(object.reference(), object);
        }
        Observation::Gone(object) => {
            let name = object.reference();
            if live.get(&name).is_some_and(|known| known.uid() == object.uid()) {
                live.remove(&name);
            }
        }
        Observation::Relisted(listing) => {
            let kind: GroupKind = scope.resource.group_kind();
            live.retain(|name, _| {
                let in_scope = scope.namespace.is_none() || name.namespace == scope.namespace;
                name.group_kind() != kind || !in_scope
            });
            live.extend(listing.objects.into_iter().map(|object| (object.reference(), object)));
        }
        Observation::Unwatchable { .. } | Observation::Lost { .. } => {}
    }
    Taken::News
}

/// Returns whether the inventory is still the one that was read.
fn inventory_news(survey: &Survey, observation: &Observation) -> Taken {
    let (name, namespace) = (survey.plan.name(), survey.plan.namespace());
    let is_same = |parent: &crate::object::Object| {
        crate::inventory::Inventory::parse(name, namespace, parent)
            .is_ok_and(|inventory| inventory == survey.session.inventory)
    };
    let same = match observation {
        Observation::Relisted(listing) => match listing.objects.first() {
            Some(parent) => is_same(parent),
            None => survey.session.inventory.is_empty(),
        },
        Observation::Seen(parent) => is_same(parent),
        Observation::Gone(_) | Observation::Unwatchable { .. } | Observation::Lost { .. } => {
            survey.session.inventory.is_empty()
        }
    };
    if same { Taken::News } else { Taken::Inventory }
}
