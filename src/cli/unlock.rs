//! `wesago unlock`: takes the plan's lock from a run that is stuck, or from one somewhere else that died.

use super::arguments::Unlock;
use super::confirm::confirm;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::lock;
use super::output::{complain, print};
use super::session::open;
use crate::engine::{Life, LockState, Unlocking};

/// Runs the command.
pub(super) async fn run(arguments: &Unlock, context: &Context) -> Result<Exit, Failure> {
    // The one question below names plan and context: no second one for the current context.
    let ready = open(context, &arguments.target, false).await?;
    let plan = &ready.loaded.composed.plan;
    let found = ready.engine.lock(plan).await?;
    let Some(held) = found.filter(LockState::is_held) else {
        print(&format!("{} is not locked\n", plan.name()))?;
        return Ok(Exit::Done);
    };
    complain(&format!("held by {}: {}\n", held.holder, lock::details(&held)));
    if !arguments.force && held.life != Life::Dead {
        complain("looking whether it is still renewed, which takes some seconds\n");
        if ready.engine.is_renewed(plan, &held).await? {
            return Err(alive(&held));
        }
    }
    if !arguments.yes {
        let question = format!("to unlock it on `{}`", ready.context_name);
        confirm(context, plan.name(), &question, "the lock is as it was")?;
    }
    match ready.engine.unlock(plan, &held, arguments.force).await? {
        Unlocking::Unlocked => {
            print(&format!("{} is unlocked; run {} writes nothing any more\n", plan.name(), held.run))?;
            Ok(Exit::Done)
        }
        Unlocking::Renewed(now) => Err(alive(&now)),
        Unlocking::TakenOver(now) => {
            let failure = Failure::new(Exit::Locked, "another run has the lock by now; it was left alone");
            let details = now.map(|now| format!("held by {}: {}", now.holder, lock::details(&now)));
            Err(Failure { causes: details.into_iter().collect(), ..failure })
        }
    }
}

/// Returns the refusal to take the lock of a run that lives.
fn alive(held: &LockState) -> Failure {
    Failure::new(Exit::Locked, format!("{} is alive: it was seen to renew the lock", held.holder)).hint(
        "`wesago deploy --wait-lock 5m` waits for it; `wesago unlock --force` takes the lock from it, and \
         it stops",
    )
}
