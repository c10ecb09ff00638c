//! Does wesago tell the truth? Every way in which a deploy can fail, made to happen on the sandbox's real
//! cluster, one test each: how long after the evidence is on the server does the real binary give its
//! verdict, and does it name the cause, the line to mend and the next command? And the other way round:
//! what looks bad and recovers must end well.
//!
//! ```text
//! sandbox/sandbox up && cargo test --features sandbox --test truth -- --skip nodes::
//! cargo test --features sandbox --test truth programs::     only those of one group
//! sandbox/sandbox up --nodes 3 && cargo test --features sandbox --test truth nodes::
//! ```
//!
//! ```text
//! failures/*   the classes, each with a plan in a namespace of its own
//! checkup      the same beforehand: what the doctor says
//! recoveries   no false alarm
//! permissions  a deployer who may not watch
//! home         the plan's own namespace is ending
//! suspended    a Job that somebody else holds back
//! nodes        a node goes away
//! trial        one run: what is wanted of it, what came
//! evidence     what on the server shows that something is wrong
//! witness      watches of our own: when could it be seen, and who wrote it
//! registry     images that come late, or never
//! objects      the manifests
//! table        the measured times
//! ```
//!
//! What a run wrote stays in `target/tmp/truth/`, beside its plan.

#![expect(clippy::print_stdout, reason = "this crate is a test")]

mod checkup;
mod evidence;
mod failures;
mod home;
mod nodes;
mod objects;
mod permissions;
mod recoveries;
mod registry;
#[path = "../sandbox/mod.rs"]
mod sandbox;
mod suspended;
mod table;
mod trial;
mod witness;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

/// Runs at once: each is mostly a wait for the cluster. With more of them the machine itself, not wesago,
/// is what takes time.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    // The longest ones first: nobody waits for them alone at the end.
    let slow = nodes::all().chain(recoveries::all()).chain([
        permissions::trial(),
        home::trial(),
        suspended::trial(),
    ]);
    let trials = slow.chain(failures::all()).chain(checkup::all()).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    world::end();
    conclusion.exit_code()
}
