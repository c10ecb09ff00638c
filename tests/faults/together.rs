//! Two deploys of one plan: at once, where one wins and the other says who; and one that is stopped for
//! longer than its lock lives, so that another takes over and it never writes again.

use std::time::Duration;

use wesago::event::EventKind;

use crate::sandbox::audit::{Audit, Request};
use crate::sandbox::command::audit_log;
use crate::sandbox::process::USER_AGENT;
use crate::sandbox::seen::{Seen, Stopwatch, ensure};
use crate::story::step;
use crate::subject::Subject;

pub(crate) fn two_at_once(subject: &mut Subject) {
    step("of two deploys at once one goes on, the other says who has the lock", || {
        subject.next_edition();
        let runs = [subject.deploy()?, subject.deploy()?];
        let pids = [runs[0].pid(), runs[1].pid()];
        let [first, second] = runs;
        let (first, second) = (first.end()?, second.end()?);
        let (winner, loser, holder) = match first.code {
            Some(0) => (first, second, pids[0]),
            _ => (second, first, pids[1]),
        };
        winner.ending_with(0)?;
        let loser = loser.ending_with(8)?;
        let named = format!("/{holder}/");
        ensure!(loser.stderr.contains(&named), "it does not name process {holder}: {}", loser.stderr);
        let wrote = loser.told.iter().any(|event| matches!(event, EventKind::ObjectApplied { .. }));
        ensure!(!wrote, "the one that was locked out wrote something");
        subject.is_whole()
    });
}

/// Stops a deploy until another one has taken over, and for `longer` seconds more.
pub(crate) fn one_is_stopped(subject: &mut Subject, longer: u64) {
    step("a deploy that was stopped finds its lock taken over and writes nothing any more", || {
        subject.next_edition();
        let watch = Stopwatch::start();
        let mut first = subject.deploy()?;
        first.until_stage("web")?;
        first.signal("STOP")?;
        let jobs = subject.completed_jobs()?;
        let second = subject.deploy()?.end()?.ending_with(0)?;
        let took_over = second.told.iter().any(|event| matches!(event, EventKind::InterruptionFound(_)));
        ensure!(took_over, "the one that took over told nothing of it");
        // The rest of the time: nothing happens that could be waited for.
        let _still_stopped = first.for_a_while(watch.elapsed() + Duration::from_secs(longer), &watch);
        let mut audit = Audit::from_now_on(&audit_log()?)?;
        let stopped_for = watch.elapsed().as_secs_f64();
        first.signal("CONT")?;
        let first = first.end()?.ending_with(8)?;
        // The one that took over may have given the lock back by then.
        let says_why =
            ["taken over by", "its Lease was deleted"].iter().any(|why| first.stderr.contains(why));
        ensure!(says_why, "it does not say why it ended: {}", first.stderr);
        is_silent(&mut audit)?;
        println!("  stopped for {stopped_for:.0} s; after that it wrote nothing");
        subject.ran_none_again(&jobs)?;
        subject.is_whole()
    });
}

/// Since then no request of the program has changed anything. One that tries to renew the lock is refused.
fn is_silent(audit: &mut Audit) -> Seen {
    let is_write = |request: &&Request| {
        request.user_agent.starts_with(USER_AGENT) && request.is_write() && request.resource != "leases"
    };
    let writes: Vec<String> = audit
        .requests()?
        .iter()
        .filter(is_write)
        .map(|request| format!("{} {}/{}", request.verb, request.resource, request.name))
        .collect();
    ensure!(writes.is_empty(), "after its lock was taken over it sent {writes:?}");
    Ok(())
}
