//! `wesago report`: a recorded run told again, as lines, as JSON events or as a page; or the list of the
//! recorded runs.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{Output, Report};
use super::context::{Contents, Journals, Kept, read_journal, write_file};
use super::exit::{Exit, Failure};
use super::output::{complain, print};
use crate::event::{EventKind, SCHEMA, Verdict};
use crate::journal::{Outline, Record};
use crate::problem::nearest;
use crate::report::{Ink, duration, padded, page, replay, width};

/// Runs the command.
pub(super) fn run(arguments: &Report) -> Result<Exit, Failure> {
    if arguments.list {
        return list(arguments.output);
    }
    let (path, contents) = chosen(arguments.run.as_deref())?;
    let record = Record::read(&contents.bytes);
    let Some(EventKind::RunStarted(started)) = record.events.first().map(|event| &event.event) else {
        let message = format!("`{}` is not the journal of a run", path.display());
        return Err(Failure::new(Exit::Usage, message).hint("`wesago report --list` shows the recorded runs"));
    };
    if started.schema > SCHEMA {
        complain("warning: a newer wesago wrote this journal; what it says in new words is left out\n");
    }
    if record.unreadable > 0 {
        complain(&format!("warning: {} of its lines cannot be read and are left out\n", record.unreadable));
    }
    if let Some(file) = &arguments.html {
        write_file(file, &page(&record.events, contents.is_open)).map_err(|cause| {
            Failure::new(Exit::Internal, format!("`{}` cannot be written", file.display())).caused_by(&cause)
        })?;
        return Ok(Exit::Done);
    }
    match arguments.output {
        Output::Json => print(&String::from_utf8_lossy(&record.lines))?,
        Output::Text => print(&told(&record, contents.is_open)?)?,
    }
    Ok(Exit::Done)
}

/// Returns a run as a person reads it: where and when, its lines, its end.
fn told(record: &Record, goes_on: bool) -> Result<String, Failure> {
    let lines = replay(&record.events, goes_on)
        .map_err(|cause| Failure::new(Exit::Internal, "the run cannot be told").caused_by(&cause))?;
    let Some(outline) = Outline::read(&record.lines) else { return Ok(lines) };
    let run = outline.started;
    Ok(format!(
        "context {}  server {}  namespace {}  plan {}  began {}\n{lines}",
        run.context,
        run.server,
        run.namespace,
        run.plan,
        moment(outline.at)
    ))
}

/// Returns the journal of the run asked for: a file, a run's name or its beginning, else the newest.
fn chosen(run: Option<&str>) -> Result<(PathBuf, Contents), Failure> {
    let read = |path: &Path| {
        read_journal(path).map_err(|cause| {
            Failure::new(Exit::Usage, format!("`{}` cannot be read", path.display())).caused_by(&cause)
        })
    };
    // Runs have short names of letters and digits; whatever else was typed is a file.
    if let Some(path) = run.filter(|run| run.contains(['/', '.'])).map(PathBuf::from) {
        let contents = read(&path)?;
        return Ok((path, contents));
    }
    let (kept, folder) = all()?;
    let found = match run {
        None => kept.first(),
        Some(run) => kept.iter().find(|kept| kept.run.starts_with(run)),
    };
    let Some(found) = found else { return Err(no_such_run(run, &kept, &folder)) };
    let contents = read(&found.path)?;
    Ok((found.path.clone(), contents))
}

fn no_such_run(run: Option<&str>, kept: &[Kept], folder: &str) -> Failure {
    match run {
        Some(run) if !kept.is_empty() => {
            let near = nearest(run, kept.iter().map(|kept| kept.run.as_str()));
            let hint = near.map_or_else(
                || "`wesago report --list` shows the recorded runs".to_owned(),
                |near| format!("did you mean `{near}`? `wesago report --list` shows the recorded runs"),
            );
            Failure::new(Exit::Usage, format!("no run `{run}` is recorded")).hint(hint)
        }
        _ => Failure::new(Exit::Usage, format!("no run is recorded in {folder}"))
            .hint("deploy and teardown record what they do, unless `--no-journal` is said"),
    }
}

/// Returns the journals of this user, the newest first, and their folder.
fn all() -> Result<(Vec<Kept>, String), Failure> {
    let Some(journals) = Journals::of_user() else {
        return Err(Failure::new(
            Exit::Usage,
            "there are no journals: neither XDG_STATE_HOME nor HOME is set",
        ));
    };
    let folder = journals.folder().display().to_string();
    let kept = journals.list().map_err(|cause| {
        Failure::new(Exit::Internal, format!("the folder of journals, {folder}, cannot be read"))
            .caused_by(&cause)
    })?;
    Ok((kept, folder))
}

/// A row of the list.
struct Row {
    outline: Outline,
    is_open: bool,
}

