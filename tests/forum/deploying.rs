//! A chapter: deploys. From nothing, as fast as the cluster allows; again, without a write; and after
//! something was broken.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::time::Duration;

use wesago::event::{EventKind, ObjectForecast, Prospect};
use wesago::object::Change;

use crate::chain::{Wait, longest, seen, told};
use crate::cluster::{self, NAMESPACE, Stamp, kubectl, namespace_exists, owned, volumes};
use crate::forum::HOST;
use crate::program::{Program, Run};
use crate::sandbox::audit::{Audit, Request};
use crate::sandbox::command::audit_log;
use crate::story::{Seen, Stopwatch, ensure, step, wait_for};
use crate::using;

/// A deploy from nothing may take this times its longest chain of real waits.
const SLOWEST: f64 = 1.05;
/// Longest wait until a namespace, or its volumes, are gone.
const REMOVAL: Duration = Duration::from_secs(180);
/// Longest wait until the cluster has stopped writing to our objects.
const QUIET: Duration = Duration::from_secs(60);
/// Longest wait until the kubelet has measured a new pod.
const MEASURE: Duration = Duration::from_secs(60);
/// How long nobody may have written, until we believe that nobody will.
const QUIET_FOR: Duration = Duration::from_secs(3);
/// The inventory, the one object that a run writes for itself.
pub(crate) const INVENTORY: &str = "wesago-wesago";

/// Deploys the forum on a cluster that has never seen it.
pub(crate) fn from_nothing(program: &mut Program) {
    step("an earlier forum is cleared away", clear_away);
    let mut audit = step("the audit log is there", || Audit::from_now_on(&audit_log()?));
    let run = step("deploy from nothing", || {
        let mut peak = String::new();
        let run = program.attended(&["deploy"], |event, child| {
            if let EventKind::RunFinished(_) = &event.event {
                peak = peak_memory(child)?;
            }
            Ok(())
        })?;
        let run = run.ending_with(0)?;
        println!("peak memory of wesago: {peak}");
        let server = &run.outline()?.server;
        ensure!(server.contains("//127.0.0.1:"), "deployed to {server}, which is not the sandbox");
        for (object, change) in run.changes() {
            // The namespace is made for the inventory, and applied with its labels afterwards.
            let is_new = change == Change::Created || object.kind == "Namespace";
            ensure!(is_new, "{object} was {change}, from nothing");
        }
        let pushed_back = run.requests.iter().filter(|request| request.code == 429).count();
        ensure!(pushed_back == 0, "the server was asked for too much at once {pushed_back} times");
        Ok(run)
    });
    step("the run ends by telling the address and how to read the password", || notes(&run));
    step("the ingress leads to the forum and to the website", using::doors_are_open);
    step("the whole took no longer than its longest chain of real waits", || {
        is_fast(&run, &audit.requests()?)
    });
}

/// Returns the most memory that a process has used so far.
fn peak_memory(child: &Child) -> Seen<String> {
    let path = format!("/proc/{}/status", child.id());
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map(|peak| peak.trim().to_owned()).ok_or_else(|| format!("no VmHWM in {path}"))
}

fn clear_away() -> Seen {
    if namespace_exists()? {
        kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    }
    nothing_is_left()
}

/// Waits until the namespace and its volumes are gone.
pub(crate) fn nothing_is_left() -> Seen {
    wait_for("end of the namespace", REMOVAL, || {
        Ok(if namespace_exists()? { Err("it is still there".to_owned()) } else { Ok(()) })
    })?;
    wait_for("end of its volumes", REMOVAL, || {
        let volumes = volumes()?;
        Ok(if volumes.is_empty() { Ok(()) } else { Err(format!("{volumes:?}")) })
    })
}

fn notes(run: &Run) -> Seen {
    let notes = run.events.iter().find_map(|event| match &event.event {
        EventKind::RunFinished(finished) => finished.notes.clone(),
        _ => None,
    });
    let notes = notes.ok_or("the run told no notes")?;
    for wanted in [format!("http://{HOST}/"), "SUPERUSER_PASSWORD".to_owned(), "kubectl".to_owned()] {
        ensure!(notes.contains(&wanted), "no `{wanted}` in the notes:\n{notes}");
    }
    Ok(())
}

