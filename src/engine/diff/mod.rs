//! `diff`: what a deploy would do. The plan is prepared as for a deploy, and what is not proven equal is
//! asked of the server by a dry run, a few at once. Nothing is written, not even the lock.
//!
//! ```text
//! session ▶ prepare ─▶ proven equal: counted
//!                   └▶ dry run ▶ answer ▶ outlook ─▶ fields ▶ settings that change ▶ pods that roll
//! ```

mod answer;
mod expected;
mod reckon;
mod rolls;

use super::adopt::{Found, Stranger};
use super::begin::decide;
use super::conflict::migrated;
use super::prepare::{Prepared, Todo};
use super::retry::Tools;
use super::secrets::{NotMade, Secrets};
use super::session::{Session, WIDTH, ask, namespace_ref, resource, settles_at_once};
use super::tasks::{Manner, RERUN};
use super::{DeployOptions, EngineError, adopt, settled};
use crate::cluster::{ApiError, Written};
use crate::difference::{FieldChange, Mask, changes, desired};
use crate::engine::removal::{self, Fate};
use crate::event::{Certainty, Forecast, ObjectForecast, Prospect};
use crate::object::{Change, Object, ObjectRef};
use crate::plan::{Plan, StageId};
use answer::{Outlook, outlook};
pub(super) use expected::expected;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use reckon::reckoned;
use rolls::{ChangedKeys, replaces_pods, template_reasons};

/// Why a Job stays as it is in a rollback.
const SPARED: &str = "it has run since: what it did stays, and a rollback does not run it again";

/// A look at one object of the plan.
struct Look {
    stage: StageId,
    wanted: Object,
    /// The object as it is, where all of it was read.
    live: Option<Object>,
    outlook: Outlook,
    warnings: Vec<String>,
}

/// Returns what a deploy of the plan would do, with values as `mask` shows them.
pub(super) async fn diff(
    tools: &Tools,
    plan: &Plan,
    options: &DeployOptions,
    mask: &Mask,
) -> Result<Forecast, EngineError> {
    let catalog = Session::discover(tools).await?;
    let plan = &settled(plan, &catalog);
    let session = Session::read(tools, plan, catalog).await?;
    let Found { adopted, strangers } = adopt::find(tools, &session, plan, &options.adopt).await?;
    let (secrets, prepared) = decide(tools, &session, plan, options, adopted, &NotMade).await?;
    let absent = absent_namespace(tools, &session, plan).await?;
    let objects = plan.stages().iter().zip(&prepared);
    let objects = objects.flat_map(|(stage, objects)| objects.iter().map(move |one| (&stage.id, one)));
    let is_looked_at = |name: &ObjectRef| !strangers.iter().any(|stranger| stranger.object == *name);
    let objects = objects.filter(|(_, prepared)| is_looked_at(&prepared.wanted.reference()));
    let looks = objects.map(|(stage, prepared)| look(tools, &session, stage, prepared, absent.as_deref()));
    let looks: Vec<Look> = stream::iter(looks).buffered(WIDTH).try_collect().await?;
    let mut forecast = Forecast::default();
    let made = absent.as_deref().map(namespace_ref);
    let of_a_stage = |name: &ObjectRef| plan.objects().any(|(_, object)| object.reference() == *name);
    if let Some(name) = made.filter(|name| !of_a_stage(name)) {
        forecast.objects.push(ObjectForecast::new(None, name, Prospect::Create));
    }
    tell_strangers(&mut forecast, plan, &strangers);
    tell_secrets(&mut forecast, &secrets, &strangers);
    tell_looks(&mut forecast, &looks, ChangedKeys::made(&secrets, plan), mask);
    tell_left(&mut forecast, tools, &session, plan, options).await?;
    Ok(forecast)
}

/// Returns the plan's namespace when it is not there, or not for long. What lives in it proves it; where we
/// may not ask, the dry runs will tell.
async fn absent_namespace(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
) -> Result<Option<String>, EngineError> {
    if session.live.keys().any(|name| name.namespace.as_deref() == Some(plan.namespace())) {
        return Ok(None);
    }
    let name = namespace_ref(plan.namespace());
    let resource = resource(&session.catalog, &name.group_kind())?;
    let request = format!("get {name}");
    let found = ask(tools, &request, || async {
        match tools.cluster.get(resource, &name).await {
            Err(error) if error.is_forbidden() => Ok(true),
            answer => Ok(answer?.is_some_and(|found| !found.is_being_deleted())),
        }
    });
    Ok(if found.await? { None } else { Some(name.name) })
}

