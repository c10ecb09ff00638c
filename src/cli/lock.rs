//! What is said of a plan's lock: who has it, since when, and whether that run lives.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{Life, LockState};
use crate::plan::StageId;
use crate::report::{age, interruption_words};

/// A lock that was not renewed for so long is one whose run may be dead: three times the pause between two
/// renewals, as both clocks have it.
const SILENT: Duration = Duration::from_secs(15);

/// Returns the line about a lock in `status`.
pub(super) fn line(lock: &LockState) -> String {
    match (lock.is_held(), lock.interruption()) {
        (true, _) => format!("lock: held by {}; {}", lock.holder, details(lock)),
        (false, Some(left)) => {
            let told = interruption_words(&left.run, &left.command, &left.stages, left.ago.as_secs());
            format!("lock: free; {told}")
        }
        (false, None) => "lock: free".to_owned(),
    }
}

/// Returns what is known of the holder: its run, since when, where it is, and whether it lives.
pub(super) fn details(lock: &LockState) -> String {
    let mut parts = Vec::new();
    if !lock.run.is_empty() {
        parts.push(format!("{}, run {}", lock.command, lock.run));
    }
    if let Some(held) = lock.held_for {
        let since = lock.since.map_or_else(String::new, |since| format!(" (since {since:.0})"));
        parts.push(format!("for {}{since}", age(held.as_secs())));
    }
    if !lock.stages.is_empty() {
        parts.push(format!("at {}", names(&lock.stages)));
    }
    parts.push(life(lock));
    parts.join(", ")
}

/// Returns by what right a run that keeps others out holds the lock.
pub(super) fn claim(lock: &LockState) -> Option<String> {
    let held = lock.held_for?;
    let run = if lock.run.is_empty() {
        "it".to_owned()
    } else {
        format!("its {}, run {},", lock.command, lock.run)
    };
    let since = lock.since.map_or_else(String::new, |since| format!(", since {since:.0}"));
    let stages = if lock.stages.is_empty() { String::new() } else { format!(" at {}", names(&lock.stages)) };
    Some(format!("{run} has held the lock for {}{since}, and is alive{stages}", age(held.as_secs())))
}

/// Returns whether the holder lives, as far as can be told without waiting.
fn life(lock: &LockState) -> String {
    let renewed = lock.renewed_ago;
    let told = renewed.map_or_else(String::new, |ago| format!(", renewed {} ago", age(ago.as_secs())));
    let word = match lock.life {
        Life::Alive => "alive",
        Life::Dead => "dead: its process is gone",
        Life::Unknown if renewed.is_some_and(|ago| ago <= SILENT) => "alive",
        Life::Unknown => "seems dead",
    };
    format!("{word}{told}")
}

fn names(stages: &[StageId]) -> String {
    stages.iter().map(StageId::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns the lock as data.
pub(super) fn document(lock: &LockState) -> Value {
    let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
    let life = match lock.life {
        Life::Alive => "alive",
        Life::Dead => "dead",
        Life::Unknown => "unknown",
    };
    json!({
        "held": lock.is_held(),
        "holder": lock.holder,
        "run": lock.run,
        "command": lock.command,
        "since": lock.since,
        "held_s": seconds(lock.held_for),
        "renewed_s_ago": seconds(lock.renewed_ago),
        "stages": lock.stages,
        "process": life,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{claim, details, document, line};
    use crate::engine::{Life, LockState};
    use crate::plan::StageId;

    fn lock() -> LockState {
        LockState {
            holder: "bob@build/42/81b2c3".into(),
            run: "81b2c3".into(),
            command: "deploy".into(),
            since: "2026-11-26T12:00:00.250000Z".parse().ok(),
            held_for: Some(Duration::from_secs(252)),
            renewed_ago: Some(Duration::from_secs(3)),
            stages: vec![StageId::new("jobs/migrations").unwrap()],
            life: Life::Unknown,
            ..LockState::default()
        }
    }

    #[test]
    fn a_held_lock_is_told_with_its_run_its_age_and_its_life() {
        let silent = LockState { renewed_ago: Some(Duration::from_secs(900)), stages: Vec::new(), ..lock() };
        let dead = LockState { life: Life::Dead, ..lock() };
        let by_hand = LockState { holder: "somebody".into(), ..LockState::default() };
        let lines = [lock(), silent, dead, by_hand].map(|lock| line(&lock));
        insta::assert_snapshot!(lines.join("\n"), @"
        lock: held by bob@build/42/81b2c3; deploy, run 81b2c3, for 4m (since 2026-11-26T12:00:00Z), at jobs/migrations, alive, renewed 3s ago
        lock: held by bob@build/42/81b2c3; deploy, run 81b2c3, for 4m (since 2026-11-26T12:00:00Z), seems dead, renewed 15m ago
        lock: held by bob@build/42/81b2c3; deploy, run 81b2c3, for 4m (since 2026-11-26T12:00:00Z), at jobs/migrations, dead: its process is gone, renewed 3s ago
        lock: held by somebody; seems dead
        ");
        assert!(line(&lock()).ends_with(&details(&lock())));
    }

    #[test]
    fn a_free_lock_tells_of_the_run_that_left_it() {
        let left = LockState { holder: String::new(), ..lock() };
        insta::assert_snapshot!(line(&left), @"lock: free; run 81b2c3 (deploy) was interrupted in stage jobs/migrations 3s ago");
        assert_eq!(line(&LockState::default()), "lock: free");
    }

    #[test]
    fn whoever_is_locked_out_is_told_why() {
        insta::assert_snapshot!(claim(&lock()).unwrap(), @"its deploy, run 81b2c3, has held the lock for 4m, since 2026-11-26T12:00:00Z, and is alive at jobs/migrations");
        assert_eq!(claim(&LockState::default()), None);
    }

    #[test]
    fn the_document_says_the_same() {
        insta::assert_snapshot!(document(&lock()), @r#"{"held":true,"holder":"bob@build/42/81b2c3","run":"81b2c3","command":"deploy","since":"2026-11-26T12:00:00.25Z","held_s":252,"renewed_s_ago":3,"stages":["jobs/migrations"],"process":"unknown"}"#);
    }
}
