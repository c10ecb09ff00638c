//! The rules, each of which can be broken: see the tests below.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Path, paths, test_modules, tokens};

/// No file may be longer.
const LONGEST_FILE: usize = 600;

/// Paths from outside, where they may be used, and whether tests may use them anywhere.
const GATES: [Gate; 9] = [
    Gate { path: &["kube"], only_in: &["src/cluster", "src/cli/context"], free_in_tests: false },
    Gate { path: &["k8s_openapi"], only_in: &["src/cluster", "src/cli/context"], free_in_tests: false },
    Gate { path: &["std", "env"], only_in: &["src/cli/context"], free_in_tests: true },
    Gate { path: &["std", "fs"], only_in: &["src/cli/context"], free_in_tests: true },
    Gate { path: &["tokio", "fs"], only_in: &["src/cli/context"], free_in_tests: true },
    Gate { path: &["std", "time", "SystemTime"], only_in: &["src/cli/context"], free_in_tests: true },
    Gate { path: &["getrandom"], only_in: &["src/cli/context"], free_in_tests: false },
    Gate { path: &["IsTerminal"], only_in: &["src/cli/context"], free_in_tests: false },
    Gate { path: &["is_terminal"], only_in: &["src/cli/context"], free_in_tests: false },
];

/// The process's own streams: written to by the shell only. The last segments of a path count, since
/// `use std::io` comes before `io::stdout()`.
const STREAMS: [&str; 3] = ["stdin", "stdout", "stderr"];

struct Gate {
    path: &'static [&'static str],
    only_in: &'static [&'static str],
    free_in_tests: bool,
}

/// Returns what breaks a rule, each with file and line. `files` are the sources by path.
pub(crate) fn complaints(files: &BTreeMap<String, String>) -> Vec<String> {
    let Some(library) = files.get("src/lib.rs") else { return vec!["src/lib.rs: it is missing".into()] };
    let levels = levels(library);
    let mut found = unplaced(files, &levels);
    let tests = test_files(files);
    for (file, text) in files {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            found.push(format!("{file}: {lines} lines; {LONGEST_FILE} are allowed"));
        }
        for path in paths(&tokens(text)) {
            found.extend(arrow(file, &path, &levels));
            found.extend(gate(file, &path, path.in_tests || tests.contains(file)));
        }
    }
    found
}

/// Returns the level of each module, from the table in the documentation of the crate: `L1 plan yaml`,
/// then two spaces, then what they are for.
fn levels(library: &str) -> BTreeMap<&str, u32> {
    let mut levels = BTreeMap::new();
    for line in library.lines().filter_map(|line| line.strip_prefix("//! L")) {
        let Some((level, rest)) = line.split_once(' ') else { continue };
        let Ok(level) = level.parse() else { continue };
        let names = rest.split_once("  ").map_or(rest, |(names, _)| names);
        levels.extend(names.split_whitespace().map(|name| (name, level)));
    }
    levels
}

/// Returns a complaint for each module without a level, and for each level without a module.
fn unplaced(files: &BTreeMap<String, String>, levels: &BTreeMap<&str, u32>) -> Vec<String> {
    let modules: BTreeSet<_> = files.keys().filter_map(|file| module_path(file).first().copied()).collect();
    let without_level = modules.iter().filter(|module| !levels.contains_key(*module));
    let without_module = levels.keys().filter(|module| !modules.contains(*module));
    without_level
        .map(|module| format!("src/lib.rs: module `{module}` has no level in the table"))
        .chain(
            without_module
                .map(|module| format!("src/lib.rs: the table names `{module}`, which is not there")),
        )
        .collect()
}

/// Returns the module path of a file; empty for the roots.
fn module_path(file: &str) -> Vec<&str> {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    if matches!(inner, "lib" | "main") { Vec::new() } else { inner.split('/').collect() }
}

