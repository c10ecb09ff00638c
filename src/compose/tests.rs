//! The repository's own plans compose without a word; wrong ones are told as a person would want it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Composed, Entry, FileError, Files, Listed, Request, compose};
use crate::plan::SecretSource;
use crate::problem::Severity;

/// The files of this repository.
struct Repository;

impl Files for Repository {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if path.is_dir() {
            let listed = path.read_dir().unwrap().map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                Listed { name, is_folder: entry.path().is_dir() }
            });
            return Ok(Entry::Folder(listed.collect()));
        }
        std::fs::read(&path).map(Entry::File).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing,
            _ => FileError::Unreadable(error.to_string()),
        })
    }
}

/// Files of a test: path and content.
#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }
}

impl Files for Memory {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(Entry::File(bytes.clone()));
        }
        let prefix = if path == "." { String::new() } else { format!("{path}/") };
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for rest in self.0.keys().filter_map(|known| known.strip_prefix(&prefix)) {
            match rest.split_once('/') {
                Some((folder, _)) => names.insert(folder.to_owned(), true),
                None => names.insert(rest.to_owned(), false),
            };
        }
        if names.is_empty() {
            return Err(FileError::Missing);
        }
        Ok(Entry::Folder(names.into_iter().map(|(name, is_folder)| Listed { name, is_folder }).collect()))
    }
}

fn composed_with(files: &dyn Files, plan: &str, values: &[&str], set: &[&str]) -> Result<Composed, String> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let request = Request { files, plan, values: &owned(values), set: &owned(set) };
    compose(&request).map_err(|problems| problems.render(Severity::Error, false))
}

/// Composes `plan.yaml` with the given text beside `files`.
fn composed(plan: &str, files: &[(&str, &str)]) -> Result<Composed, String> {
    let mut all = vec![("plan.yaml", plan)];
    all.extend_from_slice(files);
    composed_with(&Memory::new(&all), "plan.yaml", &[], &[])
}

#[test]
fn the_repositorys_plans_compose_without_a_word() {
    for plan in ["plans/wesago.yaml", "plans/sandbox.yaml"] {
        let composed = composed_with(&Repository, plan, &[], &[]).unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(composed.warnings.render(Severity::Warning, false), "", "{plan}");
        assert_eq!((composed.plan.name(), composed.plan.namespace()), ("wesago", "gic-wesago"));
        assert!(composed.plan.objects().count() > 20);
        for (_, object) in composed.plan.objects() {
            let place = composed.plan.place(&object.reference());
            assert!(place.is_some(), "{}", object.reference());
            assert!(!object.value().to_string().contains("${host}"), "{}", object.reference());
        }
    }
}
