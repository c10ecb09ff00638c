//! `wesago status`: what is there of a plan, and is it ready. One row an object, grouped by stage; as JSON
//! one document.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{Output, Status};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::print;
use super::session::open;
use crate::engine::StatusRow;
use crate::readiness::Readiness;
use crate::report::{Ink, padded, readiness_words, width};

/// Runs the command.
pub(super) async fn run(arguments: &Status, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.plan, &arguments.cluster, false).await?;
    let rows = ready.engine.status(&ready.loaded.composed.plan).await?;
    let now = context.clock.now();
    let all_current = rows.iter().all(|row| matches!(row.readiness, Readiness::Current { .. }));
    match arguments.output {
        Output::Text => print(&format!("{}\n{}\n", table(&rows, now), total(&rows)))?,
        Output::Json => {
            let rows: Vec<Value> = rows.iter().map(|row| document(row, now)).collect();
            print(&format!("{:#}\n", json!({"ready": all_current, "objects": rows})))?;
        }
    }
    Ok(if all_current { Exit::Done } else { Exit::Differences })
}

/// Returns the rows in columns as kubectl shows them: no borders, a stage named once.
fn table(rows: &[StatusRow], now: Timestamp) -> String {
    let mut cells = vec![["STAGE", "OBJECT", "STATE", "AGE", "REASON"].map(str::to_owned)];
    let mut last = None;
    for row in rows {
        let stage = row.stage.as_ref().map_or("-", |stage| stage.as_str());
        let shown = if last == Some(stage) { "" } else { stage };
        last = Some(stage);
        let word = state(row).0.to_owned();
        cells.push([shown.to_owned(), row.object.to_string(), word, age(row, now), reason(row)]);
    }
    let widths: Vec<usize> =
        (0..4).map(|column| cells.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
    let lines = cells.iter().enumerate().map(|(at, [stage, object, state_word, age, reason])| {
        let ink = at.checked_sub(1).map_or(Ink::Strong, |row| state(&rows[row]).1);
        let word = ink.paint(&padded(state_word, widths[2]));
        let left = format!("{}  {}", padded(stage, widths[0]), padded(object, widths[1]));
        format!("{left}  {word}  {}  {reason}", padded(age, widths[3])).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the last line: how many objects are ready.
fn total(rows: &[StatusRow]) -> String {
    let current = rows.iter().filter(|row| matches!(row.readiness, Readiness::Current { .. })).count();
    let line = format!("\n{current} of {} objects ready", rows.len());
    if current == rows.len() { Ink::Good.paint(&line) } else { Ink::Notice.paint(&line) }
}

fn state(row: &StatusRow) -> (&'static str, Ink) {
    match &row.readiness {
        Readiness::Current { .. } if row.object.kind == "Job" => ("complete", Ink::Good),
        Readiness::Current { .. } => ("ready", Ink::Good),
        Readiness::InProgress { .. } => ("in progress", Ink::Notice),
        Readiness::Failed { .. } => ("failed", Ink::Bad),
        Readiness::Terminating { .. } => ("terminating", Ink::Notice),
        Readiness::NotFound => ("missing", Ink::Bad),
    }
}

/// Returns what is behind the state, and what else is known of the object.
fn reason(row: &StatusRow) -> String {
    let reason = match &row.readiness {
        // What is noted of a Job is about a deploy: that it does not run again.
        Readiness::Current { .. } if row.object.kind == "Job" => String::new(),
        Readiness::Current { note } => note.clone().unwrap_or_default(),
        Readiness::InProgress { reason } | Readiness::Failed { reason } => reason.clone(),
        Readiness::Terminating { .. } => readiness_words(&row.object, &row.readiness),
        Readiness::NotFound => String::new(),
    };
    let parts = [reason, row.note.clone().unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Returns how long the object has been there, as kubectl says it: `45s`, `12m`, `3h`, `9d`.
fn age(row: &StatusRow, now: Timestamp) -> String {
    let Some(seconds) = seconds(row, now) else { return "-".to_owned() };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn seconds(row: &StatusRow, now: Timestamp) -> Option<u64> {
    // A server whose clock is ahead of ours made it "in the future": that is now.
    row.created_at.map(|made| u64::try_from(now.duration_since(made).as_secs()).unwrap_or(0))
}

fn document(row: &StatusRow, now: Timestamp) -> Value {
    json!({
        "stage": row.stage,
        "object": row.object,
        "readiness": row.readiness,
        "created_at": row.created_at,
        "age_s": seconds(row, now),
        "note": row.note,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{document, table, total};
    use crate::engine::StatusRow;
    use crate::object::ObjectRef;
    use crate::plan::StageId;
    use crate::readiness::Readiness;

    const NOW: &str = "2026-11-23T20:00:00Z";

    fn row(stage: &str, object: &str, created_at: &str, readiness: Readiness) -> StatusRow {
        let (kind, name) = object.split_once('/').unwrap();
        StatusRow {
            stage: StageId::new(stage).ok(),
            object: ObjectRef {
                group: String::new(),
                kind: kind.into(),
                namespace: Some("shop".into()),
                name: name.into(),
            },
            readiness,
            created_at: created_at.parse().ok(),
            note: None,
        }
    }

    fn rows() -> Vec<StatusRow> {
        let ready = || Readiness::Current { note: None };
        let waits = |reason: &str| Readiness::InProgress { reason: reason.into() };
        let mut rows = vec![
            row("databases/postgres", "Service/postgres", "2026-11-23T19:59:15Z", ready()),
            row(
                "databases/postgres",
                "StatefulSet/postgres",
                "2026-11-23T19:48:00Z",
                waits("1 of 3 replicas ready"),
            ),
            row("migrate", "Job/migrate", "2026-11-23T17:00:00Z", ready()),
            row("web", "Deployment/web", "", Readiness::NotFound),
            row(
                "web",
                "Service/web",
                "2026-11-14T20:00:00Z",
                Readiness::Terminating { finalizers: vec!["example.org/hold".into()] },
            ),
            row("", "Secret/shop-env", "2026-11-23T20:00:05Z", ready()),
        ];
        rows[5].note = Some("generated".into());
        rows
    }

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    #[test]
    fn the_table_has_a_row_an_object_and_names_a_stage_once() {
        let text = format!("{}\n{}", table(&rows(), now()), total(&rows()));
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @"
        STAGE               OBJECT                STATE        AGE  REASON
        databases/postgres  Service/postgres      ready        45s
                            StatefulSet/postgres  in progress  12m  1 of 3 replicas ready
        migrate             Job/migrate           complete     3h
        web                 Deployment/web        missing      -
                            Service/web           terminating  9d   is being deleted, held by example.org/hold
        -                   Secret/shop-env       ready        0s   generated

        3 of 6 objects ready
        ");
    }

    #[test]
    fn the_document_says_the_same() {
        insta::assert_snapshot!(document(&rows()[1], now()), @r#"{"stage":"databases/postgres","object":{"group":"","kind":"StatefulSet","namespace":"shop","name":"postgres"},"readiness":{"state":"in-progress","reason":"1 of 3 replicas ready"},"created_at":"2026-11-23T19:48:00Z","age_s":720,"note":null}"#);
    }
}
