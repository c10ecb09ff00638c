//! The wall between the modules: one crate has none of its own.
//!
//! The table of levels stands in `src/lib.rs`. A module imports only modules of a lower level; what comes
//! from outside (the cluster, files, the environment, time, randomness, the terminal) comes in at one place.

#![expect(clippy::unwrap_used, reason = "a test whose sources cannot be read has failed")]

#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::path::Path;

/// Returns every source file by its path from the root of the crate.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn every_arrow_points_down_and_the_world_comes_in_at_one_place() {
    let files = sources();
    assert!(files.len() > 20, "the sources were found: {}", files.len());
    let complaints = rules::complaints(&files);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn the_makefile_runs_every_test_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let makefile = std::fs::read_to_string(root.join("Makefile")).unwrap();
    let words: Vec<&str> = makefile.split_whitespace().collect();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let is_file = path.extension().is_some_and(|extension| extension == "rs");
        if is_file || path.join("main.rs").exists() {
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(names.len() > 5, "the tests were found: {names:?}");
    names.retain(|name| !words.windows(2).any(|pair| pair == ["--test", name.as_str()]));
    assert_eq!(names, [""; 0], "never run by the Makefile");
}
