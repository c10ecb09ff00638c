//! The live view, on a terminal in memory.

use std::time::Duration;

use indicatif::{InMemoryTerm, ProgressDrawTarget};

use super::Terminal;
use crate::report::script::{self, Script};
use crate::report::{Reporter as _, RunView};

/// Returns a live view, and the terminal of that size which it is drawn on.
fn drawn_on(columns: u16, rows: u16, coloured: bool) -> (InMemoryTerm, Terminal) {
    let terminal = InMemoryTerm::new(rows, columns);
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let size = move || (usize::from(columns), usize::from(rows));
    (terminal, Terminal::new(target, Box::new(size), coloured))
}

/// Plays a script up to a moment and returns what is then on a terminal of that size.
fn screen(script: &Script, at_ms: u64, (columns, rows): (u16, u16)) -> String {
    let (terminal, mut live) = drawn_on(columns, rows, false);
    let mut view = RunView::default();
    for event in script.events().iter().take_while(|event| event.elapsed_ms <= at_ms) {
        view.apply(event);
        live.report(event, &view).unwrap();
    }
    live.tick(&view, Duration::from_millis(at_ms)).unwrap();
    terminal.contents()
}

#[test]
fn a_pause_leaves_what_is_foreseen_and_clears_the_rest() {
    let (terminal, mut live) = drawn_on(80, 20, false);
    let mut view = RunView::default();
    for event in script::foreseen().events() {
        view.apply(event);
        live.report(event, &view).unwrap();
    }
    live.tick(&view, Duration::from_millis(100)).unwrap();
    assert!(terminal.contents().contains("reading the cluster"));
    live.pause().unwrap();
    insta::assert_snapshot!(terminal.contents(), @"
    1 to delete, 1 to recreate, 2 to write, 4 unchanged
    ~ StatefulSet/postgres written
        its pods roll: ConfigMap/postgres-conf changes
    ± Job/migrate recreated
        runs again: it failed
    - Service/old deleted
        it has left the plan
    ");
}

#[test]
fn nothing_is_drawn_but_on_a_tick() {
    let (terminal, mut live) = drawn_on(80, 20, false);
    let mut view = RunView::default();
    for event in script::success().events() {
        view.apply(event);
        live.report(event, &view).unwrap();
    }
    assert_eq!(terminal.contents(), "");
    live.tick(&view, Duration::from_millis(15_500)).unwrap();
    assert_ne!(terminal.contents(), "");
    live.finish(&view).unwrap();
    assert_eq!(terminal.contents(), "warning: Deployment/web: spec.x is deprecated");
}

#[test]
fn before_the_first_stage() {
    insta::assert_snapshot!(screen(&script::success(), 10, (80, 20)), @"
    · databases/postgres           waits
    · databases/redis              waits
    · migrate                      waits for databases/postgres
    · web                          waits for databases/redis, migrate
    0s  reading the cluster
    ");
}

#[test]
fn while_a_lock_is_waited_for() {
    insta::assert_snapshot!(screen(&script::waiting(), 5_000, (110, 20)), @"
    · databases/postgres           waits
    · databases/redis              waits
    · migrate                      waits for databases/postgres
    · web                          waits for databases/redis, migrate
    5s  waits up to 5m 00s for the lock of bob@build/42/81b2c3 (deploy, run 81b2c3), who has held it for 4m
    ");
}

#[test]
fn after_a_run_that_was_interrupted() {
    insta::assert_snapshot!(screen(&script::waiting(), 12_100, (120, 20)), @"
    run 81b2c3 (deploy) was interrupted in stages databases/redis, migrate 17s ago; what it did is read from the cluster
      ⠋ databases/postgres       0s  begins
      · databases/redis              waits
      · migrate                      waits for databases/postgres
      · web                          waits for databases/redis, migrate
      12s  0 of 4 stages settled
    ");
}

#[test]
fn while_the_databases_start() {
    insta::assert_snapshot!(screen(&script::success(), 4_400, (80, 20)), @"
    ⠹ databases/postgres       4s  StatefulSet/postgres: 2 of 3 replicas ready
    ✓ databases/redis        1.1s  1 unchanged
    · migrate                      waits for databases/postgres
    · web                          waits for migrate
    4s  1 of 4 stages settled · 3 created, 1 configured, 1 unchanged
    ");
}

#[test]
fn while_a_request_is_tried_again() {
    insta::assert_snapshot!(screen(&script::success(), 12_200, (80, 20)), @"
    ✓ databases/postgres     9.0s  2 created, 1 configured
    ✓ databases/redis        1.1s  1 unchanged
    ✓ migrate                2.9s  1 recreated
    ⠙ web                      0s  could not apply Deployment/web: the API server…
    12s  3 of 4 stages settled · 3 created, 1 configured, 1 recreated, 1 unchanged
    ");
}

#[test]
fn while_a_check_is_not_answered_as_wanted() {
    insta::assert_snapshot!(screen(&script::success(), 15_100, (80, 20)), @"
    warning: Deployment/web: spec.x is deprecated
      ✓ databases/postgres     9.0s  2 created, 1 configured
      ✓ databases/redis        1.1s  1 unchanged
      ✓ migrate                2.9s  1 recreated
      ⠴ web                      3s  check GET web:80/: 502 Bad Gateway
      15s  3 of 4 stages settled · 4 created, 1 configured, 1 recreated, 1 unchanged
    ");
}

#[test]
fn lines_of_logs_stay_above_the_view() {
    insta::assert_snapshot!(screen(&script::logs(), 11_100, (80, 24)));
}

#[test]
fn after_a_failure() {
    insta::assert_snapshot!(screen(&script::failure(), 13_110, (80, 20)), @"
    ✓ databases/postgres     9.0s  2 created, 1 configured
    ✓ databases/redis        1.1s  1 unchanged
    ✗ migrate                4.0s  failed: Job/migrate: BackoffLimitExceeded
                                   Job/migrate > Pod/migrate-x7k2p > container mi…
    · web                          skipped: migrate did not settle
    13s  2 of 4 stages settled · 3 created, 1 configured, 1 recreated, 1 unchanged
    ");
}

#[test]
fn after_an_interrupt() {
    insta::assert_snapshot!(screen(&script::interrupted(), 10_010, (100, 20)), @"
    ✓ databases/postgres     9.0s  2 created, 1 configured
    ✓ databases/redis        1.1s  1 unchanged
    ⠋ migrate                  0s  Job/migrate: is running
    · web                          cancelled
    10s  interrupted: requests in flight end; Ctrl-C again stops at once · 2 of 4 stages settled · 3 …
    ");
}

#[test]
fn in_a_teardown() {
    insta::assert_snapshot!(screen(&script::teardown(), 2_500, (80, 20)), @"
    · databases/postgres           waits
    · databases/redis              waits
    ⠹ migrate                  0s  Job/migrate: is being deleted
    ✓ web                    0.8s  1 deleted
    2s  1 of 4 stages settled · 1 deleted, 1 kept
    ");
}

#[test]
fn a_small_terminal_gets_a_short_view() {
    insta::assert_snapshot!(screen(&script::success(), 4_400, (40, 5)), @"
    ⠹ databases/postgres       4s  Statef…
    ✓ databases/redis        1.1s  1 unch…
    · 2 stages wait: migrate, web
    4s  1 of 4 stages settled · 3 created…
    ");
    insta::assert_snapshot!(screen(&script::success(), 12_200, (40, 4)), @"
    ✓ 3 stages settled
    ⠙ web                      0s  could …
    12s  3 of 4 stages settled · 3 create…
    ");
}

#[test]
fn colours_are_there_when_asked_for_and_only_then() {
    let view = RunView::default();
    for coloured in [true, false] {
        let (terminal, mut live) = drawn_on(80, 20, coloured);
        live.notice("a thing").unwrap();
        live.tick(&view, Duration::ZERO).unwrap();
        let formatted = String::from_utf8(terminal.contents_formatted()).unwrap();
        assert_eq!(formatted.contains("[33m"), coloured, "{formatted:?}");
    }
}
