//! Who this process is, for the lock and the history: a name for people, and a mark that tells it from every
//! other process anywhere, so that a deploy that was killed need not be waited for.

use std::path::Path;

use super::git::commit_of;
use super::variable;
use crate::engine::{Holder, Life};
use crate::history::Origin;

/// Returns who runs this process, and where.
fn user_and_host() -> String {
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let host = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "somewhere".to_owned());
    format!("{user}@{host}")
}

/// Returns where a plan comes from; `file` is `None` for a built-in one.
pub(crate) fn origin(file: Option<&str>) -> Origin {
    let file = file.map(Path::new);
    let whole = |file: &Path| std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    Origin {
        by: user_and_host(),
        from: file.map_or_else(|| "built in".to_owned(), |file| whole(file).display().to_string()),
        commit: file.and_then(commit_of),
    }
}

/// Returns this process as the holder of a lock.
pub(crate) fn holder(run: &str) -> Holder {
    let pid = std::process::id();
    let identity = format!("{}/{pid}/{run}", user_and_host());
    let process = world().zip(stat(pid)).map(|(world, stat)| format!("{world}/{pid}/{}", stat.began));
    let process = process.unwrap_or_default();
    Holder { identity, process, life_of }
}

/// Returns what is known of a process's life. A world that cannot be told, or is another one, proves
/// nothing; a process that is stopped is there, and yet it may be years until it goes on.
fn life_of(process: &str) -> Life {
    let parse = || {
        let (rest, began) = process.rsplit_once('/')?;
        let (theirs, pid) = rest.rsplit_once('/')?;
        Some((theirs, pid.parse::<u32>().ok()?, began))
    };
    let Some((theirs, pid, began)) = parse() else { return Life::Unknown };
    if world().as_deref() != Some(theirs) {
        return Life::Unknown;
    }
    match stat(pid) {
        Some(stat) if stat.began != began => Life::Dead,
        None => Life::Dead,
        Some(stat) => match stat.state.as_str() {
            // Ended, and not yet waited for by its parent.
            "Z" | "X" => Life::Dead,
            "T" | "t" => Life::Unknown,
            _ => Life::Alive,
        },
    }
}

/// Returns what names the set of process ids this one belongs to: this boot of this kernel, and the
/// namespace of process ids in it (`proc(5)`, `pid_namespaces(7)`).
fn world() -> Option<String> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(format!("{boot}/{namespace}"))
}

/// What the kernel tells of a process.
struct Stat {
    /// One letter: running, sleeping, stopped, a zombie.
    state: String,
    /// When it began, in clock ticks since the boot. A process id that is used again began at another time.
    began: String,
}

/// Reads fields 3 and 22 of `/proc/PID/stat`; `None` when there is no such process.
fn stat(pid: u32) -> Option<Stat> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The second field is the program's name, in brackets, and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some(Stat { state, began: fields.nth(18)?.to_owned() })
}

/// Returns true when this process was started to outlive its terminal, as `nohup` does it: then SIGHUP has
/// no meaning (`SigIgn` of `proc(5)`, a bit a signal from 1).
pub(crate) fn hangups_are_ignored() -> bool {
    let status = read("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(ignored.trim(), 16).is_ok_and(|signals| signals & 1 == 1)
}

fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new(path)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{holder, life_of};
    use crate::engine::Life;

    #[test]
    fn a_living_process_is_not_dead_and_a_dead_one_is() {
        let me = holder("run");
        assert_eq!(life_of(&me.process), Life::Alive);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (world, _) = me.process.rsplit_once('/').and_then(|(rest, _)| rest.rsplit_once('/')).unwrap();
        let theirs = format!("{world}/{}/{}", child.id(), super::stat(child.id()).unwrap().began);
        assert_eq!(life_of(&theirs), Life::Alive);
        child.kill().unwrap();
        // Ended and not waited for, then gone: neither writes anything any more.
        let ended = || super::stat(child.id()).is_some_and(|stat| stat.state == "Z");
        while !ended() {
            std::thread::yield_now();
        }
        assert_eq!(life_of(&theirs), Life::Dead);
        child.wait().unwrap();
        assert_eq!(life_of(&theirs), Life::Dead);
        assert_eq!(life_of(&format!("{world}/{}/1", std::process::id())), Life::Dead, "another process then");
    }

    #[test]
    fn a_stopped_process_may_be_taken_for_dead_once_its_lock_is_old() {
        let mut child = std::process::Command::new("sh").args(["-c", "kill -STOP $$"]).spawn().unwrap();
        let me = holder("run");
        let (world, _) = me.process.rsplit_once('/').and_then(|(rest, _)| rest.rsplit_once('/')).unwrap();
        let stopped = || super::stat(child.id()).is_some_and(|stat| stat.state == "T");
        while !stopped() {
            std::thread::yield_now();
        }
        let theirs = format!("{world}/{}/{}", child.id(), super::stat(child.id()).unwrap().began);
        assert_eq!(life_of(&theirs), Life::Unknown);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_world_may_live() {
        for elsewhere in ["another-boot/1/999999/1", "", "nonsense", "a/b/c"] {
            assert_eq!(life_of(elsewhere), Life::Unknown, "{elsewhere}");
        }
    }
}
