//! A chapter: ends. A teardown keeps the data; a deploy of a broken image tells why it cannot work; an
//! interrupted one stops at once and the next one goes on; at last nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use wesago::event::{CauseFound, Event, EventKind, Verdict};
use wesago::plan::StageId;

use crate::cluster::{Stamp, everything};
use crate::deploying::{INVENTORY, nothing_is_left};
use crate::program::{Program, Run};
use crate::sandbox::process;
use crate::story::{Seen, Stopwatch, ensure, step, wait_for};
use crate::using::{self, Traces};

/// Longest wait until the garbage collector has taken what hung on deleted objects.
const DEPENDENTS: Duration = Duration::from_secs(30);
/// Longest end of an interrupted run: requests in flight, the inventory, the report.
const INTERRUPTED: Duration = Duration::from_secs(5);
/// Requests in flight at an interrupt may still come in for this long.
const IN_FLIGHT: SignedDuration = SignedDuration::from_secs(1);
/// Longest time from the start of a stage to the verdict that its image cannot be had: a pod is scheduled,
/// and the kubelet tries to pull.
const DIAGNOSIS: Duration = Duration::from_secs(30);
/// How the Secrets of the plan's history begin: from nothing, healed, and with another setting.
const REVISIONS: &str = "Secret/wesago-wesago.v";
/// An image that nobody has.
const NO_IMAGE: &str = "localhost/sandbox/nope:1";

/// Takes the forum down, brings it up again with obstacles, and removes it for good.
pub(crate) fn end(program: &mut Program, traces: &mut Traces) {
    step("teardown keeps the volumes, the generated secrets and the history, and nothing else", || {
        keeps_data(program)
    });
    step("interrupted deploys end at once and start nothing new", || is_interrupted(program));
    step("a deploy of an image that nobody has fails and says why", || fails_with_cause(program));
    step("the next deploy goes on to the end", || {
        program.events_of(&["deploy"])?.ending_with(0)?;
        using::doors_are_open()
    });
    step("the thread and its picture are still there", || traces.are_there());
    step("the same password still opens the door", || traces.log_in_again());
    step("the second account's reply still notifies the author", || traces.member_replies());
    step("teardown with the data", || {
        let run = program.events_of(&["teardown", "--delete-data"])?.ending_with(0)?;
        println!("teardown with the data: {:.2} s, {} requests", run.wall.as_secs_f64(), run.requests.len());
        Ok(())
    });
    step("nothing is left", nothing_is_left);
}

fn keeps_data(program: &mut Program) -> Seen {
    let is_data =
        |name: &str| ["PersistentVolumeClaim/", "Secret/"].iter().any(|kind| name.starts_with(kind));
    let before: BTreeMap<String, Stamp> =
        everything()?.into_iter().filter(|(name, _)| is_data(name)).collect();
    let revisions = before.keys().filter(|name| name.starts_with(REVISIONS)).count();
    ensure!(revisions == 3, "not the revisions of 3 deploys that changed something: {:?}", before.keys());
    ensure!(before.len() == 17 + revisions, "not 13 volumes and 4 secrets: {:?}", before.keys());
    let run = program.events_of(&["teardown"])?.ending_with(0)?;
    println!("teardown: {:.2} s, {} requests", run.wall.as_secs_f64(), run.requests.len());
    // Every namespace has these two, made by the cluster itself.
    let beside = ["ConfigMap/kube-root-ca.crt", "ServiceAccount/default"].map(str::to_owned);
    let inventory = format!("ConfigMap/{INVENTORY}");
    let wanted: BTreeSet<String> =
        before.keys().cloned().chain(beside).chain([inventory, format!("Lease/{INVENTORY}")]).collect();
    let after = wait_for("end of all but the data", DEPENDENTS, || {
        let after = everything()?;
        let more: Vec<&String> = after.keys().filter(|name| !wanted.contains(*name)).collect();
        Ok(if more.is_empty() { Ok(after) } else { Err(format!("still there: {more:?}")) })
    })?;
    for (name, stamp) in before {
        let uid = after.get(&name).map(|stamp| &stamp.uid);
        ensure!(uid == Some(&stamp.uid), "{name} is not the one it was: {uid:?}, was {}", stamp.uid);
    }
    Ok(())
}

