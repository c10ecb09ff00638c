//! From the plan's objects to what is sent: the set's label, the fingerprint of the Secrets a pod reads,
//! and for each the question whether anything has to be sent at all.

use super::session::Session;
use super::tasks::{Manner, manner};
use crate::compose::{Contents as SecretContents, fold_secrets};
use crate::inventory::PART_OF;
use crate::object::Object;
use crate::plan::Plan;

/// An object as it is sent, and what is known of it.
pub(super) struct Prepared {
    /// What is sent.
    pub wanted: Object,
    /// The object as the server had it when the run began.
    pub live: Option<Object>,
    /// What is to be done.
    pub todo: Todo,
}

/// What is to be done with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// It is proven that a write would change nothing.
    Nothing,
    /// Write it.
    Write(Manner),
}

impl Prepared {
    /// Returns true when something will be sent for it.
    pub(super) fn is_written(&self) -> bool {
        !matches!(self.todo, Todo::Nothing | Todo::Write(Manner::Leave))
    }
}

/// Returns the objects of every stage, in the order of the plan.
pub(super) fn prepare(plan: &Plan, session: &Session, secrets: &SecretContents) -> Vec<Vec<Prepared>> {
    let set = session.inventory.id();
    let one = |object: &Object| {
        let mut wanted = object.clone();
        fold_secrets(&mut wanted, secrets);
        wanted.set_label(PART_OF, &set);
        let name = wanted.reference();
        let live = session.live.get(&name).cloned();
        let manner = manner(&wanted, live.as_ref());
        let proven = live.as_ref().is_some_and(|live| session.inventory.proves_unchanged(&wanted, live));
        let todo = if proven && manner == Manner::Apply { Todo::Nothing } else { Todo::Write(manner) };
        Prepared { wanted, live, todo }
    };
    plan.stages().iter().map(|stage| stage.objects.iter().map(one).collect()).collect()
}
