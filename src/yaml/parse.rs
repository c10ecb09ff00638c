//! Text to trees: documents, anchors, merge keys; a key that is there twice is an error at both places.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use serde_saphyr::granit_parser::{
    self, ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag,
};

use super::scalar::{resolve, surprise};
use super::tree::{Entry, Key, Kind, Node, Scalar, Style};
use crate::problem::{Place, Problem, Problems, SourceText};

/// More than any plan or manifest has; a bomb of aliases ends here.
const MAX_NODES: usize = 1_000_000;

/// The prefix of YAML's own tags, which are written `!!str`.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// What was read from one text.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The documents; empty ones and those with errors are left out.
    pub documents: Vec<Node>,
    /// What is wrong.
    pub problems: Problems,
    /// Unquoted words that mean something else than they seem to.
    pub warnings: Problems,
}

/// What becomes of unquoted keys such as `on` and `0644`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// They are rewritten as kubectl does: `true` and `420`.
    AsKubectl,
    /// They stay as they are written.
    AsWritten,
}

/// Reads all documents of `source`.
pub fn parse(source: &Arc<SourceText>, keys: Keys) -> Parsed {
    let options = granit_parser::options! { emit_comments: false };
    let mut reader = Reader {
        source,
        keys,
        events: Parser::new_from_str_with_options(source.text(), options),
        anchors: BTreeMap::new(),
        count: 0,
        found: Parsed::default(),
    };
    if let Err(Stop(problem)) = reader.stream() {
        reader.found.problems.push(problem);
    }
    reader.found
}

/// The text cannot be read any further.
struct Stop(Problem);

struct Reader<'a> {
    source: &'a Arc<SourceText>,
    keys: Keys,
    events: Parser<'a, StrInput<'a>>,
    /// Anchored nodes of the current document; `None` while one is still being read.
    anchors: BTreeMap<usize, Option<Node>>,
    count: usize,
    found: Parsed,
}