/// Prints what each stage took, and holds the run against the longest chain.
fn is_fast(run: &Run, requests: &[Request]) -> Seen {
    let (told, seen) = (told(run)?, seen(run, requests)?);
    println!("{:<24} {:>8} {:>8} {:>8}  needs", "stage", "start", "events", "server");
    for (told, seen) in told.iter().zip(&seen) {
        let needs: Vec<&str> = told.needs.iter().map(wesago::plan::StageId::as_str).collect();
        let [start, events, server] = [told.started, told.took, seen.took].map(|time| time.as_secs_f64());
        println!(
            "{:<24} {start:>8.2} {events:>8.2} {server:>8.2}  {}",
            told.stage.as_str(),
            needs.join(", ")
        );
    }
    let wall = run.wall;
    println!("whole run: {:.2} s, {} requests", wall.as_secs_f64(), run.requests.len());
    for (source, waits) in [("the events", &told), ("the server's audit log", &seen)] {
        let chain = tell_chain(source, waits);
        ensure!(
            wall <= chain.mul_f64(SLOWEST),
            "the run took {wall:?}, more than {SLOWEST} times its longest chain of {chain:?} by {source}"
        );
    }
    Ok(())
}

fn tell_chain(source: &str, waits: &[Wait]) -> Duration {
    let (length, chain) = longest(waits);
    let chain: Vec<&str> = chain.iter().map(wesago::plan::StageId::as_str).collect();
    println!("longest chain by {source}: {:.2} s: {}", length.as_secs_f64(), chain.join(" > "));
    length
}

/// Deploys what is there already, then what somebody has broken.
pub(crate) fn again(program: &mut Program) {
    step("a second deploy writes nothing", || writes_nothing(program));
    step("status lists everything as ready", || status_is_whole(program));
    step("status tells of a Deployment that was deleted", || {
        kubectl(&["delete", "deployment", "website"])?;
        let run = program.text_of(&["status"])?.ending_with(7)?;
        ensure!(run.stdout.contains("Deployment/website"), "status says nothing of it:\n{}", run.stdout);
        Ok(())
    });
    step("a new deploy heals it, and touches nothing else", || {
        let run = program.events_of(&["deploy"])?.ending_with(0)?;
        for (object, change) in run.changes() {
            let is_broken = object.kind == "Deployment" && object.name == "website";
            let wanted = if is_broken { Change::Created } else { Change::Unchanged };
            ensure!(change == wanted, "{object} was {change}, wanted {wanted}");
        }
        using::doors_are_open()?;
        status_is_whole(program)
    });
    step("what the forum and the website work with", || {
        let used = wait_for("measure of every pod", MEASURE, cluster::memory)?;
        let parts: Vec<String> = used.iter().map(|(owner, mib)| format!("{owner} {mib}")).collect();
        println!("memory: {} MiB ({})", used.values().sum::<u64>(), parts.join(", "));
        Ok(())
    });
    // The last one: what follows begins with a teardown, so nothing has to be rolled back.
    step(
        "a key of a ConfigMap is changed: exactly the pods that read it are replaced, as was foretold",
        || rolls_readers_only(program),
    );
}

fn writes_nothing(program: &mut Program) -> Seen {
    let before = quiet_state()?;
    let run = program.events_of(&["deploy"])?.ending_with(0)?;
    let after = owned()?;
    println!("second deploy: {:.2} s, {} requests", run.wall.as_secs_f64(), run.requests.len());
    ensure!(!run.requests.is_empty(), "the audit log shows no request of the second deploy");
    ensure!(run.changes().count() > 0, "the second deploy tells of no object");
    for (object, change) in run.changes() {
        ensure!(change == Change::Unchanged, "{object} was {change} by the second deploy");
    }
    let written: Vec<&Request> =
        run.writes().filter(|write| write.name != INVENTORY && write.resource != "leases").collect();
    ensure!(written.is_empty(), "the second deploy wrote: {written:#?}");
    for (name, stamp) in &before {
        if *name != format!("ConfigMap/{INVENTORY}") {
            ensure!(after.get(name) == Some(stamp), "{name} was {stamp:?}, is {:?}", after.get(name));
        }
    }
    Ok(())
}

