//! What is there, is it ready, and has somebody else touched it? The plan held against the cluster, without
//! a write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use super::drift::{Since, since};
use super::prepare::{Basis, Prepared, prepare};
use super::retry::Tools;
use super::secrets::{NotMade, reference};
use super::session::{Session, WIDTH, ask, settles_at_once};
use super::{EngineError, secrets};
use crate::compose::Contents as SecretContents;
use crate::difference::Mask;
use crate::object::{Object, ObjectRef};
use crate::plan::{Plan, StageId};
use crate::readiness::{Assessment, Moment, Readiness, Receipt, Sight, assess};

/// One object of the plan, or of the inventory, as it is in the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusRow {
    /// Its stage; `None` for what the plan itself needs and for what has left the plan.
    pub stage: Option<StageId>,
    /// The object.
    pub object: ObjectRef,
    /// What it is.
    pub readiness: Readiness,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// What a reader should know beside, such as "no longer in the plan".
    pub note: Option<String>,
    /// What others have done to it since we last wrote it; `None` for what we never wrote.
    pub since: Option<Since>,
}

/// What a survey knows of the cluster.
pub(super) struct Survey {
    pub(super) plan: Plan,
    pub(super) session: Session,
    secrets: SecretContents,
    /// Objects that had to be read as a whole, with the version that was listed then; empty when none was.
    whole: BTreeMap<ObjectRef, (String, Option<Object>)>,
}

impl Survey {
    /// Reads the cluster.
    pub(super) async fn read(tools: &Tools, plan: &Plan) -> Result<Self, EngineError> {
        let catalog = Session::discover(tools).await?;
        let plan = super::settled(plan, &catalog).into_owned();
        let session = Session::read(tools, &plan, catalog).await?;
        let mut survey = Self { plan, session, secrets: SecretContents::default(), whole: BTreeMap::new() };
        survey.read_secrets(tools).await?;
        survey.look_closer(tools).await?;
        Ok(survey)
    }

    /// Reads the generated Secrets: what pods read of them is part of what is wanted.
    pub(super) async fn read_secrets(&mut self, tools: &Tools) -> Result<(), EngineError> {
        self.secrets = secrets::read(tools, &self.session, &self.plan, &NotMade).await?.contents;
        Ok(())
    }

    /// Reads as a whole what is not as we left it and of which only the metadata is known, or nothing: an
    /// object without our label may have its place.
    pub(super) async fn look_closer(&mut self, tools: &Tools) -> Result<(), EngineError> {
        self.session.look_at_classes(tools, &self.plan).await?;
        let unclear: Vec<(Object, String)> =
            prepare(&self.plan, &self.session, &self.secrets, &Basis::of_plan(&self.plan))
                .into_iter()
                .flatten()
                .filter_map(|prepared| {
                    let name = prepared.wanted.reference();
                    self.session.inventory.record(&name)?;
                    let version = prepared.live.as_ref().map_or("", Object::resource_version).to_owned();
                    let is_known = self.whole.get(&name).is_some_and(|(known, _)| *known == version);
                    let is_clear = prepared.is_proven
                        || (prepared.live.is_some()
                            && !settles_at_once(&name.group_kind(), self.plan.rules()));
                    (!is_known && !is_clear).then_some((prepared.wanted, version))
                })
                .collect();
        let read = unclear.into_iter().map(|(wanted, version)| {
            let session = &self.session;
            async move {
                let name = wanted.reference();
                let found = match session.resource(&wanted) {
                    Ok(resource) => {
                        ask(tools, &format!("get {name}"), || tools.cluster.get(&resource, &name)).await?
                    }
                    Err(_) => None,
                };
                Ok::<_, EngineError>((name, (version, found)))
            }
        });
        let read: Vec<_> = stream::iter(read).buffered(WIDTH).try_collect().await?;
        self.whole.extend(read);
        Ok(())
    }

    /// Returns a row per object: those of the plan in its order, then what the plan owns beside them; and
    /// how soon time alone could change one.
    pub(super) fn rows(&self, mask: &Mask, now: Timestamp) -> (Vec<StatusRow>, Option<Duration>) {
        let (mut rows, mut again) = (Vec::new(), None);
        let mut add =
            |stage: Option<StageId>, object: ObjectRef, note: Option<&str>, since: Option<Since>| {
                let live = self.session.live.get(&object);
                let assessment = self.assess(live, now);
                again =
                    [again, assessment.as_ref().and_then(|known| known.again_in)].into_iter().flatten().min();
                let readiness = assessment.map_or(Readiness::NotFound, |known| known.readiness);
                let created_at = live.and_then(|live| live.text("/metadata/creationTimestamp").parse().ok());
                rows.push(StatusRow {
                    stage,
                    object,
                    readiness,
                    created_at,
                    note: note.map(str::to_owned),
                    since,
                });
            };
        let mut told = BTreeSet::new();
        let prepared = prepare(&self.plan, &self.session, &self.secrets, &Basis::of_plan(&self.plan));
        for (stage, prepared) in self.plan.stages().iter().zip(prepared) {
            for prepared in prepared {
                let name = prepared.wanted.reference();
                let since = self.since(&prepared, mask);
                told.insert(name.clone());
                add(Some(stage.id.clone()), name, None, since);
            }
        }
        for spec in self.plan.secrets() {
            let name = reference(self.plan.namespace(), spec);
            told.insert(name.clone());
            add(None, name, Some("generated"), None);
        }
        for (member, _) in self.session.inventory.members().filter(|(member, _)| !told.contains(*member)) {
            add(None, member.clone(), Some("no longer in the plan"), None);
        }
        (rows, again)
    }

    fn since(&self, prepared: &Prepared, mask: &Mask) -> Option<Since> {
        let name = prepared.wanted.reference();
        let record = self.session.inventory.record(&name)?;
        if prepared.is_proven {
            return Some(Since::default());
        }
        let whole = self.whole.get(&name).and_then(|(_, whole)| whole.as_ref());
        Some(since(&prepared.labelled(), whole.or(prepared.live.as_ref())?, record, mask))
    }

    fn assess(&self, live: Option<&Object>, now: Timestamp) -> Option<Assessment> {
        let live = live?;
        // Of an object nobody has just written, what it is now is the floor.
        let receipt = Receipt::of(live, false, Moment { ours: now, server: now })?;
        Some(assess(Sight::Present(live), &receipt, &self.session.surroundings, now))
    }
}
