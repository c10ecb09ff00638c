//! The plan file and those it extends, base first.

use super::decode::Decoder;
use super::{Files, paths};
use crate::problem::{Place, Problem, Problems};
use crate::yaml::{Keys, Node, parse};

/// More overlays over overlays than anybody can follow.
const MAX_FILES: usize = 16;

/// The fields of a plan file.
const FIELDS: [&str; 10] = [
    "extends",
    "name",
    "namespace",
    "variables",
    "secrets",
    "stages",
    "readiness",
    "patches",
    "conflicts",
    "notes",
];

/// One plan file as a tree.
#[derive(Debug)]
pub(super) struct PlanFile {
    /// Its path, to which its own paths are joined.
    pub(super) path: String,
    /// Its one document.
    pub(super) root: Node,
}

/// Returns the file at `path` and all it extends, base first; `None` when one cannot be read, since
/// without its base nothing of a plan can be judged.
pub(super) fn load(
    files: &dyn Files,
    path: &str,
    decoder: &mut Decoder,
    warnings: &mut Problems,
) -> Option<Vec<PlanFile>> {
    let mut chain: Vec<PlanFile> = Vec::new();
    let mut next: Option<(String, Option<Place>)> = Some((paths::joined("", path), None));
    while let Some((path, place)) = next.take() {
        if let (Some(place), true) = (&place, chain.iter().any(|file| file.path == path)) {
            let names: Vec<&str> =
                chain.iter().map(|file| file.path.as_str()).chain([path.as_str()]).collect();
            decoder.problem(Problem::at(place, format!("plans extend each other: {}", names.join(" -> "))));
            return None;
        }
        if chain.len() == MAX_FILES {
            decoder.problem(Problem::new(format!("more than {MAX_FILES} plans extend one another")));
            return None;
        }
        let root = root(files, &path, place.as_ref(), decoder, warnings)?;
        let base = root.get("extends").and_then(|node| decoder.text(node, "extends"));
        next = base.map(|base| (paths::joined(&path, &base.value), Some(base.place)));
        chain.push(PlanFile { path, root });
    }
    chain.reverse();
    Some(chain)
}

fn root(
    files: &dyn Files,
    path: &str,
    place: Option<&Place>,
    decoder: &mut Decoder,
    warnings: &mut Problems,
) -> Option<Node> {
    let source = match paths::text(files, path, place) {
        Ok(source) => source,
        Err(problem) => {
            decoder.problem(problem);
            return None;
        }
    };
    let parsed = parse(&source, Keys::AsWritten);
    let readable = parsed.problems.is_empty();
    decoder.problems.extend(parsed.problems);
    warnings.extend(parsed.warnings);
    let mut documents = parsed.documents.into_iter();
    let (first, second) = (documents.next(), documents.next());
    if let Some(second) = second {
        decoder.problem(Problem::at(&second.place, "a plan file is one document, and here begins a second"));
    }
    let Some(root) = first else {
        if readable {
            decoder.problem(Problem::new(format!(
                "`{path}` is empty; a plan has `name`, `namespace` and `stages`"
            )));
        }
        return None;
    };
    decoder.fields(&root, "the plan", &FIELDS)?;
    Some(root)
}
