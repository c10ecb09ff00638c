//! Teardown: the DAG turned round. What needs others goes first, and only when it is really gone follows
//! what it needed. Data stays unless it is asked for: volumes, generated Secrets, the Namespace.

use std::collections::{BTreeMap, VecDeque};

use futures::stream::{self, FuturesUnordered};
use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::sync::mpsc;

use super::EngineError;
use super::emitter::Emitter;
use super::retry::Tools;
use super::run::Run;
use super::secrets::GENERATED;
use super::session::{CREATED_BY, Session, WIDTH, ask, namespace_ref, resource};
use crate::cluster::{ApiError, Deletion, Propagation, Resource, Scope};
use crate::event::{CancelReason, EventKind, Verdict};
use crate::object::{GroupKind, Object, ObjectRef, Uid};
use crate::plan::{Plan, StageId, StageIdx};
use crate::schedule::{Effect, Input, Schedule};

/// Why an object stays at a teardown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is a volume.
    Volume {
        /// Its size, such as `1Gi`.
        size: String,
    },
    /// Its values were made once and exist nowhere else.
    GeneratedSecret,
    /// It holds what stays.
    Namespace,
    /// We did not make it.
    ForeignNamespace,
}

impl Keep {
    /// Returns the reason as a person would say it.
    pub fn reason(&self) -> String {
        match self {
            Self::Volume { size } => format!("a volume of {size}; --delete-data removes it"),
            Self::GeneratedSecret => "its values exist nowhere else; --delete-data removes it".to_owned(),
            Self::Namespace => "it holds what stays; --delete-data removes it".to_owned(),
            Self::ForeignNamespace => "it was there before; remove it by hand".to_owned(),
        }
    }
}

/// What happens to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted.
    Goes,
    /// It stays.
    Stays(Keep),
}

/// One object of a teardown.
#[derive(Clone, Debug)]
struct Victim {
    object: ObjectRef,
    uid: Uid,
    resource: Resource,
    fate: Fate,
}

/// What a teardown does, stage by stage.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    /// Per stage of the plan; the entry after the last stage holds what belongs to none.
    stages: Vec<Vec<Victim>>,
}

impl Removal {
    /// Returns every object with what happens to it, in the order of the deletion.
    pub fn fates(&self) -> impl Iterator<Item = (&ObjectRef, &Fate)> {
        self.stages.iter().rev().flatten().map(|victim| (&victim.object, &victim.fate))
    }

    /// Returns true when a stage deletes a Namespace.
    fn takes_namespace(&self, stage: StageIdx) -> bool {
        let goes = |victim: &Victim| victim.fate == Fate::Goes && victim.object.kind == "Namespace";
        self.stages[stage.0].iter().any(goes)
    }

    /// Returns true when nothing is there to delete.
    pub fn is_empty(&self) -> bool {
        !self.fates().any(|(_, fate)| *fate == Fate::Goes)
    }
}

/// Works out what a teardown would do. Writes nothing.
pub(super) async fn work_out(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
    delete_data: bool,
) -> Result<Removal, EngineError> {
    let stage_of: BTreeMap<ObjectRef, usize> =
        plan.objects().map(|(stage, object)| (object.reference(), stage.0)).collect();
    let beside = plan.stages().len();
    let mut stages: Vec<Vec<Victim>> = vec![Vec::new(); beside + 1];
    let claims = volume_claims(tools, session, plan).await?;
    let namespace = namespace_ref(plan.namespace());
    let found = session.live.values().map(|object| (object, stage_of.get(&object.reference()).copied()));
    for (object, stage) in found.chain(claims.iter().map(|(object, stage)| (object, Some(stage.0)))) {
        let kind = object.reference().group_kind();
        let Some(uid) = object.uid() else { continue };
        let fate = fate(object, delete_data);
        let resource = resource(&session.catalog, &kind)?.clone();
        // The plan's own namespace goes after everything else: the lock lies in it.
        let stage = stage.filter(|_| object.reference() != namespace).unwrap_or(beside);
        stages[stage].push(Victim { object: object.reference(), uid, resource, fate });
    }
    if !stages.iter().flatten().any(|victim| victim.object == namespace) {
        let resource = resource(&session.catalog, &namespace.group_kind())?.clone();
        let live =
            ask(tools, &format!("get {namespace}"), || tools.cluster.get(&resource, &namespace)).await?;
        if let Some((live, uid)) = live.and_then(|live| live.uid().map(|uid| (live, uid))) {
            let fate = fate(&live, delete_data);
            stages[beside].push(Victim { object: namespace, uid, resource, fate });
        }
    }
    Ok(Removal { stages })
}