/// Returns what we own once nobody has written to it for a while: controllers are slow to be done.
fn quiet_state() -> Seen<BTreeMap<String, Stamp>> {
    let (mut last, mut since) = (owned()?, Stopwatch::start());
    ensure!(!last.is_empty(), "no object carries the label of wesago's set");
    wait_for("time in which nobody writes", QUIET, || {
        let now = owned()?;
        if now != last {
            (last, since) = (now, Stopwatch::start());
            return Ok(Err("somebody still writes".to_owned()));
        }
        let is_quiet = since.elapsed() >= QUIET_FOR;
        Ok(if is_quiet { Ok(now) } else { Err("somebody wrote just now".to_owned()) })
    })
}

/// Changes one key of the ConfigMap that nearly all pods read something of: Django, Celery and the Jobs all of
/// it, PostgreSQL, Redis and the Sentinels other keys, Nginx and the website nothing.
fn rolls_readers_only(program: &mut Program) -> Seen {
    const SETTING: &str = "time_zone=Europe/Paris";
    const KEY: &str = "WESAGO_TIME_ZONE";
    let readers = ["Deployment/celery", "Deployment/django"];
    let jobs = ["Job/collectstatic-job", "Job/create-superuser-job", "Job/migrations-job"];
    let shown = program.text_of(&["diff", "--set", SETTING])?.ending_with(7)?;
    let written: Vec<&Request> = shown.writes().collect();
    ensure!(written.is_empty(), "the diff wrote: {written:#?}");
    for wanted in readers.iter().chain(&jobs).chain(&[KEY]) {
        ensure!(shown.stdout.contains(wanted), "the diff says nothing of {wanted}:\n{}", shown.stdout);
    }
    let before = cluster::service_pods()?;
    let run = program.events_of(&["deploy", "--set", SETTING])?.ending_with(0)?;
    let after = cluster::service_pods()?;
    let forecast = run.events.iter().find_map(|event| match &event.event {
        EventKind::Foreseen(forecast) => Some(forecast),
        _ => None,
    });
    let forecast = forecast.ok_or("the deploy foretold nothing")?;
    let foretold = |is_it: &dyn Fn(&ObjectForecast) -> bool| -> BTreeSet<String> {
        forecast.objects.iter().filter(|one| is_it(one)).map(|one| one.object.to_string()).collect()
    };
    let rolling = foretold(&|one| !one.rolls.is_empty());
    ensure!(rolling == BTreeSet::from(readers.map(str::to_owned)), "foretold to roll: {rolling:?}");
    let again = foretold(&|one| one.prospect == Prospect::Recreate);
    ensure!(again == BTreeSet::from(jobs.map(str::to_owned)), "foretold to run again: {again:?}");
    let reasons = forecast.objects.iter().flat_map(|one| &one.rolls);
    for reason in reasons {
        ensure!(reason.contains("ConfigMap/wesago-env"), "a reason that is none: {reason}");
    }
    let replaced: BTreeSet<&str> =
        before.iter().filter(|(pod, _)| !after.contains_key(*pod)).map(|(_, owner)| owner.as_str()).collect();
    ensure!(replaced == BTreeSet::from(["celery", "django"]), "the pods that were replaced: {replaced:?}");
    let stayed =
        before.iter().any(|(pod, owner)| replaced.contains(owner.as_str()) && after.contains_key(pod));
    ensure!(!stayed, "a pod with the old setting is still there: {before:?}, {after:?}");
    println!("replaced after a change of {KEY}: {:.2} s", run.wall.as_secs_f64());
    Ok(())
}

fn status_is_whole(program: &mut Program) -> Seen {
    let run = program.text_of(&["status"])?.ending_with(0)?;
    for (name, _) in owned()?.iter().filter(|(name, _)| *name != &format!("ConfigMap/{INVENTORY}")) {
        ensure!(run.stdout.contains(name.as_str()), "status does not list {name}:\n{}", run.stdout);
    }
    Ok(())
}
