"""Runs one program and tells how long it took and how much memory it held at most."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass

from .failure import BenchError

TIME = "/usr/bin/time"
HANGS_AFTER = 900
"""Seconds."""


@dataclass(frozen=True)
class Ran:
    """What a run cost."""

    wall: float
    memory: float
    """MB (10^6 bytes) at most. `time` is so small that the peak it tells is the program's own: that of a child
    of this interpreter would be the interpreter's."""


def run(arguments, environment=None):
    """Runs a program to a good end."""
    with tempfile.NamedTemporaryFile("r") as peak:
        command = [TIME, "--format=%M", f"--output={peak.name}", *map(str, arguments)]
        began = time.monotonic()
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=HANGS_AFTER,
            check=False,
        )
        wall = time.monotonic() - began
        if done.returncode:
            told = (done.stderr + done.stdout).strip()[-2000:]
            raise BenchError(f"{' '.join(command[3:])} ended with {done.returncode}:\n{told}")
        return Ran(wall, int(peak.read().split()[-1]) * 1024 / 1e6)