impl<'a> Reader<'a> {
    fn stream(&mut self) -> Result<(), Stop> {
        while let Some((event, _)) = self.next()? {
            if !matches!(event, Event::DocumentStart(..)) {
                continue;
            }
            self.anchors.clear();
            let Some((event, span)) = self.next()? else { break };
            let wrong_before = self.found.problems.len();
            let node = self.node(event, span)?;
            if !node.is_null() && self.found.problems.len() == wrong_before {
                self.found.documents.push(node);
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Stop> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(Stop(self.scan_problem(&error))),
        }
    }

    fn scan_problem(&self, error: &ScanError) -> Problem {
        let at = error.marker().byte_offset().unwrap_or(self.source.text().len());
        let rest = self.source.text().get(at..).unwrap_or_default();
        if *error.kind() == ErrorKind::UnknownAnchor {
            let name: String = rest.chars().skip(1).take_while(|letter| !letter.is_whitespace()).collect();
            let place = self.place(at..at + 1 + name.len());
            return Problem::at(&place, format!("no anchor is called `{name}`"))
                .hint(format!("`&{name}` before a value names it, above the place that repeats it"));
        }
        let info = error.info();
        let problem = Problem::at(&self.place(at..at + 1), format!("this is no YAML: {info}"));
        if info.contains("tab") {
            problem.hint("YAML is indented with spaces, never with tabs")
        } else if info.contains("':'") {
            problem
                .hint("a bracket or a quote above may still be open, or a text with `: ` in it wants quotes")
        } else {
            problem
        }
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place::new(self.source, span)
    }

    fn range(&self, span: Span) -> Range<usize> {
        span.byte_range().unwrap_or_else(|| {
            let end = self.source.text().len();
            end..end
        })
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Stop> {
        self.grow(1, span)?;
        let range = self.range(span);
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), range))
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(anchor);
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        Some((Event::SequenceEnd, span)) => break self.range(span).end,
                        Some((event, span)) => items.push(self.node(event, span)?),
                        None => break self.source.text().len(),
                    }
                };
                (anchor, Node { place: self.collection(range.start, end), kind: Kind::Sequence(items) })
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(anchor);
                (anchor, self.mapping(range.start)?)
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            // The parser gives nothing else where a value is due.
            _ => return Err(Stop(Problem::at(&self.place(range), "a value is missing here"))),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    /// Returns the place of a collection without the empty lines behind it.
    fn collection(&self, start: usize, end: usize) -> Place {
        let text = self.source.text().get(start..end).unwrap_or_default();
        self.place(start..start + text.trim_end().len())
    }

    fn open(&mut self, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
    }

    fn grow(&mut self, by: usize, span: Span) -> Result<(), Stop> {
        self.count += by;
        if self.count <= MAX_NODES {
            return Ok(());
        }
        let place = self.place(self.range(span));
        Err(Stop(
            Problem::at(&place, format!("the file holds more than {MAX_NODES} values"))
                .hint("aliases count as often as they are used; split the file"),
        ))
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Stop> {
        match self.anchors.get(&anchor).cloned() {
            Some(Some(node)) => {
                self.grow(node.count(), span)?;
                Ok(node)
            }
            _ => Err(Stop(Problem::at(
                &self.place(self.range(span)),
                "an alias stands inside the value it repeats, which would never end",
            ))),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, range: Range<usize>) -> Node {
        let plain = style == ScalarStyle::Plain;
        // Kubectl knows the tags of YAML itself and takes no other for anything.
        let suffix = tag.map(|tag| if tag.handle() == YAML_TAGS { tag.suffix() } else { "other" }.to_owned());
        let place = self.place(range);
        let value = match resolve(text, plain, suffix.as_deref()) {
            Ok(value) => value,
            Err(why) => {
                self.found.problems.push(Problem::at(&place, why).hint("quote it if the text is meant"));
                Value::Null
            }
        };
        let scalar = Scalar {
            value,
            text: text.to_owned(),
            style: if plain { Style::Plain } else { Style::Quoted },
            is_string: suffix.as_deref() == Some("str"),
        };
        Node { place, kind: Kind::Scalar(scalar) }
    }

    fn mapping(&mut self, start: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut merged: Vec<Node> = Vec::new();
        let end = loop {
            let (event, span) = match self.next()? {
                Some((Event::MappingEnd, span)) => break self.range(span).end,
                Some(next) => next,
                None => break self.source.text().len(),
            };
            let key = self.node(event, span)?;
            let Some((event, span)) = self.next()? else { break self.source.text().len() };
            let value = self.node(event, span)?;
            if is_merge(&key) {
                merged.push(value);
                continue;
            }
            let Some(key) = self.key(&key) else { continue };
            self.warn_of_surprise(&key.name, &value);
            if let Some(first) = seen.get(&key.name).map(|at| &entries[*at]) {
                self.found.problems.push(
                    Problem::at(&key.place, format!("key `{}` is there twice", key.name))
                        .labelled("second")
                        .mark(&first.key.place, "first"),
                );
                continue;
            }
            seen.insert(key.name.clone(), entries.len());
            entries.push(Entry { key, value });
        };
        for value in &merged {
            self.merge(&mut entries, &mut seen, value);
        }
        Ok(Node { place: self.collection(start, end), kind: Kind::Mapping(entries) })
    }

    /// Adds the entries of `<<: value` that are not there; of several mappings the earlier one wins.
    fn merge(&mut self, entries: &mut Vec<Entry>, seen: &mut BTreeMap<String, usize>, value: &Node) {
        let sources = match &value.kind {
            Kind::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for source in sources {
            let Some(from) = source.as_mapping() else {
                let what = format!("`<<` merges mappings, and this is {}", source.described());
                self.found.problems.push(Problem::at(&source.place, what));
                continue;
            };
            for entry in from {
                if !seen.contains_key(&entry.key.name) {
                    seen.insert(entry.key.name.clone(), entries.len());
                    entries.push(entry.clone());
                }
            }
        }
    }

    /// Returns the key, by default as kubectl writes it into JSON.
    fn key(&mut self, node: &Node) -> Option<Key> {
        let refuse = |this: &mut Self, message: String| {
            this.found.problems.push(Problem::at(&node.place, message).hint("quote it"));
            None
        };
        let Some(scalar) = node.as_scalar() else {
            return refuse(self, format!("a key is a text, and this is {}", node.described()));
        };
        if self.keys == Keys::AsWritten && !scalar.text.is_empty() {
            return Some(Key { name: scalar.text.clone(), place: node.place.clone() });
        }
        let name = match &scalar.value {
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => return refuse(self, format!("a key is a text, and this is {}", node.described())),
        };
        if let (Style::Plain, Some(what)) = (scalar.style, surprise(&scalar.text, &scalar.value)) {
            self.found.warnings.push(
                Problem::at(&node.place, format!("{what}, also as a key"))
                    .hint(format!("write \"{}\" if the text is meant", scalar.text)),
            );
        }
        Some(Key { name, place: node.place.clone() })
    }

    /// Warns of unquoted words under `key`; a file mode is meant to be octal.
    fn warn_of_surprise(&mut self, key: &str, value: &Node) {
        let is_mode = key == "mode" || key == "defaultMode";
        match &value.kind {
            Kind::Scalar(scalar) if scalar.style == Style::Plain && !is_mode => {
                if let Some(what) = surprise(&scalar.text, &scalar.value) {
                    let hint =
                        format!("write \"{}\" if the text is meant, {} if not", scalar.text, scalar.value);
                    self.found.warnings.push(Problem::at(&value.place, what).hint(hint));
                }
            }
            Kind::Sequence(items) => {
                for item in items.iter().filter(|item| item.as_scalar().is_some()) {
                    self.warn_of_surprise(key, item);
                }
            }
            _ => {}
        }
    }
}

fn is_merge(key: &Node) -> bool {
    key.as_scalar()
        .is_some_and(|scalar| scalar.style == Style::Plain && scalar.text == "<<" && !scalar.is_string)
}
