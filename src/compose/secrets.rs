//! Secrets whose values are made once: which keys, and where each value comes from.

use indexmap::IndexMap;

use super::decode::Decoder;
use super::names;
use crate::plan::{SecretKey, SecretSource, SecretSpec};
use crate::problem::{Place, Problem};
use crate::yaml::{Entry, Node};

/// Shorter is guessed, longer than any program reads.
const LENGTHS: (i64, i64) = (8, 256);

/// Adds the Secrets of `node` to those of the base: a key that is there gets new sources.
pub(super) fn decode(
    node: &Node,
    secrets: &mut IndexMap<String, (SecretSpec, Place)>,
    decoder: &mut Decoder,
) {
    for entry in decoder.entries(node, "secrets") {
        let (name, place) = (&entry.key.name, &entry.key.place);
        if let Err(why) = names::subdomain(name) {
            decoder.problem(Problem::at(place, format!("`{name}` is no name for a Secret: {why}")));
            continue;
        }
        let keys = decoder.entries(&entry.value, name);
        if keys.is_empty() {
            decoder.problem(Problem::at(place, format!("secret `{name}` has no keys")));
        }
        let (spec, _) = secrets
            .entry(name.clone())
            .or_insert_with(|| (SecretSpec { name: name.clone(), keys: Vec::new() }, place.clone()));
        for key in keys {
            let Some(sources) = sources(name, key, decoder) else { continue };
            match spec.keys.iter_mut().find(|known| known.key == key.key.name) {
                Some(known) => known.sources = sources,
                None => spec.keys.push(SecretKey { key: key.key.name.clone(), sources }),
            }
        }
    }
}

fn sources(secret: &str, entry: &Entry, decoder: &mut Decoder) -> Option<Vec<SecretSource>> {
    let what = format!("key `{}` of secret `{secret}`", entry.key.name);
    if let Err(why) = names::data_key(&entry.key.name) {
        decoder.problem(Problem::at(&entry.key.place, format!("{what}: {why}")));
    }
    if entry.value.as_scalar().is_some_and(|scalar| !scalar.value.is_null()) {
        // Without its line: a log must not show the value.
        let place = &entry.value.place;
        decoder.problem(
            Problem::new(format!("{place}: the value of {what} is written into the plan"))
                .hint("a plan says where a value comes from: write `{ generate: 32 }`, `{ env: NAME }` or `{ command: [PROGRAM, ARGUMENT] }`"),
        );
        return None;
    }
    let fields = decoder.fields(&entry.value, &what, &["env", "command", "generate"])?;
    let listed = fields.as_mapping().unwrap_or_default();
    if listed.is_empty() {
        let problem = Problem::at(&entry.value.place, format!("{what} has no source"));
        decoder.problem(problem.hint("write `{ generate: 32 }`, `{ env: NAME }` or both"));
    }
    let mut sources = Vec::new();
    for field in listed {
        if matches!(sources.last(), Some(SecretSource::Generate(_))) {
            decoder.problem(
                Problem::at(&field.key.place, format!("`{}` of {what} is never asked", field.key.name))
                    .hint("sources are asked in their order, and `generate` always has a value: put it last"),
            );
        }
        sources.extend(source(field, decoder));
    }
    Some(sources)
}

fn source(field: &Entry, decoder: &mut Decoder) -> Option<SecretSource> {
    match field.key.name.as_str() {
        "env" => decoder.text(&field.value, "env").map(|text| SecretSource::Env(text.value)),
        "command" => {
            let words = decoder.texts(&field.value, "command")?;
            if words.is_empty() {
                decoder.problem(Problem::at(&field.value.place, "`command` names no program"));
            }
            Some(SecretSource::Command(words.into_iter().map(|word| word.value).collect()))
        }
        "generate" => {
            let length = decoder.integer(&field.value, "generate", LENGTHS.0, LENGTHS.1)?;
            u16::try_from(length).ok().map(SecretSource::Generate)
        }
        // An unknown field was told already.
        _ => None,
    }
}
