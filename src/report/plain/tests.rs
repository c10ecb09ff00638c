//! Plain lines, as a pipe gets them.

use std::time::Duration;

use super::Plain;
use crate::report::script::{self, Script};
use crate::report::{Reporter as _, RunView};

fn lines(script: &Script, verbose: bool) -> String {
    let mut plain = Plain::new(Vec::new(), verbose);
    let mut view = RunView::default();
    for event in script.events() {
        view.apply(event);
        plain.report(event, &view).unwrap();
    }
    plain.finish(&view).unwrap();
    String::from_utf8(plain.output).unwrap()
}

#[test]
fn a_cause_tells_where_its_object_is_written() {
    let cause = crate::event::CauseFound {
        stage: crate::plan::StageId::new("web").unwrap(),
        chain: vec!["Deployment/web".into(), "container web".into()],
        reason: "ErrImagePull".into(),
        message: "image `shop:9` cannot be pulled".into(),
        class: None,
        place: Some("manifests/web.yaml:7".into()),
        log: Vec::new(),
        next: Vec::new(),
    };
    insta::assert_snapshot!(super::cause_text(&cause), @r"
    Deployment/web > container web: ErrImagePull: image `shop:9` cannot be pulled
      written in manifests/web.yaml:7
    ");
}

#[test]
fn a_successful_deploy() {
    insta::assert_snapshot!(lines(&script::success(), false), @"
     0.0s  run                       deploy begins: 4 stages, run 7f3a90
     0.0s  run                       Secret/shop-env created
     0.0s  stage databases/postgres  started
     0.0s  stage databases/redis     started
     0.0s  stage databases/postgres  ConfigMap/postgres-conf created
     0.0s  stage databases/postgres  StatefulSet/postgres created
     0.0s  stage databases/postgres  StatefulSet/postgres: 0 of 3 replicas ready
     0.0s  stage databases/redis     StatefulSet/redis: 2 of 3 replicas ready
     0.1s  stage databases/postgres  Service/postgres configured
     1.2s  stage databases/redis     StatefulSet/redis: ready
     1.2s  stage databases/redis     settled after 1.1s: 1 unchanged
     4.1s  stage databases/postgres  StatefulSet/postgres: 1 of 3 replicas ready
     9.0s  stage databases/postgres  StatefulSet/postgres: ready
     9.0s  stage databases/postgres  settled after 9.0s: 2 created, 1 configured
     9.0s  stage migrate             started
     9.1s  stage migrate             Job/migrate recreated
     9.1s  stage migrate             Job/migrate: is running
    12.0s  stage migrate             Job/migrate: complete
    12.0s  stage migrate             settled after 2.9s: 1 recreated
    12.0s  stage web                 started
    12.1s  stage web                 could not apply Deployment/web: the API server cannot be reached: connection reset (try 1, again in 0.2s)
    12.4s  run                       warning: Deployment/web: spec.x is deprecated
    12.4s  stage web                 Deployment/web created
    12.4s  stage web                 Deployment/web: 0 of 2 replicas available
    15.0s  stage web                 Deployment/web: ready
    15.0s  stage web                 check GET web:80/ not yet: 502 Bad Gateway
    15.4s  stage web                 check GET web:80/ passed: 200 OK
    15.4s  stage web                 settled after 3.4s: 1 created
    ");
}

#[test]
fn a_failed_deploy_ends_with_the_cause() {
    insta::assert_snapshot!(lines(&script::failure(), false), @"
     0.0s  run                       deploy begins: 4 stages, run 7f3a90
     0.0s  run                       Secret/shop-env created
     0.0s  stage databases/postgres  started
     0.0s  stage databases/redis     started
     0.0s  stage databases/postgres  ConfigMap/postgres-conf created
     0.0s  stage databases/postgres  StatefulSet/postgres created
     0.0s  stage databases/postgres  StatefulSet/postgres: 0 of 3 replicas ready
     0.0s  stage databases/redis     StatefulSet/redis: 2 of 3 replicas ready
     0.1s  stage databases/postgres  Service/postgres configured
     1.2s  stage databases/redis     StatefulSet/redis: ready
     1.2s  stage databases/redis     settled after 1.1s: 1 unchanged
     4.1s  stage databases/postgres  StatefulSet/postgres: 1 of 3 replicas ready
     9.0s  stage databases/postgres  StatefulSet/postgres: ready
     9.0s  stage databases/postgres  settled after 9.0s: 2 created, 1 configured
     9.0s  stage migrate             started
     9.1s  stage migrate             Job/migrate recreated
     9.1s  stage migrate             Job/migrate: is running
    13.0s  stage migrate             Job/migrate: failed: BackoffLimitExceeded
    13.1s  stage migrate             Job/migrate > Pod/migrate-x7k2p > container migrate: Error: exited with code 1, 3 times
                                       | connecting to postgres
                                       | FATAL: password authentication failed
                                       next: kubectl --namespace shop logs migrate-x7k2p
    13.1s  stage migrate             after 4.0s failed: Job/migrate: BackoffLimitExceeded
    13.1s  stage web                 skipped: migrate did not settle
    ");
}

#[test]
fn a_lock_that_is_waited_for_and_the_dead_run_that_held_it() {
    insta::assert_snapshot!(lines(&script::waiting(), false), @"
     0.0s  run                       deploy begins: 4 stages, run 7f3a90
     0.0s  run                       waits up to 5m 00s for the lock of bob@build/42/81b2c3 (deploy, run 81b2c3), who has held it for 4m
    12.0s  run                       run 81b2c3 (deploy) was interrupted in stages databases/redis, migrate 17s ago; what it did is read from the cluster
    12.0s  stage databases/postgres  started
    ");
}

#[test]
fn the_log_of_a_job_is_told_as_it_comes() {
    let all = lines(&script::logs(), false);
    let of_the_job: Vec<&str> = all.lines().filter(|line| line.contains("migrate")).collect();
    assert!(of_the_job.len() > 9, "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn a_teardown() {
    insta::assert_snapshot!(lines(&script::teardown(), false), @"
    0.0s  run                       teardown begins: 4 stages, run 7f3a90
    0.0s  run                       PersistentVolumeClaim/data-postgres-0 stays: a volume of 1Gi; --delete-data removes it
    0.0s  stage web                 started
    0.8s  stage web                 Deployment/web deleted
    0.8s  stage web                 settled after 0.8s: 1 deleted
    2.1s  stage migrate             started
    2.9s  stage migrate             Job/migrate deleted
    2.9s  stage migrate             settled after 0.8s: 1 deleted
    2.1s  stage databases/redis     started
    2.9s  stage databases/redis     StatefulSet/redis deleted
    2.9s  stage databases/redis     settled after 0.8s: 1 deleted
    3.0s  stage databases/postgres  started
    3.8s  stage databases/postgres  StatefulSet/postgres deleted
    3.8s  stage databases/postgres  settled after 0.8s: 1 deleted
    3.9s  run                       Secret/shop-env deleted
    ");
}

#[test]
fn a_deploy_without_work_has_a_line_a_stage_and_a_verbose_one_a_line_an_object() {
    assert_eq!(lines(&script::nothing_to_do(), false).lines().count(), 2 + 2 * 4);
    assert_eq!(lines(&script::nothing_to_do(), true).lines().count(), 2 + 2 * 4 + 7);
}

#[test]
fn what_is_about_to_be_done_is_told_and_by_a_verbose_one_in_full() {
    let lines = |verbose| anstream::adapter::strip_str(&lines(&script::foreseen(), verbose)).to_string();
    insta::assert_snapshot!(lines(false), @"
    0.0s  run                       deploy begins: 4 stages, run 7f3a90
    0.0s  run                       1 to delete, 1 to recreate, 2 to write, 4 unchanged
                                    ~ StatefulSet/postgres written
                                        its pods roll: ConfigMap/postgres-conf changes
                                    ± Job/migrate recreated
                                        runs again: it failed
                                    - Service/old deleted
                                        it has left the plan
    ");
    insta::assert_snapshot!(lines(true), @"
    0.0s  run                       deploy begins: 4 stages, run 7f3a90
    0.0s  run                       1 to delete, 1 to recreate, 2 to write, 4 unchanged
                                    stage databases/postgres
                                    ~ ConfigMap/postgres-conf written
                                    ~ StatefulSet/postgres written
                                        its pods roll: ConfigMap/postgres-conf changes
                                        .spec.replicas: 2 → 3
                                    stage migrate
                                    ± Job/migrate recreated
                                        runs again: it failed
                                    beside the stages
                                    - Service/old deleted
                                        it has left the plan
    ");
}

#[test]
fn what_was_held_back_comes_with_the_next_tick_after_a_second() {
    let script = script::success();
    let held = "2 of 3 replicas ready";
    let at = script.events().iter().position(|event| event.elapsed_ms == 4_300).unwrap();
    let mut plain = Plain::new(Vec::new(), false);
    let mut view = RunView::default();
    for event in &script.events()[..=at] {
        view.apply(event);
        plain.report(event, &view).unwrap();
    }
    let told = |plain: &Plain<Vec<u8>>| {
        let text = String::from_utf8(plain.output.clone()).unwrap();
        text.lines().filter(|line| line.contains("StatefulSet/postgres") && line.contains(held)).count()
    };
    plain.tick(&view, Duration::from_millis(4_400)).unwrap();
    assert_eq!(told(&plain), 0, "too fresh");
    plain.tick(&view, Duration::from_millis(5_100)).unwrap();
    assert_eq!(told(&plain), 1);
    plain.tick(&view, Duration::from_secs(9)).unwrap();
    assert_eq!(told(&plain), 1, "told once");
}
