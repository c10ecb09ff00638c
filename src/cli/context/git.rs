//! Which commit a plan is of: read from the repository's own files, since a machine that deploys need not
//! have `git`; where those do not tell, `git` itself is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the commit that is checked out where a file lies; `None` outside of any repository.
pub(crate) fn commit_of(file: &Path) -> Option<String> {
    let folder = fs::canonicalize(file).ok()?.parent()?.to_owned();
    let git = folder.ancestors().find_map(|folder| repository(&folder.join(".git")))?;
    head(&git).or_else(|| asked(&folder)).filter(|commit| is_commit(commit))
}

/// Returns the folder of a repository: `.git` itself, or the one that a file of this name leads to, as in a
/// work tree beside the first or in a submodule (`gitrepository-layout(5)`).
fn repository(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let text = fs::read_to_string(git).ok()?;
    let leads_to = text.strip_prefix("gitdir:")?.trim();
    Some(git.parent()?.join(leads_to))
}

/// Reads the commit of HEAD.
fn head(git: &Path) -> Option<String> {
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return Some(head.trim().to_owned()) };
    let common = fs::read_to_string(git.join("commondir")).ok().map(|common| git.join(common.trim()));
    let common = common.unwrap_or_else(|| git.to_owned());
    let loose = [git, &common].iter().find_map(|folder| fs::read_to_string(folder.join(name)).ok());
    let packed = || {
        let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(_, of)| *of == name).map(|(commit, _)| commit.to_owned())
    };
    loose.map(|commit| commit.trim().to_owned()).filter(|commit| is_commit(commit)).or_else(packed)
}

/// Asks `git` for the commit of HEAD.
fn asked(folder: &Path) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["rev-parse", "--verify", "HEAD"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns true for the name of a commit, in either of git's two lengths.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::commit_of;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// Returns an empty folder of its own for one test.
    fn place(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("wesago-git-{name}-{}", std::process::id()));
        let _not_there = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("plans")).unwrap();
        fs::write(path.join("plans/shop.yaml"), "").unwrap();
        path
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_commit_is_found_wherever_git_keeps_it() {
        let branch = "ref: refs/heads/main\n";
        let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/heads/main\n^{COMMIT}\n");
        let line = format!("{COMMIT}\n");
        let layouts: [&[(&str, &str)]; 4] = [
            &[(".git/HEAD", &line)],
            &[(".git/HEAD", branch), (".git/refs/heads/main", &line)],
            &[(".git/HEAD", branch), (".git/packed-refs", &packed)],
            &[
                (".git", "gitdir: repository/worktrees/one\n"),
                ("repository/worktrees/one/HEAD", branch),
                ("repository/worktrees/one/commondir", "../..\n"),
                ("repository/refs/heads/main", &line),
            ],
        ];
        for (at, files) in layouts.iter().enumerate() {
            let root = place(&at.to_string());
            write(&root, files);
            assert_eq!(commit_of(&root.join("plans/shop.yaml")).as_deref(), Some(COMMIT), "{files:?}");
            fs::remove_dir_all(root).unwrap();
        }
    }

    #[test]
    fn what_is_no_commit_is_none() {
        let root = place("none");
        let file = root.join("plans/shop.yaml");
        // Neither the files nor `git` know a commit here.
        write(&root, &[(".git/HEAD", "ref: refs/heads/main\n")]);
        assert_eq!(commit_of(&file), None);
        assert_eq!(commit_of(&root.join("plans/not-there.yaml")), None);
        fs::remove_dir_all(root).unwrap();
    }
}
