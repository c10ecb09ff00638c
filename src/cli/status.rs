//! `wesago status`: what is there of a plan, is it ready, and who has touched it. One row an object, grouped
//! by stage, then the fields that are not as we left them; as JSON one document.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{Output, Status};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::lock;
use super::output::print;
use super::session::{Ready, open};
use super::signals::cancels;
use crate::engine::{Drift, Since, StatusRow, Watched};
use crate::readiness::Readiness;
use crate::report::{Ink, age as age_words, cut, padded, readiness_words, width};

/// The most columns of one value.
const VALUE_WIDTH: usize = 60;

/// Runs the command.
pub(super) async fn run(arguments: &Status, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.target, false).await?;
    if arguments.watch {
        return watch(arguments, context, &ready).await;
    }
    let plan = &ready.loaded.composed.plan;
    let rows = ready.engine.status(plan).await?;
    let lock = ready.engine.lock(plan).await?;
    let now = context.clock.now();
    let (all_current, drifted) = (rows.iter().all(is_current), rows.iter().any(is_drifted));
    match arguments.output {
        Output::Text => {
            let lock = lock.as_ref().map_or_else(String::new, |lock| format!("{}\n", lock::line(lock)));
            print(&(page(&rows, now) + &lock))?;
        }
        Output::Json => {
            let rows: Vec<Value> = rows.iter().map(|row| document(row, now)).collect();
            let lock = lock.as_ref().map(lock::document);
            let document = json!({"ready": all_current, "drifted": drifted, "objects": rows, "lock": lock});
            print(&format!("{document:#}\n"))?;
        }
    }
    Ok(if all_current && !drifted { Exit::Done } else { Exit::Differences })
}

/// Shows the status at every change: on a terminal in the place of the one before, else below it.
async fn watch(arguments: &Status, context: &Context, ready: &Ready) -> Result<Exit, Failure> {
    let cancels = cancels()
        .map_err(|cause| Failure::new(Exit::Internal, "signals cannot be handled").caused_by(&cause))?;
    let show = |watched: &Watched| {
        let now = context.clock.now();
        let text = match arguments.output {
            Output::Json => {
                let rows: Vec<Value> = watched.rows.iter().map(|row| document(row, now)).collect();
                let ready = watched.rows.iter().all(is_current);
                let drifted = watched.rows.iter().any(is_drifted);
                let document =
                    json!({"ready": ready, "drifted": drifted, "trouble": watched.trouble, "objects": rows});
                format!("{document}\n")
            }
            Output::Text => {
                let trouble = watched.trouble.iter().map(|trouble| {
                    format!("{} may be out of date: {trouble}\n", Ink::Notice.paint("warning:"))
                });
                let page = page(&watched.rows, now) + &trouble.collect::<String>();
                if context.stdout_is_terminal { redrawn(&page) } else { format!("{page}\n") }
            }
        };
        // A reader that is gone ends the program by its signal, not here.
        let _reader_is_gone = print(&text);
    };
    ready.engine.watch(&ready.loaded.composed.plan, cancels, show).await?;
    Ok(Exit::Interrupted)
}

/// Returns a page as it is drawn over the one before: from the upper left corner, each line to its end,
/// then the rest of the screen. Nothing is cleared first, so nothing flickers.
fn redrawn(page: &str) -> String {
    format!("\u{1b}[H{}\u{1b}[J", page.replace('\n', "\u{1b}[K\n"))
}

fn is_current(row: &StatusRow) -> bool {
    matches!(row.readiness, Readiness::Current { .. })
}

fn is_drifted(row: &StatusRow) -> bool {
    row.since.as_ref().is_some_and(Since::is_drift)
}

/// Returns all that is told to a person.
fn page(rows: &[StatusRow], now: Timestamp) -> String {
    let drift: String = rows.iter().map(|row| drift_text(row, now)).collect();
    let drift = if drift.is_empty() { drift } else { format!("\n{drift}") };
    format!("{}\n{drift}{}\n", table(rows, now), total(rows))
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
    let current = rows.iter().filter(|row| is_current(row)).count();
    let drifted = rows.iter().filter(|row| is_drifted(row)).count();
    let touched = if drifted > 0 { format!(", {drifted} touched by somebody else") } else { String::new() };
    let line = format!("\n{current} of {} objects ready{touched}", rows.len());
    if current == rows.len() && drifted == 0 { Ink::Good.paint(&line) } else { Ink::Notice.paint(&line) }
}

/// Returns the fields of an object that are not as we left it, one a line; empty when all are.
fn drift_text(row: &StatusRow, now: Timestamp) -> String {
    let Some(since) = row.since.as_ref().filter(|since| !since.fields.is_empty()) else {
        return String::new();
    };
    let line = |drift: &Drift| format!("    {}\n", field_text(drift, now));
    let lines: String = since.fields.iter().map(line).collect();
    format!("{}\n{lines}", Ink::Strong.paint(&row.object.to_string()))
}

