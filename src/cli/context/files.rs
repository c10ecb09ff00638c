//! Where plans and manifests are read from: a folder on disk, or the tree built into the binary.

use std::io;
use std::path::PathBuf;

use include_dir::{Dir, DirEntry, include_dir};

use crate::compose::{Entry, FileError, Files, Listed};

static PLANS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/plans");
static MANIFESTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/manifests");

/// Files on disk; relative paths start at the current folder.
pub(crate) struct DiskFiles;

/// The files built into the binary: `plans/…` and `manifests/…`.
pub(crate) struct BuiltInFiles;

impl Files for DiskFiles {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => FileError::Missing,
            _ => FileError::Unreadable(error.to_string()),
        };
        let path = PathBuf::from(path);
        if !std::fs::metadata(&path).map_err(told)?.is_dir() {
            return Ok(Entry::File(std::fs::read(&path).map_err(told)?));
        }
        let mut listed = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = std::fs::metadata(entry.path()).map_err(told)?.is_dir();
            listed.push(Listed { name, is_folder });
        }
        Ok(Entry::Folder(listed))
    }
}

impl Files for BuiltInFiles {
    fn open(&self, path: &str) -> Result<Entry, FileError> {
        let (tree, inside) = match path.split_once('/').unwrap_or((path, "")) {
            ("plans", inside) => (&PLANS, inside),
            ("manifests", inside) => (&MANIFESTS, inside),
            _ => return Err(FileError::Missing),
        };
        if inside.is_empty() {
            return Ok(folder(tree));
        }
        match tree.get_entry(inside) {
            Some(DirEntry::File(file)) => Ok(Entry::File(file.contents().to_vec())),
            Some(DirEntry::Dir(dir)) => Ok(folder(dir)),
            None => Err(FileError::Missing),
        }
    }
}

fn folder(dir: &Dir<'_>) -> Entry {
    let name = |entry: &DirEntry<'_>| {
        let name = entry.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Listed { name, is_folder: matches!(entry, DirEntry::Dir(_)) }
    };
    Entry::Folder(dir.entries().iter().map(name).collect())
}

/// Returns true when the file is there.
pub(crate) fn exists(files: &dyn Files, path: &str) -> bool {
    matches!(files.open(path), Ok(Entry::File(_)))
}

#[cfg(test)]
mod tests {
    use super::{BuiltInFiles, DiskFiles};
    use crate::compose::{Entry, FileError, Files};

    #[test]
    fn the_binary_holds_what_the_repository_holds() {
        for path in ["plans/wesago.yaml", "plans/sandbox.yaml", "manifests/namespace"] {
            let sorted = |entry| match entry {
                Ok(Entry::Folder(mut listed)) => {
                    listed.sort();
                    Ok(Entry::Folder(listed))
                }
                other => other,
            };
            assert_eq!(sorted(BuiltInFiles.open(path)), sorted(DiskFiles.open(path)), "{path}");
        }
        assert_eq!(BuiltInFiles.open("plans/nope.yaml"), Err(FileError::Missing));
        assert_eq!(BuiltInFiles.open("src/main.rs"), Err(FileError::Missing));
    }
}