/// Returns the files that are compiled for tests only.
fn test_files(files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, text) in files {
        let folder = std::iter::once("src").chain(module_path(file)).collect::<Vec<_>>().join("/");
        for name in test_modules(&tokens(text)) {
            found.extend([format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]);
        }
    }
    found
}

/// Returns a complaint about a path of the crate that does not point down.
fn arrow(file: &str, path: &Path<'_>, levels: &BTreeMap<&str, u32>) -> Option<String> {
    let from = module_path(file);
    let own = from.first()?;
    let to = target(&from, path)?;
    if to == *own || !levels.contains_key(to) {
        return None;
    }
    let (own_level, level) = (levels.get(own)?, levels.get(to)?);
    (level >= own_level).then(|| {
        let way = if level > own_level { "up" } else { "sideways" };
        format!("{file}:{}: `{own}` (L{own_level}) points {way} to `{to}` (L{level})", path.line)
    })
}

/// Returns the top module a path leads to, when it starts at the root of the crate or climbs up to it.
fn target<'a>(from: &[&str], path: &Path<'a>) -> Option<&'a str> {
    let climbs = path.segments.iter().take_while(|segment| **segment == "super").count();
    match path.segments[0] {
        "crate" => path.segments.get(1).copied(),
        "super" if climbs >= from.len() + path.depth => path.segments.get(climbs).copied(),
        _ => None,
    }
}

/// Returns a complaint about a path from outside that is used in the wrong place.
fn gate(file: &str, path: &Path<'_>, in_tests: bool) -> Option<String> {
    let complain = |what: String, only_in: &[&str]| {
        let place = only_in.join(" and ");
        Some(format!("{file}:{}: `{what}` outside of {place}", path.line))
    };
    for gate in &GATES {
        let crates = ["kube", "k8s_openapi", "getrandom"].contains(&gate.path[0]);
        let used = if gate.path.len() > 1 || crates {
            // A variable may have the name of a crate.
            path.segments.starts_with(gate.path) && path.segments.len() > usize::from(crates)
        } else {
            path.segments.contains(&gate.path[0])
        };
        let free =
            gate.only_in.iter().any(|place| file.starts_with(place)) || (gate.free_in_tests && in_tests);
        if used && !free {
            return complain(path.segments.join("::"), gate.only_in);
        }
    }
    let is_stream = path
        .segments
        .windows(2)
        .any(|pair| matches!(pair[0], "io" | "anstream") && STREAMS.contains(&pair[1]));
    if is_stream && !in_tests && !file.starts_with("src/cli") {
        return complain(path.segments.join("::"), &["src/cli"]);
    }
    None
}

/// Returns the complaints about a crate of three levels, with one more file.
#[cfg(test)]
fn about(file: &str, text: &str) -> Vec<String> {
    let library = "//! L0 low beside   what is below\n//! L1 high cluster\n//! L2 cli\n";
    let mut files = BTreeMap::from([("src/lib.rs".to_owned(), library.to_owned())]);
    for module in ["low", "beside", "high", "cluster/mod", "cli/mod"] {
        files.insert(format!("src/{module}.rs"), String::new());
    }
    files.insert(file.to_owned(), text.to_owned());
    complaints(&files)
}

#[test]
fn down_is_allowed_and_up_and_sideways_are_not() {
    assert_eq!(about("src/high.rs", "use crate::low::A;"), [""; 0]);
    assert_eq!(
        about("src/low.rs", "\nuse crate::high::A;"),
        ["src/low.rs:2: `low` (L0) points up to `high` (L1)"]
    );
    assert_eq!(
        about("src/low.rs", "use crate::{beside::A, high};"),
        [
            "src/low.rs:1: `low` (L0) points sideways to `beside` (L0)",
            "src/low.rs:1: `low` (L0) points up to `high` (L1)",
        ]
    );
    assert_eq!(about("src/low.rs", "fn f() { crate::high::g() }").len(), 1);
    assert_eq!(about("src/low.rs", "#[cfg(test)] mod tests { use crate::high::A; }").len(), 1);
}