/// Asks the server about one object, unless it is known already.
async fn look(
    tools: &Tools,
    session: &Session,
    stage: &StageId,
    prepared: &Prepared,
    absent_namespace: Option<&str>,
) -> Result<Look, EngineError> {
    let wanted = prepared.as_asked();
    let rules = &session.surroundings.rules;
    let is_whole = |live: &Object| !settles_at_once(&live.reference().group_kind(), rules);
    let listed = prepared.live.clone().filter(is_whole);
    let known = |outlook| Look {
        stage: stage.clone(),
        wanted: prepared.labelled(),
        live: listed.clone(),
        outlook,
        warnings: Vec::new(),
    };
    match prepared.todo {
        _ if prepared.spared => return Ok(known(Outlook::Spared)),
        Todo::Nothing | Todo::Write(Manner::Leave) => return Ok(known(Outlook::Unchanged)),
        Todo::Write(Manner::Recreate) if prepared.live.is_some() => {
            let why = Some(why_again(&wanted).to_owned());
            return Ok(known(Outlook::Done { prospect: Prospect::Recreate, after: None, why }));
        }
        Todo::Write(Manner::Apply | Manner::Recreate) => {}
    }
    if let Some(namespace) = absent_namespace.filter(|absent| wanted.namespace() == Some(absent)) {
        let why = format!("namespace {namespace} is not there yet");
        return Ok(known(Outlook::Unverified { why }));
    }
    let name = wanted.reference();
    let request = format!("ask about {name}");
    let answer = match session.resource(&wanted) {
        Ok(resource) => {
            let ask = || async {
                match tools.cluster.dry_run(&resource, &wanted).await {
                    // What is missing now is missing until a deploy: waiting for it makes no sense here.
                    Err(error) if is_final(&error) => Ok(Err(error)),
                    answer => answer.map(Ok),
                }
            };
            let answer = tools.persist(&request, ask).await;
            answer.unwrap_or_else(Err)
        }
        Err(error) => Err(error),
    };
    let is_new = matches!(&answer, Ok(written) if written.change == Change::Created);
    let live = match session.resource(&wanted) {
        // Of some kinds only the metadata was listed, and of what does not carry our label nothing.
        Ok(resource) if listed.is_none() && !is_new && (prepared.live.is_some() || is_there(&answer)) => {
            ask(tools, &format!("get {name}"), || tools.cluster.get(&resource, &name)).await?
        }
        _ => listed.clone(),
    };
    let mut outlook = outlook(&wanted, live.as_ref(), &prepared.terms, answer.as_ref())
        .map_err(|error| EngineError::request(request, error))?;
    let mut live = live;
    if let Some(found) = live.as_mut().filter(|_| prepared.terms.adopted) {
        outlook = taken_over(outlook, found);
    }
    let warnings = answer.map(|written| written.warnings).unwrap_or_default();
    Ok(Look { live, warnings, ..known(outlook) })
}

/// Returns the outlook of an object that is taken over. Where a deploy first makes ours what client-side tools
/// own of it, no dry run can know what comes of that: it is reckoned, as if that were done.
fn taken_over(outlook: Outlook, live: &mut Object) -> Outlook {
    let Outlook::Done { prospect: Prospect::Configure, mut after, why } = outlook else { return outlook };
    if let Some(migrated) = migrated(live) {
        (*live, after) = (migrated, None);
    }
    Outlook::Done { prospect: Prospect::Configure, after, why: why.or(Some("it is taken over".to_owned())) }
}

/// Returns true for an answer that only an object gives that is there.
fn is_there(answer: &Result<Written, ApiError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => {
            error.refusal().is_some_and(|refusal| refusal.is_field_conflict() || refusal.is_immutable_field())
        }
    }
}

/// Returns true for a refusal that a deploy would wait out, since it brings what is missing itself.
fn is_final(error: &ApiError) -> bool {
    error.refusal().is_some_and(|refusal| matches!(refusal.code, 403 | 404))
}

/// Returns why a Job that is there runs again although nothing of it changes.
fn why_again(wanted: &Object) -> &'static str {
    match wanted.annotation(RERUN) {
        Some("always") => "`wesago/rerun: always` runs it at every deploy",
        _ => "it failed",
    }
}

/// Tells of what is somebody else's, for which a deploy would write nothing at all.
fn tell_strangers(forecast: &mut Forecast, plan: &Plan, strangers: &[Stranger]) {
    let stage_of = |name: &ObjectRef| {
        let found = plan.objects().find(|(_, object)| object.reference() == *name);
        found.map(|(stage, _)| plan.stage(stage).id.clone())
    };
    for stranger in strangers {
        let object = stranger.object.clone();
        let why = format!(
            "{stranger}; a deploy writes nothing as long as nobody says what is to become of it: `--adopt {object}` \
             takes it over"
        );
        let told = ObjectForecast::new(stage_of(&object), object, Prospect::Fail);
        forecast.objects.push(ObjectForecast { why: vec![why], ..told });
    }
}

