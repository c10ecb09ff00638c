//! One stage of a deploy: where each of its objects stands, and what that makes of the stage. Pure state;
//! the loop (`deploy`) does what it answers.
//!
//! ```text
//! waiting ─▶ writing ─▶ observing ─▶ checking ─▶ settled
//! ```

mod tracked;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::prepare::{Prepared, Todo};
use super::tasks::Manner;
use crate::event::Verdict;
use crate::object::{LAST_WRITE_RANK, Object, Uid, settles_at_once, write_rank};
use crate::readiness::{Moment, Readiness, Receipt, Surroundings};
use tracked::Actuation;
pub(super) use tracked::{News, Tracked};

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Waiting,
    /// Objects of this rank, and of lower ones, have been sent.
    Writing {
        rank: u8,
    },
    Checking {
        unanswered: usize,
    },
    /// It has failed; the cause is being looked up.
    Explaining,
    Settled,
}

/// What the loop is to do for a stage.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Write these objects, by their place in the stage.
    Write(Vec<usize>),
    /// Ask the server anew what kinds it serves, then advance again.
    Rediscover,
    /// Ask all checks.
    Check,
    /// Look up why, then settle with this verdict.
    Explain(Verdict),
    /// The stage is at its end.
    Settle(Verdict),
}

/// One stage of a deploy.
pub(super) struct StageRun {
    /// Its objects, in the order of the plan.
    pub objects: Vec<Tracked>,
    phase: Phase,
    began: Option<Instant>,
    deadline: Duration,
    checks: usize,
    needs_discovery: bool,
}

impl StageRun {
    /// Returns a stage that has not started.
    pub(super) fn new(objects: Vec<Prepared>, deadline: Duration, checks: usize) -> Self {
        let tracked = |prepared: Prepared| Tracked {
            live: prepared.live.clone(),
            is_gone: false,
            prepared,
            actuation: Actuation::Unsent,
            readiness: Readiness::NotFound,
            again_at: None,
        };
        let objects = objects.into_iter().map(tracked).collect();
        Self { objects, phase: Phase::Waiting, began: None, deadline, checks, needs_discovery: false }
    }

    /// Starts the stage: what is proven unchanged counts as accepted at once.
    pub(super) fn start(&mut self, surroundings: &Surroundings, now: Moment) -> Option<Step> {
        self.began = Some(Instant::now());
        for index in 0..self.objects.len() {
            let tracked = &mut self.objects[index];
            if tracked.prepared.todo == Todo::Nothing
                && let Some(receipt) = tracked.live.as_ref().and_then(|live| Receipt::of(live, false, now))
            {
                tracked.actuation = Actuation::Accepted(receipt);
                tracked.reassess(surroundings, now.ours);
            }
        }
        self.phase = Phase::Writing { rank: 0 };
        let first = self.unsent(0);
        if first.is_empty() { self.advance() } else { Some(Step::Write(first)) }
    }

    /// Takes the server's answer to a write.
    pub(super) fn accepted(
        &mut self,
        index: usize,
        answer: Object,
        changed: bool,
        surroundings: &Surroundings,
        now: Moment,
    ) -> bool {
        let tracked = &mut self.objects[index];
        let Some(receipt) = Receipt::of(&answer, changed, now) else { return false };
        tracked.actuation = Actuation::Accepted(receipt);
        tracked.prepared.live = None;
        tracked.see(answer);
        let kind = tracked.prepared.wanted.reference().group_kind();
        if let Some(live) = tracked.live.as_mut().filter(|_| settles_at_once(&kind, &surroundings.rules)) {
            // There may be thousands, kept to the end of the run. Of all other kinds the rules ask who holds a
            // field: whether it was us who suspended a Job.
            live.drop_content();
            live.drop_managers();
        }
        tracked.reassess(surroundings, now.ours)
    }

