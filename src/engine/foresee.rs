//! The last look before a deploy's first write: what it is about to do is told, a prune that runs away is
//! stopped, and whoever sits at a terminal is asked.

use std::fmt;
use std::rc::Rc;

use futures::Stream;
use futures::future::LocalBoxFuture;

use super::run::Run;
use super::{DeployOptions, Emitter, EngineError};
use crate::event::{CancelReason, EventKind, Forecast, Prospect};

/// How many objects a deploy may delete when nobody says otherwise.
pub const MAX_DELETIONS: usize = 10;

/// Asks, and gives true for a yes.
type Ask = dyn Fn(&Forecast) -> LocalBoxFuture<'static, bool>;

/// Asks a person whether a deploy that deletes something may go on.
#[derive(Clone)]
pub struct Confirm(Rc<Ask>);

impl Confirm {
    /// Returns what asks by `ask`, which gives true for a yes.
    pub fn new(ask: impl Fn(&Forecast) -> LocalBoxFuture<'static, bool> + 'static) -> Self {
        Self(Rc::new(ask))
    }
}

impl fmt::Debug for Confirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confirm")
    }
}

/// Tells what is about to be done, and returns when it may be; `None` when the run was interrupted while
/// somebody thought about it.
pub(super) async fn foresee(
    forecast: Forecast,
    options: &DeployOptions,
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    emitter: &mut Emitter<'_>,
) -> Result<Option<()>, EngineError> {
    let deleted: Vec<_> = forecast.with(Prospect::Delete).map(|object| object.object.clone()).collect();
    // A rollback that changes anything is asked about as well.
    let is_asked = asks(&forecast) || (options.rollback.is_some() && !forecast.is_nothing());
    let question = options.confirm.as_ref().filter(|_| is_asked).map(|confirm| confirm.0(&forecast));
    let limit = options.max_deletions.unwrap_or(MAX_DELETIONS);
    emitter.emit(EventKind::Foreseen(forecast));
    if deleted.len() > limit {
        return Err(EngineError::TooManyDeletions { objects: deleted, limit });
    }
    let Some(question) = question else { return Ok(Some(())) };
    emitter.pause();
    let tools = run.tools();
    let answer = async {
        match tools.unless_cancelled(question).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(EngineError::NotConfirmed),
            Err(error) => Err(EngineError::request("wait for an answer".to_owned(), error)),
        }
    };
    let answer = run.attend(answer, emitter).await;
    emitter.resume();
    answer
}

/// Returns true for what somebody should say yes to: something that is there goes, or is made anew. A Job
/// that runs again is not asked about: its `wesago/rerun` says when it does.
fn asks(forecast: &Forecast) -> bool {
    forecast.objects.iter().any(|object| match object.prospect {
        Prospect::Delete => true,
        Prospect::Recreate => object.object.kind != "Job",
        _ => false,
    })
}