/// Returns what happens to an object of ours.
fn fate(object: &Object, delete_data: bool) -> Fate {
    let keep = match object.kind() {
        "Namespace" if object.annotation(CREATED_BY).is_none() => return Fate::Stays(Keep::ForeignNamespace),
        "Namespace" => Keep::Namespace,
        "PersistentVolumeClaim" => Keep::Volume { size: size(object, "/spec/resources/requests/storage") },
        "PersistentVolume" => Keep::Volume { size: size(object, "/spec/capacity/storage") },
        "Secret" if object.annotation(GENERATED).is_some() => Keep::GeneratedSecret,
        _ => return Fate::Goes,
    };
    if delete_data { Fate::Goes } else { Fate::Stays(keep) }
}

fn size(object: &Object, pointer: &str) -> String {
    match object.text(pointer) {
        "" => "unknown size".to_owned(),
        size => size.to_owned(),
    }
}

/// Returns the claims that StatefulSets of the plan have made: they carry no label of ours, outlive their
/// set, and are found by the set's selector and their name (`TEMPLATE-SET-ORDINAL`,
/// `controller/statefulset/stateful_set_utils.go`).
async fn volume_claims(
    tools: &Tools,
    session: &Session,
    plan: &Plan,
) -> Result<Vec<(Object, StageIdx)>, EngineError> {
    let kind = GroupKind { group: String::new(), kind: "PersistentVolumeClaim".to_owned() };
    let mut claims = Vec::new();
    for (stage, set) in plan.objects().filter(|(_, object)| object.kind() == "StatefulSet") {
        let templates = set.get("/spec/volumeClaimTemplates").and_then(Value::as_array);
        let prefixes: Vec<String> = templates
            .into_iter()
            .flatten()
            .filter_map(|template| {
                Some(format!("{}-{}-", template["metadata"]["name"].as_str()?, set.name()))
            })
            .collect();
        let labels = set.get("/spec/selector/matchLabels").and_then(Value::as_object);
        let selector = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let labels = selector.collect::<Vec<_>>().join(",");
        if prefixes.is_empty() || labels.is_empty() {
            continue;
        }
        let scope = Scope {
            resource: resource(&session.catalog, &kind)?.clone(),
            namespace: set.namespace().map(str::to_owned),
            labels: Some(labels),
            fields: None,
            metadata_only: false,
        };
        let found = ask(tools, "list persistentvolumeclaims", || tools.cluster.list(&scope)).await?;
        let made_by_set = |claim: &Object| {
            prefixes.iter().any(|prefix| {
                let ordinal = claim.name().strip_prefix(prefix.as_str()).unwrap_or_default();
                !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        claims.extend(found.objects.into_iter().filter(made_by_set).map(|claim| (claim, stage)));
    }
    Ok(claims)
}

/// What a task of the teardown came to.
struct Gone {
    stage: usize,
    result: Result<(), (ObjectRef, ApiError)>,
}

/// How a teardown went.
pub(super) struct Outcome {
    /// The end of every stage, in the order of the plan, then of what belongs to none.
    pub verdicts: Vec<Verdict>,
    /// Why the run was cancelled, if it was.
    pub cancelled: Option<CancelReason>,
    /// How the lock was lost, if it was: the run ended there and then.
    pub lock_lost: Option<String>,
}

/// Deletes what goes, in the reverse order of the plan.
pub(super) async fn remove(
    run: &mut Run<impl Stream<Item = CancelReason> + Unpin>,
    lost: &mut (impl Future<Output = String> + Unpin),
    plan: &Plan,
    removal: &Removal,
    emitter: &mut Emitter<'_>,
) -> Outcome {
    let tools = run.tools();
    let beside = plan.stages().len();
    // What belongs to no stage waits for all of them: it may be what they stand on.
    let mut needs: Vec<Vec<StageIdx>> =
        (0..beside).map(|stage| plan.dependents(StageIdx(stage)).to_vec()).collect();
    needs.push((0..beside).map(StageIdx).collect());
    let name = |stage: usize| plan.stages().get(stage).map(|stage| stage.id.clone());
    for victim in removal.stages.iter().flatten() {
        if let Fate::Stays(keep) = &victim.fate {
            emitter.emit(EventKind::ObjectKept { object: victim.object.clone(), reason: keep.reason() });
        }
    }
    let (progress, mut news) = mpsc::channel(WIDTH);
    let mut schedule = Schedule::new(&needs);
    let mut effects: VecDeque<Effect> = schedule.step(&Input::Begin).into();
    let mut verdicts = vec![Verdict::Cancelled; beside + 1];
    let mut tasks = FuturesUnordered::new();
    let (mut cancelled, mut concluded, mut lock_goes) = (None, false, false);
    let mut tick = tokio::time::interval(super::deploy::TICK);
    loop {
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Start(stage) => {
                    tell_start(emitter, name(stage.0));
                    lock_goes |= removal.takes_namespace(stage);
                    let deadline =
                        plan.stages().get(stage.0).map(|stage| tokio::time::Instant::now() + stage.deadline);
                    let tools = Tools { stage: name(stage.0), deadline, ..tools.clone() };
                    tasks.push(remove_stage(
                        tools,
                        stage.0,
                        removal.stages[stage.0].clone(),
                        progress.clone(),
                    ));
                }
                Effect::Skip { stage, because } => {
                    let cause = because.and_then(|cause| name(cause.0));
                    verdicts[stage.0] =
                        cause.map_or(Verdict::Cancelled, |because| Verdict::Skipped { because });
                    tell_end(emitter, name(stage.0), &verdicts[stage.0]);
                }
                Effect::Conclude => concluded = true,
            }
        }
        if concluded && tasks.is_empty() {
            return Outcome { verdicts, cancelled, lock_lost: None };
        }
        tokio::select! {
            biased;
            // The Lease goes with its namespace: its loss is then no loss.
            why = &mut *lost, if !lock_goes => {
                return Outcome { verdicts, cancelled, lock_lost: Some(why) };
            }
            Some(reason) = run.cancels.next() => {
                emitter.emit(EventKind::CancelBegan { reason });
                if cancelled.replace(reason).is_some() || reason == CancelReason::SecondInterrupt {
                    return Outcome { verdicts, cancelled, lock_lost: None };
                }
                let _nobody_waits = run.cancel.send(true);
                effects.extend(schedule.step(&Input::Cancel));
            }
            Some(attempt) = run.attempts.recv() => emitter.emit(super::attempt_event(attempt)),
            Some((stage, object, gone)) = news.recv() => {
                emitter.emit(EventKind::ObjectDeleted { stage: name(stage), object, gone });
            }
            Some(done) = tasks.next(), if !tasks.is_empty() => {
                // The task is over, but what it told may still lie in the channel.
                while let Ok((stage, object, gone)) = news.try_recv() {
                    emitter.emit(EventKind::ObjectDeleted { stage: name(stage), object, gone });
                }
                let Gone { stage, result } = done;
                verdicts[stage] = match result {
                    Ok(()) => Verdict::Succeeded,
                    Err((_, ApiError::Interrupted)) if cancelled.is_some() => Verdict::Cancelled,
                    Err((object, ApiError::Interrupted)) => {
                        Verdict::TimedOut { waiting_for: vec![format!("{object}: is being deleted")] }
                    }
                    Err((object, error)) => Verdict::Failed { reason: format!("delete {object}: {error}") },
                };
                tell_end(emitter, name(stage), &verdicts[stage]);
                let succeeded = verdicts[stage].is_success();
                effects.extend(schedule.step(&Input::Settled { stage: StageIdx(stage), succeeded }));
            }
            _ = tick.tick() => emitter.tick(),
        }
    }
}

/// Ends a teardown: brings the inventory up to date, or removes it when nothing is left, and returns what
/// should be gone and is not.
pub(super) async fn close(
    tools: &Tools,
    session: &mut Session,
    plan: &Plan,
    removal: &Removal,
) -> Result<Vec<ObjectRef>, EngineError> {
    let scopes = super::session::scopes(&session.catalog, plan, &session.inventory);
    let listings = super::session::list_all(tools, &scopes).await?;
    let present: BTreeMap<ObjectRef, Option<Uid>> = listings
        .into_iter()
        .flat_map(|listing| listing.objects)
        .map(|object| (object.reference(), object.uid()))
        .collect();
    let members: Vec<ObjectRef> = session.inventory.members().map(|(member, _)| member.clone()).collect();
    for member in members.iter().filter(|member| !present.contains_key(*member)) {
        session.inventory.forget(member);
    }
    let parent = session.inventory.parent();
    let maps = resource(&session.catalog, &parent.group_kind())?;
    // With its namespace gone, or never there, the inventory is gone too.
    let found = ask(tools, &format!("get {parent}"), || tools.cluster.get(maps, &parent)).await?;
    if let Some(uid) = found.and_then(|found| found.uid()) {
        if session.inventory.is_empty() {
            let request = format!("delete {parent}");
            let send = || tools.cluster.delete(maps, &parent, &uid, Propagation::Background);
            let deleted = tools.persist_write(&request, send).await;
            deleted.map_err(|error| EngineError::request(request, error))?;
        } else {
            session.save_inventory(tools).await?;
        }
    }
    let went = removal.stages.iter().flatten().filter(|victim| victim.fate == Fate::Goes);
    let left = went
        .filter(|victim| present.get(&victim.object).is_some_and(|uid| uid.as_ref() == Some(&victim.uid)));
    Ok(left.map(|victim| victim.object.clone()).collect())
}

fn tell_start(emitter: &mut Emitter<'_>, stage: Option<StageId>) {
    if let Some(stage) = stage {
        emitter.emit(EventKind::StageStarted { stage });
    }
}

fn tell_end(emitter: &mut Emitter<'_>, stage: Option<StageId>, verdict: &Verdict) {
    if let Some(stage) = stage {
        let took_ms = emitter.since_start(&stage);
        emitter.emit(EventKind::StageFinished { stage, verdict: verdict.clone(), took_ms });
    }
}

type Progress = mpsc::Sender<(usize, ObjectRef, bool)>;

/// Deletes what goes of one stage, rank after rank, and waits until it is gone.
async fn remove_stage(tools: Tools, stage: usize, victims: Vec<Victim>, progress: Progress) -> Gone {
    let going: Vec<Victim> = victims.into_iter().filter(|victim| victim.fate == Fate::Goes).collect();
    for rank in 0..=LAST_RANK {
        let of_rank = going.iter().filter(|victim| removal_rank(&victim.object.kind) == rank);
        let deletions = of_rank.map(|victim| remove_one(&tools, stage, victim, &progress));
        let mut deletions = stream::iter(deletions).buffer_unordered(WIDTH);
        let mut failed = None;
        while let Some(result) = deletions.next().await {
            failed = failed.or(result.err());
        }
        if let Some(failed) = failed {
            return Gone { stage, result: Err(failed) };
        }
    }
    Gone { stage, result: Ok(()) }
}

const LAST_RANK: u8 = 2;

/// Returns when an object of a stage goes: a claim only after the pods that mount it, since its
/// protection finalizer waits for them (`kubernetes.io/pvc-protection`); a Namespace last.
fn removal_rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => LAST_RANK,
        "PersistentVolumeClaim" | "PersistentVolume" | "CustomResourceDefinition" => 1,
        _ => 0,
    }
}