    /// Takes in what a watch told of an object and returns true when that changed what it is.
    pub(super) fn observed(
        &mut self,
        index: usize,
        news: News,
        surroundings: &Surroundings,
        now: Timestamp,
    ) -> bool {
        let tracked = &mut self.objects[index];
        match news {
            News::Seen(object) => tracked.see(object),
            News::Ended(last) => tracked.lose(Some(last)),
            News::Absent { as_of } if tracked.is_known_after(&as_of) => {}
            News::Absent { .. } => tracked.lose(None),
        }
        tracked.reassess(surroundings, now)
    }

    /// Works out anew what time alone may have changed and returns the objects that differ. Of a definition
    /// only discovery knows more, and it cannot be watched: the stage then wants to ask it.
    pub(super) fn on_time(&mut self, surroundings: &Surroundings, now: Timestamp) -> Vec<usize> {
        let instant = Instant::now();
        let mut changed = Vec::new();
        for index in 0..self.objects.len() {
            let tracked = &mut self.objects[index];
            if tracked.again_at.is_none_or(|again| again > instant) {
                continue;
            }
            if tracked.is_definition() {
                tracked.again_at = None;
                self.needs_discovery = true;
            } else if tracked.reassess(surroundings, now) {
                changed.push(index);
            }
        }
        changed
    }

    /// Returns true when only discovery can tell how to go on.
    pub(super) fn needs_discovery(&self) -> bool {
        self.needs_discovery && self.is_running()
    }

    /// Notes that discovery is being asked.
    pub(super) fn asked_discovery(&mut self) {
        self.needs_discovery = false;
    }

    /// Takes in what discovery told and returns the definitions that differ.
    pub(super) fn discovered(&mut self, surroundings: &Surroundings, now: Timestamp) -> Vec<usize> {
        let definition = |index: &usize| self.objects[*index].is_definition();
        let definitions: Vec<usize> = (0..self.objects.len()).filter(definition).collect();
        definitions.into_iter().filter(|&index| self.objects[index].reassess(surroundings, now)).collect()
    }

    /// Notes that a check was passed.
    pub(super) fn check_passed(&mut self) {
        if let Phase::Checking { unanswered } = &mut self.phase {
            *unanswered = unanswered.saturating_sub(1);
        }
    }

    /// Returns what is to be done next, now that something has changed; `None` when only waiting is left.
    pub(super) fn advance(&mut self) -> Option<Step> {
        match self.phase {
            Phase::Writing { rank } => self.after_writes(rank),
            Phase::Checking { unanswered: 0 } => Some(self.settle(Verdict::Succeeded)),
            Phase::Checking { .. } => self.failure(),
            Phase::Waiting | Phase::Explaining | Phase::Settled => None,
        }
    }

    fn after_writes(&mut self, rank: u8) -> Option<Step> {
        if let Some(failure) = self.failure() {
            return Some(failure);
        }
        if self.needs_discovery {
            return Some(Step::Rediscover);
        }
        let sent_is_current = self
            .objects
            .iter()
            .filter(|tracked| write_rank(tracked.prepared.wanted.kind()) <= rank)
            .all(Tracked::is_current);
        if !sent_is_current {
            return None;
        }
        for next_rank in rank + 1..=LAST_WRITE_RANK {
            self.phase = Phase::Writing { rank: next_rank };
            let next = self.unsent(next_rank);
            if !next.is_empty() {
                return Some(Step::Write(next));
            }
        }
        if !self.objects.iter().all(Tracked::is_current) {
            return None;
        }
        if self.checks == 0 {
            return Some(self.settle(Verdict::Succeeded));
        }
        self.phase = Phase::Checking { unanswered: self.checks };
        Some(Step::Check)
    }

    /// Returns what to write of a rank, marked as on its way.
    fn unsent(&mut self, rank: u8) -> Vec<usize> {
        let mut unsent = Vec::new();
        for (index, tracked) in self.objects.iter_mut().enumerate() {
            if tracked.actuation == Actuation::Unsent && write_rank(tracked.prepared.wanted.kind()) == rank {
                tracked.actuation = Actuation::InFlight;
                unsent.push(index);
            }
        }
        unsent
    }

