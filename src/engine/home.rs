//! The plan's own namespace, which its lock and its inventory live in: made when it is missing, and only after
//! the end of an earlier one of that name.

use std::time::Duration;

use futures::Stream;
use serde_json::json;

use super::removal::Stuck;
use super::retry::Tools;
use super::run::Run;
use super::session::{ask, namespace_ref, resource};
use super::{Emitter, EngineError};
use crate::cluster::{Catalog, Resource};
use crate::event::{CancelReason, EventKind};
use crate::object::{Change, GroupKind, Object};
use crate::plan::Plan;

/// How long the end of the plan's namespace is waited for before it is made anew.
const ENDS_WITHIN: Duration = Duration::from_secs(300);
/// The annotation of a Namespace this program made: only such a one may be removed with the data.
pub(super) const CREATED_BY: &str = "wesago/created-by";
/// The field manager of a Namespace's creation. Not the one of applies: those would drop the annotation.
const CREATOR: &str = "wesago-creator";

/// Waits until the plan's namespace, which is being deleted, is gone, and tells what keeps it; `None` after an
/// interrupt.
pub(super) async fn sit_out(
    plan: &Plan,
    catalog: &Catalog,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    emitter: &mut Emitter<'_>,
) -> Result<Option<()>, EngineError> {
    let tools = run.tools();
    let (resource, name) = (of_namespaces(catalog)?, namespace_ref(plan.namespace()));
    let request = format!("get {name}");
    let find = ask(&tools, &request, || tools.cluster.get(resource, &name));
    let Some(found) = run.attend_to_end(find, emitter).await? else { return Ok(None) };
    let Some(uid) = found.filter(Object::is_being_deleted).and_then(|found| found.uid()) else {
        return Ok(Some(()));
    };
    let minutes = ENDS_WITHIN.as_secs() / 60;
    let message = format!("{name} is being deleted; its end is waited for, at most {minutes} min");
    emitter.emit(EventKind::Warned { message });
    let mut gone = std::pin::pin!(tools.until_namespace_gone(&name.name, ENDS_WITHIN));
    let mut stuck = Stuck::new(&tools, catalog, &name, &uid, resource);
    loop {
        let news = async {
            tokio::select! {
                biased;
                gone = &mut gone => match gone {
                    Ok(()) => Ok(News::Gone),
                    Err(error) => Err(EngineError::request(format!("wait for the end of {name}"), error)),
                },
                why = stuck.next() => Ok(News::Stuck(why)),
            }
        };
        match run.attend(news, emitter).await? {
            None => return Ok(None),
            Some(News::Gone) => return Ok(Some(())),
            // It was told already, or cannot be found out.
            Some(News::Stuck(None)) => {}
            Some(News::Stuck(Some(why))) => {
                emitter.emit(EventKind::Warned { message: format!("{name} does not go: {why}") });
            }
        }
    }
}

/// What becomes of a namespace that is waited for.
enum News {
    Gone,
    Stuck(Option<String>),
}

/// Makes the plan's namespace, marked as ours; `None` after an interrupt.
pub(super) async fn make(
    plan: &Plan,
    catalog: &Catalog,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    emitter: &mut Emitter<'_>,
) -> Result<Option<()>, EngineError> {
    let tools = run.tools();
    let made = run.attend_to_end(create(&tools, of_namespaces(catalog)?, plan), emitter).await?;
    let Some(made) = made else { return Ok(None) };
    if made {
        let (object, change) = (namespace_ref(plan.namespace()), Change::Created);
        emitter.emit(EventKind::ObjectApplied { stage: None, object, change });
    }
    Ok(Some(()))
}

/// Creates the namespace, and returns false when somebody else was a moment faster.
async fn create(tools: &Tools, resource: &Resource, plan: &Plan) -> Result<bool, EngineError> {
    let value = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": plan.namespace(), "annotations": {CREATED_BY: plan.name()}},
    });
    let wanted = Object::new(value).map_err(|cause| EngineError::Internal(cause.to_string()))?;
    let request = format!("create {}", wanted.reference());
    // Not an error, or it would be tried again: it is there, and that is all that was wanted.
    let once = || async {
        match tools.cluster.create(CREATOR, resource, &wanted).await {
            Err(error) if error.is_conflict() => Ok(false),
            created => created.map(|_| true),
        }
    };
    ask(tools, &request, once).await
}

fn of_namespaces(catalog: &Catalog) -> Result<&Resource, EngineError> {
    resource(catalog, &GroupKind { group: String::new(), kind: "Namespace".to_owned() })
}
