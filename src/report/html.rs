//! A run as one page of HTML: how it ended, why what failed did, the stages on a line of time, the logs. The
//! page holds all it needs: no script, no font and no picture comes from elsewhere, and every word of the
//! cluster is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::log::heading;
use super::plain::cause_text;
use super::summary::headline;
use super::view::{ObjectView, RunView, StageView};
use super::words;
use crate::event::{Event, EventKind, LogLine, LogSource, Verdict};

const STYLE: &str = include_str!("page.css");

/// Returns the page about a run. `goes_on` says that a run without an end is not over yet.
pub fn page(events: &[Event], goes_on: bool) -> String {
    let mut view = RunView::default();
    for event in events {
        view.apply(event);
    }
    let title = view.started.as_ref().map_or_else(
        || "a run of wesago".to_owned(),
        |started| format!("{} of {}: {}", started.command, started.plan, state(&view, goes_on).0),
    );
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title)
    );
    for section in [
        header(&view, events, goes_on),
        failures(&view),
        stages(&view),
        remarks(&view),
        logs(events),
        objects(&view),
    ] {
        html.push_str(&section);
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// Returns how the run stands, and the class of its colour.
fn state(view: &RunView, goes_on: bool) -> (&'static str, &'static str) {
    match view.finished.as_ref().map(|finished| &finished.verdict) {
        Some(Verdict::Succeeded) => ("succeeded", "good"),
        Some(Verdict::Failed { .. } | Verdict::Skipped { .. }) => ("failed", "bad"),
        Some(Verdict::TimedOut { .. }) => ("ran out of time", "bad"),
        Some(Verdict::Cancelled) => ("cancelled", "notice"),
        None if goes_on => ("goes on", "notice"),
        None => ("was cut off", "notice"),
    }
}

fn header(view: &RunView, events: &[Event], goes_on: bool) -> String {
    let (word, class) = state(view, goes_on);
    let Some(started) = &view.started else { return format!("<h1 class=\"{class}\">{word}</h1>\n") };
    let told = match &view.finished {
        Some(finished) => anstream::adapter::strip_str(&headline(view, &finished.verdict)).to_string(),
        None => format!("{} of {} {word}", started.command, started.plan),
    };
    let began = events.first().map(|event| event.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let facts = [
        ("run", started.run.clone()),
        ("began", began.unwrap_or_default()),
        ("took", words::duration(view.elapsed_ms)),
        ("context", started.context.clone()),
        ("server", started.server.clone()),
        ("namespace", started.namespace.clone()),
        ("changes", words::changes(&view.changes())),
    ];
    let mut html = format!("<h1 class=\"{class}\">{}</h1>\n<dl>\n", escaped(&told));
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let _infallible = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escaped(value));
    }
    html.push_str("</dl>\n");
    html
}

/// Returns what failed, each with its causes: what a reader came for.
fn failures(view: &RunView) -> String {
    let mut html = String::new();
    for stage in &view.stages {
        let reason = match stage.verdict() {
            Some(Verdict::Failed { reason }) => reason.clone(),
            Some(Verdict::TimedOut { waiting_for }) => {
                format!("not ready in time: {}", waiting_for.join("; "))
            }
            _ => continue,
        };
        let _infallible = write!(
            html,
            "<section class=\"failure\">\n<h2>stage {} failed after {}</h2>\n<p>{}</p>\n",
            escaped(stage.id.as_str()),
            words::duration(stage.took_ms),
            escaped(&reason)
        );
        for cause in &stage.causes {
            let _infallible = writeln!(html, "<pre>{}</pre>", escaped(&cause_text(cause)));
        }
        html.push_str("</section>\n");
    }
    html
}

/// Returns the stages, each with its place on the line of time.
fn stages(view: &RunView) -> String {
    let mut html = "<h2>Stages</h2>\n<table>\n<tr><th>stage<th>state<th>start<th>took<th class=\"time\">time\
                    <th>objects</tr>\n"
        .to_owned();
    for stage in &view.stages {
        let (word, class) = match stage.verdict() {
            Some(Verdict::Succeeded) => ("settled", "good"),
            Some(Verdict::Failed { .. }) => ("failed", "bad"),
            Some(Verdict::TimedOut { .. }) => ("timed out", "bad"),
            Some(Verdict::Skipped { .. }) => ("skipped", "quiet"),
            Some(Verdict::Cancelled) => ("cancelled", "quiet"),
            None => ("open", "notice"),
        };
        let time = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), words::duration);
        let took = stage.started_ms.map(|started| length(view, stage, started));
        let _infallible = writeln!(
            html,
            "<tr><td>{}<td class=\"{class}\">{word}<td>{}<td>{}<td class=\"time\">{}<td>{}</tr>",
            escaped(stage.id.as_str()),
            time(stage.started_ms),
            time(took),
            bar(view, stage, class),
            escaped(&words::changes(&stage.changes)),
        );
    }
    html.push_str("</table>\n");
    html
}

/// Returns how long a stage took that began, up to now when it has no end.
fn length(view: &RunView, stage: &StageView, started_ms: u64) -> u64 {
    if stage.verdict().is_some() { stage.took_ms } else { view.elapsed_ms.saturating_sub(started_ms) }
}

