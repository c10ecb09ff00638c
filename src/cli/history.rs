//! `wesago history`: the deploys that can be brought back, the newest first; as JSON one document.

use serde_json::{Value, json};

use super::arguments::{History, Output};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::print;
use super::session::open;
use crate::event::{SCHEMA, Verdict};
use crate::history::Revision;
use crate::report::{Ink, changes_words, cut, duration, padded, width};

/// The most columns of the plan's file.
const FROM_WIDTH: usize = 40;
/// So much of a commit's name tells it apart.
const COMMIT_WIDTH: usize = 9;

/// Runs the command.
pub(super) async fn run(arguments: &History, context: &Context) -> Result<Exit, Failure> {
    let ready = open(context, &arguments.target, false).await?;
    let plan = &ready.loaded.composed.plan;
    let mut revisions = ready.engine.history(plan).await?;
    revisions.reverse();
    match arguments.output {
        Output::Text if revisions.is_empty() => print(&format!("{} has no history\n", plan.name()))?,
        Output::Text => print(&table(&revisions))?,
        Output::Json => {
            let all: Vec<Value> = revisions.iter().map(document).collect();
            let document = json!({
                "schema": SCHEMA, "plan": plan.name(), "context": ready.context_name,
                "namespace": plan.namespace(), "revisions": all,
            });
            print(&format!("{document:#}\n"))?;
        }
    }
    Ok(Exit::Done)
}

/// Returns a revision in one line: `revision 3 of 2026-11-26T12:00:00Z by anna@build, commit 0123456`.
pub(super) fn line(revision: &Revision) -> String {
    let Revision { number, at, origin, .. } = revision;
    let commit =
        origin.commit.as_ref().map_or_else(String::new, |commit| format!(", commit {}", short(commit)));
    format!("revision {number} of {at:.0} by {}{commit}", origin.by)
}

