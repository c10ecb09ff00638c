"""Control groups: a home for every process of the cluster, so that none can be lost.

Each daemon is started inside `wesago-sandbox/<part>/daemons`; what it forks stays there, and the
kubelet puts pods below `wesago-sandbox/<node>/kubepods`. So the tree lists every process, also
after a crash of whoever started it. Both layouts are known: v1, where a controller is a
hierarchy of its own, and v2 with one hierarchy.
"""

import os
import signal
from pathlib import Path

from .wait import until

ROOT = "wesago-sandbox"


def hierarchies(mounts="/proc/self/mounts"):
    """Returns (mount point, kind, options) of each mounted hierarchy."""
    found = []
    with open(mounts, encoding="utf-8") as lines:
        for line in lines:
            _, point, kind, options, *_ = line.split()
            if kind in ("cgroup", "cgroup2") and point.startswith("/sys/fs/cgroup"):
                found.append((Path(point), kind, options.split(",")))
    return found


def tracking():
    """Returns the one hierarchy in which the daemons are kept: pids, or v2's only one."""
    all_of_them = hierarchies()
    for point, kind, options in all_of_them:
        if kind == "cgroup" and "pids" in options:
            return point
    return all_of_them[0][0]


def daemons(part):
    """Makes and returns the group for the daemons of a part (`control-plane` or a node)."""
    group = tracking() / ROOT / part / "daemons"
    group.mkdir(parents=True, exist_ok=True)
    return group


def make_for_pods(node):
    """Makes the group below which the kubelet keeps its pods; it must exist everywhere."""
    for point, kind, options in hierarchies():
        group = point / ROOT / node
        if kind == "cgroup2" and point.name == "unified":
            continue
        group.mkdir(parents=True, exist_ok=True)
        if kind == "cgroup" and "cpuset" in options:
            for folder in (point / ROOT, group):
                _inherit_cpuset(folder)


def _inherit_cpuset(folder):
    """A new cpuset of v1 is empty and takes no process before it is filled."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (folder / name).read_text().strip():
            (folder / name).write_text((folder.parent / name).read_text())


def members(part=""):
    """Lists the processes in the tree of a part, or of the whole cluster."""
    top = tracking() / ROOT / part
    pids = []
    for folder, _, names in os.walk(top):
        if "cgroup.procs" in names:
            try:
                pids += [int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split()]
            except OSError:
                continue  # the group went away between the walk and the read
    return pids


def kill(part="", seconds=20):
    """Kills every process in the tree of a part and waits until the tree is empty."""

    def empty():
        left = members(part)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself
        return not left

    until(empty, seconds, f"the end of the processes in the control group {ROOT}/{part}")


def remove(part=""):
    """Removes the groups of a part in every hierarchy; they must be empty of processes."""
    for point, _, _ in hierarchies():
        for folder, _, _ in os.walk(point / ROOT / part, topdown=False):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass  # the kernel or the kubelet was faster
