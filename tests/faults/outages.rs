//! The API server, or its database, goes away in the middle of a deploy and comes back: the run goes on by
//! itself.

use crate::sandbox::command::sandbox;
use crate::sandbox::seen::{Seen, Stopwatch};
use crate::story::step;
use crate::subject::Subject;

/// Kills a component of the control plane while the Job of a deploy runs, and starts it again.
pub(crate) fn of(component: &str, subject: &mut Subject) {
    step(&format!("{component} is killed and started again in the middle of a deploy"), || {
        outage(component, subject)
    });
}

fn outage(component: &str, subject: &mut Subject) -> Seen {
    subject.next_edition();
    let mut run = subject.deploy()?;
    run.until_stage("migrate")?;
    let watch = Stopwatch::start();
    sandbox(&["kill", component])?;
    sandbox(&["restart", component])?;
    let away = watch.elapsed().as_secs_f64();
    let ended = run.end()?.ending_with(0)?;
    println!("  {component} was away for up to {away:.1} s, {} tries failed", ended.failed_tries());
    // Components that lost it, too, are given the time to come back before the next step.
    sandbox(&["up"])?;
    let jobs = subject.completed_jobs()?;
    subject.is_whole()?;
    subject.deploy()?.end()?.ending_with(0)?;
    subject.ran_none_again(&jobs)
}