/// Returns the revisions in columns, one a line.
fn table(revisions: &[Revision]) -> String {
    let mut cells = vec![["REVISION", "WHEN", "WHO", "FROM", "COMMIT", "VERDICT", "TOOK"].map(str::to_owned)];
    cells.extend(revisions.iter().map(|revision| {
        let Revision { number, at, origin, verdict, took_ms, .. } = revision;
        [
            number.to_string(),
            format!("{at:.0}"),
            origin.by.clone(),
            end_of(&origin.from),
            origin.commit.as_deref().map_or("-", short).to_owned(),
            word(verdict).to_owned(),
            duration(*took_ms),
        ]
    }));
    let widest = |column: usize| cells.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(widest).collect();
    let lines = cells.iter().enumerate().map(|(at, row)| {
        let revision = at.checked_sub(1).map(|at| &revisions[at]);
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let cell = padded(cell, *width);
            match revision {
                None => Ink::Strong.paint(&cell),
                Some(revision) if column == 5 => ink(&revision.verdict).paint(&cell),
                Some(_) => cell,
            }
        });
        let row = padded.collect::<Vec<_>>().join("  ");
        let summary = revision.map_or_else(|| Ink::Strong.paint("SUMMARY"), summary);
        format!("{row}  {summary}").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// Returns what was done, and what is special about it.
fn summary(revision: &Revision) -> String {
    let rollback = revision.rollback_to.map(|target| format!("rollback to {target}"));
    let left_out = revision.left_out.as_ref().map(|_| "cannot be brought back: it is too large".to_owned());
    let parts = [rollback, Some(changes_words(&revision.changes)), left_out];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Returns the end of a path, which tells more than its beginning.
fn end_of(path: &str) -> String {
    let mut kept = path;
    while width(kept) + 1 > FROM_WIDTH
        && let Some((_, rest)) = kept.trim_start_matches('/').split_once('/')
    {
        kept = rest;
    }
    let ellipsis = if kept.len() < path.len() { "…/" } else { "" };
    cut(&format!("{ellipsis}{kept}"), FROM_WIDTH + 1)
}

fn short(commit: &str) -> &str {
    commit.get(..COMMIT_WIDTH).unwrap_or(commit)
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::Failed { .. } | Verdict::Skipped { .. } => "failed",
        Verdict::TimedOut { .. } => "timed out",
        Verdict::Cancelled => "cancelled",
    }
}

fn ink(verdict: &Verdict) -> Ink {
    match verdict {
        Verdict::Succeeded => Ink::Good,
        Verdict::Failed { .. } | Verdict::Skipped { .. } | Verdict::TimedOut { .. } => Ink::Bad,
        Verdict::Cancelled => Ink::Notice,
    }
}

fn document(revision: &Revision) -> Value {
    json!({
        "revision": revision.number,
        "run": revision.run,
        "at": revision.at,
        "took_ms": revision.took_ms,
        "by": revision.origin.by,
        "from": revision.origin.from,
        "commit": revision.origin.commit,
        "version": revision.version,
        "verdict": revision.verdict,
        "changes": revision.changes,
        "rollback_to": revision.rollback_to,
        "left_out": revision.left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::{document, line, table};
    use crate::event::{ChangeCounts, Verdict};
    use crate::history::{Origin, Revision};
    use crate::inventory::Hash;

    fn revisions() -> Vec<Revision> {
        let revision = |number: u32, from: &str, commit: Option<&str>, verdict: Verdict| Revision {
            number,
            run: "7f3a90".into(),
            at: "2026-11-26T12:00:00.250Z".parse().unwrap(),
            took_ms: 43_000,
            origin: Origin { by: "anna@build".into(), from: from.into(), commit: commit.map(str::to_owned) },
            version: "0.1.0".into(),
            changes: ChangeCounts { configured: 2, unchanged: 16, ..ChangeCounts::default() },
            rollback_to: None,
            verdict,
            applied: Hash::default(),
            left_out: None,
        };
        let failed = Verdict::Failed { reason: "stage web: the image is not there".into() };
        let commit = Some("0123456789abcdef0123456789abcdef01234567");
        let long = "/home/anna/src/university/applications/shop/plans/shop.yaml";
        vec![
            Revision { rollback_to: Some(1), ..revision(12, long, commit, Verdict::Succeeded) },
            Revision {
                left_out: Some("2 MB are too much".into()),
                ..revision(11, "/srv/plans/shop.yaml", commit, failed)
            },
            revision(9, "built in", None, Verdict::Cancelled),
        ]
    }

    #[test]
    fn a_revision_is_a_line() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&revisions())), @"
        REVISION  WHEN                  WHO         FROM                                 COMMIT     VERDICT    TOOK   SUMMARY
        12        2026-11-26T12:00:00Z  anna@build  …/applications/shop/plans/shop.yaml  012345678  succeeded  43.0s  rollback to 1; 2 configured, 16 unchanged
        11        2026-11-26T12:00:00Z  anna@build  /srv/plans/shop.yaml                 012345678  failed     43.0s  2 configured, 16 unchanged; cannot be brought back: it is too large
        9         2026-11-26T12:00:00Z  anna@build  built in                             -          cancelled  43.0s  2 configured, 16 unchanged
        ");
        insta::assert_snapshot!(line(&revisions()[0]), @"revision 12 of 2026-11-26T12:00:00Z by anna@build, commit 012345678");
    }

    #[test]
    fn the_document_says_all_but_the_objects() {
        insta::assert_snapshot!(document(&revisions()[1]), @r#"{"revision":11,"run":"7f3a90","at":"2026-11-26T12:00:00.25Z","took_ms":43000,"by":"anna@build","from":"/srv/plans/shop.yaml","commit":"0123456789abcdef0123456789abcdef01234567","version":"0.1.0","verdict":{"verdict":"failed","reason":"stage web: the image is not there"},"changes":{"created":0,"configured":2,"recreated":0,"unchanged":16,"deleted":0,"kept":0},"rollback_to":null,"left_out":"2 MB are too much"}"#);
    }
}