fn list(output: Output) -> Result<Exit, Failure> {
    let (kept, folder) = all()?;
    let mut rows = Vec::new();
    for kept in &kept {
        // One that was removed meanwhile, or cannot be read, is one row less.
        let Ok(contents) = read_journal(&kept.path) else { continue };
        let outline = Outline::read(&contents.bytes);
        rows.extend(outline.map(|outline| Row { outline, is_open: contents.is_open }));
    }
    match output {
        Output::Text if rows.is_empty() => return Err(no_such_run(None, &[], &folder)),
        Output::Text => print(&table(&rows))?,
        Output::Json => {
            let documents: Vec<Value> = rows.iter().map(document).collect();
            print(&format!("{:#}\n", json!({"runs": documents})))?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the runs in columns, the newest first.
fn table(rows: &[Row]) -> String {
    const TITLES: [&str; 7] = ["RUN", "BEGAN", "COMMAND", "PLAN", "CONTEXT", "END", "TOOK"];
    let cells: Vec<[String; 7]> = rows
        .iter()
        .map(|Row { outline, is_open }| {
            let run = &outline.started;
            let (run_name, command) = (run.run.clone(), run.command.clone());
            let end = end(outline.verdict.as_ref(), *is_open).0.to_owned();
            let took = duration(outline.took_ms);
            [run_name, moment(outline.at), command, run.plan.clone(), run.context.clone(), end, took]
        })
        .collect();
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|at| cells.iter().map(|row| width(&row[at])).chain([width(TITLES[at])]).max().unwrap_or(0))
        .collect();
    let line = |row: &[String], ink: Option<Ink>| {
        let columns = row.iter().enumerate().map(|(at, cell)| {
            let cell = padded(cell, widths[at]);
            if at == 5 { ink.map_or_else(|| cell.clone(), |ink| ink.paint(&cell)) } else { cell }
        });
        columns.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = Ink::Strong.paint(line(&TITLES.map(str::to_owned), None).trim_end()) + "\n";
    for (row, cells) in rows.iter().zip(&cells) {
        text.push_str(&line(cells, Some(end(row.outline.verdict.as_ref(), row.is_open).1)));
    }
    text
}

/// Returns how a run ended, in a word.
fn end(verdict: Option<&Verdict>, is_open: bool) -> (&'static str, Ink) {
    match verdict {
        Some(Verdict::Succeeded) => ("succeeded", Ink::Good),
        Some(Verdict::Failed { .. } | Verdict::Skipped { .. }) => ("failed", Ink::Bad),
        Some(Verdict::TimedOut { .. }) => ("timed out", Ink::Bad),
        Some(Verdict::Cancelled) => ("cancelled", Ink::Notice),
        None if is_open => ("goes on", Ink::Notice),
        None => ("cut off", Ink::Notice),
    }
}

fn document(row: &Row) -> Value {
    let Row { outline: Outline { started, at, verdict, took_ms }, is_open } = row;
    json!({
        "run": started.run, "began": at, "command": started.command, "plan": started.plan,
        "context": started.context, "namespace": started.namespace,
        "end": end(verdict.as_ref(), *is_open).0, "verdict": verdict, "took_ms": took_ms,
    })
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::{Row, document, no_such_run, table};
    use crate::cli::context::Kept;
    use crate::event::{RunStarted, SCHEMA, Verdict};
    use crate::journal::Outline;

    fn row(run: &str, command: &str, verdict: Option<Verdict>, is_open: bool) -> Row {
        let started = RunStarted {
            schema: SCHEMA,
            run: run.into(),
            command: command.into(),
            plan: "shop".into(),
            context: "k3s".into(),
            server: "https://198.18.0.1:6443".into(),
            namespace: "shop".into(),
            seed: 7,
            again: String::new(),
            stages: Vec::new(),
        };
        let at = "2026-11-23T20:00:00Z".parse().unwrap();
        Row { outline: Outline { started, at, verdict, took_ms: 66_300 }, is_open }
    }

    #[test]
    fn the_list_has_a_row_a_run() {
        let failed = Verdict::Failed { reason: "stage web: no".into() };
        let rows = [
            row("7f3a90", "deploy", None, true),
            row("01b2c3", "deploy", Some(failed), false),
            row("d4e5f6", "deploy", None, false),
            row("a7b8c9", "teardown", Some(Verdict::Succeeded), false),
        ];
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&rows)).to_string());
        insta::assert_snapshot!(serde_json::to_string_pretty(&document(&rows[1])).unwrap());
    }

    #[test]
    fn a_run_that_is_not_recorded_is_told_with_what_is() {
        let kept = [Kept { path: "x".into(), run: "7f3a90".into() }];
        let told = [
            no_such_run(Some("7f3b90"), &kept, "/home/x/.local/state/wesago"),
            no_such_run(None, &[], "/home/x/.local/state/wesago"),
        ];
        insta::assert_snapshot!(told.map(|failure| failure.render()).join("\n"));
    }
}
