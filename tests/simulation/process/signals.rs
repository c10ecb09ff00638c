//! Promise "cancel", by real signals: the first one lets requests in flight end and begins nothing, the
//! second ends the run at once, and the next run tells what it goes on from.

use std::time::{Duration, Instant};

use wesago::event::EventKind;
use wesago::plan::StageId;

use super::program::{Place, Program};
use super::served::Served;

/// What "at once" may take on a busy machine; a calm end would wait for ever in these tests.
const AT_ONCE: Duration = Duration::from_secs(5);

fn stopwatch() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a real process takes real time")]
    Instant::now()
}

/// Interrupts a deploy in the middle of its second stage.
fn interrupted_by(test: &str, signal: &str) -> (Served, Place, Option<i32>, String) {
    let served = Served::start();
    let place = Place::new(test, &served);
    let program = place.deploy(&[]);
    let run = program.run();
    program.until_it_waits();
    program.signal(signal);
    let ended = program.end();
    (served, place, ended.code, run)
}

#[test]
fn ctrl_c_ends_a_run_calmly_and_the_next_one_goes_on() {
    let (served, place, code, run) = interrupted_by("ctrl-c", "INT");
    assert_eq!(code, Some(130));
    assert!(served.object("", "ConfigMap", "base").is_some());
    assert!(served.object("", "ConfigMap", "last").is_none(), "a stage began after the interrupt");
    let lease = served.object("coordination.k8s.io", "Lease", "wesago-shop").unwrap();
    assert!(lease["spec"]["holderIdentity"].is_null(), "the lock was not given back: {lease}");
    let next = place.deploy(&[]);
    let found = next.until_interruption_found();
    assert_eq!((found.run, found.command.as_str()), (run, "deploy"));
    assert_eq!(found.stages, [StageId::new("web").unwrap()]);
    next.until_it_waits();
    served.make_ready("web");
    assert_eq!(next.end().code, Some(0));
    assert!(served.object("", "ConfigMap", "last").is_some());
    assert!(served.object("coordination.k8s.io", "Lease", "wesago-shop").is_none());
    let again = place.deploy(&[]).end();
    let told = again.events().iter().any(|event| matches!(event, EventKind::InterruptionFound(_)));
    assert!(again.code == Some(0) && !told, "an end that was reached is told of as an interruption");
}

#[test]
fn what_a_person_is_told_after_ctrl_c() {
    let served = Served::start();
    let place = Place::new("ctrl-c-text", &served);
    let program = Program::start(place.command(&["deploy", "--yes", "--quiet"]));
    served.hold("watch=true");
    while !served.until_held().contains("deployments") {}
    program.signal("INT");
    served.let_go();
    let ended = program.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    for text in ["interrupted after", "run the same command again to go on where it stopped", "wesago status"]
    {
        assert!(ended.stdout.contains(text), "no `{text}` in {}", ended.stdout);
    }
}

#[test]
fn sigterm_and_a_closed_terminal_are_like_ctrl_c() {
    for signal in ["TERM", "HUP"] {
        let (served, _, code, _) = interrupted_by(signal, signal);
        assert_eq!(code, Some(143), "SIG{signal}");
        assert!(served.object("", "ConfigMap", "last").is_none());
        let lease = served.object("coordination.k8s.io", "Lease", "wesago-shop").unwrap();
        assert!(lease["spec"]["holderIdentity"].is_null(), "SIG{signal}: {lease}");
    }
}

#[test]
fn under_nohup_a_closed_terminal_ends_nothing() {
    let served = Served::start();
    let place = Place::new("nohup", &served);
    let script =
        "trap '' HUP; exec \"$WESAGO\" deploy --yes --output json --kubeconfig config --context here";
    let program = Program::start(place.shell(script));
    program.until_it_waits();
    program.signal("HUP");
    served.make_ready("web");
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn a_request_in_flight_ends_after_the_first_ctrl_c() {
    for held in [
        "PATCH /api/v1/namespaces/shop/configmaps/base",
        "PATCH /api/v1/namespaces/shop/configmaps/wesago-shop",
    ] {
        let served = Served::start();
        let place = Place::new("in-flight", &served);
        served.hold(held);
        let mut program = place.deploy(&[]);
        served.until_held();
        program.signal("INT");
        program.until(|event| matches!(event, EventKind::CancelBegan { .. }).then_some(()));
        assert!(program.is_running(), "it ended without the answer to {held}");
        assert!(served.asked("DELETE").is_empty(), "the lock was given back while {held} was in flight");
        served.let_go();
        assert_eq!(program.end().code, Some(130));
        assert!(served.object("apps", "Deployment", "web").is_none());
    }
}

#[test]
fn the_second_ctrl_c_ends_it_at_once_whatever_is_in_flight() {
    let served = Served::start();
    let place = Place::new("twice", &served);
    served.hold("PATCH /api/v1/namespaces/shop/configmaps/base");
    let program = place.deploy(&[]);
    served.until_held();
    // From now on nobody answers anything, not even the release of the lock.
    served.hold(" ");
    program.signal("INT");
    program.until(|event| matches!(event, EventKind::CancelBegan { .. }).then_some(()));
    let watch = stopwatch();
    program.signal("INT");
    assert_eq!(program.end().code, Some(130));
    assert!(watch.elapsed() < AT_ONCE, "it took {:?}", watch.elapsed());
}

#[test]
fn a_run_that_was_killed_is_told_of_and_its_lock_not_waited_for() {
    let served = Served::start();
    let place = Place::new("killed", &served);
    let mut program = place.deploy(&[]);
    let run = program.run();
    program.until_it_waits();
    program.child.kill().unwrap();
    program.end();
    let watch = stopwatch();
    let next = place.deploy(&[]);
    assert_eq!(next.until_interruption_found().run, run);
    next.until_it_waits();
    assert!(watch.elapsed() < AT_ONCE, "it waited for a dead process: {:?}", watch.elapsed());
    served.make_ready("web");
    assert_eq!(next.end().code, Some(0));
}