#[test]
fn inside_a_folder_everything_is_allowed() {
    assert_eq!(about("src/low/part.rs", "use super::A; use crate::low::B; use super::other::C;"), [""; 0]);
    assert_eq!(about("src/low/part.rs", "mod tests { use super::super::high::A; }"), [""; 0]);
}

#[test]
fn climbing_to_the_root_is_seen() {
    let up = "`low` (L0) points up to `high` (L1)";
    assert_eq!(about("src/low.rs", "use super::high::A;"), [format!("src/low.rs:1: {up}")]);
    assert_eq!(about("src/low/part.rs", "use super::super::high;"), [format!("src/low/part.rs:1: {up}")]);
    assert_eq!(about("src/low.rs", "mod tests { use super::super::{high::A}; }").len(), 1);
}

#[test]
fn the_cluster_is_known_in_one_place() {
    assert_eq!(
        about("src/high.rs", "use kube::Api;"),
        ["src/high.rs:1: `kube::Api` outside of src/cluster and src/cli/context"]
    );
    assert_eq!(about("src/high.rs", "#[cfg(test)] mod tests { use k8s_openapi::api; }").len(), 1);
    assert_eq!(about("src/cluster/watch.rs", "use kube::{Api, Client};"), [""; 0]);
    assert_eq!(about("src/cli/context/kubeconfig.rs", "use kube::Config;"), [""; 0]);
    assert_eq!(about("src/high.rs", "let kube = 1; self::kube::f(kube);"), [""; 0]);
}

#[test]
fn the_world_comes_in_at_one_place() {
    for text in [
        "use std::env;",
        "use std::{env, fmt};",
        "std::fs::read(path);",
        "use tokio::fs::File;",
        "use std::time::{Duration, SystemTime};",
        "getrandom::fill(&mut seed);",
        "use std::io::IsTerminal;",
        "stream.is_terminal();",
        "use std::io; fn f() { io::stdout(); }",
        "use std::io::{Write, stderr};",
    ] {
        assert_eq!(about("src/high.rs", text).len(), 1, "{text}");
        assert_eq!(about("src/cli/context.rs", text), [""; 0], "{text}");
    }
    assert_eq!(about("src/high.rs", "use std::time::Duration; env!(\"X\"); std::fmt::f();"), [""; 0]);
    assert_eq!(about("src/cli/output.rs", "use std::io; io::stdout();"), [""; 0]);
    assert_eq!(about("src/cli/output.rs", "use std::env;").len(), 1);
}

#[test]
fn tests_may_read_files_but_not_reach_the_cluster() {
    assert_eq!(about("src/high.rs", "#[cfg(test)] mod tests { use std::fs; }"), [""; 0]);
    let library = "//! L0 low\n";
    let mut files = BTreeMap::from([
        ("src/lib.rs".to_owned(), library.to_owned()),
        ("src/low/mod.rs".to_owned(), "#[cfg(test)]\nmod tests;".to_owned()),
        ("src/low/tests.rs".to_owned(), "use std::fs;".to_owned()),
    ]);
    assert_eq!(complaints(&files), [""; 0]);
    files.insert("src/low/mod.rs".to_owned(), "mod tests;".to_owned());
    assert_eq!(complaints(&files).len(), 1);
}

#[test]
fn every_module_has_a_level_and_every_level_a_module() {
    assert_eq!(about("src/new.rs", ""), ["src/lib.rs: module `new` has no level in the table"]);
    let files = BTreeMap::from([("src/lib.rs".to_owned(), "//! L0 gone   not there\n".to_owned())]);
    assert_eq!(complaints(&files), ["src/lib.rs: the table names `gone`, which is not there"]);
}

#[test]
fn files_are_not_too_long() {
    assert_eq!(about("src/low.rs", &"\n".repeat(600)), [""; 0]);
    assert_eq!(about("src/low.rs", &"\n".repeat(601)), ["src/low.rs: 601 lines; 600 are allowed"]);
}
