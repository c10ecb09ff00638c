//! What a deploy expects to do, from what it has read anyway: told before its first write, without a
//! request of its own. Where only the server could say more, it says "written" and no more.

use super::reckon::reckoned;
use super::rolls::{ChangedKeys, replaces_pods, template_reasons};
use super::{SPARED, tell_left, tell_secrets, why_again};
use crate::compose::CONFIG_ANNOTATION;
use crate::difference::Mask;
use crate::engine::prepare::{Prepared, Todo};
use crate::engine::retry::Tools;
use crate::engine::secrets::Secrets;
use crate::engine::session::{Session, settles_at_once};
use crate::engine::tasks::Manner;
use crate::engine::{DeployOptions, EngineError};
use crate::event::{Forecast, ObjectForecast, Prospect};
use crate::plan::{Plan, StageId};

/// Returns what a deploy of prepared objects expects to do. Asks the server only about what has left the plan,
/// where there is anything to ask. The run's seed is told with its events, so no hash of a secret may be.
pub(in crate::engine) async fn expected(
    tools: &Tools,
    plan: &Plan,
    options: &DeployOptions,
    session: &Session,
    prepared: &[Vec<Prepared>],
    secrets: &Secrets,
) -> Result<Forecast, EngineError> {
    let mask = Mask::blind(CONFIG_ANNOTATION);
    let mut forecast = Forecast::default();
    tell_secrets(&mut forecast, secrets, &[]);
    let mut keys = ChangedKeys::made(secrets, plan);
    for prepared in prepared.iter().flatten().filter(|prepared| matches!(prepared.todo, Todo::Write(_))) {
        keys.suspect(&prepared.wanted);
    }
    for (stage, objects) in plan.stages().iter().zip(prepared) {
        for prepared in objects {
            match one(&stage.id, session, prepared, &keys, &mask) {
                Some(told) => forecast.objects.push(told),
                None => forecast.unchanged += 1,
            }
        }
    }
    tell_left(&mut forecast, tools, session, plan, options).await?;
    Ok(forecast)
}

/// Returns what is expected of one object; `None` when nothing is to be done.
fn one(
    stage: &StageId,
    session: &Session,
    prepared: &Prepared,
    keys: &ChangedKeys,
    mask: &Mask,
) -> Option<ObjectForecast> {
    let object = prepared.wanted.reference();
    let told = |prospect| ObjectForecast::new(Some(stage.clone()), object.clone(), prospect);
    if prepared.spared {
        return Some(ObjectForecast { why: vec![SPARED.to_owned()], ..told(Prospect::Keep) });
    }
    let (manner, live) = match (prepared.todo, &prepared.live) {
        (Todo::Nothing | Todo::Write(Manner::Leave), _) => return None,
        (Todo::Write(_), None) => return Some(told(Prospect::Create)),
        (Todo::Write(manner), Some(live)) => (manner, live),
    };
    if manner == Manner::Recreate {
        return Some(ObjectForecast {
            why: vec![why_again(&prepared.wanted).to_owned()],
            ..told(Prospect::Recreate)
        });
    }
    if settles_at_once(&object.group_kind(), &session.surroundings.rules) {
        // Only its metadata was read.
        return Some(told(Prospect::Write));
    }
    let wanted = &prepared.labelled();
    let difference = reckoned(wanted, live);
    let reasons = template_reasons(wanted, &difference, keys);
    let is_job = object.kind == "Job" && object.group == "batch";
    // What was sent before is what the Job does: it cannot have changed since.
    let runs_again = is_job && !reasons.is_empty() && !session.inventory.was_applied(wanted);
    let mut forecast = told(if runs_again { Prospect::Recreate } else { Prospect::Write });
    forecast.fields = difference.iter().map(|change| mask.tell(&object, change)).collect();
    if runs_again {
        forecast.why = reasons;
    } else if replaces_pods(wanted) {
        forecast.rolls = reasons;
    }
    Some(forecast)
}
