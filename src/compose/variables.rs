//! Variables: what the plan declares, and the value each gets: `--set`, else `--values`, else the default
//! of the last overlay that gives one. A value that does not fit is told where it was given.

use indexmap::IndexMap;
use serde_json::{Number, Value};

use super::chain::PlanFile;
use super::decode::{Decoder, listed};
use super::{Request, paths};
use crate::problem::{Place, Problem, SourceText};
use crate::yaml::{Keys, Node, is_variable_name, parse};

/// The fields of a declaration.
const FIELDS: [&str; 6] = ["default", "type", "minimum", "maximum", "one_of", "description"];

/// What a variable holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Type {
    #[default]
    String,
    Integer,
    Number,
    Boolean,
}

const TYPES: [(&str, Type); 4] = [
    ("string", Type::String),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("boolean", Type::Boolean),
];

/// A variable as declared by the plan and its overlays together.
#[derive(Debug)]
struct Declaration {
    place: Place,
    kind: Type,
    default: Option<Node>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    one_of: Option<Vec<String>>,
}

/// Every variable with its value and the place of its declaration.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) values: IndexMap<String, Value>,
    pub(super) places: IndexMap<String, Place>,
}

/// Returns the variables of the plan in `chain` with the values of `request`. One whose value is wrong
/// has one of its type all the same, so that nothing else is called wrong because of it.
pub(super) fn resolve(chain: &[PlanFile], request: &Request<'_>, decoder: &mut Decoder) -> Variables {
    let mut declared: IndexMap<String, Declaration> = IndexMap::new();
    for file in chain {
        let Some(node) = file.root.get("variables") else { continue };
        for entry in decoder.entries(node, "variables") {
            declare(&mut declared, &entry.key.name, &entry.key.place, &entry.value, decoder);
        }
    }
    let mut given: IndexMap<String, Value> = IndexMap::new();
    for path in request.values {
        from_file(request, path, &declared, &mut given, decoder);
    }
    for argument in request.set {
        from_argument(argument, &declared, &mut given, decoder);
    }
    let mut variables = Variables::default();
    for (name, declaration) in declared {
        let value = given.swap_remove(&name).or_else(|| default(&name, &declaration, decoder));
        variables.values.insert(name.clone(), value.unwrap_or_else(|| declaration.kind.any()));
        variables.places.insert(name, declaration.place);
    }
    variables
}

fn declare(
    declared: &mut IndexMap<String, Declaration>,
    name: &str,
    place: &Place,
    node: &Node,
    decoder: &mut Decoder,
) {
    if !is_variable_name(name) {
        decoder.problem(
            Problem::at(place, format!("`{name}` is no name for a variable"))
                .hint("use letters, digits, `_` and `-`, a letter or `_` first"),
        );
        return;
    }
    let what = format!("variable `{name}`");
    if node.as_scalar().is_some_and(|scalar| !scalar.value.is_null()) {
        let hint = format!("write `{name}: {{ default: {} }}`", node.place.text());
        decoder.problem(Problem::at(&node.place, format!("{what} is a value, not a declaration")).hint(hint));
        return;
    }
    let declaration = declared.entry(name.to_owned()).or_insert_with(|| Declaration {
        place: place.clone(),
        kind: Type::default(),
        default: None,
        minimum: None,
        maximum: None,
        one_of: None,
    });
    if node.is_null() {
        return;
    }
    let Some(fields) = decoder.fields(node, &what, &FIELDS) else { return };
    if let Some(kind) = fields.get("type").and_then(|node| kind(node, decoder)) {
        declaration.kind = kind;
    }
    if let Some(node) = fields.get("default") {
        declaration.default = Some(node.clone());
    }
    if let Some(node) = fields.get("minimum") {
        declaration.minimum = bound(node, "minimum", decoder);
    }
    if let Some(node) = fields.get("maximum") {
        declaration.maximum = bound(node, "maximum", decoder);
    }
    if let Some(texts) = fields.get("one_of").and_then(|node| decoder.texts(node, "one_of")) {
        declaration.one_of = Some(texts.into_iter().map(|text| text.value).collect());
    }
    if let Some(node) = fields.get("description") {
        decoder.text(node, "description");
    }
}

fn kind(node: &Node, decoder: &mut Decoder) -> Option<Type> {
    let text = decoder.text(node, "type")?;
    let found = TYPES.iter().find(|(name, _)| *name == text.value).map(|(_, kind)| *kind);
    if found.is_none() {
        let names = TYPES.map(|(name, _)| name);
        let problem = Problem::at(&text.place, format!("no type is called `{}`", text.value));
        decoder.problem(problem.hint(format!("the types are {}", listed(&names))));
    }
    found
}

fn bound(node: &Node, what: &str, decoder: &mut Decoder) -> Option<f64> {
    let value = node.as_scalar().and_then(|scalar| scalar.value.as_f64());
    if value.is_none() {
        let problem = Problem::at(&node.place, format!("`{what}` is {}", node.described()));
        decoder.problem(problem.labelled("expected a number"));
    }
    value
}

fn default(name: &str, declaration: &Declaration, decoder: &mut Decoder) -> Option<Value> {
    let Some(node) = &declaration.default else {
        decoder.problem(
            Problem::at(&declaration.place, format!("variable `{name}` has no value"))
                .labelled("declared without a default")
                .hint(format!("pass `--set {name}=VALUE`, or give it a `default`")),
        );
        return None;
    };
    from_node(name, declaration, node, decoder)
}