/// Tells of the generated Secrets: names of keys, no values.
fn tell_secrets(forecast: &mut Forecast, secrets: &Secrets, strangers: &[Stranger]) {
    let is_strange = |name: &ObjectRef| strangers.iter().any(|stranger| stranger.object == *name);
    for (object, change) in secrets.missing.iter().filter(|(object, _)| !is_strange(&object.reference())) {
        let prospect = if *change == Change::Created { Prospect::Create } else { Prospect::Configure };
        let keys = secrets.made.get(object.name()).into_iter().flatten().map(|key| format!("`{key}`"));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let why = if keys.is_empty() { Vec::new() } else { vec![format!("a value is made for {keys}")] };
        let told = ObjectForecast::new(None, object.reference(), prospect);
        forecast.objects.push(ObjectForecast { why, ..told });
    }
    forecast.unchanged += secrets.complete.iter().filter(|name| !is_strange(name)).count();
}

/// Tells what becomes of the objects that have left the plan.
async fn tell_left(
    forecast: &mut Forecast,
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    options: &DeployOptions,
) -> Result<(), EngineError> {
    let removal = removal::work_out_prune(tools, session, &session.live, plan, options.delete_data).await?;
    for (object, fate) in removal.fates() {
        let (prospect, why) = match fate {
            Fate::Goes => (Prospect::Delete, "it has left the plan".to_owned()),
            Fate::Stays(keep) => (Prospect::Keep, format!("it has left the plan; {}", keep.reason())),
            Fate::IsLetGo { mark } => {
                (Prospect::LetGo, format!("it has left the plan, and `{mark}` keeps it: it is ours no more"))
            }
        };
        let told = ObjectForecast::new(None, object.clone(), prospect);
        forecast.objects.push(ObjectForecast { why: vec![why], ..told });
    }
    Ok(())
}

/// Tells of the plan's objects. What changes in settings is known before it is said which pods roll.
fn tell_looks(forecast: &mut Forecast, looks: &[Look], mut keys: ChangedKeys, mask: &Mask) {
    let differences: Vec<Vec<FieldChange>> = looks.iter().map(difference).collect();
    for (look, difference) in looks.iter().zip(&differences) {
        keys.learn(&look.wanted, difference);
    }
    for (look, difference) in looks.iter().zip(&differences) {
        match tell(look, difference, &keys, mask) {
            Some(told) => forecast.objects.push(told),
            None => forecast.unchanged += 1,
        }
    }
}

/// Returns the fields that would change: by the server's answer, else by our own reckoning.
fn difference(look: &Look) -> Vec<FieldChange> {
    let Some(live) = &look.live else { return Vec::new() };
    match &look.outlook {
        Outlook::Unchanged | Outlook::Spared => Vec::new(),
        Outlook::Done { after: Some(after), .. } => changes(&desired(live.value()), &desired(after)),
        _ => reckoned(&look.wanted, live),
    }
}

/// Returns what is told of an object; `None` when it would stay as it is.
fn tell(look: &Look, difference: &[FieldChange], keys: &ChangedKeys, mask: &Mask) -> Option<ObjectForecast> {
    let object = look.wanted.reference();
    let there = if look.live.is_some() { Prospect::Configure } else { Prospect::Create };
    let (prospect, certainty, mut why) = match &look.outlook {
        Outlook::Unchanged => return None,
        Outlook::Done { prospect, why, .. } => {
            (*prospect, Certainty::Verified, why.iter().cloned().collect::<Vec<_>>())
        }
        Outlook::Spared => (Prospect::Keep, Certainty::Verified, vec![SPARED.to_owned()]),
        Outlook::Unverified { why } => (there, Certainty::Unverified { why: why.clone() }, Vec::new()),
        Outlook::Refused { message } => (Prospect::Fail, Certainty::Verified, vec![message.clone()]),
    };
    let reasons = template_reasons(&look.wanted, difference, keys);
    let mut told_rolls = Vec::new();
    match prospect {
        Prospect::Recreate => why.extend(reasons),
        Prospect::Configure if replaces_pods(&look.wanted) => told_rolls = reasons,
        Prospect::Configure if difference.is_empty() && certainty == Certainty::Verified => {
            why.push("only who owns its fields changes, no value".to_owned());
        }
        _ => {}
    }
    Some(ObjectForecast {
        certainty,
        why,
        rolls: told_rolls,
        fields: difference.iter().map(|change| mask.tell(&object, change)).collect(),
        warnings: look.warnings.clone(),
        ..ObjectForecast::new(Some(look.stage.clone()), object, prospect)
    })
}
