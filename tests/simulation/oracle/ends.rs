//! Promises "end" and "cancel", and the shape of the stream of events.

use std::collections::BTreeMap;
use std::time::Duration;

use wesago::engine::EngineError;
use wesago::event::{EventKind, Verdict};

use super::history::is_path;
use super::ownership::lock_key;
use super::{Evidence, is_peaceful, is_undisturbed};
use crate::deployer::{Command, Ending, Run, holder_name};
use crate::world::WAITS_FOR;

/// Returns what is wrong with the ends of the runs.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    for run in evidence.runs {
        let mut say = |what: String| broken.push(format!("end: run {}: {what}", run.id));
        if run.ending == Ending::Hung {
            say("it never ended".to_owned());
        }
        if let Ending::Ended(Err(EngineError::Locked(lock))) = &run.ending
            && lock.holder == holder_name(run.id)
        {
            say("it was locked out by itself".to_owned());
        }
        if is_undisturbed(run)
            && run.fate.raced
            && !matches!(&run.ending, Ending::Ended(Ok(_) | Err(EngineError::Locked(_))))
        {
            say(format!("beside another deploy it ended with {:?}", run.ending));
        }
        if let Some(idle) = idle_before_a_free_lock(evidence, run).filter(|idle| *idle > TAKES_WITHIN) {
            say(format!("the lock it waited for was free for {idle:?}"));
        }
        if let Some(waited) = waited_in_vain(evidence, run) {
            say(format!("it was locked out after {waited:?} of {WAITS_FOR:?}"));
        }
        if run.fate.bearable && run.command == Command::Deploy && !run.ending.is_success() {
            say(format!("faults that pass were not survived: {:?}", run.ending));
        }
        sequence(evidence, run, &mut say);
        cancel(evidence, run, &mut say);
        if is_peaceful(run)
            && run.command == Command::Deploy
            && let Ending::Ended(Err(error)) = &run.ending
        {
            say(format!("a deploy in peace failed: {error:?}"));
        }
    }
    broken
}

/// Whoever waits for a lock takes it as soon as it is given back, and not when its life would have been over; it may
/// be in one of its own pauses.
const TAKES_WITHIN: Duration = Duration::from_secs(5);

/// Returns how long the lock lay there free before a run that nothing disturbed, and that waited for it, took it.
fn idle_before_a_free_lock(evidence: &Evidence, run: &Run) -> Option<Duration> {
    let taken = evidence.commits(run.id).find(|commit| commit.key == lock_key())?;
    let before = evidence.changes(&taken.key, evidence.version_at_start(run.id), taken.version - 1).last()?;
    let is_free = before.after.as_ref().is_none_or(|lease| lease["spec"]["holderIdentity"].is_null());
    let waits = is_undisturbed(run) && !run.fate.wait_lock.is_zero();
    (waits && is_free).then(|| taken.at.saturating_sub(before.at))
}

/// Returns how long a run waited for a lock that it did not get, when that was less than it should.
fn waited_in_vain(evidence: &Evidence, run: &Run) -> Option<Duration> {
    let is_locked_out = matches!(&run.ending, Ending::Ended(Err(EngineError::Locked(_))));
    if !is_undisturbed(run) || run.fate.wait_lock.is_zero() || !is_locked_out {
        return None;
    }
    let (began, ended) = evidence.span(run.id)?;
    ended.checked_sub(began).filter(|waited| *waited < WAITS_FOR)
}

/// After the first interrupt a run waits for answers that are on their way, saves what it knows and gives
/// the lock back; each of these is bounded.
const CANCEL_WITHIN: Duration = Duration::from_secs(90);