    fn failure(&mut self) -> Option<Step> {
        let reasons: Vec<String> = self
            .objects
            .iter()
            .filter_map(|tracked| match &tracked.readiness {
                Readiness::Failed { reason } => {
                    Some(format!("{}: {reason}", tracked.prepared.wanted.reference()))
                }
                // We never delete what we wait for, and nothing undoes a deletion.
                Readiness::Terminating { .. } => Some(format!(
                    "{}: somebody is deleting it while it is waited for",
                    tracked.prepared.wanted.reference()
                )),
                _ => None,
            })
            .collect();
        if reasons.is_empty() { None } else { Some(self.fail(reasons.join("; "))) }
    }

    /// Ends the stage with a failure; the loop looks up the cause first.
    pub(super) fn fail(&mut self, reason: String) -> Step {
        self.phase = Phase::Explaining;
        Step::Explain(Verdict::Failed { reason })
    }

    /// Ends the stage when its deadline has passed.
    pub(super) fn time_out(&mut self) -> Step {
        let waiting_for = self.missing();
        self.phase = Phase::Explaining;
        Step::Explain(Verdict::TimedOut { waiting_for })
    }

    /// Ends the stage.
    pub(super) fn settle(&mut self, verdict: Verdict) -> Step {
        self.phase = Phase::Settled;
        Step::Settle(verdict)
    }

    /// Returns what is not current, each with its reason.
    pub(super) fn missing(&self) -> Vec<String> {
        let waiting = self.objects.iter().filter(|tracked| !tracked.is_current());
        let mut missing: Vec<String> = waiting
            .map(|tracked| {
                let reason = match &tracked.readiness {
                    Readiness::InProgress { reason } | Readiness::Failed { reason } => reason.clone(),
                    Readiness::Terminating { finalizers } => {
                        format!("is being deleted, held by {}", finalizers.join(", "))
                    }
                    Readiness::NotFound if tracked.actuation == Actuation::InFlight => {
                        "is being written".to_owned()
                    }
                    Readiness::NotFound => "is not there".to_owned(),
                    Readiness::Current { .. } => "is current".to_owned(),
                };
                format!("{}: {reason}", tracked.prepared.wanted.reference())
            })
            .collect();
        if let Phase::Checking { unanswered } = self.phase {
            missing.push(format!("{unanswered} of {} checks have not passed", self.checks));
        }
        missing
    }

    /// Returns what was written and is not current, as last seen, for a look at the cause. What has not been
    /// written yet is still what it was before: nothing it says is about what we want.
    pub(super) fn unready(&self) -> impl Iterator<Item = &Tracked> {
        self.objects.iter().filter(|tracked| tracked.is_accepted() && !tracked.is_current())
    }

    /// Returns the life of an object we wrote, or last saw.
    pub(super) fn life(&self, index: usize) -> Option<Uid> {
        let tracked = &self.objects[index];
        match tracked.receipt() {
            Some(receipt) => Some(receipt.uid.clone()),
            None => tracked.live.as_ref().and_then(Object::uid),
        }
    }

    /// Returns true between start and end.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Waiting | Phase::Settled)
    }

    /// Returns true while checks are being asked.
    pub(super) fn is_checking(&self) -> bool {
        matches!(self.phase, Phase::Checking { .. })
    }

    /// Returns true while the cause of the end is being looked up.
    pub(super) fn is_explaining(&self) -> bool {
        self.phase == Phase::Explaining
    }

    /// Returns the moment its deadline passes, while that matters.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let matters = self.is_running() && !self.is_explaining();
        self.began.filter(|_| matters).map(|began| began + self.deadline)
    }

    /// Returns the next moment at which time alone could change something.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        if !self.is_running() || self.is_explaining() {
            return None;
        }
        let again = self.objects.iter().filter_map(|tracked| tracked.again_at).min();
        self.deadline().into_iter().chain(again).min()
    }

    /// Returns how the object at `index` is to be written.
    pub(super) fn manner(&self, index: usize) -> Manner {
        match self.objects[index].prepared.todo {
            Todo::Write(manner) => manner,
            Todo::Nothing => Manner::Apply,
        }
    }
}
