//! A process that is stopped (`SIGSTOP`, a suspended laptop) while it holds the lock: whoever waits takes over, and
//! when the first one goes on, with all the news of a minute before it, it writes nothing any more.

use std::time::Duration;

use wesago::engine::EngineError;

use crate::deployer::{Ending, Fate};
use crate::oracle::judge;
use crate::plans::Application;
use crate::stories::on_paused_clock;
use crate::world::{WAITS_FOR, World};

/// How many moments there are at which the holder is stopped, a fifth of a second apart.
const MOMENTS: u32 = 40;

#[test]
fn a_holder_that_was_stopped_writes_nothing_once_another_has_taken_over() {
    let mut taken_over = 0;
    for moment in 0..MOMENTS {
        on_paused_clock(async {
            let mut world = World::even(u64::from(moment));
            // Long enough for somebody to take over, and not much longer; or as long as that takes him to his end.
            let length = Duration::from_secs(if moment.is_multiple_of(2) { 20 } else { 60 });
            let stopped = Some((Duration::from_millis(200) * moment, length));
            let holder = Fate { raced: true, stopped, wait_lock: WAITS_FOR, ..Fate::default() };
            let other = Fate { raced: true, wait_lock: WAITS_FOR, ..Fate::default() };
            world.race(&Application::chain(6).plan(), [holder, other]).await;
            assert_eq!(judge(&world), Vec::<String>::new(), "stopped at {stopped:?}");
            let is_lost = matches!(world.runs[0].ending, Ending::Ended(Err(EngineError::LockLost { .. })));
            taken_over += u32::from(is_lost);
        });
    }
    assert!(taken_over > MOMENTS / 8, "the lock was taken over {taken_over} times only");
}
