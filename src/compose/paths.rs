//! Paths of the plan: joined to the folder of the file that names them, and opened; a path that leads
//! nowhere is told with the nearest name beside it.

use std::sync::Arc;

use super::{Entry, FileError, Files};
use crate::problem::{Place, Problem, SourceText, nearest};

/// Returns `path` as seen from the folder of `file`, without `.` and, where possible, `..`.
pub(super) fn joined(file: &str, path: &str) -> String {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let absolute = path.starts_with('/') || (file.starts_with('/') && !path.starts_with('/'));
    let start = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Nothing is above the root.
            ".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let text = parts.join("/");
    match (absolute, text.is_empty()) {
        (true, _) => format!("/{text}"),
        (false, true) => ".".to_owned(),
        (false, false) => text,
    }
}

/// Returns the last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns what is at `path`, or the problem at `place`, where the path is named.
pub(super) fn open(files: &dyn Files, path: &str, place: Option<&Place>) -> Result<Entry, Problem> {
    files.open(path).map_err(|error| {
        let message = match &error {
            FileError::Missing => format!("`{path}` does not exist"),
            FileError::Unreadable(why) => format!("`{path}` cannot be read: {why}"),
        };
        let problem = match place {
            Some(place) => Problem::at(place, message),
            None => Problem::new(message),
        };
        match error {
            FileError::Missing => problem.maybe_hint(neighbour(files, path)),
            FileError::Unreadable(_) => problem,
        }
    })
}

/// Returns the text of the file at `path`.
pub(super) fn text(files: &dyn Files, path: &str, place: Option<&Place>) -> Result<Arc<SourceText>, Problem> {
    let wrong = |message: String| match place {
        Some(place) => Problem::at(place, message),
        None => Problem::new(message),
    };
    match open(files, path, place)? {
        Entry::Folder(_) => Err(wrong(format!("`{path}` is a folder; a file is wanted here"))),
        Entry::File(bytes) => String::from_utf8(bytes)
            .map(|text| SourceText::new(path, text))
            .map_err(|error| wrong(format!("`{path}` is not UTF-8 text: {}", error.utf8_error()))),
    }
}

/// Returns the hint for a path that does not exist: the nearest name in the last folder that does.
fn neighbour(files: &dyn Files, path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    match files.open(folder) {
        Ok(Entry::Folder(listed)) => {
            let found = nearest(name, listed.iter().map(|entry| entry.name.as_str()))?;
            let shown = if folder == "." { found.to_owned() } else { format!("{folder}/{found}") };
            Some(format!("did you mean `{shown}`?"))
        }
        Err(FileError::Missing) if folder != "." && !folder.is_empty() => Some(
            neighbour(files, folder)
                .unwrap_or_else(|| format!("the folder `{folder}` does not exist either")),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn paths_are_seen_from_the_file_that_names_them() {
        for (file, path, whole) in [
            ("plans/wesago.yaml", "../manifests/redis", "manifests/redis"),
            ("plans/wesago.yaml", "wesago.yaml", "plans/wesago.yaml"),
            ("wesago.yaml", "./a//b/", "a/b"),
            ("wesago.yaml", "..", ".."),
            ("wesago.yaml", "../../x", "../../x"),
            ("plans/p.yaml", "..", "."),
            ("/etc/p.yaml", "../../x", "/x"),
            ("/etc/p.yaml", "x", "/etc/x"),
            ("plans/p.yaml", "/x/../y", "/y"),
        ] {
            assert_eq!(joined(file, path), whole, "{path} in {file}");
        }
    }
}
