//! The words all reporters share: times, counts, what an object or a stage is.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::view::{ObjectView, StageView};
use crate::event::{ChangeCounts, LockAwaited, Verdict};
use crate::object::ObjectRef;
use crate::plan::StageId;
use crate::readiness::Readiness;

/// Returns a time a person reads: `0.3s`, `12.3s`, `2m 05s`, `1h 02m`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}.{}s", ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns a time that still runs, in whole seconds: a figure that changes ten times a second is noise.
pub(crate) fn running(ms: u64) -> String {
    if ms < 60_000 { format!("{}s", ms / 1000) } else { duration(ms) }
}

/// Returns how long something has been so, as kubectl says it: `45s`, `12m`, `3h`, `9d`.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns whose lock is waited for, and for how long.
pub(crate) fn awaited(awaited: &LockAwaited) -> String {
    let LockAwaited { holder, run, command, held_ms, at_most_ms } = awaited;
    let run = if run.is_empty() { String::new() } else { format!(" ({command}, run {run})") };
    let held = held_ms.map_or_else(String::new, |held| format!(", who has held it for {}", age(held / 1000)));
    format!("waits up to {} for the lock of {holder}{run}{held}", duration(*at_most_ms))
}

/// Returns which run was interrupted, where and when.
pub(crate) fn interruption(run: &str, command: &str, stages: &[StageId], seconds_ago: u64) -> String {
    let names: Vec<&str> = stages.iter().map(StageId::as_str).collect();
    let place = match names.as_slice() {
        [] => String::new(),
        [stage] => format!(" in stage {stage}"),
        stages => format!(" in stages {}", stages.join(", ")),
    };
    format!("run {run} ({command}) was interrupted{place} {} ago", age(seconds_ago))
}

/// Returns under which number a deploy is in the history.
pub(crate) fn kept(number: u32, rollback_to: Option<u32>) -> String {
    match rollback_to {
        Some(target) => format!("kept as revision {number}, a rollback to {target}"),
        None => format!("kept as revision {number}"),
    }
}

/// Returns `1 stage`, `2 stages`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns `4 created, 30 unchanged`; empty when nothing was done.
pub(crate) fn changes(counts: &ChangeCounts) -> String {
    let parts = [
        (counts.created, "created"),
        (counts.configured, "configured"),
        (counts.recreated, "recreated"),
        (counts.deleted, "deleted"),
        (counts.unchanged, "unchanged"),
        (counts.kept, "kept"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    told.join(", ")
}

/// Returns what an object is: `ready`, or what is missing.
pub(crate) fn readiness(object: &ObjectRef, readiness: &Readiness) -> String {
    match readiness {
        Readiness::Current { .. } if object.kind == "Job" => "complete".to_owned(),
        Readiness::Current { .. } => "ready".to_owned(),
        Readiness::InProgress { reason } => reason.clone(),
        Readiness::Failed { reason } => format!("failed: {reason}"),
        Readiness::Terminating { finalizers } if finalizers.is_empty() => "is being deleted".to_owned(),
        Readiness::Terminating { finalizers } => {
            format!("is being deleted, held by {}", finalizers.join(", "))
        }
        Readiness::NotFound => "is not there".to_owned(),
    }
}

/// Returns what is still missing of an object that is not as it should be.
pub(crate) fn missing(view: &ObjectView) -> String {
    match &view.readiness {
        _ if view.gone.is_some() => "is being deleted".to_owned(),
        Some(told) => readiness(&view.object, told),
        None => "is being written".to_owned(),
    }
}

/// Returns how a stage ended, without its name and time.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Succeeded => "settled".to_owned(),
        Verdict::Failed { reason } => format!("failed: {reason}"),
        Verdict::TimedOut { waiting_for } if waiting_for.is_empty() => "not ready in time".to_owned(),
        Verdict::TimedOut { waiting_for } => format!("not ready in time: {}", waiting_for.join("; ")),
        Verdict::Skipped { because } => format!("skipped: {because} did not settle"),
        Verdict::Cancelled => "cancelled".to_owned(),
    }
}

/// Returns what a stage that ended well did: `2 created, 1 unchanged`.
pub(crate) fn done(stage: &StageView) -> String {
    match changes(&stage.changes) {
        text if text.is_empty() => "nothing to do".to_owned(),
        text => text,
    }
}

/// Returns the columns `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Returns `text` filled up with spaces to so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let fill = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(fill))
}

/// Returns `text` on one line and cut to so many columns, with `…` where something is missing.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    let line = text.replace(['\n', '\t', '\r'], " ");
    if width(&line) <= columns {
        return line;
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in line.chars() {
        used += character.width().unwrap_or(0);
        if used > columns {
            break;
        }
        kept.push(character);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{count, cut, duration, padded, width};

    #[test]
    fn times_are_short() {
        let told: Vec<String> =
            [0, 49, 999, 12_345, 59_999, 60_000, 125_000, 3_725_000].map(duration).into_iter().collect();
        assert_eq!(told, ["0.0s", "0.0s", "0.9s", "12.3s", "59.9s", "1m 00s", "2m 05s", "1h 02m"]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|number| count(number, "stage")), ["0 stages", "1 stage", "2 stages"]);
    }

    #[test]
    fn cutting_counts_columns_not_characters() {
        assert_eq!(cut("postgres", 8), "postgres");
        assert_eq!(cut("postgres", 5), "post…");
        assert_eq!(cut("数据库数据库", 6), "数据…");
        assert_eq!(cut("two\nlines", 20), "two lines");
        assert_eq!(padded("数据", 6), "数据  ");
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in "\\PC{0,40}", columns in 0_usize..50) {
            prop_assert!(width(&cut(&text, columns)) <= columns);
        }
    }
}