/// Returns the bar of a stage, from its start to its end, in tenths of a percent of the run.
fn bar(view: &RunView, stage: &StageView, class: &str) -> String {
    let Some(started) = stage.started_ms else { return String::new() };
    let share = |ms: u64| (ms * 1000 / view.elapsed_ms.max(1)).min(1000);
    let (left, right) = (share(started), share(started + length(view, stage, started)));
    let width = (right - left.min(right)).max(4);
    let percent = |tenths: u64| format!("{}.{}%", tenths / 10, tenths % 10);
    format!(
        "<i class=\"bar {class}\" style=\"margin-left:{};width:{}\"></i>",
        percent(left.min(996)),
        percent(width)
    )
}

/// Returns warnings, what stays on purpose, and the notes of the plan.
fn remarks(view: &RunView) -> String {
    let mut html = String::new();
    let mut list = |title: &str, items: Vec<String>| {
        if items.is_empty() {
            return;
        }
        let _infallible = writeln!(html, "<h2>{title}</h2>\n<ul>");
        for item in items {
            let _infallible = writeln!(html, "<li>{}</li>", escaped(&item));
        }
        html.push_str("</ul>\n");
    };
    list("Warnings", view.warnings.clone());
    list("Kept", view.kept.iter().map(|(object, reason)| format!("{object} stays: {reason}")).collect());
    if let Some(notes) = view.finished.as_ref().and_then(|finished| finished.notes.as_ref()) {
        let _infallible = writeln!(html, "<h2>Notes</h2>\n<pre>{}</pre>", escaped(notes.trim_end()));
    }
    html
}

/// Returns the logs, one container after the other.
fn logs(events: &[Event]) -> String {
    let mut logs: BTreeMap<&LogSource, Vec<String>> = BTreeMap::new();
    let mut order: Vec<&LogSource> = Vec::new();
    for event in events {
        let (source, line) = match &event.event {
            EventKind::LogLine(LogLine { source, line }) => (source, line.clone()),
            EventKind::LogCut { source, reason } => (source, format!("… {reason}")),
            _ => continue,
        };
        let lines = logs.entry(source).or_insert_with(|| {
            order.push(source);
            Vec::new()
        });
        lines.push(line);
    }
    if order.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Logs</h2>\n".to_owned();
    for source in order {
        let lines = logs.get(source).map(|lines| lines.join("\n")).unwrap_or_default();
        let title = format!("stage {}: {}", source.stage, heading(source));
        let _infallible = writeln!(
            html,
            "<details open><summary>{}</summary>\n<pre>{}</pre></details>",
            escaped(&title),
            escaped(&lines)
        );
    }
    html
}

/// Returns every object with what was done to it and what it was when last seen.
fn objects(view: &RunView) -> String {
    let mut html = "<h2>Objects</h2>\n<details><summary>every object</summary>\n<table>\n\
                    <tr><th>stage<th>object<th>change<th>state</tr>\n"
        .to_owned();
    for stage in &view.stages {
        for object in &stage.objects {
            let change = object.change.map_or_else(|| "–".to_owned(), |change| change.to_string());
            let _infallible = writeln!(
                html,
                "<tr><td>{}<td>{}<td>{change}<td>{}</tr>",
                escaped(stage.id.as_str()),
                escaped(&object.object.to_string()),
                escaped(&seen(object)),
            );
        }
    }
    html.push_str("</table>\n</details>\n");
    html
}

fn seen(view: &ObjectView) -> String {
    match (view.gone, &view.readiness) {
        (Some(true), _) => "gone".to_owned(),
        (Some(false), _) => "is being deleted".to_owned(),
        (None, Some(readiness)) => words::readiness(&view.object, readiness),
        (None, None) => "–".to_owned(),
    }
}

/// Returns text as HTML shows it, in a text and in an attribute.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{escaped, page};
    use crate::report::script::{self, Script};

    fn body(script: &Script) -> String {
        let html = page(script.events(), false);
        html[html.find("<body>").unwrap()..].to_owned()
    }

    #[test]
    fn of_a_run_with_logs() {
        insta::assert_snapshot!(body(&script::logs()));
    }

    #[test]
    fn of_a_failure() {
        insta::assert_snapshot!(body(&script::failure()));
    }

    #[test]
    fn of_a_run_that_was_cut_off() {
        let script = script::success();
        let html = page(&script.events()[..12], false);
        assert!(html.contains("<h1 class=\"notice\">deploy of shop was cut off</h1>"), "{html}");
        assert!(page(&script.events()[..12], true).contains("deploy of shop goes on"));
        assert!(page(&[], false).contains("was cut off"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let all = [script::success(), script::failure(), script::teardown(), script::logs(), script::late()];
        for script in all {
            let html = page(script.events(), false);
            for way_out in ["<script", "<link", "<img", "@import", "url(", "src=", "href="] {
                assert!(!html.contains(way_out), "{way_out}");
            }
        }
    }

    proptest! {
        /// Whatever a log holds, it opens no tag and closes none.
        #[test]
        fn text_stays_text(text in "[<>&\"'a/ ]{0,40}") {
            let html = escaped(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            let back = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            prop_assert_eq!(back.replace("&#39;", "'").replace("&amp;", "&"), text);
        }
    }
}
