//! The preflight: asks a cluster what can be known of it before anything is written, all at once and for a
//! short time only. What cannot be read is told as such, and stops nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join;
use futures::stream::{self, StreamExt as _};
use serde::Serialize;
use serde_json::Value;

use super::EngineError;
use super::retry::Tools;
use super::session::{Session, WIDTH};
use crate::cluster::{ApiError, Catalog, Scope};
use crate::event::Finding;
use crate::object::{Object, ObjectRef};
use crate::plan::Plan;
use crate::preflight::{Answer, Facts, List, Questions, Served, judge, remarks};

/// How long one question is asked, its retries included: a deploy does not wait for advice.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often questions follow from answers, at most.
const ROUNDS: usize = 2;

/// What was found about a plan and a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// What is good to know: one line each.
    pub remarks: Vec<String>,
    /// What is wrong, or may be: errors first.
    pub findings: Vec<Finding>,
}

/// Returns what is found about a plan and the cluster behind `tools`; `known` are objects that were read
/// already.
pub(super) async fn examine(
    tools: &Tools,
    plan: &Plan,
    catalog: &Catalog,
    known: BTreeMap<ObjectRef, Option<Object>>,
) -> Checkup {
    let mut facts = Facts {
        objects: known.into_iter().map(|(name, object)| (name, Ok(object))).collect(),
        ..Facts::default()
    };
    for resource in catalog.resources() {
        let served = Served { version: resource.version.clone(), plural: resource.plural.clone() };
        facts.served.entry(resource.group_kind()).or_default().push(served);
    }
    let mut questions = Questions::of(plan, &facts);
    for _ in 0..ROUNDS {
        if questions.is_empty() {
            break;
        }
        ask(tools, catalog, questions, &mut facts).await;
        questions = Questions::then(plan, &facts);
    }
    Checkup { remarks: remarks(plan, &facts), findings: judge(plan, &facts) }
}

/// Returns what is found about a plan and its cluster.
pub(super) async fn checkup(tools: &Tools, plan: &Plan) -> Result<Checkup, EngineError> {
    let catalog = Session::discover(tools).await?;
    let plan = super::settled(plan, &catalog);
    Ok(examine(tools, &plan, &catalog, BTreeMap::new()).await)
}

/// Returns what the run has read already and the preflight would ask for: claims and workloads.
pub(super) fn known(session: &Session) -> BTreeMap<ObjectRef, Option<Object>> {
    let wanted = |name: &ObjectRef| matches!(name.kind.as_str(), "PersistentVolumeClaim" | "StatefulSet");
    let live = session.live.iter().filter(|(name, _)| wanted(name));
    live.map(|(name, object)| (name.clone(), Some(object.clone()))).collect()
}

/// Asks all questions, a few at once, and puts the answers to the facts.
async fn ask(tools: &Tools, catalog: &Catalog, questions: Questions, facts: &mut Facts) {
    let Questions { version, rules, lists, objects } = questions;
    let first = async {
        if version {
            Some(answer(tools, "ask the server's version", || tools.cluster.version()).await)
        } else {
            None
        }
    };
    let rules = stream::iter(rules).map(|namespace| async move {
        let request = format!("ask what this user may do in `{namespace}`");
        let rules: Answer<Value> = answer(tools, &request, || tools.cluster.rules(&namespace)).await;
        (namespace, rules)
    });
    let lists = stream::iter(lists).map(|list| async move {
        let answered = read_list(tools, catalog, &list).await;
        (list, answered)
    });
    let objects = stream::iter(objects).map(|name| async move {
        let answered = read_object(tools, catalog, &name).await;
        (name, answered)
    });
    let single = join(first, rules.buffered(WIDTH).collect::<Vec<_>>());
    let many = join(lists.buffered(WIDTH).collect::<Vec<_>>(), objects.buffered(WIDTH).collect::<Vec<_>>());
    let ((version, rules), (lists, objects)) = join(single, many).await;
    facts.version = version.or(facts.version.take());
    facts.rules.extend(rules);
    facts.lists.extend(lists);
    facts.objects.extend(objects);
}

async fn read_list(tools: &Tools, catalog: &Catalog, list: &List) -> Answer<Vec<Object>> {
    // A kind that is not served has no objects.
    let Some(resource) = catalog.preferred(&list.kind()) else { return Ok(Vec::new()) };
    let fields = list.fields().map(str::to_owned);
    let scope = Scope { fields, ..Scope::all(resource.clone(), list.namespace()) };
    let request = format!("list {}", resource.plural);
    let page = answer(tools, &request, || tools.cluster.first_page(&scope)).await?;
    let page = page.map(|listing| listing.objects);
    page.ok_or_else(|| format!("there are too many {} to look at", resource.plural))
}

async fn read_object(tools: &Tools, catalog: &Catalog, name: &ObjectRef) -> Answer<Option<Object>> {
    let Some(resource) = catalog.preferred(&name.group_kind()) else { return Ok(None) };
    answer(tools, &format!("get {name}"), || tools.cluster.get(resource, name)).await
}

/// Asks one question for a short time.
async fn answer<T, F>(tools: &Tools, request: &str, send: impl FnMut() -> F) -> Answer<T>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let tools = Tools { patience: ANSWER_WITHIN, ..tools.clone() };
    let asked = tokio::time::timeout(ANSWER_WITHIN, tools.persist(request, send)).await;
    let answered = asked.unwrap_or(Err(ApiError::NoAnswer { after: ANSWER_WITHIN }));
    answered.map_err(|error| format!("could not {request}: {error}"))
}
