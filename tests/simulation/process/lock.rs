//! Two processes and one lock: who has it is told, it is waited for without asking again and again, and
//! it can be taken away.

use wesago::event::{EventKind, LockAwaited};

use super::program::Place;
use super::served::Served;

#[test]
fn of_two_deploys_one_is_told_who_has_the_lock() {
    let served = Served::start();
    let place = Place::new("locked", &served);
    let first = place.deploy(&[]);
    let run = first.run();
    first.until_it_waits();
    let second = place.run(&["deploy", "--yes"]);
    assert_eq!(second.code, Some(8), "{}", second.stderr);
    let holder = format!("anna@{}", hostname());
    let error = second.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.starts_with("error: the plan is locked by anna@"), "{error}");
    assert!(error.contains(&holder) && error.ends_with(&run), "{error}");
    for text in
        [&format!("run {run},") as &str, "has held the lock for", "`--wait-lock 5m`", "`wesago unlock`"]
    {
        assert!(second.stderr.contains(text), "no `{text}` in {}", second.stderr);
    }
    let status = place.run(&["status"]);
    let line = status.stdout.lines().find(|line| line.starts_with("lock: ")).unwrap();
    assert!(line.contains(&holder) && line.contains(&run) && line.contains("alive"), "{line}");
    served.make_ready("web");
    assert_eq!(first.end().code, Some(0));
    let status = place.run(&["status"]);
    assert!(!status.stdout.contains("lock: "), "{}", status.stdout);
}

#[test]
fn a_lock_is_waited_for_by_a_watch() {
    let served = Served::start();
    let place = Place::new("wait-lock", &served);
    let first = place.deploy(&[]);
    let run = first.run();
    first.until_it_waits();
    let second = place.deploy(&["--wait-lock", "1m"]);
    let awaited: LockAwaited = second.until(|event| match event {
        EventKind::LockAwaited(awaited) => Some(awaited.clone()),
        _ => None,
    });
    assert_eq!(awaited.run, run);
    assert!(awaited.at_most_ms > 50_000, "{awaited:?}");
    served.make_ready("web");
    assert_eq!(first.end().code, Some(0));
    let second = second.end();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let looked = served.asked("GET /apis/coordination.k8s.io/v1/namespaces/shop/leases");
    let watches = looked.iter().filter(|request| request.contains("watch=true")).count();
    assert_eq!((watches, looked.len() - watches), (1, 1), "{looked:#?}");
}

#[test]
fn whoever_waits_for_a_lock_can_be_interrupted() {
    let served = Served::start();
    let place = Place::new("wait-interrupted", &served);
    let first = place.deploy(&[]);
    first.until_it_waits();
    let second = place.deploy(&["--wait-lock", "10m"]);
    second.until(|event| matches!(event, EventKind::LockAwaited(_)).then_some(()));
    second.signal("INT");
    assert_eq!(second.end().code, Some(130));
    served.make_ready("web");
    assert_eq!(first.end().code, Some(0), "the holder was disturbed");
}

#[test]
fn the_lock_of_a_living_run_goes_only_by_force_and_the_run_stops() {
    let served = Served::start();
    let place = Place::new("unlock", &served);
    let nothing = place.run(&["unlock", "--yes"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), "shop is not locked\n"));
    let first = place.deploy(&[]);
    let run = first.run();
    first.until_it_waits();
    let refused = place.run(&["unlock", "--yes"]);
    assert_eq!(refused.code, Some(8), "{}", refused.stderr);
    assert!(refused.stderr.contains("is alive"), "{}", refused.stderr);
    let unasked = place.run(&["unlock", "--force"]);
    assert_eq!(unasked.code, Some(2), "{}", unasked.stderr);
    assert!(served.object("coordination.k8s.io", "Lease", "wesago-shop").is_some());
    let unlocked = place.run(&["unlock", "--force", "--yes"]);
    assert_eq!(unlocked.code, Some(0), "{}", unlocked.stderr);
    assert!(unlocked.stdout.contains(&run), "{}", unlocked.stdout);
    let first = first.end();
    assert_eq!(first.code, Some(8), "{}", first.stderr);
    assert!(first.stderr.contains("its Lease was deleted"), "{}", first.stderr);
    assert!(served.object("", "ConfigMap", "last").is_none());
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}
