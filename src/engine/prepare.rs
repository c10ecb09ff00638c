//! From the plan's objects to what is sent: the set's label, the fingerprint of the Secrets a pod reads,
//! what is left to others, and for each the question whether anything has to be sent at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::autoscaling;
use super::conflict::{Terms, owns_replicas_alone};
use super::options::DeployOptions;
use super::session::Session;
use super::tasks::{Manner, has_run_for_good, manner};
use crate::compose::{Contents as SecretContents, fold_secrets};
use crate::inventory::PART_OF;
use crate::object::{Object, ObjectRef};
use crate::plan::{ConflictPolicy, HASH_KEY, Plan};

/// An object as it is sent, and what is known of it.
pub(super) struct Prepared {
    /// The object as the plan wants it here; [`Prepared::labelled`] is what is sent.
    pub wanted: Object,
    /// The id of our set.
    set: Arc<str>,
    /// True when it is proven that sending it would change nothing.
    pub is_proven: bool,
    /// The object as the server had it when the run began.
    pub live: Option<Object>,
    /// What is to be done.
    pub todo: Todo,
    /// What may be done about fields of others.
    pub terms: Terms,
    /// The fields of the plan that are not sent, and to whom each is left.
    pub left: Vec<(String, String)>,
    /// It is a Job that has run with another content than a rollback brings back, and does not run again.
    pub spared: bool,
}

/// What is to be done with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// It is proven that a write would change nothing.
    Nothing,
    /// Write it.
    Write(Manner),
}

/// What decides about the writes, beside the plan.
#[derive(Default)]
pub(super) struct Basis {
    /// What somebody typed.
    pub options: DeployOptions,
    /// What an autoscaler targets.
    pub autoscaled: BTreeSet<ObjectRef>,
    /// What is taken over from somebody else.
    pub adopted: BTreeSet<ObjectRef>,
}

impl Prepared {
    /// Returns true when it is to be written.
    pub(super) fn is_written(&self) -> bool {
        self.todo != Todo::Nothing
    }

    /// Returns true when something will be sent for it: a Job that ran once and for all is left alone.
    pub(super) fn is_sent(&self) -> bool {
        !matches!(self.todo, Todo::Nothing | Todo::Write(Manner::Leave))
    }

    /// Returns the object with our label. It is made when it is needed: the plan's own tree is shared, a labelled
    /// one is a copy.
    pub(super) fn labelled(&self) -> Object {
        let mut labelled = self.wanted.clone();
        labelled.set_label(PART_OF, &self.set);
        labelled
    }

    /// Returns the object as a dry run has to ask about it: replicas that a deploy would hand off to an
    /// autoscaler stay as they are, which a dry run of the rest alone cannot know.
    pub(super) fn as_asked(&self) -> Object {
        let replicas = self.live.as_ref().filter(|live| self.terms.autoscaled && owns_replicas_alone(live));
        let Some(replicas) = replicas.and_then(|live| live.get("/spec/replicas")) else {
            return self.labelled();
        };
        let mut value = self.labelled().into_value();
        value["spec"]["replicas"] = replicas.clone();
        Object::new(value).unwrap_or_else(|_| self.labelled())
    }
}

impl Basis {
    /// Returns what the plan itself says: its own autoscalers.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        let autoscaled = autoscaling::targets(plan.objects().map(|(_, object)| object));
        Self { autoscaled, ..Self::default() }
    }

    /// Returns what may be done to one object. What was typed outranks the plan.
    fn terms(&self, plan: &Plan, name: &ObjectRef) -> Terms {
        let planned = plan.conflicts().iter().filter(|rule| rule.target == *name);
        let typed = self
            .options
            .take
            .iter()
            .filter(|field| field.object.as_ref().is_none_or(|object| object.fits(name)));
        let typed = typed.map(|field| (field.path.clone(), ConflictPolicy::Take));
        Terms {
            rules: planned.map(|rule| (rule.path.clone(), rule.policy)).chain(typed).collect(),
            autoscaled: self.autoscaled.contains(name),
            adopted: self.adopted.contains(name),
            recreate: self.options.recreate.iter().any(|object| object.fits(name)),
        }
    }
}

/// Returns the objects of every stage, in the order of the plan.
pub(super) fn prepare(
    plan: &Plan,
    session: &Session,
    secrets: &SecretContents,
    basis: &Basis,
) -> Vec<Vec<Prepared>> {
    let set: Arc<str> = session.inventory.id().into();
    let key = secrets.get(&plan.key_secret()).and_then(|keys| keys.get(HASH_KEY));
    let manifests = plan.manifest_secrets();
    let one = |object: &Object| {
        let mut wanted = object.clone();
        // No pod reads a Secret of the plan where there is no key.
        if let Some(key) = key {
            fold_secrets(&mut wanted, secrets, &manifests, key);
        }
        let name = wanted.reference();
        let terms = basis.terms(plan, &name);
        let live = session.live.get(&name).cloned();
        let left = live.as_ref().map(|live| terms.leave_to_others(&mut wanted, live)).unwrap_or_default();
        let manner = manner(&wanted, live.as_ref());
        let todo = Todo::Write(manner);
        let set = Arc::clone(&set);
        let mut prepared = Prepared { wanted, set, is_proven: false, live, todo, terms, left, spared: false };
        let proves = |live| session.inventory.proves_unchanged(&prepared.labelled(), live);
        prepared.is_proven = prepared.live.as_ref().is_some_and(proves);
        prepared.spared = basis.options.rollback.is_some()
            && !prepared.is_proven
            && has_run_for_good(&prepared.wanted, prepared.live.as_ref());
        if prepared.spared {
            prepared.todo = Todo::Write(Manner::Leave);
        } else if prepared.is_proven && manner == Manner::Apply {
            // Never sent, so what was folded in need not be kept.
            (prepared.todo, prepared.wanted) = (Todo::Nothing, object.clone());
        }
        prepared
    };
    plan.stages().iter().map(|stage| stage.objects.iter().map(one).collect()).collect()
}
