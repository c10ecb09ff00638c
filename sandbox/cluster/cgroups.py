"""Control groups: a home for every process of the cluster, so that none can be lost.

Each daemon is started inside `NAME/<part>/daemons`; what it forks stays there, and the kubelet
puts pods below `NAME/<node>/kubepods`. So the tree lists every process, also after a crash of
whoever started it. Both layouts are known: v1, where a controller is a hierarchy of its own, and
v2 with one hierarchy.
"""

import errno
import os
import signal
from pathlib import Path

from .wait import until


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


class ControlGroups:
    """The tree of one cluster, with a part for the control plane and one for each node."""

    def __init__(self, name):
        self.name = name

    def daemons(self, part):
        """Makes and returns the group for the daemons of a part."""
        group = tracking() / self.name / part / "daemons"
        group.mkdir(parents=True, exist_ok=True)
        return group

    def make_for_pods(self, node):
        """Makes the group below which the kubelet keeps its pods; it must exist everywhere."""
        for point, kind, options in hierarchies():
            if kind == "cgroup2" and point.name == "unified":
                continue  # beside v1 it has no controllers, and the kubelet does not look there
            group = point / self.name / node
            group.mkdir(parents=True, exist_ok=True)
            if kind == "cgroup2":
                for folder in (point, point / self.name):
                    _pass_on_controllers(folder)
            if kind == "cgroup" and "cpuset" in options:
                for folder in (point / self.name, group):
                    _inherit_cpuset(folder)

    def members(self, part=""):
        """Lists the processes in the tree of a part, or of the whole cluster."""
        pids = []
        for folder, _, names in os.walk(tracking() / self.name / part):
            if "cgroup.procs" in names:
                try:
                    pids += [int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split()]
                except OSError:
                    continue  # the group went away between the walk and the read
        return pids

    def kill(self, part="", seconds=20):
        """Kills every process in the tree of a part and waits until the tree is empty."""

        def empty():
            left = self.members(part)
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it ended by itself
            return not left

        until(empty, seconds, f"the end of the processes in the control group {self.name}/{part}")

    def remove(self, seconds=10):
        """Removes the groups in every hierarchy; they must be empty of processes."""
        for point, _, _ in hierarchies():
            for folder, _, _ in os.walk(point / self.name, topdown=False):
                until(lambda group=folder: _removed(group), seconds, f"the release of the control group {folder}")


def _removed(group):
    """Removes one group; false while the last threads of a process that has just ended still leave it."""
    try:
        os.rmdir(group)
    except FileNotFoundError:
        pass  # the kernel or the kubelet was faster
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _pass_on_controllers(folder):
    """In v2 a group has the controllers its parent passes on; the kubelet wants them all."""
    for controller in (folder / "cgroup.controllers").read_text().split():
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(folder):
    """A new cpuset of v1 is empty and takes no process before it is filled."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (folder / name).read_text().strip():
            (folder / name).write_text((folder.parent / name).read_text())
