//! A problem on a terminal or in a log: message, `file:line:column`, the source line with carets, hints.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Mark, Problem};

/// Does a problem stop the run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// Returns `problem` as text, with escape codes for colours or without.
pub(super) fn render(problem: &Problem, severity: Severity, coloured: bool) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group: Group<'_> = Group::with_title(level.primary_title(problem.message()));
    for marks in by_file(problem.marks()) {
        group = group.element(snippet(&marks, problem.place()));
    }
    for hint in problem.hints() {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    // Lines are never cut to a width: a log has none, and a terminal wraps by itself.
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(usize::from(u16::MAX)).render(&[group])
}

/// Returns the marks file by file, in the order of each file's first mark.
fn by_file(marks: &[Mark]) -> Vec<Vec<&Mark>> {
    let mut files: Vec<Vec<&Mark>> = Vec::new();
    for mark in marks {
        match files.iter_mut().find(|file| file[0].place.source() == mark.place.source()) {
            Some(file) => file.push(mark),
            None => files.push(vec![mark]),
        }
    }
    files
}

/// Returns the source lines of one file's marks; the main mark of the problem gets carets.
fn snippet<'a>(
    marks: &[&'a Mark],
    main: Option<&super::Place>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let source = marks[0].place.source();
    let mut snippet = Snippet::source(source.text()).path(source.name());
    for mark in marks {
        let kind = if Some(&mark.place) == main { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(first_line(mark));
        if !mark.label.is_empty() {
            annotation = annotation.label(mark.label.as_str());
        }
        snippet = snippet.annotation(annotation);
    }
    snippet
}

/// Returns the span of a mark up to the end of its first line: a mapping of fifty lines is shown by its
/// head.
fn first_line(mark: &Mark) -> std::ops::Range<usize> {
    let span = mark.place.span();
    let text = mark.place.text();
    let head = text.split_once('\n').map_or(text, |(head, _)| head).trim_end();
    span.start..span.start + head.len()
}
