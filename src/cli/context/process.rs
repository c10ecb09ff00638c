//! Who this process is, for the lock: a name for people, and a mark that tells it from every other process
//! anywhere, so that a deploy that was killed need not be waited for.

use std::path::Path;

use super::variable;
use crate::engine::{Holder, Life};

/// Returns this process as the holder of a lock.
pub(crate) fn holder(run: &str) -> Holder {
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let host = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "somewhere".to_owned());
    let pid = std::process::id();
    let identity = format!("{user}@{host}/{pid}/{run}");
    let process = world().map_or_else(String::new, |world| format!("{world}/{pid}/{}", started(pid)));
    Holder { identity, process, life_of }
}

/// Returns what is known of a process's life. A world that cannot be told, or is another one, proves
/// nothing.
fn life_of(process: &str) -> Life {
    let parse = || {
        let (rest, began) = process.rsplit_once('/')?;
        let (theirs, pid) = rest.rsplit_once('/')?;
        Some((theirs, pid.parse::<u32>().ok()?, began))
    };
    match parse() {
        Some((theirs, pid, began)) if world().as_deref() == Some(theirs) => {
            if started(pid) == began {
                Life::Alive
            } else {
                Life::Dead
            }
        }
        _ => Life::Unknown,
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

/// Returns when a process began, in clock ticks since the boot (field 22 of `/proc/PID/stat`); empty when
/// there is no such process. A process id that is used again began at another time.
fn started(pid: u32) -> String {
    let stat = read(&format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name, in brackets, and may hold anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(19).unwrap_or_default().to_owned()
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
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (world, _) = me.process.rsplit_once('/').and_then(|(rest, _)| rest.rsplit_once('/')).unwrap();
        let theirs = format!("{world}/{}/{}", child.id(), super::started(child.id()));
        child.wait().unwrap();
        assert_eq!(life_of(&theirs), Life::Dead);
    }

    #[test]
    fn a_process_of_another_world_may_live() {
        for elsewhere in ["another-boot/1/999999/1", "", "nonsense", "a/b/c"] {
            assert_eq!(life_of(elsewhere), Life::Unknown, "{elsewhere}");
        }
    }
}