/// Returns `.spec.replicas: ours 2, theirs 5, by kubectl-edit 3m ago`.
fn field_text(drift: &Drift, now: Timestamp) -> String {
    let show = |value: &Option<Value>| match value {
        Some(Value::String(text)) if text.starts_with("<hidden") => text.clone(),
        Some(value) => cut(&value.to_string(), VALUE_WIDTH),
        None => "gone".to_owned(),
    };
    let (ours, theirs) = (show(&drift.ours), show(&drift.theirs));
    let values = if drift.ours == drift.theirs {
        format!("still {ours}, but no longer ours")
    } else {
        format!("ours {ours}, theirs {theirs}")
    };
    let by = match (&drift.manager, drift.time) {
        (Some(manager), Some(time)) => {
            format!("by {manager} {} ago", age_words(elapsed_seconds(time, now)))
        }
        (Some(manager), None) => format!("by {manager}"),
        (None, _) => "by nobody who left a name".to_owned(),
    };
    format!("{}: {values}, {by}", drift.field)
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
    let parts = [reason, row.note.clone().unwrap_or_default(), touched(row)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Returns what somebody else has done to an object, and whether a deploy would write it.
fn touched(row: &StatusRow) -> String {
    let Some(since) = &row.since else { return String::new() };
    let mut parts = Vec::new();
    if since.is_another_life {
        parts.push("made anew by somebody else".to_owned());
    }
    match since.fields.len() {
        0 => {}
        1 => parts.push("1 field touched by somebody else".to_owned()),
        number => parts.push(format!("{number} fields touched by somebody else")),
    }
    if since.is_touched {
        parts.push("touched by somebody else, and put back".to_owned());
    }
    if since.plan_changed {
        parts.push("the plan says something else by now: `wesago diff` shows what".to_owned());
    }
    parts.join("; ")
}

/// Returns how long the object has been there.
fn age(row: &StatusRow, now: Timestamp) -> String {
    seconds(row, now).map_or_else(|| "-".to_owned(), age_words)
}

fn seconds(row: &StatusRow, now: Timestamp) -> Option<u64> {
    row.created_at.map(|made| elapsed_seconds(made, now))
}

fn elapsed_seconds(then: Timestamp, now: Timestamp) -> u64 {
    // A server whose clock is ahead of ours tells of the future: that is now.
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}

fn document(row: &StatusRow, now: Timestamp) -> Value {
    json!({
        "stage": row.stage,
        "object": row.object,
        "readiness": row.readiness,
        "created_at": row.created_at,
        "age_s": seconds(row, now),
        "note": row.note,
        "since": row.since,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use serde_json::json;

    use super::{document, page};
    use crate::engine::{Drift, Since, StatusRow};
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
            since: None,
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
        let text = page(&rows(), now());
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
    fn what_somebody_else_touched_is_told_with_its_fields() {
        let drift = |field: &str, ours, theirs, manager: Option<&str>| Drift {
            field: field.into(),
            ours,
            theirs,
            manager: manager.map(str::to_owned),
            time: manager.and("2026-11-23T19:57:00Z".parse().ok()),
        };
        let mut rows = rows();
        let fields = vec![
            drift(".spec.replicas", Some(json!(2)), Some(json!(5)), Some("kubectl-edit")),
            drift(".spec.paused", Some(json!(true)), Some(json!(true)), Some("thief (scale)")),
            drift(".data.a", Some(json!("1")), None, None),
            drift(".data.b", Some(json!("<hidden 1a2b3c>")), Some(json!("<hidden 4d5e6f>")), Some("x")),
        ];
        rows[1].since = Some(Since { fields, ..Since::default() });
        rows[2].since = Some(Since { is_touched: true, ..Since::default() });
        rows[3].since = Some(Since { is_another_life: true, ..Since::default() });
        rows[4].since = Some(Since { plan_changed: true, ..Since::default() });
        insta::assert_snapshot!(anstream::adapter::strip_str(&page(&rows, now())), @r#"
        STAGE               OBJECT                STATE        AGE  REASON
        databases/postgres  Service/postgres      ready        45s
                            StatefulSet/postgres  in progress  12m  1 of 3 replicas ready; 4 fields touched by somebody else
        migrate             Job/migrate           complete     3h   touched by somebody else, and put back
        web                 Deployment/web        missing      -    made anew by somebody else
                            Service/web           terminating  9d   is being deleted, held by example.org/hold; the plan says something else by now: `wesago diff` shows what
        -                   Secret/shop-env       ready        0s   generated

        StatefulSet/postgres
            .spec.replicas: ours 2, theirs 5, by kubectl-edit 3m ago
            .spec.paused: still true, but no longer ours, by thief (scale) 3m ago
            .data.a: ours "1", theirs gone, by nobody who left a name
            .data.b: ours <hidden 1a2b3c>, theirs <hidden 4d5e6f>, by x 3m ago

        3 of 6 objects ready, 3 touched by somebody else
        "#);
    }

    #[test]
    fn the_document_says_the_same() {
        insta::assert_snapshot!(document(&rows()[1], now()), @r#"{"stage":"databases/postgres","object":{"group":"","kind":"StatefulSet","namespace":"shop","name":"postgres"},"readiness":{"state":"in-progress","reason":"1 of 3 replicas ready"},"created_at":"2026-11-23T19:48:00Z","age_s":720,"note":null,"since":null}"#);
    }
}