async fn remove_one(
    tools: &Tools,
    stage: usize,
    victim: &Victim,
    progress: &Progress,
) -> Result<(), (ObjectRef, ApiError)> {
    let Victim { object, uid, resource, .. } = victim;
    let failed = |error| (object.clone(), error);
    // What has not begun does not begin after an interrupt: the next rank, or one that waited for its turn.
    if *tools.cancelled.borrow() {
        return Err(failed(ApiError::Interrupted));
    }
    let deletion = tools.delete(resource, object, uid, propagation(&object.kind)).await.map_err(failed)?;
    if deletion == Deletion::Begun {
        // The receiver lives as long as the loop that drives this task.
        let _told = progress.send((stage, object.clone(), false)).await;
        tools.until_gone(resource, object, uid).await.map_err(failed)?;
    }
    let _told = progress.send((stage, object.clone(), true)).await;
    Ok(())
}

/// Returns how dependents go. A workload stays until its pods are gone, so that "gone" means stopped.
fn propagation(kind: &str) -> Propagation {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" => {
            Propagation::Foreground
        }
        _ => Propagation::Background,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fate, Keep, fate, removal_rank};
    use crate::object::Object;

    fn object(kind: &str, annotations: &serde_json::Value) -> Object {
        Object::new(json!({
            "apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "annotations": annotations},
            "spec": {"resources": {"requests": {"storage": "1Gi"}}},
        }))
        .unwrap()
    }

    #[test]
    fn data_stays_unless_asked_for() {
        let claim = object("PersistentVolumeClaim", &json!({}));
        assert_eq!(fate(&claim, false), Fate::Stays(Keep::Volume { size: "1Gi".into() }));
        assert_eq!(fate(&claim, true), Fate::Goes);
        let secret = object("Secret", &json!({"wesago/generated": "true"}));
        assert_eq!(fate(&secret, false), Fate::Stays(Keep::GeneratedSecret));
        assert_eq!(fate(&object("Secret", &json!({})), false), Fate::Goes);
    }

    #[test]
    fn a_namespace_that_was_there_before_is_never_deleted() {
        let ours = object("Namespace", &json!({"wesago/created-by": "wesago"}));
        assert_eq!(fate(&ours, false), Fate::Stays(Keep::Namespace));
        assert_eq!(fate(&ours, true), Fate::Goes);
        assert_eq!(fate(&object("Namespace", &json!({})), true), Fate::Stays(Keep::ForeignNamespace));
    }

    #[test]
    fn claims_go_after_the_pods_that_mount_them() {
        assert!(removal_rank("StatefulSet") < removal_rank("PersistentVolumeClaim"));
        assert!(removal_rank("PersistentVolumeClaim") < removal_rank("Namespace"));
    }
}
