//! `kill -9` at random moments, each followed by a deploy that must converge.

use std::time::Duration;

use wesago::entropy::Entropy;
use wesago::event::EventKind;

use crate::cluster;
use crate::sandbox::seen::{Seen, Stopwatch};
use crate::story::step;
use crate::subject::Subject;
use crate::variable;

/// The moments at which something happens, the same ones for the same seed.
struct Moments {
    entropy: Entropy,
    next: u32,
}

impl Moments {
    /// Returns the moments of the environment's seed, or of one that depends on the process, and prints it.
    fn of(what: &str) -> Self {
        let seed = variable("WESAGO_FAULTS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
        println!("kills of {what}: WESAGO_FAULTS_SEED={seed}");
        Self { entropy: Entropy::from_seed(seed), next: 0 }
    }

    /// Returns a moment before `most`.
    fn before(&mut self, most: Duration) -> Duration {
        self.next += 1;
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.entropy.fork(&self.next.to_string()).seed() % millis)
    }
}

/// Kills deploys of one subject, each with work of its own.
pub(crate) fn again_and_again(subject: &mut Subject, times: u32, usual: Duration) {
    let mut moments = Moments::of(subject.namespace);
    let mut killed = 0;
    for number in 1..=times {
        let moment = moments.before(usual);
        let name = format!("kill {number} of {times}, after {:.2} s", moment.as_secs_f64());
        killed += u32::from(step(&name, || kill_and_heal(subject, moment)));
    }
    println!("{killed} of {times} deploys were killed before their end; every deploy after one converged");
}

/// Kills a deploy at a moment and deploys again; returns false when it had ended before.
fn kill_and_heal(subject: &mut Subject, moment: Duration) -> Seen<bool> {
    if subject.has_editions {
        subject.next_edition();
    } else {
        cluster::clear_away(subject.namespace)?;
    }
    let watch = Stopwatch::start();
    let mut run = subject.deploy()?;
    let had_ended = run.for_a_while(moment, &watch);
    if !had_ended {
        run.signal("KILL")?;
    }
    run.end()?;
    let watch = Stopwatch::start();
    let healed = subject.converges()?;
    let told = healed.told.iter().find_map(|event| match event {
        EventKind::InterruptionFound(found) => Some(found),
        _ => None,
    });
    let stages = told.map(|found| found.stages.iter().map(ToString::to_string).collect::<Vec<_>>());
    println!("  healed in {:.1} s; told of the dead run: {stages:?}", watch.elapsed().as_secs_f64());
    Ok(!had_ended)
}

/// Kills deploys of the whole forum, each from nothing.
pub(crate) fn of_the_forum(times: u32) {
    let mut forum = Subject::forum();
    let usual = step("a forum that nothing happens to", || {
        cluster::clear_away(forum.namespace)?;
        forum.deploy_in_peace()
    });
    again_and_again(&mut forum, times, usual);
    step("nothing of the forum is left", || forum.tear_down());
}