/// Numbers without a gap, the first event first, the last one last, every stage with one beginning and
/// one end.
fn sequence(evidence: &Evidence, run: &Run, say: &mut impl FnMut(String)) {
    let events: Vec<_> = evidence.events(run.id).map(|(_, event)| event).collect();
    for (expected, event) in (0_u64..).zip(&events) {
        if event.seq != expected {
            say(format!("event {expected} has number {}", event.seq));
        }
    }
    if events.first().is_some_and(|first| !matches!(first.event, EventKind::RunStarted(_))) {
        say("the first event is not the start of the run".to_owned());
    }
    let finished = events.iter().filter(|event| matches!(event.event, EventKind::RunFinished(_))).count();
    let ended = matches!(run.ending, Ending::Ended(Ok(_)));
    if finished > 1 || (ended && finished != 1) {
        say(format!("{finished} ends of the run were told"));
    }
    if ended && !events.last().is_some_and(|last| matches!(last.event, EventKind::RunFinished(_))) {
        say("the last event is not the end of the run".to_owned());
    }
    let mut starts: BTreeMap<_, u32> = BTreeMap::new();
    let mut ends: BTreeMap<_, Vec<&Verdict>> = BTreeMap::new();
    for event in &events {
        match &event.event {
            EventKind::StageStarted { stage } => {
                *starts.entry(stage).or_default() += 1;
                if ends.contains_key(stage) {
                    say(format!("stage {stage} started after its end"));
                }
            }
            EventKind::StageFinished { stage, verdict, .. } => ends.entry(stage).or_default().push(verdict),
            _ => {}
        }
    }
    for stage in run.plan.stages() {
        let (started, ended) = (starts.get(&stage.id).copied().unwrap_or(0), ends.get(&stage.id));
        let ended = ended.map(Vec::as_slice).unwrap_or_default();
        if started > 1 || ended.len() > 1 {
            say(format!("stage {} started {started} times and ended {} times", stage.id, ended.len()));
        }
        if started == 0 && ended.iter().any(|verdict| verdict.is_success()) {
            say(format!("stage {} succeeded without a start", stage.id));
        }
    }
    if let Ending::Ended(Ok(verdict)) = &run.ending {
        let all = run.plan.stages().iter().all(|stage| {
            ends.get(&stage.id).is_some_and(|ends| ends.iter().all(|verdict| verdict.is_success()))
        });
        // A teardown that finds no namespace has no stage to go through.
        let nothing_there = run.command != Command::Deploy && starts.is_empty();
        if verdict.is_success() && !all && !nothing_there {
            say("it succeeded though not every stage did".to_owned());
        }
        let cancelled = events.iter().any(|event| matches!(event.event, EventKind::CancelBegan { .. }));
        if *verdict == Verdict::Cancelled && !cancelled {
            say("it was cancelled by nobody".to_owned());
        }
    }
}

/// After the first interrupt no stage starts and no further object is written; only the inventory, the
/// history, and objects whose write had begun.
fn cancel(evidence: &Evidence, run: &Run, say: &mut impl FnMut(String)) {
    let began =
        evidence.events(run.id).find(|(_, event)| matches!(event.event, EventKind::CancelBegan { .. }));
    let Some((at, _)) = began else { return };
    for (later, event) in evidence.events(run.id) {
        if let EventKind::StageStarted { stage } = &event.event
            && later > at
        {
            say(format!("stage {stage} started after the interrupt"));
        }
    }
    let now = evidence.entries[at].at;
    let ended = evidence.span(run.id).map(|(_, ended)| ended);
    if let Some(took) = ended.map(|ended| ended.saturating_sub(now)).filter(|took| *took > CANCEL_WITHIN) {
        say(format!("it ended {took:?} after the interrupt"));
    }
    for (later, request) in evidence.writes(run.id).filter(|(later, _)| *later > at) {
        let inventory = request.path.ends_with(&format!("/configmaps/wesago-{}", run.plan.name()));
        let lease = request.path.contains("/leases");
        let under_way =
            evidence.writes(run.id).any(|(other, earlier)| other < at && earlier.path == request.path);
        // In the instant of the interrupt a request may already be on its way to the wire.
        let same_instant = evidence.entries[later].at == now;
        let history = is_path(&request.path);
        if !inventory && !lease && !history && !under_way && !same_instant {
            say(format!("{} {} was sent after the interrupt", request.method, request.path));
        }
    }
}
