//! Where one object of a stage stands: how far its write has come, how it was last seen, and what both mean.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::prepare::Prepared;
use crate::object::Object;
use crate::readiness::{Readiness, Receipt, Sight, Surroundings, assess};

/// Time is asked again no sooner than this.
const SOONEST: Duration = Duration::from_millis(10);

/// How far the write of one object has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Actuation {
    Unsent,
    InFlight,
    Accepted(Receipt),
}

/// One object of a stage.
pub(in crate::engine) struct Tracked {
    /// The object as sent, and as it was.
    pub prepared: Prepared,
    pub(super) actuation: Actuation,
    /// The object as last seen.
    pub(super) live: Option<Object>,
    /// True when it was there after our write and is gone.
    pub(super) is_gone: bool,
    /// What it is.
    pub readiness: Readiness,
    /// When the same facts could mean something else.
    pub(super) again_at: Option<Instant>,
}

impl Tracked {
    /// Takes in an object as the server holds it; news older than what is known are dropped.
    pub(super) fn see(&mut self, object: Object) {
        if self.live.as_ref().is_none_or(|known| !is_older(&object, known)) {
            self.live = Some(object);
            self.is_gone = false;
        }
    }

    /// Takes in that the object is gone; `last` is its last state, where that was told. Before our write is
    /// accepted that means nothing: we make it anew.
    pub(super) fn lose(&mut self, last: Option<Object>) {
        if !self.is_accepted() {
            self.live = None;
            return;
        }
        if let Some(last) = last {
            self.see(last);
        }
        self.is_gone = true;
    }

    /// Returns true when a list of this resource version is older than what we know: an object that is not
    /// in it may have been made since.
    pub(super) fn is_known_after(&self, resource_version: &str) -> bool {
        let known = self.live.as_ref().and_then(|live| live.resource_version().parse::<u64>().ok());
        known.zip(resource_version.parse().ok()).is_some_and(|(known, listed)| known > listed)
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.receipt().is_some()
    }

    fn sight(&self) -> Sight<'_> {
        match &self.live {
            None => Sight::Absent,
            Some(last) if self.is_gone => Sight::Gone(last),
            Some(object) => Sight::Present(object),
        }
    }

    /// Works out anew what the object is and returns true when that changed.
    pub(super) fn reassess(&mut self, surroundings: &Surroundings, now: Timestamp) -> bool {
        let Some(receipt) = self.receipt() else { return false };
        let assessment = assess(self.sight(), receipt, surroundings, now);
        self.again_at = assessment.again_in.map(|again| Instant::now() + again.max(SOONEST));
        let changed = assessment.readiness != self.readiness;
        self.readiness = assessment.readiness;
        changed
    }

    /// Returns the object as last seen, while it is there.
    pub(in crate::engine) fn live(&self) -> Option<&Object> {
        self.live.as_ref().filter(|_| !self.is_gone)
    }

    /// Returns the object as last seen, even when it is gone.
    pub(in crate::engine) fn last_seen(&self) -> Option<&Object> {
        self.live.as_ref()
    }

    /// Returns the receipt of our write, once it is accepted.
    pub(in crate::engine) fn receipt(&self) -> Option<&Receipt> {
        match &self.actuation {
            Actuation::Accepted(receipt) => Some(receipt),
            Actuation::Unsent | Actuation::InFlight => None,
        }
    }

    /// Returns true for what brings kinds of its own.
    pub(super) fn is_definition(&self) -> bool {
        self.prepared.wanted.kind() == "CustomResourceDefinition"
    }

    /// Returns true when the object is what we asked for.
    pub(in crate::engine) fn is_current(&self) -> bool {
        matches!(self.readiness, Readiness::Current { .. })
    }
}

/// What a watch tells of an object.
#[derive(Debug)]
pub(in crate::engine) enum News {
    /// It is there.
    Seen(Object),
    /// It is gone; this is its last state.
    Ended(Object),
    /// It was not in a list.
    Absent {
        /// The list's resource version.
        as_of: String,
    },
}

/// Returns true when `object` is an earlier state than `known`, of its life or of one before: after a Job
/// was made anew, the watch still tells the end of the old one. Resource versions of one kind can be
/// compared as numbers (KEP-5504); where they cannot, the later arrival wins.
fn is_older(object: &Object, known: &Object) -> bool {
    let number = |object: &Object| object.resource_version().parse::<u64>().ok();
    number(object).zip(number(known)).is_some_and(|(new, old)| new < old)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_older;
    use crate::object::Object;

    fn job(uid: &str, resource_version: &str) -> Object {
        let metadata = json!({"name": "x", "uid": uid, "resourceVersion": resource_version});
        Object::new(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})).unwrap()
    }

    #[test]
    fn what_a_watch_still_tells_of_the_life_before_is_older() {
        let made_anew = job("u-2", "1005");
        assert!(is_older(&job("u-1", "1003"), &made_anew), "the old one, being deleted");
        assert!(!is_older(&job("u-2", "1005"), &made_anew), "the answer itself, seen again");
        assert!(!is_older(&job("u-3", "1010"), &made_anew), "replaced by somebody");
        assert!(!is_older(&job("u-2", "later"), &made_anew), "not a number: the later arrival wins");
    }
}
