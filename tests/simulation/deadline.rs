//! A run that is given a time ends with it, whatever it is doing, and says what was still missing.

use std::time::Duration;

use wesago::event::{CancelReason, Verdict};

use crate::deployer::{Command, Ending, Fate};
use crate::journal::What;
use crate::oracle::judge;
use crate::plans::Application;
use crate::stories::on_paused_clock;
use crate::world::World;

/// Looking up causes and giving back the lock may go on for so long after the end of a run's time.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Runs a command that has so much time, and returns how it ended.
async fn run_for(world: &mut World, command: Command, time: Duration) -> Verdict {
    let plan = Application::chain(6).plan();
    let fate = Fate { interrupts: vec![(time, CancelReason::Deadline)], ..Fate::default() };
    let run = world.run(command, &plan, fate).await;
    let entries = world.journal.entries().clone();
    let of_run = entries.iter().filter(|entry| match &entry.what {
        What::Began { run: id, .. } | What::Ended { run: id, .. } => *id == run.id,
        _ => false,
    });
    let [began, ended] = of_run.map(|entry| entry.at).collect::<Vec<_>>()[..] else { panic!("no end") };
    assert!(ended <= began + time + ENDS_WITHIN, "{began:?} to {ended:?}");
    match run.ending {
        Ending::Ended(Ok(verdict)) => verdict,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn waits_for(verdict: &Verdict, what: &str) {
    let Verdict::TimedOut { waiting_for } = verdict else { panic!("{verdict:?}") };
    assert!(waiting_for.iter().any(|missing| missing.contains(what)), "{waiting_for:?}");
}

#[test]
fn a_deploy_ends_with_its_time_and_tells_what_was_missing() {
    on_paused_clock(async {
        for seed in 0..10 {
            let mut world = World::even(seed);
            let verdict = run_for(&mut world, Command::Deploy, Duration::from_millis(1_500)).await;
            waits_for(&verdict, "Deployment/web-");
            // What began too late to read the cluster says so, and the next run goes on.
            waits_for(&run_for(&mut world, Command::Deploy, Duration::from_millis(1)).await, "being read");
            assert_eq!(
                run_for(&mut world, Command::Deploy, Duration::from_secs(3600)).await,
                Verdict::Succeeded
            );
            let broken = judge(&world);
            assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        }
    });
}

#[test]
fn a_teardown_ends_with_its_time() {
    on_paused_clock(async {
        for seed in 0..10 {
            let mut world = World::even(seed);
            let command = Command::Teardown { delete_data: false };
            run_for(&mut world, Command::Deploy, Duration::from_secs(3600)).await;
            let verdict = run_for(&mut world, command, Duration::from_millis(800)).await;
            waits_for(&verdict, "stage s");
            assert_eq!(run_for(&mut world, command, Duration::from_secs(3600)).await, Verdict::Succeeded);
            let broken = judge(&world);
            assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        }
    });
}