/// Deploys with an image that nobody has: the Jobs that need it fail within seconds, not at their deadline,
/// what needs them never starts, and what does not is finished.
fn fails_with_cause(program: &mut Program) -> Seen {
    let setting = format!("wesago_image={NO_IMAGE}");
    let run = program.events_of(&["deploy", "--set", &setting])?.ending_with(5)?;
    let causes: Vec<&CauseFound> = run
        .events
        .iter()
        .filter_map(|event| match &event.event {
            EventKind::CauseFound(cause) => Some(cause),
            _ => None,
        })
        .collect();
    for job in ["collectstatic", "migrations"] {
        let culprit = format!("Job/{job}-job");
        let is_told =
            |cause: &&&CauseFound| cause.chain.contains(&culprit) && cause.message.contains(NO_IMAGE);
        ensure!(
            causes.iter().any(|cause| is_told(&cause)),
            "no cause names {culprit} and its image: {causes:?}"
        );
        let (started, finished, verdict) = run.stage(&stage(&format!("jobs/{job}"))?)?;
        ensure!(matches!(verdict, Verdict::Failed { .. }), "stage jobs/{job} ended with {verdict:?}");
        let took = Duration::from_millis(finished.elapsed_ms - started.elapsed_ms);
        ensure!(took < DIAGNOSIS, "stage jobs/{job} failed only after {took:?}");
    }
    let (_, _, verdict) = run.stage(&stage("website/ingress")?)?;
    ensure!(verdict.is_success(), "the website, which needs none of it, ended with {verdict:?}");
    ensure!(run.stage(&stage("application/django")?).is_err(), "Django started without its static files");
    Ok(())
}

fn stage(id: &str) -> Seen<StageId> {
    StageId::new(id).map_err(|error| error.to_string())
}

/// Interrupts two deploys: one as the writes of the databases are in flight, one while their pods come up.
fn is_interrupted(program: &mut Program) -> Seen {
    interrupted_when(program, |event| match event {
        EventKind::StageFinished { stage, .. } => stage.as_str() == "foundation/settings",
        _ => false,
    })?;
    interrupted_when(program, |event| match event {
        EventKind::ObjectObserved { object, .. } => object.kind == "StatefulSet",
        _ => false,
    })
}

fn interrupted_when(program: &mut Program, is_moment: impl Fn(&EventKind) -> bool) -> Seen {
    let mut interrupted = None;
    let run = program.attended(&["deploy"], |event, child| {
        if interrupted.is_none() && is_moment(&event.event) {
            process::signal(child.id(), "INT")?;
            interrupted = Some(Stopwatch::start());
        }
        Ok(())
    })?;
    let took = interrupted.ok_or("the moment for the interrupt never came")?.elapsed();
    let run = run.ending_with(130)?;
    ensure!(took < INTERRUPTED, "{took:?} passed from the interrupt to the end");
    starts_nothing_after(&run)
}

fn starts_nothing_after(run: &Run) -> Seen {
    let began = run.events.iter().position(|event| matches!(event.event, EventKind::CancelBegan { .. }));
    let began = began.ok_or("the run tells of no interrupt")?;
    let moment = run.events[began].at;
    let late = |event: &&Event| matches!(event.event, EventKind::StageStarted { .. });
    ensure!(!run.events[began..].iter().any(|event| late(&event)), "a stage started after the interrupt");
    let writes: Vec<_> = run
        .writes()
        .filter(|write| write.name != INVENTORY && write.resource != "leases")
        .filter(|write| write.received.duration_since(moment) > IN_FLIGHT)
        .collect();
    ensure!(writes.is_empty(), "written after the interrupt: {writes:#?}");
    match run.events.last().map(|event| &event.event) {
        Some(EventKind::RunFinished(finished)) => {
            ensure!(finished.verdict == Verdict::Cancelled, "the run ended with {:?}", finished.verdict);
            Ok(())
        }
        other => Err(format!("the last event is {other:?}")),
    }
}
