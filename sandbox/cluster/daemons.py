"""Long-running processes: starting them detached, knowing them again, ending them.

A process record holds the pid and the kernel's start time of that pid, so that a record left over
from before a crash or a reboot never names a stranger who got the same pid.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

from .failure import SandboxError
from .wait import until

_LIMIT_BYTES = 32 << 20


class Daemon:
    """One process of the cluster, with its record, its log and its control group."""

    def __init__(self, name, groups, part, record, log):
        self.name = name
        self._groups = groups
        self._part = part
        self._record = record
        self.log = log

    def pid(self):
        """Returns the pid of the living process, or None."""
        try:
            record = json.loads(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return record["pid"] if start_time(record["pid"]) == record["start"] else None

    def start(self, arguments, environment=None, namespace=None):
        """Starts the process in a session and a control group of its own, unless it runs."""
        if self.pid():
            return False
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        _bound(self.log)
        arguments = [str(argument) for argument in arguments]
        if namespace:
            # Not `ip netns exec`: that mounts a new /sys and hides the control groups.
            arguments = ["nsenter", f"--net=/run/netns/{namespace}", *arguments]
        group = self._groups.daemons(self._part) / "cgroup.procs"
        # The shell enters the group and then becomes the program: nothing is forked before.
        enter = ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group), *arguments]
        with open(self.log, "ab") as output:
            process = subprocess.Popen(
                enter,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **(environment or {})},
            )
        _children[process.pid] = process
        record = {"pid": process.pid, "start": start_time(process.pid)}
        partial = self._record.with_suffix(".partial")
        partial.write_text(json.dumps(record))
        partial.replace(self._record)
        return True

    def require_alive(self):
        """Raises with the last words of the process when it has died."""
        if not self.pid():
            raise SandboxError(f"{self.name} ended: {self.last_words()} (log: {self.log})")

    def last_words(self):
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            lines = []
        return lines[-1][:300] if lines else "it wrote no log"

    def stop(self, seconds=20):
        """Asks the process to end, then kills it."""
        pid = self.pid()
        if not pid:
            return False
        os.kill(pid, signal.SIGTERM)
        try:
            until(lambda: not self.pid(), seconds, f"the end of {self.name}")
        except SandboxError:
            self.kill()
        return True

    def kill(self):
        """Kills the process at once and waits until it is gone."""
        pid = self.pid()
        if not pid:
            return False
        os.kill(pid, signal.SIGKILL)
        until(lambda: not self.pid(), 10, f"the end of {self.name} after SIGKILL")
        return True


_children = {}
"""Processes this command started itself; they must be waited for when they end."""


def start_time(pid):
    """Returns the kernel's start time of a living process, else None; a zombie is not living."""
    if pid in _children:
        _children[pid].poll()
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _bound(log):
    """Keeps one old log beside the new one when the old one is large."""
    if log.exists() and log.stat().st_size > _LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
