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
