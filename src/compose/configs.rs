//! ConfigMaps made of real files, byte for byte.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::decode::Decoder;
use super::document::{ConfigDecl, PathDecl};
use super::{Entry, Files, names, paths};
use crate::object::Object;
use crate::problem::{Place, Problem, SourceText};
use crate::yaml::Substitution;

/// What the API server takes as one ConfigMap.
const MAX_BYTES: usize = 1024 * 1024;

/// A file with where it was named.
struct Found {
    path: String,
    bytes: Vec<u8>,
    place: Place,
}

/// Returns the ConfigMap that `config` declares; the name of each file is its key.
pub(super) fn read(
    files: &dyn Files,
    config: &ConfigDecl,
    substitution: &mut Substitution<'_>,
    decoder: &mut Decoder,
) -> Option<Object> {
    let name = &config.name.value;
    if let Err(why) = names::subdomain(name) {
        let message = format!("`{name}` is no name for a ConfigMap: {why}");
        decoder.problem(Problem::at(&config.name.place, message));
        return None;
    }
    let before = decoder.problems.len();
    let mut found: Vec<Found> = Vec::new();
    for path in &config.files {
        collect(files, path, &mut found, decoder);
    }
    if found.is_empty() && decoder.problems.len() == before {
        decoder.problem(Problem::at(&config.name.place, format!("config `{name}` has no files")));
    }
    let (mut data, mut binary, mut size) = (Map::new(), Map::new(), 0);
    let mut seen: Vec<&Found> = Vec::new();
    for file in &found {
        let key = paths::file_name(&file.path);
        if let Err(why) = names::data_key(key) {
            decoder.problem(Problem::at(&file.place, format!("file `{}` cannot be a key: {why}", file.path)));
        }
        if let Some(first) = seen.iter().find(|first| paths::file_name(&first.path) == key) {
            decoder.problem(
                Problem::at(&file.place, format!("config `{name}` has two files called `{key}`"))
                    .labelled(format!("`{}`", file.path))
                    .mark(&first.place, format!("`{}`", first.path)),
            );
        }
        seen.push(file);
        size += key.len() + file.bytes.len();
        match std::str::from_utf8(&file.bytes) {
            Ok(text) if config.substitute => {
                let text = substitution.text(&SourceText::new(&*file.path, text));
                data.insert(key.to_owned(), text.into());
            }
            Ok(text) => {
                data.insert(key.to_owned(), text.into());
            }
            Err(_) if config.substitute => {
                let message = format!("`{}` is not UTF-8 text, so it can hold no variables", file.path);
                decoder.problem(
                    Problem::at(&file.place, message).hint("put it into a config without `substitute`"),
                );
            }
            Err(_) => {
                let text = base64::engine::general_purpose::STANDARD.encode(&file.bytes);
                binary.insert(key.to_owned(), text.into());
            }
        }
    }
    if size > MAX_BYTES {
        let message = format!("config `{name}` holds {size} bytes; a ConfigMap takes {MAX_BYTES}");
        let hint = "put large files into an image or a volume";
        decoder.problem(Problem::at(&config.name.place, message).hint(hint));
    }
    if decoder.problems.len() > before {
        return None;
    }
    Object::new(config_map(name, data, binary)).ok()
}

fn config_map(name: &str, data: Map<String, Value>, binary: Map<String, Value>) -> Value {
    let mut value = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
    for (field, map) in [("data", data), ("binaryData", binary)] {
        if !map.is_empty() {
            value[field] = Value::Object(map);
        }
    }
    value
}

/// Adds the file at a path, or the files directly in the folder there, by name; hidden ones are left out.
fn collect(files: &dyn Files, path: &PathDecl, found: &mut Vec<Found>, decoder: &mut Decoder) {
    let mut add = |path: String, bytes: Vec<u8>, place: &Place| {
        found.push(Found { path, bytes, place: place.clone() });
    };
    match paths::open(files, &path.path, Some(&path.place)) {
        Err(problem) => decoder.problem(problem),
        Ok(Entry::File(bytes)) => add(path.path.clone(), bytes, &path.place),
        Ok(Entry::Folder(mut listed)) => {
            listed.sort();
            let mut any = false;
            for entry in listed.iter().filter(|entry| !entry.is_folder && !entry.name.starts_with('.')) {
                let inside = paths::joined("", &format!("{}/{}", path.path, entry.name));
                match paths::open(files, &inside, Some(&path.place)) {
                    Ok(Entry::File(bytes)) => {
                        any = true;
                        add(inside, bytes, &path.place);
                    }
                    Ok(Entry::Folder(_)) => {}
                    Err(problem) => decoder.problem(problem),
                }
            }
            if !any {
                let message = format!("the folder `{}` holds no files", path.path);
                decoder.problem(Problem::at(&path.place, message));
            }
        }
    }
}
