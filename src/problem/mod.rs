//! L0: what is wrong with a text, and where: a [`Problem`] names the thing, points at its [`Place`]s in
//! the source, and gives the next step. All problems of an input are collected and shown together.

mod nearest;
mod render;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use nearest::nearest;
pub use render::Severity;

/// A text with the name a reader knows it by: the path of a file, or `--set`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceText {
    name: String,
    text: String,
}

impl SourceText {
    /// Returns the text called `name`, ready to be shared by its places.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A range of bytes in a [`SourceText`]. Prints as `file:line:column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    source: Arc<SourceText>,
    span: Range<usize>,
}

impl Place {
    /// Returns the place of the bytes `span`; a span beyond the text is cut to it, one inside a
    /// character is widened to its start.
    pub fn new(source: &Arc<SourceText>, span: Range<usize>) -> Self {
        let boundary = |at: usize| {
            let mut at = at.min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(span.start);
        let end = boundary(span.end).max(start);
        Self { source: Arc::clone(source), span: start..end }
    }

    /// Returns the place of a whole text, such as the value of an option.
    pub fn whole(source: &Arc<SourceText>) -> Self {
        Self::new(source, 0..source.text.len())
    }

    /// Returns the text this is a place of.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Returns the bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns what stands there.
    pub fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default()
    }

    /// Returns the file's name.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// Returns the line, counted from 1.
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// Returns the column in characters, counted from 1.
    pub fn column(&self) -> usize {
        let before = self.before();
        let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
        line.chars().count() + 1
    }

    /// Returns `file:line`, short enough for the end of a message.
    pub fn file_line(&self) -> String {
        format!("{}:{}", self.file(), self.line())
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}

/// A place with the word that goes under its carets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where.
    pub place: Place,
    /// What is there; may be empty.
    pub label: String,
}

/// One thing that is wrong. The message is lowercase, without a final stop, and names the thing and the
/// cause; the hints name the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: String,
    marks: Vec<Mark>,
    hints: Vec<String>,
}

impl Problem {
    /// Returns a problem without a place: of an option, or of a file that cannot be read.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), marks: Vec::new(), hints: Vec::new() }
    }

    /// Returns a problem at `place`.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self::new(message).mark(place, "")
    }

    /// Adds a word under the carets of the first place.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        if let Some(first) = self.marks.first_mut() {
            first.label = label.into();
        }
        self
    }

    /// Adds a place; the first is where the problem is, the others explain it.
    #[must_use]
    pub fn mark(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.marks.push(Mark { place: place.clone(), label: label.into() });
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a next step when there is one.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Adds "did you mean" when one of `candidates` is close to `name`.
    #[must_use]
    pub fn did_you_mean<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let hint = nearest(name, candidates).map(|found| format!("did you mean `{found}`?"));
        self.maybe_hint(hint)
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the places, the main one first.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Returns the main place.
    pub fn place(&self) -> Option<&Place> {
        self.marks.first().map(|mark| &mark.place)
    }

    /// Returns the next steps.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Returns the problem as rustc would print it, with its source lines; ends without a line end.
    pub fn render(&self, severity: Severity, coloured: bool) -> String {
        render::render(self, severity, coloured)
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = |problem: &Self| {
            problem.place().map(|place| (place.source.name.clone(), place.span.start, place.span.end))
        };
        key(self).cmp(&key(other)).then_with(|| self.message.cmp(&other.message))
    }
}

/// Prints one line: `file:line:column: message`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with an input, in a fixed order. As an error value it holds at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns an empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds the problems of another collection.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Problem>) {
        self.0.extend(others);
    }

    /// Returns true when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Returns `value` when nothing is wrong.
    ///
    /// # Errors
    /// The problems, ordered by place and without repetition, when there is one.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.sort();
        Err(self)
    }

    /// Orders by file, place and message, and drops repetitions: the same file can be read twice.
    pub fn sort(&mut self) {
        self.0.sort_by(Problem::order);
        self.0.dedup();
    }

    /// Returns all of them as rustc would print them, an empty line between; ends without a line end.
    pub fn render(&self, severity: Severity, coloured: bool) -> String {
        let texts: Vec<String> = self.0.iter().map(|problem| problem.render(severity, coloured)).collect();
        texts.join("\n\n")
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Prints one line a problem.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests;