/// Returns the value in a YAML tree.
fn from_node(name: &str, declaration: &Declaration, node: &Node, decoder: &mut Decoder) -> Option<Value> {
    let fitting = node.as_scalar().filter(|scalar| match declaration.kind {
        Type::String => scalar.value.is_string(),
        Type::Integer => scalar.value.is_i64(),
        Type::Number => scalar.value.is_number(),
        Type::Boolean => scalar.value.is_boolean() && matches!(scalar.text.as_str(), "true" | "false"),
    });
    let Some(scalar) = fitting else {
        let wanted = declaration.kind.name();
        let is = match node.as_scalar() {
            // `yes` and its like; only YAML 1.1 takes them for booleans.
            Some(scalar) if declaration.kind == Type::Boolean && scalar.value.is_boolean() => {
                format!("`{}`, which not every reader takes for a boolean", scalar.text)
            }
            _ => node.described(),
        };
        let problem = Problem::at(&node.place, format!("variable `{name}` is {is}"))
            .labelled(format!("expected {wanted}"));
        decoder.problem(problem.maybe_hint(type_hint(declaration.kind, node)));
        return None;
    };
    match declaration.admits(&scalar.value) {
        Ok(()) => Some(scalar.value.clone()),
        Err(why) => {
            decoder.problem(Problem::at(&node.place, format!("variable `{name}` is {why}")));
            None
        }
    }
}

fn type_hint(wanted: Type, node: &Node) -> Option<String> {
    let scalar = node.as_scalar()?;
    let is = match &scalar.value {
        Value::Bool(value) if wanted == Type::Boolean => return Some(format!("write {value}")),
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        _ => return None,
    };
    (wanted == Type::String).then(|| format!("write \"{}\", or declare `type: {is}`", scalar.text))
}

/// Takes the values of one `--values` file.
fn from_file(
    request: &Request<'_>,
    path: &str,
    declared: &IndexMap<String, Declaration>,
    given: &mut IndexMap<String, Value>,
    decoder: &mut Decoder,
) {
    let parsed = match paths::text(request.files, &paths::joined("", path), None) {
        Ok(source) => parse(&source, Keys::AsWritten),
        Err(problem) => {
            return decoder.problem(problem.hint("`--values` wants a YAML file of `name: value`"));
        }
    };
    decoder.problems.extend(parsed.problems);
    for document in &parsed.documents {
        for entry in decoder.entries(document, "the values") {
            let name = &entry.key.name;
            match declared.get(name) {
                Some(declaration) => {
                    if let Some(value) = from_node(name, declaration, &entry.value, decoder) {
                        given.insert(name.clone(), value);
                    }
                }
                None => decoder.problem(unknown(name, &entry.key.place, declared)),
            }
        }
    }
}

/// Takes the value of one `--set name=value`.
fn from_argument(
    argument: &str,
    declared: &IndexMap<String, Declaration>,
    given: &mut IndexMap<String, Value>,
    decoder: &mut Decoder,
) {
    let source = SourceText::new("--set", argument);
    let Some((name, text)) = argument.split_once('=') else {
        let problem = Problem::at(&Place::whole(&source), "this sets no value");
        return decoder.problem(problem.hint(format!("write `--set {argument}=VALUE`")));
    };
    let Some(declaration) = declared.get(name) else {
        return decoder.problem(unknown(name, &Place::new(&source, 0..name.len()), declared));
    };
    let place = Place::new(&source, name.len() + 1..argument.len());
    let Some(value) = declaration.kind.read(text) else {
        let message = format!("variable `{name}` is `{text}`");
        return decoder
            .problem(Problem::at(&place, message).labelled(format!("expected {}", declaration.kind.name())));
    };
    match declaration.admits(&value) {
        Ok(()) => {
            given.insert(name.to_owned(), value);
        }
        Err(why) => decoder.problem(Problem::at(&place, format!("variable `{name}` is {why}"))),
    }
}

fn unknown(name: &str, place: &Place, declared: &IndexMap<String, Declaration>) -> Problem {
    let problem = Problem::at(place, format!("the plan has no variable `{name}`"))
        .did_you_mean(name, declared.keys().map(String::as_str));
    if !problem.hints().is_empty() || declared.is_empty() {
        return problem;
    }
    let names: Vec<&str> = declared.keys().map(String::as_str).collect();
    problem.hint(format!("the variables are {}", listed(&names)))
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }

    /// Returns some value of the type, for a variable that has none of its own.
    fn any(self) -> Value {
        match self {
            Self::String => "undefined".into(),
            Self::Integer | Self::Number => 1.into(),
            Self::Boolean => true.into(),
        }
    }

    /// Returns the value in the text of a command line.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(text.into()),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => text.parse::<Number>().ok().map(Value::Number),
            Self::Boolean => text.parse::<bool>().ok().map(Value::from),
        }
    }
}

impl Declaration {
    /// Returns why a value of the right type is not allowed.
    fn admits(&self, value: &Value) -> Result<(), String> {
        if let Some(number) = value.as_f64() {
            if let Some(minimum) = self.minimum.filter(|minimum| number < *minimum) {
                return Err(format!("{value}; the minimum is {minimum}"));
            }
            if let Some(maximum) = self.maximum.filter(|maximum| number > *maximum) {
                return Err(format!("{value}; the maximum is {maximum}"));
            }
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &self.one_of {
            Some(allowed) if !allowed.contains(&text) => {
                let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
                Err(format!("`{text}`; it must be one of {}", listed(&names)))
            }
            _ => Ok(()),
        }
    }
}
